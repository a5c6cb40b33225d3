//! The Farthing wallet as a library: what the command line and the daemon are made of, and the Rust SDK for programs that
//! hold a wallet themselves.
//!
//! A [`Wallet`] is a directory, encrypted under a passphrase. Every operation is written down before it is sent, so that
//! after a crash the wallet finishes what it began ([`Wallet::resume`]) instead of losing it or doing it twice.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use farthing_ecash::identity::Identity;
//! use farthing_wallet::{Connection, RequestId, ServerAddress, Wallet};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = |url: &str| ServerAddress { url: url.to_owned(), ca: "ca.pem".into() };
//! let connection = Connection { issuer: server("https://issuer:7001"), redeemer: server("https://redeemer:7003"), ledgers: Vec::new() };
//! let (wallet, words) = Wallet::create(Path::new("alice"), "a long passphrase", &connection, None).await?;
//! println!("write these words down: {}", *words);
//! wallet.register("alice@bank.example", "the invitation").await?;
//!
//! // Amounts are whole minor units; only people see decimals.
//! let currency = wallet.currency().await?;
//! wallet.withdraw(currency.parse("20.00")?, RequestId::random()).await?;
//!
//! // With the same request id it may be asked again, whatever happened: it pays once.
//! let request_id = RequestId::random();
//! let bob = Identity::parse("bob@bank.example")?;
//! let receipt = wallet.pay(&bob, currency.parse("3.50")?, "lunch", request_id).await?;
//! if let Some(why) = receipt.delay {
//!     println!("not finished yet: {why}");
//! }
//!
//! for payment in wallet.receive().await?.claimed {
//!     println!("received {}", currency.format(payment.amount));
//! }
//! wallet.close().await;
//!
//! // Another process, after a crash or not.
//! let wallet = Wallet::open(Path::new("alice"), "a long passphrase").await?;
//! for resumed in wallet.resume().await? {
//!     println!("finished what was begun: {:?}, {:?}", resumed.kind, resumed.state);
//! }
//! # Ok(())
//! # }
//! ```

mod book;
mod client;
mod directory;
mod file;
mod operation;
mod plan;
mod record;
mod reference;
mod scan;
mod select;
mod terms;
mod trust;
mod validity;
mod vault;

pub mod cli;
pub mod config;
pub mod daemon;
pub mod disclosure;
pub mod error;
pub mod history;
pub mod link;
pub mod payment_request;
pub mod receipt;
pub mod report;
pub mod service;
pub mod wallet;

pub use config::{Connection, ServerAddress};
pub use error::{Server, WalletError};
pub use history::{HistoryItem, HistoryPage, ItemFailure, OperationKind, OperationState, PaidNote, RequestId};
pub use link::PaymentLink;
pub use payment_request::PaymentRequest;
pub use reference::Reference;
pub use report::{
    AccountInfo, Balance, EndingMoney, IncomingPayment, LinkOutcome, LinkState, LogStanding, OutgoingPayment,
    PayeeInfo, PendingPayment, PendingReason, PendingRefund, PlannedPart, Receipt, ReceiptCaps, ReceiveReport,
    RefundReport, RegisterOutcome, Registration, RenewOutcome, RequestInfo, RequestState, RestoreReport, Restored,
    Restricted, Resumed, Standing, WalletInfo,
};
pub use wallet::{Holding, Options, Order, Progress, Receiving, Wallet, Watch};
