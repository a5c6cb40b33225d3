//! The two logs.

use std::fmt;

use farthing_store::LogName;
use serde::{Deserialize, Serialize};

/// One of the two public logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// What the issuer does: registrations, withdrawals, directory, grants, keys.
    Issuance,
    /// What the redeemer does: all other transactions, policies and their rules.
    Payments,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Issuance, Self::Payments];

    /// Its name in the store of a follower.
    #[must_use]
    pub const fn name(self) -> LogName {
        match self {
            Self::Issuance => LogName("issuance"),
            Self::Payments => LogName("payments"),
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().0)
    }
}
