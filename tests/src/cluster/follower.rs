//! A follower of the cluster's logs, as its operator would set it up.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing_follower::{self as follower, audit::Audit, error::RunError, log::Log};
use farthing_service::clock::Clock;
use farthing_wallet::{Connection, ServerAddress};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Cluster, Ports};
use crate::demo::Failure;

/// The names of the witnesses.
const NAMES: [&str; 2] = ["follower.example/w1", "second-follower.example/w1"];

/// Their folders.
const FOLDERS: [&str; 2] = ["follower", "second-follower"];

/// How often it is looked whether a follower has come so far, and how long in between.
const LOOKS: usize = 1_200;
const PAUSE: Duration = Duration::from_millis(50);

/// A follower that is running in this process.
pub struct RunningFollower {
    data_dir: PathBuf,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Cluster {
    /// Makes the folders of two followers with the keys by which they cosign. Returns their public keys.
    pub(super) fn make_witnesses(dir: &Path) -> Result<[String; 2], Failure> {
        let make = |folder: &str, name| {
            let _ = follower::init::init(&dir.join(folder), name)?;
            Self::witness_key(&dir.join(folder).join("follower.toml"))
        };
        Ok([make(FOLDERS[0], NAMES[0])?, make(FOLDERS[1], NAMES[1])?])
    }

    /// The public key of the witness with this configuration file.
    fn witness_key(config: &Path) -> Result<String, Failure> {
        Ok(follower::config::Config::load(config)?.witness()?.verifier().to_string())
    }

    /// The follower's configuration file.
    #[must_use]
    pub fn follower_config(&self) -> PathBuf {
        self.dir.join(FOLDERS[0]).join("follower.toml")
    }

    /// Writes it, now that the servers have made the keys of their logs.
    pub(super) fn write_follower_config(&self) -> Result<(), Failure> {
        let text = self.follower_toml(Sources::of(self))?;
        Ok(std::fs::write(self.follower_config(), text)?)
    }

    fn follower_toml(&self, sources: Sources) -> Result<String, Failure> {
        let issuer = self.issuer.as_ref().ok_or("the issuer is not running")?;
        let redeemer = self.redeemer.as_ref().ok_or("the redeemer is not running")?;
        let Sources { issuance, payments, mirror, served, other } = sources;
        let servers = [self.issuer_address(), self.redeemer_address()];
        // Of a mirror nobody would take the cosignatures otherwise.
        let taker = |server| if mirror { format!("hand_back = \"https://{server}\"") } else { String::new() };
        let other = Self::witness_key(&self.dir.join(other).join("follower.toml"))?;
        Ok(format!(
            r#"data_dir = "data"
witness_key = "witness.key"
interval_seconds = 1
dev_certs = "../dev-certs"
witnesses = ["{other}"]

[issuance]
address = "https://127.0.0.1:{issuance}"
verifier_key = "{}"
mirror = {mirror}
{}
{}

[payments]
address = "https://127.0.0.1:{payments}"
verifier_key = "{}"
mirror = {mirror}
{}
{}
"#,
            issuer.handles.published().key(),
            taker(servers[0]),
            served[0].map_or_else(String::new, |port| format!("listen = \"127.0.0.1:{port}\"")),
            redeemer.handles.published.key(),
            taker(servers[1]),
            served[1].map_or_else(String::new, |port| format!("listen = \"127.0.0.1:{port}\"")),
        ))
    }

    /// Starts the follower.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub fn start_follower(&self) -> Result<RunningFollower, Failure> {
        self.start_follower_with(&self.follower_config())
    }

    /// Starts a follower with a configuration file. Its time is that of the cluster.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub fn start_follower_with(&self, config: &Path) -> Result<RunningFollower, Failure> {
        RunningFollower::start(config, self.clock.clone())
    }

    /// What a wallet needs to reach both servers, and to read the logs from the follower alone.
    #[must_use]
    pub fn connection_over_follower(&self) -> Connection {
        let ledger = |port| ServerAddress { url: format!("https://{}", Ports::address(port)), ca: self.authority() };
        Connection { ledgers: self.ports.follower.map(ledger).into(), ..self.connection() }
    }

    /// Sets another follower up that reads from the first one, under a name of its own. Returns its configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn second_follower(&self) -> Result<PathBuf, Failure> {
        let [issuance, payments] = self.ports.follower;
        let sources = Sources { issuance, payments, mirror: true, served: [None, None], other: FOLDERS[0] };
        let text = self.follower_toml(sources)?;
        let path = self.dir.join(FOLDERS[1]).join("follower.toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// Where a follower reads and serves.
struct Sources {
    issuance: u16,
    payments: u16,
    mirror: bool,
    served: [Option<u16>; 2],
    /// The folder of the follower whose cosignatures it gives out too.
    other: &'static str,
}

impl Sources {
    fn of(cluster: &Cluster) -> Self {
        let ports = &cluster.ports;
        let served = ports.follower.map(Some);
        Self { issuance: ports.issuer, payments: ports.redeemer, mirror: false, served, other: FOLDERS[1] }
    }
}

impl RunningFollower {
    fn start(config: &Path, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let config = follower::config::Config::load(config)?;
        let (data_dir, shutdown) = (config.data_dir.clone(), CancellationToken::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { follower::run::run(&config, clock, stop).await });
        Ok(Self { data_dir, shutdown, task })
    }

    /// Waits until so many entries of both logs are verified and cosigned, issuance first.
    ///
    /// # Errors
    /// What the follower found, or that it does not come so far within a minute.
    pub async fn verified(&mut self, sizes: [u64; 2]) -> Result<Audit, Failure> {
        for _ in 0..LOOKS {
            if self.task.is_finished() {
                (&mut self.task).await??;
                return Err("the follower has ended".into());
            }
            if let Ok(audit) = Audit::load(&self.data_dir) {
                let reached = |(log, size): (Log, u64)| audit.logs.get(&log).is_some_and(|it| it.checkpoint >= size);
                if Log::ALL.into_iter().zip(sizes).all(reached) {
                    return Ok(audit);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("the follower does not come to the end of the logs".into())
    }

    /// Waits until the follower ends by itself, and gives what it found.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub async fn finding(self) -> Result<String, Failure> {
        match tokio::time::timeout(PAUSE * u32::try_from(LOOKS)?, self.task).await?? {
            Err(RunError::Follow(found)) => Ok(found.to_string()),
            Err(other) => Err(other.into()),
            Ok(()) => Err("the follower ended and found nothing".into()),
        }
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// What it found.
    pub async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        Ok(self.task.await??)
    }
}
