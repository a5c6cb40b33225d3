//! What can go wrong, named by the situation of the caller. Every text says what to do next.

use std::{fmt, io, path::PathBuf};

use farthing_ecash::{
    amount::Amount,
    calendar::{Day, Month},
    identity::{Identity, IdentityError},
    seed::SeedError,
};
use farthing_proto::v1::ErrorReason;
use farthing_service::config::ConfigError;

use crate::report::Restricted;

/// One of the two servers that a wallet talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Accounts, registration, directory, withdrawals.
    Issuer,
    /// Payments, claims, redemptions, the payment log.
    Redeemer,
    /// A copy of the logs.
    Ledger,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "issuer",
            Self::Redeemer => "redeemer",
            Self::Ledger => "ledger",
        })
    }
}

/// Why a wallet could not do what was asked. Unless the variant says otherwise, no money has moved.
///
/// The texts hold neither amounts nor identities of others than the caller gave; amounts are in the fields, because only
/// the caller knows how to write them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// There is no wallet in the directory.
    #[error("there is no wallet in {}: create one first, or name the right directory", dir.display())]
    NoWallet {
        /// The directory.
        dir: PathBuf,
    },
    /// There is a wallet in the directory already.
    #[error("there is a wallet in {} already: choose another directory", dir.display())]
    WalletExists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has the wallet open.
    #[error(
        "the wallet is in use by {}: wait for it, stop it, or talk to it if it is the daemon",
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The process, if it left its id.
        pid: Option<u32>,
    },
    /// The passphrase is empty.
    #[error("the passphrase is empty: choose one that nobody guesses, and keep it")]
    EmptyPassphrase,
    /// The passphrase does not open the wallet.
    #[error("the passphrase is wrong: try again (the wallet's files are undamaged)")]
    WrongPassphrase,
    /// A file of the wallet is damaged, or was exchanged for another.
    #[error("the wallet's files are damaged: {what}; restore the whole directory from a copy")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The disk is full. What was begun goes on when there is space.
    #[error("no space is left on the disk: make some and try again; nothing was lost")]
    DiskFull,
    /// The disk, or a file, cannot be read or written. After this the wallet has to be opened again.
    #[error("the wallet's store failed: {what}; open the wallet again, it finishes what was begun")]
    Storage {
        /// What the store says.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("cannot access {}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The 24 words are not a seed.
    #[error("the recovery phrase is wrong: {0}")]
    Phrase(#[from] SeedError),
    /// The wallet's configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address or certificate authority in the configuration cannot be used.
    #[error("the connection to the {server} is not set up right: {what}")]
    Connection {
        /// Which server.
        server: Server,
        /// What is wrong with it.
        what: String,
    },
    /// A server does not answer, before anything was begun.
    #[error("the {server} cannot be reached: {what}; nothing was begun, try again later")]
    Unreachable {
        /// Which server.
        server: Server,
        /// What happened.
        what: String,
    },
    /// A server says what cannot be true, or contradicts what it said before. The wallet does not go on with it.
    #[error("the {server} cannot be trusted at present: {what}; check its address, and ask its operator")]
    Contradiction {
        /// Which server.
        server: Server,
        /// What does not fit.
        what: String,
    },
    /// This machine's clock and a server's day are more than a day apart.
    #[error(
        "the {server} says that today is {theirs}, this machine's clock says {ours}: set the clock, or ask the operator"
    )]
    ClockApart {
        /// Which server.
        server: Server,
        /// The server's day, YYYY-MM-DD.
        theirs: String,
        /// This machine's day in the server's time zone, YYYY-MM-DD.
        ours: String,
    },
    /// The wallet was made from its words and has not looked through the logs to their ends.
    #[error("the wallet is not restored to the end: go on with the restoring, which begins where it stopped")]
    RestoreUnfinished,
    /// The wallet was restored, and nobody told it its identity.
    #[error("the wallet does not know its identity, which is not in the logs: tell it")]
    IdentityMissing,
    /// The wallet is registered for another identity.
    #[error("these words are those of a wallet of another identity than {identity}: check the spelling")]
    OtherIdentity {
        /// What the caller said.
        identity: Identity,
    },
    /// A log has shown two states that exclude each other. The wallet does nothing more with it.
    #[error(
        "a log has shown two states of which one must be false, and this wallet has stopped: the proof is in {}; show it to the \
         operators, the witnesses and other users, and then decide how to go on",
        evidence.display()
    )]
    LogContradictsItself {
        /// The file with both signed checkpoints.
        evidence: PathBuf,
    },
    /// What a server shows is not in a checkpoint that it signed, so far.
    #[error("the {server} has not signed its log as far as this needs: nothing was begun, try again in a minute")]
    NotSignedYet {
        /// Whose log.
        server: Server,
    },
    /// Too few of the trusted witnesses have cosigned the log.
    #[error(
        "only {found} of the trusted witnesses have cosigned the log of the {server}: nothing was begun, try again in some \
         minutes; if it stays so, ask the witnesses"
    )]
    NotCosigned {
        /// Whose log.
        server: Server,
        /// How many have.
        found: usize,
    },
    /// The payee has registered so lately that the log does not have the key yet.
    #[error("the key of {identity} is not in the log yet: try again in {seconds} seconds")]
    NotListedYet {
        /// Whom the caller wanted to pay.
        identity: Identity,
        /// How long it takes at most.
        seconds: u32,
    },
    /// The trust policy has a mistake, or lacks a log.
    #[error("the trust policy is wrong: {what}")]
    TrustPolicy {
        /// What.
        what: String,
    },
    /// The wallet has no registration yet.
    #[error("the wallet is not registered: register it with an invitation from the issuer first")]
    NotRegistered,
    /// The wallet is registered for another identity.
    #[error("the wallet is registered, or being registered, for {identity}: one wallet holds one identity")]
    AlreadyRegistered {
        /// Whose wallet it is.
        identity: Identity,
    },
    /// The identity had another wallet, which was lost and may still be valid.
    #[error(
        "the account is open, and money can be withdrawn, paid and redeemed; receiving has to wait until the lost wallet of this \
         identity is not valid any more: the registration is finished from {from} on"
    )]
    RegistrationWaits {
        /// The first day on which the issuer signs it.
        from: Day,
    },
    /// The operator has revoked the wallet.
    #[error(
        "the issuer has revoked this wallet, because its owner reported it lost: its money can still be paid and redeemed, and \
         the next wallet of the identity receives; if you did not report it, ask the issuer's operator"
    )]
    WalletRevoked,
    /// Another renewal of the same wallet was granted lately.
    #[error("a renewal was granted to this wallet lately, and another one is from {from} on: try again then")]
    GrantOutstanding {
        /// The first day of the next.
        from: Day,
    },
    /// The identity has been registered with another wallet.
    #[error("this identity has a wallet already: use that one, or ask the issuer's operator")]
    IdentityTaken,
    /// The invitation is not good for this identity.
    #[error("the invitation is wrong, used, or for another identity: ask the issuer's operator for a new one")]
    NotInvited,
    /// A text that is no identity.
    #[error("{0}")]
    InvalidIdentity(#[from] IdentityError),
    /// Nobody is registered under the identity.
    #[error(
        "nobody is registered as {identity}: check the spelling; to pay somebody who will register later, allow that \
         (--unregistered, or allow_unregistered in a call)"
    )]
    IdentityUnknown {
        /// Whom the caller wanted to pay.
        identity: Identity,
    },
    /// The amount is zero.
    #[error("the amount is zero: give at least the smallest amount of the currency")]
    AmountZero,
    /// The amount is below what the policy lets be paid.
    #[error("the amount is below the smallest payment that the policy allows")]
    BelowMinimum {
        /// The smallest payment.
        minimum: Amount,
    },
    /// The text for the payee is too long.
    #[error("the memo has {length} bytes, at most 256 are allowed: shorten it")]
    MemoTooLong {
        /// Its length in bytes of UTF-8.
        length: usize,
    },
    /// The wallet holds too little.
    #[error("the wallet holds too little: withdraw or receive money first")]
    InsufficientFunds {
        /// What the operation needs, fee included.
        needed: Amount,
        /// What can be spent now.
        available: Amount,
    },
    /// The wallet holds too little money that may be used for anything, and enough for one purpose.
    #[error(
        "the wallet holds too little money that may be used for anything, but enough for {} only: pay with that if the payee \
         accepts it",
        restricted.purpose
    )]
    OtherPurpose {
        /// What the payment needs, fee included.
        needed: Amount,
        /// What can be spent for anything now.
        available: Amount,
        /// What could be paid with.
        restricted: Restricted,
    },
    /// The wallet holds too little money that may be used for anything, and some for one purpose, which cannot be redeemed.
    #[error(
        "the wallet holds too little that can be redeemed: money for {} only cannot be. Pay it to somebody who accepts it; what \
         they make of it may be redeemable",
        restricted.purpose
    )]
    NotRedeemable {
        /// What was to be redeemed.
        needed: Amount,
        /// What can be redeemed.
        available: Amount,
        /// What cannot.
        restricted: Restricted,
    },
    /// The policy has no such purpose.
    #[error(
        "the policy has no purpose {purpose:?}: {}",
        if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
    )]
    PurposeUnknown {
        /// What the caller named.
        purpose: String,
        /// The names of the policy's purposes.
        known: Vec<String>,
    },
    /// The account at the issuer holds too little.
    #[error("the account at the issuer holds too little: choose a smaller amount")]
    AccountTooLow {
        /// The balance of the account, if the issuer told it.
        available: Option<Amount>,
    },
    /// The policy's cap would be passed.
    #[error("this would pass the policy's cap {cap}: choose a smaller amount, or wait until the period is over")]
    CapExceeded {
        /// Which cap, in the words of the policy, such as `withdraw_per_day`.
        cap: String,
        /// How much is still possible, if the server told it.
        left: Option<Amount>,
    },
    /// The issuer has no account for this wallet.
    #[error("the issuer has no account for this wallet: register it, or ask the issuer's operator")]
    AccountUnknown,
    /// A coin, note or state of this wallet was consumed by another copy of it. This copy has taken over what that one
    /// left.
    #[error(
        "money of this wallet was spent before by another copy of it (entry {log_index} of the payment log); the wallet has \
         caught up with that copy: try again with what there is now"
    )]
    SpentElsewhere {
        /// The entry of the payment log that spent it.
        log_index: u64,
    },
    /// The key of the wallet's coins is not accepted any more.
    #[error("the redeemer does not accept the key of the wallet's coins any more: ask its operator")]
    KeyExpired,
    /// The request id was used before for something else.
    #[error("this request id was used before for something else: take a fresh one")]
    RequestIdReused,
    /// The same request was refused before.
    #[error("the same request was refused before: {message}")]
    FailedBefore {
        /// Why, as a reason for programs.
        reason: ErrorReason,
        /// Why, as a text for people.
        message: String,
    },
    /// The history has no such transaction that is in a log.
    #[error("the wallet knows no such transaction in a log: `transaction_id` in the history names it")]
    TransactionUnknown,
    /// A text that is no payment request.
    #[error("this is no payment request: {what}")]
    InvalidPaymentRequest {
        /// What is wrong with it.
        what: String,
    },
    /// A text that is no link to a payment.
    #[error("this is no link to a payment: {what}")]
    InvalidLink {
        /// What is wrong with it.
        what: String,
    },
    /// What a link shows is not in the payment log of this wallet's redeemer.
    #[error(
        "the payment log of this wallet does not have the payment of the link: it is of another issuer, or was never made; \
         ask the payer"
    )]
    LinkUnknown,
    /// The payment of a link is for somebody else, or is not what the link says.
    #[error(
        "the payment of the link is not for the identity of this wallet: it takes a wallet of the identity that was paid"
    )]
    LinkForAnother,
    /// The history has no such payment, or it has no link.
    #[error("the wallet has made no such payment of which there is a link: `transaction_id` in the history names it")]
    NoLink,
    /// A payment has a link when it is in the log.
    #[error("the payment is not finished: there is a link as soon as it is in the log")]
    LinkNotYet,
    /// A text that is no challenge.
    #[error("this is no verifier's challenge: {what}")]
    InvalidChallenge {
        /// What is wrong with it.
        what: String,
    },
    /// Only the month of the newest claim can be shown.
    #[error(
        "what was received in {wanted} cannot be shown: {}",
        shown.map_or_else(
            || "the wallet has claimed nothing yet".to_owned(),
            |shown| format!("the newest payment that the wallet has claimed is of {shown}, and only that month can be shown"),
        )
    )]
    MonthNotShown {
        /// The month that was asked for.
        wanted: Month,
        /// The month that can be shown.
        shown: Option<Month>,
    },
    /// The wallet was restored and does not know whom it paid.
    #[error("the wallet does not know any more whom it paid: say it, the log has only the scalar of the identity")]
    PayeeUnknown,
    /// The payment went to somebody else.
    #[error("this payment did not go to {payee}: check the spelling")]
    OtherPayee {
        /// What the caller said.
        payee: Identity,
    },
    /// A server refused for another reason.
    #[error("the {server} refused: {message}")]
    Refused {
        /// Which server.
        server: Server,
        /// The reason for programs.
        reason: ErrorReason,
        /// What the server says.
        message: String,
    },
    /// A server's answer does not verify. The operation stays open: the wallet asks again for the right answer.
    #[error(
        "the answer of the {server} is not what was asked for; the operation stays open and the wallet asks again: if this \
         goes on, ask the operator"
    )]
    BadAnswer {
        /// Which server.
        server: Server,
    },
    /// A fault of this program.
    #[error("a fault inside the wallet: {what}; please report it")]
    Internal {
        /// Where.
        what: String,
    },
}

impl WalletError {
    /// Whether it is a matter of time.
    pub(crate) const fn passes(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotSignedYet { .. } | Self::NotCosigned { .. })
    }

    /// The reason by which programs branch, as the wallet daemon reports it.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::EmptyPassphrase
            | Self::TrustPolicy { .. }
            | Self::Phrase(_)
            | Self::InvalidIdentity(_)
            | Self::AmountZero
            | Self::BelowMinimum { .. }
            | Self::MemoTooLong { .. }
            | Self::PurposeUnknown { .. }
            | Self::InvalidPaymentRequest { .. }
            | Self::InvalidLink { .. }
            | Self::InvalidChallenge { .. }
            | Self::MonthNotShown { .. }
            | Self::PayeeUnknown
            | Self::OtherPayee { .. } => ErrorReason::MalformedRequest,
            Self::DiskFull | Self::Storage { .. } | Self::InUse { .. } => ErrorReason::StoreUnavailable,
            Self::Unreachable { .. } => ErrorReason::PeerUnreachable,
            Self::NotSignedYet { .. } | Self::NotCosigned { .. } | Self::NotListedYet { .. } => {
                ErrorReason::CheckpointUnknown
            }
            Self::RegistrationWaits { .. } => ErrorReason::RegistrationWaits,
            Self::WalletRevoked => ErrorReason::WalletRevoked,
            Self::GrantOutstanding { .. } => ErrorReason::GrantOutstanding,
            Self::LogContradictsItself { .. } => ErrorReason::LogContradiction,
            Self::NotRegistered | Self::RestoreUnfinished | Self::IdentityMissing => ErrorReason::NotRegistered,
            Self::AlreadyRegistered { .. } | Self::OtherIdentity { .. } | Self::IdentityTaken => {
                ErrorReason::IdentityTaken
            }
            Self::NotInvited => ErrorReason::NotInvited,
            Self::IdentityUnknown { .. } => ErrorReason::IdentityUnknown,
            Self::InsufficientFunds { .. }
            | Self::OtherPurpose { .. }
            | Self::NotRedeemable { .. }
            | Self::AccountTooLow { .. } => ErrorReason::InsufficientBalance,
            Self::CapExceeded { .. } => ErrorReason::CapExceeded,
            Self::AccountUnknown => ErrorReason::AccountUnknown,
            Self::SpentElsewhere { .. } => ErrorReason::AlreadySpent,
            Self::KeyExpired => ErrorReason::KeyExpired,
            Self::TransactionUnknown | Self::LinkUnknown | Self::NoLink => ErrorReason::EntryUnknown,
            Self::LinkForAnother => ErrorReason::IdentityUnknown,
            Self::LinkNotYet => ErrorReason::CheckpointUnknown,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::FailedBefore { reason, .. } | Self::Refused { reason, .. } => *reason,
            Self::NoWallet { .. }
            | Self::WalletExists { .. }
            | Self::WrongPassphrase
            | Self::Damaged { .. }
            | Self::File { .. }
            | Self::Config(_)
            | Self::Connection { .. }
            | Self::Contradiction { .. }
            | Self::ClockApart { .. }
            | Self::BadAnswer { .. }
            | Self::Internal { .. } => ErrorReason::Internal,
        }
    }
}
