//! The course of an operation: begun, sent, answered or refused.

use std::collections::BTreeMap;

use farthing_ecash::{amount::Amount, credential::issue::Answer, statement::Statement, transaction::Core};
use farthing_proto::v1::ErrorReason;

use super::{
    Draft, Inputs, Intent, Operation, Register, Reply, Request, Season,
    settle::{Settlement, server_of},
    spent::spent_inputs,
};
use crate::{
    book::{Book, Edit},
    client::{CallError, refusal},
    error::WalletError,
    history::{HistoryItem, ItemFailure, OperationState, RequestId},
    record::Hex,
    report::Receipt,
    select,
    vault::{RecordId, blocking},
    wallet::inner::{Driving, Inner},
};

/// How often an operation is built anew in one go. Once is for a day that has just ended; a server whose day moves on every
/// time is left alone until the operation is resumed.
const REBUILDS_MAX: u32 = 3;

/// How an operation stands when nothing more can be done for now.
pub(crate) enum Settled {
    /// Answered; its outputs are in the book.
    Done,
    /// Its outcome is not known. It goes on when it is resumed.
    Pending {
        /// Why, for people.
        delay: String,
    },
}

/// What follows from a refusal.
enum Next {
    SendAgain,
    Settled(Settled),
}

/// Not known yet, because of this.
pub(super) fn pending(why: &str) -> Settled {
    Settled::Pending { delay: format!("{why}; what was begun is kept, and the same request is sent again") }
}

impl Inner {
    /// Builds an operation and makes it durable, together with its item. From here on its inputs are reserved and it may be
    /// sent. The book must have been locked since the inputs were chosen.
    pub(crate) async fn begin(
        &self,
        book: &mut Book,
        season: &Season,
        intent: Intent,
        inputs: Vec<RecordId>,
        item: Option<HistoryItem>,
        mut edits: Vec<Edit>,
    ) -> Result<Driving<'_>, WalletError> {
        let draft = self.build(book, season, &intent, book.inputs(&inputs, &intent)).await?;
        let id = RecordId::random()?;
        let number = item.as_ref().map(|item| item.number);
        edits.extend(item.map(|item| Edit::Item(draft.label(item))));
        edits.extend(Self::policy_edit(book, season));
        let operation = Operation { intent, item: number, inputs, request: draft.request, earlier: Vec::new() };
        edits.push(Edit::Operation(id, operation));
        book.commit(edits).await?;
        Ok(self.driving(id))
    }

    async fn build(&self, book: &Book, season: &Season, intent: &Intent, inputs: Inputs) -> Result<Draft, WalletError> {
        let (keys, season, intent) = (book.keys()?, season.clone(), intent.clone());
        blocking(move || intent.build(&season, &keys, &inputs)).await
    }

    /// Remembers after how many months notes of this policy expire, because the answer to a payment depends on it.
    fn policy_edit(book: &Book, season: &Season) -> Option<Edit> {
        let Season::Payments(terms) = season else { return None };
        let mut inbox = book.inbox().clone();
        let hash = terms.header.policy.to_string();
        inbox.policies.insert(hash, terms.policy.terms().months).is_none().then_some(Edit::Inbox(inbox))
    }

    /// Sends an operation until it is answered, refused, or there is no hope for the moment.
    ///
    /// # Errors
    /// When it was refused for good and its inputs are free again; and for faults of this machine or a server that lies,
    /// after which the operation is still there.
    pub(crate) async fn drive(&self, driving: &Driving<'_>) -> Result<Settled, WalletError> {
        let id = driving.id;
        let mut rebuilds = 0;
        loop {
            let Some(operation) = self.book.lock().await.operation(id) else { return Ok(Settled::Done) };
            let sent = operation.request.clone();
            let refused = match self.send(&operation).await {
                Ok(reply) => return self.finish(id, &sent, reply).await,
                // Also when it was refused now, but an earlier copy may still be on its way.
                Err(call) if call.uncertain || call.failure.is_transient() => return Ok(pending(&call.to_string())),
                Err(call) => call,
            };
            let next = match refused.failure.reason {
                ErrorReason::PeriodMoved | ErrorReason::PolicyMoved | ErrorReason::KeyExpired
                    if rebuilds < REBUILDS_MAX =>
                {
                    rebuilds += 1;
                    self.rebuild(id, &sent, &refused).await?
                }
                ErrorReason::PeriodMoved | ErrorReason::PolicyMoved => Next::Settled(pending(&refused.to_string())),
                ErrorReason::RegistrationWaits => Next::Settled(self.wait(id, &refused).await?),
                ErrorReason::AlreadySpent => Next::Settled(self.already_spent(id, &refused.failure).await?),
                _ => return Err(self.give_up(id, &sent, refusal(refused.server, &refused.failure)).await?),
            };
            if let Next::Settled(settled) = next {
                return Ok(settled);
            }
        }
    }

    /// The account is open, and the registration is signed when the wallet before is not valid any more.
    async fn wait(&self, id: RecordId, refused: &CallError) -> Result<Settled, WalletError> {
        let error = refusal(refused.server, &refused.failure);
        let WalletError::RegistrationWaits { from } = &error else { return Ok(pending(&refused.to_string())) };
        let mut book = self.book.lock().await;
        if let Some(operation) = book.operation(id)
            && let Intent::Register(register) = &operation.intent
            && register.waits_until != Some(from.get())
        {
            let register = Register { waits_until: Some(from.get()), ..register.clone() };
            let operation = Operation { intent: Intent::Register(register), ..Operation::clone(&operation) };
            book.commit(vec![Edit::Operation(id, operation)]).await?;
        }
        Ok(Settled::Pending { delay: error.to_string() })
    }

    async fn send(&self, operation: &Operation) -> Result<Reply, CallError> {
        match &operation.intent {
            Intent::Register(register) => self.issuer.register(&operation.request, &register.invitation).await,
            Intent::Withdraw(_) => self.issuer.withdraw(&operation.request).await,
            _ => self.redeemer.submit(&operation.request).await,
        }
    }

    async fn finish(&self, id: RecordId, sent: &Request, reply: Reply) -> Result<Settled, WalletError> {
        let core = sent.core()?;
        if let Some((_, validity)) = Answer::from_bytes(&core, &reply.answer).ok().and_then(|it| it.registration()) {
            self.check_validity(core.month(), validity).await?;
        }
        let mut book = self.book.lock().await;
        self.answered(&mut book, id, core, reply.answer, reply.log_index).await
    }

    /// Verifies the answer to a transaction of this operation, and makes the outcome durable in one step.
    pub(super) async fn answered(
        &self,
        book: &mut Book,
        id: RecordId,
        core: Core,
        answer: Vec<u8>,
        log_index: u64,
    ) -> Result<Settled, WalletError> {
        let Some(operation) = book.operation(id) else { return Ok(Settled::Done) };
        let settlement = Settlement::new(book, &core)?;
        let (statement, server, transaction_id) = (core.statement(), server_of(core.statement()), core.id());
        let (paid_note, fee) = (settlement.paid_note(&core), Amount::new(core.publics().fee));
        // Those of an earlier transaction of the operation may be fewer than those that it took in the end.
        let spent = spent_inputs(book, &operation.inputs, &core.nullifiers().collect());
        let outputs =
            blocking(move || settlement.outputs(&core, &answer).ok_or(WalletError::BadAnswer { server })).await?;
        let mut edits = vec![Edit::DropOperation(id)];
        let mut items = Items::new(book);
        if let Some(number) = operation.item {
            let refundable_from = outputs.refundables.first().map(|paid| paid.note().attributes().expiry().plus(1));
            items.change(number, |item| HistoryItem {
                state: OperationState::Done,
                log_index: Some(log_index),
                refundable_from: refundable_from.filter(|_| statement == Statement::Pay),
                paid_note,
                fee,
                ..item.sent_as(transaction_id)
            });
        }
        // The item that parts of a note or payment belong to; of a payment just made its own.
        let mut whole = operation.item.filter(|_| statement == Statement::Pay);
        for input in spent {
            if let Some(held) = book.note(input) {
                edits.push(Edit::DropNote(input));
                match statement {
                    Statement::Split => whole = Some(held.item),
                    _ => items.change(held.item, |item| item.claimed(held.credential.attributes().value(), log_index)),
                }
            } else if let Some(held) = book.refundable(input) {
                edits.push(Edit::DropRefundable(input));
                match statement {
                    Statement::SplitExpired => whole = Some(held.item),
                    _ => items.change(held.item, |item| item.taken_back(held.note.note().attributes().value())),
                }
            } else {
                edits.push(Edit::DropCoin(input));
            }
        }
        edits.extend(items.into_edits());
        edits.extend(outputs.edits(book, whole));
        book.commit(edits).await?;
        Ok(Settled::Done)
    }

    /// Builds the operation for the day, policy and key that the server has now, with the same inputs.
    async fn rebuild(&self, id: RecordId, sent: &Request, refused: &CallError) -> Result<Next, WalletError> {
        let Some(operation) = self.book.lock().await.operation(id) else { return Ok(Next::Settled(Settled::Done)) };
        let season = match self.season(&operation.intent).await {
            Ok(season) => season,
            Err(WalletError::Unreachable { server, what }) => {
                return Ok(Next::Settled(pending(&format!("the {server} does not answer: {what}"))));
            }
            Err(error) => return Err(error),
        };
        let mut book = self.book.lock().await;
        let Some(operation) = book.operation(id) else { return Ok(Next::Settled(Settled::Done)) };
        if operation.request != *sent {
            // Another call has built it anew meanwhile.
            return Ok(Next::SendAgain);
        }
        let old = *operation.core()?.header();
        let dead = match &season {
            Season::Issuance(issuance) => old.day < issuance.day || old.key != issuance.key.id(),
            Season::Payments(terms) => {
                old.day < terms.header.day || old.policy != terms.header.policy || old.key != terms.header.key
            }
        };
        if !dead {
            // The key of an input, which no rebuilding changes.
            if refused.failure.reason == ErrorReason::KeyExpired {
                let error = refusal(refused.server, &refused.failure);
                drop(book);
                return Err(self.give_up(id, sent, error).await?);
            }
            // The server contradicts itself: the transaction may yet be accepted, so nothing else must be built.
            return Ok(Next::Settled(pending(&refused.to_string())));
        }
        let mut operation = Operation::clone(&operation);
        let draft = match self.build_anew(&book, &season, &mut operation).await {
            Ok(draft) => draft,
            Err(error) => {
                drop(book);
                return Err(self.give_up(id, sent, error).await?);
            }
        };
        let mut edits: Vec<_> = Self::policy_edit(&book, &season).into_iter().collect();
        let item = operation.item.and_then(|number| book.item(number)).cloned();
        edits.extend(item.map(|item| Edit::Item(draft.label(item))));
        operation.earlier.push(Hex::new(operation.core()?.id().as_bytes()));
        operation.request = draft.request;
        edits.push(Edit::Operation(id, operation));
        book.commit(edits).await?;
        Ok(Next::SendAgain)
    }

    /// Builds the transaction with the same inputs. When a payment's fee is more than they are worth now, others are taken
    /// besides them: what two transactions of an operation have in common lets at most one of them be accepted.
    async fn build_anew(&self, book: &Book, season: &Season, operation: &mut Operation) -> Result<Draft, WalletError> {
        let inputs = book.inputs(&operation.inputs, &operation.intent);
        let built = self.build(book, season, &operation.intent, inputs).await;
        let (Err(WalletError::InsufficientFunds { needed, .. }), Season::Payments(terms)) = (&built, season) else {
            return built;
        };
        let more = book.chosen(&operation.inputs).and_then(|(chosen, purpose)| {
            select::add(&chosen, &book.accepted(purpose, terms.header.day, true), needed.get())
        });
        let Some(more) = more else { return built };
        operation.inputs = more;
        let inputs = book.inputs(&operation.inputs, &operation.intent);
        self.build(book, season, &operation.intent, inputs).await
    }

    /// Ends an operation that was refused for good: its inputs were not spent and are free again. Answers the error, for the
    /// caller.
    async fn give_up(&self, id: RecordId, sent: &Request, error: WalletError) -> Result<WalletError, WalletError> {
        let mut book = self.book.lock().await;
        let Some(operation) = book.operation(id).filter(|operation| operation.request == *sent) else {
            return Ok(error);
        };
        let mut edits = vec![Edit::DropOperation(id)];
        if matches!(operation.intent, Intent::Register(_)) {
            edits.push(Edit::Identity(None));
        }
        let item = operation.item.and_then(|number| book.item(number)).cloned();
        edits.extend(item.map(|item| Edit::Item(failed(item, &error))));
        book.commit(edits).await?;
        Ok(error)
    }

    /// What became of a request that was made before with this id; `None` when there was none.
    pub(crate) async fn repeated(
        &self,
        request_id: RequestId,
        same: impl Fn(&HistoryItem) -> bool,
    ) -> Result<Option<Receipt>, WalletError> {
        let (number, driving) = {
            let book = self.book.lock().await;
            let Some(item) = book.item_of_request(request_id) else { return Ok(None) };
            if !same(item) {
                return Err(WalletError::RequestIdReused);
            }
            if let Some(failure) = &item.failure {
                return Err(WalletError::FailedBefore { reason: failure.reason, message: failure.message.clone() });
            }
            (item.number, book.operation_of(item.number).map(|id| self.driving(id)))
        };
        let settled = match driving {
            Some(driving) => self.drive(&driving).await?,
            None => Settled::Done,
        };
        self.receipt(number, settled).await.map(Some)
    }

    /// What to tell the caller of an operation.
    pub(crate) async fn receipt(&self, number: u64, settled: Settled) -> Result<Receipt, WalletError> {
        let book = self.book.lock().await;
        let missing = || WalletError::Internal { what: "an item of the history is missing".to_owned() };
        let item = book.item(number).cloned().ok_or_else(missing)?;
        if let Some(failure) = item.failure {
            return Err(WalletError::FailedBefore { reason: failure.reason, message: failure.message });
        }
        let delay = match settled {
            Settled::Done => None,
            Settled::Pending { delay } => Some(delay),
        };
        let link = if item.unregistered { book.link(&item)?.map(|link| link.to_string()) } else { None };
        let available = book.available(book.purpose_of(&item.purpose));
        Ok(Receipt { item, available, delay, link })
    }

    /// A fresh item for an operation that was asked for.
    pub(crate) fn new_item(&self, book: &Book, intent: &Intent, request_id: Option<RequestId>) -> HistoryItem {
        HistoryItem {
            number: book.next_number(),
            kind: intent.kind(),
            unix_seconds: self.unix_seconds(),
            request_id,
            ..HistoryItem::default()
        }
    }
}

/// Items that change together, each once.
struct Items<'b> {
    book: &'b Book,
    changed: BTreeMap<u64, HistoryItem>,
}

impl<'b> Items<'b> {
    fn new(book: &'b Book) -> Self {
        Self { book, changed: BTreeMap::new() }
    }

    fn change(&mut self, number: u64, change: impl FnOnce(HistoryItem) -> HistoryItem) {
        let item = self.changed.remove(&number).or_else(|| self.book.item(number).cloned());
        self.changed.extend(item.map(|item| (number, change(item))));
    }

    fn into_edits(self) -> impl Iterator<Item = Edit> {
        self.changed.into_values().map(Edit::Item)
    }
}

impl Draft {
    /// The item of an operation with this transaction.
    fn label(&self, item: HistoryItem) -> HistoryItem {
        HistoryItem { fee: Amount::new(self.fee), ..item.sent_as(self.transaction.id()) }
    }
}

/// The item of an operation that failed.
pub(crate) fn failed(item: HistoryItem, error: &WalletError) -> HistoryItem {
    let failure = ItemFailure { reason: error.reason(), message: error.to_string() };
    HistoryItem { state: OperationState::Failed, failure: Some(failure), ..item }
}
