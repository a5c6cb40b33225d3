//! Finishing what an earlier run began.

use farthing_ecash::amount::Amount;

use super::inner::Inner;
use crate::{
    error::WalletError,
    history::OperationState,
    operation::{Operation, Settled},
    report::Resumed,
    vault::RecordId,
};

impl Inner {
    /// Operations that were begun and that no call is waiting for. A registration that has to wait and a renewal are not among
    /// them: whoever receives finishes them. Sent before a payment, they would tell who pays.
    pub(super) async fn unfinished(&self) -> Vec<RecordId> {
        let book = self.book.lock().await;
        let open = book
            .operations()
            .filter(|(id, operation)| !operation.intent.waits() && !operation.intent.renews() && !self.is_driven(*id));
        open.map(|(id, _)| id).collect()
    }

    pub(super) async fn resume(&self) -> Result<Vec<Resumed>, WalletError> {
        let mut resumed = Vec::new();
        for id in self.unfinished().await {
            let Some(operation) = self.book.lock().await.operation(id) else { continue };
            // Read before it is driven: the notes of a claim are gone afterwards.
            let amount = self.amount(&operation).await;
            let driving = self.driving(id);
            let (state, explanation) = match self.drive(&driving).await {
                Ok(Settled::Done) => (OperationState::Done, None),
                Ok(Settled::Pending { delay }) => (OperationState::Pending, Some(delay)),
                Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    let open = self.book.lock().await.operation(id).is_some() || operation.item.is_none();
                    (if open { OperationState::Pending } else { OperationState::Failed }, Some(error.to_string()))
                }
            };
            let item = match operation.item {
                Some(number) => self.book.lock().await.item(number).cloned(),
                None => None,
            };
            resumed.push(Resumed { kind: operation.intent.kind(), state, amount, item, explanation });
        }
        Ok(resumed)
    }

    async fn amount(&self, operation: &Operation) -> Amount {
        let book = self.book.lock().await;
        if let Some(item) = operation.item.and_then(|number| book.item(number)) {
            return item.amount;
        }
        let notes = operation.inputs.iter().filter_map(|id| book.note(*id));
        Amount::new(notes.map(|note| note.credential.attributes().value().get()).fold(0, u64::saturating_add))
    }
}
