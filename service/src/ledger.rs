//! The ledger service: whoever asks reads a log of the store, entry by entry. Issuer and redeemer serve one log each.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use farthing_ecash::{
    entry::{Entry, EntryKind},
    statement::Statement,
    transaction::Core,
};
use farthing_ledger::{
    hash::Hash,
    history,
    note::SignedNote,
    published::{CosignError, Published},
    tile::TilePath,
    view::ViewError,
};
use farthing_proto::v1::{
    AddCosignaturesRequest, AddCosignaturesResponse, BucketFilter, ErrorReason, GetCheckpointRequest,
    GetCheckpointResponse, GetConsistencyProofRequest, GetConsistencyProofResponse, GetEntryRequest, GetEntryResponse,
    GetInclusionProofRequest, GetInclusionProofResponse, GetLogSizeRequest, GetLogSizeResponse, GetTileRequest,
    GetTileResponse, ListCheckpointsRequest, ListCheckpointsResponse, LogEntry, StreamEntriesRequest,
    StreamEntriesResponse, ledger_service_server::LedgerService, stream_entries_response::Item,
};
use farthing_store::{LogName, LogRecord, Store};
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    census::{Census, Network},
    listener::Peer,
    status::Refusal,
};

/// Limits on streams of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open streams in all. A further one is refused as OVERLOADED, with RetryInfo.
    pub total: usize,
    /// Open streams from one IPv4 address or one IPv6 /64 network, so that nobody keeps all others from reading. A further
    /// one is refused as OVERLOADED, with RetryInfo.
    pub per_address: usize,
    /// How long a step waits for a reader that does not read. Then the stream ends as TIMED_OUT.
    pub step: Duration,
}

impl Default for StreamLimits {
    /// 512 streams, 64 from one address (behind which there may be many wallets), 30 seconds for a step.
    fn default() -> Self {
        Self { total: 512, per_address: 64, step: Duration::from_secs(30) }
    }
}

/// Entries read from the store at a time. The store gives their proofs too, of which only the hash is kept.
const PAGE_ENTRIES_MAX: usize = 16;

/// Bytes after which a page is full. The entry that fills it, of at most 65,535 bytes, still belongs to it.
const PAGE_BYTES: usize = 64 * 1_024;

/// Checkpoints that one call lists.
const CHECKPOINTS_LISTED_MAX: usize = 64;

/// Steps of a stream that wait for a slow reader.
const STEPS_WAITING_MAX: usize = 4;

/// A caller of whom the listener says nothing: all of them are one.
const UNKNOWN_CALLER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Bits in the number of the widest bucket.
const BUCKET_BITS_MAX: u32 = 32;

/// Tells with how many bits the policy of a payment numbers the buckets.
type BucketBits = Arc<dyn Fn(&Core) -> u8 + Send + Sync>;

/// Serves one log of a store.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    log: LogName,
    origin: String,
    bucket_bits: BucketBits,
    published: Option<Arc<Published>>,
    streams: Census,
    step: Duration,
    shutdown: CancellationToken,
}

impl Ledger {
    /// Serves `log`, whose name in checkpoints is `origin`, within the default [`StreamLimits`]. Streams that wait for new
    /// entries end with `shutdown`. No payment is ever left out of a stream, until [`Ledger::with_bucket_bits`] says how the
    /// log's buckets are numbered.
    pub fn new(store: Store, log: LogName, origin: String, shutdown: CancellationToken) -> Self {
        let StreamLimits { total, per_address, step } = StreamLimits::default();
        let streams = Census::new(total, per_address);
        Self { store, log, origin, bucket_bits: Arc::new(|_| 0), published: None, streams, step, shutdown }
    }

    /// With other limits on streams.
    #[must_use]
    pub fn with_limits(mut self, limits: StreamLimits) -> Self {
        self.streams = Census::new(limits.total, limits.per_address);
        self.step = limits.step;
        self
    }

    /// With a function that tells for a payment how many bits the policy it was made under has for buckets.
    #[must_use]
    pub fn with_bucket_bits(mut self, bucket_bits: impl Fn(&Core) -> u8 + Send + Sync + 'static) -> Self {
        self.bucket_bits = Arc::new(bucket_bits);
        self
    }

    /// With its checkpoints and its tree.
    #[must_use]
    pub fn with_published(mut self, published: Arc<Published>) -> Self {
        self.published = Some(published);
        self
    }

    fn published(&self) -> Result<&Published, Refusal> {
        self.published.as_deref().ok_or_else(|| self.no_checkpoint())
    }

    fn no_checkpoint(&self) -> Refusal {
        let size = self.published.as_ref().map_or(0, |published| published.size());
        let refusal = Refusal::new(ErrorReason::CheckpointUnknown, "there is no such checkpoint yet");
        refusal.with("checkpoint_size", size)
    }

    /// What a caller learns when the tree cannot be read.
    fn unseen(&self, error: ViewError) -> Refusal {
        match error {
            ViewError::Beyond => self.no_checkpoint(),
            ViewError::Store(error) => error.into(),
            ViewError::Damaged(what) => {
                tracing::error!(what, "the log's tree cannot be read: verify the store");
                Refusal::new(ErrorReason::Internal, "a fault of the server")
            }
        }
    }

    async fn entry_unknown(&self) -> Result<Refusal, Refusal> {
        let size = self.store.log_size(self.log).await?;
        Ok(Refusal::new(ErrorReason::EntryUnknown, "the log has no such entry").with("log_size", size))
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type StreamEntriesStream = ReceiverStream<Step>;

    async fn stream_entries(
        &self,
        request: Request<StreamEntriesRequest>,
    ) -> Result<Response<Self::StreamEntriesStream>, Status> {
        let caller = request.extensions().get::<Peer>().map_or(UNKNOWN_CALLER, |peer| peer.address.ip());
        let StreamEntriesRequest { from_index, bucket, follow, proofs } = request.into_inner();
        let filter = match bucket {
            Some(bucket) => Some(Filter::new(bucket, self.bucket_bits.clone())?),
            None => None,
        };
        let place = self.streams.enter(Network::of(caller));
        let place = place.ok_or_else(|| Refusal::new(ErrorReason::Overloaded, "too many streams are open"))?;
        if from_index > self.store.log_size(self.log).await.map_err(Refusal::from)? {
            return Err(self.entry_unknown().await?.into());
        }
        let (steps, receiver) = mpsc::channel(STEPS_WAITING_MAX + LAST_WORD);
        let reading = Reading { ledger: self.clone(), next: from_index, filter, follow, proofs, steps };
        tokio::spawn(async move {
            let _place = place;
            reading.run().await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_entry(&self, request: Request<GetEntryRequest>) -> Result<Response<GetEntryResponse>, Status> {
        let index = request.into_inner().index;
        let records = self.store.log_read(self.log, index, 1).await.map_err(Refusal::from)?;
        match records.into_iter().next() {
            Some(record) => {
                let (entry, proof) = log_entry(record);
                Ok(Response::new(GetEntryResponse { entry: Some(entry), proof }))
            }
            None => Err(self.entry_unknown().await?.into()),
        }
    }

    async fn get_log_size(&self, _: Request<GetLogSizeRequest>) -> Result<Response<GetLogSizeResponse>, Status> {
        let size = self.store.log_size(self.log).await.map_err(Refusal::from)?;
        Ok(Response::new(GetLogSizeResponse { origin: self.origin.clone(), size }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let wanted = usize::try_from(request.into_inner().cosignatures).unwrap_or(usize::MAX);
        let note = self.published()?.checkpoint(wanted).ok_or_else(|| self.no_checkpoint())?;
        Ok(Response::new(GetCheckpointResponse { note: note.to_string() }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        let GetInclusionProofRequest { index, size } = request.into_inner();
        if index >= size {
            return Err(Refusal::field("index", "must be below size").into());
        }
        let proof = self.published()?.view().inclusion_proof(index, size).await.map_err(|error| self.unseen(error))?;
        Ok(Response::new(GetInclusionProofResponse { hashes: hashes(&proof.0) }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let GetConsistencyProofRequest { from_size, to_size } = request.into_inner();
        if from_size > to_size {
            return Err(Refusal::field("from_size", "at most to_size").into());
        }
        let view = self.published()?.view();
        let proof = view.consistency_proof(from_size, to_size).await.map_err(|error| self.unseen(error))?;
        Ok(Response::new(GetConsistencyProofResponse { hashes: hashes(&proof.0) }))
    }

    async fn get_tile(&self, request: Request<GetTileRequest>) -> Result<Response<GetTileResponse>, Status> {
        let path = request.into_inner().path.parse::<TilePath>();
        let path = path.map_err(|error| Refusal::field("path", error.to_string()))?;
        let data = self.published()?.view().tile(path).await.map_err(|error| self.unseen(error))?;
        Ok(Response::new(GetTileResponse { data }))
    }

    async fn add_cosignatures(
        &self,
        request: Request<AddCosignaturesRequest>,
    ) -> Result<Response<AddCosignaturesResponse>, Status> {
        let published = self.published()?;
        let note = request.into_inner().note.parse::<SignedNote>();
        let note = note.map_err(|error| Refusal::field("note", error.to_string()))?;
        match published.add_cosignatures(note).await {
            Ok(()) => Ok(Response::new(AddCosignaturesResponse {})),
            Err(CosignError::Beyond) => Err(self.no_checkpoint().into()),
            Err(CosignError::View(error)) => Err(self.unseen(error).into()),
            Err(CosignError::OutcomeUnknown) => {
                Err(Refusal::new(ErrorReason::StoreUnavailable, "the store does not know the outcome").into())
            }
            Err(error @ (CosignError::Checkpoint(_) | CosignError::NoWitness | CosignError::Contradiction)) => {
                Err(Refusal::new(ErrorReason::ProofInvalid, error.to_string()).into())
            }
        }
    }

    async fn list_checkpoints(
        &self,
        request: Request<ListCheckpointsRequest>,
    ) -> Result<Response<ListCheckpointsResponse>, Status> {
        let above = request.into_inner().above_size;
        let mut notes =
            history::list(&self.store, self.log, above, CHECKPOINTS_LISTED_MAX).await.map_err(Refusal::from)?;
        // The last one may be in the store already, and not given out yet.
        if let Some(published) = &self.published {
            let size = |note: &String| note.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
            notes.retain(|note| size(note).is_some_and(|size| size <= published.size()));
        }
        Ok(Response::new(ListCheckpointsResponse { notes }))
    }
}

fn hashes(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

/// What a stream is made of.
type Step = Result<StreamEntriesResponse, Status>;

/// Room kept for the step that says why a stream ends: its reader may have left no other.
const LAST_WORD: usize = 1;

/// A stream that is being sent.
struct Reading {
    ledger: Ledger,
    next: u64,
    filter: Option<Filter>,
    follow: bool,
    proofs: bool,
    steps: mpsc::Sender<Step>,
}

/// Why a stream ends early.
enum Ended {
    /// The reader has gone.
    Gone,
    /// The reader is told this, if it ever reads on.
    Refused(Refusal),
}

impl Reading {
    async fn run(mut self) {
        let Ok(last_word) = self.steps.clone().reserve_owned().await else {
            return;
        };
        if let Err(Ended::Refused(refusal)) = self.read().await {
            last_word.send(Err(refusal.into()));
        }
    }

    /// Sends what there is; with `follow` also what comes.
    async fn read(&mut self) -> Result<(), Ended> {
        let mut sizes = self.ledger.store.log_watch(self.ledger.log);
        self.catch_up().await?;
        while self.follow {
            let next = self.next;
            tokio::select! {
                more = sizes.wait_for(|size| *size > next) => if more.is_err() { return Ok(()) },
                () = self.ledger.shutdown.cancelled() => return Ok(()),
                () = self.steps.closed() => return Err(Ended::Gone),
            }
            self.catch_up().await?;
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), Ended> {
        loop {
            let records = self.ledger.store.log_read(self.ledger.log, self.next, PAGE_ENTRIES_MAX).await;
            let records = records.map_err(|error| Ended::Refused(error.into()))?;
            if records.is_empty() {
                return self.send(Item::CaughtUpTo(self.next)).await;
            }
            for entry in self.page(records) {
                self.send(Item::Entry(entry)).await?;
            }
        }
    }

    /// What is sent of these records, as far as it fits into a page. The others are read again when the page is sent.
    fn page(&mut self, records: Vec<LogRecord>) -> Vec<LogEntry> {
        let mut page = Vec::new();
        let mut room = PAGE_BYTES;
        for record in records {
            if room == 0 {
                break;
            }
            self.next = record.index.saturating_add(1);
            if self.filter.as_ref().is_none_or(|filter| filter.passes(&record.entry)) {
                let (mut entry, proof) = log_entry(record);
                if self.proofs {
                    entry.proof = proof;
                }
                room = room.saturating_sub(entry.entry.len() + entry.proof.len());
                page.push(entry);
            }
        }
        page
    }

    async fn send(&self, item: Item) -> Result<(), Ended> {
        let step = Ok(StreamEntriesResponse { item: Some(item) });
        self.steps.send_timeout(step, self.ledger.step).await.map_err(|error| match error {
            SendTimeoutError::Closed(_) => Ended::Gone,
            SendTimeoutError::Timeout(_) => Ended::Refused(Refusal::new(
                ErrorReason::TimedOut,
                "the stream was not read for too long: open another",
            )),
        })
    }
}

/// An entry with the hash of its proof, and the proof.
fn log_entry(record: LogRecord) -> (LogEntry, Vec<u8>) {
    let LogRecord { index, entry, proof, proof_hash } = record;
    let kind = entry.first().and_then(|code| EntryKind::from_code(*code).ok());
    let proof_hash = if kind.is_some_and(EntryKind::has_proof) { proof_hash.to_vec() } else { Vec::new() };
    (LogEntry { index, entry, proof_hash, proof: Vec::new() }, proof)
}

/// Leaves out payments of other buckets.
struct Filter {
    bucket: u32,
    bits: u32,
    bucket_bits: BucketBits,
}

impl Filter {
    fn new(wanted: BucketFilter, bucket_bits: BucketBits) -> Result<Self, Refusal> {
        let BucketFilter { bucket, bits } = wanted;
        if bits > BUCKET_BITS_MAX {
            return Err(Refusal::field("bucket.bits", "at most 32"));
        }
        if first_bits(bucket, BUCKET_BITS_MAX, BUCKET_BITS_MAX - bits) != 0 {
            return Err(Refusal::field("bucket.bucket", "must be below 2^bits"));
        }
        Ok(Self { bucket, bits, bucket_bits })
    }

    fn passes(&self, entry: &[u8]) -> bool {
        if self.bits == 0 || entry.first() != Some(&EntryKind::Transaction(Statement::Pay).code()) {
            return true;
        }
        let core = Entry::from_bytes(entry).ok().and_then(|entry| Some(Core::from_prefix(entry.body()).ok()?.0));
        let Some((core, bucket)) = core.and_then(|core| core.delivery().map(|it| it.bucket).map(|it| (core, it)))
        else {
            return true;
        };
        // Another policy may have numbered the buckets with more or with fewer bits: what both know must agree.
        let bits = u32::from((self.bucket_bits)(&core)).min(BUCKET_BITS_MAX);
        let shared = bits.min(self.bits);
        first_bits(bucket, bits, shared) == first_bits(self.bucket, self.bits, shared)
    }
}

/// The first `count` bits of a number of `bits` bits.
fn first_bits(number: u32, bits: u32, count: u32) -> u32 {
    number.checked_shr(bits.saturating_sub(count)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
