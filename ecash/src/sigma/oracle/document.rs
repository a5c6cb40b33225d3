//! The names and labels of the code are those of the documents.

use crate::{
    credential::kinds::Kind,
    params::NAMES,
    sigma::oracle::drafts::drafts,
    statement::{self, Ranges, Statement},
    transaction::Draft,
};

const PROTOCOL: &str = include_str!("../../../../docs/PROTOCOL.md");
const WIRE: &str = include_str!("../../../../docs/WIRE.md");

/// How the code spells what the documents print with signs above.
fn spelled(name: &str) -> String {
    name.replace("P\u{302}", "P_hat")
        .replace(['\u{176}'], "Y_hat")
        .replace("Y\u{302}", "Y_hat")
        .replace(['\u{100}'], "A_bar")
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("{from} is not in the document")) + from.len();
    let rest = &text[start..];
    &rest[..rest.find(to).unwrap_or(rest.len())]
}

fn quoted(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The left sides of the equations in the indented lines of a statement's paragraph, left to right, top to bottom.
fn left_sides(heading: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in between(between(PROTOCOL, heading, "\n\n**"), "", "\n## ")
        .lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("    range: "))
    {
        let line = line.split("same day ⇒").next().unwrap();
        let words: Vec<_> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        let is_left = |three: &&[&str]| three[1] == "=" || three[1..] == ["the", "same"];
        found.extend(words.windows(3).filter(is_left).map(|three| spelled(three[0])));
    }
    found
}

fn names_of(draft: &Draft) -> Vec<String> {
    let relation = statement::relation(&draft.core);
    relation.equations.iter().map(|equation| equation.name.to_owned()).collect()
}

#[test]
fn equations_are_named_by_their_left_sides() {
    let presented: Vec<_> = between(PROTOCOL, "Two equations:\n\n", "\n\n").lines().map(str::trim).collect();
    assert!(spelled(presented[0]).starts_with("A_bar = ") && presented[1].starts_with("K_κ + "));
    assert!(PROTOCOL.contains("`F = ψ·G`"));
    for (_, draft) in drafts() {
        let spent = draft.core.inputs.len();
        let names = names_of(&draft);
        assert!(names[..2 * spent].chunks(2).all(|pair| pair == ["A_bar", "K"]));
        let and_f = |heading| [vec!["F".to_owned()], left_sides(heading)].concat();
        let expected = match draft.core.statement() {
            Statement::Register => left_sides("**Register**"),
            Statement::Withdraw => left_sides("**Withdraw**"),
            Statement::Pay => left_sides("**Pay**"),
            Statement::Claim => left_sides("**Claim**"),
            Statement::Redeem => left_sides("**Redeem**"),
            Statement::Swap if draft.core.commitments.len() == 1 => left_sides("**Swap**").split_off(2),
            Statement::Swap => left_sides("**Swap**")[..2].to_vec(),
            Statement::Split => left_sides("**SplitNote**"),
            Statement::SplitExpired => and_f("**SplitNote**"),
            Statement::Refund => and_f("**Claim**"),
            Statement::Renew => left_sides("**Renew**"),
        };
        assert_eq!(names[2 * spent..], expected, "{}", draft.core.statement().name());
    }
}

/// A cell of one of the tables from section 3 on: kinds of credential, statements.
fn cell(row: &str, column: usize) -> String {
    let line = between(PROTOCOL, "## 3. Credentials", "## 5.")
        .lines()
        .find(|line| line.starts_with(&format!("| {row} |")))
        .unwrap();
    spelled(line.split('|').nth(column).unwrap().trim())
}

fn list(cell: &str) -> Vec<String> {
    cell.split(", ").filter(|name| *name != "–").map(str::to_owned).collect()
}

#[test]
fn publics_and_commitments_are_those_of_the_table() {
    let split = "split / split-expired";
    let publics = cell(split, 2);
    let (payee, payer) = publics.split_once(" / ").unwrap();
    let claimed = list(&cell("claim", 3));
    for statement in Statement::ALL {
        let labels: Vec<_> = statement.publics().iter().map(|public| public.label().to_owned()).collect();
        let one = statement.commitments(1).iter().map(|name| name.label().to_owned()).collect::<Vec<_>>();
        let two = statement.commitments(2).iter().map(|name| name.label().to_owned()).collect::<Vec<_>>();
        let (expected, commitments) = match statement {
            Statement::Split => (list(payee), list(&cell(split, 3).replace("[F,] ", ""))),
            Statement::SplitExpired => (list(payer), list(&cell(split, 3).replace("[F,] ", "F, "))),
            Statement::Swap => (list(&cell("swap", 2)), list(&cell("swap", 3).replace(" [, C_2]", ", C_2"))),
            Statement::Refund => {
                assert_eq!(cell("refund", 3), "F, then as claim");
                (list(&cell("refund", 2)), [vec!["F".to_owned()], claimed.clone()].concat())
            }
            other => (list(&cell(other.name(), 2)), list(&cell(other.name(), 3))),
        };
        assert_eq!(labels, expected, "{}", statement.name());
        assert_eq!(two, commitments, "{}", statement.name());
        assert_eq!(one, if statement == Statement::Swap { vec!["C_1".to_owned()] } else { two.clone() });

        let row = match statement {
            Statement::Split | Statement::SplitExpired => split,
            other => other.name(),
        };
        let ranges = statement.ranges(two.len());
        let (degree, names) = match ranges {
            Ranges::None => ("–", &[][..]),
            Ranges::Money(names) => ("(6)", names),
            Ranges::Counters(names) => ("(1)", names),
        };
        let names: Vec<_> = names.iter().map(|name| name.label()).collect();
        match (statement, cell(row, 4).as_str()) {
            (Statement::Refund, "as claim") => assert_eq!(ranges, Statement::Claim.ranges(8)),
            (_, "both (6)" | "both, when two (6)") => {
                assert_eq!((degree, names.as_slice()), ("(6)", &["C_1", "C_2"][..]))
            }
            (_, range) => {
                assert!(range.ends_with(degree));
                let listed = range.replace(" with promise = minimum", "").replace("; ", ", ").replace(degree, "");
                assert_eq!(
                    names,
                    list(listed.trim()).iter().map(String::as_str).filter(|n| !n.is_empty()).collect::<Vec<_>>()
                );
            }
        }
    }
}

#[test]
fn transcript_labels_are_those_of_the_document() {
    let block = between(PROTOCOL, "Transcript (merlin), in this order:\n\n", "\n\n");
    let lines = block.lines().filter(|line| !line.contains("per public") && !line.contains("per commitment"));
    let documented: Vec<_> = quoted(&lines.collect::<Vec<_>>().join("\n"))
        .into_iter()
        .filter(|label| label != "farthing/v1" && label != "farthing/v1/range" && label != "seed")
        .collect();
    let (_, draft) = drafts().into_iter().find(|(_, draft)| draft.core.statement() == Statement::Pay).unwrap();
    let publics = draft.core.statement().publics().iter().map(|public| public.label());
    let own: Vec<_> = publics.chain(draft.core.statement().commitments(2).iter().map(|name| name.label())).collect();
    let mut labels = Vec::new();
    for message in draft.prove(&mut super::drafts::rng()).unwrap().transcript() {
        if message.label != "dom-sep" && !own.contains(&message.label) && !labels.contains(&message.label.to_owned()) {
            labels.push(message.label.to_owned());
        }
    }
    assert_eq!(labels, documented);
}

#[test]
fn numbers_and_codes_are_those_of_the_document() {
    let numbered = between(WIRE, "as \"structure\" and the key id use them: ", ". The hashed name").replace('\n', " ");
    let expected: Vec<_> = NAMES.iter().enumerate().map(|(number, name)| format!("{number} {name}")).collect();
    assert_eq!(numbered.split(", ").collect::<Vec<_>>(), expected);

    let codes = between(WIRE, "names and codes: ", ". \"inputs\"").replace('\n', " ");
    let expected: Vec<_> = Statement::ALL.iter().map(|one| format!("{} {}", one.name(), one.code())).collect();
    assert_eq!(codes.split(", ").collect::<Vec<_>>(), expected);

    let kinds = [(Kind::Coin, "coin"), (Kind::Note, "note"), (Kind::Wallet, "wallet"), (Kind::Rule, "rule")];
    let codes = between(WIRE, "in-kind: ", ". Labels").replace('\n', " ");
    assert_eq!(codes, kinds.map(|(kind, name)| format!("{} {name}", kind.code())).join(", "));
    for (kind, name) in kinds {
        let row = cell(name, 2);
        let attributes = row.split(", ").map(|attribute| attribute.split(' ').next().unwrap().to_owned());
        let expected = kind.attributes().iter().map(|generator| NAMES[usize::from(generator.number())].to_owned());
        assert_eq!(attributes.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{name}");
    }
}
