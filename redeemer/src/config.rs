//! The configuration file, `redeemer.example.toml` with comments.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use farthing_ledger::key::VerifierKey;
use farthing_service::{
    config::{self, ConfigError},
    dev_certs::DevCertificates,
    log_setup::LogConfig,
    reload::{self, Reload},
    tls::{ClientTls, KeyPairFiles, ServerTls},
};
use serde::Deserialize;

use crate::error::RunError;

/// The name of this program in its development certificates.
const NAME: &str = "redeemer";

/// Everything that an operator decides. Paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder in which the redeemer keeps what it must not forget.
    pub data_dir: PathBuf,
    /// The origin of the payment log: its name in checkpoints.
    pub origin: String,
    /// Where wallets reach the redeemer.
    pub listen: SocketAddr,
    /// The policy file.
    pub policy: PathBuf,
    /// The issuing keys as the issuer wrote them: files, or folders in which each `*.key` is one.
    pub keys: Vec<PathBuf>,
    /// How the payment log is signed.
    #[serde(default)]
    pub log: LogConfig,
    /// A folder of development certificates, in place of [`Config::tls`]; for loopback only.
    #[serde(default)]
    pub dev_certs: Option<PathBuf>,
    /// The certificate shown to wallets.
    #[serde(default)]
    pub tls: Option<KeyPairFiles>,
    /// How the issuer is reached.
    pub issuer: IssuerConfig,
}

/// How the issuer is reached: over mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its redemption address, `https://HOST:PORT`.
    pub address: String,
    /// The verifier key of the issuance log; without it the first that the issuer tells is kept.
    #[serde(default)]
    pub log_verifier_key: Option<String>,
    /// The certificate that signed the issuer's; without it that of the development certificates.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// The certificate by which the issuer knows this redeemer; without it one of the development certificates.
    #[serde(default)]
    pub client: Option<KeyPairFiles>,
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
        self.issuer.authority.iter_mut().for_each(&mut change);
        for pair in [&mut self.tls, &mut self.issuer.client].into_iter().flatten() {
            change(&mut pair.certificate);
            change(&mut pair.key);
        }
    }

    /// The folder of the store.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.data_dir.join("store")
    }

    /// Where a running redeemer tells what became of a changed policy file.
    #[must_use]
    pub fn policy_status(&self) -> PathBuf {
        reload::policy_status(&self.data_dir)
    }

    /// Where a running redeemer tells what became of new key files.
    #[must_use]
    pub fn keys_status(&self) -> PathBuf {
        reload::keys_status(&self.data_dir)
    }

    /// The files that are looked at while the redeemer runs.
    #[must_use]
    pub fn reload(&self) -> Reload {
        Reload::new(&self.data_dir, &self.policy, &self.keys)
    }

    /// The verifier key of the issuance log, if it is given.
    ///
    /// # Errors
    /// [`RunError::Config`] for a text that is none.
    pub fn issuer_log_key(&self) -> Result<Option<VerifierKey>, RunError> {
        let parsed = self.issuer.log_verifier_key.as_deref().map(str::parse).transpose();
        parsed.map_err(|error| RunError::Config(format!("issuer.log_verifier_key: {error}")))
    }

    /// The certificates of both sides: that shown to wallets, and that shown to the issuer.
    ///
    /// # Errors
    /// [`RunError::Config`] for a combination that makes no sense; otherwise when files cannot be used.
    pub fn certificates(&self) -> Result<(ServerTls, ClientTls), RunError> {
        let development = self.dev_certs.as_deref().map(DevCertificates::open).transpose()?;
        let server = match (&self.tls, &development) {
            (Some(pair), None) => pair.clone(),
            (None, Some(development)) => development.server(NAME)?,
            _ => return Err(RunError::Config("give either dev_certs or [tls]: exactly one of them".to_owned())),
        };
        let missing = |key| RunError::Config(format!("without dev_certs the issuer's {key} has to be given"));
        let authority = match (&self.issuer.authority, &development) {
            (Some(path), _) => path.clone(),
            (None, Some(development)) => development.authority(),
            (None, None) => return Err(missing("authority")),
        };
        let client = match (&self.issuer.client, &development) {
            (Some(pair), _) => pair.clone(),
            (None, Some(development)) => development.client(NAME)?,
            (None, None) => return Err(missing("client certificate")),
        };
        Ok((ServerTls::load(&server, None)?, ClientTls::load(&authority, Some(&client))?))
    }
}
