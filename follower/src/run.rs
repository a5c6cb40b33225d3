//! Following for as long as the program runs, and serving the copy meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use farthing_ledger::checkpoint::SignedCheckpoint;
use farthing_proto::v1::ledger_service_server::LedgerServiceServer;
use farthing_service::{
    clock::{Clock, SystemClock},
    ledger::Ledger,
    listener::{ConnectionLimits, Listener},
    server::{REQUEST_BYTES_MAX, ServeError, Server, ServerSettings},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::Audit,
    config::Config,
    copy::Copy,
    error::RunError,
    evidence,
    finding::Wrong,
    follower::{FollowError, Follower},
    log::Log,
    source::{Remote, Source as _},
};

/// How many bits number the buckets, by the epoch of the policy.
type BucketBits = Arc<RwLock<BTreeMap<u32, u8>>>;

/// Others that show the same logs.
struct Peer {
    address: String,
    log: Log,
    remote: Remote,
}

/// Follows until the shutdown.
///
/// # Errors
/// [`RunError::Follow`] with the finding when a log is not as it must be; everything that keeps the program from starting.
pub async fn run(config: &Config, clock: Arc<dyn Clock>, shutdown: CancellationToken) -> Result<(), RunError> {
    let copy = Copy::open(&config.store_dir())?;
    let (issuance, payments) = (config.upstream(Log::Issuance)?, config.upstream(Log::Payments)?);
    let mut follower = Follower::open(copy.clone(), issuance, payments, config.setting(clock)?).await?;
    let peers = peers(config)?;
    let buckets = BucketBits::default();
    let stop = shutdown.child_token();
    let mut servers = serve(config, &follower, &buckets, &stop).await?;
    let followed = tokio::select! {
        followed = follow(config, &mut follower, &peers, &buckets, &stop) => followed,
        Some(served) = servers.join_next() => match served {
            Ok(Err(error)) => Err(error.into()),
            _ => Ok(()),
        },
    };
    stop.cancel();
    while servers.join_next().await.is_some() {}
    drop(follower);
    copy.store().clone().close().await;
    followed
}

/// Looks at the logs again and again.
async fn follow(
    config: &Config,
    follower: &mut Follower,
    peers: &[Peer],
    buckets: &BucketBits,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let interval = Duration::from_secs(config.interval_seconds.max(1));
    let before = Audit::load(&config.data_dir).map(|audit| audit.looks).unwrap_or_default();
    loop {
        let looked = look(follower, peers, stop).await;
        // Others read meanwhile what was verified, and the audit says what was found.
        *buckets.write().unwrap_or_else(PoisonError::into_inner) =
            follower.books().policies.iter().map(|(epoch, policy)| (*epoch, policy.body.terms().bucket_bits)).collect();
        let mut audit = Audit::new(follower.copy(), follower.books()).await?;
        audit.looks = Log::ALL.map(|log| (log, follower.look_of(log).or(before.get(&log)))).into();
        audit.save(&config.data_dir)?;
        match looked {
            Ok(()) => {}
            Err(error @ FollowError::Source { .. }) => tracing::warn!("{error}"),
            Err(error) => {
                tracing::error!("stopped: {error}");
                return Err(error.into());
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_none() {
            return Ok(());
        }
    }
}

async fn look(follower: &mut Follower, peers: &[Peer], stop: &CancellationToken) -> Result<(), FollowError> {
    // What is interrupted was not written, or was written whole.
    if let Some(followed) = stop.run_until_cancelled(follower.follow()).await {
        followed?;
    }
    for peer in peers {
        if let Err(error) = ask(follower, peer).await? {
            tracing::warn!("{}: {error}", peer.address);
            continue;
        }
        match follower.gather(peer.log, &peer.remote).await {
            Err(error @ FollowError::Source { .. }) => tracing::warn!("cosignatures: {error}"),
            gathered => gathered?,
        }
    }
    Ok(())
}

/// Compares the copy with what a peer shows. That a peer does not answer, or not as it should, says nothing of the logs.
async fn ask(follower: &Follower, peer: &Peer) -> Result<Result<u64, String>, FollowError> {
    let note = match peer.remote.newest().await {
        Ok(Some(note)) => note,
        Ok(None) => return Ok(Ok(0)),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Ok(checkpoint) = SignedCheckpoint::open(&note, follower.published(peer.log).key()) else {
        return Ok(Err("it shows a checkpoint that the log has not signed".to_owned()));
    };
    let compared = follower.compare_with(peer.log, &checkpoint, &peer.remote).await;
    if let Err(FollowError::Source { source, .. }) = compared {
        return Ok(Err(source.to_string()));
    }
    if let Err(FollowError::Finding(finding)) = &compared {
        follower.copy().keep_finding(&format!("{finding}; seen at {}", peer.address)).await?;
    }
    compared.map(|()| Ok(checkpoint.head().size))
}

fn peers(config: &Config) -> Result<Vec<Peer>, RunError> {
    let mut peers = Vec::new();
    for peer in &config.peers {
        for (log, address) in [(Log::Issuance, &peer.issuance), (Log::Payments, &peer.payments)] {
            let remote = config.remote(address, peer.authority.as_deref())?;
            peers.push(Peer { address: address.clone(), log, remote });
        }
    }
    Ok(peers)
}

/// Compares the copy once, with peers of the configuration and those given. Returns what to tell the operator.
///
/// # Errors
/// [`RunError::Split`] when somebody was shown another log; [`RunError::NotCompared`] when somebody does not tell.
pub async fn compare(config: &Config, issuance: Option<&str>, payments: Option<&str>) -> Result<String, RunError> {
    let mut all = peers(config)?;
    for (log, address) in [(Log::Issuance, issuance), (Log::Payments, payments)] {
        if let Some(address) = address {
            all.push(Peer { address: address.to_owned(), log, remote: config.remote(address, None)? });
        }
    }
    let copy = Copy::open(&config.store_dir())?;
    let upstreams = (config.upstream(Log::Issuance)?, config.upstream(Log::Payments)?);
    let setting = config.setting(Arc::new(SystemClock::default()))?;
    let follower = Follower::open(copy, upstreams.0, upstreams.1, setting).await?;
    let (mut report, mut all_told) = (String::new(), true);
    for peer in &all {
        let seen = follower.books().side(peer.log).checkpoint;
        let asked = ask(&follower, peer).await.map_err(|error| match error {
            FollowError::Finding(finding) if finding.what == Wrong::SplitView => {
                let exhibit = |what| evidence::read(&config.evidence_dir(), &finding, what);
                let (seen, shown) = (exhibit("seen"), exhibit("shown"));
                RunError::Split { finding: Box::new(finding), address: peer.address.clone(), seen, shown }
            }
            other => other.into(),
        });
        let line = match asked? {
            Ok(shown) if shown <= seen => format!("agrees on {shown} entries"),
            Ok(shown) => format!("agrees on the {seen} entries verified here, and goes on to {shown}"),
            Err(error) => {
                all_told = false;
                format!("does not tell: {error}")
            }
        };
        report.push_str(&format!("{} ({}): {line}\n", peer.address, peer.log));
    }
    if all_told { Ok(report) } else { Err(RunError::NotCompared(report)) }
}

/// Serves the copy of each log that has an address for it.
async fn serve(
    config: &Config,
    follower: &Follower,
    buckets: &BucketBits,
    stop: &CancellationToken,
) -> Result<JoinSet<Result<(), ServeError>>, RunError> {
    let mut servers = JoinSet::new();
    for log in Log::ALL {
        let Some(address) = config.log(log).listen else { continue };
        let listener = Listener::bind(address, config.server_tls()?, ConnectionLimits::default()).await?;
        let published = follower.published(log).clone();
        let (store, origin) = (follower.copy().store().clone(), published.key().name().to_owned());
        let buckets = buckets.clone();
        let ledger = Ledger::new(store, log.name(), origin, stop.clone()).with_published(published).with_bucket_bits(
            move |core| {
                let buckets = buckets.read().unwrap_or_else(PoisonError::into_inner);
                buckets.get(&core.header().epoch).copied().unwrap_or(0)
            },
        );
        let service = LedgerServiceServer::new(ledger).max_decoding_message_size(REQUEST_BYTES_MAX);
        tracing::info!(%log, address = %listener.address(), "serving the copy");
        let server = Server::new(ServerSettings::default()).with_service(service);
        servers.spawn(server.run(listener, stop.clone()));
    }
    Ok(servers)
}
