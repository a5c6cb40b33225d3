//! Receipts: a text that shows everybody, offline, that a transaction is in a log (C2SP tlog-proof), with the leaf that the
//! log has of it. It shows what the log shows: neither payer nor payee nor, of a payment, the amount.

use farthing_ecash::{
    entry::{Entry, EntryKind},
    transaction::{Core, TransactionId},
};
use farthing_ledger::{
    hash::Hash,
    quorum::TrustPolicy,
    receipt::{Receipt, ReceiptError},
};

use crate::{
    error::WalletError,
    history::OperationState,
    scan::Log,
    trust::{not_in_log, tiles::Tiles},
    wallet::inner::Inner,
};

/// Bytes of the hash of a proof part at the end of a leaf.
const PROOF_HASH: usize = 32;

/// What a receipt shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The name of the log.
    pub origin: String,
    /// The place of the entry in it.
    pub index: u64,
    /// How many entries the log had when the checkpoint was signed.
    pub log_size: u64,
    /// What the transaction is, such as `pay`.
    pub statement: &'static str,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The logical day of the entry, YYYY-MM-DD.
    pub day: String,
    /// The amount in minor units, which only withdrawals and redemptions show.
    pub amount: Option<u64>,
    /// The trusted witnesses that have cosigned, by their names in the trust policy, and when, in Unix seconds.
    pub witnesses: Vec<(String, u64)>,
}

/// A receipt does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The receipt, its checkpoint, or its proof.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// It holds no entry of a log that is a transaction.
    #[error("the receipt does not hold a transaction of a log")]
    NoTransaction,
}

/// Checks a receipt without asking anybody.
///
/// # Errors
/// [`NotProven`].
pub fn verify(receipt: &str, trust: &TrustPolicy) -> Result<Proven, NotProven> {
    let receipt: Receipt = receipt.parse()?;
    let (leaf, Place { origin, index, log_size, witnesses }) = logged(&receipt, trust)?;
    let (day, core) = transaction(&leaf).ok_or(NotProven::NoTransaction)?;
    let amount = core.publics().amount;
    Ok(Proven {
        origin,
        index,
        log_size,
        statement: core.statement().name(),
        transaction_id: core.id(),
        day,
        amount: (amount > 0).then_some(amount),
        witnesses,
    })
}

/// Where a trusted log has an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the log.
    pub origin: String,
    /// The place of the entry in it.
    pub index: u64,
    /// How many entries the log had when the checkpoint was signed.
    pub log_size: u64,
    /// The trusted witnesses that have cosigned, by their names in the trust policy, and when, in Unix seconds.
    pub witnesses: Vec<(String, u64)>,
}

/// The leaf in a receipt, and where a trusted log has it.
pub(crate) fn logged(receipt: &Receipt, trust: &TrustPolicy) -> Result<(Vec<u8>, Place), NotProven> {
    let leaf = receipt.extra.clone().ok_or(NotProven::NoTransaction)?;
    let origin = receipt.checkpoint.text().lines().next().unwrap_or_default().to_owned();
    let trusted = receipt.verify(trust, &origin, Hash::leaf(&leaf))?;
    let witnesses = trusted.cosigned.iter().map(|cosigned| {
        let name = trust.witness_name(cosigned.witness).unwrap_or_default().to_owned();
        (name, cosigned.time.unix_seconds())
    });
    let (index, log_size) = (receipt.index, trusted.checkpoint.head().size);
    let witnesses = witnesses.collect();
    Ok((leaf, Place { origin, index, log_size, witnesses }))
}

/// The day and the core of the transaction in a leaf.
pub(crate) fn transaction(leaf: &[u8]) -> Option<(String, Core)> {
    let (entry, _proof_hash) = leaf.split_at_checked(leaf.len().checked_sub(PROOF_HASH)?)?;
    let entry = Entry::from_bytes(entry).ok()?;
    if !matches!(entry.kind(), EntryKind::Transaction(_)) {
        return None;
    }
    let (core, _answer) = Core::from_prefix(entry.body()).ok()?;
    Some((entry.day().to_string(), core))
}

impl Inner {
    /// The receipt of a transaction in the history.
    pub(crate) async fn log_receipt(&self, id: TransactionId) -> Result<String, WalletError> {
        let (id, log, index) = {
            let book = self.book.lock().await;
            book.check_not_stopped()?;
            let item = book.item_of_transaction(id).filter(|item| item.state != OperationState::Failed);
            let item = item.ok_or(WalletError::TransactionUnknown)?;
            let index = item.log_index.ok_or(WalletError::TransactionUnknown)?;
            // The one of its transactions that is in the log.
            (item.transaction_id.unwrap_or(id), Log::of(item.kind), index)
        };
        let (receipt, leaf) = self.entry_receipt(log, index).await?;
        if transaction(&leaf).is_none_or(|(_, core)| core.id() != id) {
            return Err(log.contradiction(format!("entry {index} is another transaction than it answered")));
        }
        Ok(receipt.to_string())
    }

    /// The receipt of an entry, with its leaf.
    pub(crate) async fn entry_receipt(&self, log: Log, index: u64) -> Result<(Receipt, Vec<u8>), WalletError> {
        let believed = self.checkpoint_of(log, index.saturating_add(1)).await?;
        let mut tiles = Tiles::new(self.reader(log).await?, believed.size());
        let leaf = tiles.leaf(index).await?;
        let proof = tiles.inclusion(index).await?;
        proof.verify(Hash::leaf(&leaf), index, &believed.head()).map_err(|_| not_in_log(log, index))?;
        let checkpoint = believed.checkpoint.note().clone();
        Ok((Receipt { index, proof, checkpoint, extra: Some(leaf.clone()) }, leaf))
    }
}
