//! Looking through the two logs: from where the wallet stopped to the end, and from the beginning when it is restored.
//!
//! The payment log brings payments, and shows what other copies of the wallet did: their change, what they claimed, the
//! wallet's state. The issuance log brings their withdrawals, new issuing keys, and what the directory says of the wallet's
//! identity (`docs/PROTOCOL.md` section 8).

pub(crate) mod intake;
pub(crate) mod look;

use std::{collections::HashMap, sync::Arc};

use farthing_ecash::{entry::Entry, entry::EntryKind, identity::Pid, policy::PolicyBody};
use tokio::sync::mpsc;

use self::{
    intake::{Intake, Stop},
    look::{Looker, RawEntry, Seen, look_at_all},
};
use crate::{
    client::ledger::{Entries, Step},
    error::{Server, WalletError},
    history::OperationKind,
    record::Inbox,
    terms::Terms,
    vault::blocking,
    wallet::{Progress, inner::Inner},
};

/// A wallet asks for a log from a multiple of this index on: many wallets ask for the same.
const ENTRIES_ROUNDED: u64 = 256;

/// Entries that become one durable step: some tenths of a second of work, which is what an interruption costs.
const ROUND: usize = 4_096;

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Log {
    /// Registrations, withdrawals, the directory, issuing keys.
    Issuance,
    /// Everything else.
    Payments,
}

impl Log {
    /// Who writes it.
    pub(crate) const fn server(self) -> Server {
        match self {
            Self::Issuance => Server::Issuer,
            Self::Payments => Server::Redeemer,
        }
    }

    pub(crate) fn contradiction(self, what: String) -> WalletError {
        WalletError::Contradiction { server: self.server(), what }
    }

    /// Index of the first entry that was not looked at.
    pub(crate) const fn next(self, inbox: &Inbox) -> u64 {
        match self {
            Self::Issuance => inbox.issuance_next,
            Self::Payments => inbox.next,
        }
    }

    /// Where a transaction of this kind is logged.
    pub(crate) const fn of(kind: OperationKind) -> Self {
        match kind {
            OperationKind::Register | OperationKind::Withdraw => Self::Issuance,
            OperationKind::Pay | OperationKind::Receive | OperationKind::Redeem | OperationKind::Swap => Self::Payments,
        }
    }

    const fn set_next(self, inbox: &mut Inbox, next: u64) {
        match self {
            Self::Issuance => inbox.issuance_next = next,
            Self::Payments => inbox.next = next,
        }
    }
}

/// What was found.
#[derive(Default)]
pub(crate) struct Scan {
    /// Entries of the payment log that were looked at.
    pub(crate) scanned: u64,
    /// Payments that are sealed to this wallet but worth nothing.
    pub(crate) worthless: u64,
}

/// How far both logs together have been looked through.
struct Meter<'p> {
    progress: &'p Progress,
    before: u64,
    total: u64,
}

impl Meter<'_> {
    fn tell(&self, next: u64) {
        let done = self.before.saturating_add(next);
        (self.progress)(done, self.total.max(done));
    }
}

/// Some entries of a log, and how far they bring the wallet.
struct Round {
    entries: Vec<RawEntry>,
    next: u64,
    last: bool,
}

impl Inner {
    /// Looks through both logs to their ends. What was found is durable together with how far was looked. Asks only for the
    /// payments of the wallet's bucket when `terms` say how many there are and no other copy of the wallet is known.
    pub(crate) async fn catch_up(&self, terms: Option<&Terms>, progress: &Progress) -> Result<Scan, WalletError> {
        let _turn = self.scanning.lock().await;
        // Whatever an entry of the payment log before this one spends was withdrawn before: so it is found first.
        let (payments, size) = self.log_size(Log::Payments).await?;
        let restoring = self.book.lock().await.is_restoring();
        let mut meter = Meter { progress, before: 0, total: size };
        if restoring {
            let issuance = self.log_size(Log::Issuance).await?.1;
            meter.total = size.saturating_add(issuance);
            self.look_through(Log::Issuance, issuance, None, &meter).await?;
            meter.before = issuance;
        } else {
            let quiet: Progress = Arc::new(|_, _| {});
            let quiet = Meter { progress: &quiet, before: 0, total: 0 };
            let looked = match self.log_size(Log::Issuance).await {
                Ok((_, size)) => self.look_through(Log::Issuance, size, None, &quiet).await.map(drop),
                Err(error) => Err(error),
            };
            match looked {
                Ok(()) => {}
                // It is looked through another time; payments do not wait for it.
                Err(error @ (WalletError::Unreachable { .. } | WalletError::Refused { .. })) => {
                    tracing::debug!(%error, "the issuance log was not looked through");
                }
                Err(error) => return Err(error),
            }
        }
        self.check_payment_log(&payments, size).await?;
        let bucket = match terms {
            Some(terms) => {
                self.remember_terms(terms, false).await?;
                self.bucket(terms).await?
            }
            None => None,
        };
        let scan = self.look_through(Log::Payments, size, bucket, &meter).await?;
        if let Some(terms) = terms {
            self.remember_terms(terms, true).await?;
        }
        Ok(scan)
    }

    async fn log_size(&self, log: Log) -> Result<(String, u64), WalletError> {
        match log {
            Log::Issuance => self.issuer.0.log().await,
            Log::Payments => self.redeemer.0.log().await,
        }
    }

    async fn entries(&self, log: Log, from: u64, bucket: Option<(u32, u32)>) -> Result<Entries, WalletError> {
        match log {
            Log::Issuance => self.issuer.0.entries(from, bucket).await,
            Log::Payments => self.redeemer.0.entries(from, bucket).await,
        }
    }

    async fn check_payment_log(&self, origin: &str, size: u64) -> Result<(), WalletError> {
        let book = self.book.lock().await;
        let pinned = book.pins().and_then(|pins| pins.redeemer_origin.as_deref());
        if pinned.is_some_and(|pinned| pinned != origin) || size < book.inbox().next {
            return Err(Log::Payments.contradiction("its log is another one, or shorter than before".to_owned()));
        }
        Ok(())
    }

    /// The bucket to ask for, if the bits of buckets have not changed since the log was last looked through. Other copies
    /// pay into other buckets, so with copies everything is looked at.
    async fn bucket(&self, terms: &Terms) -> Result<Option<(u32, u32)>, WalletError> {
        let book = self.book.lock().await;
        let Some(pid) = book.pid()? else { return Ok(None) };
        Ok(if book.inbox().copies { None } else { filter(book.inbox(), terms, &pid) })
    }

    /// Notes after how many months notes of the policy in force expire; and, once everything in the log was looked at,
    /// with how many bits it numbers buckets.
    async fn remember_terms(&self, terms: &Terms, looked: bool) -> Result<(), WalletError> {
        let mut book = self.book.lock().await;
        let mut inbox = book.inbox().clone();
        inbox.policies.insert(terms.header.policy.to_string(), terms.policy.terms().months);
        if looked {
            inbox.bucket_bits = terms.policy.terms().bucket_bits;
        }
        if *book.inbox() == inbox {
            return Ok(());
        }
        book.commit(vec![crate::book::Edit::Inbox(inbox)]).await
    }

    /// Looks through one log up to a size that it had.
    async fn look_through(
        &self,
        log: Log,
        size: u64,
        bucket: Option<(u32, u32)>,
        meter: &Meter<'_>,
    ) -> Result<Scan, WalletError> {
        let known = log.next(self.book.lock().await.inbox());
        if known > size {
            return Err(log.contradiction("its log is shorter than before".to_owned()));
        }
        meter.tell(known);
        let mut scan = Scan::default();
        if known == size {
            return Ok(scan);
        }
        // Where exactly it stopped last time would tell the server which wallet comes back.
        let stream = self.entries(log, known - known % ENTRIES_ROUNDED, bucket).await?;
        let (rounds, mut arriving) = mpsc::channel(1);
        // While one round is worked on, the next one arrives.
        let reading = tokio::spawn(read(stream, known, size, rounds));
        let mut bucket_bits = HashMap::new();
        let mut ended = false;
        while let Some(round) = arriving.recv().await {
            let Round { entries, next, last } = round?;
            let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            let looker = self.looker(&bucket_bits).await?;
            let seen = blocking(move || look_at_all(&looker, entries)).await?;
            for (_, seen) in &seen {
                if let Seen::Policy { hash, bucket_bits: bits, .. } = seen {
                    bucket_bits.insert(*hash, *bits);
                }
            }
            scan.scanned += count;
            scan.worthless += self.take_in(log, &seen, Some(next)).await?;
            meter.tell(next);
            ended = last;
        }
        drop(reading);
        if ended { Ok(scan) } else { Err(log.contradiction("its log ended too early".to_owned())) }
    }

    pub(crate) async fn looker(
        &self,
        bucket_bits: &HashMap<farthing_ecash::policy::PolicyHash, u8>,
    ) -> Result<Looker, WalletError> {
        let book = self.book.lock().await;
        Ok(Looker { keys: book.keys()?, payee: book.pid()?, bucket_bits: bucket_bits.clone() })
    }

    /// Takes a round into the book, and with `next` how far it brings the wallet. Answers how many payments are worth
    /// nothing.
    pub(crate) async fn take_in(&self, log: Log, seen: &[(u64, Seen)], next: Option<u64>) -> Result<u64, WalletError> {
        let (mut asked_key, mut asked_policy, mut lenient) = (false, false, false);
        let mut policies = Vec::new();
        loop {
            let stop = {
                let mut book = self.book.lock().await;
                let mut intake = Intake::new(&book, lenient)?;
                intake.inbox().policies.extend(policies.iter().cloned());
                let taken = seen.iter().try_for_each(|(index, seen)| intake.take(log, *index, seen));
                match taken {
                    Ok(()) => {
                        if let Some(next) = next {
                            log.set_next(intake.inbox(), next);
                        }
                        let (edits, brought) = intake.into_edits()?;
                        if !edits.is_empty() {
                            book.commit(edits).await?;
                        }
                        return Ok(brought.worthless);
                    }
                    Err(stop) => stop,
                }
            };
            match stop {
                Stop::Error(error) => return Err(error),
                Stop::Key(id) if !asked_key => {
                    asked_key = true;
                    self.key(id).await?;
                }
                Stop::Policy if !asked_policy => {
                    asked_policy = true;
                    policies = self.policies(next.unwrap_or(u64::MAX)).await?;
                }
                Stop::Key(_) | Stop::Policy => {
                    tracing::warn!("the payment log has a payment under a key or policy that nobody announces");
                    lenient = true;
                }
            }
        }
    }

    /// All policies of the log before an index: needed once, by a wallet that is paid under a policy older than the one in
    /// force when it was registered.
    async fn policies(&self, before: u64) -> Result<Vec<(String, u32)>, WalletError> {
        let mut policies = Vec::new();
        let mut stream = self.entries(Log::Payments, 0, None).await?;
        while let Step::Entry { index, bytes } = stream.next().await? {
            if index >= before {
                break;
            }
            if let Ok(entry) = Entry::from_bytes(&bytes)
                && entry.kind() == EntryKind::Policy
                && let Ok(policy) = PolicyBody::from_bytes(entry.body())
            {
                policies.push((policy.hash().to_string(), policy.terms().months));
            }
        }
        Ok(policies)
    }
}

/// Gathers what a stream brings into rounds: the entries from `known` up to `size`.
async fn read(mut stream: Entries, known: u64, size: u64, rounds: mpsc::Sender<Result<Round, WalletError>>) {
    let mut round = Round { entries: Vec::new(), next: known, last: false };
    loop {
        match stream.next().await {
            Err(error) => {
                // Nobody waits for it any more when the receiver is gone.
                let _gone = rounds.send(Err(error)).await;
                return;
            }
            Ok(Step::Entry { index, .. }) if index < known => continue,
            Ok(Step::Entry { index, bytes }) if index < size => {
                round.next = index + 1;
                round.entries.push(RawEntry { index, bytes });
            }
            Ok(Step::End(end)) if end < size => {
                round.next = end.max(round.next);
                let _gone = rounds.send(Ok(round)).await;
                return;
            }
            Ok(Step::Entry { .. } | Step::End(_)) => {
                round.next = size;
            }
        }
        round.last = round.next == size;
        if round.last || round.entries.len() >= ROUND {
            let last = round.last;
            let next = round.next;
            let sent = rounds.send(Ok(std::mem::replace(&mut round, Round { entries: Vec::new(), next, last: false })));
            if sent.await.is_err() || last {
                return;
            }
        }
    }
}

/// The bucket to ask for, if the bits of buckets have not changed since the log was last looked through.
fn filter(inbox: &Inbox, terms: &Terms, payee: &Pid) -> Option<(u32, u32)> {
    let bits = terms.policy.terms().bucket_bits;
    (bits > 0 && bits == inbox.bucket_bits).then(|| (payee.bucket(bits), bits.into()))
}
