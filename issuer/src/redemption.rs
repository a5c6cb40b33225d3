//! Redemptions come back from the redeemer: each is credited to its account exactly once.

use std::sync::Arc;

use farthing_ecash::{account::AccountKey, amount::Amount, policy::UNRESTRICTED};
use farthing_ledger::publisher::PublishError;
use farthing_proto::v1::{
    CreditRedemptionRequest, CreditRedemptionResponse, GetGrantRequest, GetGrantResponse, GetIssuanceCheckpointRequest,
    GetIssuanceCheckpointResponse, LookUpAccountRequest, LookUpAccountResponse,
    redemption_service_server::RedemptionService,
};
use farthing_service::listener::Peer;
use farthing_store::{Batch, Outcome, Space};
use tonic::{Request, Response, Status};

use crate::{
    accounts::{Account, RACES_MAX},
    error::IssuerError,
    office::Office,
    publication::Withdrawals,
};

/// Id of the redeem transaction → account key, amount u64 little-endian.
const REDEMPTIONS: Space = Space("redemption");

impl Office {
    /// Credits a redemption, or finds that it is credited.
    async fn credit_redemption(
        &self,
        transaction_id: [u8; 32],
        account_key: AccountKey,
        amount: Amount,
    ) -> Result<(), IssuerError> {
        let record = [&account_key.to_bytes()[..], &amount.get().to_le_bytes()].concat();
        let store = self.log.store();
        if let Some(existing) = store.get(REDEMPTIONS, &transaction_id).await? {
            return same(&existing, &record);
        }
        let (identity, _) = self.registry.holder(account_key).await?;
        let reservation = match self.supply.redeem(transaction_id, amount) {
            Ok(reservation) => reservation,
            // There may be no room because the same call was faster.
            Err(error) => match store.get(REDEMPTIONS, &transaction_id).await? {
                Some(existing) => return same(&existing, &record),
                None => {
                    tracing::error!("more would come back than was withdrawn: the issuing key may have been stolen");
                    return Err(error);
                }
            },
        };
        for _ in 0..RACES_MAX {
            let account = self.accounts.read(&identity, UNRESTRICTED).await?;
            let batch = Batch::new().expect_absent(REDEMPTIONS, transaction_id).put(
                REDEMPTIONS,
                transaction_id,
                record.as_slice(),
            );
            match store.commit(account.redeem(batch, amount)?).await? {
                Outcome::Applied { .. } => {
                    reservation.keep();
                    tracing::info!("credited a redemption");
                    return Ok(());
                }
                Outcome::Conflict { space: REDEMPTIONS, existing: Some(existing), .. } => {
                    return same(&existing, &record);
                }
                outcome if Account::has_changed(&outcome) => {}
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => {
                    reservation.keep();
                    return Err(IssuerError::OutcomeUnknown);
                }
            }
        }
        Err(IssuerError::Overloaded)
    }

    /// A checkpoint over everything that is in the log now, and how much was withdrawn in it.
    async fn issuance_checkpoint(&self) -> Result<GetIssuanceCheckpointResponse, IssuerError> {
        let unsigned = |error: PublishError| {
            tracing::error!(%error, "no checkpoint is signed");
            IssuerError::Unsigned
        };
        self.publisher.bring_up_to_date().await.map_err(unsigned)?;
        let (checkpoint, state) = self.publisher.state().await.ok_or(IssuerError::Unsigned)?;
        let withdrawn = Withdrawals::total(&state).map_err(|_| IssuerError::damaged())?;
        let (known, size) = (self.keys.now(), checkpoint.head().size);
        let announced = known.indices.iter().filter(|(_, index)| **index < size);
        Ok(GetIssuanceCheckpointResponse {
            announced_key_ids: announced.map(|(id, _)| id.as_bytes().to_vec()).collect(),
            note: checkpoint.note().to_string(),
            // The money supply keeps it within 64 bits.
            withdrawn: u64::try_from(withdrawn).map_err(|_| IssuerError::damaged())?,
            log_verifier_key: self.publisher.published().key().to_string(),
        })
    }
}

/// A transaction redeems into one account, and one amount.
fn same(existing: &[u8], record: &[u8]) -> Result<(), IssuerError> {
    if existing == record { Ok(()) } else { Err(IssuerError::RequestIdReused) }
}

/// `farthing.v1.RedemptionService`, for redeemers that show their certificate.
#[derive(Clone)]
pub(crate) struct Redemptions(pub(crate) Arc<Office>);

/// A listener that asks for no certificates lets nobody in here.
fn check_certified<T>(request: &Request<T>) -> Result<(), IssuerError> {
    match request.extensions().get::<Peer>() {
        Some(peer) if peer.certified => Ok(()),
        _ => Err(IssuerError::NotCertified),
    }
}

fn account_key(bytes: Vec<u8>) -> Result<AccountKey, IssuerError> {
    let bytes = bytes.try_into().map_err(|_| IssuerError::field("account_key", "must be 32 bytes"))?;
    AccountKey::from_bytes(bytes).map_err(|error| IssuerError::field("account_key", error.to_string()))
}

#[tonic::async_trait]
impl RedemptionService for Redemptions {
    async fn credit_redemption(
        &self,
        request: Request<CreditRedemptionRequest>,
    ) -> Result<Response<CreditRedemptionResponse>, Status> {
        check_certified(&request)?;
        let request = request.into_inner();
        let id = request.transaction_id.try_into();
        let id = id.map_err(|_| IssuerError::field("transaction_id", "must be 32 bytes"))?;
        let (account, amount) = (account_key(request.account_key)?, Amount::new(request.amount));
        if amount == Amount::ZERO {
            return Err(IssuerError::field("amount", "must be at least 1").into());
        }
        self.0.carry_out(|office| async move { office.credit_redemption(id, account, amount).await }).await?;
        Ok(Response::new(CreditRedemptionResponse {}))
    }

    async fn look_up_account(
        &self,
        request: Request<LookUpAccountRequest>,
    ) -> Result<Response<LookUpAccountResponse>, Status> {
        check_certified(&request)?;
        match self.0.registry.holder(account_key(request.into_inner().account_key)?).await {
            Ok((_, record)) => Ok(Response::new(LookUpAccountResponse { exists: true, class: record.class })),
            Err(IssuerError::AccountUnknown) => Ok(Response::new(LookUpAccountResponse { exists: false, class: 0 })),
            Err(error) => Err(error.into()),
        }
    }

    async fn get_grant(&self, request: Request<GetGrantRequest>) -> Result<Response<GetGrantResponse>, Status> {
        check_certified(&request)?;
        let granted = self.0.granted(request.into_inner().log_index).await?;
        Ok(Response::new(GetGrantResponse { grant: granted.map_or_else(Vec::new, |granted| granted.grant.to_bytes()) }))
    }

    async fn get_issuance_checkpoint(
        &self,
        request: Request<GetIssuanceCheckpointRequest>,
    ) -> Result<Response<GetIssuanceCheckpointResponse>, Status> {
        check_certified(&request)?;
        Ok(Response::new(self.0.issuance_checkpoint().await?))
    }
}
