//! Farthing's cryptography: blindly issued, divisible, transferable coins whose payments and regulation policies are
//! checked in zero knowledge.
//!
//! The specification is `docs/PROTOCOL.md` (the equations) and `docs/WIRE.md` (the bytes); names, labels and equations
//! here are those of the documents. This crate does no I/O, has no clock and draws randomness only from a generator
//! that the caller passes in.
//!
//! # The whole flow
//!
//! A wallet builds a [`Transaction`](transaction::Transaction) and sends its bytes. Issuer or redeemer decode it, check
//! what only they know (the day, the balance, the serials), [`verify`] its proof, and sign its outputs with an
//! [`Answer`](credential::issue::Answer). The wallet checks the answer and has new credentials.
//!
//! ```
//! use farthing_ecash::{
//!     amount::{Amount, Currency},
//!     calendar::Day,
//!     claim,
//!     credential::issue::{Addition, Answer},
//!     identity::Identity,
//!     keys::{KeyDates, KeyRing, SigningKey},
//!     note, pay,
//!     policy::{PolicyBody, PolicyTerms, RuleLine, UNRESTRICTED},
//!     redeem, register, rule,
//!     seal::Memo,
//!     seed::{Seed, WalletKeys},
//!     transaction::{Header, Transaction},
//!     withdraw,
//! };
//! use getrandom::{SysRng, rand_core::UnwrapErr};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = UnwrapErr(SysRng);
//! let today = Day::from_civil(2026, 11, 20).ok_or("no such day")?;
//!
//! // Issuer and redeemer hold one issuing key, and the redeemer signs the lines of its policy with it: wallets of class
//! // 1 receive up to 10 euros a day and 150 a month.
//! let year = Day::new(today.get() + 365);
//! let dates = KeyDates { first: today, last_issue: year, accept_until: year, exchange_until: year };
//! let key = SigningKey::generate(Currency::new("EUR", 6)?, dates, &mut rng)?;
//! let public = key.public().clone();
//! let ring = KeyRing::new([key]);
//! let key = ring.get(&public.id()).ok_or("no such key")?;
//! let terms = PolicyTerms {
//!     epoch: 1,
//!     fee: Amount::ZERO,
//!     minimum: Amount::new(100),
//!     months: 2,
//!     bucket_bits: 0,
//! };
//! let line = RuleLine {
//!     class: 1,
//!     purpose: UNRESTRICTED,
//!     purpose_out: UNRESTRICTED,
//!     day_cap: Amount::new(10_000_000),
//!     month_cap: Amount::new(150_000_000),
//! };
//! let policy = PolicyBody::new(terms, vec![line], b"version = 1".to_vec())?;
//! let rules = rule::verify_rules(&public, &policy, &rule::sign_rules(key, &policy, &mut rng))?;
//! let header = Header { key: public.id(), day: today, epoch: 1, policy: policy.hash() };
//!
//! // What a server does with the bytes it receives, without what only it knows.
//! let answer = |bytes: &[u8], addition| -> Result<Answer, Box<dyn std::error::Error>> {
//!     let mut rng = UnwrapErr(SysRng);
//!     let verified = Transaction::from_bytes(bytes)?.verify(&ring, terms.minimum, &mut rng)?;
//!     Ok(Answer::sign(key, &verified, addition, &mut rng)?)
//! };
//!
//! // Alice and Bob register; the issuer says the class, and how long the registration is valid.
//! let registration = Addition::Registration { class: 1, validity: today.month().plus(6) };
//! let mut register = |name: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let (seed, _words) = Seed::generate(&mut rng);
//!     let keys = WalletKeys::new(&seed, "issuer.example/farthing");
//!     let identity = Identity::parse(name)?;
//!     let (request, opening) = register::request(public.id(), today, &keys, &identity, &mut rng)?;
//!     opening.check(&request)?;
//!     let answer = answer(request.as_bytes(), registration)?;
//!     let state = register::finish(request.core(), &answer, &public, &keys, &identity)?;
//!     Ok((keys, identity, state))
//! };
//! let (alice, _, _) = register("alice@bank.example")?;
//! let (bob, bob_identity, bob_state) = register("bob@bank.example")?;
//!
//! // Alice withdraws 20 euros: the issuer learns account and amount, but will not know the coin again.
//! let amount = Amount::new(20_000_000);
//! let (request, opening) = withdraw::request(public.id(), today, &alice, amount, UNRESTRICTED, &mut rng)?;
//! opening.check(request.core())?;
//! let coin = withdraw::finish(request.core(), &answer(request.as_bytes(), Addition::None)?, &public, &alice)?;
//!
//! // She pays 3.50 to an identity. The redeemer sees neither payer, payee nor amount.
//! let payment = pay::Payment {
//!     payee: bob_identity.pid(),
//!     encryption_key: &bob.encryption_key(),
//!     amount: Amount::new(3_500_000),
//!     memo: Memo::new("for the cake")?,
//! };
//! let paid = pay::request(&header, &policy, &alice, [&coin], &payment, &mut rng)?;
//! let expiry = today.month().plus(terms.months);
//! let paid_answer = answer(paid.as_bytes(), Addition::Expiry(expiry))?;
//! let change = pay::finish(paid.core(), &paid_answer, &public, expiry, &alice)?;
//! assert_eq!(change.attributes().value(), Amount::new(16_500_000));
//!
//! // Bob finds the note in the log, checks it, and claims it under the policy.
//! let found = note::receive(paid.core(), &paid_answer, &public, expiry, &bob, &bob_identity.pid())?;
//! assert_eq!(found.memo.as_str(), "for the cake");
//! let claimed = claim::request(&header, &bob, [&found.note], &bob_state, &rules[0], &mut rng)?;
//! let claimed_answer = answer(claimed.as_bytes(), Addition::None)?;
//! let (coin, bob_state) =
//!     claim::finish(claimed.core(), &claimed_answer, &public, &bob, bob_state.attributes())?;
//! assert_eq!(bob_state.attributes().received_on(today), Amount::new(3_500_000));
//!
//! // He redeems 3 euros into his account and keeps the rest as a coin.
//! let (request, opening) = redeem::request(&header, &bob, [&coin], Amount::new(3_000_000), &mut rng)?;
//! opening.check(request.core())?;
//! let rest = redeem::finish(request.core(), &answer(request.as_bytes(), Addition::None)?, &public, &bob)?;
//! assert_eq!(rest.attributes().value(), Amount::new(500_000));
//! # Ok(())
//! # }
//! ```
#![allow(non_snake_case)] // points are upper case, as in the documents
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod account;
pub mod amount;
pub mod calendar;
pub mod claim;
pub mod coin;
pub mod credential;
pub mod disclosure;
pub mod encoding;
pub mod entry;
pub mod error;
pub mod identity;
pub mod keys;
pub mod note;
pub mod params;
pub mod pay;
pub mod policy;
pub mod redeem;
pub mod refund;
pub mod register;
pub mod renew;
pub mod replay;
pub mod rule;
pub mod seal;
pub mod seed;
pub mod spent;
pub mod split;
pub mod statement;
pub mod swap;
pub mod transaction;
pub mod transcript;
pub mod validity;
pub mod verify;
pub mod wallet_state;
pub mod withdraw;

mod cores;
mod range;
mod rollover;
mod sigma;

#[cfg(test)]
extern crate self as farthing_ecash;
#[cfg(test)]
mod own_vectors;
