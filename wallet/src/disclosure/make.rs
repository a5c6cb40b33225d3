//! How a wallet makes its proofs. Nothing is spent, sent or stored.

use farthing_ecash::{
    calendar::Month,
    disclosure::{Challenge, IncomeProof, PaymentProof},
    entry::{Entry, EntryKind},
    error::ProveError,
    identity::Identity,
    keys::KeyId,
    transaction::TransactionId,
};
use farthing_ledger::receipt::Receipt;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::file::{IncomeFile, PaymentFile};
use crate::{error::WalletError, history::OperationState, receipt::transaction, scan::Log, wallet::inner::Inner};

impl Inner {
    /// Shows month and total of the wallet's state.
    pub(crate) async fn prove_income(
        &self,
        month: Month,
        challenge: &Challenge,
        show_identity: bool,
    ) -> Result<IncomeFile, WalletError> {
        let (state, identity) = {
            let book = self.book.lock().await;
            (book.state()?, book.identity()?)
        };
        let shown = state.attributes().month();
        if shown != Some(month) {
            return Err(WalletError::MonthNotShown { wanted: month, shown });
        }
        let identity = match identity {
            _ if !show_identity => None,
            Some(identity) => Some(identity),
            None => return Err(WalletError::IdentityMissing),
        };
        let key = self.key_receipt(state.key()).await?;
        let proof = IncomeProof::prove(challenge, &state, identity.as_ref(), &mut UnwrapErr(SysRng));
        Ok(IncomeFile { proof: proof.map_err(fault)?, attestation: None, key })
    }

    /// Where the issuance log has a key.
    async fn key_receipt(&self, id: KeyId) -> Result<Receipt, WalletError> {
        let facts = self.issuer.facts().await?;
        let log = Log::Issuance;
        let place = facts.keys.iter().position(|key| key.id() == id);
        let index = place.and_then(|place| facts.key_indices.get(place).copied());
        let index =
            index.ok_or_else(|| log.contradiction("it does not show a key that it has announced".to_owned()))?;
        let (receipt, leaf) = self.entry_receipt(log, index).await?;
        let entry = Entry::from_bytes(&leaf).ok().filter(|entry| entry.kind() == EntryKind::Key);
        let known = self.key(id).await?.map(|key| key.to_bytes());
        if entry.is_none_or(|entry| Some(entry.body()) != known.as_deref()) {
            return Err(log.contradiction(format!("entry {index} of its log is not the key that it shows")));
        }
        Ok(receipt)
    }

    /// Shows amount and payee of a payment, from the log and the seed alone.
    pub(crate) async fn prove_payment(
        &self,
        id: TransactionId,
        challenge: Option<&Challenge>,
        payee: Option<Identity>,
    ) -> Result<PaymentFile, WalletError> {
        let (id, index, known, keys) = {
            let book = self.book.lock().await;
            let item = book.payment_made(id).filter(|item| item.state != OperationState::Failed);
            let item = item.ok_or(WalletError::TransactionUnknown)?;
            let index = item.log_index.ok_or(WalletError::TransactionUnknown)?;
            // The one of its transactions that is in the log.
            (item.transaction_id.unwrap_or(id), index, item.payee.clone(), book.keys()?)
        };
        let payee = payee.or(known).ok_or(WalletError::PayeeUnknown)?;
        let log = Log::Payments;
        let (payment, leaf) = self.entry_receipt(log, index).await?;
        let core = transaction(&leaf).map(|(_, core)| core).filter(|core| core.id() == id);
        let other = || log.contradiction(format!("entry {index} is another transaction than it answered"));
        let core = core.ok_or_else(other)?;
        let key = self.key(core.header().key).await?.ok_or_else(other)?;
        match PaymentProof::prove(challenge, &core, &key, &payee, &keys, &mut UnwrapErr(SysRng)) {
            Ok(proof) => Ok(PaymentFile { proof, payment }),
            Err(ProveError::Inputs) => Err(WalletError::OtherPayee { payee }),
            Err(error) => Err(fault(error)),
        }
    }
}

fn fault(error: ProveError) -> WalletError {
    WalletError::Internal { what: format!("a proof cannot be made: {error}") }
}
