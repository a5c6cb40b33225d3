//! What to do when an input was spent before: look into the log, which says by what.

use std::collections::BTreeSet;

use farthing_ecash::{
    credential::Nullifier,
    entry::{Entry, EntryKind},
    transaction::Core,
};
use farthing_ledger::hash::Hash;
use farthing_service::status::Failure;

use super::{Settled, drive::pending};
use crate::{
    book::Book,
    error::{Server, WalletError},
    history::OperationState,
    record::Hex,
    scan::{
        Log,
        look::{Looked, Seen},
    },
    trust,
    vault::RecordId,
    wallet::{Progress, inner::Inner},
};

fn contradiction(what: &str) -> WalletError {
    WalletError::Contradiction { server: Server::Redeemer, what: what.to_owned() }
}

impl Inner {
    /// An input of this operation was spent by the transaction of a log entry. When that is one of this operation's own, it
    /// is answered; when it is of another copy of this wallet, the wallet catches up with that, and this operation has
    /// failed.
    pub(super) async fn already_spent(&self, id: RecordId, failure: &Failure) -> Result<Settled, WalletError> {
        let log_index =
            failure.number("log_index").ok_or_else(|| contradiction("it does not say what spent a coin"))?;
        // Of the redeemer, also when the logs are read from a copy: it has named the entry itself, a copy would learn of it.
        let (bytes, proof_hash) = match self.redeemer.0.entry(log_index).await {
            Ok(entry) => entry,
            Err(WalletError::Unreachable { what, .. }) => {
                return Ok(pending(&format!("the redeemer does not say what spent a coin: {what}")));
            }
            Err(error) => return Err(error),
        };
        let (core, answer) =
            spender(&bytes).ok_or_else(|| contradiction("the entry that spent a coin is malformed"))?;
        let (item, unseen) = {
            let mut book = self.book.lock().await;
            let Some(operation) = book.operation(id) else { return Ok(Settled::Done) };
            let spender = core.id();
            if operation.core()?.id() == spender || operation.earlier.contains(&Hex::new(spender.as_bytes())) {
                return self.answered(&mut book, id, core, answer, log_index).await;
            }
            (operation.item, log_index >= book.inbox().next)
        };
        if unseen {
            // In the order of the log, with all that the other copy did before and since.
            let quiet: Progress = std::sync::Arc::new(|_, _| {});
            match self.catch_up(None, &quiet).await {
                Ok(_) => {}
                Err(error) if error.passes() => {
                    return Ok(pending(&format!("the log does not show yet what spent a coin: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        if self.book.lock().await.operation(id).is_some() {
            // The entry was left out when the log was looked through, because its payee is in another bucket; or the log is
            // not signed so far.
            let leaf = Hash::leaf(&trust::leaf(&bytes, proof_hash.as_ref()));
            let believed = match self.checkpoint_of(Log::Payments, log_index.saturating_add(1)).await {
                Ok(believed) => believed,
                Err(error) if error.passes() => {
                    return Ok(pending(&format!("what spent a coin is not signed yet: {error}")));
                }
                Err(error) => return Err(error),
            };
            self.check_leaf(&believed, log_index, leaf).await?;
            self.take_one(id, log_index, &bytes, leaf, &core).await?;
        }
        let book = self.book.lock().await;
        let done = |number| book.item(number).is_some_and(|item| item.state == OperationState::Done);
        if item.is_some_and(done) { Ok(Settled::Done) } else { Err(WalletError::SpentElsewhere { log_index }) }
    }

    /// Takes in the entry that spent an input of an operation.
    async fn take_one(
        &self,
        id: RecordId,
        index: u64,
        bytes: &[u8],
        leaf: Hash,
        core: &Core,
    ) -> Result<(), WalletError> {
        let seen = self.looker(&Default::default()).await?.look(bytes);
        let own = matches!(&seen, Seen::Transaction(sighting) if sighting.own);
        {
            let book = self.book.lock().await;
            let Some(operation) = book.operation(id) else { return Ok(()) };
            let spent: BTreeSet<Nullifier> = core.nullifiers().collect();
            let lost = spent_inputs(&book, &operation.inputs, &spent);
            let state_lost = book.state().is_ok_and(|state| spent.contains(&state.nullifier()));
            if lost.is_empty() && !state_lost {
                return Err(contradiction("the entry that it names did not spend this coin"));
            }
            // The note of a payment is spent by its payee, a received note perhaps by its payer.
            let others = |input: &RecordId| book.note(*input).is_some() || book.refundable(*input).is_some();
            if !own && (state_lost || !lost.iter().all(others)) {
                // Only this wallet's secret spends its coins and states, and whoever has that can open what it made.
                return Err(contradiction(
                    "the entry that it names spent money of this wallet, but no copy of this wallet made it",
                ));
            }
        }
        self.take_in(Log::Payments, &[Looked { index, leaf, seen }], None).await?;
        Ok(())
    }
}

/// The transaction of an entry, and its answer.
fn spender(bytes: &[u8]) -> Option<(Core, Vec<u8>)> {
    let entry = Entry::from_bytes(bytes).ok()?;
    if !matches!(entry.kind(), EntryKind::Transaction(_)) {
        return None;
    }
    let (core, answer) = Core::from_prefix(entry.body()).ok()?;
    Some((core, answer.to_vec()))
}

/// Those inputs of an operation that have one of these serials.
pub(super) fn spent_inputs(book: &Book, inputs: &[RecordId], spent: &BTreeSet<Nullifier>) -> Vec<RecordId> {
    let refundable = |serial| book.find_refundable(serial).map(|(id, _)| id);
    let found: BTreeSet<RecordId> =
        spent.iter().flat_map(|serial| book.find(serial).into_iter().chain(refundable(serial))).collect();
    inputs.iter().copied().filter(|input| found.contains(input)).collect()
}
