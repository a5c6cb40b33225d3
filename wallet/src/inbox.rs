//! Finding payments: the payment log is looked through from where the wallet stopped, and what opens under its key is kept.

use std::{collections::BTreeMap, num::NonZero, panic::resume_unwind, sync::Arc, thread};

use farthing_ecash::{
    credential::{Credential, issue::Answer},
    entry::{Entry, EntryKind},
    identity::Pid,
    keys::{KeyId, PublicKey},
    note::{Note, ReceiveError, SealedNote},
    policy::PolicyBody,
    seed::WalletKeys,
    statement::Statement,
    transaction::{Core, TransactionId},
};

use crate::{
    book::Edit,
    client::redeemer::Step,
    error::{Server, WalletError},
    history::{HistoryItem, OperationKind, OperationState},
    record::Inbox,
    terms::Terms,
    vault::blocking,
    wallet::{Progress, inner::Inner},
};

/// A wallet asks for the log from a multiple of this index on: many wallets ask for the same.
const ENTRIES_ROUNDED: u64 = 256;

/// Entries that are looked at in one go: some thousandths of a second for each core, and one write.
const CHUNK: usize = 256;

/// Fewer payments are not worth a thread: it takes as long to start as two notes to be tried.
const PAYMENTS_PER_THREAD: usize = 16;

/// What was found.
#[derive(Default)]
pub(crate) struct Scan {
    /// Entries looked at.
    pub(crate) scanned: u64,
    /// Payments that are sealed to this wallet but worth nothing.
    pub(crate) worthless: u64,
}

/// A payment to this wallet.
struct Found {
    note: Credential<Note>,
    memo: String,
    id: TransactionId,
    index: u64,
}

/// What a chunk of the log brought.
#[derive(Default)]
struct Findings {
    found: Vec<Found>,
    worthless: u64,
}

/// Why a chunk cannot be looked through yet.
enum Missing {
    /// A payment under a key that is not known.
    Key(KeyId),
    /// A payment to this wallet under a policy that is not known.
    Policy,
}

/// What it takes to open payments.
#[derive(Clone)]
struct Reader {
    keys: Arc<WalletKeys>,
    keyring: Arc<BTreeMap<KeyId, PublicKey>>,
    payee: Pid,
    policies: BTreeMap<String, u32>,
    /// Unknown keys and policies are passed over: everything was tried to know them.
    lenient: bool,
}

impl Reader {
    /// Looks through entries in the order of the log, and learns the policies among them. Trying to open a note is a
    /// matter of arithmetic alone, so every core takes its part.
    fn look_through(&mut self, entries: &[(u64, Vec<u8>)]) -> Result<Findings, Missing> {
        // What does not decode is of a later version, or broken; it is no payment that could be claimed.
        let entries = entries.iter().filter_map(|(index, bytes)| Some((*index, Entry::from_bytes(bytes).ok()?)));
        let entries: Vec<_> = entries.collect();
        let policies = entries.iter().filter(|(_, entry)| entry.kind() == EntryKind::Policy);
        policies.for_each(|(_, entry)| self.learn(entry));
        let payments = entries.iter().filter(|(_, entry)| entry.kind() == EntryKind::Transaction(Statement::Pay));
        let payments: Vec<_> = payments.collect();

        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let share = payments.len().div_ceil(cores).max(PAYMENTS_PER_THREAD);
        let reader = &*self;
        let shares: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = payments
                .chunks(share)
                .map(|share| scope.spawn(move || reader.open_all(share.iter().copied())))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut findings = Findings::default();
        for share in shares {
            let share = share.unwrap_or_else(|panic| resume_unwind(panic))?;
            findings.found.extend(share.found);
            findings.worthless += share.worthless;
        }
        Ok(findings)
    }

    fn learn(&mut self, entry: &Entry) {
        if let Ok(policy) = PolicyBody::from_bytes(entry.body()) {
            self.policies.insert(policy.hash().to_string(), policy.terms().months);
        }
    }

    fn open_all<'a>(&self, payments: impl Iterator<Item = &'a (u64, Entry)>) -> Result<Findings, Missing> {
        let mut findings = Findings::default();
        for (index, entry) in payments {
            self.open(*index, entry, &mut findings)?;
        }
        Ok(findings)
    }

    fn open(&self, index: u64, entry: &Entry, findings: &mut Findings) -> Result<(), Missing> {
        let opened = match SealedNote::find(entry.body()).map(|sealed| sealed.open(&self.keys)) {
            Some(Ok(opened)) => opened,
            None | Some(Err(ReceiveError::NotForThisWallet)) => return Ok(()),
            Some(Err(_)) => {
                findings.worthless += 1;
                return Ok(());
            }
        };
        let Ok((core, answer)) = Core::from_prefix(entry.body()) else { return Ok(()) };
        let Ok(answer) = Answer::from_bytes(&core, answer) else { return Ok(()) };
        let Some(key) = self.keyring.get(&core.header().key) else {
            return if self.lenient { Ok(()) } else { Err(Missing::Key(core.header().key)) };
        };
        let Some(months) = self.policies.get(&core.header().policy.to_string()) else {
            if !self.lenient {
                return Err(Missing::Policy);
            }
            findings.worthless += 1;
            return Ok(());
        };
        match opened.check(&core, &answer, key, core.month().plus(*months), &self.payee) {
            Ok(received) => findings.found.push(Found {
                note: received.note,
                memo: received.memo.as_str().to_owned(),
                id: core.id(),
                index,
            }),
            Err(_) => findings.worthless += 1,
        }
        Ok(())
    }
}

impl Inner {
    /// Looks through the log to its end. What was found is durable together with how far it was looked.
    pub(crate) async fn scan(&self, terms: &Terms, progress: &Progress) -> Result<Scan, WalletError> {
        let (origin, size) = self.redeemer.log().await?;
        let (mut next, bucket) = {
            let book = self.book.lock().await;
            let pinned = book.pins().and_then(|pins| pins.redeemer_origin.as_deref());
            if pinned.is_some_and(|pinned| pinned != origin) || size < book.inbox().next {
                return Err(WalletError::Contradiction {
                    server: Server::Redeemer,
                    what: "its log is another one, or shorter than before".to_owned(),
                });
            }
            let identity = book.identity()?.ok_or(WalletError::NotRegistered)?;
            (book.inbox().next, filter(book.inbox(), terms, &identity.pid()))
        };
        let mut scan = Scan::default();
        progress(next, size);
        // Where exactly it stopped last time would tell the redeemer which wallet comes back.
        let known = next;
        let mut stream = self.redeemer.entries(known - known % ENTRIES_ROUNDED, bucket).await?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let mut end = None;
            while chunk.len() < CHUNK && end.is_none() {
                match stream.next().await? {
                    Step::Entry { index, .. } if index < known => {}
                    Step::Entry { index, bytes } => chunk.push((index, bytes)),
                    Step::End(index) => end = Some(index),
                }
            }
            next = end.or_else(|| chunk.last().map(|(index, _)| index + 1)).unwrap_or(next);
            scan.scanned += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            scan.worthless += self.keep(chunk, next, terms).await?;
            progress(next, size.max(next));
            if end.is_some() {
                return Ok(scan);
            }
        }
    }

    /// Opens a chunk of the log and keeps what is for this wallet. Answers how many payments are worth nothing.
    async fn keep(&self, chunk: Vec<(u64, Vec<u8>)>, next: u64, terms: &Terms) -> Result<u64, WalletError> {
        let mut reader = self.reader(terms).await?;
        let chunk = Arc::new(chunk);
        let mut asked = false;
        loop {
            let (entries, mut attempt) = (Arc::clone(&chunk), reader.clone());
            let (result, attempt) = blocking(move || Ok((attempt.look_through(&entries), attempt))).await?;
            match result {
                Ok(findings) => return self.record(findings, attempt.policies, next, terms).await,
                Err(Missing::Key(id)) if !asked => {
                    asked = true;
                    self.key(id).await?;
                    reader.keyring = self.book.lock().await.keyring();
                }
                Err(Missing::Policy) if !asked => {
                    asked = true;
                    reader.policies.extend(self.policies(next).await?);
                }
                Err(Missing::Key(_) | Missing::Policy) => {
                    tracing::warn!("the payment log has a payment under a key or policy that nobody announces");
                    reader.lenient = true;
                }
            }
        }
    }

    async fn reader(&self, terms: &Terms) -> Result<Reader, WalletError> {
        let book = self.book.lock().await;
        let mut policies = book.inbox().policies.clone();
        policies.insert(terms.header.policy.to_string(), terms.policy.terms().months);
        Ok(Reader {
            keys: book.keys()?,
            keyring: book.keyring(),
            payee: book.identity()?.ok_or(WalletError::NotRegistered)?.pid(),
            policies,
            lenient: false,
        })
    }

    async fn record(
        &self,
        findings: Findings,
        policies: BTreeMap<String, u32>,
        next: u64,
        terms: &Terms,
    ) -> Result<u64, WalletError> {
        let mut book = self.book.lock().await;
        let bucket_bits = terms.policy.terms().bucket_bits;
        let inbox = Inbox { next, policies, bucket_bits };
        let mut edits = Vec::new();
        let mut number = book.next_number();
        for found in findings.found {
            if book.received(found.index).is_some() {
                continue;
            }
            edits.push(Edit::Item(HistoryItem {
                number,
                cursor: 0,
                kind: OperationKind::Receive,
                state: OperationState::Pending,
                amount: found.note.attributes().value(),
                fee: farthing_ecash::amount::Amount::ZERO,
                payee: None,
                memo: found.memo,
                unix_seconds: self.unix_seconds(),
                transaction_id: Some(found.id),
                log_index: Some(found.index),
                request_id: None,
                failure: None,
            }));
            edits.push(Edit::AddNote(found.note, number));
            number += 1;
        }
        if *book.inbox() != inbox {
            edits.push(Edit::Inbox(inbox));
        }
        if !edits.is_empty() {
            book.commit(edits).await?;
        }
        Ok(findings.worthless)
    }

    /// All policies of the log before an index: needed once, by a wallet that is paid under a policy older than the one in
    /// force when it was registered.
    async fn policies(&self, before: u64) -> Result<BTreeMap<String, u32>, WalletError> {
        let mut policies = BTreeMap::new();
        let mut stream = self.redeemer.entries(0, None).await?;
        while let Step::Entry { index, bytes } = stream.next().await? {
            if index >= before {
                break;
            }
            if let Ok(entry) = Entry::from_bytes(&bytes)
                && entry.kind() == EntryKind::Policy
                && let Ok(policy) = PolicyBody::from_bytes(entry.body())
            {
                policies.insert(policy.hash().to_string(), policy.terms().months);
            }
        }
        Ok(policies)
    }
}

/// The bucket to ask for, if the bits of buckets have not changed since the log was last looked through.
fn filter(inbox: &Inbox, terms: &Terms, payee: &Pid) -> Option<(u32, u32)> {
    let bits = terms.policy.terms().bucket_bits;
    (bits > 0 && bits == inbox.bucket_bits).then(|| (payee.bucket(bits), bits.into()))
}
