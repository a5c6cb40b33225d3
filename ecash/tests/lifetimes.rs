//! What happens to notes and wallet states after the first round: notes are split and taken back, states renewed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/town.rs"]
mod town;

use farthing_ecash::{
    calendar::{Day, Month},
    claim,
    credential::Credential,
    entry::{Entry, EntryKind},
    error::{DecodeError, ProveError},
    identity::Identity,
    note::Note,
    policy::UNRESTRICTED,
    refund::{self, Refundable},
    renew::{self, Grant, GrantRequest},
    seal::{SelfPlaintext, open_self},
    seed::Nonce,
    split,
    statement::Statement,
    transaction::Transaction,
};
use town::{CLASS, DAY_CAP, Dweller, FEE, MEALS, Paid, TODAY, Town, amount, is_accepted, newest, worth};

/// A day on which notes of [`TODAY`] have expired: the first of the month after.
const AFTER: Day = Day::new(20_850);

fn two(name: &str) -> (Town, Dweller, Dweller) {
    let mut town = Town::new(name);
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    (town, alice, bob)
}

fn pay(town: &mut Town, payer: &Dweller, payee: &Dweller, value: u64) -> Paid {
    let coin = town.withdraw(payer, value + FEE);
    town.pay(payer, [&coin], payee, value)
}

/// What the wallet wrote to itself in the newest transaction.
fn written(town: &Town, dweller: &Dweller) -> SelfPlaintext {
    let core = newest(town);
    open_self(dweller.keys.self_key(), &core.publics().nonce, &core.header().key, core.ct_self()).ok().unwrap()
}

/// The refund tag of a note: behind signature, value, owner, serial and purpose of its secret encoding.
fn tag(note: &Credential<Note>) -> [u8; 32] {
    note.to_secret_bytes()[96 + 8 + 32 + 32 + 4..][..32].try_into().unwrap()
}

fn owner(note: &Credential<Note>) -> [u8; 32] {
    note.to_secret_bytes()[96 + 8..][..32].try_into().unwrap()
}

#[test]
fn the_day_after_is_after() {
    assert_eq!(AFTER, Day::from_civil(2027, 2, 1).unwrap());
    assert!(TODAY.month().plus(town::MONTHS) < AFTER.month() && Day::new(AFTER.get() - 1).month() < AFTER.month());
}

#[test]
fn a_payee_splits_a_note_above_the_cap() {
    let (mut town, alice, mut bob) = two("split");
    let note = town.note(&alice, &bob, DAY_CAP + 1_000);
    town.day = Day::new(TODAY.get() + 20);
    let [one, two] = town.split(&bob, &note, 400);
    assert_eq!(newest(&town).nullifiers().collect::<Vec<_>>(), [note.nullifier()], "the state is not consumed");
    assert_eq!((one.attributes().value(), two.attributes().value()), (amount(400), amount(DAY_CAP + 600)));
    for part in [&one, &two] {
        assert_eq!(part.attributes().purpose(), UNRESTRICTED);
        assert_eq!(part.attributes().expiry(), town.expiry(), "as if it had been paid today");
        assert_ne!(part.attributes().expiry(), note.attributes().expiry());
        assert_eq!((tag(part), owner(part)), (tag(&note), owner(&note)));
        let again = Credential::<Note>::from_secret_bytes(&part.to_secret_bytes()).unwrap();
        assert_eq!(again.nullifier(), part.nullifier());
    }
    assert_ne!(one.nullifier(), two.nullifier());
    let own = written(&town, &bob);
    assert_eq!((own.kind, own.purpose), (Statement::Split, UNRESTRICTED));
    assert_eq!((own.value_1, own.value_2), (amount(400), amount(DAY_CAP + 600)));
    assert_eq!((own.expiry, own.aux), (town.expiry(), tag(&note)));

    // A part of a part, within the cap.
    let [big, small] = town.split(&bob, &two, DAY_CAP - 400);
    assert_eq!(worth(&town.claim(&mut bob, [&one, &big], UNRESTRICTED)), DAY_CAP);
    town.day = Day::new(town.day.get() + 1);
    assert_eq!(worth(&town.claim(&mut bob, [&small], UNRESTRICTED)), 1_000);
}

#[test]
fn only_a_registered_payee_splits_into_two() {
    let (mut town, alice, bob) = two("split refused");
    let note = town.note(&alice, &bob, 1_000);
    let try_split = |town: &mut Town, dweller: &Dweller, first: u64| {
        let (header, policy) = (town.header(), town.policy.clone());
        split::request(&header, &policy, &dweller.keys, &note, amount(first), &dweller.state, &mut town.rng).err()
    };
    for first in [0, 1_000, 1_001, u64::MAX] {
        assert_eq!(try_split(&mut town, &bob, first), Some(ProveError::Amount), "{first}");
    }
    assert_eq!(try_split(&mut town, &alice, 500), Some(ProveError::Inputs), "somebody else's note");
    town.day = Day::from_civil(2027, 5, 31).unwrap();
    assert_eq!(try_split(&mut town, &bob, 999), None, "the last day of the state's validity; the note has expired");
    town.day = Day::from_civil(2027, 6, 1).unwrap();
    assert_eq!(try_split(&mut town, &bob, 500), Some(ProveError::Inputs), "the state is not valid any more");
}

#[test]
fn a_payer_takes_an_unclaimed_note_back() {
    let (mut town, mut alice, bob) = two("refund");
    let meal = town.withdraw_for(&alice, 5_000 + FEE, MEALS);
    let paid = town.pay(&alice, [&meal], &bob, 5_000);
    let note = town.refundable(&paid, &alice);
    assert_eq!(note.note().nullifier(), town.receive(&paid, &bob).note.nullifier(), "the same note");
    assert!(!note.is_expired(TODAY.month().plus(town::MONTHS)) && note.is_expired(AFTER.month()));

    town.day = AFTER;
    let before = alice.state.nullifier();
    let coin = town.refund(&mut alice, &note, MEALS);
    assert_eq!(newest(&town).nullifiers().collect::<Vec<_>>(), [note.note().nullifier(), before]);
    assert_eq!((worth(&coin), coin.attributes().purpose()), (5_000, MEALS), "what it was paid with");
    assert_eq!(alice.state.attributes().received_on(AFTER), amount(5_000), "it counts as a receipt");
    assert_eq!(alice.state.attributes().received_in(AFTER.month()), amount(5_000));
    let own = written(&town, &alice);
    assert_eq!((own.kind, own.purpose, own.value_1, own.value_2), (Statement::Refund, MEALS, amount(5_000), amount(0)));
    let totals = [5_000u64.to_le_bytes(), 5_000u64.to_le_bytes()].concat();
    assert_eq!(own.aux, *[totals, vec![0; 16]].concat());

    // The coin and the state are good for more.
    let paid = town.pay(&alice, [&coin], &bob, 100);
    assert_eq!(worth(&paid.change), 5_000 - 100 - FEE);
    let other = town.note(&bob, &alice, 700);
    assert_eq!(worth(&town.claim(&mut alice, [&other], UNRESTRICTED)), 700);
    assert_eq!(alice.state.attributes().received_on(AFTER), amount(5_700));
}

fn try_refund(town: &mut Town, payer: &Dweller, note: &Refundable, rule: usize) -> Option<ProveError> {
    let (header, rule) = (town.header(), town.rules[rule].clone());
    refund::request(&header, &payer.keys, note, &payer.state, &rule, &mut town.rng).err()
}

#[test]
fn a_note_is_taken_back_in_time_under_its_rule_and_within_the_caps() {
    let (mut town, mut alice, bob) = two("refund refused");
    let paid = pay(&mut town, &alice, &bob, DAY_CAP);
    let note = town.refundable(&paid, &alice);
    town.day = Day::new(AFTER.get() - 1);
    assert_eq!(try_refund(&mut town, &alice, &note, 0), Some(ProveError::Inputs), "the last day of its expiry month");
    town.day = AFTER;
    assert_eq!(try_refund(&mut town, &alice, &note, 1), Some(ProveError::Inputs), "the rule of another purpose");
    assert_eq!(try_refund(&mut town, &alice, &note, 2), Some(ProveError::Inputs), "the rule of another class");
    assert_eq!(try_refund(&mut town, &alice, &note, 0), None);
    let small = town.note(&bob, &alice, 100);
    town.claim(&mut alice, [&small], UNRESTRICTED);
    assert_eq!(try_refund(&mut town, &alice, &note, 0), Some(ProveError::Amount), "no room today");
    town.day = Day::from_civil(2027, 6, 1).unwrap();
    assert_eq!(try_refund(&mut town, &alice, &note, 0), Some(ProveError::Inputs), "the state is not valid any more");

    // Who did not pay has nothing to take back.
    let (core, expiry) = (paid.transaction.core(), TODAY.month().plus(town::MONTHS));
    let refundable = |key, expiry, who: &Dweller| Refundable::paid(core, &paid.answer, key, expiry, &who.keys).is_ok();
    assert!(refundable(&town.key, expiry, &alice));
    assert!(!refundable(&town.key, expiry, &bob) && !refundable(&town.key, expiry.plus(1), &alice));
    assert!(!refundable(&Town::new("another issuer").key, expiry, &alice));
    let bytes = note.to_secret_bytes();
    assert_eq!(bytes.len(), 272);
    let mut other = bytes.to_vec();
    other[0] ^= 1;
    assert_eq!(Refundable::from_secret_bytes(&other).err(), Some(DecodeError::Field("refund secret")));
    for length in 0..bytes.len() {
        assert!(Refundable::from_secret_bytes(&bytes[..length]).is_err());
    }
}

#[test]
fn a_payer_splits_an_expired_note_above_the_cap() {
    let (mut town, mut alice, bob) = two("split expired");
    let paid = pay(&mut town, &alice, &bob, DAY_CAP + 300);
    let note = town.refundable(&paid, &alice);
    let try_split = |town: &mut Town, first: u64| {
        let header = town.header();
        split::request_expired(&header, &alice.keys, &note, amount(first), &mut town.rng).err()
    };
    town.day = Day::new(AFTER.get() - 1);
    assert_eq!(try_split(&mut town, 300), Some(ProveError::Inputs), "not expired");
    town.day = AFTER;
    for first in [0, DAY_CAP + 300, u64::MAX] {
        assert_eq!(try_split(&mut town, first), Some(ProveError::Amount), "{first}");
    }
    let [big, small] = town.split_expired(&alice, &note, DAY_CAP);
    assert_eq!(newest(&town).nullifiers().collect::<Vec<_>>(), [note.note().nullifier()]);
    let own = written(&town, &alice);
    assert_eq!((own.kind, own.purpose), (Statement::SplitExpired, UNRESTRICTED));
    assert_eq!((own.value_1, own.value_2), (amount(DAY_CAP), amount(300)));
    assert_eq!((own.expiry, own.aux), (Month::new(0), bob.identity.pid().to_bytes()));
    for part in [&big, &small] {
        assert_eq!(part.note().attributes().expiry(), note.note().attributes().expiry(), "it stays expired");
        assert_eq!((tag(part.note()), owner(part.note())), (tag(note.note()), owner(note.note())));
    }
    let [one, two] = town.split_expired(&alice, &small, 1);
    assert_eq!(worth(&town.refund(&mut alice, &big, UNRESTRICTED)), DAY_CAP);
    town.day = Day::new(AFTER.get() + 1);
    assert_eq!(worth(&town.refund(&mut alice, &one, UNRESTRICTED)), 1);
    let kept = Refundable::from_secret_bytes(&two.to_secret_bytes()).unwrap();
    assert_eq!(worth(&town.refund(&mut alice, &kept, UNRESTRICTED)), 299);
}

#[test]
fn a_state_is_renewed_under_a_grant() {
    let (mut town, alice, mut bob) = two("renew");
    let notes = [town.note(&alice, &bob, 700)];
    town.claim(&mut bob, &notes, UNRESTRICTED);
    town.day = Day::from_civil(2027, 6, 1).unwrap();
    let old = bob.state.nullifier();
    assert!(bob.state.attributes().validity() < town.day.month(), "a state of any age may be renewed");
    let (nonce, grant) = town.grant(&bob, 2, town.day.month().plus(6));
    town.renew(&mut bob, &nonce, &grant, 41);
    let core = newest(&town);
    assert_eq!(core.nullifiers().collect::<Vec<_>>(), [old]);
    assert_eq!((core.publics().grant, core.publics().class), (41, 2));
    let state = bob.state.attributes();
    assert_eq!((state.class(), state.validity()), (2, town.day.month().plus(6)));
    assert_eq!(state.received_on(TODAY), amount(700), "the counters stay");
    assert_eq!(state.received_in(TODAY.month()), amount(700));
    let own = written(&town, &bob);
    let totals = [700u64.to_le_bytes(), 700u64.to_le_bytes()].concat();
    let dates = [TODAY.get().to_le_bytes(), TODAY.month().get().to_le_bytes()].concat();
    assert_eq!((own.kind, own.purpose, own.value_1, own.value_2), (Statement::Renew, 0, amount(0), amount(0)));
    assert_eq!((own.expiry, own.aux.as_slice()), (Month::new(0), [totals, dates, vec![0; 8]].concat().as_slice()));

    // The new state works under the rule of its class.
    let notes = [town.note(&alice, &bob, 900)];
    assert_eq!(worth(&town.claim(&mut bob, &notes, UNRESTRICTED)), 900);
}

#[test]
fn a_grant_is_for_one_wallet_one_nonce_and_some_days() {
    let (mut town, alice, bob) = two("grant");
    let validity = town.day.month().plus(9);
    let (nonce, grant) = town.grant(&bob, CLASS, validity);
    let try_renew = |town: &mut Town, dweller: &Dweller, nonce: &Nonce, grant: &Grant| {
        let header = town.header();
        renew::request(&header, &dweller.keys, &dweller.state, nonce, grant, 1, &mut town.rng)
    };
    assert_eq!(try_renew(&mut town, &bob, &Nonce::new([1; 24]), &grant).err(), Some(ProveError::Inputs));
    assert_eq!(try_renew(&mut town, &alice, &nonce, &grant).err(), Some(ProveError::Inputs));
    let renewal = try_renew(&mut town, &bob, &nonce, &grant).unwrap();
    let core = renewal.core();
    assert!(grant.covers(core));
    for change in [
        |grant: &mut Grant| grant.class += 1,
        |grant: &mut Grant| grant.validity = grant.validity.plus(1),
        |grant: &mut Grant| grant.last_day = Day::new(TODAY.get() - 1),
    ] {
        let mut other = grant;
        change(&mut other);
        assert!(!other.covers(core));
    }
    let (_, other) = town.grant(&bob, CLASS, validity);
    assert!(!other.covers(core), "another P̂");
    town.day = Day::new(TODAY.get() + 7);
    assert!(try_renew(&mut town, &bob, &nonce, &grant).is_ok(), "the last day");
    town.day = Day::new(TODAY.get() + 8);
    assert_eq!(try_renew(&mut town, &bob, &nonce, &grant).err(), Some(ProveError::Inputs), "it has run out");

    let bytes = grant.to_bytes();
    assert_eq!(bytes.len(), 44);
    for length in 0..bytes.len() {
        assert!(Grant::from_bytes(&bytes[..length]).is_err());
        assert!(Entry::new(EntryKind::Grant, TODAY, bytes[..length].to_vec()).is_err());
    }
    assert!(Grant::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_grant_is_asked_for_by_the_wallet_of_the_identity() {
    let (mut town, alice, bob) = two("grant request");
    let nonce = Nonce::new([5; 24]);
    let request = GrantRequest::new(&bob.keys, &nonce, &bob.identity.pid(), TODAY, &mut town.rng);
    assert_eq!(request.day(), TODAY);
    assert_eq!(
        request.account().to_bytes(),
        GrantRequest::from_bytes(&request.to_bytes()).unwrap().account().to_bytes()
    );
    assert!(request.check(&bob.identity.pid()).is_ok());
    assert!(request.check(&alice.identity.pid()).is_err(), "another identity");
    let stranger = Identity::parse("mallory@bank.example").unwrap().pid();
    let other = GrantRequest::new(&alice.keys, &nonce, &stranger, TODAY, &mut town.rng);
    assert!(other.check(&stranger).is_ok() && other.check(&alice.identity.pid()).is_err());

    let bytes = request.to_bytes();
    assert_eq!(bytes.len(), 164);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let read = GrantRequest::from_bytes(&changed);
        assert!(read.is_err() || read.is_ok_and(|request| request.check(&bob.identity.pid()).is_err()), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(GrantRequest::from_bytes(&bytes[..length]).is_err());
    }
}

#[test]
fn only_the_wallet_itself_finishes() {
    let (mut town, mut alice, bob) = two("finish");
    let key = town.key.clone();
    let stranger = Town::new("another issuer").key;
    let last = |town: &Town| -> (Transaction, _) { town.log.last().unwrap().clone() };

    let note = town.note(&alice, &bob, 1_000);
    town.split(&bob, &note, 1);
    let (sent, answer) = last(&town);
    let pid = bob.identity.pid();
    assert!(split::finish(sent.core(), &answer, &key, &bob.keys, &pid).is_ok());
    assert!(split::finish(sent.core(), &answer, &key, &alice.keys, &pid).is_err());
    assert!(split::finish(sent.core(), &answer, &key, &bob.keys, &alice.identity.pid()).is_err());
    assert!(split::finish(sent.core(), &answer, &stranger, &bob.keys, &pid).is_err());

    let (paid, other) = (pay(&mut town, &alice, &bob, 500), pay(&mut town, &alice, &bob, 500));
    let [note, other] = [&paid, &other].map(|paid| town.refundable(paid, &alice));
    town.day = AFTER;
    town.split_expired(&alice, &note, 1);
    let (sent, answer) = last(&town);
    assert!(split::finish_expired(sent.core(), &answer, &key, &alice.keys, &note).is_ok());
    assert!(split::finish_expired(sent.core(), &answer, &key, &alice.keys, &other).is_err());
    assert!(split::finish_expired(sent.core(), &answer, &key, &bob.keys, &note).is_err());
    assert!(split::finish_expired(sent.core(), &answer, &stranger, &alice.keys, &note).is_err());
    assert!(split::finish(sent.core(), &answer, &key, &alice.keys, &pid).is_err());

    let old = claim_state(&mut town, &bob, &mut alice);
    town.refund(&mut alice, &other, UNRESTRICTED);
    let (sent, answer) = last(&town);
    assert!(refund::finish(sent.core(), &answer, &key, &alice.keys, old.attributes()).is_ok());
    assert!(refund::finish(sent.core(), &answer, &key, &bob.keys, bob.state.attributes()).is_err());
    assert!(refund::finish(sent.core(), &answer, &stranger, &alice.keys, old.attributes()).is_err());
    assert!(claim::finish(sent.core(), &answer, &key, &alice.keys, old.attributes()).is_err());

    let (nonce, grant) = town.grant(&bob, CLASS, town.day.month().plus(6));
    let header = town.header();
    let sent = renew::request(&header, &bob.keys, &bob.state, &nonce, &grant, 0, &mut town.rng).unwrap();
    let answer = town.answer(&sent);
    assert!(renew::finish(sent.core(), &answer, &key, &bob.keys, bob.state.attributes()).is_ok());
    assert!(renew::finish(sent.core(), &answer, &key, &bob.keys, alice.state.attributes()).is_err());
    assert!(renew::finish(sent.core(), &answer, &key, &alice.keys, alice.state.attributes()).is_err());
    assert!(renew::finish(sent.core(), &answer, &stranger, &bob.keys, bob.state.attributes()).is_err());
}

/// Moves a wallet on by a receipt, and returns the state it then has, a second time.
fn claim_state(
    town: &mut Town,
    payer: &Dweller,
    payee: &mut Dweller,
) -> Credential<farthing_ecash::wallet_state::WalletState> {
    let note = town.note(payer, payee, 100);
    town.claim(payee, [&note], UNRESTRICTED);
    Credential::<farthing_ecash::wallet_state::WalletState>::from_secret_bytes(&payee.state.to_secret_bytes()).unwrap()
}

/// Any flipped byte of a request, and any part of another, is refused.
#[test]
fn what_was_changed_on_the_way_is_refused() {
    let (mut town, mut alice, mut bob) = two("changed");
    let note = town.note(&alice, &bob, 1_000);
    town.split(&bob, &note, 1);
    let paid = pay(&mut town, &alice, &bob, 500);
    let note = town.refundable(&paid, &alice);
    town.day = AFTER;
    let [part, _] = town.split_expired(&alice, &note, 1);
    town.refund(&mut alice, &part, UNRESTRICTED);
    let (nonce, grant) = town.grant(&bob, CLASS, town.day.month().plus(6));
    town.renew(&mut bob, &nonce, &grant, 7);

    let sent: Vec<_> = town.log.iter().map(|(transaction, _)| transaction.clone()).collect();
    let statements = [Statement::Split, Statement::SplitExpired, Statement::Refund, Statement::Renew];
    for statement in statements {
        let bytes = sent.iter().rfind(|sent| sent.core().statement() == statement).unwrap().as_bytes().to_vec();
        let mut rng = town::Sequence::new("changed bytes");
        assert!(is_accepted(&town, &bytes, &mut rng));
        for at in (0..bytes.len()).step_by(37) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!is_accepted(&town, &changed, &mut rng), "{statement:?}, byte {at}");
        }
        assert!(!is_accepted(&town, &bytes[..bytes.len() - 1], &mut rng));
        assert!(!is_accepted(&town, &[bytes.as_slice(), &[0]].concat(), &mut rng));
    }
}
