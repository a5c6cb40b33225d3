//! Wallet states: the registration of a wallet and its receipt counters (`docs/PROTOCOL.md` section 3).

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Amount,
    calendar::{Day, Month},
    credential::{Attributes, Credential, kinds::Kind},
    encoding::Reader,
    error::DecodeError,
    params::Generator,
    sigma::witness::{Secret, Witness},
};

/// The attributes of a wallet state.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct WalletState {
    /// `pid`
    pub(crate) identity: Scalar,
    /// `s`
    pub(crate) owner: Scalar,
    pub(crate) class: u32,
    pub(crate) day: u32,
    pub(crate) month: u32,
    pub(crate) day_total: u64,
    pub(crate) month_total: u64,
    pub(crate) validity: u32,
    pub(crate) serial: Scalar,
    pub(crate) blind: Scalar,
}

impl WalletState {
    /// The class, which decides the receipt caps.
    #[must_use]
    pub fn class(&self) -> u32 {
        self.class
    }

    /// The last month in which the state may be used.
    #[must_use]
    pub fn validity(&self) -> Month {
        Month::new(self.validity)
    }

    /// The month of the newest receipt, whose total the state holds; `None` when nothing was received ever.
    #[must_use]
    pub fn month(&self) -> Option<Month> {
        (self.month != 0).then_some(Month::new(self.month))
    }

    /// What was received on `day` so far.
    #[must_use]
    pub fn received_on(&self, day: Day) -> Amount {
        if self.day == day.get() { Amount::new(self.day_total) } else { Amount::ZERO }
    }

    /// What was received in `month` so far.
    #[must_use]
    pub fn received_in(&self, month: Month) -> Amount {
        if self.month == month.get() { Amount::new(self.month_total) } else { Amount::ZERO }
    }

    /// Enters the hidden attributes; the serial and the validity are disclosed.
    pub(crate) fn witness(&self, witness: &mut Witness) {
        witness
            .set(Secret::Pid, self.identity)
            .set(Secret::Owner, self.owner)
            .set(Secret::Class, self.class)
            .set(Secret::Day, self.day)
            .set(Secret::Month, self.month)
            .set(Secret::DayTotal, self.day_total)
            .set(Secret::MonthTotal, self.month_total)
            .set(Secret::Blind, self.blind);
    }
}

impl Attributes for WalletState {
    const KIND: Kind = Kind::Wallet;

    fn attribute(&self, generator: Generator) -> Scalar {
        match generator {
            Generator::Identity => self.identity,
            Generator::Owner => self.owner,
            Generator::Class => self.class.into(),
            Generator::Day => self.day.into(),
            Generator::Month => self.month.into(),
            Generator::DayTotal => self.day_total.into(),
            Generator::MonthTotal => self.month_total.into(),
            Generator::Validity => self.validity.into(),
            Generator::Serial => self.serial,
            Generator::Blind => self.blind,
            _ => Scalar::ZERO,
        }
    }
}

impl Credential<WalletState> {
    /// The secret encoding, 256 bytes, for a wallet's encrypted store.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        self.write_signature(&mut bytes);
        let state = &self.attributes;
        for scalar in [&state.identity, &state.owner, &state.serial, &state.blind] {
            bytes.extend_from_slice(scalar.as_bytes());
        }
        for number in [state.class, state.day, state.month, state.validity] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for total in [state.day_total, state.month_total] {
            bytes.extend_from_slice(&total.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Credential::<WalletState>::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let signature = reader.bytes(96)?;
        let (identity, owner, serial, blind) = (reader.scalar()?, reader.scalar()?, reader.scalar()?, reader.scalar()?);
        let (class, day, month, validity) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let (day_total, month_total) = (reader.u64()?, reader.u64()?);
        reader.end()?;
        let state = WalletState { identity, owner, class, day, month, day_total, month_total, validity, serial, blind };
        Self::read_signature(&mut Reader::new(signature), state)
    }
}
