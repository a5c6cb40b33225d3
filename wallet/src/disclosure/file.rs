//! Proofs as files. Each begins with a line that says what it is, and ends with a receipt of the entry that it rests on.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use farthing_ecash::disclosure::{Attestation, IncomeProof, PaymentProof};
use farthing_ledger::receipt::Receipt;

const INCOME: &str = "farthing income-proof v1";
const PAYMENT: &str = "farthing payment-proof v1";

/// Longer than any proof in base64: two texts of 255 bytes at most, and some twenty points and scalars.
const PROOF_LENGTH_MAX: usize = 4_096;

/// A text that is no proof of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no receipt and no proof of income or of a payment, or it was altered")]
pub struct NoProof;

/// A text that shows something, by its kind.
#[derive(Debug)]
pub enum Proof {
    /// That a log has a transaction; checked by [`crate::receipt::verify`].
    Receipt,
    /// What a wallet has received.
    Income(Box<IncomeFile>),
    /// Amount and payee of a payment.
    Payment(Box<PaymentFile>),
}

impl FromStr for Proof {
    type Err = NoProof;

    fn from_str(text: &str) -> Result<Self, NoProof> {
        match text.lines().next() {
            Some(INCOME) => text.parse().map(|file| Self::Income(Box::new(file))),
            Some(PAYMENT) => text.parse().map(|file| Self::Payment(Box::new(file))),
            // What is wrong with a receipt is told where receipts are read.
            _ => Ok(Self::Receipt),
        }
    }
}

/// A proof of income: its bytes, the redeemer's attestation once there is one, and where the issuance log has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomeFile {
    /// The proof.
    pub proof: IncomeProof,
    /// What the redeemer said of it. Without it the proof shows nothing.
    pub attestation: Option<Attestation>,
    /// The entry of the issuing key.
    pub(super) key: Receipt,
}

/// A proof of a payment: its bytes, and where the payment log has the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFile {
    /// The proof.
    pub proof: PaymentProof,
    /// The entry of the payment.
    pub(super) payment: Receipt,
}

impl fmt::Display for IncomeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{INCOME}\nproof {}", STANDARD.encode(self.proof.to_bytes()))?;
        if let Some(attestation) = &self.attestation {
            writeln!(f, "attestation {}", STANDARD.encode(attestation.to_bytes()))?;
        }
        write!(f, "\n{}", self.key)
    }
}

impl fmt::Display for PaymentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PAYMENT}\nproof {}\n\n{}", STANDARD.encode(self.proof.to_bytes()), self.payment)
    }
}

/// The bytes in a line of this name.
fn bytes(line: Option<&str>, name: &str) -> Option<Vec<u8>> {
    let encoded = line?.strip_prefix(name)?.strip_prefix(' ')?;
    STANDARD.decode(encoded).ok().filter(|_| encoded.len() <= PROOF_LENGTH_MAX)
}

impl FromStr for IncomeFile {
    type Err = NoProof;

    fn from_str(text: &str) -> Result<Self, NoProof> {
        let read = || {
            let (head, receipt) = text.split_once("\n\n")?;
            let mut lines = head.split('\n').skip(1);
            let proof = IncomeProof::from_bytes(&bytes(lines.next(), "proof")?).ok()?;
            let attestation = match lines.next() {
                None => None,
                line => Some(Attestation::from_bytes(bytes(line, "attestation")?.as_slice().try_into().ok()?).ok()?),
            };
            Some(Self { proof, attestation, key: receipt.parse().ok()? })
        };
        read().filter(|file| file.to_string() == text).ok_or(NoProof)
    }
}

impl FromStr for PaymentFile {
    type Err = NoProof;

    fn from_str(text: &str) -> Result<Self, NoProof> {
        let read = || {
            let (head, receipt) = text.split_once("\n\n")?;
            let proof = PaymentProof::from_bytes(&bytes(head.split('\n').nth(1), "proof")?).ok()?;
            Some(Self { proof, payment: receipt.parse().ok()? })
        };
        read().filter(|file| file.to_string() == text).ok_or(NoProof)
    }
}
