//! Looking through the two logs: from where the wallet stopped to the end, and from the beginning when it is restored.
//!
//! The payment log brings payments, and shows what other copies of the wallet did: their change, what they claimed, the
//! wallet's state. The issuance log brings their withdrawals, new issuing keys, and what the directory says of the wallet's
//! identity (`docs/PROTOCOL.md` section 8).

pub(crate) mod intake;
pub(crate) mod look;

use std::{collections::HashMap, sync::Arc};

use farthing_ecash::{
    entry::{Entry, EntryKind},
    identity::Pid,
    policy::PolicyBody,
};
use farthing_ledger::tree::Frontier;
use tokio::sync::mpsc;

use self::{
    intake::{Intake, Stop},
    look::{Looked, Looker, RawEntry, Seen, look_at_all},
};
use crate::{
    client::ledger::{Entries, Step},
    error::{Server, WalletError},
    history::OperationKind,
    record::{Hex, Inbox},
    terms::Terms,
    trust::{Believed, not_in_log, tiles::Tiles},
    vault::blocking,
    wallet::{Progress, inner::Inner},
};

/// A wallet asks for a log from a multiple of this index on: many wallets ask for the same.
const ENTRIES_ROUNDED: u64 = 256;

/// Entries that become one durable step: some tenths of a second of work, which is what an interruption costs.
const ROUND: u64 = 4_096;

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
            OperationKind::Refund | OperationKind::Split | OperationKind::Renew => Self::Payments,
        }
    }

    fn set_next(self, inbox: &mut Inbox, next: u64, frontier: Option<&Frontier>) {
        let frontier = frontier.map(|frontier| Hex::new(&frontier.to_bytes()));
        match self {
            Self::Issuance => (inbox.issuance_next, inbox.issuance_frontier) = (next, frontier),
            Self::Payments => (inbox.next, inbox.frontier) = (next, frontier),
        }
    }

    /// The edge of the tree of all entries that were looked at, if it is known.
    fn frontier(self, inbox: &Inbox) -> Option<Frontier> {
        let bytes = match self {
            Self::Issuance => &inbox.issuance_frontier,
            Self::Payments => &inbox.frontier,
        };
        let frontier = Frontier::from_bytes(bytes.as_ref()?.as_bytes())?;
        (frontier.size() == self.next(inbox)).then_some(frontier)
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

/// How far a log is to be looked through, and what says that this is the log.
struct Target {
    size: u64,
    believed: Believed,
}

/// Some entries of a log, and how far they bring the wallet.
struct Round {
    entries: Vec<RawEntry>,
    next: u64,
    last: bool,
}

impl Inner {
    /// Looks through both logs as far as they are signed. What was found is durable together with how far was looked. Asks
    /// only for the payments of the wallet's bucket when `terms` say how many there are and no other copy of the wallet is
    /// known.
    pub(crate) async fn catch_up(&self, terms: Option<&Terms>, progress: &Progress) -> Result<Scan, WalletError> {
        let _turn = self.scanning.lock().await;
        // Whatever an entry of the payment log before this one spends was withdrawn before: so it is found first.
        let payments = self.target(Log::Payments).await?;
        let restoring = self.book.lock().await.is_restoring();
        let mut meter = Meter { progress, before: 0, total: payments.size };
        if restoring {
            let issuance = self.issuance_of(&payments).await?;
            meter.total = payments.size.saturating_add(issuance.size);
            self.look_through(Log::Issuance, &issuance, None, &meter).await?;
            meter.before = issuance.size;
        } else {
            match self.look_through_issuance(&payments).await {
                Ok(()) => {}
                // It is looked through another time; payments do not wait for it.
                Err(error) if error.passes() || matches!(error, WalletError::Refused { .. }) => {
                    tracing::debug!(%error, "the issuance log was not looked through");
                }
                Err(error) => return Err(error),
            }
        }
        let bucket = match terms {
            Some(terms) => {
                self.remember_terms(terms, false).await?;
                self.bucket(terms).await?
            }
            None => None,
        };
        let scan = self.look_through(Log::Payments, &payments, bucket, &meter).await?;
        if let Some(terms) = terms {
            self.remember_terms(terms, true).await?;
        }
        Ok(scan)
    }

    async fn look_through_issuance(&self, payments: &Target) -> Result<(), WalletError> {
        let quiet: Progress = Arc::new(|_, _| {});
        let quiet = Meter { progress: &quiet, before: 0, total: 0 };
        let issuance = self.issuance_of(payments).await?;
        self.look_through(Log::Issuance, &issuance, None, &quiet).await.map(drop)
    }

    /// How far a log is signed, after some patience for what has just been written to it.
    async fn target(&self, log: Log) -> Result<Target, WalletError> {
        let (origin, size) = self.reader(log).await?.log().await?;
        if self.origin(log).await.is_some_and(|pinned| pinned != origin) {
            return Err(log.contradiction("its log is another one than before".to_owned()));
        }
        let believed = match self.checkpoint_of(log, size).await {
            // The rest is looked at another time.
            Err(WalletError::NotSignedYet { .. }) => self.checkpoint(log).await?,
            believed => believed?,
        };
        Ok(Target { size: believed.size(), believed })
    }

    /// How far the issuance log is to be looked through. A payment checkpoint names the issuance log that it rests on: that
    /// has to be the one that this wallet is shown, and as far as that.
    async fn issuance_of(&self, payments: &Target) -> Result<Target, WalletError> {
        let mut issuance = self.target(Log::Issuance).await?;
        let named = payments.believed.checkpoint.checkpoint().issuance;
        let named =
            named.ok_or_else(|| Log::Payments.contradiction("its checkpoint names no issuance log".to_owned()))?;
        if named.size > issuance.size {
            let believed = self.checkpoint_of(Log::Issuance, named.size).await?;
            issuance = Target { size: believed.size(), believed };
        }
        if self.continues(&named, &issuance.believed).await? {
            return Ok(issuance);
        }
        Err(self.stop(Log::Issuance, &payments.believed.checkpoint, &issuance.believed.checkpoint).await?)
    }

    async fn entries(&self, log: Log, from: u64, bucket: Option<(u32, u32)>) -> Result<Entries, WalletError> {
        self.reader(log).await?.entries(from, bucket).await
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

    /// Looks through one log up to a size that it has signed.
    async fn look_through(
        &self,
        log: Log,
        target: &Target,
        bucket: Option<(u32, u32)>,
        meter: &Meter<'_>,
    ) -> Result<Scan, WalletError> {
        let size = target.size;
        let known = log.next(self.book.lock().await.inbox());
        meter.tell(known);
        let mut scan = Scan::default();
        if known >= size {
            // What an older copy of the log lacks was looked at before.
            return Ok(scan);
        }
        let mut check = Check::new(self, log, target, known, bucket.is_some()).await?;
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
            let looked = blocking(move || look_at_all(&looker, &entries)).await?;
            check.round(&looked, next).await?;
            for looked in &looked {
                if let Seen::Policy { hash, bucket_bits: bits, .. } = looked.seen {
                    bucket_bits.insert(hash, bits);
                }
            }
            scan.scanned += count;
            scan.worthless += self.take_in(log, &looked, Some((next, check.frontier.as_ref()))).await?;
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
    pub(crate) async fn take_in(
        &self,
        log: Log,
        looked: &[Looked],
        next: Option<(u64, Option<&Frontier>)>,
    ) -> Result<u64, WalletError> {
        let (mut asked_key, mut asked_policy, mut lenient) = (false, false, false);
        let mut policies = Vec::new();
        loop {
            let stop = {
                let mut book = self.book.lock().await;
                let mut intake = Intake::new(&book, lenient)?;
                intake.inbox().policies.extend(policies.iter().cloned());
                let taken = looked.iter().try_for_each(|looked| intake.take(log, looked.index, &looked.seen));
                match taken {
                    Ok(()) => {
                        if let Some((next, frontier)) = next {
                            log.set_next(intake.inbox(), next, frontier);
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
                    policies = self.policies(next.map_or(u64::MAX, |(next, _)| next)).await?;
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
        while let Step::Entry { index, bytes, .. } = stream.next().await? {
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

/// Whether what was sent is what was signed.
struct Check<'i> {
    inner: &'i Inner,
    log: Log,
    believed: &'i Believed,
    tiles: Tiles<'i>,
    /// The edge of the tree so far, when every entry is seen.
    frontier: Option<Frontier>,
}

impl<'i> Check<'i> {
    /// From the entry `known` on; `filtered` when some will be left out.
    async fn new(
        inner: &'i Inner,
        log: Log,
        target: &'i Target,
        known: u64,
        filtered: bool,
    ) -> Result<Self, WalletError> {
        let believed = &target.believed;
        let mut tiles = Tiles::new(inner.reader(log).await?, believed.size());
        let last = log.frontier(inner.book.lock().await.inbox());
        let frontier = match last {
            _ if filtered => None,
            Some(frontier) => Some(frontier),
            None => {
                let frontier = tiles.frontier(known).await?;
                let proof = tiles.consistency(known).await?;
                proof.verify(&frontier.head(), &believed.head()).map_err(|_| not_in_log(log, known))?;
                Some(frontier)
            }
        };
        Ok(Self { inner, log, believed, tiles, frontier })
    }

    /// Checks a round before anything of it is used.
    async fn round(&mut self, looked: &[Looked], next: u64) -> Result<(), WalletError> {
        let (believed, tiles) = (self.believed, &mut self.tiles);
        let Some(frontier) = &mut self.frontier else {
            let concerns: Vec<_> = {
                let book = self.inner.book.lock().await;
                looked.iter().filter(|looked| looked.seen.concerns() || looked.seen.touches(&book)).collect()
            };
            for looked in concerns {
                self.inner.check_leaf_with(tiles, believed, looked.index, looked.leaf).await?;
            }
            return Ok(());
        };
        for looked in looked {
            if looked.index != frontier.size() {
                return Err(self.log.contradiction(format!("it left out entry {}", frontier.size())));
            }
            frontier.push(looked.leaf);
        }
        if frontier.size() != next {
            return Err(self.log.contradiction(format!("it left out entry {}", frontier.size())));
        }
        let proof = tiles.consistency(next).await?;
        proof.verify(&frontier.head(), &believed.head()).map_err(|_| {
            self.log.contradiction(format!("what it shows as entries before {next} is not the log that it signed"))
        })
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
            Ok(Step::Entry { index, bytes, proof_hash }) if index < size => {
                round.next = index + 1;
                round.entries.push(RawEntry { index, bytes, proof_hash });
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
        // Rounds end where those of all wallets do: what is asked of the tree there shows nothing.
        if round.last || round.next.is_multiple_of(ROUND) {
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
