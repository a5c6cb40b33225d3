//! The configuration file, `issuer.example.toml` with comments.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use farthing_ecash::validity::ValidityCalendar;
use farthing_policy::Policy;
use farthing_service::{
    config::{self, ConfigError},
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    log_setup::LogConfig,
    reload::{self, Reload},
    tls::{ClientTls, KeyPairFiles, ServerTls},
    token::Token,
};
use serde::Deserialize;

use crate::{error::RunError, keys::KeyPeriods};

/// The name of this program in its development certificates.
const NAME: &str = "issuer";

/// Everything that an operator decides. Paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder in which the issuer keeps what it must not forget, and the operator's token.
    pub data_dir: PathBuf,
    /// The origin of the issuance log: its name in checkpoints. Wallets derive their secrets for it.
    pub origin: String,
    /// Where wallets reach the issuer.
    pub listen: SocketAddr,
    /// Where the operator reaches it; loopback only.
    pub admin_listen: SocketAddr,
    /// Where redeemers reach it, over mutual TLS.
    pub redemption_listen: SocketAddr,
    /// The policy file, the same as the redeemer's.
    pub policy: PathBuf,
    /// The issuing keys: files, or folders in which each `*.key` is one. A missing file is made, in an empty folder the first.
    pub keys: Vec<PathBuf>,
    /// For how long a new key is good.
    #[serde(default)]
    pub key_periods: KeyPeriods,
    /// Length of a validity period in months, 1 to 120; see [`ValidityCalendar`].
    #[serde(default = "validity_months")]
    pub validity_months: u32,
    /// Seconds between two batches of directory entries in the log.
    #[serde(default = "directory_interval_seconds")]
    pub directory_interval_seconds: u64,
    /// How the issuance log is signed.
    #[serde(default)]
    pub log: LogConfig,
    /// A folder of development certificates, in place of [`Config::tls`] and [`Config::client_authority`]; for loopback only.
    #[serde(default)]
    pub dev_certs: Option<PathBuf>,
    /// The certificate shown to wallets and redeemers.
    #[serde(default)]
    pub tls: Option<KeyPairFiles>,
    /// The certificate of the authority that signs the certificates of redeemers, and of nobody else.
    #[serde(default)]
    pub client_authority: Option<PathBuf>,
}

fn validity_months() -> u32 {
    6
}

fn directory_interval_seconds() -> u64 {
    60
}

/// What the operator's programs need to reach the issuer.
pub struct AdminAccess {
    /// `https://HOST:PORT`.
    pub address: String,
    /// Whom to trust.
    pub tls: ClientTls,
    /// What to show.
    pub token: Token,
}

impl Config {
    /// Loads a file and makes its paths relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the mistake.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = config::load(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.for_each_path(|found| *found = folder.join(&*found));
        Ok(config)
    }

    fn for_each_path(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        change(&mut self.data_dir);
        change(&mut self.policy);
        self.keys.iter_mut().for_each(&mut change);
        self.log.for_each_path(&mut change);
        self.dev_certs.iter_mut().for_each(&mut change);
        self.client_authority.iter_mut().for_each(&mut change);
        if let Some(pair) = &mut self.tls {
            change(&mut pair.certificate);
            change(&mut pair.key);
        }
    }

    /// The folder of the store.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.data_dir.join("store")
    }

    /// The file with the operator's token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.data_dir.join("admin.token")
    }

    /// The certificate by which the operator's programs know the issuer, a PEM file.
    #[must_use]
    pub fn admin_authority(&self) -> PathBuf {
        self.admin_certificates().join("ca.pem")
    }

    /// How long directory entries wait for the log.
    #[must_use]
    pub fn directory_interval(&self) -> Duration {
        Duration::from_secs(self.directory_interval_seconds)
    }

    /// Where a running issuer tells what became of a changed policy file.
    #[must_use]
    pub fn policy_status(&self) -> PathBuf {
        reload::policy_status(&self.data_dir)
    }

    /// Where a running issuer tells what became of new key files.
    #[must_use]
    pub fn keys_status(&self) -> PathBuf {
        reload::keys_status(&self.data_dir)
    }

    /// The files that are looked at while the issuer runs.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload::new(&self.data_dir, &self.policy, &self.keys)
    }

    /// Until when wallet states are valid.
    ///
    /// # Errors
    /// [`RunError::Config`] for a length that no period has.
    pub fn calendar(&self) -> Result<ValidityCalendar, RunError> {
        let wrong = |_| RunError::Config("validity_months: a period has 1 to 120 months".to_owned());
        ValidityCalendar::new(self.validity_months).map_err(wrong)
    }

    /// Reads the policy file.
    ///
    /// # Errors
    /// [`RunError::Policy`] with all its mistakes; [`RunError::File`].
    pub fn load_policy(&self) -> Result<Policy, RunError> {
        let path = &self.policy;
        let bytes = fs::read(path).map_err(|source| RunError::File { path: path.clone(), source })?;
        Policy::from_bytes(&bytes).map_err(|mistakes| {
            let text = String::from_utf8_lossy(&bytes);
            RunError::Policy { rendered: mistakes.render(&path.display().to_string(), &text) }
        })
    }

    /// What the operator's programs need, once the issuer has run.
    ///
    /// # Errors
    /// When the issuer has not written its token yet.
    pub fn admin_access(&self) -> Result<AdminAccess, RunError> {
        let token = Token::load(&self.token_file())?;
        let tls = ClientTls::load(&self.admin_authority(), None)?;
        Ok(AdminAccess { address: format!("https://{}", self.admin_listen), tls, token })
    }

    /// The operator's address is on loopback, where an authority's name means nothing; so it has a development certificate in
    /// any case.
    fn admin_certificates(&self) -> PathBuf {
        self.dev_certs.clone().unwrap_or_else(|| self.data_dir.join("admin-certs"))
    }

    fn certificates(&self) -> Result<(KeyPairFiles, PathBuf), RunError> {
        match (&self.tls, &self.client_authority, &self.dev_certs) {
            (Some(pair), Some(authority), None) => Ok((pair.clone(), authority.clone())),
            (None, None, Some(dir)) => {
                let certificates = DevCertificates::open(dir)?;
                Ok((certificates.server(NAME)?, certificates.authority()))
            }
            _ => Err(RunError::Config("give either dev_certs, or both tls and client_authority".to_owned())),
        }
    }
}

/// The three addresses of an issuer.
pub struct Listeners {
    pub(crate) wallets: Listener,
    pub(crate) operator: Listener,
    pub(crate) redeemers: Listener,
}

impl Listeners {
    /// Puts together listeners for wallets, for the operator, and for redeemers. That for redeemers has to ask for client
    /// certificates; without, nobody gets in.
    ///
    /// # Errors
    /// [`RunError::AdminNotLoopback`].
    pub fn new(wallets: Listener, operator: Listener, redeemers: Listener) -> Result<Self, RunError> {
        match operator.address() {
            address if address.ip().is_loopback() => Ok(Self { wallets, operator, redeemers }),
            address => Err(RunError::AdminNotLoopback(address)),
        }
    }

    /// Binds the addresses of a configuration.
    ///
    /// # Errors
    /// [`RunError::AdminNotLoopback`], before anything is bound; otherwise what is wrong with certificates or addresses.
    pub async fn bind(config: &Config, limits: ConnectionLimits) -> Result<Self, RunError> {
        if !config.admin_listen.ip().is_loopback() {
            return Err(RunError::AdminNotLoopback(config.admin_listen));
        }
        let (pair, authority) = config.certificates()?;
        let admin = DevCertificates::open(&config.admin_certificates())?.server("issuer-admin")?;
        let wallets = Listener::bind(config.listen, ServerTls::load(&pair, None)?, limits).await?;
        let operator = Listener::bind(config.admin_listen, ServerTls::load(&admin, None)?, limits).await?;
        let mutual = ServerTls::load(&pair, Some(&authority))?;
        let redeemers = Listener::bind(config.redemption_listen, mutual, limits).await?;
        Self::new(wallets, operator, redeemers)
    }

    /// Where they are, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            wallets: self.wallets.address(),
            operator: self.operator.address(),
            redeemers: self.redeemers.address(),
        }
    }
}

/// Where an issuer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// By wallets.
    pub wallets: SocketAddr,
    /// By the operator.
    pub operator: SocketAddr,
    /// By redeemers.
    pub redeemers: SocketAddr,
}
