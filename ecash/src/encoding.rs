//! Strict reading and writing of canonical bytes (`docs/WIRE.md` section 1): little-endian integers, canonical points
//! and scalars, exact lengths, nothing left over.

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};

use crate::error::DecodeError;

/// Reads canonical values from the front of a byte string.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.bytes(N)?.try_into().map_err(|_| DecodeError::Truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn scalar(&mut self) -> Result<Scalar, DecodeError> {
        Option::from(Scalar::from_canonical_bytes(self.array()?)).ok_or(DecodeError::Scalar)
    }

    pub(crate) fn point(&mut self) -> Result<Point, DecodeError> {
        Point::decode(self.array()?)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses trailing bytes.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// A point other than the identity together with its 32 canonical bytes, so that it is compressed or decompressed once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Point {
    point: RistrettoPoint,
    bytes: CompressedRistretto,
}

impl std::fmt::Debug for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.bytes.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl Point {
    /// Decodes 32 canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError::Point`] for bytes that are no canonical encoding, [`DecodeError::IdentityPoint`] for the identity.
    pub fn decode(bytes: [u8; 32]) -> Result<Self, DecodeError> {
        // Each point has one encoding, and this is that of the identity: to look at the bytes spares a comparison of points.
        if bytes == [0; 32] {
            return Err(DecodeError::IdentityPoint);
        }
        let bytes = CompressedRistretto(bytes);
        let point = bytes.decompress().ok_or(DecodeError::Point)?;
        Ok(Self { point, bytes })
    }

    /// The 32 canonical bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.bytes.as_bytes()
    }

    pub(crate) fn new(point: RistrettoPoint) -> Self {
        Self { point, bytes: point.compress() }
    }

    /// Twice a point, together with the encoding of twice the point, as batched compression gives it.
    pub(crate) fn doubled(half: &RistrettoPoint, bytes: CompressedRistretto) -> Self {
        Self { point: half + half, bytes }
    }

    pub(crate) fn point(&self) -> RistrettoPoint {
        self.point
    }

    pub(crate) fn compressed(&self) -> CompressedRistretto {
        self.bytes
    }
}

/// Defines a newtype over 32 public bytes that prints as hexadecimal.
macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use bytes32;
