//! The registry: one record for each identity, and the identity of each account key.

use farthing_ecash::{account::AccountKey, identity::Identity};
use farthing_store::{Batch, Space, Store};
use subtle::ConstantTimeEq as _;

use crate::{error::IssuerError, invitation::InvitationHash};

/// Canonical identity → [`Record`].
pub(crate) const IDENTITIES: Space = Space("identity");

/// Account key → canonical identity. A key stays here for ever, so none is registered twice.
pub(crate) const ACCOUNT_KEYS: Space = Space("account-key");

/// Class u32, then invitation and account key, each a byte 0 or 1 and 32 bytes.
const RECORD_LENGTH: usize = 4 + 33 + 33;

/// What is known of an identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its class in the policy.
    pub(crate) class: u32,
    /// With which invitation it may register, or did.
    pub(crate) invitation: Option<InvitationHash>,
    /// The account key of its wallet, from the first registration on that was accepted.
    pub(crate) account: Option<AccountKey>,
}

impl Record {
    /// A new identity of a class.
    pub(crate) fn new(class: u32) -> Self {
        Self { class, invitation: None, account: None }
    }

    /// Whether a wallet may be registered with this invitation, perhaps one that is `waiting`. Who does not hold it is told
    /// nothing.
    pub(crate) fn check_invitation(
        &self,
        given: &InvitationHash,
        waiting: Option<AccountKey>,
    ) -> Result<(), IssuerError> {
        let invited = self.invitation.is_some_and(|invitation| bool::from(invitation.ct_eq(given)));
        match (invited, self.account) {
            (false, _) => Err(IssuerError::NotInvited),
            (true, Some(account)) if waiting != Some(account) => Err(IssuerError::IdentityTaken),
            (true, _) => Ok(()),
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.class.to_le_bytes().to_vec();
        for part in [self.invitation, self.account.map(AccountKey::to_bytes)] {
            bytes.push(u8::from(part.is_some()));
            bytes.extend_from_slice(&part.unwrap_or_default());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_LENGTH] = bytes.try_into().ok()?;
        let (class, parts) = bytes.split_first_chunk()?;
        let ([invitation, account], []) = parts.as_chunks::<33>() else { return None };
        let account = match optional(account)? {
            Some(account) => Some(AccountKey::from_bytes(account).ok()?),
            None => None,
        };
        Some(Self { class: u32::from_le_bytes(*class), invitation: optional(invitation)?, account })
    }
}

fn optional(part: &[u8; 33]) -> Option<Option<[u8; 32]>> {
    let (present, bytes) = part.split_first_chunk::<1>()?;
    match present {
        [0] => Some(None),
        [1] => Some(Some(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// The registry in the store.
#[derive(Clone)]
pub(crate) struct Registry {
    store: Store,
}

impl Registry {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// What is known of an identity.
    pub(crate) async fn find(&self, identity: &Identity) -> Result<Option<Record>, IssuerError> {
        let bytes = self.store.get(IDENTITIES, identity.as_str().as_bytes()).await?;
        bytes.map(|bytes| Record::from_bytes(&bytes).ok_or_else(IssuerError::damaged)).transpose()
    }

    /// The identity with this account key, also when the wallet was revoked: what it redeems belongs to the account.
    pub(crate) async fn holder(&self, account: AccountKey) -> Result<(Identity, Record), IssuerError> {
        let identity = self.store.get(ACCOUNT_KEYS, &account.to_bytes()).await?;
        let identity = parse(&identity.ok_or(IssuerError::AccountUnknown)?)?;
        let record = self.find(&identity).await?.ok_or_else(IssuerError::damaged)?;
        Ok((identity, record))
    }

    /// The identity whose wallet has this account key now. A wallet that was revoked is refused.
    pub(crate) async fn wallet(&self, account: AccountKey) -> Result<(Identity, Record), IssuerError> {
        let (identity, record) = self.holder(account).await?;
        if record.account == Some(account) { Ok((identity, record)) } else { Err(IssuerError::WalletRevoked) }
    }

    /// At most `limit` identities, in their order, behind `after`.
    pub(crate) async fn page(
        &self,
        after: Option<&Identity>,
        limit: usize,
    ) -> Result<Vec<(Identity, Record)>, IssuerError> {
        // The next possible key begins with the same bytes and has a zero after them.
        let from = after.map_or(Vec::new(), |identity| [identity.as_str().as_bytes(), &[0]].concat());
        let page = self.store.scan(IDENTITIES, &from, limit).await?;
        let entries = page.into_iter().map(|(identity, record)| {
            let record = Record::from_bytes(&record).ok_or_else(IssuerError::damaged)?;
            Ok((parse(&identity)?, record))
        });
        entries.collect()
    }
}

/// The batch, to be applied only while the identity's record is `old`; it is `new` from then on.
pub(crate) fn replace(batch: Batch, identity: &Identity, old: Option<Record>, new: Record) -> Batch {
    let key = identity.as_str().as_bytes();
    let batch = match old {
        Some(old) => batch.expect_equals(IDENTITIES, key, old.to_bytes()),
        None => batch.expect_absent(IDENTITIES, key),
    };
    batch.put(IDENTITIES, key, new.to_bytes())
}

/// The batch, to be applied only if nobody ever had this account key, which is the identity's from then on.
pub(crate) fn claim_key(batch: Batch, identity: &Identity, account: AccountKey) -> Batch {
    let key = account.to_bytes();
    batch.expect_absent(ACCOUNT_KEYS, key).put(ACCOUNT_KEYS, key, identity.as_str())
}

fn parse(identity: &[u8]) -> Result<Identity, IssuerError> {
    let text = std::str::from_utf8(identity).ok();
    text.and_then(|text| Identity::parse(text).ok()).ok_or_else(IssuerError::damaged)
}
