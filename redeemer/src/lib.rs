//! The redeemer: it verifies transactions, keeps the serials that were spent, enforces the policy, signs outputs, pays out to
//! accounts, and serves the payment log.
//!
//! The rule of acceptance, docs/PROTOCOL.md section 7, is [`accept`]; what is cheap to check and what is dear is [`check`].
//! [`policy`] publishes the regulation policy, [`ledger`] keeps the log, `publication` signs its checkpoints, [`liabilities`]
//! watches that no more comes back than was withdrawn. Everything that must not be forgotten is in one
//! store, and every accepted transaction is one durable write.
//!
//! A program puts together [`Parts`], from a [`config::Config`] or by hand, binds a listener, and calls [`run`].
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod accept;
mod attest;
mod backoff;
pub mod check;
pub mod config;
pub mod error;
mod heard;
pub mod init;
mod issuer;
pub mod keys;
pub mod ledger;
pub mod liabilities;
mod payout;
pub mod policy;
mod publication;
mod redemption;
pub mod reload;
mod renewal;
mod service;
mod status;

use std::{sync::Arc, time::Duration};

use farthing_ecash::keys::KeyRing;
use farthing_ledger::{
    key::VerifierKey,
    pruning::Pruner,
    published::Published,
    publisher::{LogParts, PublishError, Publisher},
};
use farthing_policy::Policy;
use farthing_proto::v1::{ledger_service_server::LedgerServiceServer, redeemer_service_server::RedeemerServiceServer};
use farthing_service::{
    channel::{self, Deadlines},
    clock::Clock,
    ledger::Ledger,
    listener::Listener,
    log_setup::LogSetup,
    logical_day::LogicalDay,
    server::{REQUEST_BYTES_MAX, Server, ServerSettings},
    tls::ClientTls,
};
use farthing_store::Store;
use jiff::tz::TimeZone;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Channel;

use crate::{
    accept::{Acceptor, Records},
    attest::Attester,
    check::{Verifier, VerifierSettings},
    config::Config,
    error::RunError,
    heard::Heard,
    issuer::Issuer,
    keys::Keys,
    ledger::{PAYMENTS, PaymentLog},
    liabilities::Liabilities,
    payout::Payouts,
    policy::PolicyInForce,
    publication::Payments,
    redemption::Redemptions,
    reload::{Reload, Subject},
    renewal::Renewals,
    service::Service,
};

/// How long the issuer may take. A wallet that redeems waits for it, and should learn that the issuer is the one that does
/// not answer before its own request is too old.
const ISSUER_DEADLINES: Deadlines = Deadlines { connect: Duration::from_secs(3), call: Duration::from_secs(5) };

/// What a redeemer is made of.
pub struct Parts {
    /// Where everything durable is.
    pub store: Store,
    /// The issuing keys that are accepted.
    pub keys: KeyRing,
    /// The regulation policy.
    pub policy: Policy,
    /// The files that are looked at while it runs; without it, none.
    pub reload: Option<Reload>,
    /// The origin of the payment log.
    pub origin: String,
    /// How the log is signed.
    pub log: LogSetup,
    /// The key of the issuance log; without it the first that the issuer tells is kept.
    pub issuer_log_key: Option<VerifierKey>,
    /// The issuer's `RedemptionService`, over mutual TLS.
    pub issuer: Channel,
    /// The operator's word that this is today, counted from 1970-01-01; see [`LogicalDay::start`].
    pub accepted_day: Option<u32>,
    /// How much is verified at once.
    pub verifier: VerifierSettings,
    /// How requests are served.
    pub server: ServerSettings,
}

impl Parts {
    /// Reads what the configuration names, and opens the store.
    ///
    /// # Errors
    /// [`RunError`]: everything that can be wrong with files.
    pub fn from_config(config: &Config, issuer_tls: &ClientTls) -> Result<Self, RunError> {
        check_origin(&config.origin)?;
        let policy = policy::load(&config.policy)?;
        let keys = keys::load(&config.keys)?;
        let issuer = channel::open(&config.issuer.address, issuer_tls, ISSUER_DEADLINES)?;
        let (store, _) = Store::open(&config.store_dir())?;
        Ok(Self {
            store,
            keys,
            policy,
            reload: Some(config.reload()),
            origin: config.origin.clone(),
            log: config.log.setup(&config.origin)?,
            issuer_log_key: config.issuer_log_key()?,
            issuer,
            accepted_day: None,
            verifier: VerifierSettings::default(),
            server: ServerSettings::default(),
        })
    }
}

/// A redeemer that is ready to serve: its policy is published, its day is known.
pub struct Redeemer {
    handles: Handles,
    issuer: Arc<Issuer>,
    reload: Option<Reload>,
    origin: String,
    checkpoint_interval: Duration,
    publisher: Arc<Publisher<Payments>>,
    pruner: Option<Pruner>,
    server: ServerSettings,
    payouts: Payouts,
}

/// What else may be done with a redeemer while it serves; for harnesses and tests.
#[derive(Clone)]
pub struct Handles {
    /// Its store.
    pub store: Store,
    /// Its logical day; [`LogicalDay::advance`] after a manual clock was set.
    pub day: Arc<LogicalDay>,
    /// Its log.
    pub log: Arc<PaymentLog>,
    /// Its policy.
    pub policy: Arc<PolicyInForce>,
    /// Its issuing keys.
    pub keys: Arc<Keys>,
    /// Takes transactions without a connection.
    pub acceptor: Arc<Acceptor>,
    /// What is given out of its log.
    pub published: Arc<Published>,
}

impl Redeemer {
    /// Takes up the logical day, publishes the policy if it is new, and starts the verifying threads.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(parts: Parts, clock: Arc<dyn Clock>) -> Result<Self, RunError> {
        let Parts { store, keys, policy, reload, origin, log: setup, .. } = parts;
        let Parts { issuer_log_key, issuer, accepted_day, verifier, server, .. } = parts;
        check_origin(&origin)?;
        let zone = TimeZone::get(policy.time_zone())
            .map_err(|_| RunError::Config(format!("the time zone {} is not known", policy.time_zone())))?;
        let day = Arc::new(LogicalDay::start(store.clone(), clock.clone(), zone, accepted_day).await?);
        let log = Arc::new(PaymentLog::new(store.clone(), day.clone()));
        let issuer = Arc::new(Issuer::new(issuer, store.clone(), issuer_log_key));
        let keys = keys::announced(keys, &issuer, &policy::keys_with_rules(&store).await?).await;
        if keys.current(log.today()).is_none() {
            return Err(RunError::NoCurrentKey(log.today()));
        }
        let (keys, wake, heard) = (Arc::new(Keys::new(keys)), Arc::new(Notify::new()), Arc::new(Heard::default()));
        let LogSetup { signer, anchor, interval: checkpoint_interval, witnesses, pruning } = setup;
        if signer.verifier().name() != origin {
            return Err(RunError::Config("the key of the log is that of another origin".to_owned()));
        }
        let liabilities = Arc::new(Liabilities::new(issuer.clone()));
        let subject = Payments::new(issuer.clone(), keys.clone(), heard.clone(), liabilities.clone());
        let parts_of_log = LogParts { store: store.clone(), log: PAYMENTS, signer, anchor, witnesses };
        // Before anything is written to the log: an old copy of the store stays as it is.
        let publisher = Arc::new(Publisher::open(parts_of_log, subject).await?);
        let policy = Arc::new(PolicyInForce::start(log.clone(), &keys.ring(), policy, clock).await?);
        let signed = publisher.state().await;
        let signed = signed.as_ref().map(|(checkpoint, state)| (checkpoint.head().size, state.as_slice()));
        let (sums, withdrawn) = publication::sums(&store, signed).await.map_err(PublishError::from)?;
        liabilities.take_up(sums, withdrawn);
        let acceptor = Acceptor::new(
            log.clone(),
            keys.clone(),
            policy.clone(),
            Verifier::start(&keys, verifier).map_err(RunError::Threads)?,
            Redemptions::new(issuer.clone(), policy.clone(), wake.clone()),
            Renewals::new(issuer.clone()),
            Records::new(log.clone(), policy.clone(), liabilities, heard),
        );
        let published = publisher.published().clone();
        let pruner = pruning.map(|rule| Pruner::new(store.clone(), PAYMENTS, published.clone(), rule));
        Ok(Self {
            payouts: Payouts::new(store.clone(), issuer.clone(), wake),
            handles: Handles { store, day, log, policy, keys, acceptor: Arc::new(acceptor), published },
            issuer,
            reload,
            origin,
            checkpoint_interval,
            publisher,
            pruner,
            server,
        })
    }

    /// What else may be done with it while it serves.
    #[must_use]
    pub fn handles(&self) -> Handles {
        self.handles.clone()
    }

    /// Serves until the shutdown; then finishes what is being written and closes the store.
    ///
    /// # Errors
    /// [`RunError::Serve`]; [`RunError::StoreFailed`] when the disk let it down.
    pub async fn serve(self, listener: Listener, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self { handles, issuer, reload, origin, checkpoint_interval, publisher, pruner, server, payouts } = self;
        let Handles { store, day, log, policy, keys, acceptor, published } = handles;
        let stop = shutdown.child_token();
        let (buckets, pruned_log) = (policy.clone(), log.clone());
        let ledger = Ledger::new(store.clone(), PAYMENTS, origin.clone(), stop.clone())
            .with_published(published.clone())
            .with_bucket_bits(move |core| buckets.bucket_bits(core.header().epoch));
        let log_key = published.key().to_string();
        let subject = Subject { log: log.clone(), policy: policy.clone(), keys: keys.clone(), issuer };
        let attester = Attester::new(keys.clone(), log.clone());
        let service = Service { origin, log_key, acceptor: acceptor.clone(), attester, log, keys, policy };
        let server = Server::new(server)
            .with_service(RedeemerServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX))
            .with_service(LedgerServiceServer::new(ledger).max_decoding_message_size(REQUEST_BYTES_MAX));

        let tasks = TaskTracker::new();
        if let Some(reload) = reload {
            tasks.spawn(reload::keep(reload, subject, server.health(), stop.clone()));
        }
        let keeping = stop.clone();
        tasks.spawn(async move { day.keep(keeping).await });
        tasks.spawn(payouts.run(stop.clone()));
        tasks.spawn(publisher.keep(checkpoint_interval, stop.clone()));
        if let Some(pruner) = pruner {
            tasks.spawn(pruner.keep(move || pruned_log.today(), stop.clone()));
        }
        let (store_failed, failing, stopping) = (CancellationToken::new(), store.clone(), stop.clone());
        let has_failed = store_failed.clone();
        tasks.spawn(async move {
            if stopping.run_until_cancelled(failure(failing)).await.is_some() {
                tracing::error!("the store has failed: stopping");
                has_failed.cancel();
                stopping.cancel();
            }
        });
        tracing::info!(address = %listener.address(), "serving");
        let served = server.run(listener, stop.clone()).await;
        stop.cancel();
        acceptor.close().await;
        tasks.close();
        tasks.wait().await;
        store.close().await;
        served?;
        if store_failed.is_cancelled() { Err(RunError::StoreFailed) } else { Ok(()) }
    }
}

/// Comes to an end when the store fails: then it has no more news.
async fn failure(store: Store) {
    let mut news = store.log_watch(PAYMENTS);
    while news.changed().await.is_ok() {}
}

/// Starts a redeemer and serves until the shutdown.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    parts: Parts,
    listener: Listener,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    Redeemer::start(parts, clock).await?.serve(listener, shutdown).await
}

/// An origin stands in a line of every checkpoint, and in file names of followers.
fn check_origin(origin: &str) -> Result<(), RunError> {
    let is_fit = |c: char| c.is_ascii_graphic() && c != '+';
    if origin.is_empty() || !origin.chars().all(is_fit) {
        let wanted = "origin: a name such as \"redeemer.example/farthing/payments\", without spaces and plus signs";
        return Err(RunError::Config(wanted.to_owned()));
    }
    Ok(())
}
