//! The ports of a cluster, and the configurations that name them.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::Path,
};

use farthing_issuer::keys::KeyPeriods;
use farthing_wallet::RequestId;

use crate::demo::Failure;

/// The ports that the servers keep over restarts.
pub(super) struct Ports {
    pub(super) issuer: u16,
    pub(super) admin: u16,
    pub(super) redemption: u16,
    pub(super) redeemer: u16,
    /// Where the follower serves the issuance log and the payments log.
    pub(super) follower: [u16; 2],
    /// Locked as long as this lives: other clusters on this machine leave its ports alone, also while no server listens.
    _reserved: Vec<File>,
}

impl Ports {
    /// Six ports that nobody uses, below those that the system gives to outgoing connections: so they are still free when a
    /// server comes back to its own.
    pub(super) fn free() -> Result<Self, Failure> {
        Self::free_in(&std::env::temp_dir().join("farthing-test-ports"))
    }

    /// In a folder of somebody else on this machine only what he has reserved is respected, and nothing is reserved.
    fn free_in(folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).ok();
        let (mut ports, mut reserved) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            let [first, second, ..] = *RequestId::random().as_bytes();
            let port = 20_000 + u16::from_le_bytes([first, second]) % 12_000;
            let name = folder.join(port.to_string());
            let lock = File::create(&name).or_else(|_| File::open(&name)).ok();
            let taken = lock.as_ref().is_some_and(|lock| lock.try_lock().is_err()) || ports.contains(&port);
            if taken || TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
            ports.push(port);
            reserved.extend(lock);
            if let [issuer, admin, redemption, redeemer, issuance, payments] = *ports.as_slice() {
                let follower = [issuance, payments];
                return Ok(Self { issuer, admin, redemption, redeemer, follower, _reserved: reserved });
            }
        }
        Err("no free ports".into())
    }

    pub(super) fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    pub(super) fn issuer_config(&self, [first, second]: &[String; 2], periods: KeyPeriods) -> String {
        let KeyPeriods { issue_days, accept_days, exchange_days } = periods;
        format!(
            r#"data_dir = "data"
origin = "issuer.example/farthing/issuance"
listen = "127.0.0.1:{}"
admin_listen = "127.0.0.1:{}"
redemption_listen = "127.0.0.1:{}"
policy = "../policy.toml"
keys = ["keys"]
key_periods = {{ issue_days = {issue_days}, accept_days = {accept_days}, exchange_days = {exchange_days} }}
directory_interval_seconds = 1
dev_certs = "../dev-certs"

[log]
witnesses = ["{first}", "{second}"]
"#,
            self.issuer, self.admin, self.redemption
        )
    }

    pub(super) fn redeemer_config(&self, [first, second]: &[String; 2]) -> String {
        format!(
            r#"data_dir = "data"
origin = "redeemer.example/farthing/payments"
listen = "127.0.0.1:{}"
policy = "../policy.toml"
keys = ["../issuer/keys"]
dev_certs = "../dev-certs"

[issuer]
address = "https://127.0.0.1:{}"

[log]
witnesses = ["{first}", "{second}"]
"#,
            self.redeemer, self.redemption
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ports_are_reserved_where_files_can_be_made_and_found_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ports");
        let ports = Ports::free_in(&folder).unwrap();
        let [issuance, payments] = ports.follower;
        for port in [ports.issuer, ports.admin, ports.redemption, ports.redeemer, issuance, payments] {
            let again = File::open(folder.join(port.to_string())).unwrap();
            assert!(again.try_lock().is_err(), "as long as they are held");
        }
        // No file can be made in what is no folder.
        let file = dir.path().join("file");
        File::create(&file).unwrap();
        Ports::free_in(&file).unwrap();
    }
}
