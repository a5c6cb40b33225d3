//! What every Farthing server shares, and what its clients need to talk to it.
//!
//! A server is put together from these pieces, in this order:
//!
//! 1. [`logging`] and [`config`] say what is going on, and read what the operator wants;
//! 2. [`shutdown`] turns signals into a token that everything waits on;
//! 3. [`clock`] and [`logical_day`] keep the durable, monotone day of docs/PROTOCOL.md section 7;
//! 4. [`dev_certs`] or the operator's files give [`tls`] its certificate: TLS 1.3, hybrid key exchange;
//! 5. [`listener`] accepts connections within limits, and [`server`] serves gRPC on them with [`admission`] control, health
//!    and reflection;
//! 6. [`status`] builds and reads errors, [`token`] guards what is for the owner only;
//! 7. [`log_setup`] says how the server's log is signed, [`ledger`] lets everybody read it; [`scrub`] verifies the store while no server runs;
//! 8. [`watch`] looks at files that may be changed while it runs, [`key_files`] reads and writes those with issuing keys,
//!    [`reload`] names them all.
//!
//! A client builds a [`channel`]. Nothing here checks or makes a transaction.

pub mod admission;
mod census;
pub mod channel;
pub mod clock;
pub mod config;
pub mod dev_certs;
pub mod key_files;
pub mod ledger;
pub mod listener;
pub mod log_setup;
pub mod logging;
pub mod logical_day;
pub mod private_file;
pub mod reload;
pub mod scrub;
pub mod server;
pub mod shutdown;
pub mod status;
pub mod tls;
pub mod token;
pub mod watch;
