//! A small town for tests and benches: one issuing key, one policy, and dwellers whose every step goes through the bytes
//! that issuer and redeemer would see.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::convert::Infallible;

use farthing_ecash::{
    account::AccountOpening,
    amount::{Amount, Currency},
    calendar::{Day, Month},
    claim,
    coin::Coin,
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    entry::{Entry, EntryKind},
    identity::Identity,
    keys::{KeyDates, KeyRing, PublicKey, SigningKey},
    note::{self, Note, ReceivedNote},
    pay,
    policy::{PolicyBody, PolicyHash, PolicyTerms, RuleLine, UNRESTRICTED},
    redeem,
    refund::{self, Refundable},
    register,
    renew::{self, Grant, GrantRequest},
    rule::{self, Rule},
    seal::{EncryptionKey, Memo},
    seed::{Nonce, Seed, WalletKeys},
    split,
    statement::Statement,
    swap,
    transaction::{Core, Header, Transaction},
    wallet_state::WalletState,
    withdraw,
};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha512};

/// 2026-11-20, a Friday in the middle of a month.
pub const TODAY: Day = Day::new(20_777);
/// The class of all dwellers.
pub const CLASS: u32 = 1;
/// A purpose that class 1 may receive and that turns into unrestricted money.
pub const MEALS: u32 = 7;
pub const DAY_CAP: u64 = 10_000_000;
pub const MONTH_CAP: u64 = 150_000_000;
pub const FEE: u64 = 5;
pub const MINIMUM: u64 = 100;
/// How many months a note lasts.
pub const MONTHS: u32 = 2;

/// A generator that repeats itself: SHA-512 of a name and a counter.
pub struct Sequence {
    name: String,
    block: u64,
    left: Vec<u8>,
}

impl Sequence {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), block: 0, left: Vec::new() }
    }
}

impl TryRng for Sequence {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            if self.left.is_empty() {
                let hash = Sha512::new().chain_update(&self.name).chain_update(self.block.to_le_bytes()).finalize();
                self.left = hash.to_vec();
                self.block += 1;
            }
            *byte = self.left.pop().unwrap();
        }
        Ok(())
    }
}

impl TryCryptoRng for Sequence {}

pub fn amount(minor_units: u64) -> Amount {
    Amount::new(minor_units)
}

pub fn dates() -> KeyDates {
    let first = TODAY.get() - 10;
    KeyDates {
        first: Day::new(first),
        last_issue: Day::new(first + 365),
        accept_until: Day::new(first + 410),
        exchange_until: Day::new(first + 3660),
    }
}

pub fn line(class: u32, purpose: u32, purpose_out: u32, day_cap: u64, month_cap: u64) -> RuleLine {
    RuleLine { class, purpose, purpose_out, day_cap: amount(day_cap), month_cap: amount(month_cap) }
}

pub fn terms() -> PolicyTerms {
    PolicyTerms { epoch: 3, fee: amount(FEE), minimum: amount(MINIMUM), months: MONTHS, bucket_bits: 4 }
}

/// Class 1 may receive money for anything and for meals under caps; the second class without limit.
pub fn lines() -> Vec<RuleLine> {
    vec![
        line(CLASS, UNRESTRICTED, UNRESTRICTED, DAY_CAP, MONTH_CAP),
        line(CLASS, MEALS, UNRESTRICTED, DAY_CAP, MONTH_CAP),
        line(2, UNRESTRICTED, UNRESTRICTED, u64::MAX, u64::MAX),
    ]
}

/// Issuer and redeemer in one.
pub struct Town {
    pub ring: KeyRing,
    pub key: PublicKey,
    pub policy: PolicyBody,
    pub rules: Vec<Credential<Rule>>,
    pub day: Day,
    /// Until when states are valid that are registered in a month.
    pub validity_of: fn(Month) -> Month,
    pub rng: Sequence,
    /// Everything that was answered, as the logs have it.
    pub log: Vec<(Transaction, Answer)>,
    /// Private parts, as the issuer saw them.
    pub private: Vec<Vec<u8>>,
}

/// A registered wallet.
pub struct Dweller {
    pub keys: WalletKeys,
    pub identity: Identity,
    pub state: Credential<WalletState>,
}

/// A payment with everything that came of it.
pub struct Paid {
    pub transaction: Transaction,
    pub answer: Answer,
    pub change: Credential<Coin>,
}

impl Town {
    pub fn new(name: &str) -> Self {
        Self::with(name, terms(), lines())
    }

    pub fn with(name: &str, terms: PolicyTerms, lines: Vec<RuleLine>) -> Self {
        let mut rng = Sequence::new(name);
        let key = SigningKey::generate(Currency::new("EUR", 6).unwrap(), dates(), &mut rng).unwrap();
        let policy = PolicyBody::new(terms, lines, b"version = 1\n".to_vec()).unwrap();
        let signed = rule::sign_rules(&key, &policy, &mut rng);
        let rules = rule::verify_rules(key.public(), &policy, &signed).unwrap();
        let public = key.public().clone();
        Self {
            ring: KeyRing::new([key]),
            key: public,
            policy,
            rules,
            day: TODAY,
            validity_of: |month| month.plus(6),
            rng,
            log: Vec::new(),
            private: Vec::new(),
        }
    }

    pub fn header(&self) -> Header {
        Header { key: self.key.id(), day: self.day, epoch: self.policy.terms().epoch, policy: self.policy.hash() }
    }

    pub fn minimum(&self) -> Amount {
        self.policy.terms().minimum
    }

    /// When notes that are paid today expire.
    pub fn expiry(&self) -> Month {
        self.day.month().plus(self.policy.terms().months)
    }

    /// The last month of the validity of states registered today.
    pub fn validity(&self) -> Month {
        (self.validity_of)(self.day.month())
    }

    pub fn signing_key(&self) -> &SigningKey {
        self.ring.get(&self.key.id()).unwrap()
    }

    pub fn addition(&self, core: &Core) -> Addition {
        match core.statement() {
            Statement::Register => Addition::Registration { class: CLASS, validity: self.validity() },
            Statement::Pay | Statement::Split => Addition::Expiry(self.expiry()),
            Statement::SplitExpired => Addition::Expiry(Month::new(core.publics().expiry)),
            _ => Addition::None,
        }
    }

    /// Receives, verifies, signs and logs a transaction, all in bytes.
    pub fn answer(&mut self, sent: &Transaction) -> Answer {
        let transaction = Transaction::from_bytes(sent.as_bytes()).unwrap();
        let minimum = self.minimum();
        // Weights are no part of what is made, so that no vector depends on how many are drawn.
        let verified = transaction.verify(&self.ring, minimum, &mut Sequence::new("weights")).unwrap();
        assert!(verified.core().period_holds());
        let addition = self.addition(verified.core());
        let mut rng = std::mem::replace(&mut self.rng, Sequence::new(""));
        let answer = Answer::sign(self.signing_key(), &verified, addition, &mut rng).unwrap();
        self.rng = rng;
        let answer = Answer::from_bytes(verified.core(), &answer.to_bytes()).unwrap();
        self.log.push((verified.transaction().clone(), answer.clone()));
        answer
    }

    pub fn register(&mut self, name: &str) -> Dweller {
        let (seed, _) = Seed::generate(&mut self.rng);
        let keys = WalletKeys::new(&seed, "issuer.example/farthing");
        let identity = Identity::parse(name).unwrap();
        let (transaction, opening) =
            register::request(self.key.id(), self.day, &keys, &identity, &mut self.rng).unwrap();
        let opening = register::RegisterOpening::from_bytes(&opening.to_bytes()).unwrap();
        opening.check(&transaction).unwrap();
        self.private.push(opening.to_bytes());
        let answer = self.answer(&transaction);
        let state = register::finish(transaction.core(), &answer, &self.key, &keys, &identity).unwrap();
        Dweller { keys, identity, state }
    }

    pub fn withdraw(&mut self, dweller: &Dweller, value: u64) -> Credential<Coin> {
        self.withdraw_for(dweller, value, UNRESTRICTED)
    }

    pub fn withdraw_for(&mut self, dweller: &Dweller, value: u64, purpose: u32) -> Credential<Coin> {
        let (key, day) = (self.key.id(), self.day);
        let (transaction, opening) =
            withdraw::request(key, day, &dweller.keys, amount(value), purpose, &mut self.rng).unwrap();
        self.check_account(&transaction, &opening);
        let answer = self.answer(&transaction);
        withdraw::finish(transaction.core(), &answer, &self.key, &dweller.keys).unwrap()
    }

    pub fn check_account(&mut self, transaction: &Transaction, opening: &AccountOpening) {
        let opening = AccountOpening::from_bytes(&opening.to_bytes()).unwrap();
        opening.check(transaction.core()).unwrap();
        self.private.push(opening.to_bytes().to_vec());
    }

    pub fn pay<'a>(
        &mut self,
        payer: &Dweller,
        coins: impl IntoIterator<Item = &'a Credential<Coin>>,
        payee: &Dweller,
        value: u64,
    ) -> Paid {
        let encryption_key = payee.keys.encryption_key();
        let payment = payment(payee, &encryption_key, value);
        let header = self.header();
        let transaction = pay::request(&header, &self.policy, &payer.keys, coins, &payment, &mut self.rng).unwrap();
        let answer = self.answer(&transaction);
        let change = pay::finish(transaction.core(), &answer, &self.key, self.expiry(), &payer.keys).unwrap();
        Paid { transaction, answer, change }
    }

    /// Opens a payment that was made today.
    pub fn receive(&self, paid: &Paid, payee: &Dweller) -> ReceivedNote {
        let (core, pid) = (paid.transaction.core(), payee.identity.pid());
        note::receive(core, &paid.answer, &self.key, self.expiry(), &payee.keys, &pid).unwrap()
    }

    /// A note of this value for a dweller.
    pub fn note(&mut self, payer: &Dweller, payee: &Dweller, value: u64) -> Credential<Note> {
        let coin = self.withdraw(payer, value + FEE);
        let paid = self.pay(payer, [&coin], payee, value);
        self.receive(&paid, payee).note
    }

    /// The rule for money of this purpose.
    pub fn rule(&self, class: u32, purpose: u32) -> &Credential<Rule> {
        let of = |rule: &&Credential<Rule>| {
            rule.attributes().line.class == class && rule.attributes().line.purpose == purpose
        };
        self.rules.iter().find(of).unwrap()
    }

    /// Claims notes of one purpose and moves the wallet on to its next state.
    pub fn claim<'a>(
        &mut self,
        payee: &mut Dweller,
        notes: impl IntoIterator<Item = &'a Credential<Note>>,
        purpose: u32,
    ) -> Credential<Coin> {
        let header = self.header();
        let mut rng = std::mem::replace(&mut self.rng, Sequence::new(""));
        let rule = self.rule(payee.state.attributes().class(), purpose);
        let transaction = claim::request(&header, &payee.keys, notes, &payee.state, rule, &mut rng).unwrap();
        self.rng = rng;
        let answer = self.answer(&transaction);
        let old = payee.state.attributes();
        let (coin, state) = claim::finish(transaction.core(), &answer, &self.key, &payee.keys, old).unwrap();
        payee.state = state;
        coin
    }

    pub fn redeem<'a>(
        &mut self,
        dweller: &Dweller,
        coins: impl IntoIterator<Item = &'a Credential<Coin>>,
        value: u64,
    ) -> Credential<Coin> {
        let header = self.header();
        let (transaction, opening) =
            redeem::request(&header, &dweller.keys, coins, amount(value), &mut self.rng).unwrap();
        self.check_account(&transaction, &opening);
        let answer = self.answer(&transaction);
        redeem::finish(transaction.core(), &answer, &self.key, &dweller.keys).unwrap()
    }

    pub fn swap<'a>(
        &mut self,
        dweller: &Dweller,
        coins: impl IntoIterator<Item = &'a Credential<Coin>>,
        first: Option<u64>,
    ) -> Vec<Credential<Coin>> {
        let header = self.header();
        let first = first.map(amount);
        let transaction = swap::request(&header, &dweller.keys, coins, first, &mut self.rng).unwrap();
        let answer = self.answer(&transaction);
        swap::finish(transaction.core(), &answer, &self.key, &dweller.keys).unwrap()
    }

    /// A note as its payer holds it.
    pub fn refundable(&self, paid: &Paid, payer: &Dweller) -> Refundable {
        let core = paid.transaction.core();
        let expiry = core.month().plus(self.policy.terms().months);
        let note = Refundable::paid(core, &paid.answer, &self.key, expiry, &payer.keys).unwrap();
        Refundable::from_secret_bytes(&note.to_secret_bytes()).unwrap()
    }

    pub fn split(&mut self, payee: &Dweller, note: &Credential<Note>, first: u64) -> [Credential<Note>; 2] {
        let (header, first) = (self.header(), amount(first));
        let transaction =
            split::request(&header, &self.policy, &payee.keys, note, first, &payee.state, &mut self.rng).unwrap();
        let answer = self.answer(&transaction);
        split::finish(transaction.core(), &answer, &self.key, &payee.keys, &payee.identity.pid()).unwrap()
    }

    pub fn split_expired(&mut self, payer: &Dweller, note: &Refundable, first: u64) -> [Refundable; 2] {
        let header = self.header();
        let transaction = split::request_expired(&header, &payer.keys, note, amount(first), &mut self.rng).unwrap();
        let answer = self.answer(&transaction);
        split::finish_expired(transaction.core(), &answer, &self.key, &payer.keys, note).unwrap()
    }

    /// Takes a note back and moves the wallet on to its next state.
    pub fn refund(&mut self, payer: &mut Dweller, note: &Refundable, purpose: u32) -> Credential<Coin> {
        let header = self.header();
        let mut rng = std::mem::replace(&mut self.rng, Sequence::new(""));
        let rule = self.rule(payer.state.attributes().class(), purpose);
        let transaction = refund::request(&header, &payer.keys, note, &payer.state, rule, &mut rng).unwrap();
        self.rng = rng;
        let answer = self.answer(&transaction);
        let old = payer.state.attributes();
        let (coin, state) = refund::finish(transaction.core(), &answer, &self.key, &payer.keys, old).unwrap();
        payer.state = state;
        coin
    }

    /// A grant to renew, asked for and given in bytes, with the nonce it is for.
    pub fn grant(&mut self, dweller: &Dweller, class: u32, validity: Month) -> (Nonce, Grant) {
        let nonce = dweller.keys.fresh_nonce(&mut self.rng, &[*dweller.state.nullifier().as_bytes()], self.day);
        let pid = dweller.identity.pid();
        let request = GrantRequest::new(&dweller.keys, &nonce, &pid, self.day, &mut self.rng);
        let request = GrantRequest::from_bytes(&request.to_bytes()).unwrap();
        request.check(&pid).unwrap();
        let grant = Grant::new(&request, class, validity, Day::new(self.day.get() + 7));
        let entry = Entry::new(EntryKind::Grant, self.day, grant.to_bytes()).unwrap();
        (nonce, Grant::from_bytes(entry.body()).unwrap())
    }

    /// Renews a state, and moves the wallet on to it.
    pub fn renew(&mut self, dweller: &mut Dweller, nonce: &Nonce, grant: &Grant, index: u64) {
        let header = self.header();
        let transaction =
            renew::request(&header, &dweller.keys, &dweller.state, nonce, grant, index, &mut self.rng).unwrap();
        let answer = self.answer(&transaction);
        assert!(grant.covers(self.log.last().unwrap().0.core()));
        let old = dweller.state.attributes();
        dweller.state = renew::finish(transaction.core(), &answer, &self.key, &dweller.keys, old).unwrap();
    }
}

pub fn payment<'a>(payee: &Dweller, encryption_key: &'a EncryptionKey, value: u64) -> pay::Payment<'a> {
    let memo = Memo::new("for the farthing cake").unwrap();
    pay::Payment { payee: payee.identity.pid(), encryption_key, amount: amount(value), memo }
}

/// Whether all of a transaction holds.
pub fn is_accepted(town: &Town, bytes: &[u8], rng: &mut impl CryptoRng) -> bool {
    Transaction::from_bytes(bytes).is_ok_and(|received| received.verify(&town.ring, town.minimum(), rng).is_ok())
}

/// The header of Register and Withdraw.
pub fn no_policy() -> (u32, PolicyHash) {
    (0, PolicyHash::new([0; 32]))
}

/// What a coin is worth.
pub fn worth(coin: &Credential<Coin>) -> u64 {
    coin.attributes().value().get()
}

/// The core of the newest entry of the log.
pub fn newest(town: &Town) -> &Core {
    town.log.last().unwrap().0.core()
}
