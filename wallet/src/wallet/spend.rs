//! Moving money: withdraw, pay, redeem, and putting coins together.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{amount::Amount, policy::UNRESTRICTED, seal::EncryptionKey};
use farthing_policy::UNRESTRICTED_NAME;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::{Order, inner::Inner};
use crate::{
    book::Book,
    error::WalletError,
    history::{HistoryItem, OperationKind, RequestId},
    operation::{Intent, Pay, Redeem, Season, Withdraw},
    payment_request,
    record::Hex,
    reference,
    report::Receipt,
    select::{Selection, select, usual_count},
    terms::Terms,
};

/// How often coins are put together for one operation. Each time four become one, so this is enough for thousands.
const MERGES_MAX: u32 = 4_096;

/// How long to wait for other calls before looking again.
const MOMENT: Duration = Duration::from_millis(100);

/// What inputs an operation needs.
#[derive(Clone, Copy)]
struct Need {
    amount: Amount,
    /// All of them have it.
    purpose: u32,
    /// Whether it is a payment, which takes coins of fewer keys than anything else.
    payment: bool,
}

impl Need {
    /// That of a payment, with the fee of today's policy.
    fn payment(amount: Amount, purpose: u32, terms: &Terms) -> Self {
        let due = amount.checked_add(terms.policy.terms().fee);
        Self { amount: due.unwrap_or(Amount::new(u64::MAX)), purpose, payment: true }
    }

    fn redemption(amount: Amount) -> Self {
        Self { amount, purpose: UNRESTRICTED, payment: false }
    }
}

impl Inner {
    pub(super) async fn withdraw(
        &self,
        purpose: &str,
        amount: Amount,
        request_id: RequestId,
    ) -> Result<Receipt, WalletError> {
        let purpose = called(purpose);
        let same = |item: &HistoryItem| {
            item.kind == OperationKind::Withdraw && item.amount == amount && item.purpose == purpose
        };
        nonzero(amount)?;
        if let Some(receipt) = self.repeated(request_id, same).await? {
            return Ok(receipt);
        }
        self.book.lock().await.check_account()?;
        // Money for anything needs no policy, and so not the redeemer.
        let number = if purpose.is_empty() { UNRESTRICTED } else { self.terms().await?.purpose(purpose)? };
        let issuance = self.issuance().await?;
        let mut book = self.book.lock().await;
        if book.item_of_request(request_id).is_some() {
            drop(book);
            return self.again(request_id, same).await;
        }
        let intent = Intent::Withdraw(Withdraw { amount: amount.get(), purpose: number });
        let new = self.new_item(&book, &intent, Some(request_id));
        let item = HistoryItem { amount, purpose: purpose.to_owned(), ..new };
        let number = item.number;
        let season = Season::Issuance(issuance);
        let driving = self.begin(&mut book, &season, intent, Vec::new(), Some(item), Vec::new()).await?;
        drop(book);
        let settled = self.drive(&driving).await?;
        self.receipt(number, settled).await
    }

    pub(super) async fn pay(&self, order: &Order, request_id: RequestId) -> Result<Receipt, WalletError> {
        let Order { payee, amount, purpose, memo, reference, allow_unregistered } = order;
        let (amount, purpose) = (*amount, called(purpose));
        let same = |item: &HistoryItem| {
            item.kind == OperationKind::Pay
                && item.amount == amount
                && item.purpose == purpose
                && item.memo == *memo
                && item.reference == *reference
                && item.payee.as_ref() == Some(payee)
        };
        nonzero(amount)?;
        payment_request::check_memo(reference.as_ref(), memo)?;
        if let Some(receipt) = self.repeated(request_id, same).await? {
            return Ok(receipt);
        }
        let terms = self.terms().await?;
        let minimum = terms.policy.terms().minimum;
        if amount < minimum {
            return Err(WalletError::BelowMinimum { minimum });
        }
        let number = terms.purpose(purpose)?;
        let need = |terms: &Terms| Need::payment(amount, number, terms);
        self.enough(need(&terms), request_id).await?;
        let listed = self.encryption_key(payee).await?;
        let unregistered = listed.is_none();
        if unregistered && !allow_unregistered {
            // The payee may hear of it and register.
            self.directory.forget(&payee.pid().directory_hash());
            return Err(WalletError::IdentityUnknown { identity: payee.clone() });
        }
        // A note that nobody can open looks like any other.
        let encryption_key = listed.unwrap_or_else(|| EncryptionKey::throw_away(&mut UnwrapErr(SysRng)));
        let intent = Intent::Pay(Pay {
            payee: payee.as_str().to_owned(),
            amount: amount.get(),
            memo: reference::sealed(reference.as_ref(), memo),
            encryption_key: Hex::new(&encryption_key.to_bytes()),
        });
        let item = |item| HistoryItem {
            amount,
            purpose: purpose.to_owned(),
            payee: Some(payee.clone()),
            memo: memo.clone(),
            reference: *reference,
            unregistered,
            ..item
        };
        self.spend(terms, intent, need, request_id, item, same).await
    }

    pub(super) async fn redeem(&self, amount: Amount, request_id: RequestId) -> Result<Receipt, WalletError> {
        let same = |item: &HistoryItem| item.kind == OperationKind::Redeem && item.amount == amount;
        nonzero(amount)?;
        if let Some(receipt) = self.repeated(request_id, same).await? {
            return Ok(receipt);
        }
        self.book.lock().await.check_account()?;
        let terms = self.terms().await?;
        let intent = Intent::Redeem(Redeem { amount: amount.get() });
        let need = |_: &Terms| Need::redemption(amount);
        self.spend(terms, intent, need, request_id, |item| HistoryItem { amount, ..item }, same).await
    }

    /// Refuses early what the wallet cannot pay, before the issuer is asked about the payee.
    async fn enough(&self, need: Need, request_id: RequestId) -> Result<(), WalletError> {
        let book = self.book.lock().await;
        let available = book.available(need.purpose);
        let begun = book.item_of_request(request_id).is_some();
        if available >= need.amount || begun || self.change_is_coming(&book, need) {
            return Ok(());
        }
        Err(too_little(&book, need, available))
    }

    /// Spends coins in an operation, after putting some together when they are too many.
    async fn spend(
        &self,
        mut terms: Arc<Terms>,
        intent: Intent,
        need: impl Fn(&Terms) -> Need,
        request_id: RequestId,
        label: impl Fn(HistoryItem) -> HistoryItem,
        same: impl Fn(&HistoryItem) -> bool,
    ) -> Result<Receipt, WalletError> {
        let mut merges = 0;
        while merges < MERGES_MAX {
            let mut book = self.book.lock().await;
            if book.item_of_request(request_id).is_some() {
                drop(book);
                return self.again(request_id, same).await;
            }
            // Merging takes time: the fee may be another one by now, and nothing of the operation itself was sent.
            let need = need(&terms);
            match choose(&book, &terms, need) {
                Selection::TooLittle(_) if self.change_is_coming(&book, need) => self.wait_for_change(book).await,
                Selection::TooLittle(available) => return Err(too_little(&book, need, Amount::new(available))),
                Selection::Spend(inputs) => {
                    let item = label(self.new_item(&book, &intent, Some(request_id)));
                    let number = item.number;
                    let season = Season::Payments(terms);
                    let driving = self.begin(&mut book, &season, intent, inputs, Some(item), Vec::new()).await?;
                    drop(book);
                    let settled = self.drive(&driving).await?;
                    return self.receipt(number, settled).await;
                }
                Selection::Merge(inputs) => {
                    merges += 1;
                    self.merge(book, Arc::clone(&terms), inputs).await?;
                    terms = self.terms().await?;
                }
            }
        }
        Err(WalletError::Internal { what: "the coins could not be put together".to_owned() })
    }

    /// Whether other calls of this process are spending coins whose change may be enough.
    fn change_is_coming(&self, book: &Book, need: Need) -> bool {
        let busy = book.operations().any(|(id, operation)| self.is_driven(id) && !operation.inputs.is_empty());
        busy && book.reachable(need.purpose) >= need.amount
    }

    /// Waits until the book changes, or for a moment: an operation may also end without an answer.
    async fn wait_for_change(&self, book: tokio::sync::MutexGuard<'_, Book>) {
        let mut changes = book.watch();
        drop(book);
        // Whether it changed or the moment passed, the caller looks again.
        let _looked = tokio::time::timeout(MOMENT, changes.changed()).await;
    }

    /// The same request was begun by another call a moment ago.
    async fn again(&self, request_id: RequestId, same: impl Fn(&HistoryItem) -> bool) -> Result<Receipt, WalletError> {
        let receipt = self.repeated(request_id, same).await?;
        receipt.ok_or_else(|| WalletError::Internal { what: "a request is missing".to_owned() })
    }
}

/// A purpose as the history has it: nothing is said of money for anything.
fn called(purpose: &str) -> &str {
    if purpose == UNRESTRICTED_NAME { "" } else { purpose }
}

/// Says what else the wallet holds, because that is easily overlooked: with restricted money nothing is paid unasked.
fn too_little(book: &Book, need: Need, available: Amount) -> WalletError {
    let needed = need.amount;
    let mut restricted = if need.purpose == UNRESTRICTED { book.restricted() } else { Vec::new() };
    if need.payment {
        restricted.retain(|restricted| restricted.amount >= needed);
    }
    match restricted.into_iter().max_by_key(|restricted| restricted.amount) {
        None => WalletError::InsufficientFunds { needed, available },
        Some(restricted) if need.payment => WalletError::OtherPurpose { needed, available, restricted },
        Some(restricted) => WalletError::NotRedeemable { needed, available, restricted },
    }
}

fn nonzero(amount: Amount) -> Result<(), WalletError> {
    if amount == Amount::ZERO { Err(WalletError::AmountZero) } else { Ok(()) }
}

/// Chooses coins. Coins of a key that payments do not accept any more are exchanged when the others are not enough.
fn choose(book: &Book, terms: &Terms, need: Need) -> Selection {
    let today = terms.header.day;
    let good = book.accepted(need.purpose, today, need.payment);
    match select(&good, need.amount.get(), &book.keys_by_age()) {
        Selection::TooLittle(available) if need.payment => {
            let others = book.accepted(need.purpose, today, false).into_iter().map(|coin| coin.id);
            let mut old: Vec<_> = others.filter(|id| good.iter().all(|coin| coin.id != *id)).collect();
            old.truncate(usual_count(old.len()));
            if old.is_empty() { Selection::TooLittle(available) } else { Selection::Merge(old) }
        }
        other => other,
    }
}
