//! What somebody sees who has both logs, all private parts and the issuing key, and the searches of such a one.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, non_snake_case)]

use std::collections::HashSet;

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};
use farthing_ecash::{credential::issue::Answer, rule, transaction::Transaction};

use crate::{
    layout::{Form, Layout},
    town::{Sequence, Town},
};

pub fn point(bytes: &[u8]) -> RistrettoPoint {
    CompressedRistretto::from_slice(bytes).unwrap().decompress().unwrap()
}

pub fn scalar(bytes: &[u8]) -> Scalar {
    Scalar::from_canonical_bytes(bytes.try_into().unwrap()).unwrap()
}

/// What the log says was issued: `A`, `e`, and with the key also `B = (x + e)·A`.
pub struct Issued {
    pub A: RistrettoPoint,
    pub e: Scalar,
    pub B: RistrettoPoint,
}

/// What the log says was presented.
pub struct Presented {
    pub kind: String,
    pub a: RistrettoPoint,
    pub D: RistrettoPoint,
    pub Abar: RistrettoPoint,
}

pub fn issuing_key(town: &Town) -> Scalar {
    let secret = town.signing_key().to_secret_bytes();
    scalar(&secret[secret.len() - 64..secret.len() - 32])
}

pub fn credential(bytes: &[u8], x: Scalar) -> Issued {
    let (A, e) = (point(&bytes[..32]), scalar(&bytes[32..64]));
    Issued { A, e, B: A * (x + e) }
}

/// What an answer issued.
pub fn issued_by(answer: &Answer, x: Scalar) -> Vec<Issued> {
    let bytes = answer.to_bytes();
    bytes[..(bytes.len() - 64) / 96 * 96].chunks(96).map(|bytes| credential(bytes, x)).collect()
}

/// Everything that was issued in a town, its rules included.
pub fn issued(town: &Town) -> Vec<Issued> {
    let x = issuing_key(town);
    let mut all: Vec<_> = town.log.iter().flat_map(|(_, answer)| issued_by(answer, x)).collect();
    let mut rng = Sequence::new("rules are signed the same whoever signs");
    let rules = rule::sign_rules(town.signing_key(), &town.policy, &mut rng).to_bytes();
    all.extend(rules[68..rules.len() - 64].chunks(64).map(|bytes| credential(bytes, x)));
    all
}

pub fn presented(transaction: &Transaction) -> Vec<Presented> {
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
pub fn fits(issued: &Issued, shown: &Presented) -> bool {
    let Issued { A, e, B } = issued;
    let Presented { a, D, Abar, .. } = shown;
    let e_fits = D - Abar == a * e || D + Abar == a * e || Abar - D == a * e;
    e_fits || [A, B].into_iter().any(|point| point == a || point == D || point == Abar)
}

/// All strings of eight bytes in what is neither a public parameter nor a public value.
pub fn strings(transaction: &Transaction, others: &[&[u8]]) -> HashSet<[u8; 8]> {
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
