//! Tiles: how a log is cut into files of fixed size that never change (C2SP tlog-tiles).

use std::{fmt, str::FromStr};

use crate::hash::{HASH_LENGTH, Hash};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels of the tree that a tile spans: 2^8 = 256.
pub const TILE_HEIGHT: u32 = 8;

/// Bytes of a full tile of hashes: 8 KiB.
pub const TILE_BYTES: usize = TILE_WIDTH as usize * HASH_LENGTH;

/// The highest level that C2SP gives a name to.
const LEVEL_MAX: u8 = 63;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Hashes: at level 0 those of leaves, at level `L` the roots of full tiles of level `L − 1`.
    Hashes {
        /// The level, 0 to 63.
        level: u8,
    },
    /// Leaves, each after its length as a big-endian u16.
    Entries,
}

/// The name of a tile or of a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    /// What it holds.
    pub content: Content,
    /// Number within the level, from 0.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256. Below 256 it is a partial tile, at the right edge of a tree.
    pub width: u16,
}

/// A text is no path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no path of a tile, such as tile/0/x001/234 or tile/entries/067.p/5")]
pub struct PathInvalid;

impl TilePath {
    /// A full tile of hashes.
    #[must_use]
    pub const fn full(level: u8, index: u64) -> Self {
        Self { content: Content::Hashes { level }, index, width: TILE_WIDTH }
    }

    /// How many leaves one hash or entry of it stands for, `256^level`; `None` beyond 64 bits.
    fn leaves_each(self) -> Option<u64> {
        match self.content {
            Content::Entries => Some(1),
            Content::Hashes { level } => 1u64.checked_shl(TILE_HEIGHT.checked_mul(u32::from(level))?),
        }
    }

    /// How many leaves a tree needs to have for this tile to exist; `None` beyond 64 bits.
    #[must_use]
    pub fn needed_size(self) -> Option<u64> {
        let places = self.index.checked_mul(u64::from(TILE_WIDTH))?.checked_add(u64::from(self.width))?;
        places.checked_mul(self.leaves_each()?)
    }

    /// The paths of all tiles of a tree of this size: of hashes from level 0 up, then bundles of entries, the partial ones of
    /// the right edge included.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..=LEVEL_MAX).map_while(move |level| {
            let places = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
            (places > 0).then_some((Content::Hashes { level }, places))
        });
        let entries = (size > 0).then_some((Content::Entries, size));
        levels.chain(entries).flat_map(|(content, places)| {
            let full = places / u64::from(TILE_WIDTH);
            let rest = u16::try_from(places % u64::from(TILE_WIDTH)).unwrap_or(0);
            let partial = (rest > 0).then_some(Self { content, index: full, width: rest });
            (0..full).map(move |index| Self { content, index, width: TILE_WIDTH }).chain(partial)
        })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes { level } => write!(f, "tile/{level}/")?,
            Content::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        while groups.len() > 1 {
            write!(f, "x{:03}/", groups.pop().unwrap_or_default())?;
        }
        write!(f, "{:03}", groups.pop().unwrap_or_default())?;
        if self.width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = PathInvalid;

    fn from_str(text: &str) -> Result<Self, PathInvalid> {
        let rest = text.strip_prefix("tile/").ok_or(PathInvalid)?;
        let (kind, rest) = rest.split_once('/').ok_or(PathInvalid)?;
        let content = match kind {
            "entries" => Content::Entries,
            level => Content::Hashes { level: level.parse().map_err(|_| PathInvalid)? },
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| PathInvalid)?),
            None => (rest, TILE_WIDTH),
        };
        let mut number = 0u64;
        for group in index.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let value: u64 = digits.parse().map_err(|_| PathInvalid)?;
            number = number.checked_mul(1_000).and_then(|it| it.checked_add(value)).ok_or(PathInvalid)?;
        }
        let path = Self { content, index: number, width };
        let in_bounds = matches!(content, Content::Entries | Content::Hashes { level: 0..=LEVEL_MAX })
            && (1..=TILE_WIDTH).contains(&width);
        // One spelling each: signs, missing and additional zeros, and a full tile with a width show themselves here.
        if in_bounds && path.to_string() == text { Ok(path) } else { Err(PathInvalid) }
    }
}

/// The bytes of a tile of hashes.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads a tile of hashes. `None` when it is empty, too long, or cut off within a hash.
#[must_use]
pub fn decode_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, []) = bytes.as_chunks::<HASH_LENGTH>() else { return None };
    let fits = !hashes.is_empty() && bytes.len() <= TILE_BYTES;
    fits.then(|| hashes.iter().copied().map(Hash::new).collect())
}

/// The bytes of a bundle of entries: each leaf after its length. `None` for a leaf longer than 65,535 bytes.
#[must_use]
pub fn encode_bundle<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        let leaf = leaf.as_ref();
        bytes.extend_from_slice(&u16::try_from(leaf.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    Some(bytes)
}

/// Reads the leaves of a bundle. `None` when it is cut off or has more than 256 of them.
#[must_use]
pub fn decode_bundle(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf.to_vec());
        bytes = rest;
    }
    (bytes.is_empty() && leaves.len() <= usize::from(TILE_WIDTH)).then_some(leaves)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_spelled_as_the_specification_says() {
        let entries = |index, width| TilePath { content: Content::Entries, index, width };
        let hashes = |level, index, width| TilePath { content: Content::Hashes { level }, index, width };
        for (path, text) in [
            (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (hashes(0, 0, 256), "tile/0/000"),
            (hashes(3, 999, 1), "tile/3/999.p/1"),
            (hashes(63, 1_000, 255), "tile/63/x001/000.p/255"),
            (entries(5, 112), "tile/entries/005.p/112"),
            (entries(273, 256), "tile/entries/273"),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/+00",
            "tile/00/000",
            "tile/64/000",
            "tile/0/x000/001",
            "tile/0/001/x002",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000/",
            "/tile/0/000",
            "tile/-1/000",
            "tile/entry/000",
            "tile/0/000.p/1.p/1",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/é",
            "tile/0/xx01/000",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(PathInvalid), "{text}");
        }
    }

    #[test]
    fn the_tiles_of_a_tree_are_those_of_the_example() {
        let all: Vec<_> = TilePath::all(70_000).collect();
        let count = |content| all.iter().filter(|path| path.content == content).count();
        assert_eq!(count(Content::Hashes { level: 0 }), 274);
        assert_eq!(count(Content::Hashes { level: 1 }), 2);
        assert_eq!(count(Content::Hashes { level: 2 }), 1);
        assert_eq!(count(Content::Entries), 274);
        let shown: Vec<_> = all.iter().filter(|path| path.width < TILE_WIDTH).map(TilePath::to_string).collect();
        assert_eq!(shown, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"]);
        let shown: Vec<_> = TilePath::all(256).map(|path| path.to_string()).collect();
        assert_eq!(shown, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
        assert_eq!(TilePath::all(0).count(), 0);
    }

    #[test]
    fn a_tile_needs_its_leaves() {
        assert_eq!(TilePath::full(0, 0).needed_size(), Some(256));
        assert_eq!(TilePath::full(1, 2).needed_size(), Some(3 * 65_536));
        let partial = TilePath { content: Content::Hashes { level: 1 }, index: 1, width: 17 };
        assert_eq!(partial.needed_size(), Some((256 + 17) * 256));
        assert_eq!(TilePath::full(63, 0).needed_size(), None);
        assert_eq!(TilePath::full(0, u64::MAX).needed_size(), None);
    }

    #[test]
    fn bundles_and_tiles_are_read_back() {
        let leaves = vec![b"one".to_vec(), Vec::new(), vec![7; 65_535]];
        let bundle = encode_bundle(&leaves).unwrap();
        assert_eq!(bundle[..5], [0, 3, b'o', b'n', b'e']);
        assert_eq!(decode_bundle(&bundle), Some(leaves));
        assert_eq!(decode_bundle(&bundle[..bundle.len() - 1]), None);
        assert_eq!(encode_bundle([vec![0; 65_536]]), None);
        assert_eq!(decode_bundle(&[0; 2 * 257]), None);
        let hashes: Vec<_> = (0..256u32).map(|number| Hash::leaf(&number.to_be_bytes())).collect();
        let bytes = encode_hashes(&hashes);
        assert_eq!(bytes.len(), TILE_BYTES);
        assert_eq!(decode_hashes(&bytes), Some(hashes));
        assert_eq!(decode_hashes(&bytes[1..]), None);
        assert_eq!(decode_hashes(&[]), None);
        assert_eq!(decode_hashes(&[0; TILE_BYTES + 32]), None);
    }
}
