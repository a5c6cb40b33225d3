//! Logs in which a server has signed something that must not be there.

use std::sync::Arc;

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    entry::EntryKind,
    keys::{KeyDates, KeyRing, SigningKey},
    policy::UNRESTRICTED,
    replay::Fault,
    rule,
    statement::Statement,
    validity::ValidityCalendar,
};
use farthing_follower::{
    finding::{Finding, Wrong},
    log::Log,
    source::Fetched,
};
use farthing_service::clock::ManualClock;

use crate::{
    plan::{Plan, Writer, body, calendar, fetched, logged, story},
    served::World,
    town::{Sequence, TODAY, amount},
};

const fn transaction(statement: Statement) -> EntryKind {
    EntryKind::Transaction(statement)
}

async fn found(plan: &Plan) -> Finding {
    World::new(&plan.sign()).finding().await
}

fn payments(index: usize, what: Wrong) -> Finding {
    Finding::entry(Log::Payments, index as u64, what)
}

/// One altered bit in what was answered, in the core and in the proof of every transaction, signed as if it were right.
#[tokio::test]
async fn one_altered_byte_that_was_signed_is_named() {
    let story = story();
    for log in Log::ALL {
        for index in 0..story.clone().log(log).len() {
            let Fetched { entry, proof } = story.clone().log(log)[index].clone();
            if proof.is_empty() {
                continue;
            }
            for (part, at) in [(0, 60), (0, entry.len() / 2), (0, entry.len() - 40), (1, 70), (1, proof.len() - 20)] {
                let mut plan = story.clone();
                let altered = &mut plan.log(log)[index];
                [&mut altered.entry, &mut altered.proof][part][at] ^= 1;
                let finding = found(&plan).await;
                assert_eq!((finding.log, finding.place), (log, farthing_follower::finding::Place::Entry(index as u64)));
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_that_stands_twice_is_named() {
    let mut plan = story();
    let index = plan.find(Log::Issuance, transaction(Statement::Withdraw));
    let entry = plan.log(Log::Issuance)[index].clone();
    plan.insert(Log::Issuance, index + 1, entry);
    let wrong = Wrong::Repeated(index as u64);
    assert_eq!(found(&plan).await, Finding::entry(Log::Issuance, index as u64 + 1, wrong));
}

/// Two payments with the same coin: every proof in them holds.
#[tokio::test]
async fn a_double_spend_is_named() {
    let mut writer = Writer::new("twice");
    let alice = writer.town.register("alice@bank.example");
    let coin = writer.town.withdraw(&alice, 5_000);
    writer.town.pay(&alice, [&coin], &alice, 1_000);
    writer.town.pay(&alice, [&coin], &alice, 2_000);
    let plan = writer.end();
    let first = plan.find(Log::Payments, transaction(Statement::Pay));
    assert_eq!(found(&plan).await, payments(first + 1, Wrong::DoubleSpend(first as u64)));

    // And when the first was verified long before.
    let mut plan = plan;
    plan.cuts.insert(0, [plan.logs[0].len(), first + 1]);
    assert_eq!(found(&plan).await, payments(first + 1, Wrong::DoubleSpend(first as u64)));
}

#[tokio::test]
async fn rules_that_were_never_published_are_named() {
    let mut plan = story();
    let index = plan.find(Log::Payments, EntryKind::Rules);
    plan.remove(Log::Payments, index);
    let claim = plan.find(Log::Payments, transaction(Statement::Claim));
    assert_eq!(found(&plan).await, payments(claim, Wrong::RulesUnknown));

    // Rules of a policy that nobody has seen.
    let key = plan.signing_key();
    let signed = rule::sign_rules(&key, &body(4), &mut Sequence::new("secret"));
    plan.insert(Log::Payments, index, fetched(EntryKind::Rules, TODAY, signed.to_bytes(), &[]));
    assert_eq!(found(&plan).await, payments(index, Wrong::PolicyUnknown));

    // Rules under another key than the one they name, and rules published a second time.
    let mut other = story();
    let mut bytes = other.log(Log::Payments)[index].entry[5..].to_vec();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    other.log(Log::Payments)[index] = fetched(EntryKind::Rules, TODAY, bytes, &[]);
    assert_eq!(found(&other).await, payments(index, Wrong::Rules));
    let mut again = story();
    let rules = rule::sign_rules(&key, &body(3), &mut Sequence::new("again"));
    again.insert(Log::Payments, index + 1, fetched(EntryKind::Rules, TODAY, rules.to_bytes(), &[]));
    assert_eq!(found(&again).await, payments(index + 1, Wrong::Rules));
}

#[tokio::test]
async fn a_policy_that_was_never_published_is_named() {
    let mut plan = story();
    for kind in [EntryKind::Rules, EntryKind::Policy] {
        let index = plan.find(Log::Payments, kind);
        plan.remove(Log::Payments, index);
    }
    let pay = plan.find(Log::Payments, transaction(Statement::Pay));
    assert_eq!(found(&plan).await, payments(pay, Wrong::PolicyUnknown));

    // Epochs go up.
    let mut plan = story();
    plan.insert(Log::Payments, 1, fetched(EntryKind::Policy, TODAY, body(2).to_bytes(), &[]));
    assert_eq!(found(&plan).await, payments(1, Wrong::Epoch { before: 3, epoch: 2 }));
}

/// The answer to a payment is by a key that was never announced: whoever shows such coins is known again.
#[tokio::test]
async fn a_signature_under_another_key_is_named() {
    let tell = |name: &str| {
        let mut writer = Writer::new(name);
        let alice = writer.town.register("alice@bank.example");
        let coin = writer.town.withdraw(&alice, 5_000);
        writer.town.pay(&alice, [&coin], &alice, 1_000);
        writer
    };
    let (honest, tagging) = (tell("announced"), tell("tagging"));
    for statement in [Statement::Register, Statement::Withdraw, Statement::Pay] {
        let of = |writer: &Writer| {
            let found = writer.town.log.iter().find(|(it, _)| it.core().statement() == statement);
            found.unwrap().clone()
        };
        let ((sent, _), (_, answer)) = (of(&honest), of(&tagging));
        let log = if statement.is_for_issuer() { Log::Issuance } else { Log::Payments };
        let mut writer = tell("announced");
        writer.cut();
        let mut plan = writer.plan;
        let index = plan.find(log, transaction(statement));
        plan.log(log)[index] = logged(&sent, &answer, TODAY);
        let wrong = Wrong::Transaction(Fault::Answer);
        assert_eq!(found(&plan).await, Finding::entry(log, index as u64, wrong));
    }
    // Everything under a key that is not in the issuance log.
    let mut plan = honest.end();
    let key = tagging.town.key.to_bytes();
    plan.log(Log::Issuance)[0] = fetched(EntryKind::Key, TODAY, key, &[]);
    let finding = found(&plan).await;
    assert!(matches!(finding.what, Wrong::KeyUnknown(_)), "{finding}");
    assert_eq!(finding.place, farthing_follower::finding::Place::Entry(2));
}

/// The proof that inputs were under the published key is one under another key, or is not over all of them.
#[tokio::test]
async fn a_tagged_proof_over_inputs_is_named() {
    let plan = story();
    let honest = plan.sign();
    let tagging = Writer::new("tagging").town.signing_key().public().id();
    let checkpoint = |round: usize| honest.notes[1][round].checkpoint().clone();
    let (size, spent) = (checkpoint(1).size, checkpoint(1).spent.clone());
    let (key, inputs) = (spent[0].key, spent[0].inputs);
    let other = checkpoint(2).spent[0].proof.clone();
    let wrong = async |change: &dyn Fn(&mut farthing_ledger::checkpoint::Checkpoint)| {
        let change = |log: Log, checkpoint: &mut farthing_ledger::checkpoint::Checkpoint| {
            if log == Log::Payments && checkpoint.size == size {
                change(checkpoint);
            }
        };
        let world = World::new(&plan.sign_with(change));
        let finding = world.finding().await;
        assert_eq!(finding, Finding::checkpoint(Log::Payments, size, finding.what.clone()));
        // The checkpoint before says which inputs are meant, and the issuance checkpoint under which keys they may be.
        let kept = world.kept();
        for what in ["-before", "-issuance", "-signed", "-finding"] {
            assert!(kept.iter().any(|name| name.ends_with(what)), "{what}: {kept:?}");
        }
        finding.what
    };
    assert_eq!(wrong(&|it| it.spent[0].proof = other.clone()).await, Wrong::SpentProof(key));
    assert_eq!(wrong(&|it| it.spent.clear()).await, Wrong::SpentInputs { key, found: inputs, shown: 0 });
    let (found, shown) = (inputs, inputs - 1);
    assert_eq!(wrong(&|it| it.spent[0].inputs -= 1).await, Wrong::SpentInputs { key, found, shown });
    assert_eq!(
        wrong(&|it| it.spent[0].key = tagging).await,
        Wrong::SpentInputs { key: tagging, found: 0, shown: inputs }
    );
}

/// A coin that nobody paid for: somebody who has the issuing key made it.
#[tokio::test]
async fn one_coin_too_many_paid_out_is_named() {
    let mut writer = Writer::new("minted");
    let alice = writer.town.register("alice@bank.example");
    let coins = [writer.town.withdraw(&alice, 3_000), writer.town.withdraw(&alice, 1)];
    writer.town.redeem(&alice, &coins, 3_001);
    let mut plan = writer.end();
    World::new(&plan.sign()).follower().await.follow().await.unwrap();
    let second = plan.find(Log::Issuance, transaction(Statement::Withdraw)) + 1;
    plan.remove(Log::Issuance, second);
    let size = plan.logs[1].len() as u64;
    let wrong = Wrong::PaidOut { withdrawn: 3_000, redeemed: 3_001, fees: 0 };
    assert_eq!(found(&plan).await, Finding::checkpoint(Log::Payments, size, wrong));
}

/// The redeemer names an issuance log that the issuer has not signed, or an older one than before, or none.
#[tokio::test]
async fn the_issuance_checkpoint_has_to_be_right() {
    let mut plan = story();
    let first = plan.cuts[0][1] as u64;
    plan.named = Some(3);
    assert_eq!(found(&plan).await, Finding::checkpoint(Log::Payments, first, Wrong::IssuanceOther(3)));

    // Older than before. Nothing rests on what it lacks, so the entries are as they must be.
    let mut writer = Writer::new("older");
    let alice = writer.town.register("alice@bank.example");
    let coins = [1, 2, 3].map(|_| writer.town.withdraw(&alice, 5_000));
    for (coin, name) in coins.iter().zip(["bob", "carol", "dave"]) {
        writer.town.pay(&alice, [coin], &alice, 1_000);
        writer.cut();
        writer.town.register(&format!("{name}@bank.example"));
    }
    let plan = writer.plan;
    let older = plan.sign().notes[1][0].checkpoint().issuance;
    let last = plan.logs[1].len() as u64;
    let signed = plan.sign_with(|log, checkpoint| {
        if log == Log::Payments && checkpoint.size == last {
            checkpoint.issuance = older;
        }
    });
    let finding = World::new(&signed).finding().await;
    assert_eq!(finding, Finding::checkpoint(Log::Payments, last, Wrong::IssuanceGoesBack));

    // None. A policy alone rests on nothing; rules rest on a key, so there the entry is named before the checkpoint.
    let mut plan = story();
    let without = |plan: &Plan, size: u64| {
        plan.sign_with(|log, checkpoint| {
            if log == Log::Payments && checkpoint.size == size {
                checkpoint.issuance = None;
            }
        })
    };
    let finding = World::new(&without(&plan, first)).finding().await;
    assert_eq!((finding.log, finding.place), (Log::Payments, farthing_follower::finding::Place::Entry(1)));
    plan.cuts.insert(0, [2, 1]);
    let finding = World::new(&without(&plan, 1)).finding().await;
    assert_eq!(finding, Finding::checkpoint(Log::Payments, 1, Wrong::IssuanceMissing));
}

#[tokio::test]
async fn a_day_that_goes_back_is_named() {
    let with_day = |log: Log, index: usize, day: u32| {
        let mut plan = story();
        plan.log(log)[index].entry[1..5].copy_from_slice(&day.to_le_bytes());
        plan
    };
    let today = TODAY.get();
    let directory = story().find(Log::Issuance, EntryKind::Directory);
    let day = Day::new(today - 1);
    let wrong = Wrong::DayGoesBack { before: TODAY, day };
    assert_eq!(
        found(&with_day(Log::Issuance, directory, today - 1)).await,
        Finding::entry(Log::Issuance, directory as u64, wrong.clone())
    );
    let claim = story().find(Log::Payments, transaction(Statement::Claim));
    assert_eq!(found(&with_day(Log::Payments, claim, today - 1)).await, payments(claim, wrong));
    // A statement of neither the day nor the day before.
    let day = Day::new(today + 2);
    let wrong = Wrong::StatementDay { statement: TODAY, day };
    assert_eq!(found(&with_day(Log::Payments, claim, today + 2)).await, payments(claim, wrong));
    let late = with_day(Log::Payments, story().logs[1].len() - 1, today + 1);
    World::new(&late.sign()).follower().await.follow().await.unwrap();
}

/// A fee that is not the policy's, and a grant that was used already.
#[tokio::test]
async fn terms_and_grants_hold() {
    let mut writer = Writer::new("cheap");
    let published = writer.town.policy.clone();
    let mut terms = *published.terms();
    terms.fee = amount(4);
    let alice = writer.town.register("alice@bank.example");
    let coin = writer.town.withdraw_for(&alice, 5_000, UNRESTRICTED);
    // The statement names the published policy, and another fee is paid.
    let cheap = farthing_ecash::policy::PolicyBody::new(terms, published.rules().to_vec(), b"cheap".to_vec()).unwrap();
    let header = writer.town.header();
    let mut rng = Sequence::new("cheap");
    let key = alice.keys.encryption_key();
    let payment = crate::town::payment(&alice, &key, 1_000);
    let sent = farthing_ecash::pay::request(&header, &cheap, &alice.keys, [&coin], &payment, &mut rng).unwrap();
    writer.town.answer(&sent);
    let plan = writer.end();
    let pay = plan.find(Log::Payments, transaction(Statement::Pay));
    assert_eq!(found(&plan).await, payments(pay, Wrong::Fee { paid: 4, wanted: 5 }));

    let mut plan = story();
    let grant = plan.find(Log::Issuance, EntryKind::Grant);
    let renew = plan.find(Log::Payments, transaction(Statement::Renew));
    plan.remove(Log::Issuance, grant);
    assert_eq!(found(&plan).await, payments(renew, Wrong::GrantUnknown(grant as u64)));
    let mut plan = story();
    let at = plan.log(Log::Issuance)[grant].entry.len() - 4;
    plan.log(Log::Issuance)[grant].entry[at..].copy_from_slice(&(TODAY.get() + 8).to_le_bytes());
    assert_eq!(found(&plan).await, Finding::entry(Log::Issuance, grant as u64, Wrong::GrantTooLong));
    // A renewal into another class than was granted.
    let mut plan = story();
    let at = plan.log(Log::Issuance)[grant].entry.len() - 12;
    plan.log(Log::Issuance)[grant].entry[at] ^= 2;
    assert_eq!(found(&plan).await, payments(renew, Wrong::GrantOther));
}

/// A bucket that the policy does not have would mark a payment.
#[tokio::test]
async fn a_bucket_of_its_own_is_named() {
    let mut writer = Writer::new("bucket");
    let published = writer.town.policy.clone();
    let mut terms = *published.terms();
    terms.bucket_bits += 8;
    let wide = farthing_ecash::policy::PolicyBody::new(terms, published.rules().to_vec(), b"wide".to_vec()).unwrap();
    let alice = writer.town.register("alice@bank.example");
    let coin = writer.town.withdraw(&alice, 5_000);
    let (header, key) = (writer.town.header(), alice.keys.encryption_key());
    let payment = crate::town::payment(&alice, &key, 1_000);
    let mut rng = Sequence::new("wide");
    let sent = farthing_ecash::pay::request(&header, &wide, &alice.keys, [&coin], &payment, &mut rng).unwrap();
    writer.town.answer(&sent);
    let plan = writer.end();
    let pay = plan.find(Log::Payments, transaction(Statement::Pay));
    assert_eq!(found(&plan).await, payments(pay, Wrong::Bucket));
}

/// Sums of coins must not overflow.
#[tokio::test]
async fn too_much_money_is_named() {
    let mut writer = Writer::new("rich");
    let alice = writer.town.register("alice@bank.example");
    for _ in 0..2 {
        writer.town.withdraw(&alice, 1 << 62);
    }
    let plan = writer.end();
    let size = plan.logs[1].len() as u64;
    assert_eq!(found(&plan).await, Finding::checkpoint(Log::Payments, size, Wrong::TooMuch));
}

/// A policy is used after the grace of the one that has replaced it.
#[tokio::test]
async fn a_policy_that_was_replaced_long_ago_is_named() {
    let before = |days: u32| Day::new(TODAY.get() - days);
    let replaced = |days: u32| {
        let mut plan = story();
        for entry in &mut plan.log(Log::Payments)[..2] {
            entry.entry[1..5].copy_from_slice(&before(2).get().to_le_bytes());
        }
        plan.insert(Log::Payments, 2, fetched(EntryKind::Policy, before(days), body(4).to_bytes(), &[]));
        plan
    };
    World::new(&replaced(1).sign()).follower().await.follow().await.unwrap();
    let plan = replaced(2);
    let pay = plan.find(Log::Payments, transaction(Statement::Pay));
    let wrong = Wrong::PolicyReplaced { epoch: 3, since: before(2), day: TODAY };
    assert_eq!(found(&plan).await, payments(pay, wrong));
}

/// A key that has been announced before, and began later, is the one that signs: another one would tell wallets apart.
#[tokio::test]
async fn a_key_that_another_has_followed_is_named() {
    let days = |count: u32| Day::new(TODAY.get() - count);
    let mut dates = crate::town::dates();
    dates.first = days(1);
    let newer = SigningKey::generate(Currency::new("EUR", 6).unwrap(), dates, &mut Sequence::new("newer")).unwrap();
    let newer = newer.public();
    let announced = |day| {
        let mut plan = story();
        plan.log(Log::Issuance)[0].entry[1..5].copy_from_slice(&days(1).get().to_le_bytes());
        plan.insert(Log::Issuance, 1, fetched(EntryKind::Key, day, newer.to_bytes(), &[]));
        // The grant stands one entry later, so the story is told until before the renewal.
        let renew = plan.find(Log::Payments, transaction(Statement::Renew));
        plan.remove(Log::Payments, renew);
        plan
    };
    let key = story().signing_key().public().id();
    let register = announced(days(1)).find(Log::Issuance, transaction(Statement::Register));
    let wrong = Wrong::KeyNotCurrent { key, current: newer.id() };
    assert_eq!(found(&announced(days(1))).await, Finding::entry(Log::Issuance, register as u64, wrong));
    // On the day on which it is announced a server may not know it yet.
    World::new(&announced(TODAY).sign()).follower().await.follow().await.unwrap();
}

fn key_with(code: &str, dates: KeyDates) -> SigningKey {
    SigningKey::generate(Currency::new(code, 6).unwrap(), dates, &mut Sequence::new("another key")).unwrap()
}

/// An announcement that must not be there; two keys that begin together would part those who are shown the one from the others.
#[tokio::test]
async fn a_key_that_must_not_be_announced_is_named() {
    let own = story().signing_key().public().clone();
    let mut later = crate::town::dates();
    later.first = TODAY;
    for (key, wrong) in [
        (own.clone(), Wrong::KeyRepeated),
        (key_with("USD", later).public().clone(), Wrong::KeyCurrency),
        (key_with("EUR", crate::town::dates()).public().clone(), Wrong::KeyTogether(own.id())),
    ] {
        let mut plan = story();
        plan.insert(Log::Issuance, 1, fetched(EntryKind::Key, TODAY, key.to_bytes(), &[]));
        assert_eq!(found(&plan).await, Finding::entry(Log::Issuance, 1, wrong));
    }
    // Keys are announced in one log only.
    let mut plan = story();
    plan.insert(Log::Payments, 0, fetched(EntryKind::Key, TODAY, own.to_bytes(), &[]));
    assert_eq!(found(&plan).await, payments(0, Wrong::OtherLog));
}

/// A world in which it is this day.
fn world_on(plan: &Plan, day: Day) -> World {
    let mut world = World::new(&plan.sign());
    world.clock = Arc::new(ManualClock::new(86_400 * i64::from(day.get())));
    world
}

#[tokio::test]
async fn a_key_that_signs_too_late_is_named() {
    let (last, late) = (crate::town::dates().last_issue, Day::new(crate::town::dates().last_issue.get() + 1));
    let registered = |day: Day| {
        let mut writer = Writer::new("late");
        writer.town.day = day;
        writer.town.register("alice@bank.example");
        world_on(&writer.end(), late)
    };
    registered(last).follower().await.follow().await.unwrap();
    let key = Writer::new("late").town.key.id();
    assert_eq!(registered(late).finding().await, Finding::entry(Log::Issuance, 2, Wrong::KeyDoesNotSign(key)));
}

#[tokio::test]
async fn inputs_of_a_key_that_has_ended_are_named() {
    let dates = crate::town::dates();
    let until = dates.accept_until;
    let late = Day::new(until.get() + 1);
    let paid = |day: Day| {
        let mut writer = Writer::new("ended");
        let alice = writer.town.register("alice@bank.example");
        let coin = writer.town.withdraw(&alice, 5_000);
        writer.flush();
        let after = |days: u32| Day::new(dates.last_issue.get() + days);
        let next = KeyDates {
            first: dates.last_issue,
            last_issue: after(100),
            accept_until: after(200),
            exchange_until: after(300),
        };
        let next = key_with("EUR", next);
        writer.push(Log::Issuance, EntryKind::Key, next.public().to_bytes());
        writer.town.day = day;
        writer.town.key = next.public().clone();
        let own = SigningKey::from_secret_bytes(&writer.plan.key).unwrap();
        writer.town.ring = KeyRing::new([own, next]);
        writer.town.pay(&alice, [&coin], &alice, 1_000);
        world_on(&writer.end(), late)
    };
    paid(until).follower().await.follow().await.unwrap();
    let key = Writer::new("ended").town.key.id();
    assert_eq!(paid(late).finding().await, payments(2, Wrong::KeyExpired(key)));
}

/// A validity that only some wallets have would mark their claims.
#[tokio::test]
async fn a_validity_of_its_own_is_named() {
    let register = story().find(Log::Issuance, transaction(Statement::Register));
    let issuance = |index: usize, what| Finding::entry(Log::Issuance, index as u64, what);
    let published = calendar().validity(TODAY.month());

    let mut writer = Writer::new("marked");
    writer.town.register("alice@bank.example");
    writer.town.validity_of = |month| calendar().validity(month).plus(1);
    writer.town.register("bob@bank.example");
    let wrong = Wrong::Validity { found: published.plus(1), published };
    assert_eq!(found(&writer.end()).await, issuance(register + 1, wrong.clone()));

    // Nor does a grant give one.
    let mut plan = story();
    let grant = plan.find(Log::Issuance, EntryKind::Grant);
    let at = plan.log(Log::Issuance)[grant].entry.len() - 8;
    plan.log(Log::Issuance)[grant].entry[at..at + 4].copy_from_slice(&published.plus(1).get().to_le_bytes());
    assert_eq!(found(&plan).await, issuance(grant, wrong));

    // What is not published before counts for nobody.
    let mut plan = story();
    let index = plan.find(Log::Issuance, EntryKind::Calendar);
    let entry = plan.remove(Log::Issuance, index);
    assert_eq!(found(&plan).await, issuance(register - 1, Wrong::CalendarMissing));
    plan.insert(Log::Issuance, register, entry);
    assert_eq!(found(&plan).await, issuance(register - 1, Wrong::CalendarMissing));
}

/// A calendar that is changed within a month would give each wallet a validity of its own.
#[tokio::test]
async fn a_calendar_that_is_changed_within_a_month_does_not_count_in_it() {
    let other = ValidityCalendar::new(5).unwrap();
    let [ours, theirs] = [calendar(), other].map(|calendar| calendar.validity(TODAY.month()));
    assert_ne!(ours, theirs);
    let mut writer = Writer::new("flipped");
    let key = writer.town.key.to_bytes();
    writer.town.register("alice@bank.example");
    writer.flush();
    writer.push(Log::Issuance, EntryKind::Calendar, other.to_bytes());
    writer.town.register("bob@bank.example");
    writer.flush();
    // Nothing is wrong so far: bob's wallet is valid for as long as alice's. That of carol is not.
    let honest = writer.plan.logs[0].len();
    writer.town.validity_of = |month| ValidityCalendar::new(5).unwrap().validity(month);
    writer.town.register("carol@bank.example");
    let mut plan = writer.end();
    let named = |index: usize, wrong| Finding::entry(Log::Issuance, index as u64, wrong);
    let wrong = Wrong::Validity { found: theirs, published: ours };
    assert_eq!(found(&plan).await, named(honest, wrong.clone()));
    // Also when the follower has stopped in between.
    plan.cuts.insert(0, [honest, plan.logs[1].len()]);
    assert_eq!(found(&plan).await, named(honest, wrong));

    // One that stood there in the month before counts, from the first registration on.
    let earlier = farthing_ecash::calendar::Day::new(TODAY.get() - 31);
    plan.logs[0][0] = fetched(EntryKind::Key, earlier, key, &[]);
    plan.logs[0][1] = fetched(EntryKind::Calendar, earlier, calendar().to_bytes(), &[]);
    plan.insert(Log::Issuance, 2, fetched(EntryKind::Calendar, earlier, other.to_bytes(), &[]));
    plan.cuts.remove(0);
    assert_eq!(found(&plan).await, named(3, Wrong::Validity { found: ours, published: theirs }));
}
