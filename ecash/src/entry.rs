//! Log entries and their leaves (`docs/WIRE.md` section 5).

use sha2::{Digest, Sha256};

use crate::{
    calendar::Day,
    encoding::Reader,
    error::DecodeError,
    keys::{PublicKey, VERSION},
    policy::{PolicyBody, SignedRules},
    renew::Grant,
    seal::EncryptionKey,
    statement::Statement,
    validity::ValidityCalendar,
};

/// The most bytes of a leaf: entry bundles of C2SP tlog-tiles have 16-bit lengths.
pub const LEAF_LENGTH_MAX: usize = 65_535;

/// What an entry of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A transaction: its core and the answer.
    Transaction(Statement),
    /// The encryption key of an identity, see [`DirectoryEntry`].
    Directory,
    /// Leave to renew a wallet state, see [`Grant`].
    Grant,
    /// An announced issuing key, see [`PublicKey`].
    Key,
    /// A policy, see [`PolicyBody`].
    Policy,
    /// The rules of a policy signed under one key, see [`SignedRules`].
    Rules,
    /// Until when wallet states are valid, see [`ValidityCalendar`].
    Calendar,
}

impl EntryKind {
    /// The code on the wire: that of the statement, 1 to 10, or 32 to 37.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Transaction(statement) => statement.code(),
            Self::Directory => 32,
            Self::Grant => 33,
            Self::Key => 34,
            Self::Policy => 35,
            Self::Rules => 36,
            Self::Calendar => 37,
        }
    }

    /// The kind with this code.
    ///
    /// # Errors
    /// [`DecodeError::UnknownCode`].
    pub fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            32 => Ok(Self::Directory),
            33 => Ok(Self::Grant),
            34 => Ok(Self::Key),
            35 => Ok(Self::Policy),
            36 => Ok(Self::Rules),
            37 => Ok(Self::Calendar),
            _ => Statement::from_code(code).map(Self::Transaction),
        }
    }

    /// Whether entries of this kind have a proof part beside them, whose hash is in the leaf.
    #[must_use]
    pub const fn has_proof(self) -> bool {
        matches!(self, Self::Transaction(_))
    }
}

/// An entry of the issuance or payment log, without its proof part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    kind: EntryKind,
    day: Day,
    body: Vec<u8>,
}

impl Entry {
    /// An entry written on a logical day.
    ///
    /// # Errors
    /// [`DecodeError`] if the body is not one of this kind (of a transaction, only version and statement are looked at:
    /// its core decodes itself) or the leaf would be longer than 65,535 bytes.
    pub fn new(kind: EntryKind, day: Day, body: Vec<u8>) -> Result<Self, DecodeError> {
        let hash_length = if kind.has_proof() { 32 } else { 0 };
        if 5 + body.len() + hash_length > LEAF_LENGTH_MAX {
            return Err(DecodeError::Field("entry length"));
        }
        match kind {
            EntryKind::Transaction(statement) => match body.get(..2).ok_or(DecodeError::Truncated)? {
                [VERSION, code] if *code == statement.code() => {}
                _ => return Err(DecodeError::UnknownCode),
            },
            EntryKind::Directory => drop(DirectoryEntry::from_bytes(&body)?),
            EntryKind::Grant => drop(Grant::from_bytes(&body)?),
            EntryKind::Key => drop(PublicKey::from_bytes(&body)?),
            EntryKind::Policy => drop(PolicyBody::from_bytes(&body)?),
            EntryKind::Rules => drop(SignedRules::from_bytes(&body)?),
            EntryKind::Calendar => drop(ValidityCalendar::from_bytes(&body)?),
        }
        Ok(Self { kind, day, body })
    }

    /// What the entry is.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The logical day on which it was written.
    #[must_use]
    pub const fn day(&self) -> Day {
        self.day
    }

    /// The body, whose form depends on the kind.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The canonical bytes: kind, logical day, body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind.code()];
        bytes.extend_from_slice(&self.day.get().to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads what [`Entry::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] as for [`Entry::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (kind, day) = (EntryKind::from_code(reader.u8()?)?, Day::new(reader.u32()?));
        Self::new(kind, day, reader.rest().to_vec())
    }

    /// The leaf of the entry: its bytes and, if the kind has one, SHA-256 of the proof part. The proof part itself may
    /// have been pruned, so its hash is what has to be given.
    #[must_use]
    pub fn leaf(&self, proof_hash: Option<&[u8; 32]>) -> Vec<u8> {
        let mut leaf = self.to_bytes();
        leaf.extend(proof_hash.into_iter().flatten());
        leaf
    }
}

/// The hash of a leaf as RFC 6962 has it, SHA-256(0x00 ‖ leaf), from an entry's bytes and its proof part, if the kind
/// has one.
#[must_use]
pub fn leaf_hash(entry: &[u8], proof: Option<&[u8]>) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update([0]).chain_update(entry);
    if let Some(proof) = proof {
        hash.update(Sha256::digest(proof));
    }
    hash.finalize().into()
}

/// The body of a directory entry: under which key notes are sealed to an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// [`Pid::directory_hash`](crate::identity::Pid::directory_hash) of the identity.
    pub hash: [u8; 32],
    /// The encryption key of its wallet.
    pub key: EncryptionKey,
}

impl DirectoryEntry {
    /// The 1,248 bytes: hash, key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.hash.as_slice(), &self.key.to_bytes()].concat()
    }

    /// Reads what [`DirectoryEntry::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for another length or a key that cannot be one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        Ok(Self { hash: reader.array()?, key: EncryptionKey::from_bytes(reader.rest())? })
    }
}
