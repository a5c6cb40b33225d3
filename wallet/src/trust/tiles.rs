//! Merkle proofs put together from tiles (C2SP tlog-tiles).

use std::collections::HashMap;

use farthing_ledger::{
    hash::Hash,
    proof::{ConsistencyProof, InclusionProof, consistency_nodes, inclusion_nodes},
    tile::{Content, TILE_HEIGHT, TILE_WIDTH, TilePath, decode_bundle, decode_hashes},
    tree::{Frontier, Node},
};

use crate::{
    client::Client,
    error::{Server, WalletError},
};

/// A tile that has to be fetched first.
struct Missing {
    level: u8,
    index: u64,
}

/// The tiles of a tree of a certain size, as far as they were needed.
pub(crate) struct Tiles<'c> {
    client: &'c Client,
    size: u64,
    fetched: HashMap<(u8, u64), Vec<Hash>>,
}

impl<'c> Tiles<'c> {
    pub(crate) fn new(client: &'c Client, size: u64) -> Self {
        Self { client, size, fetched: HashMap::new() }
    }

    /// The proof that an entry is in the tree.
    pub(crate) async fn inclusion(&mut self, index: u64) -> Result<InclusionProof, WalletError> {
        let nodes = inclusion_nodes(index, self.size).ok_or_else(|| self.beyond())?;
        self.hashes(&nodes).await.map(InclusionProof)
    }

    /// The proof that the tree continues an older one.
    pub(crate) async fn consistency(&mut self, from: u64) -> Result<ConsistencyProof, WalletError> {
        let nodes = if from == self.size { Some(Vec::new()) } else { consistency_nodes(from, self.size) };
        let nodes = nodes.ok_or_else(|| self.beyond())?;
        self.hashes(&nodes).await.map(ConsistencyProof)
    }

    /// The edge of the tree when it had `size` entries. Whether that is true, its root tells.
    pub(crate) async fn frontier(&mut self, size: u64) -> Result<Frontier, WalletError> {
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(Node { level, index: start >> level });
            start += 1 << level;
        }
        let peaks = self.hashes(&peaks).await?;
        Frontier::from_peaks(size, peaks).ok_or_else(|| self.beyond())
    }

    /// The leaf of an entry, from the bundle of 256 that it is in.
    pub(crate) async fn leaf(&self, index: u64) -> Result<Vec<u8>, WalletError> {
        let (bundle, place) = (index / u64::from(TILE_WIDTH), index % u64::from(TILE_WIDTH));
        let leaves = self.bundle(bundle).await?;
        let place = usize::try_from(place).map_err(|_| self.malformed())?;
        leaves.into_iter().nth(place).ok_or_else(|| self.malformed())
    }

    /// The leaves of a bundle: 256, or at the end of the tree as many as there are. Whether they are true, the tree tells.
    pub(crate) async fn bundle(&self, bundle: u64) -> Result<Vec<Vec<u8>>, WalletError> {
        let width = self.width(0, bundle)?;
        let path = TilePath { content: Content::Entries, index: bundle, width };
        let leaves = decode_bundle(&self.client.tile(path).await?).filter(|leaves| leaves.len() == usize::from(width));
        leaves.ok_or_else(|| self.malformed())
    }

    async fn hashes(&mut self, nodes: &[Node]) -> Result<Vec<Hash>, WalletError> {
        let mut hashes = Vec::with_capacity(nodes.len());
        for node in nodes {
            let end = node.start().saturating_add(1u64.checked_shl(node.level).unwrap_or(u64::MAX)).min(self.size);
            let hash = loop {
                match self.range(node.start(), end) {
                    Ok(hash) => break hash,
                    Err(missing) => self.fetch(missing).await?,
                }
            };
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// The root over the leaves from `start` to before `end`, where a left subtree of a tree of RFC 6962 begins.
    fn range(&self, start: u64, end: u64) -> Result<Hash, Missing> {
        let length = end.saturating_sub(start).max(1);
        if length.is_power_of_two() {
            return self.complete(length.ilog2(), start >> length.ilog2());
        }
        let half = 1 << length.ilog2();
        Ok(Hash::node(&self.range(start, start + half)?, &self.range(start + half, end)?))
    }

    /// The root of a complete subtree.
    fn complete(&self, level: u32, index: u64) -> Result<Hash, Missing> {
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << height;
        let missing =
            Missing { level: u8::try_from(tile_level).unwrap_or(u8::MAX), index: first / u64::from(TILE_WIDTH) };
        let Some(tile) = self.fetched.get(&(missing.level, missing.index)) else { return Err(missing) };
        let place = usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
        let mut row = tile.get(place..).and_then(|row| row.get(..1 << height)).unwrap_or_default().to_vec();
        while row.len() > 1 {
            row = row.chunks(2).filter_map(|pair| pair.iter().copied().reduce(|a, b| Hash::node(&a, &b))).collect();
        }
        // A tile that is too short was refused when it was fetched; what is not there proves nothing.
        Ok(row.first().copied().unwrap_or_else(Hash::empty_root))
    }

    async fn fetch(&mut self, Missing { level, index }: Missing) -> Result<(), WalletError> {
        let width = self.width(level, index)?;
        let path = TilePath { content: Content::Hashes { level }, index, width };
        let tile = decode_hashes(&self.client.tile(path).await?).filter(|tile| tile.len() == usize::from(width));
        self.fetched.insert((level, index), tile.ok_or_else(|| self.malformed())?);
        Ok(())
    }

    /// How many hashes a tile of this tree has.
    fn width(&self, level: u8, index: u64) -> Result<u16, WalletError> {
        let places = self.size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
        let before = index.checked_mul(u64::from(TILE_WIDTH)).ok_or_else(|| self.beyond())?;
        let width = places.saturating_sub(before).min(u64::from(TILE_WIDTH));
        u16::try_from(width).ok().filter(|width| *width > 0).ok_or_else(|| self.beyond())
    }

    fn server(&self) -> Server {
        self.client.server()
    }

    fn beyond(&self) -> WalletError {
        let what = "it names an entry beyond the end of the log that it signed".to_owned();
        WalletError::Contradiction { server: self.server(), what }
    }

    fn malformed(&self) -> WalletError {
        WalletError::Contradiction { server: self.server(), what: "it sent a malformed tile of its log".to_owned() }
    }
}
