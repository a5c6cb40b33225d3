//! What the log says about a policy: its compiled body and its signed rules (`docs/WIRE.md` section 5).

use curve25519_dalek::Scalar;
use sha2::{Digest, Sha256};

use crate::{
    amount::Amount,
    encoding::{Point, Reader, bytes32},
    error::DecodeError,
    keys::{KeyId, VERSION},
};

/// The purpose of money that may be used for anything.
pub const UNRESTRICTED: u32 = 0;

/// The `purpose_out` of a rule under which nothing but a refund makes sense: nobody accepts money of this purpose.
pub const REFUND_ONLY: u32 = u32::MAX;

/// The cap that does not limit anything.
pub const UNLIMITED: Amount = Amount::new(u64::MAX);

/// The most rules of a policy. Each is signed, published, and held by every wallet.
pub const RULES_MAX: usize = 256;

/// The longest policy file in bytes. With 256 rules a policy still fits into one log entry.
pub const FILE_LENGTH_MAX: usize = 32_768;

/// The most bits of a bucket number.
pub const BUCKET_BITS_MAX: u8 = 32;

bytes32! {
    /// SHA-256 of a policy's body; every transaction names the policy that it was made for.
    PolicyHash
}

/// What a policy says about every payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyTerms {
    /// The number of the policy; a later policy has a higher one.
    pub epoch: u32,
    /// What each payment costs.
    pub fee: Amount,
    /// The smallest note.
    pub minimum: Amount,
    /// After how many months a note that nobody claimed expires.
    pub months: u32,
    /// How many bits a bucket number has, 0 to 32.
    pub bucket_bits: u8,
}

/// One line of a policy: how much money of a purpose the wallets of a class may receive, and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleLine {
    /// The class of the receiving wallet.
    pub class: u32,
    /// The purpose of the notes.
    pub purpose: u32,
    /// The purpose of the coin made from them; [`REFUND_ONLY`] if none makes sense.
    pub purpose_out: u32,
    /// The most that a wallet receives in a day, under all its rules together; or [`UNLIMITED`].
    pub day_cap: Amount,
    /// The most that a wallet receives in a month, under all its rules together; or [`UNLIMITED`].
    pub month_cap: Amount,
}

/// A compiled policy together with the file that it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyBody {
    terms: PolicyTerms,
    rules: Vec<RuleLine>,
    file: Vec<u8>,
}

impl PolicyBody {
    /// A policy of 1 to 256 rules from a file of at most 32,768 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Count`] for no rule, of which there could be no proof, or too many, [`DecodeError::Field`] for a file that is too long or more than 32
    /// bucket bits.
    pub fn new(terms: PolicyTerms, rules: Vec<RuleLine>, file: Vec<u8>) -> Result<Self, DecodeError> {
        if terms.bucket_bits > BUCKET_BITS_MAX {
            return Err(DecodeError::Field("bucket bits"));
        }
        if rules.is_empty() || rules.len() > RULES_MAX {
            return Err(DecodeError::Count);
        }
        if file.len() > FILE_LENGTH_MAX {
            return Err(DecodeError::Field("policy file"));
        }
        Ok(Self { terms, rules, file })
    }

    /// What holds for every payment.
    #[must_use]
    pub const fn terms(&self) -> &PolicyTerms {
        &self.terms
    }

    /// The rules, by line.
    #[must_use]
    pub fn rules(&self) -> &[RuleLine] {
        &self.rules
    }

    /// The policy file as it was written.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        PolicyHash::new(Sha256::digest(self.to_bytes()).into())
    }

    /// The canonical bytes, the body of a policy's log entry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.terms.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.terms.fee.get().to_le_bytes());
        bytes.extend_from_slice(&self.terms.minimum.get().to_le_bytes());
        bytes.extend_from_slice(&self.terms.months.to_le_bytes());
        bytes.push(self.terms.bucket_bits);
        write_length(&mut bytes, self.rules.len());
        for rule in &self.rules {
            bytes.extend_from_slice(&rule.class.to_le_bytes());
            bytes.extend_from_slice(&rule.purpose.to_le_bytes());
            bytes.extend_from_slice(&rule.purpose_out.to_le_bytes());
            bytes.extend_from_slice(&rule.day_cap.get().to_le_bytes());
            bytes.extend_from_slice(&rule.month_cap.get().to_le_bytes());
        }
        write_length(&mut bytes, self.file.len());
        bytes.extend_from_slice(&self.file);
        bytes
    }

    /// Reads what [`PolicyBody::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not the canonical encoding of a policy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::UnknownCode);
        }
        let terms = PolicyTerms {
            epoch: reader.u32()?,
            fee: Amount::new(reader.u64()?),
            minimum: Amount::new(reader.u64()?),
            months: reader.u32()?,
            bucket_bits: reader.u8()?,
        };
        let count = read_length(&mut reader, RULES_MAX, DecodeError::Count)?;
        let rules = (0..count)
            .map(|_| {
                Ok(RuleLine {
                    class: reader.u32()?,
                    purpose: reader.u32()?,
                    purpose_out: reader.u32()?,
                    day_cap: Amount::new(reader.u64()?),
                    month_cap: Amount::new(reader.u64()?),
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let length = read_length(&mut reader, FILE_LENGTH_MAX, DecodeError::Field("policy file"))?;
        let file = reader.bytes(length)?.to_vec();
        reader.end()?;
        Self::new(terms, rules, file)
    }
}

/// The rules of a policy as credentials under one key: the body of a log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRules {
    /// The key that signed them.
    pub(crate) key: KeyId,
    /// The policy that they are the lines of.
    pub(crate) policy: PolicyHash,
    /// `(A, e)` of each line.
    pub(crate) signatures: Vec<(Point, Scalar)>,
    /// One DLEQ proof for all, `c` and `z`.
    pub(crate) dleq: [u8; 64],
}

impl SignedRules {
    /// The key that signed the rules.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The policy whose lines they are.
    #[must_use]
    pub const fn policy(&self) -> PolicyHash {
        self.policy
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.key.as_bytes().as_slice(), self.policy.as_bytes()].concat();
        write_length(&mut bytes, self.signatures.len());
        for (A, e) in &self.signatures {
            bytes.extend_from_slice(A.as_bytes());
            bytes.extend_from_slice(e.as_bytes());
        }
        bytes.extend_from_slice(&self.dleq);
        bytes
    }

    /// Reads what [`SignedRules::to_bytes`] writes. It does not verify the signatures.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not the canonical encoding of 1 to 256 signed rules.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (key, policy) = (KeyId::new(reader.array()?), PolicyHash::new(reader.array()?));
        let count = read_length(&mut reader, RULES_MAX, DecodeError::Count)?;
        if count == 0 {
            return Err(DecodeError::Count);
        }
        let signatures =
            (0..count).map(|_| Ok((reader.point()?, reader.scalar()?))).collect::<Result<_, DecodeError>>()?;
        let dleq: [u8; 64] = reader.array()?;
        reader.end()?;
        let mut proof = Reader::new(&dleq);
        proof.scalar()?;
        proof.scalar()?;
        Ok(Self { key, policy, signatures, dleq })
    }
}

fn write_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&u32::try_from(length).expect("lengths are limited").to_le_bytes());
}

fn read_length(reader: &mut Reader<'_>, most: usize, error: DecodeError) -> Result<usize, DecodeError> {
    usize::try_from(reader.u32()?).ok().filter(|length| *length <= most).ok_or(error)
}
