//! The secret scalars of all statements, under their printed names, and their values in one proof.

use std::{collections::BTreeMap, fmt};

use curve25519_dalek::Scalar;
use zeroize::Zeroizing;

use crate::error::ProveError;

/// Defines the names once: variant and how `docs/PROTOCOL.md` prints it. `Name(i)` is one per input.
macro_rules! secrets {
    (per input: $($indexed:ident $indexed_name:literal),*; $($single:ident $single_name:literal),* $(,)?) => {
        /// The name of a secret scalar.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub(crate) enum Secret {
            $($indexed(u16),)*
            $($single,)*
        }

        impl fmt::Display for Secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$indexed(index) => write!(f, concat!($indexed_name, ".{}"), index),)*
                    $(Self::$single => f.write_str($single_name),)*
                }
            }
        }

        #[cfg(test)]
        impl Secret {
            /// The secret printed so.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                if let Some((name, index)) = name.rsplit_once('.') {
                    let index = index.parse().ok()?;
                    return match name {
                        $($indexed_name => Some(Self::$indexed(index)),)*
                        _ => None,
                    };
                }
                match name {
                    $($single_name => Some(Self::$single),)*
                    _ => None,
                }
            }
        }
    };
}

secrets! {
    per input: R1 "r1", E "e", R3 "r3", V "v", F "f", Eps "eps", T "t";
    Owner "s", Pid "pid", Payee "payee", Account "b",
    Value "v", FirstValue "v1", Purpose "u", PurposeIn "u_in", PurposeOut "u_out",
    RefundTag "f", Expiry "eps", Psi "psi",
    Serial "k", Serial1 "k1", Serial2 "k2", NoteSerial "rho", NoteSerial1 "rho1", NoteSerial2 "rho2",
    StateSerial "sigma", Blind "t", Blind1 "t1", Blind2 "t2",
    Class "class", Day "day", Month "month", DayTotal "d_tot", MonthTotal "m_tot", Validity "validity", DayCap "cap_d", MonthCap "cap_m",
    DayKept "d'", MonthKept "m'", Qd "q_d", Qm "q_m", Pd "p_d", Pm "p_m", Jd "j_d", Jm "j_m", Wd "w_d", Wm "w_m",
    Yd "y_d", Ym "y_m", Bd "b1", Bm "b2",
}

/// The values of a statement's secrets. Each has a place of its own that it never leaves, so that a growing or shrinking
/// map leaves no copies behind, and is zeroised when it is replaced or dropped.
#[derive(Default)]
pub(crate) struct Witness(BTreeMap<Secret, Box<Zeroizing<Scalar>>>);

impl Witness {
    pub(crate) fn set(&mut self, secret: Secret, value: impl Into<Scalar>) -> &mut Self {
        self.0.insert(secret, Box::new(Zeroizing::new(value.into())));
        self
    }

    /// The secrets that have a value.
    #[cfg(test)]
    pub(crate) fn secrets(&self) -> impl Iterator<Item = Secret> {
        self.0.keys().copied()
    }

    pub(crate) fn get(&self, secret: Secret) -> Result<Scalar, ProveError> {
        self.0.get(&secret).map(|value| ***value).ok_or(ProveError::Witness)
    }
}
