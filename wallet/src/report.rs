//! What a wallet tells its owner.

use std::{fmt, path::PathBuf};

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::{Day, Month},
    identity::Identity,
    transaction::TransactionId,
};
use farthing_ledger::quorum::TrustPolicy;

use crate::{
    history::{HistoryItem, OperationKind, OperationState},
    payment_request::PaymentRequest,
    reference::Reference,
};

/// How much money there is, by what can be done with it. No amount is counted twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance {
    /// Can be spent for anything now.
    pub available: Amount,
    /// Tied up in operations that are not finished: it comes back or is spent when they are.
    pub in_flight: Amount,
    /// Payments found for this identity and not claimed yet.
    pub claimable: Amount,
    /// Can be spent for one purpose only.
    pub restricted: Vec<Restricted>,
}

/// Money for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restricted {
    /// Name of the purpose in the policy, or its number while the policy is not known.
    pub purpose: String,
    /// How much.
    pub amount: Amount,
}

/// What became of an operation.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The operation in the history: done, or pending when the server could not be asked to the end. Then the wallet goes
    /// on when it is asked again with the same request id, or to [`resume`](crate::Wallet::resume).
    pub item: HistoryItem,
    /// What the wallet can spend now of money with the same purpose.
    pub available: Amount,
    /// Why it is pending, for people.
    pub delay: Option<String>,
    /// Of a payment to somebody who is not registered, once it is in the log: what the payee needs.
    pub link: Option<String>,
}

/// What there is to know before a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayeeInfo {
    /// Somebody is registered under the identity.
    pub registered: bool,
    /// The fee of the payment.
    pub fee: Amount,
    /// The first month in which a payment made today could be taken back if nobody claims it.
    pub refundable_from: Month,
    /// Registered wallets.
    pub wallets: u64,
    /// Transactions of today in the payment log, as it is signed; 32 stands for as many or more. `None` when they could not be
    /// counted.
    pub transactions_today: Option<u64>,
}

/// A registered wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose wallet it is. `None` when it was restored and nobody told it: the logs have no identities.
    pub identity: Option<Identity>,
    /// Number of its class in the policy.
    pub class: u32,
    /// Name of its class in the policy, or its number while the policy is not known.
    pub class_name: String,
    /// The last month in which the registration is valid.
    pub valid_through: Month,
}

/// What became of a request to register.
#[derive(Debug, Clone)]
pub enum RegisterOutcome {
    /// The wallet is registered, now or before.
    Registered(Registration),
    /// The issuer could not be asked to the end. Asking again is safe.
    Pending {
        /// Why, for people.
        delay: String,
    },
}

/// What became of a renewal.
#[derive(Debug, Clone)]
pub enum RenewOutcome {
    /// The registration as it is now.
    Renewed(Registration),
    /// There is nothing to renew: all others are valid for as long, and the class is that of the account.
    NotDue {
        /// The last month in which the registration is valid. The wallet renews in it by itself.
        valid_through: Month,
    },
    /// A server could not be asked to the end. Asking again is safe.
    Pending {
        /// Why, for people.
        delay: String,
    },
}

/// How much may be received, by the caps of the wallet's class. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptCaps {
    /// Received today.
    pub used_today: Amount,
    /// May still be received today.
    pub left_today: Option<Amount>,
    /// Received this month.
    pub used_this_month: Amount,
    /// May still be received this month.
    pub left_this_month: Option<Amount>,
}

/// The account at the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// Number of its class in the policy.
    pub class: u32,
    /// Name of its class in the policy.
    pub class_name: String,
    /// What it holds for anything.
    pub balance: Amount,
    /// What it holds for one purpose only.
    pub restricted: Vec<Restricted>,
    /// What was withdrawn today, of all purposes.
    pub withdrawn_today: Amount,
    /// What may still be withdrawn today, of all purposes together; `None` is unlimited.
    pub withdraw_left_today: Option<Amount>,
}

/// Money under an issuing key that ends soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndingMoney {
    /// How much.
    pub amount: Amount,
    /// The last day on which payments take it.
    pub accept_until: Day,
    /// The last day on which it can be exchanged, claimed or redeemed. After that it is worth nothing.
    pub exchange_until: Day,
}

/// The wallet's facts. What only a server knows is missing while that does not answer; `problems` then says why.
#[derive(Debug, Clone)]
pub struct WalletInfo {
    /// The identity, from the beginning of the registration on.
    pub identity: Option<Identity>,
    /// The registration, once it is finished.
    pub registration: Option<Registration>,
    /// The account is open, and the registration is finished from this day on: a lost wallet of the identity may be valid
    /// before.
    pub registration_from: Option<Day>,
    /// The currency of all amounts, from the first contact with the issuer on.
    pub currency: Option<Currency>,
    /// What may be received. Needs the redeemer.
    pub receipt_caps: Option<ReceiptCaps>,
    /// The account. Needs the issuer.
    pub account: Option<AccountInfo>,
    /// Fee of one payment. Needs the redeemer.
    pub payment_fee: Option<Amount>,
    /// The smallest payment. Needs the redeemer.
    pub payment_minimum: Option<Amount>,
    /// Entries of the issuance log. Needs the issuer.
    pub issuance_log_size: Option<u64>,
    /// Entries of the payment log that the wallet has looked through.
    pub payment_log_size: u64,
    /// Registered wallets among which this one hides: the honest limit of its anonymity. Needs the issuer.
    pub anonymity_set_size: Option<u64>,
    /// Transactions of today in the payment log, as it is signed; 1,024 stands for as many or more. Needs the redeemer.
    pub transactions_today: Option<u64>,
    /// Operations that were begun and are not finished, newest first.
    pub pending: Vec<HistoryItem>,
    /// The wallet was made from its words and has not looked through the logs to their ends.
    pub restoring: bool,
    /// A log has shown two states that exclude each other, and the wallet has stopped: where the evidence is.
    pub evidence: Option<PathBuf>,
    /// The newest directory entry of the wallet's identity, if it has another key than this wallet: payments to the identity
    /// go to somebody else.
    pub strange_directory: Option<u64>,
    /// Money under issuing keys that end soon, those first that end first. Using the wallet moves it to the newest key.
    pub ending: Vec<EndingMoney>,
    /// Address of the issuer.
    pub issuer: String,
    /// Address of the redeemer.
    pub redeemer: String,
    /// What could not be found out, and why.
    pub problems: Vec<String>,
}

impl WalletInfo {
    /// The name of the class that the issuer has for the wallet now, if it is another than that of the registration: a
    /// [renewal](crate::Wallet::renew) brings it.
    #[must_use]
    pub fn new_class(&self) -> Option<&str> {
        let account = self.account.as_ref()?;
        (self.registration.as_ref()?.class != account.class).then_some(account.class_name.as_str())
    }
}

/// Whose wallet came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// The wallet of this identity.
    For(Identity),
    /// A registered wallet. Its identity is not in the logs, and is needed only to show it and to ask for payments:
    /// [`Wallet::restore`](crate::Wallet::restore) with the identity adds it at any time.
    WithoutIdentity,
    /// The logs have no registration of a wallet with these words.
    NeverRegistered,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct RestoreReport {
    /// Whose wallet it is.
    pub restored: Restored,
    /// The money that it holds.
    pub balance: Balance,
    /// Entries of the issuance log that were looked through.
    pub issuance_log_size: u64,
    /// Entries of the payment log that were looked through.
    pub payment_log_size: u64,
    /// Items of the history.
    pub items: u64,
}

/// What receiving brought.
#[derive(Debug, Clone, Default)]
pub struct ReceiveReport {
    /// Payments that this call turned into money of the wallet.
    pub claimed: Vec<IncomingPayment>,
    /// Payments to this identity that were found and are not money of the wallet yet.
    pub pending: Vec<PendingPayment>,
    /// What is claimed on which day, if nothing else arrives: the days in their order.
    pub plan: Vec<PlannedPart>,
    /// The plan goes on after this month, the last one for which the wallet is registered: it has to be renewed in it, which
    /// [`Wallet::receive`](crate::Wallet::receive) does by itself.
    pub renew_in: Option<Month>,
    /// What may still be received today of money for anything; `None` is unlimited.
    pub left_today: Option<Amount>,
    /// What the wallet can spend for anything now.
    pub available: Amount,
    /// How many entries of the payment log were looked through.
    pub scanned: u64,
    /// How many payments were sealed to this wallet but are worth nothing, because what was signed is something else.
    pub worthless: u64,
    /// Why claiming did not come to an end, for people.
    pub delay: Option<String>,
    /// This call has finished a registration or renewal, which shows whose wallet it is. So it has done nothing else: what could
    /// be done today is left for the next call.
    pub renewed: bool,
    /// Why the wallet, which is to be renewed, is not renewed yet, for people.
    pub not_renewed: Option<String>,
    /// What became of the links, in their order.
    pub links: Vec<LinkOutcome>,
}

/// A request that this wallet made, and what came of it.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// The request.
    pub request: PaymentRequest,
    /// When it was made, seconds since 1970-01-01T00:00:00Z by this machine's clock.
    pub unix_seconds: i64,
    /// How it stands.
    pub state: RequestState,
    /// What was paid for it in all and is claimed or can be.
    pub received: Amount,
    /// What of it is claimed: money of the wallet.
    pub claimed: Amount,
    /// What was paid for it besides and the wallet's class may not receive, by the policy that the wallet has seen last: it goes
    /// back to its payer.
    pub unusable: Amount,
    /// The payments, oldest first: more than one when it was paid in parts or more than once.
    pub payments: Vec<HistoryItem>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// Nothing was paid so far.
    Open,
    /// Nothing was paid until its end.
    Expired,
    /// Less than it asks for was paid.
    Partial,
    /// What it asks for was paid; or anything, when it leaves the amount to the payer.
    Paid,
    /// More than it asks for was paid: too much, or more than once.
    Overpaid,
    /// Nothing was paid but money that the wallet's class may not receive: it goes back to its payer.
    Unusable,
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOutcome {
    /// Id of the payment; the payer knows the same.
    pub payment_id: TransactionId,
    /// How it stands.
    pub state: LinkState,
}

/// How the payment of a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// This call has turned it into money of the wallet.
    Claimed,
    /// It is kept and waits, as [`ReceiveReport::pending`] says.
    Waiting,
    /// This wallet had claimed it before.
    ClaimedBefore,
    /// Another wallet of the identity has claimed it, or its payer has taken it back.
    Gone,
}

/// A payment to this wallet's identity.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingPayment {
    /// Id of the payment; the payer knows the same.
    pub payment_id: TransactionId,
    /// The amount; of a payment that is claimed in parts, of the part in question.
    pub amount: Amount,
    /// What the payer paid.
    pub total: Amount,
    /// The payer's text. Whoever shows it on a terminal or page has to escape it.
    pub memo: String,
    /// What the money may be used for: the name of a purpose in the policy; empty for anything.
    pub purpose: String,
    /// Index of the payment's entry in the payment log.
    pub log_index: u64,
    /// The request that it answers.
    pub reference: Option<Reference>,
}

impl fmt::Debug for IncomingPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingPayment").field("log_index", &self.log_index).finish_non_exhaustive()
    }
}

/// What is claimed or taken back on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedPart {
    /// The day, of the ledger's time zone.
    pub day: Day,
    /// How much.
    pub amount: Amount,
    /// All or some of it may go back to its payer from this month on, which has begun by that day.
    pub returns: Option<Month>,
}

/// A payment that has to wait, all or the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPayment {
    /// The payment. Its amount is what waits of it.
    pub payment: IncomingPayment,
    /// Why it waits.
    pub reason: PendingReason,
    /// How much of it is too much for today; zero when the reason is no cap.
    pub over_by: Amount,
    /// What may still be received today; `None` is unlimited, or unknown because no rule fits.
    pub left_today: Option<Amount>,
    /// What of it is claimed on which day, if nothing else arrives: the days in their order. The wallet splits the payment
    /// where it has to. Empty when no day is known.
    pub plan: Vec<PlannedPart>,
    /// The month after which its payer may take it back.
    pub expires: Month,
}

/// Why a payment was not claimed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingReason {
    /// The cap of the day is used up; more of it can be received on a later day of this month.
    OverDayCap,
    /// The cap of the month is used up; more of it can be received in a later month.
    OverMonthCap,
    /// The caps are smaller than the smallest part of it that the wallet splits off: it can never be received.
    LargerThanCap,
    /// It is smaller than what can be paid, and claiming it is not worth a transaction that somebody may be waiting to see. It is
    /// claimed when its owner asks to [join](crate::Receiving::join) payments.
    Dust,
    /// The policy has no rule by which this class receives money of this purpose. It goes back to its payer, who can take it
    /// after it [expired](PendingPayment::expires).
    NotAllowed,
    /// The wallet's registration is no longer valid.
    RegistrationExpired,
    /// It was begun, and the redeemer has not answered to the end.
    InProgress,
    /// The call has renewed or registered the wallet, which shows whose it is, and has left it for the next one.
    NextCall,
    /// Of one's own payment: its payee still has time to claim it.
    NotExpired,
}

/// What taking payments back brought.
#[derive(Debug, Clone, Default)]
pub struct RefundReport {
    /// Payments, or parts of them, that are money of the wallet again.
    pub refunded: Vec<OutgoingPayment>,
    /// Payments that were to be taken back, and that their payees had claimed before.
    pub received: Vec<OutgoingPayment>,
    /// Payments that nobody is known to have claimed and that are not taken back yet.
    pub pending: Vec<PendingRefund>,
    /// A plan goes on after this month, the last one for which the wallet is registered: it has to be renewed in it, which
    /// [`Wallet::receive`](crate::Wallet::receive) does by itself.
    pub renew_in: Option<Month>,
    /// What the wallet can spend now.
    pub available: Amount,
    /// Why taking back did not come to an end, for people.
    pub delay: Option<String>,
    /// This call has finished a registration or renewal, which shows whose wallet it is. So it has done nothing else: what could
    /// be done today is left for the next call.
    pub renewed: bool,
    /// Why the wallet, which is to be renewed, is not renewed yet, for people.
    pub not_renewed: Option<String>,
}

/// A payment of this wallet.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingPayment {
    /// Id of the payment; the payee knows the same.
    pub payment_id: TransactionId,
    /// Who was paid; `None` when the wallet was restored, because the log has no identities.
    pub payee: Option<Identity>,
    /// The amount; of a payment that is taken back in parts, of the part in question.
    pub amount: Amount,
    /// What was paid.
    pub total: Amount,
    /// The text of the payment.
    pub memo: String,
    /// What the money may be used for: the name of a purpose in the policy; empty for anything.
    pub purpose: String,
    /// Index of the payment's entry in the payment log.
    pub log_index: u64,
}

impl fmt::Debug for OutgoingPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingPayment").field("log_index", &self.log_index).finish_non_exhaustive()
    }
}

/// A payment of this wallet that is not taken back yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRefund {
    /// The payment. Its amount is what is not back of it.
    pub payment: OutgoingPayment,
    /// Why it is not back.
    pub reason: PendingReason,
    /// The first month in which it can be taken back.
    pub refundable_from: Month,
    /// What of it is taken back on which day, if nothing else arrives; empty when no day is known.
    pub plan: Vec<PlannedPart>,
}

/// What became of an operation that an earlier run had left unfinished.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// What it was.
    pub kind: OperationKind,
    /// How far it is now. A failed claim is pending: its payments can be claimed again.
    pub state: OperationState,
    /// Its amount.
    pub amount: Amount,
    /// Its item in the history; `None` for a claim, which may be of several payments.
    pub item: Option<HistoryItem>,
    /// Why it is still pending, or why it failed, for people.
    pub explanation: Option<String>,
}

/// Whom a wallet trusts, and what it has seen of the logs.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The owner's trust policy, or the logs of the first contact without witnesses.
    pub policy: TrustPolicy,
    /// Whether the logs are those of the first contact, because the owner gave no trust policy.
    pub first_contact: bool,
    /// The issuance log, once the wallet has met it.
    pub issuance: Option<LogStanding>,
    /// The payment log, once the wallet has met it.
    pub payments: Option<LogStanding>,
    /// Where the evidence is, when a log has shown two states that exclude each other. Then the wallet has stopped.
    pub evidence: Option<PathBuf>,
}

/// What a wallet has seen of a log.
#[derive(Debug, Clone)]
pub struct LogStanding {
    /// Its verifier key (C2SP signed-note).
    pub key: String,
    /// How many entries it had at the last checkpoint that the wallet believed.
    pub size: Option<u64>,
    /// That checkpoint, a signed note.
    pub checkpoint: Option<String>,
}
