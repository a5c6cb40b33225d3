//! A follower over logs that honest servers wrote, and over logs in which something was altered.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation, missing_docs)]

mod altered;
mod dishonest;
mod honest;
mod mirror;
mod plan;
mod remote;
mod served;
mod split;
#[path = "../../../ecash/tests/town/town.rs"]
mod town;
mod witnesses;
