//! The ports of a cluster, and the configurations that name them.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
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
        let folder = std::env::temp_dir().join("farthing-test-ports");
        std::fs::create_dir_all(&folder)?;
        let (mut ports, mut reserved) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            let [first, second, ..] = *RequestId::random().as_bytes();
            let port = 20_000 + u16::from_le_bytes([first, second]) % 12_000;
            let lock = File::create(folder.join(port.to_string()))?;
            if lock.try_lock().is_err() || TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
            ports.push(port);
            reserved.push(lock);
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
