//! Certificates for development, made by the programs themselves.
//!
//! A directory holds a certificate authority and the certificates that it signed. They name loopback only, carry a mark
//! ([`is_development`]), and [`crate::listener::Listener`] refuses to serve them anywhere else: their authority's key lies
//! beside them.
//!
//! All are good for ten years, and are made anew when a program starts and finds less than five left. A program reads its own
//! certificate and the authority of its peers once, at its start, and then runs for months; so a certificate must outlive the
//! program. To change it in a running server would not be enough: the client's and the authority that the peers hold would
//! have to change with it. A short life would not protect anything either, for who can take a key from the directory can take
//! the next one as well.

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{private_file, tls::KeyPairFiles};

/// How long a certificate is good.
pub const LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A certificate with less time left than this is made anew when a program starts: so long it may run at least.
pub const RENEWAL: Duration = Duration::from_secs(5 * 365 * 86_400);

/// Tolerance for clocks that are behind the one that made the certificate.
const BACKDATING: Duration = Duration::from_secs(300);

/// The organisation in the subject of every certificate made here: the mark by which they are known.
const ORGANISATION: &str = "Farthing development, not for production";

/// A directory of development certificates.
#[derive(Debug, Clone)]
pub struct DevCertificates {
    dir: PathBuf,
}

/// Why development certificates could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevCertError {
    /// A file in the directory cannot be read or written.
    #[error("development certificates in {}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate or key cannot be made, or what is there is not one.
    #[error(
        "development certificates in {}: {source}; delete the directory to start afresh",
        path.display()
    )]
    Certificate {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        source: rcgen::Error,
    },
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy)]
enum Role {
    Server,
    Client,
}

impl DevCertificates {
    /// Opens the directory, making it (0700) and its authority when they are missing.
    ///
    /// # Errors
    /// When files cannot be read or written, or are not what this module wrote.
    pub fn open(dir: &Path) -> Result<Self, DevCertError> {
        let certificates = Self { dir: dir.to_path_buf() };
        private_file::create_dir(dir).map_err(|source| file_error(dir, source))?;
        let _lock = certificates.lock()?;
        certificates.ensure_authority()?;
        Ok(certificates)
    }

    /// The authority's certificate, a PEM file: what clients trust.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The certificate of the server `name` for localhost, 127.0.0.1 and ::1, made when it is missing or has less than [`RENEWAL`] left.
    ///
    /// # Errors
    /// As [`DevCertificates::open`].
    pub fn server(&self, name: &str) -> Result<KeyPairFiles, DevCertError> {
        self.leaf(name, Role::Server)
    }

    /// The certificate with which the program `name` shows who it is to a server that asks (mutual TLS).
    ///
    /// # Errors
    /// As [`DevCertificates::open`].
    pub fn client(&self, name: &str) -> Result<KeyPairFiles, DevCertError> {
        self.leaf(name, Role::Client)
    }

    fn leaf(&self, name: &str, role: Role) -> Result<KeyPairFiles, DevCertError> {
        let suffix = match role {
            Role::Server => "server",
            Role::Client => "client",
        };
        let pair = self.pair(&format!("{name}-{suffix}"));
        let _lock = self.lock()?;
        let (certificate, key) = self.ensure_authority()?;
        if is_current(&pair, Some(&certificate)) {
            return Ok(pair);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|source| certificate_error(&self.authority(), source))?;
        let made = make_leaf(name, role, &issuer, SystemTime::now());
        let (key, certificate) = made.map_err(|source| certificate_error(&pair.certificate, source))?;
        write_pair(&pair, &key, &certificate)?;
        Ok(pair)
    }

    /// The authority's certificate and key. The key is kept over renewals, so that certificates signed before stay good.
    fn ensure_authority(&self) -> Result<(CertificateDer<'static>, KeyPair), DevCertError> {
        let pair = self.pair("ca");
        let key = match fs::read_to_string(&pair.key) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(|source| certificate_error(&pair.key, source))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                KeyPair::generate().map_err(|source| certificate_error(&pair.key, source))?
            }
            Err(source) => return Err(file_error(&pair.key, source)),
        };
        if is_current(&pair, None)
            && let Ok(certificate) = CertificateDer::from_pem_file(&pair.certificate)
            && has_key(&certificate, &key)
        {
            return Ok((certificate, key));
        }
        let certificate =
            make_authority(&key, SystemTime::now()).map_err(|source| certificate_error(&pair.certificate, source))?;
        write_pair(&pair, &key, &certificate)?;
        Ok((certificate.der().clone(), key))
    }

    fn pair(&self, stem: &str) -> KeyPairFiles {
        KeyPairFiles { certificate: self.dir.join(format!("{stem}.pem")), key: self.dir.join(format!("{stem}.key")) }
    }

    /// Two programs that start together in one directory must not make two authorities.
    fn lock(&self) -> Result<File, DevCertError> {
        let path = self.dir.join(".lock");
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|source| file_error(&path, source))
    }
}

/// Whether a certificate was made by this module: by the organisation in its subject.
pub fn is_development(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    certificate
        .subject()
        .iter_organization()
        .chain(certificate.issuer().iter_organization())
        .any(|organisation| organisation.as_str() == Ok(ORGANISATION))
}

fn make_authority(key: &KeyPair, now: SystemTime) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = params("authority", now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.self_signed(key)
}

fn make_leaf(
    name: &str,
    role: Role,
    issuer: &Issuer<'_, KeyPair>,
    now: SystemTime,
) -> Result<(KeyPair, rcgen::Certificate), rcgen::Error> {
    let mut params = params(name, now);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    match role {
        Role::Server => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = vec![
                SanType::DnsName("localhost".try_into()?),
                SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ];
        }
        Role::Client => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
        }
    }
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((key, certificate))
}

fn params(name: &str, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.distinguished_name.push(DnType::CommonName, format!("farthing {name}"));
    params.not_before = (now - BACKDATING).into();
    params.not_after = (now + LIFETIME).into();
    params
}

/// Whether certificate and key are there, have more than [`RENEWAL`] left, and were signed by this authority (if one is given).
fn is_current(pair: &KeyPairFiles, authority: Option<&CertificateDer<'_>>) -> bool {
    let Ok(der) = CertificateDer::from_pem_file(&pair.certificate) else {
        return false;
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return false;
    };
    let renew_at = SystemTime::now() + RENEWAL;
    let Ok(renew_at) = renew_at.duration_since(SystemTime::UNIX_EPOCH) else {
        return false;
    };
    let left =
        i64::try_from(renew_at.as_secs()).is_ok_and(|renew_at| certificate.validity().not_after.timestamp() > renew_at);
    let signed = match authority {
        None => true,
        Some(authority) => X509Certificate::from_der(authority)
            .is_ok_and(|(_, authority)| certificate.verify_signature(Some(authority.public_key())).is_ok()),
    };
    pair.key.exists() && left && signed
}

fn has_key(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}

fn write_pair(pair: &KeyPairFiles, key: &KeyPair, certificate: &rcgen::Certificate) -> Result<(), DevCertError> {
    private_file::write(&pair.key, key.serialize_pem().as_bytes()).map_err(|source| file_error(&pair.key, source))?;
    private_file::write(&pair.certificate, certificate.pem().as_bytes())
        .map_err(|source| file_error(&pair.certificate, source))
}

fn file_error(path: &Path, source: io::Error) -> DevCertError {
    DevCertError::File { path: path.to_path_buf(), source }
}

fn certificate_error(path: &Path, source: rcgen::Error) -> DevCertError {
    DevCertError::Certificate { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tls::{ClientTls, ServerTls};
    use std::os::unix::fs::PermissionsExt as _;

    fn read(pair: &KeyPairFiles) -> (Vec<u8>, Vec<u8>) {
        (fs::read(&pair.certificate).unwrap(), fs::read(&pair.key).unwrap())
    }

    #[test]
    fn certificates_are_made_once_with_private_keys() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("certificates");
        let certificates = DevCertificates::open(&dir).unwrap();
        let server = certificates.server("issuer").unwrap();
        let client = certificates.client("redeemer").unwrap();
        for pair in [&server, &client, &certificates.pair("ca")] {
            let mode = fs::metadata(&pair.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let before = (read(&server), read(&client), read(&certificates.pair("ca")));
        let again = DevCertificates::open(&dir).unwrap();
        assert_eq!(again.server("issuer").unwrap(), server);
        assert_eq!(again.client("redeemer").unwrap(), client);
        let after = (read(&server), read(&client), read(&certificates.pair("ca")));
        assert!(before == after);

        let tls = ServerTls::load(&server, Some(&certificates.authority())).unwrap();
        assert!(tls.is_development());
        ClientTls::load(&certificates.authority(), Some(&client)).unwrap();
    }

    #[test]
    fn a_certificate_that_is_nearly_over_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(home.path()).unwrap();
        let pair = certificates.server("issuer").unwrap();
        let (authority, key) = certificates.ensure_authority().unwrap();
        let issuer = Issuer::from_ca_cert_der(&authority, key).unwrap();
        for (age, kept) in [
            (LIFETIME - RENEWAL - BACKDATING, true),
            (LIFETIME - RENEWAL + BACKDATING, false),
            (LIFETIME + RENEWAL, false),
        ] {
            let then = SystemTime::now() - age;
            let (key, old) = make_leaf("issuer", Role::Server, &issuer, then).unwrap();
            write_pair(&pair, &key, &old).unwrap();
            let before = read(&pair);
            certificates.server("issuer").unwrap();
            assert_eq!(read(&pair) == before, kept, "{age:?}");
        }
    }

    #[test]
    fn certificates_outlive_the_programs_that_use_them() {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(home.path()).unwrap();
        let pairs =
            [certificates.pair("ca"), certificates.server("issuer").unwrap(), certificates.client("redeemer").unwrap()];
        // Those of an older version were good for 30 days: new, and nearly over.
        for left in [Duration::from_secs(30 * 86_400), Duration::from_secs(86_400 / 2)] {
            let then = SystemTime::now() + left - LIFETIME;
            let key = KeyPair::from_pem(&fs::read_to_string(&pairs[0].key).unwrap()).unwrap();
            let authority = make_authority(&key, then).unwrap();
            write_pair(&pairs[0], &key, &authority).unwrap();
            let issuer = Issuer::from_ca_cert_der(authority.der(), key).unwrap();
            for (pair, name, role) in [(&pairs[1], "issuer", Role::Server), (&pairs[2], "redeemer", Role::Client)] {
                let (key, leaf) = make_leaf(name, role, &issuer, then).unwrap();
                write_pair(pair, &key, &leaf).unwrap();
            }
            let old = pairs.each_ref().map(|pair| read(pair).0);

            let certificates = DevCertificates::open(home.path()).unwrap();
            certificates.server("issuer").unwrap();
            certificates.client("redeemer").unwrap();
            let five_years_on = SystemTime::now() + Duration::from_secs(5 * 365 * 86_400);
            let five_years_on = five_years_on.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            for (pair, old) in pairs.iter().zip(old) {
                assert!(read(pair).0 != old, "{left:?}");
                let der = CertificateDer::from_pem_file(&pair.certificate).unwrap();
                let (_, certificate) = X509Certificate::from_der(&der).unwrap();
                assert!(certificate.validity().not_after.timestamp() > i64::try_from(five_years_on).unwrap());
            }
        }
    }

    #[test]
    fn a_renewed_authority_keeps_its_key_and_a_lost_one_replaces_all() {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(home.path()).unwrap();
        let authority = certificates.pair("ca");
        let server = certificates.server("issuer").unwrap();
        let leaf = read(&server);

        let key = KeyPair::from_pem(&fs::read_to_string(&authority.key).unwrap()).unwrap();
        let old = make_authority(&key, SystemTime::now() - LIFETIME).unwrap();
        write_pair(&authority, &key, &old).unwrap();
        certificates.server("issuer").unwrap();
        assert!(fs::read_to_string(&authority.certificate).unwrap() != old.pem());
        assert!(read(&server) == leaf, "signed by the same key");

        fs::remove_file(&authority.key).unwrap();
        certificates.server("issuer").unwrap();
        assert!(read(&server) != leaf);
    }

    #[test]
    fn programs_that_start_together_share_one_authority() {
        let home = tempfile::tempdir().unwrap();
        let start = || {
            let certificates = DevCertificates::open(home.path()).unwrap();
            fs::read(certificates.authority()).unwrap()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(found.iter().all(|authority| *authority == found[0]));
    }

    #[test]
    fn other_certificates_bear_no_mark() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["issuer.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert!(!is_development(certificate.der()));
        assert!(!is_development(&CertificateDer::from(vec![1, 2, 3])));
    }
}
