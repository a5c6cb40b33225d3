//! Claim: notes become a coin, under the caps of the wallet's class.

use std::sync::Arc;

use farthing_ecash::{
    amount::Amount, claim, credential::Credential, error::ProveError, policy::REFUND_ONLY, rule::Rule,
    seed::WalletKeys, wallet_state::WalletState,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, Inputs, unbuildable};
use crate::{error::WalletError, terms::Terms};

/// What a claim takes: nothing but its notes, the wallet's state, and a rule that fits them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claim {}

/// The rule by which a wallet in this state claims money of this purpose. One that is good for a refund only is none: what is
/// claimed under it nobody accepts (`docs/PROTOCOL.md` section 6).
pub(crate) fn claim_rule<'t>(terms: &'t Terms, state: &WalletState, purpose: u32) -> Option<&'t Credential<Rule>> {
    rule_for(terms, state, purpose).filter(|rule| rule.attributes().line.purpose_out != REFUND_ONLY)
}

/// The rule for money of this purpose and a wallet in this state, be it for claims or for refunds only.
pub(crate) fn rule_for<'t>(terms: &'t Terms, state: &WalletState, purpose: u32) -> Option<&'t Credential<Rule>> {
    terms.rules.iter().find(|rule| {
        let line = &rule.attributes().line;
        line.class == state.class() && line.purpose == purpose
    })
}

impl Claim {
    pub(super) fn build(&self, terms: &Terms, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        let incomplete = || WalletError::Internal { what: "a claim without notes or state".to_owned() };
        let state = inputs.state.as_ref().ok_or_else(incomplete)?;
        let purpose = inputs.notes.first().ok_or_else(incomplete)?.attributes().purpose();
        let over = |cap: &str, left| WalletError::CapExceeded { cap: cap.to_owned(), left };
        let rule = claim_rule(terms, state.attributes(), purpose).ok_or_else(|| over("of this purpose", None))?;
        let room = claim::room(state.attributes(), rule.attributes(), terms.header.day);
        let notes = inputs.notes.iter().map(Arc::as_ref);
        let transaction = claim::request(&terms.header, keys, notes, state, rule, &mut UnwrapErr(SysRng)).map_err(
            |error| match error {
                ProveError::Amount => over("receive", Some(room)),
                // A state that is not valid any more, or of a later day than the redeemer's.
                ProveError::Inputs => over("of this period", Some(Amount::ZERO)),
                other => unbuildable(other),
            },
        )?;
        Ok(Draft::new(transaction, &[]))
    }
}
