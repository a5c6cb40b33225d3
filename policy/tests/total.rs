//! Any text yields a policy or mistakes whose places are inside the text; nothing panics.
#![allow(clippy::unwrap_used)]

use farthing_policy::Policy;
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../policy.example.toml");

/// Reads a text and checks what must hold of the outcome.
fn read(source: &str) -> Result<(), TestCaseError> {
    match Policy::parse(source) {
        Ok(policy) => {
            let body = policy.body(1);
            prop_assert_eq!(body.file(), source.as_bytes());
            prop_assert!(policy.minimum().get() >= 1);
            for class in policy.classes() {
                for purpose in policy.purposes().iter().map(|purpose| purpose.number()).chain([0]) {
                    let rules =
                        policy.rules().iter().filter(|rule| (rule.class, rule.purpose) == (class.number(), purpose));
                    prop_assert_eq!(rules.count(), 1, "class {} and purpose {}", class.number(), purpose);
                }
            }
        }
        Err(mistakes) => {
            prop_assert!(mistakes.count() > 0);
            let lines: Vec<&str> = source.split('\n').collect();
            let mut before = (0, 0);
            for mistake in &mistakes {
                let place = (mistake.line(), mistake.column());
                let line = lines.get(place.0 - 1);
                prop_assert!(line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&place.1)), "{mistake:?}");
                prop_assert!(before <= place);
                prop_assert!(!mistake.message().chars().any(char::is_control), "{mistake:?}");
                before = place;
            }
            let shown = mistakes.render("policy.toml", source);
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
            prop_assert_eq!(shown.matches("policy.toml:").count(), mistakes.iter().count());
        }
    }
    Ok(())
}

/// Text that means something in this language, so that random files get past the first line.
fn words() -> impl Strategy<Value = String> {
    let words = [
        "version",
        "timezone",
        "grace",
        "bucket_bits",
        "currency",
        "payment",
        "class",
        "purpose",
        "number",
        "name",
        "receive",
        "withdraw",
        "redeem",
        "accepts",
        "becomes",
        "per_day",
        "per_month",
        "fee",
        "minimum",
        "code",
        "exponent",
        "\"meal\"",
        "\"unrestricted\"",
        "\"unlimited\"",
        "\"10.00\"",
        "\"EUR\"",
        "\"10m\"",
        "1",
        "-1",
        "0x10",
        "1.5",
        "true",
        "1979-05-27",
        "=",
        "=",
        "=",
        ".",
        ",",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "\n",
        "\n",
        "\n",
        "#",
        "'",
        "\"",
        "\\",
        "é",
        "\u{202e}",
        "\r\n",
        "\t",
        "\0",
        "\u{feff}",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..120).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn any_text(source in any::<String>()) {
        read(&source)?;
    }

    #[test]
    fn any_words(source in words()) {
        read(&source)?;
    }

    /// The example with some stretches replaced by other text or by other stretches of the example.
    #[test]
    fn a_damaged_example(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, words(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let mut characters: Vec<char> = EXAMPLE.chars().collect();
        for (at, length, words, copied_from, copies) in edits {
            let from = at.index(characters.len().max(1)).min(characters.len());
            let to = (from + length).min(characters.len());
            let copy_at = copied_from.index(EXAMPLE.chars().count());
            let inserted: Vec<char> = if copies {
                EXAMPLE.chars().skip(copy_at).take(200).collect()
            } else {
                words.chars().take(20).collect()
            };
            characters.splice(from..to, inserted);
        }
        read(&characters.into_iter().collect::<String>())?;
    }

    /// One value or key of the example replaced: the commonest kind of mistake, which leaves it valid TOML.
    #[test]
    fn one_word_changed(at in any::<prop::sample::Index>(), word in words()) {
        let places: Vec<(usize, &str)> = EXAMPLE.match_indices('"').collect();
        let (start, _) = places[at.index(places.len() / 2) * 2];
        let end = EXAMPLE[start + 1..].find('"').unwrap() + start + 2;
        let word = word.split(' ').next().unwrap_or_default();
        read(&format!("{}{word}{}", &EXAMPLE[..start], &EXAMPLE[end..]))?;
    }
}

#[test]
fn deep_nesting_is_a_mistake_like_any_other() {
    for source in [
        "a = ".to_owned() + &"[".repeat(30_000),
        "a".to_owned() + &".a".repeat(15_000) + " = 1",
        "[[a]]\n".repeat(5_000),
    ] {
        read(&source).unwrap();
        assert!(Policy::parse(&source).is_err());
    }
}
