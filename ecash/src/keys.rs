//! Issuing keys and their identifiers (`docs/PROTOCOL.md` section 2, `docs/WIRE.md` section 1).

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Currency,
    calendar::Day,
    encoding::{Point, Reader, bytes32},
    error::DecodeError,
    params,
};

bytes32! {
    /// SHA-256 of a key's public description and of all generators: names a key in every transaction.
    KeyId
}

/// The version byte of keys, requests, notes and policies.
pub(crate) const VERSION: u8 = 1;

/// The dates of a key, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDates {
    /// Outputs are signed from this day on.
    pub first: Day,
    /// The last day on which outputs are signed.
    pub last_issue: Day,
    /// Pay accepts inputs under this key up to this day.
    pub accept_until: Day,
    /// Every other statement accepts inputs under this key up to this day.
    pub exchange_until: Day,
}

impl KeyDates {
    /// Whether outputs may be signed on `day`.
    #[must_use]
    pub fn signs_on(&self, day: Day) -> bool {
        self.first <= day && day <= self.last_issue
    }

    fn is_ordered(&self) -> bool {
        self.first <= self.last_issue
            && self.last_issue <= self.accept_until
            && self.accept_until <= self.exchange_until
    }
}

/// The public part of an issuing key: everything a wallet needs to check what was issued under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    currency: Currency,
    X: Point,
    dates: KeyDates,
    id: KeyId,
}

impl PublicKey {
    fn new(currency: Currency, X: Point, dates: KeyDates) -> Result<Self, DecodeError> {
        if !dates.is_ordered() {
            return Err(DecodeError::Field("key dates"));
        }
        let mut key = Self { currency, X, dates, id: KeyId::new([0; 32]) };
        key.id = KeyId::new(
            Sha256::new().chain_update(key.to_bytes()).chain_update(params::generators_digest()).finalize().into(),
        );
        Ok(key)
    }

    /// The key's identifier.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the amounts under this key count.
    #[must_use]
    pub fn currency(&self) -> &Currency {
        &self.currency
    }

    /// When the key signs and how long it is accepted.
    #[must_use]
    pub fn dates(&self) -> KeyDates {
        self.dates
    }

    /// Its place in the one order of keys, by first day and then by id: of the keys that sign on a day the last is current
    /// (docs/PROTOCOL.md section 2).
    #[must_use]
    pub fn turn(&self) -> (Day, KeyId) {
        (self.dates.first, self.id)
    }

    pub(crate) fn X(&self) -> &Point {
        &self.X
    }

    /// The key id's preimage without the generator hash: version, length and currency code, exponent, X and the four
    /// dates, 54 to 59 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let code = self.currency.code().as_bytes();
        let mut bytes = vec![VERSION, u8::try_from(code.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(code);
        bytes.push(self.currency.exponent());
        bytes.extend_from_slice(self.X.as_bytes());
        let dates = &self.dates;
        for day in [dates.first, dates.last_issue, dates.accept_until, dates.exchange_until] {
            bytes.extend_from_slice(&day.get().to_le_bytes());
        }
        bytes
    }

    /// Reads what [`PublicKey::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not the canonical encoding of a key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::UnknownCode);
        }
        let length = reader.u8()?;
        let code =
            std::str::from_utf8(reader.bytes(usize::from(length))?).map_err(|_| DecodeError::Field("currency"))?;
        let currency = Currency::new(code, reader.u8()?).map_err(|_| DecodeError::Field("currency"))?;
        let X = reader.point()?;
        let mut day = || reader.u32().map(Day::new);
        let dates = KeyDates { first: day()?, last_issue: day()?, accept_until: day()?, exchange_until: day()? };
        reader.end()?;
        Self::new(currency, X, dates)
    }
}

/// A whole issuing key: whoever holds it can mint. Issuer and redeemer hold the same one.
#[derive(ZeroizeOnDrop)]
pub struct SigningKey {
    #[zeroize(skip)]
    public: PublicKey,
    x: Scalar,
    prf: [u8; 32],
}

impl SigningKey {
    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`DecodeError::Field`] when the dates are not in ascending order.
    pub fn generate(currency: Currency, dates: KeyDates, rng: &mut impl CryptoRng) -> Result<Self, DecodeError> {
        let mut wide = Zeroizing::new([0; 64]);
        let mut prf = Zeroizing::new([0; 32]);
        rng.fill_bytes(wide.as_mut());
        rng.fill_bytes(prf.as_mut());
        Self::assemble(currency, dates, Scalar::from_bytes_mod_order_wide(&wide), *prf)
    }

    fn assemble(currency: Currency, dates: KeyDates, x: Scalar, prf: [u8; 32]) -> Result<Self, DecodeError> {
        let X = Point::new(RistrettoPoint::mul_base(&x));
        if x == Scalar::ZERO {
            return Err(DecodeError::Scalar);
        }
        Ok(Self { public: PublicKey::new(currency, X, dates)?, x, prf })
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret encoding: the public bytes, then x, then the PRF key.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(123));
        bytes.extend_from_slice(&self.public.to_bytes());
        bytes.extend_from_slice(self.x.as_bytes());
        bytes.extend_from_slice(&self.prf);
        bytes
    }

    /// Reads what [`SigningKey::to_secret_bytes`] writes, and checks that `X = x·G`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let public_length = bytes.len().checked_sub(64).ok_or(DecodeError::Truncated)?;
        let mut reader = Reader::new(bytes);
        let public = PublicKey::from_bytes(reader.bytes(public_length)?)?;
        let (x, prf) = (reader.scalar()?, reader.array()?);
        reader.end()?;
        let key = Self::assemble(public.currency.clone(), public.dates, x, prf)?;
        if key.public == public { Ok(key) } else { Err(DecodeError::Field("X")) }
    }

    pub(crate) fn x(&self) -> &Scalar {
        &self.x
    }

    /// `ScalarWide(HMAC-SHA-512(prf_key, parts…))`.
    pub(crate) fn prf(&self, parts: &[&[u8]]) -> Scalar {
        #[allow(clippy::expect_used)] // HMAC takes keys of any length
        let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(&self.prf).expect("any key length");
        for part in parts {
            mac.update(part);
        }
        let mut wide: [u8; 64] = mac.finalize().into_bytes().into();
        let scalar = Scalar::from_bytes_mod_order_wide(&wide);
        wide.zeroize();
        scalar
    }
}

/// The issuing keys that a verifier accepts, by id.
#[derive(Default)]
pub struct KeyRing {
    keys: BTreeMap<KeyId, SigningKey>,
}

impl KeyRing {
    /// A ring of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = SigningKey>) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.public.id, key)).collect() }
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&SigningKey> {
        self.keys.get(id)
    }

    /// All keys, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.values()
    }

    /// The key that signs outputs on `day`: of those in their issuing period the last by [`PublicKey::turn`].
    #[must_use]
    pub fn current(&self, day: Day) -> Option<&SigningKey> {
        self.keys.values().filter(|key| key.public.dates.signs_on(day)).max_by_key(|key| key.public.turn())
    }
}
