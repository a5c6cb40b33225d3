//! A follower of the cluster's logs, as its operator would set it up.

use std::{path::PathBuf, time::Duration};

use farthing_follower::{self as follower, audit::Audit, error::RunError, log::Log};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use crate::demo::Failure;

/// The name of the witness.
const NAME: &str = "follower.example/w1";

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
    /// Makes the follower's folder with the key by which it cosigns. Returns its public key.
    pub(super) fn make_witness(folder: &std::path::Path) -> Result<String, Failure> {
        let _ = follower::init::init(folder, NAME)?;
        let config = follower::config::Config::load(&folder.join("follower.toml"))?;
        Ok(config.witness()?.verifier().to_string())
    }

    /// The follower's configuration file.
    #[must_use]
    pub fn follower_config(&self) -> PathBuf {
        self.dir.join("follower/follower.toml")
    }

    /// Writes it, now that the servers have made the keys of their logs.
    pub(super) fn write_follower_config(&self) -> Result<(), Failure> {
        let text = self.follower_toml(Ports::of(self))?;
        Ok(std::fs::write(self.follower_config(), text)?)
    }

    fn follower_toml(&self, ports: Ports) -> Result<String, Failure> {
        let issuer = self.issuer.as_ref().ok_or("the issuer is not running")?;
        let redeemer = self.redeemer.as_ref().ok_or("the redeemer is not running")?;
        let Ports { issuance, payments, mirror, served } = ports;
        Ok(format!(
            r#"data_dir = "data"
witness_key = "witness.key"
interval_seconds = 1
dev_certs = "../dev-certs"

[issuance]
address = "https://127.0.0.1:{issuance}"
verifier_key = "{}"
mirror = {mirror}
{}

[payments]
address = "https://127.0.0.1:{payments}"
verifier_key = "{}"
mirror = {mirror}
{}
"#,
            issuer.handles.published().key(),
            served[0].map_or_else(String::new, |port| format!("listen = \"127.0.0.1:{port}\"")),
            redeemer.handles.published.key(),
            served[1].map_or_else(String::new, |port| format!("listen = \"127.0.0.1:{port}\"")),
        ))
    }

    /// Starts the follower.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub fn start_follower(&self) -> Result<RunningFollower, Failure> {
        RunningFollower::start(&self.follower_config())
    }

    /// Sets another follower up that reads from the first one, under a name of its own. Returns its configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn second_follower(&self) -> Result<PathBuf, Failure> {
        let folder = self.dir.join("second-follower");
        Self::make_witness(&folder)?;
        let [issuance, payments] = self.ports.follower;
        let text = self.follower_toml(Ports { issuance, payments, mirror: true, served: [None, None] })?;
        let path = folder.join("follower.toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// Where a follower reads and serves.
struct Ports {
    issuance: u16,
    payments: u16,
    mirror: bool,
    served: [Option<u16>; 2],
}

impl Ports {
    fn of(cluster: &Cluster) -> Self {
        let ports = &cluster.ports;
        let served = ports.follower.map(Some);
        Self { issuance: ports.issuer, payments: ports.redeemer, mirror: false, served }
    }
}

impl RunningFollower {
    /// Starts a follower with a configuration file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn start(config: &std::path::Path) -> Result<Self, Failure> {
        let config = follower::config::Config::load(config)?;
        let (data_dir, shutdown) = (config.data_dir.clone(), CancellationToken::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { follower::run::run(&config, stop).await });
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
