//! What can go wrong, by phase.

/// Bytes that are not the canonical encoding of what they claim to be (`docs/WIRE.md` section 1 and 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes follow the end of the value.
    #[error("there are bytes after the end")]
    TrailingBytes,
    /// A version, kind or statement code that this version does not know.
    #[error("unknown version, kind or statement code")]
    UnknownCode,
    /// A number of inputs or outputs that the statement does not allow.
    #[error("the number of inputs, commitments or items is not allowed")]
    Count,
    /// 32 bytes that are not the canonical encoding of a ristretto255 point.
    #[error("not a canonical point")]
    Point,
    /// The identity point, which no request or answer may contain.
    #[error("the identity point is not allowed")]
    IdentityPoint,
    /// 32 bytes that are not a scalar below the group order.
    #[error("not a canonical scalar")]
    Scalar,
    /// Serials that are not strictly ascending, hence also a duplicate.
    #[error("the inputs are not in ascending order of their serials")]
    Order,
    /// Another field outside its allowed values.
    #[error("a field is outside its allowed values: {0}")]
    Field(&'static str),
}

/// A proof or an answer that does not verify. It says no more: a failed check gives no oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not verify")]
pub struct VerificationFailure;

/// A transaction that a wallet cannot build from what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The inputs hold less than the outputs need.
    #[error("the inputs hold less than is to be paid")]
    InsufficientFunds,
    /// A sum of amounts leaves 64 bits.
    #[error("the sum of the amounts is too large")]
    Overflow,
    /// Too few or too many inputs, or inputs that cannot be in one transaction (other purpose or owner).
    #[error("these inputs cannot be in one transaction")]
    Inputs,
    /// The amount is zero, below the policy's minimum, or above what the rule still allows.
    #[error("the amount is outside what is allowed")]
    Amount,
    /// The witness does not satisfy the statement. This is a fault in the caller, not bad luck.
    #[error("the witness does not satisfy the statement")]
    Witness,
}
