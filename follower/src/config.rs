//! The configuration file, `follower.example.toml` with comments.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use farthing_ledger::key::{CosignerKey, KeyKind, VerifierKey};
use farthing_service::{
    config,
    dev_certs::DevCertificates,
    tls::{ClientTls, KeyPairFiles, ServerTls},
};
use serde::Deserialize;

use crate::{error::RunError, follower::Upstream, log::Log, source::Remote};

/// The name of this program in its development certificates.
const NAME: &str = "follower";

/// Everything that an operator decides. Paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder in which the follower keeps its copy.
    pub data_dir: PathBuf,
    /// The file with the witness key.
    pub witness_key: PathBuf,
    /// Seconds between two looks at the logs.
    #[serde(default = "default_interval")]
    pub interval_seconds: u64,
    /// A folder of development certificates, in place of [`Config::tls`]; for loopback only.
    #[serde(default)]
    pub dev_certs: Option<PathBuf>,
    /// The certificate shown to whoever reads from this follower.
    #[serde(default)]
    pub tls: Option<KeyPairFiles>,
    /// The issuance log.
    pub issuance: LogConfig,
    /// The payments log.
    pub payments: LogConfig,
    /// Other followers, whose checkpoints are compared with those seen here.
    #[serde(default)]
    pub peers: Vec<PeerConfig>,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Where it is read, `https://HOST:PORT`.
    pub address: String,
    /// The certificate that signed the server's; without it that of the development certificates.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// The verifier key of the log, as its server shows it.
    pub verifier_key: String,
    /// Whether that address is another follower's.
    #[serde(default)]
    pub mirror: bool,
    /// Where the copy is served to others.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
}

/// Another follower.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where it shows the issuance log, `https://HOST:PORT`.
    pub issuance: String,
    /// Where it shows the payments log.
    pub payments: String,
    /// The certificate that signed its own; without it that of the development certificates.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

const fn default_interval() -> u64 {
    5
}

impl Config {
    /// Loads a file and makes its paths relative to its folder.
    ///
    /// # Errors
    /// [`RunError::File`] with the place of the mistake.
    pub fn load(path: &Path) -> Result<Self, RunError> {
        let mut config: Self = config::load(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.for_each_path(|found| *found = folder.join(&*found));
        Ok(config)
    }

    fn for_each_path(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        change(&mut self.data_dir);
        change(&mut self.witness_key);
        self.dev_certs.iter_mut().for_each(&mut change);
        self.issuance.authority.iter_mut().for_each(&mut change);
        self.payments.authority.iter_mut().for_each(&mut change);
        self.peers.iter_mut().filter_map(|peer| peer.authority.as_mut()).for_each(&mut change);
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

    /// The folder for checkpoints that contradict each other.
    #[must_use]
    pub fn evidence_dir(&self) -> PathBuf {
        self.data_dir.join("evidence")
    }

    /// What is said of a log.
    #[must_use]
    pub fn log(&self, log: Log) -> &LogConfig {
        match log {
            Log::Issuance => &self.issuance,
            Log::Payments => &self.payments,
        }
    }

    /// The key by which a log's checkpoints are checked.
    ///
    /// # Errors
    /// [`RunError::Key`].
    pub fn verifier_key(&self, log: Log) -> Result<VerifierKey, RunError> {
        let wrong = |source| RunError::Key { what: "verifier_key", source };
        let key: VerifierKey = self.log(log).verifier_key.parse().map_err(wrong)?;
        if key.kind() == KeyKind::Log {
            Ok(key)
        } else {
            Err(RunError::Config(format!("verifier_key of the {log} log: this is the key of a witness")))
        }
    }

    /// The key by which this follower cosigns.
    ///
    /// # Errors
    /// [`RunError::Io`]; [`RunError::Key`].
    pub fn witness(&self) -> Result<CosignerKey, RunError> {
        let path = &self.witness_key;
        let text = std::fs::read_to_string(path).map_err(RunError::io(path))?;
        CosignerKey::from_secret_text(&text).map_err(|source| RunError::Key { what: "witness_key", source })
    }

    /// Where a log is read.
    ///
    /// # Errors
    /// [`RunError`] for addresses, keys and certificates.
    pub fn upstream(&self, log: Log) -> Result<Upstream, RunError> {
        let LogConfig { address, authority, mirror, .. } = self.log(log);
        let source = self.remote(address, authority.as_deref())?;
        Ok(Upstream { source: std::sync::Arc::new(source), key: self.verifier_key(log)?, is_mirror: *mirror })
    }

    /// Reads a log from an address.
    ///
    /// # Errors
    /// [`RunError`] for addresses and certificates.
    pub fn remote(&self, address: &str, authority: Option<&Path>) -> Result<Remote, RunError> {
        let authority = match (authority, &self.dev_certs) {
            (Some(authority), _) => authority.to_path_buf(),
            (None, Some(dir)) => DevCertificates::open(dir)?.authority(),
            (None, None) => {
                let what = format!("without dev_certs the authority of {address} has to be given");
                return Err(RunError::Config(what));
            }
        };
        Ok(Remote::open(address, &ClientTls::load(&authority, None)?)?)
    }

    /// The certificate shown to readers.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn server_tls(&self) -> Result<ServerTls, RunError> {
        let pair = match (&self.tls, &self.dev_certs) {
            (Some(pair), None) => pair.clone(),
            (None, Some(dir)) => DevCertificates::open(dir)?.server(NAME)?,
            _ => return Err(RunError::Config("give either dev_certs or [tls]: exactly one of them".to_owned())),
        };
        Ok(ServerTls::load(&pair, None)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_example_is_a_configuration() {
        let config: Config =
            config::parse(Path::new("follower.toml"), include_str!("../follower.example.toml")).unwrap();
        assert!(config.issuance.listen.is_some() && !config.issuance.mirror);
        assert_eq!(config.interval_seconds, 5);
        // The keys in it are to be replaced, and say so.
        assert!(config.verifier_key(Log::Issuance).is_err());
    }
}
