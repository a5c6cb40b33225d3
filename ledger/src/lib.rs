//! The public logs of Farthing: append-only Merkle trees that everybody can copy, check and hold against each other
//! (docs/PROTOCOL.md section 9, docs/WIRE.md section 5).
//!
//! The formats are those of C2SP, so that other programs read them: RFC 6962 hashing, tlog-tiles, signed-note,
//! tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-policy.
//!
//! - [`hash`], [`tree`], [`proof`]: a tree, what of it has to be kept, and what shows that an entry is in it or that it
//!   continues an older one;
//! - [`key`], [`note`], [`checkpoint`]: what a log signs;
//! - [`cosignature`], [`quorum`], [`receipt`]: what witnesses add, whom to trust, and what to keep;
//! - [`tile`]: the tree as files.
//!
//! Over a store:
//!
//! - [`edge`], [`view`]: the part of a tree that still changes, and proofs from what does not;
//! - [`publisher`], [`anchor`]: signs checkpoints, and never two that contradict each other;
//! - [`published`]: what a server gives out, and what witnesses hand back;
//! - [`history`]: all checkpoints that were signed; [`pruning`]: when proof parts may go.
//!
//! ```
//! use farthing_ledger::{
//!     checkpoint::Checkpoint, hash::Hash, key::LogSigner, proof::InclusionProof, quorum::TrustPolicy,
//!     receipt::Receipt, tree::Frontier,
//! };
//! use getrandom::{SysRng, rand_core::UnwrapErr};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A log of two entries signs a checkpoint.
//! let signer = LogSigner::generate("log.example", &mut UnwrapErr(SysRng))?;
//! let leaves = [Hash::leaf(b"first entry"), Hash::leaf(b"second entry")];
//! let tree: Frontier = leaves.into_iter().collect();
//! let (size, root) = (tree.size(), tree.root());
//! let checkpoint = Checkpoint { origin: "log.example".to_owned(), size, root, issuance: None, spent: Vec::new() };
//! let signed = checkpoint.sign(&signer)?;
//!
//! // Whoever knows the log's key sees from a receipt, offline, that the first entry is in it.
//! let proof = InclusionProof(vec![leaves[1]]);
//! let receipt = Receipt { index: 0, proof, checkpoint: signed.note().clone(), extra: None }.to_string();
//! let trust = TrustPolicy::without_witnesses([signer.verifier().clone()]);
//! receipt.parse::<Receipt>()?.verify(&trust, "log.example", Hash::leaf(b"first entry"))?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod anchor;
pub mod checkpoint;
pub mod cosignature;
pub mod edge;
pub mod hash;
pub mod history;
pub mod key;
pub mod note;
pub mod proof;
pub mod pruning;
pub mod published;
pub mod publisher;
pub mod quorum;
pub mod receipt;
pub mod tile;
pub mod tree;
pub mod view;
