//! Selective disclosure: what a wallet shows to a verifier, as texts to hand over (`docs/PROTOCOL.md` section 11,
//! `docs/WIRE.md` section 7).
//!
//! The verifier makes a challenge and hands over its [text](challenge_text). The wallet answers it with an [`IncomeFile`]
//! ([`Wallet::prove_income`](crate::Wallet::prove_income)) or a [`PaymentFile`]
//! ([`Wallet::prove_payment`](crate::Wallet::prove_payment)). A verifier needs no wallet of its own, only to know whom it
//! trusts.

mod challenge;
mod check;
mod file;
mod make;

pub use self::{
    challenge::{challenge_text, read_challenge},
    check::{NotShown, ShownIncome, ShownPayment},
    file::{IncomeFile, NoProof, PaymentFile, Proof},
};
