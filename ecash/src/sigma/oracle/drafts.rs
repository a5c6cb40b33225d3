//! The second implementation's transactions with their secrets, so that they can be proved again, rightly and wrongly.

use curve25519_dalek::Scalar;
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde_json::Value as Json;

use crate::{
    amount::Amount,
    encoding::Point,
    error::VerificationFailure,
    keys::{KeyRing, SigningKey},
    params::Generator,
    policy::PolicyBody,
    range::{self, RangeOpening, RangeProof},
    sigma::{
        batch::Accumulator,
        oracle::plain::{Plain, sum},
        prove,
        relation::Relation,
        witness::{Secret, Witness},
    },
    statement::{self, Commitment, Ranges, Statement},
    transaction::{Bound, Core, Draft, Transaction},
    transcript::Transcript,
};

pub(super) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(super) fn hex(value: &Json) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn scalar(value: &Json) -> Scalar {
    Scalar::from_canonical_bytes(hex(value).try_into().unwrap()).unwrap()
}

pub(super) fn vectors() -> Json {
    serde_json::from_str(include_str!("../../../tests/vectors/reference.json")).unwrap()
}

/// The value of a secret by its printed name.
pub(super) fn value(witness: &Witness, name: &str) -> Scalar {
    witness.get(Secret::parse(name).unwrap()).unwrap_or_else(|_| panic!("no {name}"))
}

/// A scalar that is a number of 64 bits.
pub(super) fn number(scalar: Scalar) -> u64 {
    let bytes = scalar.to_bytes();
    assert_eq!(bytes[8..], [0; 24], "not a number of 64 bits");
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// The key and the least payment of the vectors.
pub(super) struct Bank {
    pub(super) ring: KeyRing,
    pub(super) x: Scalar,
    pub(super) minimum: Amount,
}

pub(super) fn bank() -> Bank {
    let vectors = vectors();
    let key = &vectors["key"];
    let mut bytes = vec![1, 3];
    bytes.extend_from_slice(key["currency"].as_str().unwrap().as_bytes());
    bytes.push(u8::try_from(key["exponent"].as_u64().unwrap()).unwrap());
    bytes.extend(hex(&key["X"]));
    for date in ["first_day", "last_issue", "accept_until", "exchange_until"] {
        bytes.extend(u32::try_from(key[date].as_u64().unwrap()).unwrap().to_le_bytes());
    }
    bytes.extend(hex(&key["x"]));
    bytes.extend(hex(&key["prf"]));
    let minimum = PolicyBody::from_bytes(&hex(&vectors["policy"]["bytes"])).unwrap().terms().minimum;
    Bank { ring: KeyRing::new([SigningKey::from_secret_bytes(&bytes).unwrap()]), x: scalar(&key["x"]), minimum }
}

/// All transactions of the vectors, unproved, with what they are printed as.
pub(super) fn drafts() -> Vec<(Json, Draft)> {
    let minimum = bank().minimum.get();
    let read = |vector: &Json| {
        let core = Transaction::from_bytes(&hex(&vector["request"])).unwrap().core().clone();
        let mut witness = Witness::default();
        for (name, value) in vector["witness_values"].as_object().unwrap() {
            witness.set(Secret::parse(name).unwrap_or_else(|| panic!("{name}")), scalar(value));
        }
        let openings = openings(&core, &witness, minimum);
        (vector.clone(), Draft { core, witness, openings })
    };
    vectors()["transactions"].as_array().unwrap().iter().map(read).collect()
}

/// The same values once more.
pub(super) fn copy(witness: &Witness) -> Witness {
    let mut copy = Witness::default();
    for secret in witness.secrets() {
        copy.set(secret, witness.get(secret).unwrap());
    }
    copy
}

/// The openings of the range column, from what the commitments have to hold.
pub(super) fn openings(core: &Core, witness: &Witness, minimum: u64) -> Vec<RangeOpening> {
    let plain = Plain { core, witness };
    let open = |name: Commitment| {
        let attributes = plain.opening(name);
        let of = |generator| attributes.iter().find(|(name, _)| *name == generator).map_or(Scalar::ZERO, |(_, v)| *v);
        let value = number(of(Generator::Value));
        let blind = of(Generator::Blind);
        let mut opening = match core.ranges() {
            Ranges::Counters(_) => RangeOpening::counter(value, blind),
            _ => RangeOpening::money(
                value,
                of(Generator::Owner),
                of(Generator::Serial),
                of(Generator::Purpose),
                of(Generator::Refund),
                blind,
            ),
        };
        opening.minimum = if name == Commitment::Note { minimum } else { 0 };
        opening
    };
    match core.ranges() {
        Ranges::None => Vec::new(),
        Ranges::Money(names) | Ranges::Counters(names) => names.iter().map(|name| open(*name)).collect(),
    }
}

/// Proves without checking the witness first, as a dishonest wallet would, under all equations or all but one.
pub(super) fn forge(draft: &Draft, without: Option<usize>) -> Transaction {
    let bound = bind(&draft.core, without);
    let range = prove_range(draft, &bound);
    respond(draft, bound, range)
}

/// The same with the range proof of another transaction, for want of one of its own: its openings are out of range.
pub(super) fn forge_with_range_of(draft: &Draft, other: &Draft) -> Transaction {
    let bound = bind(&draft.core, None);
    let range = prove_range(other, &bound);
    respond(draft, bound, range)
}

/// Whether the verifier is content with the equations, whatever it thinks of ranges.
pub(super) fn equations_hold(draft: &Draft, without: Option<usize>) -> bool {
    let transaction = respond(draft, bind(&draft.core, without), None);
    Accumulator::of_equations(&transaction, &mut rng()).unwrap().check().is_ok()
}

pub(super) fn bind(core: &Core, without: Option<usize>) -> Bound {
    let mut relation = statement::relation(core);
    without.map(|number| relation.equations.remove(number));
    Bound::bind(core, relation, Transcript::new("farthing/v1"))
}

pub(super) fn prove_range(draft: &Draft, bound: &Bound) -> Option<RangeProof> {
    let core = &draft.core;
    range::prove(core.ranges(), &bound.range_seed, &core.ranged(), &draft.openings, &mut rng()).unwrap()
}

pub(super) fn respond(draft: &Draft, bound: Bound, range: Option<RangeProof>) -> Transaction {
    let values = values(&bound.relation, &draft.witness);
    let proof = prove::respond(&draft.core, &bound, &values, range, &mut rng()).unwrap();
    Transaction::assemble(draft.core.clone(), proof, bound)
}

pub(super) fn values(relation: &Relation, witness: &Witness) -> Vec<Scalar> {
    relation.values(witness).unwrap().to_vec()
}

/// Sends the bytes to a verifier who knows nothing of how they were made.
pub(super) fn sent(transaction: &Transaction, bank: &Bank) -> Result<(), VerificationFailure> {
    let received = Transaction::from_bytes(transaction.as_bytes()).unwrap();
    received.verify(&bank.ring, bank.minimum, &mut rng()).map(drop)
}

/// The numbers of the equations that do not hold.
pub(super) fn broken(draft: &Draft) -> Vec<usize> {
    let relation = statement::relation(&draft.core);
    relation.broken(&draft.core.points().copied().collect::<Vec<_>>(), &values(&relation, &draft.witness)).unwrap()
}

/// The numbers of the lines that are false in plain arithmetic.
pub(super) fn false_lines(draft: &Draft) -> Vec<usize> {
    let lines = Plain { core: &draft.core, witness: &draft.witness }.lines();
    lines.iter().enumerate().filter(|(_, (_, holds))| !holds).map(|(number, _)| number).collect()
}

/// Presents a credential with the attributes that the witness claims, and `more` of one, signed by the bank.
pub(super) fn present(draft: &mut Draft, index: usize, x: Scalar, more: Option<(Generator, Scalar)>) {
    let mut attributes = Plain { core: &draft.core, witness: &draft.witness }.input(index);
    attributes.extend(more);
    let (r1, r2, e) = (Scalar::from(7u8), Scalar::from(11u8), Scalar::from(13u8));
    let input = &mut draft.core.inputs[index];
    let B = input.kind.base().point() + sum(&attributes);
    let A = B * (x + e).invert();
    let D = B * r2;
    (input.a, input.d) = (Point::new(A * (r1 * r2)), Point::new(D));
    input.abar = Point::new(D * r1 - input.a.point() * e);
    let at = u16::try_from(index).unwrap();
    draft.witness.set(Secret::R1(at), r1).set(Secret::R3(at), r2.invert()).set(Secret::E(at), e);
}

/// Sets every input and commitment to what the witness says, so that all lines hold that can.
pub(super) fn rebuild(draft: &mut Draft, x: Scalar) {
    for index in 0..draft.core.inputs.len() {
        present(draft, index, x, None);
    }
    let names = draft.core.statement().commitments(draft.core.commitments.len());
    let plain = Plain { core: &draft.core, witness: &draft.witness };
    let points: Vec<_> = names.iter().map(|name| Point::new(sum(&plain.opening(*name)))).collect();
    draft.core.commitments = points;
}

/// The place of a commitment.
pub(super) fn place(core: &Core, name: Commitment) -> usize {
    core.statement().commitments(core.commitments.len()).iter().position(|known| *known == name).unwrap()
}

/// Whether a statement moves the counters.
pub(super) fn receives(core: &Core) -> bool {
    matches!(core.statement(), Statement::Claim | Statement::Refund)
}
