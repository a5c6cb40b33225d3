//! X-Wing (draft-connolly-cfrg-xwing-kem, HPKE KEM 0x647a) on the receiving side: a wallet expands its key once and then
//! tries every payment of the log, so this is over the fastest ML-KEM and X25519 at hand. Sealing, once per payment, is
//! left to the `hpke` crate, which is also the oracle of the tests.

use aws_lc_rs::{
    agreement::{self, UnparsedPublicKey, X25519, agree},
    kem::{self, Ciphertext, ML_KEM_768},
};
use ml_kem::MlKem768;
use sha3::{Digest, Sha3_256};
use shake::{ExtendableOutput, Shake256, Update, XofReader};
use zeroize::{Zeroize, Zeroizing};

use super::ENCAPSULATED_LENGTH;

/// Bytes of ML-KEM-768's ciphertext, which stands before X25519's public key.
const ML_KEM_CIPHERTEXT_LENGTH: usize = 1088;

/// `XWingLabel`
const LABEL: &[u8; 6] = br"\.//^\";

/// A wallet's private X-Wing key, expanded: what opens its notes.
pub struct OpeningKey {
    // Both are cleansed by the library that holds them when it frees them.
    ml_kem: kem::DecapsulationKey,
    x25519: agreement::PrivateKey,
    /// `pk_X`
    x25519_public: [u8; 32],
}

impl OpeningKey {
    /// Expands the 32 bytes of a private key (`expandDecapsulationKey`).
    #[must_use]
    pub fn new(private: &[u8; 32]) -> Self {
        let mut stream = Shake256::default().chain(private).finalize_xof();
        let (mut seed, mut x25519) = (ml_kem::Seed::default(), Zeroizing::new([0; 32]));
        stream.read(&mut seed);
        stream.read(x25519.as_mut());
        let x25519 = agreement::PrivateKey::from_private_key(&X25519, x25519.as_ref());
        let x25519 = x25519.expect("any 32 bytes are an X25519 key");
        let public = x25519.compute_public_key().expect("every X25519 key has a public key");
        let mut x25519_public = [0; 32];
        x25519_public.copy_from_slice(public.as_ref());
        let ml_kem = kem::DecapsulationKey::new(&ML_KEM_768, expand(&seed).as_ref());
        seed.as_mut_slice().zeroize();
        Self { ml_kem: ml_kem.expect("an expanded key has the right length"), x25519, x25519_public }
    }

    /// The shared secret in an encapsulated key. As X-Wing wants it, anything of the right length has one: ML-KEM rejects
    /// implicitly, and a point of small order gives X25519's zeros.
    pub(super) fn decapsulate(&self, encapsulated: &[u8; ENCAPSULATED_LENGTH]) -> Zeroizing<[u8; 32]> {
        let (ml_kem, x25519) = encapsulated.split_at(ML_KEM_CIPHERTEXT_LENGTH);
        let hash = Sha3_256::new();
        let ml_kem = self.ml_kem.decapsulate(Ciphertext::from(ml_kem));
        let hash =
            hash.chain_update(ml_kem.expect("the ciphertext has the right length and the key is valid").as_ref());
        // The library refuses an agreement that comes out as zeros, and nothing else of this length.
        let peer = UnparsedPublicKey::new(&X25519, x25519);
        let hash = agree(&self.x25519, peer, (), |shared| Ok(hash.clone().chain_update(shared)))
            .unwrap_or_else(|()| hash.chain_update([0; 32]));
        let mut shared = hash.chain_update(x25519).chain_update(self.x25519_public).chain_update(LABEL).finalize();
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&shared);
        shared.as_mut_slice().zeroize();
        secret
    }
}

/// The 2,400 bytes of FIPS 203's decapsulation key. Its author advises against the form, because it has to be validated
/// when it comes from elsewhere; this one is made here and goes to a library that takes no other.
#[allow(deprecated)]
fn expand(seed: &ml_kem::Seed) -> Zeroizing<[u8; 2400]> {
    use ml_kem::ExpandedKeyEncoding;
    let mut key = <MlKem768 as ml_kem::Kem>::DecapsulationKey::from_seed(*seed).to_expanded_bytes();
    let mut expanded = Zeroizing::new([0; 2400]);
    expanded.copy_from_slice(&key);
    key.as_mut_slice().zeroize();
    expanded
}
