//! What a follower finds wrong with a log, and where. Everything in the logs is public, so it may be told.

use std::fmt;

use farthing_ecash::{
    calendar::{Day, Month},
    error::DecodeError,
    keys::KeyId,
    replay::Fault,
};

use crate::log::Log;

/// Something that must not be in a log, or is missing from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {log} log, {place}: {what}")]
pub struct Finding {
    /// Which log.
    pub log: Log,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub what: Wrong,
}

impl Finding {
    /// At an entry.
    #[must_use]
    pub fn entry(log: Log, index: u64, what: Wrong) -> Self {
        Self { log, place: Place::Entry(index), what }
    }

    /// At a checkpoint.
    #[must_use]
    pub fn checkpoint(log: Log, size: u64, what: Wrong) -> Self {
        Self { log, place: Place::Checkpoint(size), what }
    }
}

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An entry, by its index.
    Entry(u64),
    /// A checkpoint, by its size.
    Checkpoint(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Checkpoint(size) => write!(f, "checkpoint of {size} entries"),
        }
    }
}

/// What is wrong (docs/PROTOCOL.md section 9, docs/WIRE.md sections 5 and 6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// Bytes that are not canonical.
    #[error("it cannot be read: {0}")]
    Unreadable(DecodeError),
    /// A kind of the other log.
    #[error("entries of this kind do not belong in this log")]
    OtherLog,
    /// Proof, period, key or answer of a transaction.
    #[error("{0}")]
    Transaction(Fault),
    /// The logical day is before that of the entry before.
    #[error("its day {day} is before {before}, the day of the entry before it")]
    DayGoesBack {
        /// That of the entry before.
        before: Day,
        /// Its own.
        day: Day,
    },
    /// A statement of another day.
    #[error("its statement is of {statement}, which is neither its day {day} nor the day before")]
    StatementDay {
        /// The statement's.
        statement: Day,
        /// The entry's.
        day: Day,
    },
    /// The same transaction twice.
    #[error("the same transaction stands at entry {0} already")]
    Repeated(u64),
    /// A serial that was spent before.
    #[error("it spends a serial that entry {0} has spent: a double spend was accepted")]
    DoubleSpend(u64),
    /// A key of which the issuance log says nothing, or says it only later.
    #[error("the key {0} was not announced in the issuance log before")]
    KeyUnknown(KeyId),
    /// Outputs were signed outside the key's dates.
    #[error("the key {0} does not sign on that day")]
    KeyDoesNotSign(KeyId),
    /// Outputs were signed by a key that another one has followed.
    #[error("outputs are under the key {key}, and {current} was in force on that day")]
    KeyNotCurrent {
        /// The key.
        key: KeyId,
        /// The one that should have signed.
        current: KeyId,
    },
    /// Inputs were accepted after the key's dates.
    #[error("inputs under the key {0} are not accepted on that day")]
    KeyExpired(KeyId),
    /// A key announced twice.
    #[error("the key was announced before")]
    KeyRepeated,
    /// A key of another currency.
    #[error("the currency of the key is not that of the keys before it")]
    KeyCurrency,
    /// A key that begins on the first day of another one.
    #[error("the key begins on the same day as the key {0}: some could be shown the one and some the other")]
    KeyTogether(KeyId),
    /// A policy that was not published, or is not in force.
    #[error("the policy that it names was never published, or is in force no more")]
    PolicyUnknown,
    /// The policy before the one in force, after its grace.
    #[error("its policy, epoch {epoch}, was replaced on {since}: no grace is so long that it is used on {day}")]
    PolicyReplaced {
        /// Of the policy that it names.
        epoch: u32,
        /// When the newer one was published.
        since: Day,
        /// The entry's.
        day: Day,
    },
    /// A policy whose lines are not those of the file that it shows to people.
    #[error("the policy is not what its file says")]
    PolicyFile,
    /// An epoch that does not follow.
    #[error("epoch {epoch} of the policy does not follow epoch {before}")]
    Epoch {
        /// The one before.
        before: u32,
        /// Its own.
        epoch: u32,
    },
    /// Rules that are not the lines of a published policy under an announced key.
    #[error("the rules are not those of a published policy under the announced key")]
    Rules,
    /// A rule was used that was never published.
    #[error("the rules of its policy were not published under its key before")]
    RulesUnknown,
    /// A fee other than the policy's.
    #[error("the fee {paid} is not the policy's {wanted}")]
    Fee {
        /// What was paid, in minor units.
        paid: u64,
        /// What the policy says.
        wanted: u64,
    },
    /// A bucket with more bits than the policy's.
    #[error("the bucket has more bits than the policy's")]
    Bucket,
    /// A state was signed before anything said until when it is valid.
    #[error("no validity calendar was published before it")]
    CalendarMissing,
    /// A registration or a grant with a validity of its own.
    #[error(
        "it makes a wallet valid until {found}, and by the published calendar it is until {published}: claims would show it"
    )]
    Validity {
        /// The last month of its validity.
        found: Month,
        /// The calendar's.
        published: Month,
    },
    /// A grant for longer than a week.
    #[error("the grant is good for more than seven days")]
    GrantTooLong,
    /// A renewal without a grant that was not used yet.
    #[error("there is no unused grant at entry {0} of the issuance log")]
    GrantUnknown(u64),
    /// A renewal of another wallet, class or validity, or after its last day.
    #[error("the renewal is not what the grant allows")]
    GrantOther,
    /// Not signed as a checkpoint by the log's key.
    #[error("it is not a checkpoint signed by the log's key: {0}")]
    Checkpoint(String),
    /// The tree is not the one that was signed.
    #[error("the tree that is shown is not the one that the log has signed: the root differs")]
    Root,
    /// The entry is not the one that was signed.
    #[error("it is not the entry that the log has signed: altered, dropped, doubled or put elsewhere")]
    NotSigned,
    /// Two signed checkpoints that cannot both be true. Both are kept as evidence.
    #[error("the log has signed another checkpoint that contradicts it: somebody sees another log")]
    SplitView,
    /// The log shows less than it has shown before.
    #[error("the log had shown {0} entries before: it was set back")]
    SetBack(u64),
    /// A payments checkpoint without an issuance checkpoint.
    #[error("it names no issuance checkpoint")]
    IssuanceMissing,
    /// An issuance checkpoint that the issuer has not signed.
    #[error("the issuance checkpoint of {0} entries that it names is not one that the issuer has signed")]
    IssuanceOther(u64),
    /// An older issuance checkpoint than that of the checkpoint before.
    #[error("the issuance checkpoint that it names is older than that of the checkpoint before")]
    IssuanceGoesBack,
    /// Inputs of which nothing shows that they are under the published key.
    #[error("{found} inputs under the key {key} were spent and {shown} are proved")]
    SpentInputs {
        /// The key.
        key: KeyId,
        /// In the entries.
        found: u64,
        /// In the checkpoint.
        shown: u64,
    },
    /// The proof over the inputs.
    #[error("the proof that inputs were under the key {0} does not hold")]
    SpentProof(KeyId),
    /// More was paid out than was ever paid in.
    #[error("redeemed {redeemed} and fees {fees} are more than was withdrawn, {withdrawn} minor units")]
    PaidOut {
        /// Sum of all withdrawals.
        withdrawn: u128,
        /// Sum of all redemptions.
        redeemed: u128,
        /// Sum of all fees.
        fees: u128,
    },
    /// So much money that a sum of coins might overflow.
    #[error("more than 2^63 minor units are in circulation")]
    TooMuch,
}

impl Wrong {
    /// Whether it may come of a checkpoint that was not listed, and not of what the log has signed. What a mirror shows is
    /// signed; that it shows everything is not.
    #[must_use]
    pub fn rests_on_what_is_listed(&self) -> bool {
        matches!(self, Self::SpentInputs { .. } | Self::SpentProof(_) | Self::SetBack(_) | Self::KeyNotCurrent { .. })
    }
}
