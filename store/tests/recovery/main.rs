//! What the store makes of damaged, missing and old files.
#![allow(clippy::unwrap_used)]

mod index;
mod journal;
mod prune;
mod sample;
