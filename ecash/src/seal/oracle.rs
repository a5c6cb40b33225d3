//! The `hpke` crate beside our opening of notes: the same shared secrets to the byte, the same opened, the same refused.
#![allow(clippy::unwrap_used)]

use getrandom::{SysRng, rand_core::UnwrapErr};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadTag, ChaCha20Poly1305},
    inout::InOutBuf,
    kdf::HkdfSha256,
    kem::XWing,
    single_shot_open_inout_detached, single_shot_seal_inout_detached_with_rng,
};
use rand_core::Rng;

use super::{ENCAPSULATED_LENGTH, OpeningKey, schedule};

type PrivateKey = <XWing as Kem>::PrivateKey;
type Encapsulated = [u8; ENCAPSULATED_LENGTH];

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rng().fill_bytes(&mut bytes);
    bytes
}

/// One private key in both libraries.
fn key() -> (PrivateKey, OpeningKey) {
    let bytes = random();
    (PrivateKey::from_bytes(&bytes).unwrap(), OpeningKey::new(&bytes))
}

/// A shared secret and what it is encapsulated in.
fn encapsulate(to: &PrivateKey) -> ([u8; 32], Encapsulated) {
    let (shared, encapsulated) = XWing::encap_with_rng(&XWing::sk_to_pk(to), None, &mut rng()).unwrap();
    let mut bytes = [0; ENCAPSULATED_LENGTH];
    encapsulated.write_exact(&mut bytes);
    (shared.0.into(), bytes)
}

/// The shared secret that both find.
fn decapsulate((theirs, ours): &(PrivateKey, OpeningKey), encapsulated: &Encapsulated) -> [u8; 32] {
    let expected = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).unwrap();
    let expected = XWing::decap(theirs, None, &expected).unwrap();
    let found = *ours.decapsulate(encapsulated);
    assert_eq!(found, <[u8; 32]>::from(expected.0));
    found
}

#[test]
fn shared_secrets_are_those_of_hpke() {
    for _ in 0..100 {
        let key = key();
        let (shared, encapsulated) = encapsulate(&key.0);
        assert_eq!(decapsulate(&key, &encapsulated), shared);
    }
}

/// ML-KEM's implicit rejection is the same function of key and ciphertext in both.
#[test]
fn what_nobody_encapsulated_gives_the_same_secret() {
    let (key, other) = (key(), key());
    let (shared, encapsulated) = encapsulate(&key.0);
    assert_ne!(decapsulate(&other, &encapsulated), shared, "another wallet's key");
    for at in 0..64 {
        let mut changed = encapsulated;
        let at = if at < 32 { at * 33 } else { ENCAPSULATED_LENGTH - 64 + at };
        changed[at] ^= 1 << (at % 8);
        // The highest bit of an X25519 key is not looked at, but hashed.
        assert_ne!(decapsulate(&key, &changed), shared, "byte {at}");
        decapsulate(&key, &random());
    }
}

/// Points of small order, on the curve and on its twist, and encodings above the field's prime.
#[test]
fn odd_points_give_the_same_secret() {
    let order_8 = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ];
    let also_8 = [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ];
    let mut points = vec![order_8, also_8];
    for small in 0..4 {
        let mut point = [0; 32];
        point[0] = small;
        points.push(point);
    }
    // p − 1 = 2^255 − 20 is of order 4; from p = 2^255 − 19 on, the encodings stand for 0 to 18.
    for least in 0xec..=0xff {
        let mut point = [0xff; 32];
        point[0] = least;
        point[31] = 0x7f;
        points.push(point);
    }
    let key = key();
    let (_, encapsulated) = encapsulate(&key.0);
    for point in points {
        for highest in [0, 0x80] {
            let mut changed = encapsulated;
            changed[ENCAPSULATED_LENGTH - 32..].copy_from_slice(&point);
            changed[ENCAPSULATED_LENGTH - 1] |= highest;
            decapsulate(&key, &changed);
        }
    }
}

/// A message and everything it is bound to.
#[derive(Clone)]
struct Message {
    encapsulated: Encapsulated,
    info: Vec<u8>,
    associated: Vec<u8>,
    text: Vec<u8>,
    tag: [u8; 16],
}

impl Message {
    fn seal(to: &PrivateKey, text: &[u8]) -> Self {
        let (info, associated) = (random::<47>().to_vec(), random::<32>().to_vec());
        let mut text = text.to_vec();
        let (encapsulated, tag) = single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &XWing::sk_to_pk(to),
            &info,
            InOutBuf::from(text.as_mut_slice()),
            &associated,
            &mut rng(),
        )
        .unwrap();
        let mut message = Self { encapsulated: [0; ENCAPSULATED_LENGTH], info, associated, text, tag: [0; 16] };
        encapsulated.write_exact(&mut message.encapsulated);
        tag.write_exact(&mut message.tag);
        message
    }

    /// What both make of it.
    fn open(&self, (theirs, ours): &(PrivateKey, OpeningKey)) -> Option<Vec<u8>> {
        let mut expected = self.text.clone();
        let outcome = single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            theirs,
            &<XWing as Kem>::EncappedKey::from_bytes(&self.encapsulated).unwrap(),
            &self.info,
            InOutBuf::from(expected.as_mut_slice()),
            &self.associated,
            &AeadTag::from_bytes(&self.tag).unwrap(),
        );
        let expected = outcome.ok().map(|()| expected);
        let shared = ours.decapsulate(&self.encapsulated);
        let mut found = self.text.clone();
        let outcome = schedule::open(&shared, &self.info, &self.associated, &mut found, &self.tag);
        let found = outcome.ok().map(|()| found);
        assert_eq!(found, expected);
        found
    }
}

#[test]
fn what_hpke_seals_opens_here() {
    for length in [0, 1, 63, 64, 65, 371, 4096] {
        let (key, other) = (key(), key());
        let text: Vec<u8> = random::<4096>()[..length].to_vec();
        let message = Message::seal(&key.0, &text);
        assert_eq!(message.open(&key).as_deref(), Some(text.as_slice()));
        assert_eq!(message.open(&other), None);
    }
}

#[test]
fn a_changed_message_opens_nowhere() {
    let key = key();
    let message = Message::seal(&key.0, &random::<371>());
    type Change = fn(&mut Message);
    let changes: [(&str, Change); 9] = [
        ("ML-KEM's ciphertext", |message| message.encapsulated[500] ^= 1),
        ("X25519's key", |message| message.encapsulated[1100] ^= 1),
        ("the bit of X25519's key that is not looked at", |message| message.encapsulated[1119] ^= 0x80),
        ("the info", |message| message.info[0] ^= 1),
        ("a longer info", |message| message.info.push(0)),
        ("the associated data", |message| message.associated[31] ^= 1),
        ("the ciphertext", |message| message.text[370] ^= 1),
        ("a shorter ciphertext", |message| message.text.truncate(370)),
        ("the tag", |message| message.tag[0] ^= 1),
    ];
    for (name, change) in changes {
        let mut changed = message.clone();
        change(&mut changed);
        assert_eq!(changed.open(&key), None, "{name}");
    }
}
