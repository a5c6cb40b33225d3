//! TLS 1.3 with hybrid post-quantum key exchange, for servers and clients.
//!
//! What travels shows who talks to a service and when, and, opened years later, what was said. X25519MLKEM768 keeps
//! recorded traffic closed to a quantum computer; older versions of TLS are not spoken at all. Session resumption is off on
//! both sides: a resumption ticket would tell a server that two connections come from the same wallet.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::WebPkiClientVerifier,
    version::TLS13,
};
use serde::Deserialize;

use crate::dev_certs;

/// The only application protocol: HTTP/2.
const ALPN: &[u8] = b"h2";

/// A certificate chain and its private key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPairFiles {
    /// The certificate, followed by intermediate ones.
    pub certificate: PathBuf,
    /// The private key (PKCS#8, SEC1 or PKCS#1); nobody but its owner and group may read it.
    pub key: PathBuf,
}

/// What a server needs to speak TLS.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) development: bool,
}

/// What a client needs to speak TLS.
#[derive(Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) authority: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {wanted} in PEM form", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// "certificate" or "private key".
        wanted: &'static str,
    },
    /// Everybody on the machine can read the private key.
    #[error("the private key {} can be read by everybody: chmod 600 it", path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
    },
    /// The certificate, the key or the authority is not usable.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ServerTls {
    /// Loads a server's certificate. With `client_authority` only clients whose certificate it signed are let in (mutual
    /// TLS).
    ///
    /// # Errors
    /// When a file is missing or wrong, when the key does not fit the certificate, or when everybody can read the key.
    pub fn load(pair: &KeyPairFiles, client_authority: Option<&Path>) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&pair.certificate, error))?;
        let builder = match client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(path)?.into(), provider)
                    .build()
                    .map_err(|error| unusable(path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = chain(&pair.certificate)?;
        let development = chain.first().is_some_and(|leaf| dev_certs::is_development(leaf));
        let mut config =
            builder.with_single_cert(chain, key(&pair.key)?).map_err(|error| unusable(&pair.certificate, error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), development })
    }

    /// Whether the certificate is one of [`dev_certs`], which is served on loopback only.
    pub fn is_development(&self) -> bool {
        self.development
    }
}

impl ClientTls {
    /// Trusts the certificates in the file `authority` and no others. With `pair` the client shows a certificate of its own
    /// when the server asks for one.
    ///
    /// # Errors
    /// When a file is missing or wrong, when the key does not fit the certificate, or when everybody can read the key.
    pub fn load(authority: &Path, pair: Option<&KeyPairFiles>) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(authority, error))?
            .with_root_certificates(roots(authority)?);
        let mut config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => builder
                .with_client_auth_cert(chain(&pair.certificate)?, key(&pair.key)?)
                .map_err(|error| unusable(&pair.certificate, error))?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), authority: authority.to_path_buf() })
    }
}

/// aws-lc-rs with the hybrid group first. The classical groups remain for clients of other languages.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups =
        vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
    Arc::new(provider)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| not_pem(path, "certificate", error))?;
    if chain.is_empty() {
        return Err(not_pem(path, "certificate", pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in chain(path)? {
        store.add(certificate).map_err(|error| unusable(path, error))?;
    }
    Ok(store)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| TlsError::Unreadable { path: path.to_path_buf(), source })?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(TlsError::KeyExposed { path: path.to_path_buf() });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| not_pem(path, "private key", error))
}

fn not_pem(path: &Path, wanted: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_path_buf();
    match error {
        pem::Error::Io(source) => TlsError::Unreadable { path, source },
        _ => TlsError::NotPem { path, wanted },
    }
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_path_buf(), reason: error.to_string() }
}
