//! The issuer as the redeemer sees it: a `RedemptionService` over mutual TLS.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use farthing_ecash::{account::AccountKey, amount::Amount, calendar::Day, keys::KeyId, renew::Grant};
use farthing_ledger::{checkpoint::SignedCheckpoint, key::VerifierKey, tree::TreeHead};
use farthing_proto::v1::{
    CreditRedemptionRequest, GetGrantRequest, GetIssuanceCheckpointRequest, LookUpAccountRequest,
    redemption_service_client::RedemptionServiceClient,
};
use farthing_service::status::Failure;
use farthing_store::{Batch, Outcome, Space, Store};
use tonic::transport::Channel;

use crate::error::SubmitError;

/// Accounts remembered; when there are more, all are forgotten.
const KNOWN_MAX: usize = 65_536;

/// The key of the issuance log, as the issuer told it first.
const LOG_KEY: Space = Space("issuer-log-key");
const LOG_KEY_PLACE: &[u8] = b"first";

/// The issuance log at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Issuance {
    /// Its size and root, signed by the issuer.
    pub(crate) head: TreeHead,
    /// All that was withdrawn in it.
    pub(crate) withdrawn: u128,
    /// The keys that are announced in it; `None` from an issuer that does not say.
    announced: Option<BTreeSet<KeyId>>,
}

impl Issuance {
    /// Keys that are announced, as far as the issuer says.
    pub(crate) fn announced(&self) -> impl Iterator<Item = KeyId> {
        self.announced.iter().flatten().copied()
    }

    /// Whether a key is announced in the log, as far as the issuer says.
    pub(crate) fn announces(&self, key: KeyId) -> bool {
        self.announced.as_ref().is_none_or(|announced| announced.contains(&key))
    }
}

/// A client of the issuer.
pub(crate) struct Issuer {
    client: RedemptionServiceClient<Channel>,
    store: Store,
    /// The key of the issuance log, when the operator has named it.
    log_key: Option<VerifierKey>,
    /// The class of accounts, and the day on which they were looked up.
    known: Mutex<HashMap<[u8; 32], (u32, Day)>>,
}

impl Issuer {
    pub(crate) fn new(channel: Channel, store: Store, log_key: Option<VerifierKey>) -> Self {
        Self { client: RedemptionServiceClient::new(channel), store, log_key, known: Mutex::default() }
    }

    /// A checkpoint of the issuance log over everything that is in it now.
    pub(crate) async fn issuance_checkpoint(&self) -> Result<Issuance, SubmitError> {
        let answer = self.client.clone().get_issuance_checkpoint(GetIssuanceCheckpointRequest {}).await;
        let answer = answer.map_err(|status| SubmitError::IssuerUnreachable(status.into()))?.into_inner();
        let key = self.log_key(&answer.log_verifier_key).await?;
        let checkpoint = SignedCheckpoint::open(&answer.note, &key).map_err(|error| {
            tracing::error!(%error, key = %key, "the issuer's checkpoint is not signed by the key of its log");
            SubmitError::Internal("the issuer's checkpoint does not verify")
        })?;
        let ids = answer.announced_key_ids.into_iter().map(|id| id.try_into().map(KeyId::new));
        let announced: BTreeSet<_> =
            ids.collect::<Result<_, _>>().map_err(|_| SubmitError::Internal("the issuer announces what is no key"))?;
        Ok(Issuance {
            head: checkpoint.head(),
            withdrawn: answer.withdrawn.into(),
            announced: (!announced.is_empty()).then_some(announced),
        })
    }

    /// The key that the operator has named; otherwise the first that the issuer told, for ever.
    async fn log_key(&self, told: &str) -> Result<VerifierKey, SubmitError> {
        if let Some(key) = &self.log_key {
            return Ok(key.clone());
        }
        let parse = |text: &str| text.parse().map_err(|_| SubmitError::Internal("the key of the issuance log is none"));
        if let Some(stored) = self.store.get(LOG_KEY, LOG_KEY_PLACE).await? {
            return parse(&String::from_utf8_lossy(&stored));
        }
        let key: VerifierKey = parse(told)?;
        let batch = Batch::new().expect_absent(LOG_KEY, LOG_KEY_PLACE).put(LOG_KEY, LOG_KEY_PLACE, told);
        match self.store.commit(batch).await? {
            Outcome::Applied { .. } => {
                tracing::info!(%key, "the key of the issuance log, from now on");
                Ok(key)
            }
            Outcome::Conflict { existing: Some(stored), .. } => parse(&String::from_utf8_lossy(&stored)),
            Outcome::Conflict { .. } | Outcome::Unknown => Err(SubmitError::OutcomeUnknown),
        }
    }

    /// The class of an account; `None` when there is no such account. It seldom changes: it is asked for once a day, and
    /// what is known from another day will do while the issuer does not answer.
    pub(crate) async fn class_of(&self, account: AccountKey, today: Day) -> Result<Option<u32>, SubmitError> {
        let key = account.to_bytes();
        let known = self.known().get(&key).copied();
        if let Some((class, _)) = known.filter(|(_, day)| *day == today) {
            return Ok(Some(class));
        }
        let request = LookUpAccountRequest { account_key: key.to_vec() };
        let answer = match (self.client.clone().look_up_account(request).await, known) {
            (Ok(answer), _) => answer.into_inner(),
            (Err(_), Some((class, _))) => return Ok(Some(class)),
            (Err(status), None) => return Err(SubmitError::IssuerUnreachable(status.into())),
        };
        if !answer.exists {
            return Ok(None);
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, (answer.class, today));
        Ok(Some(answer.class))
    }

    /// The grant at an index of the issuance log; `None` when there is none.
    pub(crate) async fn grant(&self, index: u64) -> Result<Option<Grant>, SubmitError> {
        let answer = self.client.clone().get_grant(GetGrantRequest { log_index: index }).await;
        let grant = answer.map_err(|status| SubmitError::IssuerUnreachable(status.into()))?.into_inner().grant;
        if grant.is_empty() {
            return Ok(None);
        }
        Grant::from_bytes(&grant).map(Some).map_err(|_| SubmitError::Internal("the issuer's grant is malformed"))
    }

    /// Credits an account for a redemption, once for each transaction id.
    pub(crate) async fn credit(&self, id: &[u8], account_key: &[u8], amount: Amount) -> Result<(), Failure> {
        let request = CreditRedemptionRequest {
            transaction_id: id.to_vec(),
            account_key: account_key.to_vec(),
            amount: amount.get(),
        };
        self.client.clone().credit_redemption(request).await?;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], (u32, Day)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
