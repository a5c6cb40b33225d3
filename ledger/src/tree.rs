//! The shape of a Merkle tree of RFC 6962, and the little of it that whoever sees every leaf has to keep.

use crate::hash::Hash;

/// The most leaves of a log. Far beyond any disk, and far below where the arithmetic of tree indices would end.
pub const SIZE_MAX: u64 = 1 << 56;

/// The size of a tree and its root: which entries a log has, in 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of all of them.
    pub root: Hash,
}

/// A node over `2^level` places, of which those below the size of the tree are leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// Height above the leaves, which have 0.
    pub level: u32,
    /// Number among the nodes of its level, from 0.
    pub index: u64,
}

impl Node {
    /// The first leaf under it.
    #[must_use]
    pub fn start(self) -> u64 {
        self.index.checked_shl(self.level).unwrap_or(u64::MAX)
    }

    /// From array indices (leaf `i` is at `2i`, its ancestors between), as `ct-merkle` counts.
    pub(crate) fn from_array_index(index: u64) -> Self {
        let level = index.trailing_ones();
        Self { level, index: index.checked_shr(level + 1).unwrap_or(0) }
    }
}

/// The complete subtrees that make up a tree, largest first: enough to add leaves and to know the root, in O(log n) memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One root for each one-bit of the size, from the highest on.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree of this size from the roots of its complete subtrees, largest first. `None` when their number does not fit.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits = size <= SIZE_MAX && u32::try_from(peaks.len()) == Ok(size.count_ones());
        fits.then_some(Self { size, peaks })
    }

    /// Adds the hash of the next leaf. Nobody has [`SIZE_MAX`] of them; a further one would change nothing.
    pub fn push(&mut self, leaf: Hash) {
        if self.size >= SIZE_MAX {
            return;
        }
        let mut node = leaf;
        // Each one-bit at the end of the size is a complete subtree as large as what has been put together so far.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = Hash::node(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return Hash::empty_root() };
        peaks.fold(*smallest, |right, left| Hash::node(left, &right))
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// Canonical bytes: size u64 little-endian, then the peaks.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_le_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak.as_bytes()));
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] writes; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let (peaks, []) = rest.as_chunks::<32>() else { return None };
        Self::from_peaks(u64::from_le_bytes(*size), peaks.iter().copied().map(Hash::new).collect())
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut frontier = Self::new();
        leaves.into_iter().for_each(|leaf| frontier.push(leaf));
        frontier
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    use super::*;

    #[test]
    fn the_root_is_that_of_a_tree_in_memory_at_every_size() {
        let mut frontier = Frontier::new();
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        assert_eq!(frontier.root(), Hash::empty_root());
        for number in 0u32..600 {
            let leaf = number.to_be_bytes().to_vec();
            frontier.push(Hash::leaf(&leaf));
            tree.push(leaf);
            assert_eq!(frontier.root().as_bytes().as_slice(), tree.root().as_bytes().as_slice());
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Some(frontier.clone()));
        }
        assert_eq!(frontier.size(), 600);
    }

    /// The tree of eight leaves that Certificate Transparency's own tests use.
    #[test]
    fn known_roots() {
        let leaves: [&[u8]; 8] = [
            b"",
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        for (leaf, root) in leaves.into_iter().zip(roots) {
            frontier.push(Hash::leaf(leaf));
            let hex: String = frontier.root().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, root);
        }
    }

    #[test]
    fn peaks_that_do_not_fit_the_size_are_refused() {
        let peaks = vec![Hash::leaf(b"one")];
        assert!(Frontier::from_peaks(4, peaks.clone()).is_some());
        assert!(Frontier::from_peaks(3, peaks.clone()).is_none());
        assert!(Frontier::from_peaks(0, peaks.clone()).is_none());
        assert!(Frontier::from_peaks(1 << 60, peaks).is_none());
        assert!(Frontier::from_bytes(&[0; 7]).is_none());
        assert!(Frontier::from_bytes(&[0; 9]).is_none());
    }
}
