//! What to do when an input was spent before: look into the log, which says by what.

use std::collections::BTreeSet;

use farthing_ecash::{
    credential::Nullifier,
    entry::{Entry, EntryKind},
    transaction::Core,
};
use farthing_service::status::Failure;

use super::{
    Settled,
    drive::{failed, pending},
    settle::Settlement,
};
use crate::{
    book::{Book, Edit},
    error::{Server, WalletError},
    history::{HistoryItem, OperationState},
    record::Hex,
    vault::{RecordId, blocking},
    wallet::inner::Inner,
};

fn contradiction(what: &str) -> WalletError {
    WalletError::Contradiction { server: Server::Redeemer, what: what.to_owned() }
}

impl Inner {
    /// An input of this operation was spent by the transaction of a log entry. When that is one of this operation's own, it
    /// is answered; when it is of another copy of this wallet, what it brought is taken over, and this operation has failed.
    pub(super) async fn already_spent(&self, id: RecordId, failure: &Failure) -> Result<Settled, WalletError> {
        let log_index =
            failure.number("log_index").ok_or_else(|| contradiction("it does not say what spent a coin"))?;
        let bytes = match self.redeemer.entry(log_index).await {
            Ok(bytes) => bytes,
            Err(WalletError::Unreachable { what, .. }) => {
                return Ok(pending(&format!("the redeemer does not say what spent a coin: {what}")));
            }
            Err(error) => return Err(error),
        };
        let (core, answer) =
            spender(&bytes).ok_or_else(|| contradiction("the entry that spent a coin is malformed"))?;
        let mut book = self.book.lock().await;
        let Some(operation) = book.operation(id) else { return Ok(Settled::Done) };
        let spender = core.id();
        if operation.core()?.id() == spender || operation.earlier.contains(&Hex::new(spender.as_bytes())) {
            return self.answered(&mut book, id, core, answer, log_index).await;
        }
        let spent: BTreeSet<Nullifier> = core.nullifiers().collect();
        let lost = lost(&book, &operation.inputs, &spent);
        let state_lost = book.state().is_ok_and(|state| spent.contains(&state.nullifier()));
        if lost.is_empty() && !state_lost {
            return Err(contradiction("the entry that it names did not spend this coin"));
        }
        let settlement = Settlement::new(&book)?;
        let (outputs, made_here) =
            blocking(move || Ok((settlement.outputs(&core, &answer), settlement.made(&core)))).await?;
        let own = state_lost || lost.iter().any(|input| book.note(*input).is_none());
        if own && !made_here {
            // Only this wallet's secret spends its coins and states, and whoever has that can open what it made.
            return Err(contradiction(
                "the entry that it names spent money of this wallet, but no copy of this wallet made it",
            ));
        }
        let error = WalletError::SpentElsewhere { log_index };
        let mut edits = vec![Edit::DropOperation(id)];
        let item = operation.item.and_then(|number| book.item(number)).cloned();
        edits.extend(item.map(|item| Edit::Item(failed(item, &error))));
        for input in lost {
            let Some(note) = book.note(input) else {
                edits.push(Edit::DropCoin(input));
                continue;
            };
            edits.push(Edit::DropNote(input));
            let claimed = |item| HistoryItem { state: OperationState::Done, ..item };
            let item = book.item(note.item).cloned();
            // Claimed by another copy; or taken back by its payer.
            let item = item.map(|item| if outputs.is_some() { claimed(item) } else { failed(item, &error) });
            edits.extend(item.map(Edit::Item));
        }
        edits.extend(outputs.map(|outputs| outputs.edits(&book)).into_iter().flatten());
        book.commit(edits).await?;
        Err(error)
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

/// The inputs of an operation, and the notes and coins that no operation uses, with these serials.
fn lost(book: &Book, inputs: &[RecordId], spent: &BTreeSet<Nullifier>) -> Vec<RecordId> {
    let coin = |id: &RecordId| book.coin(*id).map(|coin| coin.nullifier());
    let note = |id: &RecordId| book.note(*id).map(|note| note.credential.nullifier());
    let free = book.spendable().into_iter().map(|coin| coin.id).chain(book.claimable().into_iter().map(|(id, _)| id));
    let candidates: BTreeSet<RecordId> = inputs.iter().copied().chain(free).collect();
    candidates
        .into_iter()
        .filter(|id| coin(id).or_else(|| note(id)).is_some_and(|serial| spent.contains(&serial)))
        .collect()
}
