//! Exit codes: what a script can tell from them, in one place.

use std::process::ExitCode;

use farthing_proto::v1::ErrorReason;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A fault of a program.
    Fault = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Somebody says no.
    Refused = 3,
    /// Too little money.
    Insufficient = 4,
    /// The outcome is open.
    Pending = 5,
    /// A coin was spent twice, or a proof is wrong.
    Evidence = 6,
    /// The wallet cannot be used as it is.
    Wallet = 7,
    /// A log has shown two truths.
    Distrust = 8,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Fault,
        Self::Usage,
        Self::Refused,
        Self::Insufficient,
        Self::Pending,
        Self::Evidence,
        Self::Wallet,
        Self::Distrust,
    ];

    /// The code that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, as `farthing --help` and the README say it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Fault => {
                "a fault of this program, of the daemon or of a server; a receipt or proof that does not hold"
            }
            Self::Usage => "a mistake in the command: unknown option, no amount, too many decimals, no identity",
            Self::Refused => "refused by the policy or the issuer: a cap, the invitation, an unknown identity or key",
            Self::Insufficient => "the wallet or the account holds too little",
            Self::Pending => "a server does not answer, or the outcome is not known yet; the wallet goes on by itself",
            Self::Evidence => "money was spent before by another transaction, or a proof does not verify",
            Self::Wallet => "the wallet cannot be used: missing, locked, wrong passphrase, damaged, not registered",
            Self::Distrust => {
                "a log has shown two states that exclude each other: the wallet has kept the proof and stopped"
            }
        }
    }

    /// The table of all codes, one line each.
    #[must_use]
    pub fn table() -> String {
        let lines = Self::ALL.map(|exit| format!("  {}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<ErrorReason> for Exit {
    fn from(reason: ErrorReason) -> Self {
        match reason {
            ErrorReason::MalformedRequest | ErrorReason::RequestIdReused => Self::Usage,
            ErrorReason::KeyExpired
            | ErrorReason::IdentityTaken
            | ErrorReason::NotInvited
            | ErrorReason::WalletRevoked
            | ErrorReason::GrantOutstanding
            | ErrorReason::GrantRefused
            | ErrorReason::CapExceeded
            | ErrorReason::LiabilitiesExceeded
            | ErrorReason::AccountUnknown
            | ErrorReason::IdentityUnknown => Self::Refused,
            ErrorReason::InsufficientBalance => Self::Insufficient,
            ErrorReason::PeriodMoved
            | ErrorReason::PolicyMoved
            | ErrorReason::Overloaded
            | ErrorReason::StoreUnavailable
            | ErrorReason::PeerUnreachable
            | ErrorReason::CheckpointUnknown
            | ErrorReason::RegistrationWaits
            | ErrorReason::TimedOut => Self::Pending,
            ErrorReason::ProofInvalid | ErrorReason::AlreadySpent => Self::Evidence,
            ErrorReason::LogContradiction => Self::Distrust,
            ErrorReason::NotRegistered | ErrorReason::TokenInvalid => Self::Wallet,
            ErrorReason::EntryUnknown
            | ErrorReason::MethodUnknown
            | ErrorReason::Internal
            | ErrorReason::Unspecified => Self::Fault,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_from_nought_without_gaps() {
        for (index, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), index);
            assert!(Exit::table().contains(exit.meaning()));
        }
    }
}
