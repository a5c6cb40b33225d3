//! Where a wallet finds its servers: `config.toml` in its directory. Nothing in it is secret; what protects money is in
//! the vault, which pins the issuer's log and keys at the first contact.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::WalletError;

/// Name of the file in the wallet's directory.
const FILE: &str = "config.toml";

/// The servers of a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Where accounts, registration and withdrawals are.
    pub issuer: ServerAddress,
    /// Where payments, claims and redemptions are.
    pub redeemer: ServerAddress,
    /// Copies of the logs, such as a follower's, to read instead of those of the servers. What they say is checked just as
    /// well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledgers: Vec<ServerAddress>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerAddress {
    /// `https://HOST:PORT`.
    pub url: String,
    /// PEM file with the certificate authority that its certificate must be signed by; no other is trusted.
    pub ca: PathBuf,
}

impl Connection {
    /// Reads the file of the wallet in `dir`. Relative paths in it are relative to `dir`.
    ///
    /// # Errors
    /// [`WalletError::Config`] shows the place of a mistake.
    pub fn load(dir: &Path) -> Result<Self, WalletError> {
        let mut connection: Self = farthing_service::config::load(&dir.join(FILE))?;
        for server in connection.servers() {
            server.ca = dir.join(&server.ca);
        }
        Ok(connection)
    }

    fn servers(&mut self) -> impl Iterator<Item = &mut ServerAddress> {
        [&mut self.issuer, &mut self.redeemer].into_iter().chain(&mut self.ledgers)
    }

    /// Writes the file, with absolute paths.
    ///
    /// # Errors
    /// [`WalletError::File`] or [`WalletError::DiskFull`].
    pub fn save(&self, dir: &Path) -> Result<(), WalletError> {
        let path = dir.join(FILE);
        let failed = |source| WalletError::File { path: path.clone(), source };
        let mut connection = self.clone();
        for server in connection.servers() {
            server.ca = std::path::absolute(&server.ca).map_err(failed)?;
        }
        let text = toml::to_string(&connection).map_err(|error| failed(std::io::Error::other(error)))?;
        crate::file::write(&path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let server = |url: &str| ServerAddress { url: url.to_owned(), ca: dir.path().join("ca.pem") };
        let connection = Connection {
            issuer: server("https://[::1]:1"),
            redeemer: server("https://localhost:2"),
            ledgers: vec![server("https://localhost:3")],
        };
        connection.save(dir.path()).unwrap();
        assert_eq!(Connection::load(dir.path()).unwrap(), connection);
    }

    #[test]
    fn a_path_may_be_relative_to_the_wallet() {
        let dir = tempfile::tempdir().unwrap();
        let server = "{ url = \"https://localhost:1\", ca = \"ca.pem\" }";
        std::fs::write(dir.path().join(FILE), format!("issuer = {server}\nredeemer = {server}\n")).unwrap();
        assert_eq!(Connection::load(dir.path()).unwrap().issuer.ca, dir.path().join("ca.pem"));
    }

    #[test]
    fn a_mistake_is_shown_in_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "isuer = 1\n").unwrap();
        let shown = Connection::load(dir.path()).unwrap_err().to_string();
        assert!(shown.contains("config.toml:1:1"), "{shown}");
    }
}
