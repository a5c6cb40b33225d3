//! What `policy diff` says: each field of the file, what is dangerous, what a running system refuses.
#![allow(clippy::unwrap_used, clippy::panic)]

use farthing_ecash::amount::Amount;
use farthing_policy::{Change, Changes, Policy, Value, Weight};

const OLD: &str = r#"
version = 1
timezone = "Europe/Luxembourg"
grace = "10m"
bucket_bits = 2
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "0.01"
minimum = "0.10"
expires_after_months = 2
[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "150.00" }
withdraw = { per_day = "100.00" }
redeem = { per_day = "50.00" }
[[class]]
number = 2
name = "grocer"
receive = { per_day = "5000.00", per_month = "unlimited" }
accepts = ["meal"]
[[purpose]]
number = 1
name = "meal"
becomes = "unrestricted"
[[purpose]]
number = 2
name = "book"
becomes = "book"
"#;

fn policy(source: &str) -> Policy {
    Policy::parse(source).unwrap_or_else(|mistakes| panic!("{}", mistakes.render("policy.toml", source)))
}

/// What changes when this piece of the file is replaced by that one.
fn changes(from: &str, to: &str) -> Changes {
    assert!(OLD.contains(from), "{from}");
    Changes::between(&policy(OLD), &policy(&OLD.replacen(from, to, 1)))
}

fn only(changes: &Changes) -> &Change {
    assert_eq!(changes.iter().count(), 1, "{changes}");
    changes.iter().next().unwrap()
}

/// Every key of a file, with another value, and what is said of it.
#[test]
fn every_field_is_told_in_words() {
    for (from, to, field, line) in [
        (
            "fee = \"0.01\"",
            "fee = \"0.02\"",
            "payment.fee",
            "everybody: the fee of a payment: raised from 0.01 EUR to 0.02 EUR",
        ),
        (
            "minimum = \"0.10\"",
            "minimum = \"0.05\"",
            "payment.minimum",
            "everybody: the smallest payment: lowered from 0.10 EUR to 0.05 EUR",
        ),
        (
            "months = 2",
            "months = 3",
            "payment.expires_after_months",
            "everybody: payments that nobody claims go back to their payers after 3 months, before 2; those made before keep their month",
        ),
        (
            "\"10m\"",
            "\"1m\"",
            "grace",
            "everybody: requests built for the policy before are welcome for 60 s after a change, before for 600 s",
        ),
        (
            "bucket_bits = 2",
            "bucket_bits = 0",
            "bucket_bits",
            "everybody: a payment names 0 bits of its payee for the payee to find it, before 2",
        ),
        (
            "\"10.00\"",
            "\"5.00\"",
            "receive.per_day",
            "class 1 person: each may receive in a day: lowered from 10.00 EUR to 5.00 EUR",
        ),
        (
            "\"150.00\"",
            "\"unlimited\"",
            "receive.per_month",
            "class 1 person: each may receive in a month: raised from 150.00 EUR to unlimited",
        ),
        (
            "\"100.00\"",
            "\"99.50\"",
            "withdraw.per_day",
            "class 1 person: each may withdraw in a day: lowered from 100.00 EUR to 99.50 EUR",
        ),
        (
            "redeem = { per_day = \"50.00\" }",
            "",
            "redeem.per_day",
            "class 1 person: each may redeem in a day: raised from 50.00 EUR to unlimited",
        ),
        ("[\"meal\"]", "[\"meal\", \"book\"]", "accepts", "class 2 grocer: may receive book money"),
        (
            "becomes = \"book\"",
            "becomes = \"meal\"",
            "purpose.becomes",
            "purpose 2 book: what is received from now on becomes meal, before book; what was received stays book",
        ),
    ] {
        let changes = changes(from, to);
        let change = only(&changes);
        assert_eq!((change.field, change.line().as_str(), &change.weight), (field, line, &Weight::Plain));
        assert!(change.old.is_some() || change.new.is_some());
    }
    let changes = changes("\"10.00\"", "\"5.00\"");
    let values = (Some(Value::Amount(Amount::new(1_000))), Some(Value::Amount(Amount::new(500))));
    assert_eq!((only(&changes).old.clone(), only(&changes).new.clone()), values);
}

#[test]
fn what_comes_new_is_told_with_all_that_it_may() {
    let shop = "[[class]]\nnumber = 3\nname = \"shop\"\nreceive = { per_day = \"7.00\", per_month = \"9.00\" }\naccepts = [\"gift\"]\n";
    let gift = "[[purpose]]\nnumber = 3\nname = \"gift\"\nbecomes = \"unrestricted\"\n";
    let changes = Changes::between(&policy(OLD), &policy(&format!("{OLD}{shop}{gift}")));
    assert_eq!(
        changes.to_string(),
        "class 3 shop\n  a new class: each may receive 7.00 EUR in a day, 9.00 EUR in a month; withdraw unlimited and redeem \
         unlimited in a day; accepts gift money\npurpose 3 gift\n  a new purpose: shop may receive it, and it becomes \
         unrestricted\n2 changes\n"
    );
}

#[test]
fn what_may_hurt_is_dangerous() {
    for (from, to, field, told) in [
        ("name = \"person\"", "name = \"human\"", "class.name", "right if human is only another name"),
        (
            "name = \"book\"\nbecomes = \"book\"",
            "name = \"read\"\nbecomes = \"read\"",
            "purpose.name",
            "may be spent on read",
        ),
        ("number = 1\nname = \"person\"", "number = 7\nname = \"person\"", "class", "wallets keep number 1"),
        ("[\"meal\"]", "[]", "accepts", "goes back to its payers"),
        ("\"10.00\", per_month = \"150.00\"", "\"0\", per_month = \"150.00\"", "receive.per_day", "cannot take back"),
        ("minimum = \"0.10\"", "minimum = \"1.00\"", "payment.minimum", "money below 1.00 EUR"),
        ("bucket_bits = 2", "bucket_bits = 5", "bucket_bits", "one in 8"),
        ("becomes = \"unrestricted\"", "becomes = \"book\"", "purpose.becomes", "cannot redeem it any more"),
    ] {
        let changes = changes(from, to);
        let (change, how) = changes.dangerous().next().unwrap_or_else(|| panic!("{from} → {to}: {changes}"));
        assert_eq!((change.field, changes.refusal()), (field, None));
        assert!(how.contains(told), "{how}");
        assert!(changes.to_string().contains(&format!("dangerous: {how}")));
    }
    // Two classes change places: everybody falls under the caps of the others.
    let swapped = OLD.replace("\"person\"", "\"x\"").replace("\"grocer\"", "\"person\"").replace("\"x\"", "\"grocer\"");
    let changes = Changes::between(&policy(OLD), &policy(&swapped));
    let how: Vec<_> = changes.dangerous().map(|(_, how)| how).collect();
    assert!(
        how.first().unwrap().contains("those of person fall under what is grocer now, and grocer was number 2 before")
    );
    assert_eq!(how.len(), 2);
}

#[test]
fn what_wallets_and_keys_hold_on_to_is_refused() {
    for (from, to, told) in [
        (
            "Europe/Luxembourg",
            "UTC",
            "everybody: the time zone in which days and months begin: Europe/Luxembourg becomes UTC: wallets hold on",
        ),
        ("\"EUR\"", "\"USD\"", "everybody: the currency: EUR becomes USD: it is part of every issuing key"),
        ("exponent = 2", "exponent = 3", "everybody: the decimals of the currency: 2 become 3"),
        (
            "[[purpose]]\nnumber = 2\nname = \"book\"\nbecomes = \"book\"\n",
            "",
            "purpose 2 book: there is no such purpose any more: money of it may be in wallets",
        ),
    ] {
        let refusal = changes(from, to).refusal().unwrap();
        assert!(refusal.starts_with(told), "{refusal}");
    }
}

#[test]
fn comments_and_order_change_nothing_for_anybody() {
    let same = Changes::between(&policy(OLD), &policy(OLD));
    assert!(same.is_empty() && same.is_same_text());
    assert_eq!(same.to_string(), "nothing changes: the files are the same\n");
    let commented = Changes::between(&policy(OLD), &policy(&format!("{OLD}# a comment\n")));
    assert!(commented.is_empty() && !commented.is_same_text());
    assert!(commented.to_string().contains("a new epoch all the same"));
}
