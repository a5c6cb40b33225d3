//! Operations: what the wallet asks of a server, as machines that are stored.
//!
//! [`Draft`] (built, nothing durable) → *begun*: an [`Operation`] in the book, durable, its inputs reserved, and only then
//! sent → *answered* (the answer verified, outputs stored, inputs gone, in one step) or *refused* (inputs free again, only
//! when the server's answer proves that they were not spent). Whatever else happens, the operation stays as it is and the
//! same bytes are sent again: the server answers a transaction that it has recorded whatever the day.
//!
//! Each kind keeps what it takes to build the transaction again for another day, with the same inputs, of which at most one
//! transaction can ever be accepted. Only a payment whose fee was raised takes others besides them.

mod claim;
mod drive;
mod pay;
mod redeem;
mod refund;
mod register;
mod renew;
mod settle;
mod spent;
mod split;
mod swap;
mod withdraw;

use std::sync::Arc;

use farthing_ecash::{
    amount::Amount,
    coin::Coin,
    credential::Credential,
    error::ProveError,
    note::Note,
    refund::Refundable,
    seed::WalletKeys,
    transaction::{Core, Transaction},
    wallet_state::WalletState,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::WalletError,
    history::OperationKind,
    record::Hex,
    terms::{Issuance, Terms},
    vault::RecordId,
};

pub(crate) use claim::{Claim, claim_rule, rule_for};
pub(crate) use drive::{Settled, failed};
pub(crate) use pay::Pay;
pub(crate) use redeem::Redeem;
pub(crate) use refund::Refund;
pub(crate) use register::Register;
pub(crate) use renew::Renew;
pub(crate) use settle::paid_note;
pub(crate) use split::{Split, SplitExpired};
pub(crate) use swap::Swap;
pub(crate) use withdraw::Withdraw;

/// What is sent: the canonical transaction and the part that is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) transaction: Hex,
    pub(crate) private: Hex,
}

/// What came back. Nothing of it is verified.
pub(crate) struct Reply {
    pub(crate) answer: Vec<u8>,
    pub(crate) log_index: u64,
}

/// A transaction that was built; nothing of it is durable, so it must not be sent.
pub(crate) struct Draft {
    pub(crate) transaction: Transaction,
    pub(crate) request: Request,
    /// What it costs besides the amount.
    pub(crate) fee: u64,
}

impl Draft {
    fn new(transaction: Transaction, private: &[u8]) -> Self {
        let request = Request { transaction: Hex::new(transaction.as_bytes()), private: Hex::new(private) };
        Self { transaction, request, fee: 0 }
    }
}

/// An operation that was begun and is not finished.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) intent: Intent,
    /// Its item in the history; a claim has none of its own but finishes those of its payments.
    pub(crate) item: Option<u64>,
    /// The coins, notes or payments that it consumes.
    pub(crate) inputs: Vec<RecordId>,
    /// What is sent.
    pub(crate) request: Request,
    /// Ids of what was sent for earlier days and can no longer be accepted, unless it was after all.
    pub(crate) earlier: Vec<Hex>,
}

/// What an operation is for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Intent {
    Register(Register),
    Withdraw(Withdraw),
    Pay(Pay),
    Claim(Claim),
    Redeem(Redeem),
    Swap(Swap),
    Split(Split),
    SplitExpired(SplitExpired),
    Refund(Refund),
    Renew(Renew),
}

/// What an operation consumes.
#[derive(Clone, Default)]
pub(crate) struct Inputs {
    pub(crate) coins: Vec<Arc<Credential<Coin>>>,
    pub(crate) notes: Vec<Arc<Credential<Note>>>,
    pub(crate) refundables: Vec<Arc<Refundable>>,
    pub(crate) state: Option<Arc<Credential<WalletState>>>,
}

/// What a server wants operations to be built for.
#[derive(Clone)]
pub(crate) enum Season {
    /// The issuer.
    Issuance(Arc<Issuance>),
    /// The redeemer.
    Payments(Arc<Terms>),
}

impl Intent {
    pub(crate) const fn kind(&self) -> OperationKind {
        match self {
            Self::Register(_) => OperationKind::Register,
            Self::Withdraw(_) => OperationKind::Withdraw,
            Self::Pay(_) => OperationKind::Pay,
            Self::Claim(_) => OperationKind::Receive,
            Self::Redeem(_) => OperationKind::Redeem,
            Self::Swap(_) => OperationKind::Swap,
            Self::Split(_) | Self::SplitExpired(_) => OperationKind::Split,
            Self::Refund(_) => OperationKind::Refund,
            Self::Renew(_) => OperationKind::Renew,
        }
    }

    pub(crate) const fn is_for_issuer(&self) -> bool {
        matches!(self, Self::Register(_) | Self::Withdraw(_))
    }

    /// Whether it consumes the wallet's state: there is one such operation at a time.
    pub(crate) const fn consumes_state(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::Refund(_) | Self::Renew(_))
    }

    /// Whether it renews the registration.
    pub(crate) const fn renews(&self) -> bool {
        matches!(self, Self::Renew(_))
    }

    /// Whether the issuer has said to come again on another day.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self, Self::Register(register) if register.waits_until.is_some())
    }

    /// Whether the wallet's state is an input, consumed or shown.
    pub(crate) const fn shows_state(&self) -> bool {
        self.consumes_state() || matches!(self, Self::Split(_))
    }

    /// Builds the transaction. Takes tens of milliseconds.
    pub(crate) fn build(&self, season: &Season, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        match (self, season) {
            (Self::Register(register), Season::Issuance(issuance)) => register.build(issuance, keys),
            (Self::Withdraw(withdraw), Season::Issuance(issuance)) => withdraw.build(issuance, keys),
            (Self::Pay(pay), Season::Payments(terms)) => pay.build(terms, keys, &inputs.coins),
            (Self::Claim(claim), Season::Payments(terms)) => claim.build(terms, keys, inputs),
            (Self::Redeem(redeem), Season::Payments(terms)) => redeem.build(terms, keys, &inputs.coins),
            (Self::Swap(swap), Season::Payments(terms)) => swap.build(terms, keys, &inputs.coins),
            (Self::Split(split), Season::Payments(terms)) => split.build(terms, keys, inputs),
            (Self::SplitExpired(split), Season::Payments(terms)) => split.build(terms, keys, inputs),
            (Self::Refund(refund), Season::Payments(terms)) => refund.build(terms, keys, inputs),
            (Self::Renew(renew), Season::Payments(terms)) => renew.build(terms, keys, inputs),
            _ => Err(WalletError::Internal { what: "an operation was built for the wrong server".to_owned() }),
        }
    }
}

impl Operation {
    /// The core of what is sent.
    pub(crate) fn core(&self) -> Result<Core, WalletError> {
        self.request.core()
    }
}

impl Request {
    pub(crate) fn core(&self) -> Result<Core, WalletError> {
        let core = Core::from_prefix(self.transaction.as_bytes());
        let core = core.map_err(|_| WalletError::Damaged { what: "a stored transaction is malformed".to_owned() })?;
        Ok(core.0)
    }
}

/// These coins, which were enough when they were chosen, are not any more: the policy has a higher fee now. Others may be taken
/// besides them.
fn too_little(coins: &[Arc<Credential<Coin>>], needed: u64) -> WalletError {
    let values = coins.iter().map(|coin| coin.attributes().value().get());
    let available = Amount::new(values.fold(0, u64::saturating_add));
    WalletError::InsufficientFunds { needed: Amount::new(needed), available }
}

/// What a transaction that cannot be built means where nothing more is known.
fn unbuildable(error: ProveError) -> WalletError {
    WalletError::Internal { what: format!("a transaction could not be built: {error}") }
}
