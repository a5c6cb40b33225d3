//! Refund: a payment that nobody has claimed comes back, under the caps of the payer's class.

use farthing_ecash::{amount::Amount, claim, error::ProveError, refund, seed::WalletKeys};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, Inputs, rule_for, unbuildable};
use crate::{error::WalletError, terms::Terms};

/// What a refund takes: nothing but the payment, the wallet's state, and a rule for its purpose.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Refund {}

impl Refund {
    pub(super) fn build(&self, terms: &Terms, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        let incomplete = || WalletError::Internal { what: "a refund without its payment or state".to_owned() };
        let note = inputs.refundables.first().ok_or_else(incomplete)?;
        let state = inputs.state.as_ref().ok_or_else(incomplete)?;
        let over = |cap: &str, left| WalletError::CapExceeded { cap: cap.to_owned(), left };
        // The coin keeps the purpose, so a rule that makes nothing useful of it will do.
        let rule = rule_for(terms, state.attributes(), note.note().attributes().purpose());
        let rule = rule.ok_or_else(|| over("of this purpose", None))?;
        let room = claim::room(state.attributes(), rule.attributes(), terms.header.day);
        let built = refund::request(&terms.header, keys, note, state, rule, &mut UnwrapErr(SysRng));
        let transaction = built.map_err(|error| match error {
            ProveError::Amount => over("receive", Some(room)),
            // A registration that is over, or a day before that of the state or of the note's expiry.
            ProveError::Inputs => over("of this period", Some(Amount::ZERO)),
            other => unbuildable(other),
        })?;
        Ok(Draft::new(transaction, &[]))
    }
}
