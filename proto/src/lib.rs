//! The gRPC interfaces of Farthing: package `farthing.v1`.
//!
//! The `.proto` files under `farthing/v1` are the documentation of every call, message and field. This crate holds what is
//! generated from them ([`v1`]), their descriptors for the reflection service ([`FILE_DESCRIPTOR_SET`]) and the spelling of
//! error reasons ([`reason`]). Transactions, answers and log entries travel as opaque bytes in the canonical form of
//! `docs/WIRE.md`; they are encoded and decoded by `farthing-ecash` alone.

pub mod reason;

/// Messages, clients and servers generated from the `.proto` files.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
#[allow(unreachable_pub, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("farthing.v1");
}

/// Encoded `google.protobuf.FileDescriptorSet` of the package, for `tonic-reflection`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/farthing.v1.descriptors"));
