//! The issuer's redemption service: real gRPC over mutual TLS, with its books in memory.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use farthing_ecash::keys::KeyId;
use farthing_ledger::{checkpoint::Checkpoint, hash::Hash, key::LogSigner};
use farthing_proto::v1::{
    CreditRedemptionRequest, CreditRedemptionResponse, ErrorReason, GetGrantRequest, GetGrantResponse,
    GetIssuanceCheckpointRequest, GetIssuanceCheckpointResponse, LookUpAccountRequest, LookUpAccountResponse,
    redemption_service_server::{RedemptionService, RedemptionServiceServer},
};
use farthing_service::{
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    server::{Server, ServerSettings},
    status::Refusal,
    tls::ServerTls,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// No test waits longer than this for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Account key and amount.
pub(crate) type Credit = (Vec<u8>, u64);

/// The books.
pub(crate) struct Books {
    /// What the issuer says was withdrawn.
    pub(crate) withdrawn: Mutex<u64>,
    /// What signs the issuance log.
    pub(crate) log_key: Mutex<LogSigner>,
    /// How often a checkpoint was asked for.
    pub(crate) asked: Mutex<u64>,
    /// Its size, one more with each checkpoint.
    pub(crate) issuance_size: Mutex<u64>,
    /// Account key → class.
    pub(crate) accounts: Mutex<HashMap<Vec<u8>, u32>>,
    /// By transaction id.
    pub(crate) credits: Mutex<BTreeMap<Vec<u8>, Credit>>,
    /// How often each transaction id was delivered.
    pub(crate) deliveries: Mutex<BTreeMap<Vec<u8>, u32>>,
    /// Grants by their index in the issuance log.
    pub(crate) grants: Mutex<HashMap<u64, Vec<u8>>>,
    /// How often an account was looked up.
    pub(crate) look_ups: Mutex<u32>,
    /// So many credits are booked, but their answers are lost.
    pub(crate) answers_to_lose: Mutex<u32>,
    /// The keys that the issuer says it has announced; without any, it does not say.
    pub(crate) announced: Mutex<Vec<KeyId>>,
    /// It tells nothing of its log.
    pub(crate) is_silent: Mutex<bool>,
    /// Something has come in.
    pub(crate) changed: Notify,
}

impl Default for Books {
    /// The mint makes coins without withdrawals: so there are as many as there can be.
    fn default() -> Self {
        Self {
            withdrawn: Mutex::new(u64::MAX),
            log_key: Mutex::new(log_key()),
            asked: Mutex::default(),
            issuance_size: Mutex::new(10),
            accounts: Mutex::default(),
            credits: Mutex::default(),
            deliveries: Mutex::default(),
            grants: Mutex::default(),
            look_ups: Mutex::default(),
            answers_to_lose: Mutex::default(),
            announced: Mutex::default(),
            is_silent: Mutex::default(),
            changed: Notify::default(),
        }
    }
}

/// A fresh key of the issuance log.
pub(crate) fn log_key() -> LogSigner {
    LogSigner::generate("issuer.example/farthing/issuance", &mut UnwrapErr(SysRng)).unwrap()
}

impl Books {
    /// Waits until something holds.
    pub(crate) async fn wait_until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the issuer has not heard of it");
    }

    pub(crate) fn credited(&self) -> Vec<Credit> {
        self.credits.lock().unwrap().values().cloned().collect()
    }
}

/// The service on an address.
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(books: &Arc<Books>, certificates: &DevCertificates, address: SocketAddr) -> Self {
        let pair = certificates.server("issuer").unwrap();
        let tls = ServerTls::load(&pair, Some(&certificates.authority())).unwrap();
        let listener = Listener::bind(address, tls, ConnectionLimits::default()).await.unwrap();
        let address = listener.address();
        let shutdown = CancellationToken::new();
        let server = Server::new(ServerSettings::default())
            .with_service(RedemptionServiceServer::from_arc(Arc::new(Service(books.clone()))));
        let running = server.run(listener, shutdown.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        Self { address, shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

struct Service(Arc<Books>);

#[tonic::async_trait]
impl RedemptionService for Service {
    async fn credit_redemption(
        &self,
        request: Request<CreditRedemptionRequest>,
    ) -> Result<Response<CreditRedemptionResponse>, Status> {
        let CreditRedemptionRequest { transaction_id, account_key, amount } = request.into_inner();
        let books = &self.0;
        *books.deliveries.lock().unwrap().entry(transaction_id.clone()).or_default() += 1;
        if !books.accounts.lock().unwrap().contains_key(&account_key) {
            books.changed.notify_waiters();
            return Err(Refusal::new(ErrorReason::AccountUnknown, "no such account").into());
        }
        books.credits.lock().unwrap().entry(transaction_id).or_insert((account_key, amount));
        books.changed.notify_waiters();
        let mut lose = books.answers_to_lose.lock().unwrap();
        if *lose > 0 {
            *lose -= 1;
            return Err(Refusal::new(ErrorReason::StoreUnavailable, "booked, but nobody is told").into());
        }
        Ok(Response::new(CreditRedemptionResponse {}))
    }

    async fn look_up_account(
        &self,
        request: Request<LookUpAccountRequest>,
    ) -> Result<Response<LookUpAccountResponse>, Status> {
        *self.0.look_ups.lock().unwrap() += 1;
        let class = self.0.accounts.lock().unwrap().get(&request.into_inner().account_key).copied();
        Ok(Response::new(LookUpAccountResponse { exists: class.is_some(), class: class.unwrap_or(0) }))
    }

    async fn get_grant(&self, request: Request<GetGrantRequest>) -> Result<Response<GetGrantResponse>, Status> {
        let grant = self.0.grants.lock().unwrap().get(&request.into_inner().log_index).cloned();
        Ok(Response::new(GetGrantResponse { grant: grant.unwrap_or_default() }))
    }

    async fn get_issuance_checkpoint(
        &self,
        _: Request<GetIssuanceCheckpointRequest>,
    ) -> Result<Response<GetIssuanceCheckpointResponse>, Status> {
        if *self.0.is_silent.lock().unwrap() {
            return Err(Status::unavailable("not now"));
        }
        let withdrawn = *self.0.withdrawn.lock().unwrap();
        let signer = self.0.log_key.lock().unwrap();
        let mut size = self.0.issuance_size.lock().unwrap();
        *size += 1;
        *self.0.asked.lock().unwrap() += 1;
        self.0.changed.notify_waiters();
        let checkpoint = Checkpoint {
            origin: signer.verifier().name().to_owned(),
            size: *size,
            root: Hash::leaf(&size.to_le_bytes()),
            issuance: None,
            spent: Vec::new(),
        };
        Ok(Response::new(GetIssuanceCheckpointResponse {
            note: checkpoint.sign(&signer).unwrap().note().to_string(),
            withdrawn,
            log_verifier_key: signer.verifier().to_string(),
            announced_key_ids: self.0.announced.lock().unwrap().iter().map(|id| id.as_bytes().to_vec()).collect(),
        }))
    }
}
