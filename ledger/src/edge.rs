//! The right edge of a tiled tree: the tiles that are not full yet. All others never change again.

use crate::{
    hash::Hash,
    tile::{TILE_HEIGHT, TILE_WIDTH},
    tree::{Frontier, SIZE_MAX, TreeHead},
};

/// A tile that has become full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Its level.
    pub level: u8,
    /// Its number within the level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

/// The hashes of the partial tiles, by level. At most 255 for each of at most seven levels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// How many hashes the partial tile of a level has in a tree of this size.
#[must_use]
pub fn partial_width(size: u64, level: u8) -> usize {
    let places = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
    usize::try_from(places % u64::from(TILE_WIDTH)).unwrap_or(0)
}

/// The root of a complete subtree over these hashes: a power of two of them, at least one.
pub(crate) fn complete_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Hash::node(&complete_root(left), &complete_root(right))
        }
    }
}

impl Edge {
    /// The edge of a tree of this size from its partial tiles, level 0 first. `None` when they do not fit the size.
    #[must_use]
    pub fn from_levels(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = |(level, hashes): (usize, &Vec<Hash>)| {
            u8::try_from(level).is_ok_and(|level| hashes.len() == partial_width(size, level))
        };
        let is_whole = size.checked_shr(TILE_HEIGHT * u32::try_from(levels.len()).ok()?).unwrap_or(0) == 0;
        (size <= SIZE_MAX && is_whole && levels.iter().enumerate().all(fits)).then_some(Self { size, levels })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the partial tile of a level; none where the last tile is full.
    #[must_use]
    pub fn partial(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Adds the hash of the next leaf; tiles that become full go to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        if self.size >= SIZE_MAX {
            return;
        }
        let mut hash = leaf;
        self.size += 1;
        for level in 0u8..=u8::MAX {
            let place = usize::from(level);
            if self.levels.len() <= place {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(place) else { return };
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                return;
            }
            let hashes = std::mem::take(hashes);
            hash = complete_root(&hashes);
            let places = self.size.checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
            full.push(FullTile { level, index: places.saturating_sub(1), hashes });
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            for bit in (0..TILE_HEIGHT).rev() {
                if let Some((subtree, others)) =
                    rest.split_at_checked(1 << bit).filter(|_| hashes.len() >> bit & 1 == 1)
                {
                    peaks.push(complete_root(subtree));
                    rest = others;
                }
            }
        }
        Frontier::from_peaks(self.size, peaks).map_or_else(Hash::empty_root, |frontier| frontier.root())
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_edge_has_the_root_of_the_frontier_and_gives_out_full_tiles_once() {
        let (mut edge, mut frontier, mut full) = (Edge::default(), Frontier::new(), Vec::new());
        assert_eq!(edge.head(), frontier.head());
        for number in 0u32..66_000 {
            let leaf = Hash::leaf(&number.to_be_bytes());
            edge.push(leaf, &mut full);
            frontier.push(leaf);
            if number < 600 || number % 251 == 0 || number > 65_530 && number < 65_540 {
                assert_eq!(edge.head(), frontier.head());
            }
        }
        let level = |level| full.iter().filter(move |tile| tile.level == level).map(|tile| tile.index);
        assert!(level(0).eq(0..257));
        assert!(level(1).eq(0..1));
        assert_eq!(edge.partial(0).len(), 66_000 % 256);
        assert_eq!(edge.partial(1).len(), 1);
        assert_eq!(edge.partial(2), [complete_root(&full.iter().find(|it| it.level == 1).unwrap().hashes)]);
        assert_eq!(edge.partial(9), []);
        let levels: Vec<_> = (0..3).map(|level| edge.partial(level).to_vec()).collect();
        assert_eq!(Edge::from_levels(66_000, levels.clone()), Some(edge));
        assert_eq!(Edge::from_levels(66_001, levels.clone()), None);
        assert_eq!(Edge::from_levels(66_000, levels[..2].to_vec()), None);
    }
}
