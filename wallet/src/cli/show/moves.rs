//! What became of a command that moves money.

use farthing_policy::UNRESTRICTED_NAME;
use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Money, Shown, hex, optional, printable, state};

/// A renewal.
pub(in crate::cli) fn renewed(answer: &v1::RenewResponse) -> Shown {
    let (class, through) = (printable(&answer.class_name), printable(&answer.valid_through));
    let text = match (answer.state(), answer.renewed) {
        (v1::OperationState::Done, true) => format!("Renewed: class {class}, valid through {through}.\n"),
        (v1::OperationState::Done, false) => format!(
            "There is nothing to renew: the registration is valid through {through}, and it renews by itself in that month.\n"
        ),
        _ => "The renewal is not finished.\n".to_owned(),
    };
    let document = json!({
        "state": state(answer.state()),
        "renewed": answer.renewed,
        "class": optional(&answer.class_name),
        "valid_through": optional(&answer.valid_through),
    });
    Shown { text, document }
}

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
    let mut text = text + &available(answer.available, purpose, money);
    if answer.unregistered {
        text += &match answer.link.as_str() {
            "" => later(&answer.payment_id),
            link => handover(link, &answer.payment_id, &answer.refundable_from) + "\n",
        };
    }
    let mut document = outcome(answer.state(), request.amount, &request.request_id, answer.available, money);
    document["payment_id"] = hex(&answer.payment_id);
    document["payee"] = json!(request.payee);
    document["memo"] = optional(&request.memo);
    document["purpose"] = optional(purpose);
    document["fee"] = json!(answer.fee);
    document["unregistered"] = json!(answer.unregistered);
    document["link"] = optional(&answer.link);
    document["refundable_from"] = optional(&answer.refundable_from);
    Shown { text, document }
}

/// What a payer has to do for a payee who is not registered, as long as the payment is not in the log.
fn later(id: &[u8]) -> String {
    let id = hex(id);
    let id = id.as_str().unwrap_or_default();
    format!(
        "The payee is not registered and needs a link: `farthing link {id}` shows it when the payment is finished.\n"
    )
}

/// What a payer has to do for a payee who is not registered; the link is its last line.
pub(in crate::cli) fn handover(link: &str, id: &[u8], refundable_from: &str) -> String {
    let id = hex(id);
    let id = id.as_str().unwrap_or_default();
    format!(
        "The payee is not registered. This link takes the money, with a wallet of that identity only; who else reads it learns \
         amount and memo, so hand it over in private. `farthing link {id}` shows it again. What nobody takes you can take back \
         from {} on.\n{}",
        printable(refundable_from),
        printable(link)
    )
}

/// The link of a payment.
pub(in crate::cli) fn link(answer: &v1::GetLinkResponse, money: &Money) -> Shown {
    let month = &answer.refundable_from;
    let text = format!(
        "{}\nIt is worth {} to the identity that was paid, in its wallet: `farthing receive LINK`. What nobody takes you can take \
         back from {} on.\n",
        printable(&answer.link),
        money.text(answer.amount),
        printable(month)
    );
    let document = json!({
        "link": answer.link,
        "payment_id": hex(&answer.payment_id),
        "amount": answer.amount,
        "memo": optional(&answer.memo),
        "refundable_from": month,
        "currency": money.document(),
        "file": null,
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

pub(super) fn available(available: u64, purpose: &str, money: &Money) -> String {
    format!("{} can be spent{}.\n", money.text(available), bound_to(purpose))
}

/// Nothing for money that may be used for anything, by either of its names.
pub(super) fn bound_to(purpose: &str) -> String {
    match purpose {
        "" | UNRESTRICTED_NAME => String::new(),
        purpose => format!(" for {} only", printable(purpose)),
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
            ..Default::default()
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
}
