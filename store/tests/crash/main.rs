//! What the store promises when its process, its disk or its machine stops.
#![allow(clippy::unwrap_used)]

mod child;
mod disk_full;
mod io_errors;
mod kill;
mod lock;
mod mounts;
mod power_loss;
