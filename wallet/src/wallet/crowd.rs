//! How many there are to hide among.

use farthing_ecash::{calendar::Day, entry::EntryKind};
use farthing_ledger::{hash::Hash, tile::TILE_WIDTH};

use super::inner::Inner;
use crate::{
    error::WalletError,
    scan::Log,
    trust::{not_in_log, tiles::Tiles},
};

/// Transactions of a day that are counted at most: more of them are a crowd.
pub(super) const COUNTED_MAX: u64 = 1_024;

impl Inner {
    /// How many transactions the payment log has of a day that is not over, as far as it is signed; counted from its end, up to
    /// `limit`. They are read in bundles of 256 and checked against the tree. Logical days do not go back, so the first
    /// entry of an earlier day ends it.
    pub(super) async fn transactions_of(&self, today: Day, limit: u64) -> Result<u64, WalletError> {
        let log = Log::Payments;
        let believed = self.checkpoint(log).await?;
        let mut tiles = Tiles::new(self.reader(log).await?, believed.size());
        let mut count = 0;
        let mut end = believed.size();
        while let Some(last) = end.checked_sub(1)
            && count < limit
        {
            let first = last - last % u64::from(TILE_WIDTH);
            let leaves = tiles.bundle(first / u64::from(TILE_WIDTH)).await?;
            let entries: Vec<_> = (first..end).zip(&leaves).collect();
            for (index, leaf) in entries.into_iter().rev() {
                self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(leaf)).await?;
                let (kind, day) = head(leaf).ok_or_else(|| not_in_log(log, index))?;
                if day < today {
                    return Ok(count);
                }
                if matches!(kind, EntryKind::Transaction(_)) && count < limit {
                    count += 1;
                }
            }
            end = first;
        }
        Ok(count)
    }
}

/// Kind and logical day of the entry in a leaf (`docs/WIRE.md` section 5).
fn head(leaf: &[u8]) -> Option<(EntryKind, Day)> {
    let (head, _) = leaf.split_first_chunk::<5>()?;
    let [kind, day @ ..] = *head;
    Some((EntryKind::from_code(kind).ok()?, Day::new(u32::from_le_bytes(day))))
}
