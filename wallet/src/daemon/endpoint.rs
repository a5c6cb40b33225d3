//! `endpoint.json`: how to reach a running daemon.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use farthing_ecash::amount::Currency;
use serde::{Deserialize, Serialize};

use crate::error::WalletError;

/// Name of the file in the daemon's directory.
const FILE: &str = "endpoint.json";

/// What a caller needs to know of a daemon. The file is there while the daemon runs, and is left over when it was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `https://IP:PORT`.
    pub address: String,
    /// PEM file with the certificate authority that signed the daemon's certificate.
    pub ca: PathBuf,
    /// File with the bearer token.
    pub token_file: PathBuf,
    /// The daemon's process.
    pub pid: u32,
    /// The currency of all amounts, once the wallet knows it.
    pub currency: Option<EndpointCurrency>,
}

/// A currency in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCurrency {
    /// Three to eight capitals, such as "EUR".
    pub code: String,
    /// Decimals: one unit of the currency is 10^exponent minor units.
    pub exponent: u8,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr, ca: PathBuf, token_file: PathBuf) -> Self {
        Self { address: format!("https://{address}"), ca, token_file, pid: std::process::id(), currency: None }
    }

    /// The file of the wallet in `data_dir`.
    #[must_use]
    pub fn file(data_dir: &Path) -> PathBuf {
        data_dir.join(super::DIR).join(FILE)
    }

    /// Reads the file of the wallet in `data_dir`. `None` when there is none, or what it says is not understood: then no
    /// daemon of this version wrote it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(Self::file(data_dir)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, data_dir: &Path) -> Result<(), WalletError> {
        let path = Self::file(data_dir);
        let json = serde_json::to_vec_pretty(self);
        let json = json.map_err(|error| crate::file::failed(&path, io::Error::from(error)))?;
        crate::file::write(&path, &json)
    }
}

impl From<&Currency> for EndpointCurrency {
    fn from(currency: &Currency) -> Self {
        Self { code: currency.code().to_owned(), exponent: currency.exponent() }
    }
}

impl EndpointCurrency {
    /// The currency, unless the file holds nonsense.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        Currency::new(&self.code, self.exponent).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Endpoint::load(dir.path()).unwrap(), None);
        fs::create_dir(dir.path().join("daemon")).unwrap();
        let euro = Currency::new("EUR", 6).unwrap();
        let mut endpoint = Endpoint::new("[::1]:7".parse().unwrap(), "ca.pem".into(), "token".into());
        endpoint.currency = Some(EndpointCurrency::from(&euro));
        endpoint.write(dir.path()).unwrap();
        let read = Endpoint::load(dir.path()).unwrap().unwrap();
        assert_eq!(read, endpoint);
        assert_eq!(read.address, "https://[::1]:7");
        assert_eq!(read.currency.unwrap().currency(), Some(euro));
        let mode = fs::metadata(Endpoint::file(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nonsense_is_no_daemon() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("daemon")).unwrap();
        fs::write(Endpoint::file(dir.path()), "{\"address\": 7}").unwrap();
        assert_eq!(Endpoint::load(dir.path()).unwrap(), None);
    }
}
