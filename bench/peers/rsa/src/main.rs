//! blind-rsa-signatures: one token of one denomination.

#[path = "../../measure.rs"]
mod measure;

use blind_rsa_signatures::{DefaultRng, KeyPair, PSS, Randomized, Sha384};

fn main() {
    for bits in [2048, 3072] {
        let pair = KeyPair::<Sha384, PSS, Randomized>::generate(&mut DefaultRng, bits).unwrap();
        let blinded = pair.pk.blind(&mut DefaultRng, b"a token").unwrap();
        let signed = pair.sk.blind_sign(&blinded.blind_message).unwrap();
        let signature = pair.pk.finalize(&signed, &blinded, b"a token").unwrap();
        measure::print(&format!("rsa{bits}_sign_us"), || pair.sk.blind_sign(&blinded.blind_message).unwrap());
        measure::print(&format!("rsa{bits}_verify_us"), || {
            pair.pk.verify(&signature, blinded.msg_randomizer, b"a token").unwrap()
        });
    }
}
