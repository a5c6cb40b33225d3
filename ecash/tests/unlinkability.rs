//! Whoever has both logs, all private parts and the issuing key tries to link what was spent to what was issued.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, non_snake_case)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/observer.rs"]
mod observer;
#[path = "town/town.rs"]
mod town;

use std::collections::HashSet;

use curve25519_dalek::Scalar;
use farthing_ecash::{coin::Coin, credential::Credential, policy::UNRESTRICTED, statement::Statement};
use observer::{Presented, fits, issued, issuing_key, point, presented, scalar, strings};
use town::{Dweller, FEE, MEALS, Town};

/// Two wallets whose money goes through everything that a wallet can do.
fn history() -> (Town, [Dweller; 2]) {
    let mut town = Town::new("unlinkability");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    for round in 0..4u64 {
        let coins = [town.withdraw(&alice, 20_000 + round), town.withdraw(&alice, 30_000 + round)];
        let paid = town.pay(&alice, &coins, &bob, 10_000 + round);
        let again = town.pay(&alice, [&paid.change], &bob, 5_000);
        let meal = town.withdraw_for(&alice, 1_000 + FEE, MEALS);
        let meal = town.pay(&alice, [&meal], &bob, 1_000);
        let notes = [town.receive(&paid, &bob).note, town.receive(&again, &bob).note];
        let coin = town.claim(&mut bob, &notes, UNRESTRICTED);
        let note = town.receive(&meal, &bob).note;
        let meal = town.claim(&mut bob, [&note], MEALS);
        let back = town.pay(&bob, [&coin], &alice, 700);
        let halves = town.swap(&bob, [&back.change, &meal], Some(1_234));
        town.redeem(&bob, &halves, 2_000);
    }
    (town, [alice, bob])
}

#[test]
fn nothing_issued_fits_anything_presented() {
    let (town, _) = history();
    let issued = issued(&town);
    let mut kinds = HashSet::new();
    let mut tried = 0;
    for (transaction, _) in &town.log {
        for shown in presented(transaction) {
            assert!(!issued.iter().any(|issued| fits(issued, &shown)), "a {} is linked", shown.kind);
            tried += issued.len();
            kinds.insert(shown.kind);
        }
    }
    let kinds: Vec<_> = ["coin", "note", "wallet", "rule"].into_iter().filter(|kind| kinds.contains(*kind)).collect();
    assert_eq!(kinds, ["coin", "note", "wallet", "rule"]);
    assert!(tried > 3_000);
}

/// The same search finds a presentation that was made with one randomiser only: `A' = r·A`, `D = r·B`.
#[test]
fn one_randomiser_would_be_found() {
    let (mut town, [alice, _]) = history();
    let coin: Credential<Coin> = town.withdraw(&alice, 5_000);
    let secret = coin.to_secret_bytes();
    let (A, e) = (point(&secret[32..64]), scalar(&secret[64..96]));
    let r = Scalar::from(1_234_567u32);
    let (a, D) = (A * r, A * (issuing_key(&town) + e) * r);
    let naive = Presented { kind: "coin".to_owned(), a, D, Abar: D - a * e };
    assert_eq!(naive.Abar, a * issuing_key(&town), "it would verify");
    let found: Vec<_> = issued(&town).into_iter().filter(|issued| fits(issued, &naive)).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].A == A && found[0].e == e, "and it is found to be this withdrawal's");
}

#[test]
fn no_eight_bytes_of_a_withdrawal_come_back() {
    let (town, _) = history();
    // Of the private parts the account key is known to the issuer in any case; b must not come back.
    let mut private = town.private.iter();
    let mut seen = Vec::new();
    for (transaction, answer) in &town.log {
        let statement = transaction.core().statement();
        let beside = match statement {
            Statement::Register | Statement::Withdraw | Statement::Redeem => private.next().unwrap().as_slice(),
            _ => &[],
        };
        let b = if beside.len() == 64 { &beside[32..] } else { &[][..] };
        seen.push((statement, strings(transaction, &[&answer.to_bytes(), b])));
    }
    assert!(private.next().is_none());
    let mut compared = 0;
    for (number, (statement, withdrawn)) in seen.iter().enumerate() {
        for (later, shown) in seen[number + 1..].iter().filter(|_| *statement == Statement::Withdraw) {
            assert!(withdrawn.is_disjoint(shown), "a withdrawal and a later {later:?} have a string in common");
            compared += 1;
        }
    }
    assert!(compared > 200);

    // The search does find what is shown twice: the serial of a coin spent in two transactions.
    let (mut town, [alice, _]) = history();
    let coin = town.withdraw(&alice, 5_000);
    town.swap(&alice, [&coin], None);
    town.swap(&alice, [&coin], None);
    let [.., (one, _), (two, _)] = town.log.as_slice() else { panic!() };
    assert!(!strings(one, &[]).is_disjoint(&strings(two, &[])));
}
