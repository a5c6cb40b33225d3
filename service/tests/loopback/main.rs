//! Servers and clients over real TLS on loopback.
#![allow(clippy::unwrap_used)]

mod calls;
mod limits;
mod running;
mod secure;
mod shutdown;
