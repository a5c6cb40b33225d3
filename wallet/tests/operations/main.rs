//! The wallet's operations against servers that do what a test wants: lose requests and answers, move days and policies,
//! lie. Real wallets on real files, real TLS on loopback, real proofs; only the books of the servers are in memory.
#![allow(clippy::unwrap_used)]

mod bank;
mod consolidating;
mod course;
mod crash;
mod disclosure;
mod distrust;
mod fees;
mod links;
mod receiving;
mod refund;
mod refusal;
mod renewal;
mod requests;
mod restoring;
mod trust;
