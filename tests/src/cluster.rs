//! An issuer and a redeemer on this machine, as an operator would set them up: real files, real TLS, real listeners.

mod admin;
mod follower;
mod log;
mod ports;
mod reload;
mod running;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing_issuer::{self as issuer, Issuer, config::Listeners, keys::KeyPeriods};
use farthing_redeemer::{self as redeemer, Redeemer};
use farthing_service::{
    channel::{self, Deadlines},
    clock::{Clock, SystemClock},
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    tls::ClientTls,
    watch::Pace,
};
use farthing_wallet::{Connection, ServerAddress};
use tonic::transport::Channel;

pub use self::{admin::Supply, follower::RunningFollower, log::Logged};
use self::{
    ports::Ports,
    running::{Running, Started},
};
use crate::{demo::Failure, proxy::Proxy};

/// Servers look at their files all the time: tests change them.
fn pace() -> Pace {
    Pace { every: Duration::from_millis(50), ..Pace::default() }
}

/// What a cluster is set up with.
#[derive(Clone)]
pub struct Setup {
    /// The text of the policy file.
    pub policy: String,
    /// Where the servers' time comes from.
    pub clock: Arc<dyn Clock>,
    /// For how long issuing keys are good.
    pub key_periods: KeyPeriods,
    /// How often servers sign what is new in their logs, which is what wallets wait for.
    pub checkpoint_interval: Duration,
}

impl Setup {
    /// This policy, and the time of the machine.
    #[must_use]
    pub fn with_policy(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            clock: Arc::new(SystemClock::default()),
            key_periods: KeyPeriods::default(),
            checkpoint_interval: Duration::from_secs(1),
        }
    }
}

/// A running issuer and a running redeemer.
pub struct Cluster {
    dir: PathBuf,
    ports: Ports,
    clock: Arc<dyn Clock>,
    checkpoint_interval: Duration,
    issuer: Option<Running<issuer::Handles>>,
    redeemer: Option<Running<redeemer::Handles>>,
}

impl Cluster {
    /// Writes configurations into `dir` and starts both servers.
    ///
    /// # Errors
    /// Whatever keeps one of them from starting.
    pub async fn start(dir: &Path, setup: Setup) -> Result<Self, Failure> {
        let dir = std::path::absolute(dir)?;
        let ports = Ports::free()?;
        write(&dir.join("policy.toml"), &setup.policy)?;
        let witnesses = Self::make_witnesses(&dir)?;
        write(&dir.join("issuer/issuer.toml"), &ports.issuer_config(&witnesses, setup.key_periods))?;
        write(&dir.join("redeemer/redeemer.toml"), &ports.redeemer_config(&witnesses))?;
        let Setup { clock, checkpoint_interval, .. } = setup;
        let mut cluster = Self { dir, ports, clock, checkpoint_interval, issuer: None, redeemer: None };
        cluster.start_issuer().await?;
        cluster.start_redeemer().await?;
        cluster.write_follower_config()?;
        Ok(cluster)
    }

    async fn start_issuer(&mut self) -> Result<(), Failure> {
        let (path, clock, interval) = (self.issuer_config(), self.clock.clone(), self.checkpoint_interval);
        let begin = async move |stop| {
            let config = issuer::config::Config::load(&path)?;
            let listeners = Listeners::bind(&config, ConnectionLimits::default()).await?;
            let mut parts = issuer::Parts::from_config(&config, clock.as_ref())?;
            parts.reload = parts.reload.map(|reload| issuer::reload::Reload { pace: pace(), ..reload });
            parts.log.interval = interval;
            let issuer = Issuer::start(parts, clock).await?;
            let (handles, serving) = (issuer.handles(), async move { Ok(issuer.serve(listeners, stop).await?) });
            Ok(Started { handles, serving })
        };
        self.issuer = Some(Running::start(begin).await?);
        Ok(())
    }

    async fn start_redeemer(&mut self) -> Result<(), Failure> {
        let (path, clock, interval) = (self.redeemer_config(), self.clock.clone(), self.checkpoint_interval);
        let begin = async move |stop| {
            let config = redeemer::config::Config::load(&path)?;
            let (server_tls, issuer_tls) = config.certificates()?;
            let listener = Listener::bind(config.listen, server_tls, ConnectionLimits::default()).await?;
            let mut parts = redeemer::Parts::from_config(&config, &issuer_tls)?;
            parts.reload = parts.reload.map(|reload| redeemer::reload::Reload { pace: pace(), ..reload });
            parts.log.interval = interval;
            let redeemer = Redeemer::start(parts, clock).await?;
            let (handles, serving) = (redeemer.handles(), async move { Ok(redeemer.serve(listener, stop).await?) });
            Ok(Started { handles, serving })
        };
        self.redeemer = Some(Running::start(begin).await?);
        Ok(())
    }

    /// Kills the issuer and starts it again on the same files and ports.
    ///
    /// # Errors
    /// When it does not start again.
    pub async fn kill_issuer(&mut self) -> Result<(), Failure> {
        if let Some(running) = self.issuer.take() {
            running.kill().await;
        }
        self.start_issuer().await
    }

    /// Kills the redeemer and starts it again on the same files and ports.
    ///
    /// # Errors
    /// When it does not start again.
    pub async fn kill_redeemer(&mut self) -> Result<(), Failure> {
        if let Some(running) = self.redeemer.take() {
            running.kill().await;
        }
        self.start_redeemer().await
    }

    /// Stops the issuer in order and starts it again on the same files and ports.
    ///
    /// # Errors
    /// When it ended with an error or does not start again.
    pub async fn restart_issuer(&mut self) -> Result<(), Failure> {
        if let Some(running) = self.issuer.take() {
            running.stop().await?;
        }
        self.start_issuer().await
    }

    /// Stops the redeemer in order and starts it again on the same files and ports.
    ///
    /// # Errors
    /// When it ended with an error or does not start again.
    pub async fn restart_redeemer(&mut self) -> Result<(), Failure> {
        if let Some(running) = self.redeemer.take() {
            running.stop().await?;
        }
        self.start_redeemer().await
    }

    /// Stops both.
    ///
    /// # Errors
    /// When one of them ended with an error.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.stop_servers().await
    }

    /// Stops both and leaves their files and ports to [processes](crate::programs::Process).
    ///
    /// # Errors
    /// When one of them ended with an error.
    pub async fn stop_servers(&mut self) -> Result<(), Failure> {
        if let Some(running) = self.redeemer.take() {
            running.stop().await?;
        }
        match self.issuer.take() {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }

    /// The issuer's configuration file.
    #[must_use]
    pub fn issuer_config(&self) -> PathBuf {
        self.dir.join("issuer/issuer.toml")
    }

    /// The redeemer's configuration file.
    #[must_use]
    pub fn redeemer_config(&self) -> PathBuf {
        self.dir.join("redeemer/redeemer.toml")
    }

    /// Lets both servers look at their clocks now; they also do at midnight by themselves.
    ///
    /// # Errors
    /// When a new day cannot be stored, or waits for the operator.
    pub async fn advance_days(&self) -> Result<(), Failure> {
        if let Some(running) = &self.issuer {
            running.handles.day.advance().await?;
        }
        if let Some(running) = &self.redeemer {
            running.handles.day.advance().await?;
        }
        Ok(())
    }

    /// The redeemer's logical day.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn logical_day(&self) -> Result<u32, Failure> {
        Ok(self.redeemer.as_ref().ok_or("the redeemer is not running")?.handles.day.today())
    }

    /// Where wallets reach the issuer.
    #[must_use]
    pub fn issuer_address(&self) -> SocketAddr {
        Ports::address(self.ports.issuer)
    }

    /// Where wallets reach the redeemer.
    #[must_use]
    pub fn redeemer_address(&self) -> SocketAddr {
        Ports::address(self.ports.redeemer)
    }

    /// What a wallet needs to find both servers.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection_to(self.issuer_address(), self.redeemer_address())
    }

    /// The same through relays.
    #[must_use]
    pub fn connection_through(&self, issuer: &Proxy, redeemer: &Proxy) -> Connection {
        self.connection_to(issuer.address(), redeemer.address())
    }

    fn connection_to(&self, issuer: SocketAddr, redeemer: SocketAddr) -> Connection {
        let server = |address| ServerAddress { url: format!("https://{address}"), ca: self.authority() };
        Connection { issuer: server(issuer), redeemer: server(redeemer), ledgers: Vec::new() }
    }

    /// The certificate of the development authority that signed the servers' certificates.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.dir.join("dev-certs/ca.pem")
    }

    fn channel(&self, address: SocketAddr) -> Result<Channel, Failure> {
        let authority = DevCertificates::open(&self.dir.join("dev-certs"))?.authority();
        let tls = ClientTls::load(&authority, None)?;
        Ok(channel::open(&format!("https://{address}"), &tls, Deadlines::default())?)
    }

    /// Commands that an operator could try.
    #[must_use]
    pub fn operator_commands(&self) -> Vec<String> {
        let dir = self.dir.display();
        vec![
            format!("farthing-issuer admin list --config {dir}/issuer/issuer.toml"),
            format!("farthing-issuer admin credit --config {dir}/issuer/issuer.toml alice@bank.example 10.00"),
            format!("farthing-issuer admin supply --config {dir}/issuer/issuer.toml"),
            format!("farthing-redeemer policy check {dir}/policy.toml"),
            format!("farthing-follower run --config {dir}/follower/follower.toml"),
            format!("farthing-follower audit --config {dir}/follower/follower.toml"),
        ]
    }

    /// Waits until all redemptions have reached their accounts.
    ///
    /// # Errors
    /// When that takes more than twenty seconds.
    pub async fn wait_until_paid_out(&self) -> Result<(), Failure> {
        let redeemed = self.redeemed_in_log().await?;
        for _ in 0..400 {
            if self.supply().await?.redeemed == redeemed {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("a redemption was not credited".into())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, text)?)
}
