//! The generators (`docs/PROTOCOL.md` section 2, numbered in `docs/WIRE.md` section 1).

use std::sync::LazyLock;

use curve25519_dalek::{RistrettoPoint, constants::RISTRETTO_BASEPOINT_POINT, ristretto::CompressedRistretto};
use sha2::{Digest, Sha256, Sha512};

/// One of the 22 generators. The discriminant is its number in "structure" and in the key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[allow(missing_docs)] // each is the generator of the attribute of that name
pub enum Generator {
    G = 0,
    Value = 1,
    Owner = 2,
    Serial = 3,
    Purpose = 4,
    PurposeOut = 5,
    Refund = 6,
    Expiry = 7,
    Blind = 8,
    Identity = 9,
    Class = 10,
    Day = 11,
    Month = 12,
    DayTotal = 13,
    MonthTotal = 14,
    Validity = 15,
    Epoch = 16,
    Account = 17,
    KCoin = 18,
    KNote = 19,
    KWallet = 20,
    KRule = 21,
}

/// How many generators there are.
pub(crate) const GENERATORS: usize = 22;

/// What is hashed to each generator, in the order of their numbers. G is the ristretto255 basepoint itself.
pub(crate) const NAMES: [&str; GENERATORS] = [
    "G",
    "value",
    "owner",
    "serial",
    "purpose",
    "purpose_out",
    "refund",
    "expiry",
    "blind",
    "identity",
    "class",
    "day",
    "month",
    "day_total",
    "month_total",
    "validity",
    "epoch",
    "account",
    "K_coin",
    "K_note",
    "K_wallet",
    "K_rule",
];

struct Table {
    points: [RistrettoPoint; GENERATORS],
    encodings: [CompressedRistretto; GENERATORS],
    digest: [u8; 32],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let points = NAMES.map(|name| match name {
        "G" => RISTRETTO_BASEPOINT_POINT,
        _ => RistrettoPoint::from_uniform_bytes(
            &Sha512::new().chain_update(b"farthing/v1/generator/").chain_update(name).finalize().into(),
        ),
    });
    let encodings = points.map(|point| point.compress());
    let mut digest = Sha256::new();
    for encoding in &encodings {
        digest.update(encoding.as_bytes());
    }
    Table { points, encodings, digest: digest.finalize().into() }
});

impl Generator {
    /// The number of the generator, 0 to 21.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    #[allow(clippy::indexing_slicing)] // the discriminants are 0 to 21
    pub(crate) fn point(self) -> RistrettoPoint {
        TABLE.points[usize::from(self.number())]
    }

    #[allow(clippy::indexing_slicing)]
    pub(crate) fn encoding(self) -> CompressedRistretto {
        TABLE.encodings[usize::from(self.number())]
    }
}

/// All 22 generators' points, by number.
pub(crate) fn points() -> &'static [RistrettoPoint; GENERATORS] {
    &TABLE.points
}

/// SHA-256 of the 22 encodings in order: the last part of every key id.
#[must_use]
pub fn generators_digest() -> [u8; 32] {
    TABLE.digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_the_wire_document() {
        let hex: String = generators_digest().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "6588bf9d8720403ab684d45d687f25dbb56edcebbc95dfc205c2be06f6034800");
    }
}
