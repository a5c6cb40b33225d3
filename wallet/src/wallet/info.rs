//! Everything that there is to know about the wallet.

use farthing_ecash::{
    account::{AccountKey, AccountProof, ProofContext},
    amount::Amount,
    policy::{UNLIMITED, UNRESTRICTED},
};
use farthing_proto::v1::RestrictedBalance;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::{crowd::COUNTED_MAX, inner::Inner, register::registration, roll::ends_soon};
use crate::{
    book::{Book, aging::Aging},
    error::WalletError,
    operation::rule_for,
    report::{AccountInfo, EndingMoney, ReceiptCaps, Restricted, WalletInfo},
    scan::Log,
    terms::{self, Issuance, Terms},
};

impl Inner {
    pub(super) async fn info(&self) -> Result<WalletInfo, WalletError> {
        let mut problems = Vec::new();
        let issuance = note_problem(self.issuance().await, &mut problems);
        let terms = note_problem(self.terms().await, &mut problems);
        let (mut account, mut issuance_log_size, mut anonymity_set_size) = (None, None, None);
        if let Some(issuance) = &issuance {
            issuance_log_size = self.book.lock().await.trust().last(Log::Issuance)?.map(|last| last.head().size);
            anonymity_set_size = note_problem(self.directory_size().await, &mut problems);
            if self.book.lock().await.check_account().is_ok() {
                account = note_problem(self.account(issuance).await, &mut problems);
            }
        }
        let mut transactions_today = None;
        if let Some(terms) = &terms {
            let counted = self.transactions_of(terms.header.day, COUNTED_MAX).await;
            transactions_today = note_problem(counted, &mut problems);
        }
        let book = self.book.lock().await;
        let last = terms.clone().or_else(|| self.last_terms());
        Ok(WalletInfo {
            identity: book.identity()?,
            registration: registration(&book, last.as_deref())?,
            registration_from: book.waits_until(),
            currency: book.currency(),
            receipt_caps: terms.as_deref().and_then(|terms| caps(&book, terms)),
            account,
            payment_fee: terms.as_ref().map(|terms| terms.policy.terms().fee),
            payment_minimum: terms.as_ref().map(|terms| terms.policy.terms().minimum),
            issuance_log_size,
            payment_log_size: book.inbox().next,
            anonymity_set_size,
            transactions_today,
            pending: book.pending(),
            restoring: book.is_restoring(),
            evidence: book.trust().stopped.as_ref().map(Into::into),
            strange_directory: book.inbox().strange_directory,
            ending: self.ending(&book),
            issuer: self.issuer.0.address().to_owned(),
            redeemer: self.redeemer.0.address().to_owned(),
            problems,
        })
    }

    /// Money under keys that end soon.
    fn ending(&self, book: &Book) -> Vec<EndingMoney> {
        let Some(today) = book.pins().and_then(|pins| terms::own_day(pins, self.unix_seconds()).ok()) else {
            return Vec::new();
        };
        let soon = book.aging(today).into_iter().filter(|group| ends_soon(group.dates.accept_until, today));
        let ending = |group: Aging| {
            let (accept_until, exchange_until) = (group.dates.accept_until, group.dates.exchange_until);
            EndingMoney { amount: group.value(), accept_until, exchange_until }
        };
        soon.map(ending).collect()
    }

    /// Asks the issuer for the wallet's own account.
    async fn account(&self, issuance: &Issuance) -> Result<AccountInfo, WalletError> {
        let keys = self.book.lock().await.keys()?;
        let account = AccountKey::of(&keys);
        let context = ProofContext::account_query(account, issuance.day);
        let proof = AccountProof::prove(&context, &keys, &mut UnwrapErr(SysRng));
        let answer = self.issuer.account(account, issuance.day, &proof).await?;
        Ok(AccountInfo {
            class: answer.class,
            class_name: answer.class_name,
            balance: Amount::new(answer.balance),
            restricted: answer.restricted.into_iter().map(restricted).collect(),
            withdrawn_today: Amount::new(answer.withdrawn_today),
            withdraw_left_today: answer.withdraw_left_today.map(Amount::new),
        })
    }
}

fn note_problem<T>(result: Result<T, WalletError>, problems: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| problems.push(error.to_string())).ok()
}

fn restricted(part: RestrictedBalance) -> Restricted {
    Restricted { purpose: part.purpose, amount: Amount::new(part.amount) }
}

/// The caps for unrestricted money.
fn caps(book: &Book, terms: &Terms) -> Option<ReceiptCaps> {
    let state = book.state().ok()?;
    let state = state.attributes();
    let line = rule_for(terms, state, UNRESTRICTED)?.attributes().line;
    let today = terms.header.day;
    let left =
        |cap: Amount, used: Amount| (cap != UNLIMITED).then(|| Amount::new(cap.get().saturating_sub(used.get())));
    let (used_today, used_this_month) = (state.received_on(today), state.received_in(today.month()));
    Some(ReceiptCaps {
        used_today,
        left_today: left(line.day_cap, used_today),
        used_this_month,
        left_this_month: left(line.month_cap, used_this_month),
    })
}
