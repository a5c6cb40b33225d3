//! The redeemer over real TLS on loopback, with transactions of real wallets. The issuer is played by the tests: its
//! signatures by the mint, which has the same key; its redemption service by a small server over mutual TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attest;
mod batch;
mod checkpoint;
mod cli;
mod disk;
mod issuer;
mod log;
mod mint;
mod money;
mod period;
mod policy;
mod purpose;
mod race;
mod redemption;
mod refund;
mod refused;
mod reload;
mod renewal;
mod restart;
mod split;
mod wallet;
mod world;
