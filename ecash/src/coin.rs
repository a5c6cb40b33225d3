//! Coins: divisible money in a wallet (`docs/PROTOCOL.md` section 3).

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Amount,
    credential::{
        Attributes, Credential, attribute_sum,
        issue::CheckedAnswer,
        kinds::Kind,
        present::{self, Input, Presented},
    },
    encoding::Reader,
    error::{DecodeError, ProveError, VerificationFailure},
    params::Generator,
    range::RangeOpening,
    seed::{Nonce, OutputSecret, WalletKeys},
    sigma::{
        relation::Relation,
        witness::{Secret, Witness},
    },
    statement::Publics,
    transaction::{COINS_MAX, Core},
};

/// The attributes of a coin. Whoever knows them and the issuer's signature owns the wallet's secret: never hand one over.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Coin {
    pub(crate) value: u64,
    /// The wallet's secret `s`.
    pub(crate) owner: Scalar,
    pub(crate) serial: Scalar,
    pub(crate) purpose: u32,
    pub(crate) blind: Scalar,
}

impl Coin {
    /// What it is worth.
    #[must_use]
    pub fn value(&self) -> Amount {
        Amount::new(self.value)
    }

    /// What the money may be used for; 0 is anything.
    #[must_use]
    pub fn purpose(&self) -> u32 {
        self.purpose
    }
}

impl Attributes for Coin {
    const KIND: Kind = Kind::Coin;

    fn attribute(&self, generator: Generator) -> Scalar {
        match generator {
            Generator::Value => self.value.into(),
            Generator::Owner => self.owner,
            Generator::Serial => self.serial,
            Generator::Purpose => self.purpose.into(),
            Generator::Blind => self.blind,
            _ => Scalar::ZERO,
        }
    }
}

impl Credential<Coin> {
    /// The secret encoding, 204 bytes, for a wallet's encrypted store.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(204));
        self.write_signature(&mut bytes);
        let coin = &self.attributes;
        bytes.extend_from_slice(&coin.value.to_le_bytes());
        bytes.extend_from_slice(coin.owner.as_bytes());
        bytes.extend_from_slice(coin.serial.as_bytes());
        bytes.extend_from_slice(&coin.purpose.to_le_bytes());
        bytes.extend_from_slice(coin.blind.as_bytes());
        bytes
    }

    /// Reads what [`Credential::<Coin>::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let signature = reader.bytes(96)?;
        let coin = Coin {
            value: reader.u64()?,
            owner: reader.scalar()?,
            serial: reader.scalar()?,
            purpose: reader.u32()?,
            blind: reader.scalar()?,
        };
        reader.end()?;
        Self::read_signature(&mut Reader::new(signature), coin)
    }
}

/// "spend coin i" for all coins of a transaction: `v_i, t_i` per coin, `s` and, unless the money must be unrestricted,
/// `u` shared.
pub(crate) fn spend_all(relation: &mut Relation, core: &Core, purpose: Option<Secret>) {
    for (index, input) in core.inputs_of(Kind::Coin) {
        let mut hidden = vec![
            (Generator::Value, Secret::V(index)),
            (Generator::Owner, Secret::Owner),
            (Generator::Blind, Secret::T(index)),
        ];
        hidden.extend(purpose.map(|secret| (Generator::Purpose, secret)));
        present::equations(relation, input, index, &[], &hidden);
    }
}

/// Coins presented in the order of their serials, with what their spending needs to know of them.
pub(crate) struct Spending {
    pub(crate) inputs: Vec<Presented>,
    pub(crate) witness: Witness,
    /// Sum of the values.
    pub(crate) total: u64,
    pub(crate) purpose: u32,
    pub(crate) owner: Scalar,
}

impl Drop for Spending {
    fn drop(&mut self) {
        self.owner.zeroize();
        self.total.zeroize();
    }
}

impl Spending {
    /// Presents `coins`, which must be of one owner and one purpose.
    ///
    /// # Errors
    /// [`ProveError::Inputs`] for none, too many, a repeated coin or a mixture; [`ProveError::Overflow`] when their sum
    /// leaves 64 bits.
    pub(crate) fn new<'a>(
        coins: impl IntoIterator<Item = &'a Credential<Coin>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let mut sorted: Vec<_> = coins.into_iter().collect();
        sorted.sort_by_key(|coin| coin.nullifier());
        let first = sorted.first().ok_or(ProveError::Inputs)?.attributes();
        let (owner, purpose) = (first.owner, first.purpose);
        let mixed = sorted.iter().any(|coin| coin.attributes.owner != owner || coin.attributes.purpose != purpose);
        let repeated =
            sorted.iter().zip(sorted.iter().skip(1)).any(|(one, other)| one.nullifier() == other.nullifier());
        if mixed || repeated || sorted.len() > COINS_MAX as usize {
            return Err(ProveError::Inputs);
        }
        let mut spending =
            Self { inputs: Vec::with_capacity(sorted.len()), witness: Default::default(), total: 0, purpose, owner };
        spending.witness.set(Secret::Owner, owner).set(Secret::Purpose, purpose);
        for (index, coin) in (0u16..).zip(sorted) {
            let presented = Presented::new(coin, true, rng);
            presented.witness(index, &mut spending.witness);
            spending.witness.set(Secret::V(index), coin.attributes.value).set(Secret::T(index), coin.attributes.blind);
            spending.total = spending.total.checked_add(coin.attributes.value).ok_or(ProveError::Overflow)?;
            spending.inputs.push(presented);
        }
        Ok(spending)
    }
}

impl Spending {
    /// The serials in the order of the inputs.
    pub(crate) fn serials(&self) -> Vec<[u8; 32]> {
        self.inputs.iter().filter_map(|presented| presented.input.serial).map(|serial| serial.to_bytes()).collect()
    }

    /// The inputs of the transaction.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        self.inputs.iter().map(|presented| presented.input.clone()).collect()
    }

    /// A coin of the same owner and purpose as output `index`, its serial still without δ.
    pub(crate) fn output(&self, keys: &WalletKeys, publics: &Publics, index: u16, value: u64) -> Coin {
        Coin::output(keys, &publics.nonce, index, value, self.purpose)
    }
}

impl Coin {
    /// Output `index` of the transaction with this nonce, its serial still without δ.
    pub(crate) fn output(keys: &WalletKeys, nonce: &Nonce, index: u16, value: u64, purpose: u32) -> Self {
        Self {
            value,
            owner: *keys.owner(),
            serial: keys.output_secret(nonce, index, OutputSecret::Serial),
            purpose,
            blind: keys.output_secret(nonce, index, OutputSecret::Blind),
        }
    }

    /// The commitment to all attributes.
    pub(crate) fn commitment(&self) -> RistrettoPoint {
        attribute_sum(self)
    }

    /// The opening of the commitment for its range proof.
    pub(crate) fn range(&self) -> RangeOpening {
        RangeOpening::money(self.value, self.owner, self.serial, self.purpose.into(), Scalar::ZERO, self.blind)
    }
}

/// Output `index` of an answered transaction of this wallet as a coin of this value and purpose.
///
/// # Errors
/// [`VerificationFailure`] when that is not what was signed.
pub(crate) fn output(
    core: &Core,
    keys: &WalletKeys,
    answer: &CheckedAnswer,
    index: u16,
    value: Amount,
    purpose: u32,
) -> Result<Credential<Coin>, VerificationFailure> {
    let mut coin = Coin::output(keys, &core.publics().nonce, index, value.get(), purpose);
    coin.serial = answer.final_serial(index.into(), coin.serial)?;
    answer.credential(index.into(), coin)
}
