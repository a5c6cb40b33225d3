//! `farthing.v1.WalletService` over a [`Wallet`]: decode, call, encode. The daemon serves it; the command line calls it in
//! its own process when no daemon runs.

use std::sync::Arc;

use farthing_ecash::{amount::Amount, calendar::Month, identity::Identity, transaction::TransactionId};
use farthing_proto::v1::{self, wallet_service_server::WalletService};
use farthing_service::status::Refusal;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    disclosure::read_challenge,
    error::WalletError,
    history::RequestId,
    link::PaymentLink,
    payment_request::PaymentRequest,
    report::{RegisterOutcome, RenewOutcome},
    wallet::{Order, Progress, Receiving, Wallet},
};

mod encode;
mod refusal;

pub(crate) use encode::kind;
pub(crate) use refusal::status;

/// Items in a page of the history when the caller does not say.
const PAGE_SIZE: u32 = 100;

/// Items in a page of the history at most.
const PAGE_SIZE_MAX: u32 = 1_000;

/// Requests in a list at most.
const REQUESTS_MAX: usize = 1_000;

/// Links in one call at most.
const LINKS_MAX: usize = 64;

/// Events that wait for a slow caller. The wallet keeps the rest.
const EVENTS_WAITING_MAX: usize = 16;

/// The service.
#[derive(Clone)]
pub struct WalletApi {
    wallet: Wallet,
    progress: Progress,
    ending: CancellationToken,
    joins: bool,
}

impl WalletApi {
    /// Serves this wallet. Streams end when `ending` is cancelled.
    #[must_use]
    pub fn new(wallet: Wallet, ending: CancellationToken) -> Self {
        Self { wallet, progress: Arc::new(|_, _| {}), ending, joins: false }
    }

    /// Tells `progress` how far a search of the payment log has got: entries done, and of how many.
    #[must_use]
    pub fn with_progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// Payments are [joined](Receiving::join) in every claim, also when the caller does not ask for it.
    #[must_use]
    pub fn joining(self, joins: bool) -> Self {
        Self { joins, ..self }
    }

    /// The wallet.
    #[must_use]
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }
}

impl WalletApi {
    /// The payment that a call asks for, spelt out or by a payment request.
    async fn order(&self, call: v1::PayRequest) -> Result<Order, Status> {
        let v1::PayRequest { payee: to, amount, memo, purpose, allow_unregistered, request_uri, .. } = call;
        if request_uri.is_empty() {
            let (payee, amount) = (payee(&to)?, Amount::new(amount));
            return Ok(Order { payee, amount, purpose, memo, reference: None, allow_unregistered });
        }
        let currency = self.wallet.currency().await.map_err(refused)?;
        let request = PaymentRequest::parse(&request_uri, &currency).map_err(refused)?;
        if !to.is_empty() && payee(&to)? != request.to {
            return Err(Refusal::field("payee", "must be the one of the request, or empty").into());
        }
        let amount = (amount > 0).then(|| Amount::new(amount));
        let memo = Some(memo.as_str()).filter(|memo| !memo.is_empty());
        let order = self.wallet.order(&request, amount, memo).map_err(refused)?;
        Ok(Order { purpose, allow_unregistered, ..order })
    }
}

#[tonic::async_trait]
impl WalletService for WalletApi {
    async fn get_info(&self, _: Request<v1::GetInfoRequest>) -> Result<Response<v1::GetInfoResponse>, Status> {
        let info = self.wallet.info().await.map_err(refused)?;
        if info.strange_directory.is_some() {
            tracing::error!(
                "the directory has another key for this wallet's identity: payments to it go to somebody else"
            );
        }
        for problem in &info.problems {
            tracing::warn!("{problem}");
        }
        Ok(Response::new(encode::info(&info)))
    }

    async fn register(
        &self,
        request: Request<v1::WalletServiceRegisterRequest>,
    ) -> Result<Response<v1::WalletServiceRegisterResponse>, Status> {
        let request = request.into_inner();
        let outcome = self.wallet.register(&request.identity, &request.invitation).await.map_err(refused)?;
        match outcome {
            RegisterOutcome::Registered(registration) => Ok(Response::new(v1::WalletServiceRegisterResponse {
                identity: registration.identity.map_or_else(String::new, |identity| identity.as_str().to_owned()),
                class_name: registration.class_name,
                valid_through: registration.valid_through.to_string(),
            })),
            RegisterOutcome::Pending { delay } => Err(refusal::unfinished_registration(&delay).into()),
        }
    }

    async fn renew(&self, _: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        let answer = match self.wallet.renew().await.map_err(refused)? {
            RenewOutcome::Renewed(registration) => v1::RenewResponse {
                state: v1::OperationState::Done.into(),
                renewed: true,
                class_name: registration.class_name,
                valid_through: registration.valid_through.to_string(),
            },
            RenewOutcome::NotDue { valid_through } => v1::RenewResponse {
                state: v1::OperationState::Done.into(),
                valid_through: valid_through.to_string(),
                ..Default::default()
            },
            RenewOutcome::Pending { delay } => {
                tell_delay(Some(&delay));
                v1::RenewResponse { state: v1::OperationState::Pending.into(), ..Default::default() }
            }
        };
        Ok(Response::new(answer))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WalletServiceWithdrawRequest>,
    ) -> Result<Response<v1::WalletServiceWithdrawResponse>, Status> {
        let request = request.into_inner();
        let id = request_id(&request.request_id)?;
        let receipt = self.wallet.withdraw_for(&request.purpose, Amount::new(request.amount), id).await;
        let receipt = receipt.map_err(refused)?;
        tell_delay(receipt.delay.as_deref());
        Ok(Response::new(v1::WalletServiceWithdrawResponse {
            transaction_id: encode::transaction_id(&receipt.item),
            state: encode::state(receipt.item.state).into(),
            available: receipt.available.get(),
        }))
    }

    async fn check_payee(
        &self,
        request: Request<v1::CheckPayeeRequest>,
    ) -> Result<Response<v1::CheckPayeeResponse>, Status> {
        let payee = payee(&request.into_inner().payee)?;
        let info = self.wallet.check_payee(&payee).await.map_err(refused)?;
        Ok(Response::new(v1::CheckPayeeResponse {
            registered: info.registered,
            fee: info.fee.get(),
            refundable_from: info.refundable_from.to_string(),
            wallets: info.wallets,
            transactions_today: info.transactions_today,
        }))
    }

    async fn pay(&self, request: Request<v1::PayRequest>) -> Result<Response<v1::PayResponse>, Status> {
        let request = request.into_inner();
        let id = request_id(&request.request_id)?;
        let order = self.order(request).await?;
        let receipt = self.wallet.place(order, id).await.map_err(refused)?;
        tell_delay(receipt.delay.as_deref());
        Ok(Response::new(encode::paid(receipt)))
    }

    async fn get_link(&self, request: Request<v1::GetLinkRequest>) -> Result<Response<v1::GetLinkResponse>, Status> {
        let id = request.into_inner().payment_id;
        let id = id.try_into().map_err(|_| Refusal::field("payment_id", "must be 32 bytes"))?;
        let link = self.wallet.link(TransactionId::new(id)).await.map_err(refused)?;
        Ok(Response::new(v1::GetLinkResponse {
            payment_id: link.payment_id().as_bytes().to_vec(),
            link: link.to_string(),
            amount: link.amount().get(),
            memo: link.memo().to_owned(),
            refundable_from: link.refundable_from().to_string(),
        }))
    }

    async fn receive(&self, request: Request<v1::ReceiveRequest>) -> Result<Response<v1::ReceiveResponse>, Status> {
        let v1::ReceiveRequest { links, join } = request.into_inner();
        if links.len() > LINKS_MAX {
            return Err(Refusal::field("links", format!("must be at most {LINKS_MAX}")).into());
        }
        let links = links.iter().map(|link| PaymentLink::parse(link)).collect::<Result<_, _>>().map_err(refused)?;
        let receiving = Receiving { links, join: join || self.joins, renew_later: false };
        let report = self.wallet.receive_with(receiving, Arc::clone(&self.progress)).await.map_err(refused)?;
        tell_delay(report.delay.as_deref());
        Ok(Response::new(v1::ReceiveResponse {
            claimed: report.claimed.into_iter().map(encode::incoming).collect(),
            pending: report.pending.into_iter().map(encode::pending).collect(),
            available: report.available.get(),
            plan: report.plan.iter().map(encode::planned).collect(),
            left_today: report.left_today.map(Amount::get),
            not_renewed: report.not_renewed.unwrap_or_default(),
            renewed: report.renewed,
            links: report.links.into_iter().map(encode::link).collect(),
            renew_in: report.renew_in.map(|month| month.to_string()).unwrap_or_default(),
        }))
    }

    async fn refund(&self, request: Request<v1::RefundRequest>) -> Result<Response<v1::RefundResponse>, Status> {
        let id = request.into_inner().payment_id;
        let wrong = |_| Refusal::field("payment_id", "must be 32 bytes, or empty for all payments");
        let id = if id.is_empty() { None } else { Some(TransactionId::new(id.try_into().map_err(wrong)?)) };
        let report = self.wallet.refund(id).await.map_err(refused)?;
        tell_delay(report.delay.as_deref());
        Ok(Response::new(v1::RefundResponse {
            refunded: report.refunded.into_iter().map(encode::outgoing).collect(),
            received: report.received.into_iter().map(encode::outgoing).collect(),
            pending: report.pending.into_iter().map(encode::pending_refund).collect(),
            available: report.available.get(),
            renew_in: report.renew_in.map(|month| month.to_string()).unwrap_or_default(),
            not_renewed: report.not_renewed.unwrap_or_default(),
            renewed: report.renewed,
        }))
    }

    async fn redeem(&self, request: Request<v1::RedeemRequest>) -> Result<Response<v1::RedeemResponse>, Status> {
        let request = request.into_inner();
        let id = request_id(&request.request_id)?;
        let receipt = self.wallet.redeem(Amount::new(request.amount), id).await.map_err(refused)?;
        tell_delay(receipt.delay.as_deref());
        Ok(Response::new(v1::RedeemResponse {
            transaction_id: encode::transaction_id(&receipt.item),
            state: encode::state(receipt.item.state).into(),
            available: receipt.available.get(),
        }))
    }

    async fn get_balance(&self, _: Request<v1::GetBalanceRequest>) -> Result<Response<v1::GetBalanceResponse>, Status> {
        let balance = encode::balance(self.wallet.balance().await);
        Ok(Response::new(v1::GetBalanceResponse { balance: Some(balance) }))
    }

    async fn list_history(
        &self,
        request: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        let request = request.into_inner();
        let size = match request.page_size {
            0 => PAGE_SIZE,
            size @ 1..=PAGE_SIZE_MAX => size,
            _ => return Err(Refusal::field("page_size", format!("must be at most {PAGE_SIZE_MAX}")).into()),
        };
        let cursor = match request.page_token.as_str() {
            "" => None,
            token => {
                let wrong = |_| Refusal::field("page_token", "must be the next_page_token of an earlier page");
                Some(token.parse::<u64>().map_err(wrong)?)
            }
        };
        let size = usize::try_from(size).map_err(|_| Refusal::field("page_size", "is too large"))?;
        let page = self.wallet.history(cursor, size).await;
        Ok(Response::new(v1::ListHistoryResponse {
            items: page.items.iter().map(encode::item).collect(),
            next_page_token: page.next.map_or_else(String::new, |next| next.to_string()),
        }))
    }

    async fn create_request(
        &self,
        request: Request<v1::CreateRequestRequest>,
    ) -> Result<Response<v1::CreateRequestResponse>, Status> {
        let request = request.into_inner();
        let amount = (request.amount > 0).then(|| Amount::new(request.amount));
        let expires = (request.expires_unix_seconds > 0).then_some(request.expires_unix_seconds);
        let made = self.wallet.create_request(amount, &request.memo, expires).await.map_err(refused)?;
        let reference = made.reference.map_or_else(String::new, |reference| reference.to_string());
        Ok(Response::new(v1::CreateRequestResponse { uri: made.to_string(), reference }))
    }

    async fn list_requests(
        &self,
        _: Request<v1::ListRequestsRequest>,
    ) -> Result<Response<v1::ListRequestsResponse>, Status> {
        let requests = self.wallet.requests().await.map_err(refused)?;
        let requests = requests.iter().take(REQUESTS_MAX).map(encode::request).collect();
        Ok(Response::new(v1::ListRequestsResponse { requests }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let id = request.into_inner().transaction_id;
        let id = id.try_into().map_err(|_| Refusal::field("transaction_id", "must be 32 bytes"))?;
        let receipt = self.wallet.receipt(TransactionId::new(id)).await.map_err(refused)?;
        Ok(Response::new(v1::GetReceiptResponse { receipt }))
    }

    async fn prove_income(
        &self,
        request: Request<v1::ProveIncomeRequest>,
    ) -> Result<Response<v1::ProveIncomeResponse>, Status> {
        let v1::ProveIncomeRequest { month, challenge, show_identity } = request.into_inner();
        let month = Month::parse(&month).ok_or_else(|| Refusal::field("month", "must be written as YYYY-MM"))?;
        let challenge = read_challenge(&challenge).map_err(refused)?;
        let made = self.wallet.prove_income(month, &challenge, show_identity).await.map_err(refused)?;
        Ok(Response::new(v1::ProveIncomeResponse {
            proof: made.to_string(),
            verifier: challenge.verifier().to_owned(),
            month_total: made.proof.total().get(),
        }))
    }

    async fn prove_payment(
        &self,
        request: Request<v1::ProvePaymentRequest>,
    ) -> Result<Response<v1::ProvePaymentResponse>, Status> {
        let v1::ProvePaymentRequest { transaction_id, challenge, payee } = request.into_inner();
        let id = transaction_id.try_into().map_err(|_| Refusal::field("transaction_id", "must be 32 bytes"))?;
        let challenge = Some(challenge).filter(|text| !text.is_empty()).map(|text| read_challenge(&text));
        let challenge = challenge.transpose().map_err(refused)?;
        let payee = Some(payee).filter(|text| !text.is_empty()).map(|text| Identity::parse(&text));
        let payee = payee.transpose().map_err(|error| Refusal::field("payee", error.to_string()))?;
        let made = self.wallet.prove_payment(TransactionId::new(id), challenge.as_ref(), payee.as_ref()).await;
        let made = made.map_err(refused)?;
        Ok(Response::new(v1::ProvePaymentResponse {
            proof: made.to_string(),
            verifier: challenge.map_or_else(String::new, |challenge| challenge.verifier().to_owned()),
            amount: made.proof.amount().get(),
            payee: made.proof.payee().to_string(),
        }))
    }

    async fn get_trust(&self, _: Request<v1::GetTrustRequest>) -> Result<Response<v1::GetTrustResponse>, Status> {
        let standing = self.wallet.standing().await.map_err(refused)?;
        Ok(Response::new(encode::standing(standing)))
    }

    async fn go_on(&self, _: Request<v1::GoOnRequest>) -> Result<Response<v1::GoOnResponse>, Status> {
        let evidence = self.wallet.go_on().await.map_err(refused)?;
        Ok(Response::new(v1::GoOnResponse { evidence: encode::path(evidence.as_deref()) }))
    }

    type WatchEventsStream = ReceiverStream<Result<v1::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let mut watch = self.wallet.watch(request.into_inner().after_cursor);
        let (events, stream) = mpsc::channel(EVENTS_WAITING_MAX);
        let ending = self.ending.clone();
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    next = watch.next() => next,
                    () = events.closed() => None,
                    () = ending.cancelled() => None,
                };
                let Some((item, balance)) = next else { return };
                let event = v1::WatchEventsResponse {
                    cursor: item.cursor,
                    item: Some(encode::item(&item)),
                    balance: Some(encode::balance(balance)),
                };
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn refused(error: WalletError) -> Status {
    status(&error)
}

fn payee(text: &str) -> Result<Identity, Refusal> {
    Identity::parse(text).map_err(|error| Refusal::field("payee", error.to_string()))
}

fn request_id(bytes: &[u8]) -> Result<RequestId, Refusal> {
    let bytes = bytes.try_into().map_err(|_| Refusal::field("request_id", "must be 16 random bytes"))?;
    Ok(RequestId::new(bytes))
}

/// Why something is pending goes to the log: the answer only says that it is.
fn tell_delay(delay: Option<&str>) {
    if let Some(delay) = delay {
        tracing::warn!("not finished yet: {delay}");
    }
}
