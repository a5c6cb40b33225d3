//! Who holds the wallet: a daemon, or this process. Both answer with the messages of `farthing.v1`.

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use farthing_ecash::amount::Currency;
use farthing_proto::v1::{self, ErrorReason, wallet_service_server::WalletService as _};
use farthing_service::status::{Failure, Refusal};
use tonic::{Request, Response, Status};

use super::{args::Global, exit::Exit, output::Output, problem::Problem, progress::Meter, secret, show};
use crate::{
    daemon,
    error::WalletError,
    history::{OperationKind, OperationState},
    report::Resumed,
    service::WalletApi,
    wallet::{Options, Wallet},
};

/// How long a command that asks no server by itself waits for one: to finish what is unfinished, to learn the currency.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command waits for another that is about to end. The lock is looked at before the passphrase is worked on, so
/// that trying costs nothing.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A wallet that can be asked.
pub(super) struct Backend {
    holder: Holder,
    timeout: Duration,
}

enum Holder {
    Daemon(Box<daemon::Client>, daemon::Endpoint),
    Here(WalletApi),
}

/// Whether a command asks servers anyway, so that waiting for them is no surprise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Servers,
    Nobody,
    /// Not even what is unfinished is finished.
    NobodyEver,
}

impl Backend {
    /// Finds the daemon of the wallet in `dir`, or opens the wallet and finishes what earlier runs began, and says so.
    pub(super) async fn open(
        dir: &Path,
        global: &Global,
        output: &Output,
        meter: &Meter,
        asks: Asks,
    ) -> Result<Self, Problem> {
        let timeout = global.timeout;
        if let Some((client, endpoint)) = daemon::connect(dir, timeout).await.map_err(|error| daemon_problem(&error))? {
            let holder = Holder::Daemon(Box::new(client), endpoint);
            return Ok(Self { holder, timeout });
        }
        let wallet = open_wallet(dir, global, output).await?;
        let patience = if asks == Asks::Servers { timeout } else { timeout.min(PATIENCE) };
        if asks != Asks::NobodyEver {
            resume(&wallet, output, meter, patience).await;
        }
        let api = WalletApi::new(wallet, tokio_util::sync::CancellationToken::new()).with_progress(meter.progress());
        Ok(Self { holder: Holder::Here(api), timeout })
    }

    /// The currency of all amounts, if the wallet knows it without asking anybody at length.
    pub(super) async fn known_currency(&self) -> Option<Currency> {
        match &self.holder {
            Holder::Daemon(..) => within(PATIENCE, self.currency()).await.and_then(Result::ok),
            Holder::Here(api) => api.wallet().known_currency().await,
        }
    }

    /// The currency of all amounts. The wallet asks the issuer if it never did before.
    pub(super) async fn currency(&self) -> Result<Currency, Problem> {
        let unknown = || {
            Problem::from(Failure::from(Status::from(Refusal::new(
                ErrorReason::PeerUnreachable,
                "the currency is not known yet: the issuer was never reached",
            ))))
        };
        match &self.holder {
            Holder::Daemon(_, endpoint) => {
                if let Some(currency) = endpoint.currency.as_ref().and_then(daemon::EndpointCurrency::currency) {
                    return Ok(currency);
                }
                let info = self.get_info(v1::GetInfoRequest {}).await?;
                show::currency(info.currency.as_ref()).ok_or_else(unknown)
            }
            Holder::Here(api) => match within(self.timeout, api.wallet().currency()).await {
                Some(currency) => currency.map_err(|error| wallet_problem(&error)),
                None => Err(unknown()),
            },
        }
    }

    /// Says that the wallet has stopped, if it has.
    pub(super) async fn stopped(&self) -> Option<WalletError> {
        let evidence = match &self.holder {
            Holder::Daemon(..) => {
                let trust = within(PATIENCE, self.get_trust(v1::GetTrustRequest {})).await?.ok()?;
                Some(trust.evidence).filter(|path| !path.is_empty())?.into()
            }
            Holder::Here(api) => api.wallet().evidence().await?,
        };
        Some(WalletError::LogContradictsItself { evidence })
    }

    /// The daemon, if it is one.
    pub(super) fn daemon(&self) -> Option<&daemon::Endpoint> {
        match &self.holder {
            Holder::Daemon(_, endpoint) => Some(endpoint),
            Holder::Here(_) => None,
        }
    }

    /// Lets other processes have the wallet again.
    pub(super) async fn close(self) {
        if let Holder::Here(api) = self.holder {
            api.wallet().clone().close().await;
        }
    }
}

/// Asks the holder, whichever it is.
macro_rules! calls {
    ($($name:ident: $request:ident => $response:ident;)*) => {
        impl Backend {
            $(pub(super) async fn $name(&self, request: v1::$request) -> Result<v1::$response, Problem> {
                let answer = match &self.holder {
                    Holder::Daemon(client, _) => client.as_ref().clone().$name(request).await,
                    Holder::Here(api) => in_time(self.timeout, api.$name(Request::new(request))).await,
                };
                answer.map(Response::into_inner).map_err(|status| Problem::from(Failure::from(status)))
            })*
        }
    };
}

calls! {
    get_info: GetInfoRequest => GetInfoResponse;
    register: WalletServiceRegisterRequest => WalletServiceRegisterResponse;
    renew: RenewRequest => RenewResponse;
    withdraw: WalletServiceWithdrawRequest => WalletServiceWithdrawResponse;
    check_payee: CheckPayeeRequest => CheckPayeeResponse;
    pay: PayRequest => PayResponse;
    get_link: GetLinkRequest => GetLinkResponse;
    receive: ReceiveRequest => ReceiveResponse;
    refund: RefundRequest => RefundResponse;
    redeem: RedeemRequest => RedeemResponse;
    get_balance: GetBalanceRequest => GetBalanceResponse;
    list_history: ListHistoryRequest => ListHistoryResponse;
    create_request: CreateRequestRequest => CreateRequestResponse;
    list_requests: ListRequestsRequest => ListRequestsResponse;
    get_receipt: GetReceiptRequest => GetReceiptResponse;
    prove_income: ProveIncomeRequest => ProveIncomeResponse;
    prove_payment: ProvePaymentRequest => ProvePaymentResponse;
    get_trust: GetTrustRequest => GetTrustResponse;
    go_on: GoOnRequest => GoOnResponse;
}

/// Opens the wallet in this process.
pub(super) async fn open_wallet(dir: &Path, global: &Global, output: &Output) -> Result<Wallet, Problem> {
    if !Wallet::exists(dir) {
        return Err(wallet_problem(&WalletError::NoWallet { dir: dir.to_path_buf() }));
    }
    let passphrase = secret::passphrase(global.passphrase_file.as_deref(), output)?;
    let mut options = Options::default();
    options.deadlines.call = options.deadlines.call.min(global.timeout);
    options.deadlines.connect = options.deadlines.connect.min(global.timeout);
    let begun = Instant::now();
    loop {
        match Wallet::open_with(dir, &passphrase, options.clone()).await {
            Err(WalletError::InUse { .. }) if begun.elapsed() < LOCK_PATIENCE => tokio::time::sleep(LOCK_PAUSE).await,
            opened => return opened.map_err(|error| wallet_problem(&error)),
        }
    }
}

/// Finishes what earlier runs began, and tells the owner.
async fn resume(wallet: &Wallet, output: &Output, meter: &Meter, patience: Duration) {
    if !wallet.has_unfinished().await {
        return;
    }
    let resumed = within(patience, wallet.resume());
    let Some(resumed) = meter.during("finishing what an earlier command began", resumed).await else {
        return output.note("An earlier command is not finished yet; `farthing info` shows it.");
    };
    match resumed {
        Ok(resumed) => {
            let currency = wallet.known_currency().await;
            for operation in resumed {
                output.note(resumed_text(&operation, &show::Money::new(currency.clone())));
                if let Some(handover) = handover(wallet, &operation).await {
                    output.note(handover);
                }
            }
        }
        Err(error) => output.note(format_args!("Cannot finish what an earlier command began: {error}")),
    }
}

fn resumed_text(resumed: &Resumed, money: &show::Money) -> String {
    let what = show::operation(crate::service::kind(resumed.kind));
    let amount =
        if resumed.amount.get() == 0 { String::new() } else { format!(" of {}", money.text(resumed.amount.get())) };
    let why = resumed
        .explanation
        .as_deref()
        .map_or_else(String::new, |why| format!(": {}", super::printable::printable(why)));
    match resumed.state {
        OperationState::Done => format!("Finished what an earlier command began: the {what}{amount}."),
        OperationState::Pending => format!("Still not finished from an earlier command: the {what}{amount}{why}"),
        OperationState::Failed => format!("The {what}{amount} of an earlier command was refused, no money moved{why}"),
    }
}

/// What the payer has to hand over, once the payment to somebody who is not registered is in the log.
async fn handover(wallet: &Wallet, resumed: &Resumed) -> Option<String> {
    let paid = resumed.item.as_ref().filter(|item| item.unregistered && item.kind == OperationKind::Pay)?;
    let link = wallet.link(paid.transaction_id?).await.ok()?;
    Some(show::handover(&link.to_string(), link.payment_id().as_bytes(), &link.refundable_from().to_string()))
}

/// `None` when it takes longer. What was begun goes on.
async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(patience, work).await.ok()
}

async fn in_time<T>(
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Status> {
    within(timeout, call).await.unwrap_or_else(|| {
        let text = format!("no outcome within {timeout:?}");
        Err(Refusal::new(ErrorReason::TimedOut, text).into())
    })
}

/// A wallet that cannot be made, opened or asked.
pub(super) fn wallet_problem(error: &WalletError) -> Problem {
    let message = error.to_string();
    let wallet = |reason, next: &str| Problem::new(Exit::Wallet, reason, message.as_str(), next);
    match error {
        WalletError::NoWallet { .. } => {
            wallet("NO_WALLET", "`farthing init` makes a wallet; --data-dir or FARTHING_DIR says where it is.")
        }
        WalletError::WalletExists { .. } => {
            wallet("WALLET_EXISTS", "Use it as it is, or name another directory with --data-dir.")
        }
        WalletError::InUse { pid } => {
            let stop = pid.map_or_else(String::new, |pid| format!(", or stop it with `kill {pid}`"));
            wallet("WALLET_IN_USE", &format!("Wait until that process has ended{stop}. Then run the command again."))
        }
        WalletError::WrongPassphrase => {
            wallet("WRONG_PASSPHRASE", "Try again. Without the passphrase only the 24 words can make the wallet again.")
        }
        WalletError::Damaged { .. } => wallet(
            "WALLET_DAMAGED",
            "Copy the directory away before anything else is tried, then put a good copy of all its files back.",
        ),
        WalletError::Config(_) | WalletError::Connection { .. } => {
            wallet("WALLET_CONFIG", "Correct config.toml in the wallet's directory.")
        }
        WalletError::DiskFull => wallet("DISK_FULL", "Make space on the disk and run the command again."),
        WalletError::Storage { .. } | WalletError::File { .. } => {
            wallet("WALLET_FILES", "Check the disk and who may use the wallet's directory, then run the command again.")
        }
        WalletError::RestoreUnfinished => {
            wallet("RESTORE_UNFINISHED", "`farthing restore` goes on where it stopped. Nothing is lost.")
        }
        WalletError::IdentityMissing => {
            wallet("IDENTITY_MISSING", "`farthing restore --identity IDENTITY` tells the wallet its identity.")
        }
        WalletError::OtherIdentity { .. } => {
            wallet("OTHER_IDENTITY", "Give the identity that the wallet was registered for, or leave it out.")
        }
        WalletError::EmptyPassphrase | WalletError::Phrase(_) => {
            Problem::usage(message.as_str(), "Correct it and run the command again; no wallet was made.")
        }
        _ => Problem::from(Failure::from(crate::service::status(error))),
    }
}

fn daemon_problem(error: &daemon::ClientError) -> Problem {
    Problem::new(
        Exit::Wallet,
        "DAEMON",
        format!("a daemon holds this wallet, and it cannot be used: {error}"),
        "Run the command as the user who started the daemon, or stop the daemon and start it again.",
    )
}
