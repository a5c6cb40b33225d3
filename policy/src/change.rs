//! What changes for whom when one policy replaces another: for the regulator who reads a change before it takes effect, and
//! for the servers, which refuse some.
//!
//! Classes and purposes are their numbers, because numbers stand in wallets and in the log; names are for people.

mod compare;

use std::fmt;

use farthing_ecash::amount::{Amount, Currency};
use farthing_ecash::policy::UNLIMITED;

use crate::policy::{Class, Policy, Purpose};

/// All differences of two policies that mean something, in the order: everybody, classes, purposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
    is_same_text: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whom it concerns.
    pub whom: Whom,
    /// The key of the file that has changed, such as `receive.per_day`; `class` and `purpose` when a whole table came or went.
    pub field: &'static str,
    /// What was there; `None` when nothing was.
    pub old: Option<Value>,
    /// What is there now; `None` when nothing is.
    pub new: Option<Value>,
    /// What that means, in words, without a full stop.
    pub words: String,
    /// What to think of it.
    pub weight: Weight,
}

/// Whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Every wallet.
    Everybody,
    /// The wallets and accounts of a class.
    Class {
        /// Its number.
        number: u32,
        /// Its name in the new policy, or else in the old one.
        name: String,
    },
    /// Whoever holds money of a purpose.
    Purpose {
        /// Its number.
        number: u32,
        /// Its name in the new policy, or else in the old one.
        name: String,
    },
}

/// What stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Minor units; [`UNLIMITED`] included.
    Amount(Amount),
    /// A number: of seconds, months, bits, decimals.
    Number(u64),
    /// A text, such as a name.
    Text(String),
}

/// What to think of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Whoever makes it means it.
    Plain,
    /// It may hurt people who have done nothing; this is how.
    Dangerous(String),
    /// A running system does not take it, for this reason.
    Refused(String),
}

impl Changes {
    /// Compares two policies.
    #[must_use]
    pub fn between(old: &Policy, new: &Policy) -> Self {
        Self { list: compare::compare(old, new), is_same_text: old.source() == new.source() }
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.list.iter()
    }

    /// Whether both files mean the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether both files are the same to the byte. Otherwise the second makes a new epoch, whatever it means.
    #[must_use]
    pub fn is_same_text(&self) -> bool {
        self.is_same_text
    }

    /// Those that a running system does not take, each with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&Change, &str)> {
        self.list.iter().filter_map(|change| match &change.weight {
            Weight::Refused(why) => Some((change, why.as_str())),
            _ => None,
        })
    }

    /// Those that may hurt people who have done nothing, each with how.
    pub fn dangerous(&self) -> impl Iterator<Item = (&Change, &str)> {
        self.list.iter().filter_map(|change| match &change.weight {
            Weight::Dangerous(how) => Some((change, how.as_str())),
            _ => None,
        })
    }

    /// Why the new policy cannot replace the old one, in one line; `None` when it can.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let reasons: Vec<_> = self.refused().map(|(change, why)| format!("{}: {why}", change.line())).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Change {
    /// Whom and what, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {}", self.whom, self.words)
    }
}

/// For people who know no file: under a line for each of those concerned what changes for them, and what is dangerous.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str(if self.is_same_text {
                "nothing changes: the files are the same\n"
            } else {
                "nothing changes for anybody: the files differ in comments, layout or order only (a new epoch all the same)\n"
            });
        }
        let mut whom = None;
        for change in &self.list {
            if whom != Some(&change.whom) {
                writeln!(f, "{}", change.whom)?;
                whom = Some(&change.whom);
            }
            writeln!(f, "  {}", change.words)?;
            match &change.weight {
                Weight::Plain => {}
                Weight::Dangerous(how) => writeln!(f, "    dangerous: {how}")?,
                Weight::Refused(why) => writeln!(f, "    refused: {why}")?,
            }
        }
        let count = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        write!(f, "{}", count(self.list.len(), "change"))?;
        let (dangerous, refused) = (self.dangerous().count(), self.refused().count());
        if dangerous > 0 {
            write!(f, ", {dangerous} dangerous")?;
        }
        if refused > 0 {
            write!(f, ", {refused} that a running system refuses")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Class { number, name } => write!(f, "class {number} {name}"),
            Self::Purpose { number, name } => write!(f, "purpose {number} {name}"),
        }
    }
}

impl From<&Class> for Whom {
    fn from(class: &Class) -> Self {
        Self::Class { number: class.number(), name: class.name().to_owned() }
    }
}

impl From<&Purpose> for Whom {
    fn from(purpose: &Purpose) -> Self {
        Self::Purpose { number: purpose.number(), name: purpose.name().to_owned() }
    }
}

/// An amount as people read it.
fn shown(amount: Amount, currency: &Currency) -> String {
    match amount {
        UNLIMITED => "unlimited".to_owned(),
        amount => format!("{} {}", currency.format(amount), currency.code()),
    }
}
