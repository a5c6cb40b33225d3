//! Proofs about linear equations over secret scalars (`docs/PROTOCOL.md` section 4).

pub(crate) mod alone;
pub(crate) mod batch;
#[cfg(test)]
mod oracle;
pub(crate) mod prove;
pub(crate) mod relation;
pub(crate) mod wide;
pub(crate) mod witness;
