//! What a wallet needs of a logged transaction that is, almost always, somebody else's.

use super::core::{Counts, consumes};
use crate::{
    credential::Nullifier,
    encoding::Reader,
    error::DecodeError,
    keys::{KeyId, VERSION},
    policy::PolicyHash,
    seal::{CT_NOTE_LENGTH, CT_SELF_LENGTH, open_self},
    seed::WalletKeys,
    statement::{Publics, Statement},
};

/// The parts of a core that a wallet looks at in every entry of the log: what it spends, and whether this wallet made it.
/// Reading the points of a core takes ten times as long, so they are left alone: a core that this wallet is to act on has
/// to be read with [`Core::from_prefix`](super::Core::from_prefix), which alone tells that it is canonical.
pub struct Outline<'a> {
    statement: Statement,
    key: KeyId,
    policy: PolicyHash,
    serials: Vec<Nullifier>,
    publics: Publics,
    ct_self: &'a [u8; CT_SELF_LENGTH],
    bucket: Option<u32>,
}

impl<'a> Outline<'a> {
    /// The outline of the core at the front of `bytes`, by the lengths of `docs/WIRE.md` section 3.
    ///
    /// # Errors
    /// [`DecodeError`] for what is not laid out as a core.
    pub fn find(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::UnknownCode);
        }
        let statement = Statement::from_code(reader.u8()?)?;
        let commitments = usize::from(reader.u8()?);
        if commitments != statement.commitments(commitments).len() {
            return Err(DecodeError::Count);
        }
        let key = KeyId::new(reader.array()?);
        // Day and epoch.
        reader.bytes(8)?;
        let policy = PolicyHash::new(reader.array()?);
        let counts = Counts::read(&mut reader)?;
        if !counts.are_allowed(statement) {
            return Err(DecodeError::Count);
        }
        let mut serials = Vec::new();
        for kind in counts.kinds() {
            // The key.
            reader.bytes(32)?;
            if consumes(statement, kind) {
                serials.push(Nullifier::new(reader.array()?));
            }
            // A', D, Ā.
            reader.bytes(96)?;
        }
        let publics = Publics::decode(statement, &mut reader)?;
        reader.bytes(32 * commitments)?;
        let ct_self = reader.bytes(CT_SELF_LENGTH)?.try_into().map_err(|_| DecodeError::Truncated)?;
        let bucket = if statement == Statement::Pay {
            reader.bytes(CT_NOTE_LENGTH)?;
            Some(reader.u32()?)
        } else {
            None
        };
        Ok(Self { statement, key, policy, serials, publics, ct_self, bucket })
    }

    /// Which statement it is.
    #[must_use]
    pub const fn statement(&self) -> Statement {
        self.statement
    }

    /// The hash of the policy that it was made under.
    #[must_use]
    pub const fn policy(&self) -> &PolicyHash {
        &self.policy
    }

    /// The serials that it consumes, in the order of its inputs.
    #[must_use]
    pub fn serials(&self) -> &[Nullifier] {
        &self.serials
    }

    /// The bucket of a Pay's payee.
    #[must_use]
    pub const fn bucket(&self) -> Option<u32> {
        self.bucket
    }

    /// Whether this wallet, or a copy of it, made the transaction: only its keys open the self-ciphertext.
    #[must_use]
    pub fn is_made_by(&self, keys: &WalletKeys) -> bool {
        open_self(keys.self_key(), &self.publics.nonce, &self.key, self.ct_self).is_ok()
    }
}
