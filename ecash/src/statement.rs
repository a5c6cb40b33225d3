//! The ten statements: their names, codes, public values, commitments and ranges (`docs/PROTOCOL.md` section 4, the
//! table; `docs/WIRE.md` section 2).

use crate::{
    claim, encoding::Reader, error::DecodeError, pay, redeem, refund, register, renew, seed::Nonce,
    sigma::relation::Relation, split, swap, transaction::Core, withdraw,
};

/// A kind of transaction. The discriminant is its code on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Statement {
    /// A wallet is registered for an identity.
    Register = 1,
    /// An account's money becomes a coin.
    Withdraw = 2,
    /// Coins become a note for an identity, and change.
    Pay = 3,
    /// Notes become a coin under the policy.
    Claim = 4,
    /// Coins go back to an account.
    Redeem = 5,
    /// Coins become one or two coins of the same wallet.
    Swap = 6,
    /// A note becomes two notes of the same identity.
    Split = 7,
    /// The same by the payer, after the note's expiry.
    SplitExpired = 8,
    /// The payer takes an expired note back.
    Refund = 9,
    /// A wallet state gets a new validity period.
    Renew = 10,
}

/// A public value of a statement, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    EkCommit,
    Fee,
    Amount,
    Purpose,
    Validity,
    Expiry,
    Class,
    NewValidity,
    Grant,
    Nonce,
}

/// A commitment of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commitment {
    /// `P̂`
    PHat,
    /// `Ŷ`
    YHat,
    C,
    Change,
    Note,
    Qd,
    Qm,
    Gd,
    Gm,
    Coin,
    Wallet,
    DDay,
    DMonth,
    F,
    C1,
    C2,
}

/// Which range proof a statement carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    None,
    /// Base `H_value`, six masks: the commitments are coins and notes themselves.
    Money(&'static [Commitment]),
    /// Base `H_value`, one mask `H_blind`.
    Counters(&'static [Commitment]),
}

impl Statement {
    /// All statements, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Register,
        Self::Withdraw,
        Self::Pay,
        Self::Claim,
        Self::Redeem,
        Self::Swap,
        Self::Split,
        Self::SplitExpired,
        Self::Refund,
        Self::Renew,
    ];

    /// The code on the wire, 1 to 10.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The statement with this code.
    ///
    /// # Errors
    /// [`DecodeError::UnknownCode`].
    pub fn from_code(code: u8) -> Result<Self, DecodeError> {
        Self::ALL.into_iter().find(|statement| statement.code() == code).ok_or(DecodeError::UnknownCode)
    }

    /// The name in the transcript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Withdraw => "withdraw",
            Self::Pay => "pay",
            Self::Claim => "claim",
            Self::Redeem => "redeem",
            Self::Swap => "swap",
            Self::Split => "split",
            Self::SplitExpired => "split-expired",
            Self::Refund => "refund",
            Self::Renew => "renew",
        }
    }

    /// Whether the issuer takes it (the redeemer takes the others).
    #[must_use]
    pub const fn is_for_issuer(self) -> bool {
        matches!(self, Self::Register | Self::Withdraw)
    }

    pub(crate) const fn publics(self) -> &'static [Public] {
        use Public::{Amount, Class, EkCommit, Expiry, Fee, Grant, NewValidity, Nonce, Purpose, Validity};
        match self {
            Self::Register => &[EkCommit, Nonce],
            Self::Withdraw => &[Amount, Purpose, Nonce],
            Self::Pay => &[Fee, Nonce],
            Self::Claim | Self::Split => &[Validity, Nonce],
            Self::Redeem => &[Amount, Nonce],
            Self::Swap => &[Nonce],
            Self::SplitExpired => &[Expiry, Nonce],
            Self::Refund => &[Validity, Expiry, Nonce],
            Self::Renew => &[Validity, Class, NewValidity, Grant, Nonce],
        }
    }

    /// The commitments, in order. Swap has one or two outputs; no other statement has a choice.
    pub(crate) const fn commitments(self, count: usize) -> &'static [Commitment] {
        use Commitment::{C, C1, C2, Change, Coin, DDay, DMonth, F, Gd, Gm, Note, PHat, Qd, Qm, Wallet, YHat};
        match self {
            Self::Register => &[PHat, C],
            Self::Withdraw => &[YHat, C],
            Self::Pay => &[Change, Note],
            Self::Claim => &[Qd, Qm, Gd, Gm, Coin, Wallet, DDay, DMonth],
            Self::Redeem => &[YHat, Change],
            Self::Swap if count == 1 => &[C1],
            Self::Swap | Self::Split => &[C1, C2],
            Self::SplitExpired => &[F, C1, C2],
            Self::Refund => &[F, Qd, Qm, Gd, Gm, Coin, Wallet, DDay, DMonth],
            Self::Renew => &[PHat, Wallet],
        }
    }

    pub(crate) const fn ranges(self, commitments: usize) -> Ranges {
        use Commitment::{C1, C2, Change, DDay, DMonth, Note, Qd, Qm};
        match self {
            Self::Pay => Ranges::Money(&[Change, Note]),
            Self::Redeem => Ranges::Money(&[Change]),
            Self::Swap if commitments == 1 => Ranges::None,
            Self::Swap | Self::Split | Self::SplitExpired => Ranges::Money(&[C1, C2]),
            Self::Claim | Self::Refund => Ranges::Counters(&[DDay, DMonth, Qd, Qm]),
            Self::Register | Self::Withdraw | Self::Renew => Ranges::None,
        }
    }
}

impl Public {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::EkCommit => "ek-commit",
            Self::Fee => "fee",
            Self::Amount => "amount",
            Self::Purpose => "purpose",
            Self::Validity => "validity",
            Self::Expiry => "expiry",
            Self::Class => "class",
            Self::NewValidity => "new-validity",
            Self::Grant => "grant",
            Self::Nonce => "nonce",
        }
    }
}

impl Commitment {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::PHat => "P_hat",
            Self::YHat => "Y_hat",
            Self::C => "C",
            Self::Change => "C_change",
            Self::Note => "C_note",
            Self::Qd => "Q_d",
            Self::Qm => "Q_m",
            Self::Gd => "G_d",
            Self::Gm => "G_m",
            Self::Coin => "C_coin",
            Self::Wallet => "C_wallet",
            Self::DDay => "D_day",
            Self::DMonth => "D_month",
            Self::F => "F",
            Self::C1 => "C_1",
            Self::C2 => "C_2",
        }
    }
}

/// The public values of a transaction. Those that its statement does not have are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publics {
    /// Register: the commitment to the encryption key.
    pub ek_commit: [u8; 32],
    /// Pay: the fee, in minor units.
    pub fee: u64,
    /// Withdraw, Redeem: the amount, in minor units.
    pub amount: u64,
    /// Withdraw: what the money may be used for.
    pub purpose: u32,
    /// Claim, Split, Refund, Renew: the month up to which the wallet state is valid.
    pub validity: u32,
    /// Refund, split-expired: the expiry month of the note.
    pub expiry: u32,
    /// Renew: the class granted.
    pub class: u32,
    /// Renew: the validity granted.
    pub new_validity: u32,
    /// Renew: the index of the grant in the issuance log.
    pub grant: u64,
    /// All statements: the nonce from which the wallet derives the output secrets.
    pub nonce: Nonce,
}

impl Publics {
    /// Publics with this nonce and zeros.
    #[must_use]
    pub fn new(nonce: Nonce) -> Self {
        Self {
            ek_commit: [0; 32],
            fee: 0,
            amount: 0,
            purpose: 0,
            validity: 0,
            expiry: 0,
            class: 0,
            new_validity: 0,
            grant: 0,
            nonce,
        }
    }

    /// The canonical bytes of one value.
    pub(crate) fn encode(&self, public: Public) -> Vec<u8> {
        match public {
            Public::EkCommit => self.ek_commit.to_vec(),
            Public::Fee => self.fee.to_le_bytes().to_vec(),
            Public::Amount => self.amount.to_le_bytes().to_vec(),
            Public::Purpose => self.purpose.to_le_bytes().to_vec(),
            Public::Validity => self.validity.to_le_bytes().to_vec(),
            Public::Expiry => self.expiry.to_le_bytes().to_vec(),
            Public::Class => self.class.to_le_bytes().to_vec(),
            Public::NewValidity => self.new_validity.to_le_bytes().to_vec(),
            Public::Grant => self.grant.to_le_bytes().to_vec(),
            Public::Nonce => self.nonce.as_bytes().to_vec(),
        }
    }

    /// Reads a statement's public values.
    pub(crate) fn decode(statement: Statement, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut publics = Self::new(Nonce::new([0; 24]));
        for public in statement.publics() {
            match public {
                Public::EkCommit => publics.ek_commit = reader.array()?,
                Public::Fee => publics.fee = reader.u64()?,
                Public::Amount => publics.amount = reader.u64()?,
                Public::Purpose => publics.purpose = reader.u32()?,
                Public::Validity => publics.validity = reader.u32()?,
                Public::Expiry => publics.expiry = reader.u32()?,
                Public::Class => publics.class = reader.u32()?,
                Public::NewValidity => publics.new_validity = reader.u32()?,
                Public::Grant => publics.grant = reader.u64()?,
                Public::Nonce => publics.nonce = Nonce::new(reader.array()?),
            }
        }
        Ok(publics)
    }
}

/// The equations of a transaction's statement: read by prover, verifier and batch verifier alike.
pub(crate) fn relation(core: &Core) -> Relation {
    match core.statement() {
        Statement::Register => register::relation(core),
        Statement::Withdraw => withdraw::relation(core),
        Statement::Pay => pay::relation(core),
        Statement::Claim => claim::relation(core),
        Statement::Redeem => redeem::relation(core),
        Statement::Swap => swap::relation(core),
        Statement::Split => split::relation(core),
        Statement::SplitExpired => split::relation_expired(core),
        Statement::Refund => refund::relation(core),
        Statement::Renew => renew::relation(core),
    }
}
