//! Proofs that an entry is in a tree, and that one tree continues another (RFC 6962 section 2.1, RFC 9162 section 2.1).

use ct_merkle::{RootHash, indices_for_consistency_proof, indices_for_inclusion_proof};
use sha2::Sha256;

use crate::{
    hash::Hash,
    tree::{Node, SIZE_MAX, TreeHead},
};

/// A proof does not hold. Nothing more is said: whoever sent it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Merkle proof does not hold")]
pub struct ProofInvalid;

/// Which nodes make up the proof that the entry at `index` is in the tree of `size` entries: from the leaf's sibling up.
/// `None` when there is no such entry.
#[must_use]
pub fn inclusion_nodes(index: u64, size: u64) -> Option<Vec<Node>> {
    if index >= size || size > SIZE_MAX {
        return None;
    }
    Some(indices_for_inclusion_proof(size, index).into_iter().map(Node::from_array_index).collect())
}

/// Which nodes make up the proof that the tree of `to` entries continues that of `from` entries. Nothing has to be proved
/// from the empty tree, and nothing for the same size. `None` when `from` is larger.
#[must_use]
pub fn consistency_nodes(from: u64, to: u64) -> Option<Vec<Node>> {
    if from > to || to > SIZE_MAX {
        return None;
    }
    if from == 0 {
        return Some(Vec::new());
    }
    Some(indices_for_consistency_proof(from, to - from).into_iter().map(Node::from_array_index).collect())
}

/// Proof that an entry is in a tree: hashes from the leaf's sibling to the child of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof(pub Vec<Hash>);

impl InclusionProof {
    /// Reads hashes of 32 bytes each.
    ///
    /// # Errors
    /// [`ProofInvalid`] for another length.
    pub fn from_slices<B: AsRef<[u8]>>(hashes: impl IntoIterator<Item = B>) -> Result<Self, ProofInvalid> {
        read(hashes).map(Self)
    }

    /// Checks that the leaf with this hash is at `index` of the tree.
    ///
    /// # Errors
    /// [`ProofInvalid`].
    pub fn verify(&self, leaf: Hash, index: u64, tree: &TreeHead) -> Result<(), ProofInvalid> {
        let nodes = inclusion_nodes(index, tree.size).ok_or(ProofInvalid)?;
        if nodes.len() != self.0.len() {
            return Err(ProofInvalid);
        }
        // A sibling that begins before the leaf stands on the left.
        let root = nodes.iter().zip(&self.0).fold(leaf, |below, (node, sibling)| {
            if node.start() < index { Hash::node(sibling, &below) } else { Hash::node(&below, sibling) }
        });
        if root == tree.root { Ok(()) } else { Err(ProofInvalid) }
    }
}

/// Proof that a tree continues an older one, changing none of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof(pub Vec<Hash>);

impl ConsistencyProof {
    /// Reads hashes of 32 bytes each.
    ///
    /// # Errors
    /// [`ProofInvalid`] for another length.
    pub fn from_slices<B: AsRef<[u8]>>(hashes: impl IntoIterator<Item = B>) -> Result<Self, ProofInvalid> {
        read(hashes).map(Self)
    }

    /// Checks that `new` continues `old`.
    ///
    /// # Errors
    /// [`ProofInvalid`], also when `old` is larger, and when there are hashes where nothing has to be proved.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofInvalid> {
        if old.size == new.size || old.size == 0 {
            let is_same = if old.size == new.size { old.root == new.root } else { old.root == Hash::empty_root() };
            return if is_same && self.0.is_empty() { Ok(()) } else { Err(ProofInvalid) };
        }
        if old.size > new.size || new.size > SIZE_MAX {
            return Err(ProofInvalid);
        }
        let bytes = self.0.iter().flat_map(|hash| *hash.as_bytes()).collect();
        let proof = ct_merkle::ConsistencyProof::try_from_bytes(bytes).map_err(|_| ProofInvalid)?;
        let root = |tree: &TreeHead| RootHash::<Sha256>::new((*tree.root.as_bytes()).into(), tree.size);
        root(new).verify_consistency(&root(old), &proof).map_err(|_| ProofInvalid)
    }
}

fn read<B: AsRef<[u8]>>(hashes: impl IntoIterator<Item = B>) -> Result<Vec<Hash>, ProofInvalid> {
    hashes.into_iter().map(|hash| Hash::from_slice(hash.as_ref()).ok_or(ProofInvalid)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    type Tree = MemoryBackedTree<Sha256, Vec<u8>>;

    fn tree(size: u32) -> Tree {
        let mut tree = Tree::new();
        (0..size).for_each(|number| tree.push(number.to_be_bytes().to_vec()));
        tree
    }

    fn head(tree: &Tree) -> TreeHead {
        TreeHead { size: tree.len(), root: Hash::from_slice(tree.root().as_bytes()).unwrap() }
    }

    fn hashes(bytes: &[u8]) -> Vec<Hash> {
        bytes.chunks(32).map(|hash| Hash::from_slice(hash).unwrap()).collect()
    }

    fn leaf(index: u32) -> Hash {
        Hash::leaf(&index.to_be_bytes())
    }

    #[test]
    fn every_inclusion_proof_holds_at_its_place_and_at_no_other() {
        for size in 1u32..=40 {
            let tree = tree(size);
            for number in 0..size {
                let bytes = tree.prove_inclusion(number as usize);
                let proof = InclusionProof(hashes(bytes.as_bytes()));
                let (head, index) = (head(&tree), u64::from(number));
                assert_eq!(proof.verify(leaf(number), index, &head), Ok(()));
                assert!(proof.verify(leaf(number + 1), index, &head).is_err());
                for other in (0..size).map(u64::from).filter(|other| *other != index) {
                    assert!(proof.verify(leaf(number), other, &head).is_err());
                }
                for place in 0..proof.0.len() {
                    let mut wrong = proof.clone();
                    wrong.0[place] = leaf(99);
                    assert!(wrong.verify(leaf(number), index, &head).is_err());
                    wrong.0.remove(place);
                    assert!(wrong.verify(leaf(number), index, &head).is_err());
                }
                let longer = InclusionProof([proof.0.clone(), vec![leaf(1)]].concat());
                assert!(longer.verify(leaf(number), index, &head).is_err());
                let smaller = TreeHead { size: index, ..head };
                assert!(proof.verify(leaf(number), index, &smaller).is_err());
            }
        }
    }

    #[test]
    fn every_consistency_proof_holds_for_its_trees_and_for_no_others() {
        let larger = tree(40);
        for new_size in 1u32..=40 {
            let new = tree(new_size);
            for old_size in 1..=new_size {
                let old = head(&tree(old_size));
                let bytes = new.prove_consistency((new_size - old_size) as usize);
                let proof = ConsistencyProof(hashes(bytes.as_bytes()));
                assert_eq!(proof.verify(&old, &head(&new)), Ok(()));
                let other = TreeHead { root: leaf(7), ..old };
                assert!(proof.verify(&other, &head(&new)).is_err());
                let other = TreeHead { root: leaf(7), ..head(&new) };
                assert!(proof.verify(&old, &other).is_err());
                assert!(old_size == new_size || proof.verify(&head(&new), &old).is_err());
                assert!(new_size == 40 || proof.verify(&old, &head(&larger)).is_err());
                for number in 0..proof.0.len() {
                    let mut wrong = proof.clone();
                    wrong.0[number] = leaf(99);
                    assert!(wrong.verify(&old, &head(&new)).is_err());
                }
                let longer = ConsistencyProof([proof.0.clone(), vec![leaf(1)]].concat());
                assert!(longer.verify(&old, &head(&new)).is_err());
            }
        }
    }

    #[test]
    fn from_nothing_everything_follows_and_nothing_is_proved() {
        let nothing = TreeHead { size: 0, root: Hash::empty_root() };
        let some = head(&tree(3));
        assert_eq!(ConsistencyProof(Vec::new()).verify(&nothing, &some), Ok(()));
        assert_eq!(ConsistencyProof(Vec::new()).verify(&nothing, &nothing), Ok(()));
        assert!(ConsistencyProof(vec![leaf(1)]).verify(&nothing, &some).is_err());
        let false_nothing = TreeHead { size: 0, root: leaf(1) };
        assert!(ConsistencyProof(Vec::new()).verify(&false_nothing, &some).is_err());
        assert!(ConsistencyProof(Vec::new()).verify(&some, &nothing).is_err());
    }

    #[test]
    fn sizes_beyond_all_logs_are_refused_and_do_not_panic() {
        let head = TreeHead { size: u64::MAX, root: leaf(1) };
        assert!(InclusionProof(Vec::new()).verify(leaf(1), u64::MAX - 1, &head).is_err());
        let old = TreeHead { size: u64::MAX - 1, root: leaf(1) };
        assert!(ConsistencyProof(vec![leaf(1)]).verify(&old, &head).is_err());
        assert!(consistency_nodes(1, u64::MAX).is_none());
        assert!(inclusion_nodes(1, u64::MAX).is_none());
    }
}
