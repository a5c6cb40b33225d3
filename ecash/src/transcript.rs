//! The Fiat–Shamir transcript (merlin) with typed verbs, and randomness hedged with a witness.

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use rand_core_06::RngCore as _;

use crate::encoding::Point;

/// One message of a transcript, as the test vectors print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The label.
    pub label: &'static str,
    /// The bytes absorbed or, for a challenge, drawn.
    pub bytes: Vec<u8>,
    /// Whether the bytes were drawn.
    pub challenge: bool,
}

/// A merlin transcript that can keep a tape of its messages.
#[derive(Clone)]
pub(crate) struct Transcript {
    merlin: merlin::Transcript,
    tape: Option<Vec<Message>>,
}

impl Transcript {
    pub(crate) fn new(label: &'static str) -> Self {
        Self { merlin: merlin::Transcript::new(label.as_bytes()), tape: None }
    }

    /// A transcript that keeps a tape, for test vectors.
    pub(crate) fn recording(label: &'static str) -> Self {
        let first = Message { label: "dom-sep", bytes: label.as_bytes().to_vec(), challenge: false };
        Self { merlin: merlin::Transcript::new(label.as_bytes()), tape: Some(vec![first]) }
    }

    pub(crate) fn into_tape(self) -> Vec<Message> {
        self.tape.unwrap_or_default()
    }

    pub(crate) fn bytes(&mut self, label: &'static str, bytes: &[u8]) {
        self.merlin.append_message(label.as_bytes(), bytes);
        if let Some(tape) = &mut self.tape {
            tape.push(Message { label, bytes: bytes.to_vec(), challenge: false });
        }
    }

    pub(crate) fn u8(&mut self, label: &'static str, value: u8) {
        self.bytes(label, &[value]);
    }

    pub(crate) fn u32(&mut self, label: &'static str, value: u32) {
        self.bytes(label, &value.to_le_bytes());
    }

    pub(crate) fn point(&mut self, label: &'static str, point: &Point) {
        self.bytes(label, point.as_bytes());
    }

    pub(crate) fn scalar(&mut self, label: &'static str, scalar: &Scalar) {
        self.bytes(label, scalar.as_bytes());
    }

    /// Draws a 32-byte challenge.
    pub(crate) fn challenge_bytes(&mut self, label: &'static str) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.draw(label, &mut bytes);
        bytes
    }

    /// Draws 64 bytes and reduces them: a uniform scalar.
    pub(crate) fn challenge_scalar(&mut self, label: &'static str) -> Scalar {
        let mut bytes = [0; 64];
        self.draw(label, &mut bytes);
        Scalar::from_bytes_mod_order_wide(&bytes)
    }

    fn draw(&mut self, label: &'static str, bytes: &mut [u8]) {
        self.merlin.challenge_bytes(label.as_bytes(), bytes);
        if let Some(tape) = &mut self.tape {
            tape.push(Message { label, bytes: bytes.to_vec(), challenge: true });
        }
    }

    /// Randomness that stays unpredictable if either the caller's generator or the witness is: merlin's witness-keyed
    /// generator over everything absorbed so far.
    pub(crate) fn hedged<'a>(
        &self,
        witness: impl IntoIterator<Item = &'a Scalar>,
        rng: &mut impl CryptoRng,
    ) -> HedgedRng {
        let mut builder = self.merlin.build_rng();
        for scalar in witness {
            builder = builder.rekey_with_witness_bytes(b"witness", scalar.as_bytes());
        }
        HedgedRng(builder.finalize(&mut OlderRng(rng)))
    }
}

/// Uniform scalars from merlin's transcript generator.
pub(crate) struct HedgedRng(merlin::TranscriptRng);

impl HedgedRng {
    pub(crate) fn scalar(&mut self) -> Scalar {
        let mut bytes = zeroize::Zeroizing::new([0; 64]);
        self.0.fill_bytes(bytes.as_mut());
        Scalar::from_bytes_mod_order_wide(&bytes)
    }

    pub(crate) fn non_zero_scalar(&mut self) -> Scalar {
        loop {
            let scalar = self.scalar();
            if scalar != Scalar::ZERO {
                return scalar;
            }
        }
    }
}

/// merlin asks for a generator of rand_core 0.6; this one passes on to the generator of today's rand_core.
struct OlderRng<'a, R>(&'a mut R);

impl<R: CryptoRng> rand_core_06::CryptoRng for OlderRng<'_, R> {}

impl<R: CryptoRng> rand_core_06::RngCore for OlderRng<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}
