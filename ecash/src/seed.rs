//! A wallet's secrets, all of them from one 24-word seed (`docs/PROTOCOL.md` section 8, `docs/WIRE.md` section 4).

use std::fmt;

use bip39::{Language, Mnemonic};
use curve25519_dalek::Scalar;
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    calendar::Day,
    seal::{EncryptionKey, OpeningKey},
};

/// How many words a phrase has: 256 bits of entropy.
const WORDS: usize = 24;

/// The 64-byte BIP-39 seed that everything of a wallet is derived from (English words, empty passphrase).
#[derive(ZeroizeOnDrop)]
pub struct Seed([u8; 64]);

/// A phrase that is not a seed. It holds no word, because the words are secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Not 24 words.
    #[error("the phrase has {found} words instead of {WORDS}")]
    WordCount {
        /// How many words there are.
        found: usize,
    },
    /// A word that is not in the BIP-39 English list.
    #[error("word {position} is not in the BIP-39 English word list; look for a spelling mistake")]
    UnknownWord {
        /// Its place in the phrase, 1 to 24.
        position: usize,
    },
    /// All words exist but do not belong together.
    #[error("the words do not fit together: one is wrong, or two have changed places")]
    Checksum,
}

impl Seed {
    /// Draws a fresh seed and answers it with the 24 words to write down.
    pub fn generate(rng: &mut impl CryptoRng) -> (Self, Zeroizing<String>) {
        let mut entropy = Zeroizing::new([0; WORDS / 3 * 4]);
        rng.fill_bytes(entropy.as_mut());
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy.as_ref()).expect("32 bytes are 24 words");
        // 24 words of at most 8 letters: the text never moves and leaves no copy behind.
        let mut phrase = Zeroizing::new(String::with_capacity(WORDS * 9));
        for word in mnemonic.words() {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        (Self(mnemonic.to_seed_normalized("")), phrase)
    }

    /// The seed of a phrase of 24 English words, in capitals or not, with any white space between them.
    ///
    /// # Errors
    /// [`SeedError`] says what is wrong with the phrase.
    pub fn from_phrase(phrase: &str) -> Result<Self, SeedError> {
        let found = phrase.split_whitespace().count();
        if found != WORDS {
            return Err(SeedError::WordCount { found });
        }
        let phrase = Zeroizing::new(phrase.to_ascii_lowercase());
        match Mnemonic::parse_in_normalized(Language::English, &phrase) {
            Ok(mnemonic) => Ok(Self(mnemonic.to_seed_normalized(""))),
            Err(bip39::Error::UnknownWord(index)) => Err(SeedError::UnknownWord { position: index + 1 }),
            Err(_) => Err(SeedError::Checksum),
        }
    }

    /// Wraps the 64 bytes of a stored seed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes, to be stored encrypted.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// The public 24 bytes of a transaction from which its output secrets follow; also the nonce of its self-ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 24]);

impl Nonce {
    /// Wraps 24 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// The 24 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The secrets of an output. All other masks come from the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputSecret {
    /// The wallet's part of the serial number: k, ρ or σ'.
    Serial,
    /// The blinding of the commitment.
    Blind,
    /// ψ of a payment's note.
    Refund,
    /// b, which hides the account.
    Account,
}

impl OutputSecret {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Serial => b"serial",
            Self::Blind => b"blind",
            Self::Refund => b"refund",
            Self::Account => b"account",
        }
    }
}

/// What a wallet derives from its seed for one issuer, named by its log origin, so that one seed shows nothing to two
/// issuers.
#[derive(ZeroizeOnDrop)]
pub struct WalletKeys {
    extracted: [u8; 64],
    owner: Scalar,
    kem: [u8; 32],
    /// `kem`, expanded. Cleanses itself.
    #[zeroize(skip)]
    opening: OpeningKey,
    self_key: [u8; 32],
}

impl WalletKeys {
    /// Derives the keys for the issuer whose issuance log has this origin, such as `issuer.example/farthing`.
    #[must_use]
    pub fn new(seed: &Seed, origin: &str) -> Self {
        let (mut prk, _) = Hkdf::<Sha512>::extract(None, &seed.0);
        let extracted = prk.into();
        prk.as_mut_slice().zeroize();
        let origin = origin.as_bytes();
        let kem = *expand(&extracted, &[b"kem", origin]);
        Self {
            extracted,
            owner: Scalar::from_bytes_mod_order_wide(&expand(&extracted, &[b"wallet", origin])),
            kem,
            opening: OpeningKey::new(&kem),
            self_key: *expand(&extracted, &[b"self", origin]),
        }
    }

    /// The X-Wing private key, for [`open_note`](crate::seal::open_note).
    #[must_use]
    pub const fn opening_key(&self) -> &OpeningKey {
        &self.opening
    }

    /// The public key to it, which the directory shows.
    #[must_use]
    pub fn encryption_key(&self) -> EncryptionKey {
        EncryptionKey::from_private(&self.kem)
    }

    /// The key of the self-ciphertexts, 32 bytes, for [`open_self`](crate::seal::open_self).
    #[must_use]
    pub const fn self_key(&self) -> &[u8; 32] {
        &self.self_key
    }

    /// A nonce for a new transaction that consumes inputs with these serials, in the order of the transaction. Fresh
    /// randomness keeps two copies of a wallet apart; the rest keeps the nonces apart if that randomness is bad.
    pub fn fresh_nonce(&self, rng: &mut impl CryptoRng, input_serials: &[[u8; 32]], day: Day) -> Nonce {
        let mut random = Zeroizing::new([0; 32]);
        rng.fill_bytes(random.as_mut());
        let day = day.get().to_le_bytes();
        let nonce = expand(&self.extracted, &[b"nonce", random.as_ref(), input_serials.as_flattened(), &day]);
        Nonce(*nonce)
    }

    /// The wallet secret `s`.
    pub(crate) const fn owner(&self) -> &Scalar {
        &self.owner
    }

    /// A secret of output `i` of the transaction with this nonce.
    pub(crate) fn output_secret(&self, nonce: &Nonce, i: u16, secret: OutputSecret) -> Scalar {
        let wide = expand(&self.extracted, &[b"out", &nonce.0, &i.to_le_bytes(), secret.name()]);
        Scalar::from_bytes_mod_order_wide(&wide)
    }
}

/// The first `N` ≤ 64 bytes of the HKDF-SHA-512 of the seed, of which this was extracted, with this info.
fn expand<const N: usize>(extracted: &[u8; 64], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let mut output = Zeroizing::new([0; N]);
    Hkdf::<Sha512>::from_prk(extracted)
        .expect("64 bytes are the length of a key")
        .expand_multi_info(info, output.as_mut())
        .expect("64 bytes are one block");
    output
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};
    use serde_json::Value;

    use super::*;

    /// Yields 0, 1, 2, … in place of randomness.
    struct Counter(u8);

    impl TryRng for Counter {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    impl TryCryptoRng for Counter {}

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/vectors/reference.json")).unwrap()
    }

    fn wallet(vectors: &Value, name: &str) -> WalletKeys {
        let wallet = &vectors["wallets"][name];
        let seed = Seed::from_bytes(unhex(wallet["seed"].as_str().unwrap()).try_into().unwrap());
        WalletKeys::new(&seed, wallet["origin"].as_str().unwrap())
    }

    #[test]
    fn wallet_keys_are_those_of_the_vectors() {
        let vectors = vectors();
        for name in ["alice", "bob"] {
            let keys = wallet(&vectors, name);
            assert_eq!(hex(keys.owner().as_bytes()), vectors["wallets"][name]["s"]);
            assert_eq!(hex(keys.self_key()), vectors["wallets"][name]["self"]);
        }
        let bob = wallet(&vectors, "bob");
        let transactions = vectors["transactions"].as_array().unwrap();
        for note in transactions.iter().filter_map(|transaction| transaction.get("note")) {
            assert_eq!(hex(&bob.kem), note["kem"]);
        }
        for (transaction, name) in transactions.iter().zip(["alice", "bob"]) {
            assert_eq!(hex(&wallet(&vectors, name).encryption_key().to_bytes()), transaction["private"]["ek"]);
        }
    }

    /// Which output and which secret each witness of the vectors is.
    #[test]
    fn output_secrets_are_the_witnesses_of_the_vectors() {
        use OutputSecret::{Account, Blind, Serial};
        let vectors = vectors();
        for transaction in vectors["transactions"].as_array().unwrap() {
            let secrets: &[(&str, u16, OutputSecret)] = match transaction["statement"].as_str().unwrap() {
                "register" => &[("sigma", 0, Serial), ("t", 0, Blind), ("b", 0, Account)],
                "withdraw" | "redeem" => &[("k", 0, Serial), ("t", 0, Blind), ("b", 0, Account)],
                "pay" => &[("k", 0, Serial), ("t1", 0, Blind), ("rho", 1, Serial), ("t2", 1, Blind)],
                "claim" | "refund" => &[("k", 0, Serial), ("t1", 0, Blind), ("sigma", 1, Serial), ("t2", 1, Blind)],
                "swap" if transaction["witness_values"].get("k2").is_none() => &[("k1", 0, Serial), ("t1", 0, Blind)],
                "swap" => &[("k1", 0, Serial), ("t1", 0, Blind), ("k2", 1, Serial), ("t2", 1, Blind)],
                "split" | "split-expired" => {
                    &[("rho1", 0, Serial), ("t1", 0, Blind), ("rho2", 1, Serial), ("t2", 1, Blind)]
                }
                "renew" => &[("sigma", 0, Serial), ("t2", 0, Blind), ("b", 0, Account)],
                other => panic!("unknown statement {other}"),
            };
            let entries = transaction["transcript"].as_array().unwrap();
            let nonce = entries.iter().find(|entry| entry[0] == "nonce").unwrap()[1].as_str().unwrap();
            let nonce = Nonce::new(unhex(nonce).try_into().unwrap());
            // The vectors do not say which of the two wallets made it; its first secret does.
            let keys = ["alice", "bob"].map(|name| wallet(&vectors, name)).into_iter().find(|keys| {
                let (witness, i, secret) = secrets[0];
                transaction["witness_values"][witness] == hex(keys.output_secret(&nonce, i, secret).as_bytes())
            });
            let keys = keys.expect("one of the wallets made it");
            for (witness, i, secret) in secrets {
                let value = keys.output_secret(&nonce, *i, *secret);
                assert_eq!(transaction["witness_values"][witness], hex(value.as_bytes()), "{witness}");
            }
        }
    }

    /// f of every payment is the hash of ψ·G with ψ = (1, "refund").
    #[test]
    fn the_refund_secret_is_that_of_output_1() {
        use sha2::Digest;
        let vectors = vectors();
        let alice = wallet(&vectors, "alice");
        let payments = vectors["transactions"].as_array().unwrap().iter().filter(|one| one["statement"] == "pay");
        for payment in payments {
            let entries = payment["transcript"].as_array().unwrap();
            let nonce = entries.iter().find(|entry| entry[0] == "nonce").unwrap()[1].as_str().unwrap();
            let psi = alice.output_secret(&Nonce::new(unhex(nonce).try_into().unwrap()), 1, OutputSecret::Refund);
            let F = curve25519_dalek::RistrettoPoint::mul_base(&psi).compress();
            let hash = Sha512::new().chain_update(b"farthing/v1/refund").chain_update(F.as_bytes()).finalize();
            let f = Scalar::from_bytes_mod_order_wide(&hash.into());
            assert_eq!(payment["witness_values"]["f"], hex(f.as_bytes()));
        }
    }

    /// Nonces computed with another program.
    #[test]
    fn a_nonce_depends_on_randomness_serials_and_day() {
        let alice = wallet(&vectors(), "alice");
        let nonce = alice.fresh_nonce(&mut Counter(0), &[[1; 32], [2; 32]], Day::new(20777));
        assert_eq!(format!("{nonce:?}"), "7d517cba80625bd39787bf117cca34a358bfaae479666d6f");
        let nonce = alice.fresh_nonce(&mut Counter(0), &[], Day::new(20777));
        assert_eq!(format!("{nonce:?}"), "f02dd24c361afdfd6f3870e81e75f5e69759c0546cb74412");
        assert_ne!(alice.fresh_nonce(&mut Counter(1), &[], Day::new(20777)), nonce);
        assert_ne!(alice.fresh_nonce(&mut Counter(0), &[], Day::new(20778)), nonce);
    }

    #[test]
    fn another_issuer_sees_other_keys_but_the_same_output_secrets() {
        let seed = Seed::from_bytes([7; 64]);
        let (one, two) = (WalletKeys::new(&seed, "one.example"), WalletKeys::new(&seed, "two.example"));
        assert_ne!(one.owner(), two.owner());
        assert_ne!(one.kem, two.kem);
        assert_ne!(one.self_key(), two.self_key());
        let nonce = Nonce::new([9; 24]);
        let secret = |keys: &WalletKeys| keys.output_secret(&nonce, 3, OutputSecret::Blind);
        assert_eq!(secret(&one), secret(&two));
    }

    /// The published BIP-39 test vector of zero entropy, with an empty passphrase.
    #[test]
    fn a_phrase_gives_its_bip39_seed() {
        let phrase = format!("{}\n ART ", "abandon ".repeat(23));
        assert_eq!(
            hex(Seed::from_phrase(&phrase).ok().unwrap().as_bytes()),
            "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf70\
             5489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e243c4a0eafb290d399480840"
        );
    }

    #[test]
    fn a_fresh_phrase_is_read_back() {
        let (seed, phrase) = Seed::generate(&mut Counter(0));
        assert_eq!(phrase.split(' ').count(), 24);
        assert_eq!(Seed::from_phrase(&phrase).ok().unwrap().as_bytes(), seed.as_bytes());
        assert_ne!(Seed::generate(&mut Counter(1)).0.as_bytes(), seed.as_bytes());
    }

    #[test]
    fn a_wrong_phrase_says_what_is_wrong() {
        let error = |phrase: &str| Seed::from_phrase(phrase).err().unwrap();
        let abandon = |count: usize| "abandon ".repeat(count);
        assert_eq!(error(""), SeedError::WordCount { found: 0 });
        assert_eq!(error(&format!("{}about", abandon(11))), SeedError::WordCount { found: 12 });
        assert_eq!(error(&format!("{}art", abandon(24))), SeedError::WordCount { found: 25 });
        assert_eq!(error(&format!("{}abandn {}art", abandon(6), abandon(16))), SeedError::UnknownWord { position: 7 });
        assert_eq!(error(&abandon(24)), SeedError::Checksum);
        assert_eq!(error(&"é ".repeat(24)), SeedError::UnknownWord { position: 1 });
    }
}
