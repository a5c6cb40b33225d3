//! A wallet: it builds transactions for the redeemer's facts and finishes answers.

use farthing_ecash::{
    account::AccountOpening,
    amount::Amount,
    calendar::{Day, Month},
    claim,
    coin::Coin,
    credential::{Credential, issue::Answer},
    identity::Identity,
    keys::{KeyId, PublicKey},
    note::{self, Note},
    pay,
    policy::{PolicyBody, SignedRules, UNRESTRICTED},
    redeem,
    refund::{self, Refundable},
    rule::{Rule, verify_rules},
    seal::Memo,
    seed::{Seed, WalletKeys},
    split, swap,
    transaction::{Header, Transaction},
    wallet_state::WalletState,
};
use farthing_proto::v1::GetRedeemerResponse;
use getrandom::{SysRng, rand_core::UnwrapErr};

/// The randomness of the system.
pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// What a wallet knows of the redeemer.
pub(crate) struct Facts {
    pub(crate) header: Header,
    pub(crate) policy: PolicyBody,
    pub(crate) rules: Vec<Credential<Rule>>,
    pub(crate) key: PublicKey,
}

impl Facts {
    /// Checks the rules as wallets do.
    pub(crate) fn new(response: &GetRedeemerResponse, keys: &[PublicKey]) -> Self {
        let policy = PolicyBody::from_bytes(&response.policy).unwrap();
        let current = KeyId::new(response.current_key_id.as_slice().try_into().unwrap());
        let key = keys.iter().find(|key| key.id() == current).unwrap().clone();
        let signed = response.rules.iter().map(|rules| SignedRules::from_bytes(rules).unwrap());
        let signed = signed.into_iter().find(|rules| rules.key() == current).unwrap();
        let header =
            Header { key: current, day: Day::new(response.logical_day), epoch: response.epoch, policy: policy.hash() };
        assert_eq!(policy.terms().epoch, response.epoch);
        let rules = verify_rules(&key, &policy, &signed).unwrap();
        Self { header, policy, rules, key }
    }

    /// The rule of a class for unrestricted money.
    pub(crate) fn rule(&self, class: u32) -> &Credential<Rule> {
        self.rule_for(UNRESTRICTED, class)
    }

    /// The rule of a class for money of a purpose.
    pub(crate) fn rule_for(&self, purpose: u32, class: u32) -> &Credential<Rule> {
        let fits = |rule: &&Credential<Rule>| {
            rule.attributes().line.class == class && rule.attributes().line.purpose == purpose
        };
        self.rules.iter().find(fits).unwrap()
    }

    /// When notes of the statement's day expire.
    pub(crate) fn expiry(&self) -> Month {
        self.header.day.month().plus(self.policy.terms().months)
    }
}

/// A wallet.
pub(crate) struct Wallet {
    pub(crate) keys: WalletKeys,
    pub(crate) identity: Identity,
}

impl Wallet {
    pub(crate) fn new(identity: &str) -> Self {
        let (seed, _) = Seed::generate(&mut rng());
        Self { keys: WalletKeys::new(&seed, "test"), identity: Identity::parse(identity).unwrap() }
    }

    pub(crate) fn pay(&self, facts: &Facts, coin: &Credential<Coin>, payee: &Self, amount: u64) -> Transaction {
        let encryption_key = payee.keys.encryption_key();
        let payment = pay::Payment {
            payee: payee.identity.pid(),
            encryption_key: &encryption_key,
            amount: Amount::new(amount),
            memo: Memo::new("").unwrap(),
        };
        pay::request(&facts.header, &facts.policy, &self.keys, [coin], &payment, &mut rng()).unwrap()
    }

    /// The change of a payment.
    pub(crate) fn change(&self, facts: &Facts, pay: &Transaction, answer: &[u8]) -> Credential<Coin> {
        let answer = Answer::from_bytes(pay.core(), answer).unwrap();
        pay::finish(pay.core(), &answer, &facts.key, facts.expiry(), &self.keys).unwrap()
    }

    /// The note of a payment to this wallet.
    pub(crate) fn note(&self, facts: &Facts, pay: &Transaction, answer: &[u8]) -> Credential<Note> {
        let answer = Answer::from_bytes(pay.core(), answer).unwrap();
        let received = note::receive(pay.core(), &answer, &facts.key, facts.expiry(), &self.keys, &self.identity.pid());
        received.unwrap().note
    }

    pub(crate) fn claim(
        &self,
        facts: &Facts,
        notes: &[Credential<Note>],
        state: &Credential<WalletState>,
    ) -> Transaction {
        let rule = facts.rule(state.attributes().class());
        claim::request(&facts.header, &self.keys, notes, state, rule, &mut rng()).unwrap()
    }

    /// The coin and the new state of a claim.
    pub(crate) fn claimed(
        &self,
        facts: &Facts,
        claim: &Transaction,
        answer: &[u8],
        old: &Credential<WalletState>,
    ) -> (Credential<Coin>, Credential<WalletState>) {
        let answer = Answer::from_bytes(claim.core(), answer).unwrap();
        claim::finish(claim.core(), &answer, &facts.key, &self.keys, old.attributes()).unwrap()
    }

    pub(crate) fn redeem(&self, facts: &Facts, coin: &Credential<Coin>, amount: u64) -> (Transaction, AccountOpening) {
        redeem::request(&facts.header, &self.keys, [coin], Amount::new(amount), &mut rng()).unwrap()
    }

    pub(crate) fn swap(&self, facts: &Facts, coins: &[Credential<Coin>], first: Option<u64>) -> Transaction {
        swap::request(&facts.header, &self.keys, coins, first.map(Amount::new), &mut rng()).unwrap()
    }

    /// The coins of a swap.
    pub(crate) fn swapped(&self, facts: &Facts, swap: &Transaction, answer: &[u8]) -> Vec<Credential<Coin>> {
        let answer = Answer::from_bytes(swap.core(), answer).unwrap();
        swap::finish(swap.core(), &answer, &facts.key, &self.keys).unwrap()
    }

    /// Two notes of one, split by their payee.
    pub(crate) fn split(
        &self,
        facts: &Facts,
        note: &Credential<Note>,
        first: u64,
        state: &Credential<WalletState>,
    ) -> Transaction {
        let first = Amount::new(first);
        split::request(&facts.header, &facts.policy, &self.keys, note, first, state, &mut rng()).unwrap()
    }

    /// The notes of a split.
    pub(crate) fn parts(&self, facts: &Facts, split: &Transaction, answer: &[u8]) -> [Credential<Note>; 2] {
        let answer = Answer::from_bytes(split.core(), answer).unwrap();
        split::finish(split.core(), &answer, &facts.key, &self.keys, &self.identity.pid()).unwrap()
    }

    /// What takes a payment of this wallet back, under the facts of its day.
    pub(crate) fn refundable(&self, facts: &Facts, pay: &Transaction, answer: &[u8]) -> Refundable {
        let answer = Answer::from_bytes(pay.core(), answer).unwrap();
        Refundable::paid(pay.core(), &answer, &facts.key, facts.expiry(), &self.keys).unwrap()
    }

    pub(crate) fn refund(&self, facts: &Facts, note: &Refundable, state: &Credential<WalletState>) -> Transaction {
        let rule = facts.rule(state.attributes().class());
        refund::request(&facts.header, &self.keys, note, state, rule, &mut rng()).unwrap()
    }

    /// The coin and the new state of a refund.
    pub(crate) fn refunded(
        &self,
        facts: &Facts,
        refund: &Transaction,
        answer: &[u8],
        old: &Credential<WalletState>,
    ) -> (Credential<Coin>, Credential<WalletState>) {
        let answer = Answer::from_bytes(refund.core(), answer).unwrap();
        refund::finish(refund.core(), &answer, &facts.key, &self.keys, old.attributes()).unwrap()
    }
}
