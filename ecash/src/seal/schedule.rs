//! HPKE's key schedule in base mode (RFC 9180 section 5.1) for one message: X-Wing, HKDF-SHA256, ChaCha20Poly1305. The
//! `hpke` crate takes no shared secret from outside, so these thirty lines stand here; the tests compare the two.

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::AeadInOut};
use hkdf::{Hkdf, HkdfExtract};
use hpke::inout::InOutBuf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// "HPKE-v1" and the suite: KEM 0x647a, KDF 0x0001, AEAD 0x0003.
const VERSION_AND_SUITE: &[u8] = b"HPKE-v1HPKE\x64\x7a\x00\x01\x00\x03";

/// `mode_base`
const BASE: u8 = 0;

/// `LabeledExtract(salt, label, ikm)`
fn extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> (Zeroizing<[u8; 32]>, Hkdf<Sha256>) {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    for part in [VERSION_AND_SUITE, label, ikm] {
        extract.input_ikm(part);
    }
    let (key, hkdf) = extract.finalize();
    (Zeroizing::new(key.into()), hkdf)
}

/// `LabeledExpand(secret, label, context, N)`
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8], context: &[&[u8]; 3]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    let [mode, psk_id_hash, info_hash] = context;
    let length = u16::try_from(N).expect("a key or a nonce").to_be_bytes();
    let info: [&[u8]; 6] = [&length, VERSION_AND_SUITE, label, mode, psk_id_hash, info_hash];
    secret.expand_multi_info(&info, out.as_mut()).expect("at most 32 bytes are one block");
    out
}

/// Opens the first message in place.
pub(super) fn open(
    shared: &[u8; 32],
    info: &[u8],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; 16],
) -> Result<(), chacha20poly1305::Error> {
    let (psk_id_hash, _) = extract(&[], b"psk_id_hash", &[]);
    let (info_hash, _) = extract(&[], b"info_hash", info);
    let (_, secret) = extract(shared, b"secret", &[]);
    let context: [&[u8]; 3] = [&[BASE], psk_id_hash.as_ref(), info_hash.as_ref()];
    let key = expand::<32>(&secret, b"key", &context);
    // The nonce of message 0 is `base_nonce` itself.
    let nonce = expand::<12>(&secret, b"base_nonce", &context);
    ChaCha20Poly1305::new((&*key).into()).decrypt_inout_detached(
        (&*nonce).into(),
        associated,
        InOutBuf::from(text),
        tag.into(),
    )
}
