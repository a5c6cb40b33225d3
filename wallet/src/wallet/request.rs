//! Requests: what others are asked to pay, and what they paid.

use farthing_ecash::amount::Amount;

use super::{Order, inner::Inner};
use crate::{
    book::{Edit, Paid},
    error::WalletError,
    payment_request::{PaymentRequest, check_memo},
    record::StoredRequest,
    reference::Reference,
    report::{RequestInfo, RequestState},
};

impl PaymentRequest {
    /// The order that pays it.
    pub(crate) fn order(
        &self,
        amount: Option<Amount>,
        memo: Option<&str>,
        unix_seconds: i64,
    ) -> Result<Order, WalletError> {
        let wrong = |what: &str| Err(WalletError::InvalidPaymentRequest { what: what.to_owned() });
        if self.is_over(unix_seconds) {
            return wrong("it wanted to be paid earlier: ask for a new one");
        }
        let amount = match (self.amount, amount) {
            (None, None) => return wrong("it leaves the amount to the payer: give one"),
            (Some(wanted), Some(given)) if wanted != given => {
                return wrong("it asks for another amount: leave the amount out");
            }
            (Some(amount), _) | (None, Some(amount)) => amount,
        };
        Ok(Order {
            payee: self.to.clone(),
            amount,
            purpose: String::new(),
            memo: memo.unwrap_or(&self.memo).to_owned(),
            reference: self.reference,
            allow_unregistered: false,
        })
    }
}

impl Inner {
    pub(super) async fn create_request(
        &self,
        amount: Option<Amount>,
        memo: &str,
        expires: Option<u64>,
    ) -> Result<PaymentRequest, WalletError> {
        let mut book = self.book.lock().await;
        book.state()?;
        let identity = book.identity()?.ok_or(WalletError::IdentityMissing)?;
        let currency = book.currency().ok_or(WalletError::NotRegistered)?;
        let reference = Reference::random()?;
        check_memo(Some(&reference), memo)?;
        let request = PaymentRequest::new(identity, amount, memo, &currency)?;
        let stored = StoredRequest {
            reference: reference.to_string(),
            amount: amount.map(Amount::get),
            memo: memo.to_owned(),
            unix_seconds: self.unix_seconds(),
            expires,
        };
        // Durable before anybody can pay it.
        book.commit(vec![Edit::Request(reference, stored)]).await?;
        Ok(PaymentRequest { reference: Some(reference), expires, ..request })
    }

    pub(super) async fn requests(&self) -> Result<Vec<RequestInfo>, WalletError> {
        let book = self.book.lock().await;
        let now = self.unix_seconds();
        let mut infos = Vec::new();
        for (reference, stored, payments) in book.requests() {
            let to = book.identity()?.ok_or(WalletError::IdentityMissing)?;
            let currency = book.currency().ok_or(WalletError::NotRegistered)?;
            let request = PaymentRequest::new(to, stored.amount.map(Amount::new), &stored.memo, &currency)?;
            let request = PaymentRequest { reference: Some(reference), expires: stored.expires, ..request };
            let sum = |of: fn(&Paid<'_>) -> u64| payments.iter().map(of).fold(0, u64::saturating_add);
            let (claimed, unusable) = (sum(|paid| paid.item.claimed.get()), sum(|paid| paid.unusable));
            let received = claimed.saturating_add(sum(|paid| paid.usable));
            infos.push(RequestInfo {
                state: state(&request, received, unusable, now),
                request,
                unix_seconds: stored.unix_seconds,
                received: Amount::new(received),
                claimed: Amount::new(claimed),
                unusable: Amount::new(unusable),
                payments: payments.into_iter().map(|paid| paid.item.clone()).collect(),
            });
        }
        Ok(infos)
    }
}

fn state(request: &PaymentRequest, received: u64, unusable: u64, now: i64) -> RequestState {
    match request.amount.map(Amount::get) {
        _ if received == 0 && unusable > 0 => RequestState::Unusable,
        _ if received == 0 && request.is_over(now) => RequestState::Expired,
        _ if received == 0 => RequestState::Open,
        Some(wanted) if received < wanted => RequestState::Partial,
        Some(wanted) if received > wanted => RequestState::Overpaid,
        Some(_) | None => RequestState::Paid,
    }
}
