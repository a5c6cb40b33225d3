//! What the example file means, down to the bytes that are published for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use farthing_ecash::amount::Amount;
use farthing_ecash::policy::{PolicyBody, REFUND_ONLY, RuleLine, UNLIMITED};
use farthing_policy::Policy;

const EXAMPLE: &str = include_str!("../../policy.example.toml");
const EUR: u64 = 1_000_000;

fn rule(class: u32, purpose: u32, purpose_out: u32, day_cap: Amount, month_cap: Amount) -> RuleLine {
    RuleLine { class, purpose, purpose_out, day_cap, month_cap }
}

#[test]
fn the_example_is_what_its_comments_say() {
    let policy = Policy::parse(EXAMPLE).unwrap();
    assert_eq!(policy.time_zone(), "Europe/Luxembourg");
    assert_eq!(policy.grace_s(), 600);
    assert_eq!(policy.bucket_bits(), 0);
    assert_eq!((policy.currency().code(), policy.currency().exponent()), ("EUR", 6));
    assert_eq!((policy.fee(), policy.minimum()), (Amount::ZERO, Amount::new(100)));
    assert_eq!(policy.expires_after_months(), 2);

    let names: Vec<&str> = policy.classes().iter().map(|class| class.name()).collect();
    assert_eq!(names, ["person", "grocer", "charity"]);
    assert_eq!(policy.withdraw_cap(1), Some(Amount::new(100 * EUR)));
    assert_eq!(policy.redeem_cap(1), Some(Amount::new(100 * EUR)));
    assert_eq!((policy.withdraw_cap(2), policy.redeem_cap(3)), (Some(UNLIMITED), Some(UNLIMITED)));
    assert_eq!((policy.withdraw_cap(4), policy.redeem_cap(0)), (None, None));
    assert_eq!(policy.class_by_name("grocer").unwrap().accepts(), [1]);
    assert_eq!(policy.class(3).unwrap().receive_per_month(), UNLIMITED);
    assert!(policy.class_by_name("Person").is_none());
    assert_eq!(policy.purpose_by_name("meal").unwrap().becomes(), 0);
    assert_eq!(policy.purpose(1).unwrap().name(), "meal");
}

#[test]
fn every_class_can_take_every_purpose_back() {
    let policy = Policy::parse(EXAMPLE).unwrap();
    let person = (Amount::new(10 * EUR), Amount::new(150 * EUR));
    let grocer = (Amount::new(5_000 * EUR), Amount::new(100_000 * EUR));
    assert_eq!(
        policy.rules(),
        [
            rule(1, 0, 0, person.0, person.1),
            rule(1, 1, REFUND_ONLY, person.0, person.1),
            rule(2, 0, 0, grocer.0, grocer.1),
            rule(2, 1, 0, grocer.0, grocer.1),
            rule(3, 0, 0, UNLIMITED, UNLIMITED),
            rule(3, 1, REFUND_ONLY, UNLIMITED, UNLIMITED),
        ]
    );
}

#[test]
fn accepted_purposes_come_before_refund_only_ones() {
    let purposes = r#"
[[purpose]]
number = 7
name = "books"
becomes = "meal"
[[purpose]]
number = 8
name = "rent"
becomes = "rent"
"#;
    let source = EXAMPLE.replace("accepts = [\"meal\"]", "accepts = [\"rent\", \"meal\"]") + purposes;
    let policy = Policy::parse(&source).unwrap();
    let of_grocer: Vec<(u32, u32)> =
        policy.rules().iter().filter(|rule| rule.class == 2).map(|rule| (rule.purpose, rule.purpose_out)).collect();
    assert_eq!(of_grocer, [(0, 0), (8, 8), (1, 0), (7, REFUND_ONLY)]);
    assert_eq!(policy.purpose_by_name("books").unwrap().becomes(), 1);
}

/// The body field by field, as `docs/WIRE.md` section 5 lists them.
#[test]
fn the_body_is_laid_out_as_specified() {
    let policy = Policy::parse(EXAMPLE).unwrap();
    let mut expected = vec![1];
    expected.extend(9_u32.to_le_bytes());
    expected.extend(0_u64.to_le_bytes());
    expected.extend(100_u64.to_le_bytes());
    expected.extend(2_u32.to_le_bytes());
    expected.push(0);
    expected.extend(6_u32.to_le_bytes());
    for (class, purpose, purpose_out, day_cap, month_cap) in [
        (1_u32, 0_u32, 0_u32, 10 * EUR, 150 * EUR),
        (1, 1, u32::MAX, 10 * EUR, 150 * EUR),
        (2, 0, 0, 5_000 * EUR, 100_000 * EUR),
        (2, 1, 0, 5_000 * EUR, 100_000 * EUR),
        (3, 0, 0, u64::MAX, u64::MAX),
        (3, 1, u32::MAX, u64::MAX, u64::MAX),
    ] {
        expected.extend(class.to_le_bytes());
        expected.extend(purpose.to_le_bytes());
        expected.extend(purpose_out.to_le_bytes());
        expected.extend(day_cap.to_le_bytes());
        expected.extend(month_cap.to_le_bytes());
    }
    expected.extend(u32::try_from(EXAMPLE.len()).unwrap().to_le_bytes());
    expected.extend(EXAMPLE.as_bytes());
    assert_eq!(policy.body(9).to_bytes(), expected);
    assert_eq!(PolicyBody::from_bytes(&expected), Ok(policy.body(9)));
    assert_ne!(policy.body(9).hash(), policy.body(10).hash());
}

#[test]
fn what_may_be_left_out_has_a_default() {
    let source = EXAMPLE.replace("expires_after_months", "#");
    assert_eq!(Policy::parse(&source).unwrap().expires_after_months(), 2);
    let source = EXAMPLE.replace("version = 1", "version = 1\nbucket_bits = 16");
    assert_eq!(Policy::parse(&source).unwrap().bucket_bits(), 16);
    let source = EXAMPLE.replace("per_day = \"10.00\"", "per_day = \"unlimited\"");
    assert_eq!(Policy::parse(&source).unwrap().class(1).unwrap().receive_per_day(), UNLIMITED);
}

#[test]
fn lines_may_end_as_on_any_system() {
    let source = EXAMPLE.replace('\n', "\r\n");
    let policy = Policy::parse(&source).unwrap();
    assert_eq!(policy.body(0).file(), source.as_bytes());
    let mistakes = Policy::parse(&source.replace("\"EUR\"", "\"eur\"")).unwrap_err();
    let places: Vec<_> = mistakes.iter().map(|mistake| (mistake.line(), mistake.column())).collect();
    assert_eq!(places, [(14, 8)]);
}

/// The example with `classes` classes, which has one purpose.
fn with_classes(classes: usize) -> String {
    let more = (4..=classes).map(|n| {
        format!("[[class]]\nnumber = {n}\nname = \"c{n}\"\nreceive.per_day = \"1\"\nreceive.per_month = \"1\"\n")
    });
    EXAMPLE.to_owned() + &more.collect::<String>()
}

#[test]
fn two_hundred_and_fifty_six_rules_are_the_most() {
    let policy = Policy::parse(&with_classes(128)).unwrap();
    assert_eq!(policy.rules().len(), 256);
    assert_eq!(policy.body(1).rules().len(), 256);

    let source = with_classes(129);
    let mistakes = Policy::parse(&source).unwrap_err();
    let mistake = mistakes.iter().next().unwrap();
    assert_eq!(mistakes.count(), 1);
    assert!(mistake.message().contains("258 rules, at most 256"), "{}", mistake.message());
    let line_of_class_129 = source.lines().position(|line| line == "number = 129").unwrap();
    assert_eq!((mistake.line(), mistake.column()), (line_of_class_129, 1));
}

#[test]
fn a_file_is_at_most_32_768_bytes() {
    let padded = |length: usize| format!("{EXAMPLE}#{}\n", "x".repeat(length - EXAMPLE.len() - 2));
    let longest = padded(32_768);
    assert_eq!(Policy::parse(&longest).unwrap().body(1).file(), longest.as_bytes());
    let mistakes = Policy::parse(&padded(32_769)).unwrap_err();
    assert_eq!(mistakes.count(), 1);
    assert!(mistakes.to_string().contains("32769 bytes"), "{mistakes}");
}

#[test]
fn no_more_than_a_hundred_mistakes_are_shown() {
    let source = EXAMPLE.to_owned() + &(0..150).map(|n| format!("nonsense{n} = 1\n")).collect::<String>();
    let mistakes = Policy::parse(&source).unwrap_err();
    assert_eq!((mistakes.iter().count(), mistakes.count()), (100, 150));
    assert!(mistakes.render("p", &source).ends_with("… and 50 more\n150 mistakes in p\n"));
    assert!(mistakes.to_string().ends_with("(and 149 more)"));
}

#[test]
fn bytes_that_are_not_text_are_a_mistake_with_a_place() {
    assert_eq!(Policy::from_bytes(EXAMPLE.as_bytes()), Policy::parse(EXAMPLE));
    let latin_1 = b"version = 1\n# \xc3\xa9t\xe9\n";
    let mistakes = Policy::from_bytes(latin_1).unwrap_err();
    assert_eq!(mistakes.to_string(), "line 2, column 5: this is not UTF-8");
    let shown = mistakes.render("policy.toml", &String::from_utf8_lossy(latin_1));
    assert!(shown.contains("2 | # ét\u{fffd}\n    |     ^\n"), "{shown}");
}

/// The body among the second implementation's vectors is read as that implementation meant it, and written again.
#[test]
fn the_body_of_the_second_implementation_is_understood() {
    let hex = "010300000005000000000000006400000000000000020000000002000000010000000000000000000000809698000000000080d1f008000\
               00000020000000700000000000000ffffffffffffffffffffffffffffffff0c00000076657273696f6e203d20310a";
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let body = PolicyBody::from_bytes(&bytes).unwrap();
    assert_eq!((body.terms().epoch, body.terms().fee, body.terms().minimum), (3, Amount::new(5), Amount::new(100)));
    let person = (Amount::new(10 * EUR), Amount::new(150 * EUR));
    assert_eq!(body.rules(), [rule(1, 0, 0, person.0, person.1), rule(2, 7, 0, UNLIMITED, UNLIMITED)]);
    assert_eq!(body.file(), b"version = 1\n");
    assert_eq!(body.to_bytes(), bytes);
    let hash: String = body.hash().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "dccaf9d9d7c8bdde2b25667d4474bcf6b8591f7800659e2015bb08782e13cf41");
}
