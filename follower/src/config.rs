//! The configuration file, `follower.example.toml` with comments.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use farthing_ledger::key::{CosignerKey, KeyKind, VerifierKey};
use farthing_service::{
    clock::Clock,
    config,
    dev_certs::DevCertificates,
    tls::{ClientTls, KeyPairFiles, ServerTls},
};
use serde::Deserialize;

use crate::{
    error::RunError,
    follower::{Setting, Upstream},
    log::Log,
    source::{Remote, Source},
};

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
    /// Verifier keys of other witnesses, whose cosignatures are given out with this follower's own.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// Seconds after which `status` says that a log could not be looked through for too long.
    #[serde(default = "default_stale")]
    pub stale_after_seconds: u64,
    /// Seconds after which `status` says that a log has not grown for too long: that it is quiet, or not shown to this follower.
    #[serde(default = "default_quiet")]
    pub quiet_after_seconds: u64,
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
    /// Who takes the cosignatures, `https://HOST:PORT`; without it the server that is read, and of a mirror nobody.
    #[serde(default)]
    pub hand_back: Option<String>,
    /// The certificate that signed that server's; without it [`LogConfig::authority`].
    #[serde(default)]
    pub hand_back_authority: Option<PathBuf>,
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

/// A day: long enough for any repair.
const fn default_stale() -> u64 {
    86_400
}

/// A week: in a small system nobody may withdraw money for days.
const fn default_quiet() -> u64 {
    7 * 86_400
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
        for log in [&mut self.issuance, &mut self.payments] {
            [&mut log.authority, &mut log.hand_back_authority].into_iter().flatten().for_each(&mut change);
        }
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

    /// The keys of the other witnesses.
    ///
    /// # Errors
    /// [`RunError::Key`]; [`RunError::Config`] for the key of a log.
    pub fn other_witnesses(&self) -> Result<Vec<VerifierKey>, RunError> {
        let read = |text: &String| {
            let key: VerifierKey = text.parse().map_err(|source| RunError::Key { what: "witnesses", source })?;
            match key.kind() {
                KeyKind::Witness => Ok(key),
                KeyKind::Log => Err(RunError::Config(format!("witnesses: {text} is the key of a log"))),
            }
        };
        self.witnesses.iter().map(read).collect()
    }

    /// What the follower is set up with, beside the logs.
    ///
    /// # Errors
    /// As [`Config::witness`] and [`Config::other_witnesses`].
    pub fn setting(&self, clock: Arc<dyn Clock>) -> Result<Setting, RunError> {
        let (witness, others) = (self.witness()?, self.other_witnesses()?);
        Ok(Setting { witness, others, evidence: self.evidence_dir(), clock })
    }

    /// Where a log is read, and who takes the cosignatures.
    ///
    /// # Errors
    /// [`RunError`] for addresses, keys and certificates.
    pub fn upstream(&self, log: Log) -> Result<Upstream, RunError> {
        let LogConfig { address, authority, mirror, hand_back, hand_back_authority, .. } = self.log(log);
        let source: Arc<dyn Source> = Arc::new(self.remote(address, authority.as_deref())?);
        let hand_back: Option<Arc<dyn Source>> = match hand_back {
            Some(taker) => {
                let authority = hand_back_authority.as_deref().or(authority.as_deref());
                Some(Arc::new(self.remote(taker, authority)?))
            }
            None => (!mirror).then(|| source.clone()),
        };
        Ok(Upstream { source, key: self.verifier_key(log)?, is_mirror: *mirror, hand_back })
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
