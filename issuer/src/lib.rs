//! The issuer: accounts, one wallet registration for each identity, the directory, withdrawals, and the issuance log.
//!
//! Wallets call `IssuerService` and `LedgerService`, the operator `IssuerAdminService` on an address of its own, redeemers
//! `RedemptionService` over mutual TLS. Everything that must not be forgotten is in one store, and every change is one
//! durable, conditional write: a registration or a withdrawal with its answer and its log entry, a credit with its request
//! id. Asked again with the same bytes, the issuer answers the same.
//!
//! A program puts together [`Parts`], from a [`config::Config`] or by hand, binds [`config::Listeners`], and calls [`run`].
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

mod accounts;
mod admin;
mod calendar;
pub mod config;
mod directory;
pub mod error;
pub mod init;
mod invitation;
mod issuance;
pub mod keys;
mod lost;
mod office;
mod policy;
mod publication;
mod redemption;
mod registration;
mod registry;
pub mod reload;
mod renewal;
mod service;
mod standing;
mod status;
mod supply;
mod verifier;
mod withdraw;

use std::{sync::Arc, time::Duration};

use farthing_ecash::{calendar::Day, keys::KeyRing, validity::ValidityCalendar};
use farthing_ledger::{
    pruning::Pruner,
    published::Published,
    publisher::{LogParts, Publisher},
};
use farthing_policy::Policy;
use farthing_proto::v1::{
    issuer_admin_service_server::IssuerAdminServiceServer, issuer_service_server::IssuerServiceServer,
    ledger_service_server::LedgerServiceServer, redemption_service_server::RedemptionServiceServer,
};
use farthing_service::{
    clock::{Clock, civil_day},
    ledger::Ledger,
    log_setup::LogSetup,
    logical_day::LogicalDay,
    server::{REQUEST_BYTES_MAX, Server, ServerSettings},
    token::Token,
};
use farthing_store::Store;
use jiff::tz::TimeZone;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::interceptor::InterceptedService;

use crate::{
    accounts::Accounts,
    admin::Admin,
    config::{Config, Listeners},
    directory::Directory,
    error::RunError,
    issuance::IssuanceLog,
    keys::Keys,
    office::Office,
    policy::PolicyInUse,
    publication::Withdrawals,
    redemption::Redemptions,
    registry::Registry,
    reload::Reload,
    service::Service,
    supply::Supply,
    verifier::Verifier,
};
pub use crate::{directory::BUCKET_ENTRIES_MAX, issuance::ISSUANCE, supply::Totals};

/// What an issuer is made of.
pub struct Parts {
    /// Where everything durable is.
    pub store: Store,
    /// The issuing keys.
    pub keys: KeyRing,
    /// The regulation policy: time zone, currency, classes and what they may withdraw.
    pub policy: Policy,
    /// The files that are looked at while it runs; without it, none.
    pub reload: Option<Reload>,
    /// The origin of the issuance log.
    pub origin: String,
    /// How the log is signed.
    pub log: LogSetup,
    /// Until when wallet states are valid. A calendar that is not that of the log is announced as the new one.
    pub calendar: ValidityCalendar,
    /// Time between two batches of directory entries in the log.
    pub directory_interval: Duration,
    /// What the operator shows.
    pub admin_token: Token,
    /// The operator's word that this is today, counted from 1970-01-01; see [`LogicalDay::start`].
    pub accepted_day: Option<u32>,
    /// How requests are served.
    pub server: ServerSettings,
}

impl Parts {
    /// Reads what the configuration names, makes missing keys and the operator's token, and opens the store.
    ///
    /// # Errors
    /// [`RunError`]: everything that can be wrong with files.
    pub fn from_config(config: &Config, clock: &dyn Clock) -> Result<Self, RunError> {
        check_origin(&config.origin)?;
        let policy = config.load_policy()?;
        // The store first: it makes the data folder, and knows whether another issuer runs here.
        let (store, recovery) = Store::open(&config.store_dir())?;
        tracing::info!("{recovery}");
        let today = today(&policy, clock.unix_seconds())?;
        let keys = keys::load_or_make(&config.keys, policy.currency(), config.key_periods, today)?;
        let admin_token = Token::load_or_create(&config.token_file())?;
        Ok(Self {
            store,
            keys,
            policy,
            reload: Some(config.reload()),
            origin: config.origin.clone(),
            log: config.log.setup(&config.origin)?,
            calendar: config.calendar()?,
            directory_interval: config.directory_interval(),
            admin_token,
            accepted_day: None,
            server: ServerSettings::default(),
        })
    }
}

/// An issuer that is ready to serve: its keys are announced, its day is known.
pub struct Issuer {
    office: Arc<Office>,
    day: Arc<LogicalDay>,
    reload: Option<Reload>,
    checkpoint_interval: Duration,
    pruner: Option<Pruner>,
    directory_interval: Duration,
    admin_token: Token,
    server: ServerSettings,
}

/// What else may be done with an issuer while it serves; for harnesses and tests.
#[derive(Clone)]
pub struct Handles {
    /// Its store.
    pub store: Store,
    /// Its logical day; [`LogicalDay::advance`] after a manual clock was set.
    pub day: Arc<LogicalDay>,
    office: Arc<Office>,
}

impl Handles {
    /// How much was withdrawn and redeemed.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.office.supply.totals()
    }

    /// What is given out of the issuance log.
    #[must_use]
    pub fn published(&self) -> &Arc<Published> {
        self.office.publisher.published()
    }
}

impl Issuer {
    /// Takes up the logical day and what is stored, and announces new keys.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(parts: Parts, clock: Arc<dyn Clock>) -> Result<Self, RunError> {
        let Parts { store, keys, policy, reload, origin, log: setup, calendar, directory_interval, .. } = parts;
        check_origin(&origin)?;
        check_currency(&policy, &keys)?;
        let day = LogicalDay::start(store.clone(), clock, zone(&policy)?, parts.accepted_day).await?;
        let day = Arc::new(day);
        let log = Arc::new(IssuanceLog::new(store.clone(), day.clone()));
        if keys.current(log.today()).is_none() {
            return Err(RunError::NoCurrentKey(log.today()));
        }
        let LogSetup { signer, anchor, interval: checkpoint_interval, witnesses, pruning } = setup;
        if signer.verifier().name() != origin {
            return Err(RunError::Config("the key of the log is that of another origin".to_owned()));
        }
        let parts_of_log = LogParts { store: store.clone(), log: ISSUANCE, signer, anchor, witnesses };
        // Before anything is written to the log: an old copy of the store stays as it is.
        let publisher = Arc::new(Publisher::open(parts_of_log, Withdrawals::default()).await?);
        let pruner = pruning.map(|rule| Pruner::new(store.clone(), ISSUANCE, publisher.published().clone(), rule));
        let policy = PolicyInUse::start(store.clone(), policy).await?;
        let keys = Arc::new(Keys::start(&log, keys).await?);
        let accounts = Accounts::new(store.clone());
        let calendars = calendar::announce(&log, calendar).await?;
        let office = Office {
            log,
            registry: Registry::new(store.clone()),
            supply: Supply::new(accounts.totals().await?),
            accounts,
            directory: Arc::new(Directory::open(store).await?),
            verifier: Verifier::new(keys.clone()),
            keys,
            publisher,
            policy,
            origin,
            calendars,
            directory_interval,
            tasks: TaskTracker::new(),
            store_failed: CancellationToken::new(),
        };
        let (admin_token, server) = (parts.admin_token, parts.server);
        let office = Arc::new(office);
        Ok(Self { office, day, reload, checkpoint_interval, pruner, directory_interval, admin_token, server })
    }

    /// What else may be done with it while it serves.
    #[must_use]
    pub fn handles(&self) -> Handles {
        let Self { office, day, .. } = self;
        Handles { store: office.log.store().clone(), day: day.clone(), office: office.clone() }
    }

    /// Serves until the shutdown; then finishes what is being written and closes the store.
    ///
    /// # Errors
    /// [`RunError::Serve`]; [`RunError::StoreFailed`] when the disk let it down.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) -> Result<(), RunError> {
        let stop = shutdown.child_token();
        let store = self.office.log.store().clone();
        let (wallets, operator, redeemers) = self.servers(&stop);
        let Self { office, day, reload, checkpoint_interval, pruner, directory_interval, .. } = self;

        let tasks = TaskTracker::new();
        if let Some(reload) = reload {
            tasks.spawn(reload::keep(reload, office.clone(), operator.health(), stop.clone()));
        }
        let keeping = stop.clone();
        tasks.spawn(async move { day.keep(keeping).await });
        tasks.spawn(office.directory.clone().keep(office.log.clone(), directory_interval, stop.clone()));
        tasks.spawn(office.publisher.clone().keep(checkpoint_interval, stop.clone()));
        if let Some(pruner) = pruner {
            let office = office.clone();
            tasks.spawn(pruner.keep(move || office.log.today(), stop.clone()));
        }
        let (failed, stopping) = (office.store_failed.clone(), stop.clone());
        tasks.spawn(async move {
            if stopping.run_until_cancelled(failed.cancelled()).await.is_some() {
                tracing::error!("the store has failed: stopping");
                stopping.cancel();
            }
        });
        let addresses = listeners.addresses();
        tracing::info!(
            wallets = %addresses.wallets, operator = %addresses.operator, redeemers = %addresses.redeemers, "serving"
        );
        // Whichever ends first ends the others.
        let until_stopped = async |server: Server, listener| {
            let served = server.run(listener, stop.clone()).await;
            stop.cancel();
            served
        };
        let served = tokio::join!(
            until_stopped(wallets, listeners.wallets),
            until_stopped(operator, listeners.operator),
            until_stopped(redeemers, listeners.redeemers),
        );
        for tracker in [&office.tasks, &tasks] {
            tracker.close();
            tracker.wait().await;
        }
        store.close().await;
        served.0?;
        served.1?;
        served.2?;
        if office.store_failed.is_cancelled() { Err(RunError::StoreFailed) } else { Ok(()) }
    }

    /// One server for each kind of caller.
    fn servers(&self, stop: &CancellationToken) -> (Server, Server, Server) {
        let Self { office, admin_token, server, .. } = self;
        let ledger = Ledger::new(office.log.store().clone(), ISSUANCE, office.origin.clone(), stop.clone())
            .with_published(office.publisher.published().clone());
        let service = IssuerServiceServer::new(Service(office.clone()));
        let admin = IssuerAdminServiceServer::new(Admin(office.clone()));
        let redemptions = RedemptionServiceServer::new(Redemptions(office.clone()));
        let admin = admin.max_decoding_message_size(REQUEST_BYTES_MAX);
        let wallets = Server::new(*server)
            .with_service(service.max_decoding_message_size(REQUEST_BYTES_MAX))
            .with_service(LedgerServiceServer::new(ledger).max_decoding_message_size(REQUEST_BYTES_MAX));
        let operator = Server::new(*server).with_service(InterceptedService::new(admin, admin_token.guard()));
        let redeemers = Server::new(*server).with_service(redemptions.max_decoding_message_size(REQUEST_BYTES_MAX));
        (wallets, operator, redeemers)
    }
}

/// Starts an issuer and serves until the shutdown.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    parts: Parts,
    listeners: Listeners,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    Issuer::start(parts, clock).await?.serve(listeners, shutdown).await
}

/// The day at a moment in the policy's time zone.
///
/// # Errors
/// [`RunError::Config`] when this machine does not know the zone.
pub fn today(policy: &Policy, unix_seconds: i64) -> Result<Day, RunError> {
    Ok(Day::new(civil_day(unix_seconds, &zone(policy)?)))
}

fn zone(policy: &Policy) -> Result<TimeZone, RunError> {
    let name = policy.time_zone();
    TimeZone::get(name).map_err(|_| RunError::Config(format!("the time zone {name} is not known")))
}

/// An origin stands in a line of every checkpoint, and in file names of followers.
fn check_origin(origin: &str) -> Result<(), RunError> {
    if !origin.is_empty() && origin.chars().all(|c| c.is_ascii_graphic() && c != '+') {
        return Ok(());
    }
    let wanted = "origin: a name such as \"issuer.example/farthing/issuance\", without spaces and plus signs";
    Err(RunError::Config(wanted.to_owned()))
}

/// All keys of one issuer are in one currency, that of the policy.
fn check_currency(policy: &Policy, keys: &KeyRing) -> Result<(), RunError> {
    let wanted = policy.currency();
    match keys.iter().map(|key| key.public().currency()).find(|currency| *currency != wanted) {
        None => Ok(()),
        Some(currency) => {
            let name = |it: &farthing_ecash::amount::Currency| format!("{} with {} decimals", it.code(), it.exponent());
            Err(RunError::Currency { policy: name(wanted), keys: name(currency) })
        }
    }
}
