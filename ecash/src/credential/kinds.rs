//! The four kinds of credential and their attributes, in the order of `docs/PROTOCOL.md` section 3.

use crate::params::Generator::{
    self, Blind, Class, Day, DayTotal, Epoch, Expiry, Identity, KCoin, KNote, KRule, KWallet, Month, MonthTotal, Owner,
    Purpose, PurposeOut, Refund, Serial, Validity, Value,
};

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Divisible money in a wallet.
    Coin = 1,
    /// Money on its way to an identity.
    Note = 2,
    /// The registration of a wallet and its receipt counters.
    Wallet = 3,
    /// One signed line of the policy.
    Rule = 4,
}

impl Kind {
    /// The code in "in-kind".
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// `K_κ`, which separates the kinds.
    pub(crate) const fn base(self) -> Generator {
        match self {
            Self::Coin => KCoin,
            Self::Note => KNote,
            Self::Wallet => KWallet,
            Self::Rule => KRule,
        }
    }

    /// The generators of the attributes, in order.
    pub(crate) const fn attributes(self) -> &'static [Generator] {
        match self {
            Self::Coin => &[Value, Owner, Serial, Purpose, Blind],
            Self::Note => &[Value, Owner, Serial, Purpose, Refund, Expiry, Blind],
            Self::Wallet => &[Identity, Owner, Class, Day, Month, DayTotal, MonthTotal, Validity, Serial, Blind],
            Self::Rule => &[Epoch, Class, Purpose, PurposeOut, DayTotal, MonthTotal],
        }
    }
}
