//! Reading a log's tree from the store: full tiles, and the right edge that is kept in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use farthing_ecash::entry::EntryKind;
use farthing_store::{Batch, LogName, LogRecord, Space, Store, StoreError};

use crate::{
    edge::{Edge, FullTile, complete_root, partial_width},
    hash::Hash,
    proof::{ConsistencyProof, InclusionProof, consistency_nodes, inclusion_nodes},
    tile::{self, Content, TILE_HEIGHT, TILE_WIDTH, TilePath},
    tree::{Node, SIZE_MAX},
};

/// Length and name of the log, level u8, index u64 big-endian → the 256 hashes of a full tile.
const TILES: Space = Space("tile");

/// Entries read from the store at a time: some 900 kB when they are large.
pub(crate) const PAGE_ENTRIES: usize = 256;

/// A tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such place in the tree as far as it is published.
    #[error("the published tree does not go so far")]
    Beyond,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not what was written.
    #[error("{0} is not there, or not as it was written: verify the store")]
    Damaged(&'static str),
}

/// The bytes of an entry's leaf. The proof part need not be there, only its hash. `None` for bytes that are no entry.
#[must_use]
pub fn leaf(record: &LogRecord) -> Option<Vec<u8>> {
    let kind = EntryKind::from_code(*record.entry.first()?).ok()?;
    let mut leaf = record.entry.clone();
    if kind.has_proof() {
        leaf.extend_from_slice(&record.proof_hash);
    }
    Some(leaf)
}

/// The hash of an entry's leaf. `None` as for [`leaf`].
#[must_use]
pub fn leaf_hash(record: &LogRecord) -> Option<Hash> {
    leaf(record).map(|leaf| Hash::leaf(&leaf))
}

fn tile_key(log: LogName, level: u8, index: u64) -> Vec<u8> {
    let name = log.0.as_bytes();
    [&[u8::try_from(name.len()).unwrap_or(u8::MAX)][..], name, &[level], &index.to_be_bytes()].concat()
}

/// Adds full tiles to a batch.
pub fn put_tiles(batch: Batch, log: LogName, full: &[FullTile]) -> Batch {
    full.iter().fold(batch, |batch, FullTile { level, index, hashes }| {
        batch.put(TILES, tile_key(log, *level, *index), tile::encode_hashes(hashes))
    })
}

/// The hashes of a full tile in the store.
async fn full_tile(store: &Store, log: LogName, level: u8, index: u64) -> Result<Vec<Hash>, ViewError> {
    let bytes = store.get(TILES, &tile_key(log, level, index)).await?;
    let hashes = bytes.as_deref().and_then(tile::decode_hashes);
    let hashes = hashes.filter(|hashes| hashes.len() == usize::from(TILE_WIDTH));
    hashes.ok_or(ViewError::Damaged("a tile of the log's tree"))
}

/// Takes up the edge of the tree of the first `size` entries: from the entries themselves where no tile is full, and from
/// full tiles, which have to be in the store.
///
/// # Errors
/// [`ViewError::Damaged`] when entries or tiles are missing; [`ViewError::Store`].
pub async fn load_edge(store: &Store, log: LogName, size: u64) -> Result<Edge, ViewError> {
    let missing = || ViewError::Damaged("the end of the log");
    let mut levels = Vec::new();
    for level in 0u8.. {
        let places = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
        if places == 0 {
            break;
        }
        let first = places - places % u64::from(TILE_WIDTH);
        let mut hashes = Vec::new();
        match level.checked_sub(1) {
            None => {
                while let Some(next) = Some(first + hashes.len() as u64).filter(|next| *next < places) {
                    let wanted = usize::try_from(places - next).map_or(PAGE_ENTRIES, |left| left.min(PAGE_ENTRIES));
                    let page = store.log_read_entries(log, next, wanted).await?;
                    if page.is_empty() {
                        return Err(missing());
                    }
                    for record in &page {
                        hashes.push(leaf_hash(record).ok_or_else(missing)?);
                    }
                }
            }
            Some(below) => {
                for index in first..places {
                    hashes.push(complete_root(&full_tile(store, log, below, index).await?));
                }
            }
        }
        levels.push(hashes);
    }
    Edge::from_levels(size, levels).ok_or_else(missing)
}

/// A tree as far as it is published. Cheap to clone.
#[derive(Clone)]
pub struct TreeView {
    store: Store,
    log: LogName,
    edge: Arc<Edge>,
}

impl TreeView {
    /// The tree of a log whose right edge is this; its full tiles are in the store.
    #[must_use]
    pub fn new(store: Store, log: LogName, edge: Arc<Edge>) -> Self {
        Self { store, log, edge }
    }

    /// Number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn root_at(&self, size: u64) -> Result<Hash, ViewError> {
        if size > self.size() {
            return Err(ViewError::Beyond);
        }
        if size == 0 {
            return Ok(Hash::empty_root());
        }
        Reading::new(self).range(0, size).await
    }

    /// Proves that the entry at `index` is in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn inclusion_proof(&self, index: u64, size: u64) -> Result<InclusionProof, ViewError> {
        let nodes = inclusion_nodes(index, size).ok_or(ViewError::Beyond)?;
        Ok(InclusionProof(self.nodes(nodes, size).await?))
    }

    /// Proves that the tree of the first `to` entries continues that of the first `from`.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn consistency_proof(&self, from: u64, to: u64) -> Result<ConsistencyProof, ViewError> {
        let nodes = consistency_nodes(from, to).ok_or(ViewError::Beyond)?;
        Ok(ConsistencyProof(self.nodes(nodes, to).await?))
    }

    async fn nodes(&self, nodes: Vec<Node>, size: u64) -> Result<Vec<Hash>, ViewError> {
        if size > self.size() {
            return Err(ViewError::Beyond);
        }
        let mut reading = Reading::new(self);
        let mut hashes = Vec::with_capacity(nodes.len());
        for node in nodes {
            let end = 1u64.checked_shl(node.level).and_then(|width| node.start().checked_add(width));
            hashes.push(reading.range(node.start(), end.unwrap_or(size).min(size)).await?);
        }
        Ok(hashes)
    }

    /// The bytes of a tile or of a bundle.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn tile(&self, path: TilePath) -> Result<Vec<u8>, ViewError> {
        if path.needed_size().is_none_or(|needed| needed > self.size()) {
            return Err(ViewError::Beyond);
        }
        match path.content {
            Content::Hashes { level } => {
                let mut reading = Reading::new(self);
                let hashes = reading.hashes(level, path.index).await?;
                let wanted = hashes.get(..usize::from(path.width)).ok_or(ViewError::Beyond)?;
                Ok(tile::encode_hashes(wanted))
            }
            Content::Entries => {
                let (mut next, mut left) = (path.index * u64::from(TILE_WIDTH), usize::from(path.width));
                let mut leaves = Vec::with_capacity(left);
                while left > 0 {
                    let page = self.store.log_read_entries(self.log, next, left.min(PAGE_ENTRIES)).await?;
                    let read = page.iter().map(leaf).collect::<Option<Vec<_>>>().filter(|read| !read.is_empty());
                    let read = read.ok_or(ViewError::Damaged("an entry of the log"))?;
                    left = left.saturating_sub(read.len());
                    next += read.len() as u64;
                    leaves.extend(read);
                }
                tile::encode_bundle(leaves).ok_or(ViewError::Damaged("an entry of the log"))
            }
        }
    }
}

/// Tiles that one proof needs, each read once.
struct Reading<'v> {
    view: &'v TreeView,
    tiles: HashMap<(u8, u64), Vec<Hash>>,
}

impl<'v> Reading<'v> {
    fn new(view: &'v TreeView) -> Self {
        Self { view, tiles: HashMap::new() }
    }

    /// All hashes of a tile, of the last one of a level as many as there are.
    async fn hashes(&mut self, level: u8, index: u64) -> Result<&[Hash], ViewError> {
        let TreeView { store, log, edge } = self.view;
        let places = edge.size().checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
        if index >= places / u64::from(TILE_WIDTH) {
            let is_last = index == places / u64::from(TILE_WIDTH) && partial_width(edge.size(), level) > 0;
            return if is_last { Ok(edge.partial(level)) } else { Err(ViewError::Beyond) };
        }
        match self.tiles.entry((level, index)) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(full_tile(store, *log, level, index).await?)),
        }
    }

    /// The hash of a complete subtree.
    async fn complete(&mut self, node: Node) -> Result<Hash, ViewError> {
        let level = u8::try_from(node.level / TILE_HEIGHT).map_err(|_| ViewError::Beyond)?;
        let width = 1u64 << (node.level % TILE_HEIGHT);
        let first = node.index.checked_mul(width).ok_or(ViewError::Beyond)?;
        let place = usize::try_from(first % u64::from(TILE_WIDTH)).map_err(|_| ViewError::Beyond)?;
        let width = usize::try_from(width).map_err(|_| ViewError::Beyond)?;
        let hashes = self.hashes(level, first / u64::from(TILE_WIDTH)).await?;
        hashes.get(place..place + width).map(complete_root).ok_or(ViewError::Beyond)
    }

    /// The hash of the subtree over the leaves from `start` up to `end`, where `start` is a multiple of the largest power of
    /// two below their number: complete subtrees, ever smaller ones to the right.
    async fn range(&mut self, start: u64, end: u64) -> Result<Hash, ViewError> {
        let mut peaks = Vec::new();
        let mut next = start;
        while let Some(level) = end.checked_sub(next).filter(|_| end <= SIZE_MAX).and_then(u64::checked_ilog2) {
            peaks.push(self.complete(Node { level, index: next >> level }).await?);
            next += 1 << level;
        }
        let mut peaks = peaks.into_iter().rev();
        let smallest = peaks.next().ok_or(ViewError::Beyond)?;
        Ok(peaks.fold(smallest, |right, left| Hash::node(&left, &right)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

    use farthing_store::Outcome;
    use tempfile::TempDir;

    use super::*;
    use crate::tree::{Frontier, TreeHead};

    const LOG: LogName = LogName("log");

    /// An entry of a kind without a proof part whose body nobody decodes here.
    fn entry(number: u64) -> Vec<u8> {
        [&[32][..], &[0; 4], &number.to_le_bytes()].concat()
    }

    fn hash(number: u64) -> Hash {
        Hash::leaf(&entry(number))
    }

    async fn log(size: u64) -> (TempDir, Store, TreeView) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap().0;
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        let mut number = 0;
        while number < size {
            let mut batch = Batch::new();
            for _ in 0..1_000.min(size - number) {
                batch = batch.append(LOG, entry(number), [], None);
                edge.push(hash(number), &mut full);
                number += 1;
            }
            assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
        }
        for tiles in full.chunks(100) {
            assert!(matches!(
                store.commit(put_tiles(Batch::new(), LOG, tiles)).await.unwrap(),
                Outcome::Applied { .. }
            ));
        }
        let view = TreeView::new(store.clone(), LOG, Arc::new(edge));
        (home, store, view)
    }

    fn head(size: u64) -> TreeHead {
        (0..size).map(hash).collect::<Frontier>().head()
    }

    #[tokio::test]
    async fn roots_and_proofs_of_every_size_hold() {
        let (_home, _, view) = log(600).await;
        let heads: Vec<_> = (0..=600).map(head).collect();
        for size in (0..=600u64).filter(|size| *size < 20 || size % 37 == 0 || (250..260).contains(size)) {
            let tree = heads[size as usize];
            assert_eq!(view.root_at(size).await.unwrap(), tree.root);
            for index in (0..size).filter(|index| index % 13 == 0 || index + 1 == size) {
                let proof = view.inclusion_proof(index, size).await.unwrap();
                assert_eq!(proof.verify(hash(index), index, &tree), Ok(()));
            }
            for from in (0..=size).filter(|from| from % 29 == 0 || from + 1 == size || *from == 256) {
                let proof = view.consistency_proof(from, size).await.unwrap();
                assert_eq!(proof.verify(&heads[from as usize], &tree), Ok(()), "{from} {size}");
            }
        }
        assert!(matches!(view.root_at(601).await, Err(ViewError::Beyond)));
        assert!(matches!(view.inclusion_proof(600, 601).await, Err(ViewError::Beyond)));
        assert!(matches!(view.inclusion_proof(600, 600).await, Err(ViewError::Beyond)));
        assert!(matches!(view.consistency_proof(5, 4).await, Err(ViewError::Beyond)));
        assert!(matches!(view.consistency_proof(1, 601).await, Err(ViewError::Beyond)));
    }

    #[tokio::test]
    async fn a_tree_of_three_levels() {
        let (_home, store, view) = log(66_000).await;
        let tree = head(66_000);
        assert_eq!(view.root_at(66_000).await.unwrap(), tree.root);
        for index in [0, 255, 256, 65_535, 65_536, 65_999] {
            let proof = view.inclusion_proof(index, 66_000).await.unwrap();
            assert_eq!(proof.verify(hash(index), index, &tree), Ok(()));
        }
        let old = head(65_537);
        let proof = view.consistency_proof(65_537, 66_000).await.unwrap();
        assert_eq!(proof.verify(&old, &tree), Ok(()));
        // A start takes the edge up from tiles and entries.
        assert_eq!(load_edge(&store, LOG, 66_000).await.unwrap(), *view.edge);
        for size in [0, 1, 255, 256, 257, 65_536, 65_792] {
            assert_eq!(load_edge(&store, LOG, size).await.unwrap().head(), head(size));
        }
        assert!(matches!(load_edge(&store, LOG, 66_001).await, Err(ViewError::Damaged(_))));
    }

    #[tokio::test]
    async fn tiles_are_those_of_the_tree() {
        let (_home, _, view) = log(600).await;
        let get = async |path: &str| view.tile(path.parse().unwrap()).await;
        let row = |from, to| tile::encode_hashes(&(from..to).map(hash).collect::<Vec<_>>());
        assert_eq!(get("tile/0/000").await.unwrap(), row(0, 256));
        assert_eq!(get("tile/0/001").await.unwrap(), row(256, 512));
        assert_eq!(get("tile/0/002.p/88").await.unwrap(), row(512, 600));
        // The partial tile of an older tree is the beginning of a fuller one.
        assert_eq!(get("tile/0/000.p/7").await.unwrap(), row(0, 7));
        assert_eq!(get("tile/0/002.p/3").await.unwrap(), row(512, 515));
        let above = [head(256).root, (256..512).map(hash).collect::<Frontier>().root()];
        assert_eq!(get("tile/1/000.p/2").await.unwrap(), tile::encode_hashes(&above));
        let leaves = tile::decode_bundle(&get("tile/entries/002.p/88").await.unwrap()).unwrap();
        assert_eq!(leaves, (512..600).map(entry).collect::<Vec<_>>());
        assert_eq!(tile::decode_bundle(&get("tile/entries/000").await.unwrap()).unwrap().len(), 256);
        for path in ["tile/0/002", "tile/0/002.p/89", "tile/1/000", "tile/2/000.p/1", "tile/entries/002", "tile/63/000"]
        {
            assert!(matches!(get(path).await, Err(ViewError::Beyond)), "{path}");
        }
    }
}
