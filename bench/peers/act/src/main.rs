//! anonymous-credit-tokens: what a server does for a spend. The nullifier's look-up is left out.

#[path = "../../measure.rs"]
mod measure;

use anonymous_credit_tokens::{Params, PreIssuance, PrivateKey, SpendProof};
use curve25519_dalek::Scalar;
use rand_core::OsRng;

fn spend<const L: usize>(key: &str) {
    let params = Params::new("farthing", "bench", "peers", "2026-01-01");
    let private = PrivateKey::random(OsRng);
    let pre = PreIssuance::random(OsRng);
    let request = pre.request(&params, OsRng);
    let issued = private.issue::<L>(&params, &request, Scalar::from(1_000u64), Scalar::ZERO, OsRng).unwrap();
    let token = pre.to_credit_token::<L>(&params, private.public(), &request, &issued).unwrap();
    let (proof, _) = token.prove_spend::<L>(&params, Scalar::from(500u64), OsRng).unwrap();
    let bytes = proof.to_cbor().unwrap();
    measure::print(key, || {
        let proof = SpendProof::<L>::from_cbor(&bytes).unwrap();
        private.refund::<L>(&params, &proof, Scalar::ZERO, OsRng).unwrap().to_cbor().unwrap()
    });
}

fn main() {
    spend::<32>("act32_us");
    spend::<64>("act64_us");
}
