//! Everything around a redeemer: a folder, a clock, certificates, a mint, an issuer.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use farthing_ecash::{
    keys::{KeyRing, PublicKey},
    transaction::Transaction,
};
use farthing_policy::Policy;
use farthing_proto::v1::{
    AttestRequest, GetRedeemerRequest, GetRedeemerResponse, SubmitTransactionRequest, SubmitTransactionResponse,
    ledger_service_client::LedgerServiceClient, redeemer_service_client::RedeemerServiceClient,
};
use farthing_redeemer::{Handles, Parts, Redeemer, check::VerifierSettings, error::RunError, reload::Reload};
use farthing_service::{
    channel::{self, Deadlines},
    clock::ManualClock,
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    log_setup::{self, LogSetup},
    server::ServerSettings,
    status::Failure,
    tls::{ClientTls, ServerTls},
};
use farthing_store::{Options, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::{
    issuer::{Books, Issuer},
    mint::{Mint, TODAY},
    wallet::Facts,
};

/// 13:00 in Luxembourg on the day [`TODAY`].
pub(crate) const NOON: i64 = TODAY as i64 * 86_400 + 12 * 3_600;

/// The name of the payment log.
pub(crate) const ORIGIN: &str = "redeemer.example/farthing/payments";

/// A policy in which a person may receive 10 a day and redeem 5 a day, in hundredths.
pub(crate) const POLICY: &str = r#"
version = 1
timezone = "Europe/Luxembourg"
grace = "10m"
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "0.02"
minimum = "0.10"
[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "15.00" }
withdraw = { per_day = "100.00" }
redeem = { per_day = "5.00" }
[[class]]
number = 2
name = "charity"
receive = { per_day = "unlimited", per_month = "unlimited" }
"#;

/// Everything that outlives a redeemer.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) mints: Vec<Mint>,
    pub(crate) policy: String,
    pub(crate) certificates: DevCertificates,
    pub(crate) books: Arc<Books>,
    pub(crate) issuer: SocketAddr,
    pub(crate) verifier: VerifierSettings,
    pub(crate) accepted_day: Option<u32>,
    pub(crate) reload: Option<Reload>,
    pub(crate) store: Options,
    /// Time between two checkpoints at least; the first one does not wait.
    pub(crate) checkpoint_interval: Duration,
    pub(crate) home: TempDir,
    running_issuer: Option<Issuer>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(&home.path().join("certs")).unwrap();
        let books = Arc::new(Books::default());
        let issuer = Issuer::start(&books, &certificates, "127.0.0.1:0".parse().unwrap()).await;
        let currency = Policy::parse(POLICY).unwrap().currency().clone();
        Self {
            clock: Arc::new(ManualClock::new(NOON)),
            mints: vec![Mint::new(&currency, TODAY - 100, TODAY + 100)],
            policy: POLICY.to_owned(),
            certificates,
            books,
            issuer: issuer.address,
            verifier: VerifierSettings::default(),
            accepted_day: None,
            reload: None,
            store: Options::default(),
            checkpoint_interval: Duration::from_millis(10),
            home,
            running_issuer: Some(issuer),
        }
    }

    pub(crate) fn mint(&self) -> &Mint {
        &self.mints[0]
    }

    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        self.mints.iter().map(|mint| mint.key().public().clone()).collect()
    }

    pub(crate) fn store_dir(&self) -> PathBuf {
        self.home.path().join("store")
    }

    pub(crate) async fn stop_issuer(&mut self) {
        self.running_issuer.take().unwrap().stop().await;
    }

    pub(crate) async fn start_issuer(&mut self) {
        self.running_issuer = Some(Issuer::start(&self.books, &self.certificates, self.issuer).await);
    }

    pub(crate) fn parts(&self) -> Parts {
        let client = self.certificates.client("redeemer").unwrap();
        let tls = ClientTls::load(&self.certificates.authority(), Some(&client)).unwrap();
        Parts {
            store: Store::open_with(&self.store_dir(), self.store.clone()).unwrap().0,
            keys: KeyRing::new(self.mints.iter().map(Mint::key)),
            policy: Policy::parse(&self.policy).unwrap(),
            reload: self.reload.clone(),
            origin: ORIGIN.to_owned(),
            log: LogSetup {
                signer: log_setup::load_or_make(&self.home.path().join("log.key"), ORIGIN).unwrap(),
                anchor: self.home.path().join("checkpoint.anchor"),
                interval: self.checkpoint_interval,
                witnesses: Vec::new(),
                pruning: None,
            },
            issuer_log_key: None,
            issuer: channel::open(&format!("https://{}", self.issuer), &tls, Deadlines::default()).unwrap(),
            accepted_day: self.accepted_day,
            verifier: self.verifier,
            server: ServerSettings::default(),
        }
    }

    /// A redeemer that does not serve.
    pub(crate) async fn redeemer(&self) -> Result<Redeemer, RunError> {
        Redeemer::start(self.parts(), self.clock.clone()).await
    }

    pub(crate) async fn start(&self) -> Running {
        let redeemer = self.redeemer().await.unwrap();
        let tls = ServerTls::load(&self.certificates.server("redeemer").unwrap(), None).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls, ConnectionLimits::default()).await.unwrap();
        let address = listener.address();
        let tls = ClientTls::load(&self.certificates.authority(), None).unwrap();
        let channel = channel::open(&format!("https://{address}"), &tls, Deadlines::default()).unwrap();
        let (handles, shutdown) = (redeemer.handles(), CancellationToken::new());
        let task = tokio::spawn(redeemer.serve(listener, shutdown.clone()));
        Running { handles, channel, keys: self.public_keys(), clock: self.clock.clone(), shutdown, task }
    }
}

/// A redeemer that serves.
pub(crate) struct Running {
    pub(crate) handles: Handles,
    pub(crate) channel: Channel,
    pub(crate) keys: Vec<PublicKey>,
    clock: Arc<ManualClock>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) async fn get(&self) -> GetRedeemerResponse {
        let mut client = RedeemerServiceClient::new(self.channel.clone());
        client.get_redeemer(GetRedeemerRequest {}).await.unwrap().into_inner()
    }

    pub(crate) async fn facts(&self) -> Facts {
        Facts::new(&self.get().await, &self.keys)
    }

    /// Asks for the attestation of a presentation.
    pub(crate) async fn attest(&self, presentation: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut client = RedeemerServiceClient::new(self.channel.clone());
        let answer = client.attest(AttestRequest { presentation }).await;
        answer.map(|answer| answer.into_inner().attestation).map_err(Failure::from)
    }

    pub(crate) fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn submit_bytes(
        &self,
        transaction: &[u8],
        private: &[u8],
    ) -> Result<SubmitTransactionResponse, Failure> {
        let request = SubmitTransactionRequest { transaction: transaction.to_vec(), private_part: private.to_vec() };
        let mut client = RedeemerServiceClient::new(self.channel.clone());
        client.submit_transaction(request).await.map(tonic::Response::into_inner).map_err(Failure::from)
    }

    pub(crate) async fn submit(&self, transaction: &Transaction) -> Result<SubmitTransactionResponse, Failure> {
        self.submit_bytes(transaction.as_bytes(), &[]).await
    }

    /// Lets time pass, and the redeemer look at its clock.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.pass(time);
        self.handles.day.advance().await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.end().await.unwrap();
    }

    /// Waits until it has stopped by itself.
    pub(crate) async fn end(self) -> Result<(), RunError> {
        self.task.await.unwrap()
    }
}
