//! The follower: it holds a full copy of both public logs, verifies everything in them with public data alone, cosigns what
//! it has verified as a C2SP witness, and serves the copy to others (docs/PROTOCOL.md section 9).
//!
//! [`follower::Follower`] reads a log piece by piece from a [`source::Source`]. Each entry is judged against the [`books`],
//! which know everything that came before, and its proofs are verified in batches; then entry, proof part and books are
//! written to the [`copy`] in one step. A [`finding::Finding`] names the entry or the checkpoint that is not as it must be:
//! then the follower stops, keeps the finding, and cosigns nothing more until its operator has looked.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod audit;
pub mod books;
pub mod config;
pub mod copy;
pub mod error;
mod evidence;
pub mod export;
pub mod finding;
pub mod follower;
pub mod init;
mod judge;
pub mod log;
mod replay;
pub mod run;
pub mod source;
pub mod status;
pub mod verify;
