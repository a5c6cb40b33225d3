//! An entry of a log: what it takes, what it makes, and whether it may.

use farthing_ecash::{
    claim,
    coin::Coin,
    credential::{Credential, Nullifier, issue::Answer},
    entry::{Entry, EntryKind},
    keys::PublicKey,
    note, pay,
    policy::PolicyBody,
    redeem,
    refund::{self, Refundable},
    register, renew, split,
    statement::Statement,
    swap,
    transaction::{Core, Outline},
    wallet_state::WalletState,
    withdraw,
};
use farthing_follower::log::Log;

use super::{ANYTHING, Books, Done, GROCER, MEAL, Note, Terms};

impl Books {
    /// Takes an entry in.
    pub(super) fn take(&mut self, log: Log, index: u64, entry: &Entry) {
        match entry.kind() {
            EntryKind::Key => {
                let key = PublicKey::from_bytes(entry.body()).unwrap();
                self.keys.insert(key.id(), key);
            }
            EntryKind::Policy => {
                let policy = PolicyBody::from_bytes(entry.body()).unwrap();
                self.policies.insert(policy.hash(), (policy.terms().months, Terms::of(policy.file())));
            }
            EntryKind::Transaction(statement) => {
                let outline = Outline::find(entry.body()).unwrap();
                let makers = self.holders.iter().enumerate().filter(|(_, holder)| outline.is_made_by(&holder.keys));
                let makers: Vec<_> = makers.map(|(number, _)| number).collect();
                let [wallet] = makers[..] else { panic!("entry {index} is of the wallets {makers:?}") };
                let (core, answer) = Core::from_prefix(entry.body()).unwrap();
                let answer = Answer::from_bytes(&core, answer).unwrap();
                for serial in core.nullifiers() {
                    let before = self.spent.insert(serial, index);
                    assert_eq!(before, None, "entry {index} of {log:?} spends what was spent before");
                }
                let older = core.input_keys().filter(|(_, key)| *key != core.header().key).count();
                *self.count.entry("older keys".to_owned()).or_default() += u64::try_from(older).unwrap();
                *self.count.entry(format!("{statement:?}")).or_default() += 1;
                self.transaction(wallet, index, &core, &answer);
            }
            EntryKind::Directory | EntryKind::Grant | EntryKind::Rules | EntryKind::Calendar => {}
        }
    }

    fn transaction(&mut self, wallet: usize, index: u64, core: &Core, answer: &Answer) {
        let key = self.keys.get(&core.header().key).expect("a key that nobody announced").clone();
        let keys = &self.holders[wallet].keys;
        let publics = core.publics();
        match core.statement() {
            Statement::Register => {
                let (pid, state) = register::restore(core, answer, &key, keys).unwrap();
                assert!(pid == self.holders[wallet].pid && self.states.insert(wallet, state).is_none());
            }
            Statement::Withdraw => {
                let coin = withdraw::finish(core, answer, &key, keys).unwrap();
                assert_eq!(coin.attributes().value().get(), publics.amount);
                self.withdrawn[purpose(coin.attributes().purpose())] += publics.amount;
                self.did(wallet, "withdraw", publics.amount);
                self.gain(wallet, coin);
            }
            Statement::Pay => self.pay(wallet, index, core, answer, &key),
            Statement::Claim | Statement::Refund => self.receive(wallet, index, core, answer, &key),
            Statement::Split => {
                let (serial, note) = self.one_note(index, core);
                assert_eq!(note.payee, Some(wallet), "entry {index} splits another's note");
                let holder = &self.holders[wallet];
                let parts = split::finish(core, answer, &key, &holder.keys, &holder.pid).unwrap();
                self.refundables.remove(&serial);
                for part in parts {
                    let serial = part.nullifier();
                    self.add_part(serial, part.attributes(), Note { payer: None, ..note });
                }
                self.check_parts(index, &note);
            }
            Statement::SplitExpired => {
                let (serial, note) = self.one_note(index, core);
                assert_eq!(note.payer, Some(wallet), "entry {index} splits another's payment");
                assert!(note.expiry < core.month(), "entry {index} splits a payment in its month");
                let whole = self.refundables.remove(&serial).unwrap();
                let keys = &self.holders[wallet].keys;
                for part in split::finish_expired(core, answer, &key, keys, &whole).unwrap() {
                    let serial = part.note().nullifier();
                    self.add_part(serial, part.note().attributes(), Note { payee: None, ..note });
                    self.refundables.insert(serial, part);
                }
                self.check_parts(index, &note);
            }
            Statement::Renew => {
                let old = self.state(wallet, core);
                let state = renew::finish(core, answer, &key, &self.holders[wallet].keys, old.attributes()).unwrap();
                self.states.insert(wallet, state);
            }
            Statement::Redeem => {
                let change = redeem::finish(core, answer, &key, keys).unwrap();
                let (of, sum) = self.spend(wallet, index, core);
                assert_eq!((of, sum), (ANYTHING, change.attributes().value().get() + publics.amount));
                self.redeemed += publics.amount;
                self.did(wallet, "redeem", publics.amount);
                self.gain(wallet, change);
            }
            Statement::Swap => {
                let coins = swap::finish(core, answer, &key, keys).unwrap();
                let (of, sum) = self.spend(wallet, index, core);
                assert_eq!(sum, coins.iter().map(|coin| coin.attributes().value().get()).sum::<u64>());
                for coin in coins {
                    assert_eq!(purpose(coin.attributes().purpose()), of);
                    self.gain(wallet, coin);
                }
            }
        }
    }

    fn pay(&mut self, wallet: usize, index: u64, core: &Core, answer: &Answer, key: &PublicKey) {
        let (months, terms) = self.policies[&core.header().policy];
        let expiry = core.month().plus(months);
        let keys = &self.holders[wallet].keys;
        let paid = pay::restore(core, answer, key, expiry, keys).unwrap();
        let back = Refundable::paid(core, answer, key, expiry, keys).unwrap();
        let (of, sum) = self.spend(wallet, index, core);
        let (amount, fee) = (paid.amount.get(), core.publics().fee);
        assert_eq!(fee, terms.fee, "entry {index} pays another fee");
        assert_eq!(sum, paid.change.attributes().value().get() + amount + fee, "entry {index}");
        let note = back.note().attributes();
        assert_eq!([note.purpose(), paid.change.attributes().purpose()].map(purpose), [of, of]);
        self.fees[of] += fee;
        let payee = self.holders.iter().position(|holder| holder.pid == paid.payee);
        assert!(payee.is_some(), "entry {index} pays a stranger");
        self.done.push(Done { wallet, what: "pay", amount, payment: payee.map(|payee| (payee, index)) });
        let note = Note { purpose: of, value: amount, payee, payer: Some(wallet), expiry, payment: index };
        let serial = back.note().nullifier();
        self.notes.insert(serial, note);
        self.refundables.insert(serial, back);
        self.gain(wallet, paid.change);
    }

    /// Claim or refund.
    fn receive(&mut self, wallet: usize, index: u64, core: &Core, answer: &Answer, key: &PublicKey) {
        let notes: Vec<_> = core.nullifiers().filter_map(|serial| self.notes.remove_entry(&serial)).collect();
        assert!(core.nullifiers().count() == notes.len() + 1 && !notes.is_empty(), "entry {index} claims no notes");
        let old = self.state(wallet, core);
        let keys = &self.holders[wallet].keys;
        let value = notes.iter().map(|(_, note)| note.value).sum::<u64>();
        let of = notes[0].1.purpose;
        assert!(notes.iter().all(|(_, note)| note.purpose == of), "entry {index} mixes purposes");
        let class = old.attributes().class();
        let (coin, state) = if core.statement() == Statement::Claim {
            let own = notes.iter().all(|(_, note)| note.payee == Some(wallet));
            assert!(own, "entry {index} claims what is another's");
            assert!(of == ANYTHING || class == GROCER, "entry {index}: class {class} claims money for meals");
            self.became += if of == MEAL { value } else { 0 };
            claim::finish(core, answer, key, keys, old.attributes()).unwrap()
        } else {
            for (_, note) in &notes {
                assert_eq!(note.payer, Some(wallet), "entry {index} takes back what another paid");
                assert!(note.expiry < core.month(), "entry {index} takes back in the month of the payee");
                *self.taken_back.entry(note.payment).or_default() += note.value;
            }
            refund::finish(core, answer, key, keys, old.attributes()).unwrap()
        };
        for (serial, _) in &notes {
            self.refundables.remove(serial);
        }
        // What a class makes of what it claims is for anything; what comes back is what it was.
        let becomes = if core.statement() == Statement::Claim { ANYTHING } else { of };
        assert_eq!(purpose(coin.attributes().purpose()), becomes, "entry {index}");
        assert_eq!(coin.attributes().value().get(), value, "entry {index}");

        let (day, month) = (core.header().day, core.month());
        let on_day = self.on_day.entry((wallet, day)).or_default();
        let in_month = self.in_month.entry((wallet, month)).or_default();
        (*on_day, *in_month) = (*on_day + value, *in_month + value);
        let (day_cap, month_cap) = self.policies[&core.header().policy].1.caps(class);
        assert!(*on_day <= day_cap, "entry {index}: {on_day} of {day_cap} received on {day}");
        assert!(*in_month <= month_cap, "entry {index}: {in_month} of {month_cap} received in {month}");
        let totals = [state.attributes().received_on(day), state.attributes().received_in(month)];
        assert_eq!(totals.map(|total| total.get()), [*on_day, *in_month], "entry {index}: the state counts otherwise");
        assert!(state.attributes().validity() >= month, "entry {index} with an old state");
        self.states.insert(wallet, state);
        self.gain(wallet, coin);
    }

    fn did(&mut self, wallet: usize, what: &'static str, amount: u64) {
        self.done.push(Done { wallet, what, amount, payment: None });
    }

    fn gain(&mut self, owner: usize, coin: Credential<Coin>) {
        let attributes = coin.attributes();
        let (purpose, value) = (purpose(attributes.purpose()), attributes.value().get());
        if value > 0 {
            let before = self.coins.insert(coin.nullifier(), super::Coin { owner, purpose, value });
            assert!(before.is_none());
        }
    }

    /// Takes the coins of a transaction away: of what purpose they were, and what they were worth.
    fn spend(&mut self, wallet: usize, index: u64, core: &Core) -> (usize, u64) {
        let coins: Vec<_> = core.nullifiers().filter_map(|serial| self.coins.remove(&serial)).collect();
        assert_eq!(core.nullifiers().count(), coins.len(), "entry {index} spends what there is not");
        let first = coins.first().map(|coin| coin.purpose).unwrap();
        assert!(coins.iter().all(|coin| coin.owner == wallet && coin.purpose == first), "entry {index}");
        (first, coins.iter().map(|coin| coin.value).sum())
    }

    /// Takes the one note of a split away.
    fn one_note(&mut self, index: u64, core: &Core) -> (Nullifier, Note) {
        let notes: Vec<_> = core.nullifiers().filter_map(|serial| self.notes.remove_entry(&serial)).collect();
        assert!(notes.len() == 1 && core.nullifiers().count() == 1, "entry {index} splits what there is not");
        notes.into_iter().next().unwrap()
    }

    /// Adds a part of a note.
    fn add_part(&mut self, serial: Nullifier, part: &note::Note, whole: Note) {
        assert_eq!(purpose(part.purpose()), whole.purpose);
        let part = Note { value: part.value().get(), expiry: part.expiry(), ..whole };
        self.parts += part.value;
        assert!(self.notes.insert(serial, part).is_none());
    }

    /// The parts are the whole.
    fn check_parts(&mut self, index: u64, whole: &Note) {
        assert_eq!(std::mem::take(&mut self.parts), whole.value, "entry {index}: the parts are not the whole");
    }

    /// Takes the state that a transaction consumes.
    fn state(&mut self, wallet: usize, core: &Core) -> Credential<WalletState> {
        let state = self.states.remove(&wallet).expect("a wallet that is not registered");
        assert!(core.nullifiers().any(|serial| serial == state.nullifier()), "another state of the same wallet");
        state
    }
}

fn purpose(number: u32) -> usize {
    usize::try_from(number).unwrap()
}
