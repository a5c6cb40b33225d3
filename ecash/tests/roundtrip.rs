//! Every transaction that a wallet can build, from request to answer, at the edges of what is allowed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/town.rs"]
mod town;

use farthing_ecash::{
    calendar::{Day, Month},
    claim,
    coin::Coin,
    credential::{Credential, issue::Answer},
    error::ProveError,
    identity::Identity,
    note::{self, Note, ReceiveError, SealedNote},
    pay,
    policy::{REFUND_ONLY, UNRESTRICTED},
    redeem, register,
    rule::Rule,
    seed::{Seed, WalletKeys},
    swap,
    transaction::{COINS_MAX, Transaction},
    wallet_state::WalletState,
    withdraw,
};
use proptest::prelude::*;
use town::{
    CLASS, DAY_CAP, Dweller, FEE, MEALS, MINIMUM, MONTHS, Paid, Sequence, TODAY, Town, amount, is_accepted, line,
    payment, terms, worth,
};

#[test]
fn money_goes_round() {
    let mut town = Town::new("round");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 20_000_000);
    let paid = town.pay(&alice, [&coin], &bob, 3_500_000);
    assert_eq!(worth(&paid.change), 20_000_000 - 3_500_000 - FEE);
    let received = town.receive(&paid, &bob);
    assert_eq!(received.memo.as_str(), "for the farthing cake");
    assert_eq!(received.note.attributes().value(), amount(3_500_000));
    assert_eq!(received.note.attributes().expiry(), TODAY.month().plus(MONTHS));
    let claimed = town.claim(&mut bob, [&received.note], UNRESTRICTED);
    assert_eq!(worth(&claimed), 3_500_000);
    let back = town.pay(&bob, [&claimed], &alice, 1_250_000);
    let halves = town.swap(&bob, [&back.change], Some(1));
    assert_eq!((worth(&halves[0]), worth(&halves[1])), (1, 3_500_000 - 1_250_000 - FEE - 1));
    let whole = town.swap(&bob, &halves, None);
    let rest = town.redeem(&bob, &whole, 2_000_000);
    assert_eq!(worth(&rest), 3_500_000 - 1_250_000 - FEE - 2_000_000);
}

/// Coins of 1 up to 16 of these values.
fn coins(town: &mut Town, dweller: &Dweller, values: impl IntoIterator<Item = u64>) -> Vec<Credential<Coin>> {
    values.into_iter().map(|value| town.withdraw(dweller, value)).collect()
}

#[test]
fn one_to_sixteen_coins_are_spent_together_and_no_more() {
    let mut town = Town::new("sixteen");
    let alice = town.register("alice@bank.example");
    let mut held = coins(&mut town, &alice, (1..=17).map(|n| 1000 * n));
    for n in [1, 2, 3, 7, 16] {
        let total: u64 = held[..n].iter().map(worth).sum();
        assert_eq!(worth(&town.pay(&alice, &held[..n], &alice, MINIMUM).change), total - MINIMUM - FEE);
        assert_eq!(worth(&town.redeem(&alice, &held[..n], total)), 0, "redeeming all leaves an empty coin");
        assert_eq!(worth(&town.swap(&alice, &held[..n], None)[0]), total);
        let two = town.swap(&alice, &held[..n], Some(total));
        assert_eq!((worth(&two[0]), worth(&two[1])), (total, 0));
    }
    let header = town.header();
    let mut rng = Sequence::new("too many");
    let all = swap::request(&header, &alice.keys, &held, None, &mut rng);
    assert_eq!(all.err(), Some(ProveError::Inputs), "17 coins");
    let none = swap::request(&header, &alice.keys, [], None, &mut rng);
    assert_eq!(none.err(), Some(ProveError::Inputs));
    let twice = swap::request(&header, &alice.keys, [&held[0], &held[0]], None, &mut rng);
    assert_eq!(twice.err(), Some(ProveError::Inputs));
    let more = swap::request(&header, &alice.keys, &held[..1], Some(amount(1001)), &mut rng);
    assert_eq!(more.err(), Some(ProveError::InsufficientFunds));
    let more = redeem::request(&header, &alice.keys, &held[..1], amount(1001), &mut rng);
    assert_eq!(more.err().unwrap(), ProveError::InsufficientFunds);
    let nothing = redeem::request(&header, &alice.keys, &held[..1], amount(0), &mut rng);
    assert_eq!(nothing.err().unwrap(), ProveError::Amount);
    held.push(town.withdraw_for(&alice, 1000, MEALS));
    let mixed = swap::request(&header, &alice.keys, [&held[0], &held[17]], None, &mut rng);
    assert_eq!(mixed.err(), Some(ProveError::Inputs), "two purposes");
    let restricted = redeem::request(&header, &alice.keys, &held[17..], amount(1), &mut rng);
    assert_eq!(restricted.err().unwrap(), ProveError::Inputs, "money for meals is not redeemed");
    assert_eq!(worth(&town.swap(&alice, &held[17..], Some(400))[1]), 600, "but it is swapped");
}

#[test]
fn payments_keep_to_the_terms_of_the_policy() {
    let mut town = Town::new("terms");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 1000);
    let key = bob.keys.encryption_key();
    let header = town.header();
    let mut pay = |value, coin| {
        let payment = payment(&bob, &key, value);
        pay::request(&header, &town.policy, &alice.keys, [coin], &payment, &mut town.rng)
    };
    assert_eq!(pay(MINIMUM - 1, &coin).err(), Some(ProveError::Amount));
    assert_eq!(pay(0, &coin).err(), Some(ProveError::Amount));
    assert_eq!(pay(1000 - FEE + 1, &coin).err(), Some(ProveError::InsufficientFunds));
    assert_eq!(pay(u64::MAX, &coin).err(), Some(ProveError::Overflow));
    assert!(pay(1000 - FEE, &coin).is_ok(), "no change is left");
    let smallest = pay(MINIMUM, &coin).unwrap();
    let mut rng = Sequence::new("verify");
    let verify = |minimum| smallest.clone().verify(&town.ring, amount(minimum), &mut rng).is_ok();
    assert_eq!(
        [MINIMUM - 1, MINIMUM, MINIMUM + 1].map(verify),
        [false, true, false],
        "the minimum is part of the proof"
    );

    let somebody = town.register("carol@bank.example");
    let payment = town::payment(&bob, &key, MINIMUM);
    let header = town.header();
    let stolen = pay::request(&header, &town.policy, &somebody.keys, [&coin], &payment, &mut town.rng);
    assert_eq!(stolen.err(), Some(ProveError::Witness), "a coin is spent with the secret of its wallet");
}

#[test]
fn the_largest_amounts_are_handled() {
    let huge = vec![line(CLASS, UNRESTRICTED, UNRESTRICTED, u64::MAX, u64::MAX)];
    let mut town = Town::with("largest", farthing_ecash::policy::PolicyTerms { fee: amount(0), ..terms() }, huge);
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let most = town.withdraw(&alice, u64::MAX);
    let paid = town.pay(&alice, [&most], &bob, u64::MAX);
    assert_eq!(worth(&paid.change), 0);
    let note = town.receive(&paid, &bob).note;
    assert_eq!(claim::room(bob.state.attributes(), town.rules[0].attributes(), TODAY), amount(u64::MAX));
    let coin = town.claim(&mut bob, [&note], UNRESTRICTED);
    assert_eq!(worth(&coin), u64::MAX);
    assert_eq!(claim::room(bob.state.attributes(), town.rules[0].attributes(), TODAY), amount(0));
    let one = town.withdraw(&bob, 1);
    let header = town.header();
    let sum = swap::request(&header, &bob.keys, [&coin, &one], None, &mut town.rng);
    assert_eq!(sum.err(), Some(ProveError::Overflow));
    let halves = town.swap(&bob, [&coin], Some(u64::MAX - 1));
    assert_eq!((worth(&halves[0]), worth(&halves[1])), (u64::MAX - 1, 1));
    assert_eq!(worth(&town.redeem(&bob, [&coin], u64::MAX)), 0);
    let nothing = withdraw::request(town.key.id(), TODAY, &bob.keys, amount(0), UNRESTRICTED, &mut town.rng);
    assert_eq!(nothing.err().unwrap(), ProveError::Amount);
    let refund = withdraw::request(town.key.id(), TODAY, &bob.keys, amount(1), REFUND_ONLY, &mut town.rng);
    assert_eq!(refund.err().unwrap(), ProveError::Amount);
}

fn try_claim(
    town: &mut Town,
    payee: &Dweller,
    notes: &[Credential<Note>],
    rule: usize,
) -> Result<Transaction, ProveError> {
    let header = town.header();
    claim::request(&header, &payee.keys, notes, &payee.state, &town.rules[rule], &mut town.rng)
}

#[test]
fn caps_hold_exactly() {
    let mut town = Town::new("caps");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let day_left =
        |bob: &Dweller, town: &Town| claim::room(bob.state.attributes(), town.rules[0].attributes(), town.day).get();
    let nearly = [town.note(&alice, &bob, DAY_CAP - 500)];
    town.claim(&mut bob, &nearly, UNRESTRICTED);
    assert_eq!(day_left(&bob, &town), 500);
    let over = [town.note(&alice, &bob, 501)];
    assert_eq!(try_claim(&mut town, &bob, &over, 0).err(), Some(ProveError::Amount), "one unit above the day's cap");
    let small = [town.note(&alice, &bob, 200), town.note(&alice, &bob, 301)];
    assert_eq!(try_claim(&mut town, &bob, &small, 0).err(), Some(ProveError::Amount), "split into small notes");
    let exact = [town.note(&alice, &bob, 200), town.note(&alice, &bob, 300)];
    town.claim(&mut bob, &exact, UNRESTRICTED);
    assert_eq!(day_left(&bob, &town), 0);
    town.day = Day::new(TODAY.get() + 1);
    assert_eq!(day_left(&bob, &town), DAY_CAP);
    town.claim(&mut bob, &over, UNRESTRICTED);
    assert_eq!(day_left(&bob, &town), DAY_CAP - 501, "the note above the day's cap was claimable the day after");
    town.day = TODAY;
    assert_eq!(day_left(&bob, &town), 0, "a day that has gone by has no room");
    assert_eq!(try_claim(&mut town, &bob, &small, 0).err(), Some(ProveError::Inputs), "the clock does not go back");
}

#[test]
fn the_months_cap_holds_exactly() {
    let month = DAY_CAP + 1000;
    let mut town = Town::with("month", terms(), vec![line(CLASS, UNRESTRICTED, UNRESTRICTED, DAY_CAP, month)]);
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let first = [town.note(&alice, &bob, DAY_CAP)];
    town.claim(&mut bob, &first, UNRESTRICTED);
    town.day = Day::new(TODAY.get() + 1);
    let over = [town.note(&alice, &bob, 1001)];
    assert_eq!(try_claim(&mut town, &bob, &over, 0).err(), Some(ProveError::Amount), "one unit above the month's cap");
    let exact = [town.note(&alice, &bob, 1000)];
    town.claim(&mut bob, &exact, UNRESTRICTED);
    town.day = Day::from_civil(2026, 12, 1).unwrap();
    town.claim(&mut bob, &over, UNRESTRICTED);
    assert_eq!(bob.state.attributes().received_in(Month::new(24_323)), amount(1001), "a new month begins");
}

#[test]
fn sixty_four_notes_become_one_coin() {
    let mut town = Town::new("sixty-four");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let mut notes: Vec<_> = (0..65).map(|n| town.note(&alice, &bob, 1000 + n)).collect();
    assert_eq!(try_claim(&mut town, &bob, &notes, 0).err(), Some(ProveError::Inputs), "65 notes");
    assert_eq!(try_claim(&mut town, &bob, &[], 0).err(), Some(ProveError::Inputs));
    let last = notes.pop().unwrap();
    let coin = town.claim(&mut bob, &notes, UNRESTRICTED);
    assert_eq!(worth(&coin), (0..64).map(|n| 1000 + n).sum::<u64>());
    let twice = [last, town.note(&alice, &bob, 5000)];
    let coin = town.claim(&mut bob, &twice, UNRESTRICTED);
    assert_eq!(worth(&coin), 1064 + 5000);
    let header = town.header();
    let repeated =
        claim::request(&header, &bob.keys, [&twice[0], &twice[0]], &bob.state, &town.rules[0], &mut town.rng);
    assert_eq!(repeated.err(), Some(ProveError::Inputs));
}

#[test]
fn purposes_are_kept_and_claimed_under_their_rule() {
    let mut town = Town::new("purposes");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let meal = town.withdraw_for(&alice, 5000, MEALS);
    let paid = town.pay(&alice, [&meal], &bob, 1000);
    assert_eq!(paid.change.attributes().purpose(), MEALS);
    let notes = [town.receive(&paid, &bob).note];
    assert_eq!(notes[0].attributes().purpose(), MEALS);
    assert_eq!(try_claim(&mut town, &bob, &notes, 0).err(), Some(ProveError::Inputs), "the rule of another purpose");
    assert_eq!(try_claim(&mut town, &bob, &notes, 2).err(), Some(ProveError::Inputs), "the rule of another class");
    let coin = town.claim(&mut bob, &notes, MEALS);
    assert_eq!(coin.attributes().purpose(), UNRESTRICTED);
    assert_eq!(bob.state.attributes().received_on(TODAY), amount(1000), "one pair of counters for all rules");
}

#[test]
fn notes_are_claimed_by_their_identity_in_time() {
    let mut town = Town::new("identity");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 5000);
    let paid = town.pay(&alice, [&coin], &bob, 1000);
    let receive = |who: &Dweller, expiry, pid: &Identity| {
        note::receive(paid.transaction.core(), &paid.answer, &town.key, expiry, &who.keys, &pid.pid()).err()
    };
    let expiry = town.expiry();
    assert_eq!(receive(&alice, expiry, &alice.identity), Some(ReceiveError::NotForThisWallet));
    assert_eq!(receive(&bob, expiry, &alice.identity), Some(ReceiveError::Invalid), "another identity's note");
    assert_eq!(receive(&bob, expiry.plus(1), &bob.identity), Some(ReceiveError::Invalid), "another expiry");
    let notes = [town.receive(&paid, &bob).note];
    assert_eq!(try_claim(&mut town, &alice, &notes, 0).err(), Some(ProveError::Inputs), "somebody else's note");
    town.day = Day::from_civil(2027, 5, 31).unwrap();
    assert!(try_claim(&mut town, &bob, &notes, 0).is_ok(), "the last day of the state's validity");
    town.day = Day::from_civil(2027, 6, 1).unwrap();
    assert_eq!(
        try_claim(&mut town, &bob, &notes, 0).err(),
        Some(ProveError::Inputs),
        "the state is not valid any more"
    );
}

/// A note is found in the bytes of the log without a point being read, whatever the number of coins.
#[test]
fn a_note_is_found_in_the_bytes_of_a_payment() {
    let mut town = Town::new("found");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let other = town.withdraw(&alice, 1000);
    let other = town.pay(&alice, [&other], &bob, 100);
    for coins in [1, 2, COINS_MAX] {
        let coins: Vec<_> = (0..coins).map(|n| town.withdraw(&alice, 1000 + u64::from(n))).collect();
        let paid = town.pay(&alice, &coins, &bob, 700);
        let core = paid.transaction.core_bytes();
        let logged = [core, &paid.answer.to_bytes()].concat();
        let sealed = SealedNote::find(&logged).unwrap();
        assert_eq!(sealed.open(&alice.keys).err(), Some(ReceiveError::NotForThisWallet));
        let opened = sealed.open(&bob.keys).ok().unwrap();
        let (expiry, pid) = (town.expiry(), bob.identity.pid());
        let check = |paid: &Paid| opened.check(paid.transaction.core(), &paid.answer, &town.key, expiry, &pid);
        let received = check(&paid).ok().unwrap();
        assert_eq!(received.note.attributes().value(), amount(700));
        let expected = town.receive(&paid, &bob).note;
        assert_eq!(received.note.to_secret_bytes(), expected.to_secret_bytes());
        assert_eq!(check(&other).err(), Some(ReceiveError::Invalid), "another payment's answer");

        // All but the bucket is needed; bytes that end before are no payment.
        for length in 0..core.len() - 4 {
            assert!(SealedNote::find(&core[..length]).is_none(), "{length} bytes");
        }
        for (at, wrong) in [(0, 2), (1, 4), (75, 17), (78, 0xff)] {
            let mut changed = logged.clone();
            changed[at] = wrong;
            assert!(SealedNote::find(&changed).is_none(), "byte {at}");
        }
    }
    let (withdrawn, _) = &town.log[2];
    assert!(SealedNote::find(withdrawn.core_bytes()).is_none());
}

#[test]
fn only_the_wallet_itself_finishes_and_only_its_own_answer() {
    let mut town = Town::new("finish");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 5000);
    let withdrawn = town.log.last().unwrap().clone();
    let paid = town.pay(&alice, [&coin], &bob, 1000);
    let note = town.receive(&paid, &bob).note;
    let (key, expiry) = (town.key.clone(), town.expiry());
    assert!(withdraw::finish(withdrawn.0.core(), &withdrawn.1, &key, &bob.keys).is_err());
    assert!(pay::finish(paid.transaction.core(), &paid.answer, &key, expiry, &bob.keys).is_err());
    assert!(pay::finish(paid.transaction.core(), &paid.answer, &key, expiry.plus(1), &alice.keys).is_err());
    assert!(pay::finish(paid.transaction.core(), &withdrawn.1, &key, expiry, &alice.keys).is_err());
    let other = Town::new("another issuer").key;
    assert!(pay::finish(paid.transaction.core(), &paid.answer, &other, expiry, &alice.keys).is_err());
    assert!(register::finish(town.log[0].0.core(), &town.log[0].1, &key, &alice.keys, &bob.identity).is_err());
    assert!(register::finish(town.log[0].0.core(), &town.log[1].1, &key, &alice.keys, &alice.identity).is_err());
    town.claim(&mut bob, [&note], UNRESTRICTED);
    let (claimed, answer) = town.log.last().unwrap();
    assert!(
        claim::finish(claimed.core(), answer, &key, &bob.keys, alice.state.attributes()).is_err(),
        "another wallet"
    );
    assert!(claim::finish(claimed.core(), answer, &key, &alice.keys, alice.state.attributes()).is_err());
    assert!(swap::finish(claimed.core(), answer, &key, &bob.keys).is_err());
    assert!(redeem::finish(claimed.core(), answer, &key, &bob.keys).is_err());
}

/// The same transaction signed twice is the same money, except for the proof about it.
#[test]
fn signing_again_gives_the_same_signatures() {
    let mut town = Town::new("again");
    let alice = town.register("alice@bank.example");
    let coin = town.withdraw(&alice, 5000);
    let first = town.swap(&alice, [&coin], Some(1000));
    let (transaction, answer) = town.log.last().unwrap().clone();
    let again = town.answer(&transaction);
    let signatures = 2 * 96;
    assert_eq!(again.to_bytes()[..signatures], answer.to_bytes()[..signatures]);
    assert_ne!(again.to_bytes()[signatures..], answer.to_bytes()[signatures..]);
    let second = swap::finish(transaction.core(), &again, &town.key, &alice.keys).unwrap();
    assert_eq!(first[0].to_secret_bytes(), second[0].to_secret_bytes());
    assert!(Answer::from_bytes(transaction.core(), &again.to_bytes()[1..]).is_err());
}

#[test]
fn credentials_are_stored_and_read_back() {
    let mut town = Town::new("stored");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let note = town.note(&alice, &bob, 1000);
    let stored = note.to_secret_bytes();
    assert_eq!(stored.len(), 240);
    let note = Credential::<Note>::from_secret_bytes(&stored).unwrap();
    bob.state = Credential::<WalletState>::from_secret_bytes(&bob.state.to_secret_bytes()).unwrap();
    let coin = town.claim(&mut bob, [&note], UNRESTRICTED);
    let coin = Credential::<Coin>::from_secret_bytes(&coin.to_secret_bytes()).unwrap();
    assert_eq!(worth(&town.redeem(&bob, [&coin], 1)), 999);
    let state = bob.state.to_secret_bytes();
    assert_eq!((state.len(), coin.to_secret_bytes().len()), (256, 204));
    for cut in 0..240 {
        assert!(Credential::<Note>::from_secret_bytes(&stored[..cut]).is_err());
    }
    assert!(Credential::<Coin>::from_secret_bytes(&stored).is_err());
}

/// A wallet's counters, as anybody would keep them.
#[derive(Default)]
struct Model {
    day: Option<Day>,
    today: u64,
    this_month: u64,
}

impl Model {
    fn receive(&mut self, day: Day, value: u64, rule: &Rule) -> Result<(), ProveError> {
        let same = self.day == Some(day);
        let same_month = self.day.is_some_and(|last| last.month() == day.month());
        if self.day.is_some_and(|last| day < last) {
            return Err(ProveError::Inputs);
        }
        let today = if same { self.today } else { 0 } + value;
        let this_month = if same_month { self.this_month } else { 0 } + value;
        if today > rule.line.day_cap.get() || this_month > rule.line.month_cap.get() {
            return Err(ProveError::Amount);
        }
        *self = Self { day: Some(day), today, this_month };
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Whatever days and amounts come, the wallet may receive what the model says, and its state says the same.
    #[test]
    fn counters_roll_over_as_the_model_says(steps in prop::collection::vec((0i64..40, 0u64..3, 1u64..600), 1..7)) {
        let rules = vec![line(CLASS, UNRESTRICTED, UNRESTRICTED, 1000, 1500)];
        let mut town = Town::with("model", terms(), rules);
        let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
        let mut model = Model::default();
        for (days, kind, value) in steps {
            let moved = match kind { 0 => 0, 1 => days, _ => -1 };
            town.day = Day::new(u32::try_from(i64::from(town.day.get()) + moved).unwrap());
            let notes = [town.note(&alice, &bob, value + MINIMUM)];
            let expected = model.receive(town.day, value + MINIMUM, town.rules[0].attributes());
            let built = try_claim(&mut town, &bob, &notes, 0);
            prop_assert_eq!(built.as_ref().err().copied(), expected.err());
            if built.is_ok() {
                town.claim(&mut bob, &notes, UNRESTRICTED);
                prop_assert_eq!(bob.state.attributes().received_on(town.day).get(), model.today);
                prop_assert_eq!(bob.state.attributes().received_in(town.day.month()).get(), model.this_month);
            }
        }
    }

    /// Coins of any values pay any amount that they hold, to the last unit.
    #[test]
    fn any_amount_is_paid_and_swapped(values in prop::collection::vec(1u64..u64::MAX / 4, 1..4), part in 0.0f64..=1.0) {
        let mut town = Town::new("any");
        let alice = town.register("alice@bank.example");
        let held = coins(&mut town, &alice, values.iter().map(|value| value + MINIMUM + FEE));
        let total: u64 = held.iter().map(worth).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let first = ((total as f64 * part) as u64).min(total);
        let outputs = town.swap(&alice, &held, Some(first));
        prop_assert_eq!((worth(&outputs[0]), worth(&outputs[1])), (first, total - first));
        let value = first.clamp(MINIMUM, total - FEE);
        let paid = town.pay(&alice, &held, &alice, value);
        prop_assert_eq!(worth(&paid.change), total - FEE - value);
        prop_assert_eq!(town.receive(&paid, &alice).note.attributes().value().get(), value);
        prop_assert_eq!(worth(&town.redeem(&alice, &held, total - first + 1 - u64::from(first == 0))), first.saturating_sub(1));
    }
}

/// One state shown twice is one serial: the second claim has the same nullifier, whatever else it has.
#[test]
fn two_copies_of_a_wallet_meet_at_the_nullifiers() {
    let mut town = Town::new("copies");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let notes = [town.note(&alice, &bob, DAY_CAP), town.note(&alice, &bob, DAY_CAP)];
    let one = try_claim(&mut town, &bob, &notes[..1], 0).unwrap();
    let other = try_claim(&mut town, &bob, &notes[1..], 0).unwrap();
    let mut rng = Sequence::new("copies");
    assert!(is_accepted(&town, one.as_bytes(), &mut rng) && is_accepted(&town, other.as_bytes(), &mut rng));
    let shared: Vec<_> =
        one.core().nullifiers().filter(|serial| other.core().nullifiers().any(|it| it == *serial)).collect();
    assert_eq!(shared, [bob.state.nullifier()]);
    assert_eq!(one.core().weight(), 1);
}

/// Two wallets of one seed at two issuers have nothing in common.
#[test]
fn a_wallet_of_another_issuer_owns_nothing_here() {
    let mut town = Town::new("two issuers");
    let seed = Seed::from_bytes([7; 64]);
    let (here, there) = (WalletKeys::new(&seed, "here.example"), WalletKeys::new(&seed, "there.example"));
    let state = town.register("alice@bank.example").state;
    let alice = Dweller { keys: here, identity: Identity::parse("alice@bank.example").unwrap(), state };
    let coin = town.withdraw(&alice, 5000);
    let header = town.header();
    assert_eq!(swap::request(&header, &there, [&coin], None, &mut town.rng).err(), Some(ProveError::Witness));
    assert!(swap::request(&header, &alice.keys, [&coin], None, &mut town.rng).is_ok());
}
