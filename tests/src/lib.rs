//! Real servers and wallets on one machine: the harness of the end-to-end tests, and the demo.

pub mod cluster;
pub mod demo;
pub mod programs;
pub mod proxy;
pub mod threads;
