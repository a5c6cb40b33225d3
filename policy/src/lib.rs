//! The regulation policy: one TOML file that a regulator or operator edits, checked and compiled.
//!
//! The issuer takes time zone, classes and what their accounts may withdraw from it; the redeemer fee, minimum, expiry,
//! the rules it signs, and what may be redeemed. `docs/POLICY.md` describes every key. A file with a mistake yields no
//! policy, but all its mistakes, each with line and column.
//!
//! ```
//! use farthing_policy::Policy;
//!
//! let source = r#"
//! version = 1
//! timezone = "Europe/Luxembourg"
//! grace = "10m"
//! [currency]
//! code = "EUR"
//! exponent = 2
//! [payment]
//! fee = "0"
//! minimum = "0.01"
//! [[class]]
//! number = 1
//! name = "person"
//! receive = { per_day = "10.00", per_month = "150.00" }
//! withdraw = { per_day = "100.00" }
//! "#;
//! let policy = Policy::parse(source)?;
//! let person = policy.class_by_name("person").expect("it is in the file");
//! assert_eq!(policy.withdraw_cap(person.number()).map(|cap| cap.get()), Some(100_00));
//! assert_eq!(policy.rules()[0].day_cap.get(), 10_00);
//! let published = policy.body(3).to_bytes();
//! assert!(published.ends_with(source.as_bytes()));
//!
//! let slip = source.replace("minimum", "minimun");
//! let mistakes = Policy::parse(&slip).expect_err("a key is misspelt");
//! let shown = mistakes.render("policy.toml", &slip);
//! assert!(shown.starts_with("policy.toml:10:1: unknown key `minimun` in [payment]"));
//! assert!(shown.contains("did you mean `minimum`?"));
//! # Ok::<(), farthing_policy::Mistakes>(())
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

mod amount;
mod change;
mod check;
mod compile;
mod duration;
mod file;
mod mistake;
mod name;
mod policy;
mod suggest;
mod table;

pub use change::{Change, Changes, Value, Weight, Whom};
pub use mistake::{MISTAKES_MAX, Mistake, Mistakes};
pub use name::UNRESTRICTED_NAME;
pub use policy::{Class, Policy, Purpose};
