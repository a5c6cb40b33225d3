//! Whoever has both logs, all private parts and the issuing key tries to link what was spent to what was issued.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, non_snake_case)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/town.rs"]
mod town;

use std::collections::HashSet;

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};
use farthing_ecash::{
    coin::Coin, credential::Credential, policy::UNRESTRICTED, rule, statement::Statement, transaction::Transaction,
};
use layout::{Form, Layout};
use town::{Dweller, FEE, MEALS, Sequence, Town};

fn point(bytes: &[u8]) -> RistrettoPoint {
    CompressedRistretto::from_slice(bytes).unwrap().decompress().unwrap()
}

fn scalar(bytes: &[u8]) -> Scalar {
    Scalar::from_canonical_bytes(bytes.try_into().unwrap()).unwrap()
}

/// What the log says was issued: `A`, `e`, and with the key also `B = (x + e)·A`.
struct Issued {
    A: RistrettoPoint,
    e: Scalar,
    B: RistrettoPoint,
}

/// What the log says was presented.
struct Presented {
    kind: String,
    a: RistrettoPoint,
    D: RistrettoPoint,
    Abar: RistrettoPoint,
}

fn issuing_key(town: &Town) -> Scalar {
    let secret = town.signing_key().to_secret_bytes();
    scalar(&secret[secret.len() - 64..secret.len() - 32])
}

fn issued(town: &mut Town) -> Vec<Issued> {
    let x = issuing_key(town);
    let credential = |bytes: &[u8]| {
        let (A, e) = (point(&bytes[..32]), scalar(&bytes[32..64]));
        Issued { A, e, B: A * (x + e) }
    };
    let mut all = Vec::new();
    for (_, answer) in &town.log {
        let bytes = answer.to_bytes();
        all.extend(bytes[..(bytes.len() - 64) / 96 * 96].chunks(96).map(credential));
    }
    let mut rng = Sequence::new("rules are signed the same whoever signs");
    let rules = rule::sign_rules(town.signing_key(), &town.policy, &mut rng).to_bytes();
    all.extend(rules[68..rules.len() - 64].chunks(64).map(credential));
    all
}

fn presented(transaction: &Transaction) -> Vec<Presented> {
    let bytes = transaction.as_bytes();
    let layout = Layout::of(bytes);
    let at = |name: String| point(&bytes[layout.field(&name).at.clone()]);
    let first = layout.fields.iter().filter_map(|field| field.name.strip_suffix(" A'"));
    first
        .map(|input| Presented {
            kind: input.split(' ').next().unwrap().to_owned(),
            a: at(format!("{input} A'")),
            D: at(format!("{input} D")),
            Abar: at(format!("{input} Abar")),
        })
        .collect()
}

/// Whether a presentation can be told to be of this credential, by what is public or by what the key adds to it.
fn fits(issued: &Issued, shown: &Presented) -> bool {
    let Issued { A, e, B } = issued;
    let Presented { a, D, Abar, .. } = shown;
    let e_fits = D - Abar == a * e || D + Abar == a * e || Abar - D == a * e;
    e_fits || [A, B].into_iter().any(|point| point == a || point == D || point == Abar)
}

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
    let (mut town, _) = history();
    let issued = issued(&mut town);
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
    let found: Vec<_> = issued(&mut town).into_iter().filter(|issued| fits(issued, &naive)).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].A == A && found[0].e == e, "and it is found to be this withdrawal's");
}

/// All strings of eight bytes in what is neither a public parameter nor a public value.
fn strings(transaction: &Transaction, others: &[&[u8]]) -> HashSet<[u8; 8]> {
    let bytes = transaction.as_bytes();
    let public = ["fee", "amount", "purpose", "validity", "bucket", "range degree"];
    let mut runs = vec![Vec::new()];
    for field in Layout::of(bytes).fields {
        let header =
            field.at.start < 85 || field.name.ends_with("in-key") || matches!(field.form, Form::Code | Form::Count);
        if header || public.contains(&field.name.as_str()) {
            runs.push(Vec::new());
        } else {
            runs.last_mut().unwrap().extend_from_slice(&bytes[field.at]);
        }
    }
    runs.extend(others.iter().map(|bytes| bytes.to_vec()));
    runs.iter().flat_map(|run| run.windows(8)).map(|window| window.try_into().unwrap()).collect()
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
