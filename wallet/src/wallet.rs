//! The wallet.

mod crowd;
mod info;
pub(crate) mod inner;
mod link;
mod open;
mod receive;
mod refund;
mod register;
mod renew;
mod request;
mod restore;
mod resume;
mod roll;
mod show;
mod spend;
mod swap;
mod watch;

use std::{future::Future, sync::Arc, time::Duration};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    transaction::TransactionId,
};
use farthing_service::{
    channel::Deadlines,
    clock::{Clock, SystemClock},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    error::WalletError,
    history::{HistoryPage, RequestId},
    link::PaymentLink,
    payment_request::PaymentRequest,
    reference::Reference,
    report::{
        Balance, PayeeInfo, Receipt, ReceiveReport, RefundReport, RegisterOutcome, RenewOutcome, RequestInfo,
        RestoreReport, Resumed, WalletInfo,
    },
    terms,
};
use inner::Inner;
pub use receive::Receiving;
use refund::Which;
pub use watch::Watch;

/// A coin, a note or a wallet state, by a hash of all that is secret in it: equal when they are the same to the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// What it is worth; nothing for a state.
    pub value: Amount,
    digest: [u8; 32],
}

impl Holding {
    pub(crate) fn new(value: Amount, secret: &[u8]) -> Self {
        Self { value, digest: Sha256::digest(secret).into() }
    }
}

/// A payment to be made.
#[derive(Clone)]
pub struct Order {
    /// Whom to pay.
    pub payee: Identity,
    /// How much the payee gets.
    pub amount: Amount,
    /// Which money to pay with: the name of a purpose in the policy; empty for money that may be used for anything.
    pub purpose: String,
    /// Text for the payee, at most 256 bytes of UTF-8, or 235 with a reference; may be empty.
    pub memo: String,
    /// That of the request that the payment answers: the payee recognises it by that.
    pub reference: Option<Reference>,
    /// Pay also when nobody is registered under the identity. A misspelt identity is one of those: ask first.
    pub allow_unregistered: bool,
}

/// Is told how far something long has got: done, and of how many. May be called from any thread.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// What a wallet needs of its surroundings. The default is right outside of tests.
#[derive(Clone)]
pub struct Options {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// How long to wait for a server.
    pub deadlines: Deadlines,
    /// How often a call is sent before the wallet gives up for the moment; at least once.
    pub attempts_max: u32,
    /// How long to wait for a log to sign what has just been written to it.
    pub checkpoint_patience: Duration,
    /// Whom to trust, as the text of a C2SP tlog-policy: the logs, the witnesses, and how many of them have to agree. Only for
    /// a wallet that is made; without it, it trusts the logs of the first contact.
    pub trust: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            deadlines: Deadlines::default(),
            attempts_max: 4,
            checkpoint_patience: Duration::from_secs(15),
            trust: None,
        }
    }
}

/// A wallet that is open. Clones share it; when the last one is dropped or it is [closed](Wallet::close), another process
/// may open it.
///
/// Methods that move money go on to their end even when the future that they answered is dropped: what was begun is never
/// abandoned half-way. All of them need a Tokio runtime.
#[derive(Clone)]
pub struct Wallet {
    inner: Arc<Inner>,
}

impl Wallet {
    /// The currency of all amounts, if the wallet was told. Asks no server.
    pub async fn known_currency(&self) -> Option<Currency> {
        self.inner.book.lock().await.currency()
    }

    /// The currency of all amounts. Asks the issuer if the wallet never did before.
    ///
    /// # Errors
    /// [`WalletError::Unreachable`] and the like at the first contact.
    pub async fn currency(&self) -> Result<Currency, WalletError> {
        match self.known_currency().await {
            Some(currency) => Ok(currency),
            None => self.run(|inner| async move { Ok(inner.issuance().await?.key.currency().clone()) }).await,
        }
    }

    /// Everything that there is to know about the wallet. What a server would have to tell is missing while it is silent.
    ///
    /// # Errors
    /// Only for faults of this machine: servers that do not answer are `problems` of the answer.
    pub async fn info(&self) -> Result<WalletInfo, WalletError> {
        self.run(|inner| async move { inner.info().await }).await
    }

    /// How much money there is. Asks no server.
    pub async fn balance(&self) -> Balance {
        self.inner.book.lock().await.balance()
    }

    /// What the wallet holds, piece by piece in the order of their serials: for the comparison of two copies of a wallet.
    /// Asks no server.
    pub async fn holdings(&self) -> Vec<Holding> {
        self.inner.book.lock().await.holdings()
    }

    /// A page of at most `limit` items, newest first. `cursor` is [`HistoryPage::next`] of the page before; `None` for the
    /// first. Asks no server.
    pub async fn history(&self, cursor: Option<u64>, limit: usize) -> HistoryPage {
        self.inner.book.lock().await.history(cursor, limit)
    }

    /// Whether operations were begun and are not finished, and nobody is waiting for them.
    pub async fn has_unfinished(&self) -> bool {
        !self.inner.unfinished().await.is_empty()
    }

    /// Finishes what earlier runs began: sends the same bytes again, and answers what became of each operation, to be told
    /// to the owner. What cannot be finished yet stays pending.
    ///
    /// # Errors
    /// Only for faults of this machine.
    pub async fn resume(&self) -> Result<Vec<Resumed>, WalletError> {
        self.run(|inner| async move { inner.resume().await }).await
    }

    /// Whether the wallet was made from its words and [`Wallet::restore`] has not come to an end.
    pub async fn is_restoring(&self) -> bool {
        self.inner.book.lock().await.is_restoring()
    }

    /// Finds out from the logs what a wallet made from its words holds and did: its registration, coins, payments to it and
    /// its history. Every commitment is recomputed and every signature verified. What an interrupted run has found is kept.
    /// `progress` is told how many entries of both logs were looked through, of how many.
    ///
    /// The logs have no identities. With the `identity`, which has to be the one that the wallet was registered for, it is
    /// known again; a restored wallet can be told it later by another call. Lost for good are the memos and payees of one's
    /// own payments.
    ///
    /// # Errors
    /// [`WalletError::OtherIdentity`], [`WalletError::Unreachable`], [`WalletError::Contradiction`] when a log has something
    /// of this wallet that does not verify.
    pub async fn restore(&self, identity: Option<&Identity>, progress: Progress) -> Result<RestoreReport, WalletError> {
        let identity = identity.cloned();
        self.run(|inner| async move { inner.restore(identity, progress).await }).await
    }

    /// Registers the wallet for an identity with the invitation from the issuer's operator. When it is registered for this
    /// identity already, it answers as before.
    ///
    /// # Errors
    /// [`WalletError::AlreadyRegistered`] for another identity, [`WalletError::IdentityTaken`],
    /// [`WalletError::NotInvited`], [`WalletError::InvalidIdentity`], [`WalletError::Unreachable`];
    /// [`WalletError::RegistrationWaits`] when the account is open and the rest has to wait: it goes on by itself.
    pub async fn register(&self, identity: &str, invitation: &str) -> Result<RegisterOutcome, WalletError> {
        let (identity, invitation) = (identity.to_owned(), Zeroizing::new(invitation.to_owned()));
        self.run(|inner| async move {
            inner.ready().await?;
            inner.register(&identity, &invitation).await
        })
        .await
    }

    /// Renews the registration when it is to be renewed: in the window that the issuer's calendar sets, later, or when the
    /// class of the account has changed. [`Wallet::receive`] does so by itself in the window, in a call that claims nothing:
    /// a renewal shows whose wallet it is.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`], [`WalletError::WalletRevoked`], [`WalletError::GrantOutstanding`],
    /// [`WalletError::NotSignedYet`], [`WalletError::Contradiction`], [`WalletError::Unreachable`].
    pub async fn renew(&self) -> Result<RenewOutcome, WalletError> {
        self.run(|inner| async move {
            inner.ready().await?;
            inner.renew().await
        })
        .await
    }

    /// For how many days the registration is still valid, when it is to be renewed, or some days when it had to wait and can be
    /// finished now; `None` when nothing is due. Asks no server.
    pub async fn renewal_days(&self) -> Option<u32> {
        self.inner.renewal_days().await
    }

    /// Renews the registration if that is due by the issuer's calendar, without asking for the class, or finishes one that had to wait. A daemon does it at a
    /// random time, so that it does not stand beside what else the wallet does.
    ///
    /// # Errors
    /// As [`Wallet::renew`].
    pub async fn renew_if_due(&self) -> Result<RenewOutcome, WalletError> {
        self.run(|inner| async move {
            inner.ready().await?;
            inner.renew_if_due().await
        })
        .await
    }

    /// Takes money from the account into the wallet.
    ///
    /// # Errors
    /// [`WalletError::AmountZero`], [`WalletError::NotRegistered`], [`WalletError::AccountTooLow`],
    /// [`WalletError::CapExceeded`], [`WalletError::RequestIdReused`], [`WalletError::FailedBefore`],
    /// [`WalletError::Unreachable`].
    pub async fn withdraw(&self, amount: Amount, request_id: RequestId) -> Result<Receipt, WalletError> {
        self.withdraw_for("", amount, request_id).await
    }

    /// As [`Wallet::withdraw`], money for one purpose, by its name in the policy; it stays bound to that. Empty is money for
    /// anything.
    ///
    /// # Errors
    /// As [`Wallet::withdraw`], and [`WalletError::PurposeUnknown`].
    pub async fn withdraw_for(
        &self,
        purpose: &str,
        amount: Amount,
        request_id: RequestId,
    ) -> Result<Receipt, WalletError> {
        let purpose = purpose.to_owned();
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.withdraw(&purpose, amount, request_id).await
        })
        .await
    }

    /// Pays an identity, which need not be online but has to be registered. The policy's fee is taken besides. Only money that
    /// may be used for anything is taken.
    ///
    /// # Errors
    /// [`WalletError::IdentityUnknown`] when nobody is registered under the identity, [`WalletError::BelowMinimum`],
    /// [`WalletError::InsufficientFunds`], [`WalletError::OtherPurpose`], [`WalletError::MemoTooLong`],
    /// [`WalletError::SpentElsewhere`], [`WalletError::RequestIdReused`],
    /// [`WalletError::FailedBefore`], [`WalletError::Unreachable`].
    pub async fn pay(
        &self,
        payee: &Identity,
        amount: Amount,
        memo: &str,
        request_id: RequestId,
    ) -> Result<Receipt, WalletError> {
        self.pay_for("", payee, amount, memo, request_id).await
    }

    /// As [`Wallet::pay`], with money of one purpose only, fee included. The change keeps the purpose. Whether the payee may
    /// receive it nobody knows but the payee: what is not claimed comes back after it expired.
    ///
    /// # Errors
    /// As [`Wallet::pay`], and [`WalletError::PurposeUnknown`].
    pub async fn pay_for(
        &self,
        purpose: &str,
        payee: &Identity,
        amount: Amount,
        memo: &str,
        request_id: RequestId,
    ) -> Result<Receipt, WalletError> {
        let (purpose, payee, memo) = (purpose.to_owned(), payee.clone(), memo.to_owned());
        self.place(Order { payee, amount, purpose, memo, reference: None, allow_unregistered: false }, request_id).await
    }

    /// Makes a payment. To an identity that nobody is registered under, if that is allowed: then the [receipt](Receipt::link)
    /// has a link for the payee, who registers later and takes the money with [`Wallet::receive_with`]. What is not taken
    /// comes back after its month.
    ///
    /// # Errors
    /// As [`Wallet::pay_for`].
    pub async fn place(&self, order: Order, request_id: RequestId) -> Result<Receipt, WalletError> {
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.pay(&order, request_id).await
        })
        .await
    }

    /// The order that pays a request, with the payer's amount if the request leaves that open, and the payer's memo instead of
    /// that of the request if there is one.
    ///
    /// # Errors
    /// [`WalletError::InvalidPaymentRequest`] when it is over, when nobody says the amount, or when the amount is not the one
    /// that is asked for.
    pub fn order(
        &self,
        request: &PaymentRequest,
        amount: Option<Amount>,
        memo: Option<&str>,
    ) -> Result<Order, WalletError> {
        request.order(amount, memo, self.inner.unix_seconds())
    }

    /// What there is to know before a payment: whether anybody is registered under the identity, and how large the crowd is. It
    /// asks the servers what a payment asks them, and for the newest entries of the payment log.
    ///
    /// # Errors
    /// [`WalletError::Unreachable`], [`WalletError::NotListedYet`] and the like.
    pub async fn check_payee(&self, payee: &Identity) -> Result<PayeeInfo, WalletError> {
        let payee = payee.clone();
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.check_payee(&payee).await
        })
        .await
    }

    /// The link of one's own payment that is in the log, for its payee. Asks no server.
    ///
    /// # Errors
    /// [`WalletError::NoLink`], [`WalletError::LinkNotYet`].
    pub async fn link(&self, payment: TransactionId) -> Result<PaymentLink, WalletError> {
        self.inner.link(payment).await
    }

    /// Looks for payments in the log and claims all that the caps allow today. A payment that they allow only in part is
    /// split; the rest is claimed on later days, by later calls.
    ///
    /// Each payment is claimed on its own, so that no payer sees how many others there were, and nobody that they have one
    /// owner; what is smaller than the policy's minimum is left. [`Wallet::receive_with`] joins them for who asks for it.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`], [`WalletError::Unreachable`] before the log was read. When claiming cannot be
    /// finished, that is the `delay` of the report.
    pub async fn receive(&self) -> Result<ReceiveReport, WalletError> {
        self.receive_with(Receiving::default(), Arc::new(|_, _| {})).await
    }

    /// As [`Wallet::receive`], in another way, and tells `progress` how many entries of the log were looked through, of how
    /// many. Each link is checked against the payment log and kept before anything is claimed, and the report says what became
    /// of it; the server learns only in which 256 entries it lies.
    ///
    /// # Errors
    /// As [`Wallet::receive`], and at the first link that is not good [`WalletError::LinkUnknown`],
    /// [`WalletError::LinkForAnother`] or [`WalletError::NotSignedYet`]; those before it are kept.
    pub async fn receive_with(&self, receiving: Receiving, progress: Progress) -> Result<ReceiveReport, WalletError> {
        self.run(|inner| async move {
            inner.ready().await?;
            let report = inner.receive(receiving, progress).await?;
            if !report.renewed {
                inner.roll_over_soon(!report.claimed.is_empty()).await;
            }
            Ok(report)
        })
        .await
    }

    /// For how many days payments will still take the money that ends first, because another issuing key has followed its key;
    /// `None` when all is under the newest key. Asks no server.
    pub async fn aging_days(&self) -> Option<u32> {
        self.inner.aging_days().await
    }

    /// Moves some money from an older issuing key to the newest, and says whether there was any. When it is called tells
    /// something to the redeemer, so a daemon does it at random times; close to the end [`Wallet::receive`] does it by itself.
    ///
    /// # Errors
    /// [`WalletError::Unreachable`] and the like; then the money is as it was.
    pub async fn roll_over(&self) -> Result<bool, WalletError> {
        self.run(|inner| async move {
            inner.ready().await?;
            inner.roll_over().await
        })
        .await
    }

    /// Whether nothing is under way and the wallet holds more than a few coins of some purpose, so that
    /// [`Wallet::consolidate`] has something to do. Asks no server.
    pub async fn has_many_coins(&self) -> bool {
        self.inner.has_many_coins().await
    }

    /// Makes one coin of two or four small ones, if [`Wallet::has_many_coins`], and says whether it did. It costs nothing, and
    /// later payments need fewer coins. When it is called tells something to the redeemer, so a daemon does it at random times
    /// and never soon after anything else.
    ///
    /// # Errors
    /// [`WalletError::Unreachable`] and the like; then the money is as it was.
    pub async fn consolidate(&self) -> Result<bool, WalletError> {
        self.run(|inner| async move {
            inner.ready().await?;
            inner.consolidate().await
        })
        .await
    }

    /// The cursor of the last change of the history.
    pub(crate) async fn cursor(&self) -> u64 {
        self.inner.book.lock().await.last_cursor()
    }

    /// Takes back what was paid and nobody has claimed: one payment, or all whose months are over. What the caps do not allow
    /// today is split, and the rest stays for later days.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`], [`WalletError::TransactionUnknown`] for an id that is not of a payment of this wallet,
    /// [`WalletError::Unreachable`] before the log was read. When taking back cannot be finished, that is the `delay` of the
    /// report.
    pub async fn refund(&self, payment: Option<TransactionId>) -> Result<RefundReport, WalletError> {
        self.refund_which(payment.map_or(Which::All, Which::Payment)).await
    }

    /// Takes back any one payment whose month is over and that nobody has claimed. Whoever calls this at random times does not
    /// show which payments were of one wallet.
    ///
    /// # Errors
    /// As [`Wallet::refund`].
    pub async fn refund_any(&self) -> Result<RefundReport, WalletError> {
        self.refund_which(Which::AnyOne).await
    }

    async fn refund_which(&self, which: Which) -> Result<RefundReport, WalletError> {
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.refund(which, Arc::new(|_, _| {})).await
        })
        .await
    }

    /// Whether there is a payment of this wallet whose month is over, by this machine's clock, and that nobody is known to have
    /// claimed. Asks no server.
    pub async fn has_refundable(&self) -> bool {
        let book = self.inner.book.lock().await;
        let own_day = book.pins().and_then(|pins| terms::own_day(pins, self.inner.unix_seconds()).ok());
        own_day.is_some_and(|day| book.unclaimed().iter().any(|(_, held, _)| held.note.is_expired(day.month())))
    }

    /// Pays money from the wallet back into the account at the issuer. Money for one purpose cannot be redeemed.
    ///
    /// # Errors
    /// [`WalletError::AmountZero`], [`WalletError::NotRegistered`], [`WalletError::InsufficientFunds`],
    /// [`WalletError::NotRedeemable`],
    /// [`WalletError::CapExceeded`], [`WalletError::RequestIdReused`], [`WalletError::FailedBefore`],
    /// [`WalletError::Unreachable`].
    pub async fn redeem(&self, amount: Amount, request_id: RequestId) -> Result<Receipt, WalletError> {
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.redeem(amount, request_id).await
        })
        .await
    }

    /// Makes a payment request to this wallet's identity and keeps it, to recognise its payment; without an amount that is left to
    /// the payer. It is good until `expires`, seconds since 1970-01-01T00:00:00Z, or for ever. Asks no server.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`], [`WalletError::AmountZero`], [`WalletError::MemoTooLong`].
    pub async fn create_request(
        &self,
        amount: Option<Amount>,
        memo: &str,
        expires: Option<u64>,
    ) -> Result<PaymentRequest, WalletError> {
        let memo = memo.to_owned();
        self.run(move |inner| async move { inner.create_request(amount, &memo, expires).await }).await
    }

    /// The requests that this wallet made, newest first, and what was paid for them. Asks no server:
    /// [`Wallet::receive`] looks for payments.
    ///
    /// # Errors
    /// [`WalletError::NotRegistered`].
    pub async fn requests(&self) -> Result<Vec<RequestInfo>, WalletError> {
        self.inner.requests().await
    }

    /// Runs an operation to its end, also when nobody waits for it any more.
    async fn run<T, F>(&self, operation: impl FnOnce(Arc<Inner>) -> F) -> Result<T, WalletError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, WalletError>> + Send + 'static,
    {
        match tokio::spawn(operation(Arc::clone(&self.inner))).await {
            Ok(result) => result,
            Err(error) => Err(WalletError::Internal { what: error.to_string() }),
        }
    }
}
