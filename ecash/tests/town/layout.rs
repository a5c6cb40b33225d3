//! Where each field of a transaction stands, from the tables of `docs/WIRE.md` section 3 alone.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::ops::Range;

/// What the bytes of a field have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A version, a code.
    Code,
    /// A number of things.
    Count,
    /// Any bytes.
    Bytes,
    Point,
    Scalar,
    /// A scalar by which the inputs are ordered.
    Serial,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub form: Form,
    pub at: Range<usize>,
}

/// The fields of a request, in order. `n` is the number of coins or notes, `outputs` the number of commitments.
pub struct Layout {
    pub fields: Vec<Field>,
    pub core: usize,
}

/// How many bytes the values of a statement have in front of its commitments, by name.
fn publics(statement: &str) -> &'static [(&'static str, usize)] {
    match statement {
        "register" => &[("ek-commit", 32), ("nonce", 24)],
        "withdraw" => &[("amount", 8), ("purpose", 4), ("nonce", 24)],
        "pay" => &[("fee", 8), ("nonce", 24)],
        "claim" | "split" => &[("validity", 4), ("nonce", 24)],
        "redeem" => &[("amount", 8), ("nonce", 24)],
        "swap" => &[("nonce", 24)],
        "split-expired" => &[("expiry", 4), ("nonce", 24)],
        "refund" => &[("validity", 4), ("expiry", 4), ("nonce", 24)],
        "renew" => &[("validity", 4), ("class", 4), ("new-validity", 4), ("grant", 8), ("nonce", 24)],
        other => panic!("{other}"),
    }
}

impl Layout {
    /// Reads statement and counts off the request and everything else off the document.
    pub fn of(request: &[u8]) -> Self {
        let names =
            ["register", "withdraw", "pay", "claim", "redeem", "swap", "split", "split-expired", "refund", "renew"];
        let statement = names[usize::from(request[1]) - 1];
        let outputs = usize::from(request[2]);
        let count = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap()) as usize;
        let (coins, notes, wallets, rules) = (count(75), count(79), usize::from(request[83]), usize::from(request[84]));
        let mut layout = Self { fields: Vec::new(), core: 0 };
        for (name, form, length) in [
            ("version", Form::Code, 1),
            ("statement", Form::Code, 1),
            ("commitments", Form::Count, 1),
            ("key", Form::Bytes, 32),
            ("day", Form::Bytes, 4),
            ("epoch", Form::Bytes, 4),
            ("policy", Form::Bytes, 32),
            ("coins", Form::Count, 4),
            ("notes", Form::Count, 4),
            ("wallets", Form::Count, 1),
            ("rules", Form::Count, 1),
        ] {
            layout.push(name, form, length);
        }
        let kinds = [("coin", coins), ("note", notes), ("wallet", wallets), ("rule", rules)];
        for (kind, index) in kinds.into_iter().flat_map(|(kind, n)| (0..n).map(move |index| (kind, index))) {
            let name = |part: &str| format!("{kind} {index} {part}");
            layout.push(&name("in-key"), Form::Bytes, 32);
            if kind != "rule" && !(kind == "wallet" && statement == "split") {
                layout.push(&name("serial"), Form::Serial, 32);
            }
            for part in ["A'", "D", "Abar"] {
                layout.push(&name(part), Form::Point, 32);
            }
        }
        for (name, length) in publics(statement) {
            layout.push(name, Form::Bytes, *length);
        }
        for index in 0..outputs {
            layout.push(&format!("commitment {index}"), Form::Point, 32);
        }
        layout.push("ct-self", Form::Bytes, 73);
        if statement == "pay" {
            layout.push("ct-note", Form::Bytes, 1507);
            layout.push("bucket", Form::Bytes, 4);
        }
        layout.core = layout.end();

        let inputs = coins + notes + wallets + rules;
        let (degree, values) = match statement {
            "pay" | "split" | "split-expired" => (6, 2),
            "swap" if outputs == 2 => (6, 2),
            "redeem" => (6, 1),
            "claim" | "refund" => (1, 4),
            _ => (0, 0),
        };
        if values > 0 {
            layout.push("range degree", Form::Bytes, 1);
            (0..degree).for_each(|index| layout.push(&format!("range d {index}"), Form::Scalar, 32));
            ["A", "A1", "B"].iter().for_each(|name| layout.push(&format!("range {name}"), Form::Point, 32));
            ["r1", "s1"].iter().for_each(|name| layout.push(&format!("range {name}"), Form::Scalar, 32));
            for round in 0..(64 * values as u32).ilog2() {
                ["L", "R"].iter().for_each(|name| layout.push(&format!("range {name}{round}"), Form::Point, 32));
            }
        }
        // Two equations for every input, then the lines of the statement; secrets as section 6 prints them.
        let (lines, own) = match statement {
            "register" => (2, 5),
            "withdraw" => (2, 4),
            "pay" => (2, 2 + 7),
            "claim" => (12, 30),
            "redeem" => (2, 1 + 3),
            "swap" => (outputs, if outputs == 1 { 4 } else { 7 }),
            "split" => (2, 18),
            "split-expired" => (3, 9),
            "refund" => (13, 37),
            "renew" => (2, 11),
            other => panic!("{other}"),
        };
        let per_input = match statement {
            "claim" => 7 * notes + 6,
            "split" => 4 + 3,
            "split-expired" => 4,
            "refund" => 6,
            "renew" => 3,
            _ => 5 * coins,
        };
        (0..2 * inputs + lines).for_each(|index| layout.push(&format!("T {index}"), Form::Point, 32));
        (0..per_input + own).for_each(|index| layout.push(&format!("z {index}"), Form::Scalar, 32));
        layout
    }

    fn end(&self) -> usize {
        self.fields.last().map_or(0, |field| field.at.end)
    }

    fn push(&mut self, name: &str, form: Form, length: usize) {
        let start = self.end();
        self.fields.push(Field { name: name.to_owned(), form, at: start..start + length });
    }

    pub fn len(&self) -> usize {
        self.end()
    }

    pub fn field(&self, name: &str) -> &Field {
        self.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name}"))
    }
}
