//! What became of a command that moves money.

use farthing_policy::UNRESTRICTED_NAME;
use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Money, Shown, hex, name, optional, printable, state};

/// A withdrawal.
pub(in crate::cli) fn withdrawn(
    answer: &v1::WalletServiceWithdrawResponse,
    request: &v1::WalletServiceWithdrawRequest,
    money: &Money,
) -> Shown {
    let (amount, purpose) = (money.text(request.amount), request.purpose.as_str());
    let text = match answer.state() {
        v1::OperationState::Done => format!("Withdrew {amount}{}. ", bound_to(purpose)),
        _ => format!("The withdrawal of {amount}{} is not finished. ", bound_to(purpose)),
    };
    let mut document = outcome(answer.state(), request.amount, &request.request_id, answer.available, money);
    document["transaction_id"] = hex(&answer.transaction_id);
    document["purpose"] = optional(purpose);
    Shown { text: text + &available(answer.available, purpose, money), document }
}

/// A redemption.
pub(in crate::cli) fn redeemed(answer: &v1::RedeemResponse, amount: u64, id: &[u8], money: &Money) -> Shown {
    let text = match answer.state() {
        v1::OperationState::Done => format!("Paid {} back into your account. ", money.text(amount)),
        _ => format!("The redemption of {} is not finished. ", money.text(amount)),
    };
    let mut document = outcome(answer.state(), amount, id, answer.available, money);
    document["transaction_id"] = hex(&answer.transaction_id);
    Shown { text: text + &available(answer.available, "", money), document }
}

/// A payment.
pub(in crate::cli) fn paid(answer: &v1::PayResponse, request: &v1::PayRequest, money: &Money) -> Shown {
    let amount = money.text(request.amount);
    let payee = printable(&request.payee);
    let purpose = request.purpose.as_str();
    let fee = if answer.fee > 0 { format!(" (fee {})", money.text(answer.fee)) } else { String::new() };
    let text = match answer.state() {
        v1::OperationState::Done => format!("Paid {amount}{} to {payee}{fee}. ", bound_to(purpose)),
        _ => format!("The payment of {amount}{} to {payee}{fee} is not finished. ", bound_to(purpose)),
    };
    let mut document = outcome(answer.state(), request.amount, &request.request_id, answer.available, money);
    document["payment_id"] = hex(&answer.payment_id);
    document["payee"] = json!(request.payee);
    document["memo"] = optional(&request.memo);
    document["purpose"] = optional(purpose);
    document["fee"] = json!(answer.fee);
    Shown { text: text + &available(answer.available, purpose, money), document }
}

/// Payments received.
pub(in crate::cli) fn received(answer: &v1::ReceiveResponse, money: &Money) -> Shown {
    let mut text = String::new();
    if answer.claimed.is_empty() {
        text += "No new payment was claimed.\n";
    }
    for payment in &answer.claimed {
        text += &format!("Received {}{}\n", money.text(payment.amount), remarks(payment));
    }
    for pending in &answer.pending {
        let payment = pending.payment.clone().unwrap_or_default();
        let why = why_pending(pending, money);
        text += &format!("Waiting: {}{}: {why}\n", money.text(payment.amount), remarks(&payment));
    }
    text += &available(answer.available, "", money);
    let pending = answer.pending.iter().map(|pending| {
        let mut document = incoming(&pending.payment.clone().unwrap_or_default());
        document["reason"] = json!(name(pending.reason().as_str_name(), "PENDING_REASON_"));
        document["over_by"] = json!(pending.over_by);
        document["expires"] = optional(&pending.expires);
        document
    });
    let document = json!({
        "claimed": answer.claimed.iter().map(incoming).collect::<Vec<_>>(),
        "pending": pending.collect::<Vec<_>>(),
        "available": answer.available,
        "currency": money.document(),
    });
    Shown { text, document }
}

fn outcome(outcome: v1::OperationState, amount: u64, request_id: &[u8], available: u64, money: &Money) -> Value {
    json!({
        "state": state(outcome),
        "amount": amount,
        "request_id": hex(request_id),
        "available": available,
        "currency": money.document(),
    })
}

fn available(available: u64, purpose: &str, money: &Money) -> String {
    format!("{} can be spent{}.\n", money.text(available), bound_to(purpose))
}

/// Nothing for money that may be used for anything, by either of its names.
fn bound_to(purpose: &str) -> String {
    match purpose {
        "" | UNRESTRICTED_NAME => String::new(),
        purpose => format!(" for {} only", printable(purpose)),
    }
}

/// Purpose and memo, if there are any. Both were written by others.
fn remarks(payment: &v1::IncomingPayment) -> String {
    let mut remarks = bound_to(&payment.purpose);
    if !payment.memo.is_empty() {
        remarks += &format!(" – “{}”", printable(&payment.memo));
    }
    remarks
}

fn incoming(payment: &v1::IncomingPayment) -> Value {
    json!({
        "payment_id": hex(&payment.payment_id),
        "amount": payment.amount,
        "memo": optional(&payment.memo),
        "purpose": optional(&payment.purpose),
        "log_index": payment.log_index,
    })
}

fn why_pending(pending: &v1::PendingPayment, money: &Money) -> String {
    let over = money.text(pending.over_by);
    match pending.reason() {
        v1::PendingReason::OverDayCap => format!("{over} over the cap of the day. Run `farthing receive` tomorrow."),
        v1::PendingReason::OverMonthCap => {
            format!("{over} over the cap of the month. Run `farthing receive` next month.")
        }
        v1::PendingReason::LargerThanCap => {
            format!("{over} more than the cap ever allows. It cannot be claimed as it is; ask the issuer.")
        }
        v1::PendingReason::Dust => "too small to claim alone. It is claimed together with others.".to_owned(),
        v1::PendingReason::NotAllowed => {
            let expires = printable(&pending.expires);
            format!("your class or registration may not receive it. After {expires} it can go back to its payer.")
        }
        v1::PendingReason::InProgress => {
            "the redeemer has not confirmed the claim yet. Run `farthing receive` again.".to_owned()
        }
        v1::PendingReason::Unspecified => "run `farthing receive` again later.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farthing_ecash::amount::Currency;

    use super::*;

    fn euro() -> Money {
        Money::new(Some(Currency::new("EUR", 2).unwrap()))
    }

    #[test]
    fn a_payment_is_told_with_its_fee_and_a_pending_one_is_not_called_paid() {
        let request = v1::PayRequest {
            payee: "bob@bank.example".into(),
            amount: 350,
            memo: "tea".into(),
            request_id: vec![1; 16],
            purpose: String::new(),
        };
        let mut answer = v1::PayResponse { payment_id: vec![0xab; 32], fee: 1, available: 1_649, ..Default::default() };
        answer.set_state(v1::OperationState::Done);
        let shown = paid(&answer, &request, &euro());
        assert_eq!(shown.text, "Paid 3.50 EUR to bob@bank.example (fee 0.01 EUR). 16.49 EUR can be spent.\n");
        assert_eq!(shown.document["payment_id"], "ab".repeat(32));
        assert_eq!(shown.document["amount"], 350);
        assert_eq!(shown.document["state"], "done");
        answer.set_state(v1::OperationState::Pending);
        let shown = paid(&answer, &request, &euro());
        assert!(shown.text.contains("is not finished") && !shown.text.contains("Paid"));
        assert_eq!(shown.document["state"], "pending");
        let request = v1::PayRequest { purpose: "meal".into(), ..request };
        answer.set_state(v1::OperationState::Done);
        let shown = paid(&answer, &request, &euro());
        assert_eq!(
            shown.text,
            "Paid 3.50 EUR for meal only to bob@bank.example (fee 0.01 EUR). 16.49 EUR can be spent for meal only.\n"
        );
        assert_eq!(shown.document["purpose"], "meal");
    }

    #[test]
    fn money_for_another_class_is_told_to_go_back() {
        let payment = v1::IncomingPayment { amount: 350, purpose: "meal".into(), ..Default::default() };
        let mut waiting =
            v1::PendingPayment { payment: Some(payment), expires: "2027-01".into(), ..Default::default() };
        waiting.set_reason(v1::PendingReason::NotAllowed);
        let shown = received(&v1::ReceiveResponse { pending: vec![waiting], ..Default::default() }, &euro());
        assert!(
            shown.text.contains(
                "Waiting: 3.50 EUR for meal only: your class or registration may not receive it. After 2027-01 it can go back to \
                 its payer.\n"
            ),
            "{}",
            shown.text
        );
        assert_eq!(shown.document["pending"][0]["reason"], "not_allowed");
        assert_eq!(shown.document["pending"][0]["expires"], "2027-01");
    }

    #[test]
    fn a_memo_cannot_draw_on_the_terminal() {
        let payment = v1::IncomingPayment { amount: 350, memo: "\u{1b}[31mred\u{202e}".into(), ..Default::default() };
        let mut waiting = v1::PendingPayment { payment: Some(payment.clone()), over_by: 50, ..Default::default() };
        waiting.set_reason(v1::PendingReason::OverDayCap);
        let answer = v1::ReceiveResponse { claimed: vec![payment], pending: vec![waiting], available: 350 };
        let shown = received(&answer, &euro());
        assert_eq!(
            shown.text,
            "Received 3.50 EUR – “\\u{1b}[31mred\\u{202e}”\n\
             Waiting: 3.50 EUR – “\\u{1b}[31mred\\u{202e}”: 0.50 EUR over the cap of the day. Run `farthing receive` tomorrow.\n\
             3.50 EUR can be spent.\n"
        );
        // A document keeps the text as it is, in the escapes of JSON.
        assert_eq!(shown.document["claimed"][0]["memo"], "\u{1b}[31mred\u{202e}");
        assert!(!shown.document.to_string().contains('\u{1b}'));
        assert_eq!(shown.document["pending"][0]["reason"], "over_day_cap");
    }
}
