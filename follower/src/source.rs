//! Where a log is read from: its server, or another follower.

use std::time::Duration;

use farthing_ecash::{
    calendar::Day,
    entry::{EntryKind, leaf_hash},
};
use farthing_ledger::{
    hash::Hash,
    note::SignedNote,
    proof::ConsistencyProof,
    tile::{self, Content, TILE_WIDTH, TilePath},
};
use farthing_proto::v1::{
    AddCosignaturesRequest, ErrorReason, GetCheckpointRequest, GetConsistencyProofRequest, GetTileRequest,
    ListCheckpointsRequest, StreamEntriesRequest, ledger_service_client::LedgerServiceClient,
    stream_entries_response::Item,
};
use farthing_service::{
    channel::{self, ConnectError, Deadlines},
    status::Failure,
    tls::ClientTls,
};
use tonic::transport::Channel;

/// How long a server may take to say something.
const DEADLINES: Deadlines = Deadlines { connect: Duration::from_secs(10), call: Duration::from_secs(60) };

/// Longest message that is read: 64 checkpoints, a tile, or an entry with its proof part. None of them comes near it.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of entries and proof parts that are read at once; the entry that fills it still belongs to it. So many entries of the
/// usual 6 kB are more than anybody asks for at a time.
const ENTRIES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Checkpoints that a server lists at once, at most.
const CHECKPOINTS_MAX: usize = 64;

/// A log cannot be read. Nothing is wrong with it for all that is known: to be tried again later.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nobody answers as they should.
    #[error("{0}")]
    Unreachable(String),
    /// The answer makes no sense.
    #[error("the server sent {0}")]
    Malformed(&'static str),
    /// It is not the server of the log and shows something else than what the log has signed.
    #[error("entry {0} is not what the log has signed: the copy that is read is damaged, or lies")]
    NotSigned(u64),
    /// It may have left out a checkpoint on which the verdict rests: no finding, because it is not the server of the log.
    #[error(
        "this copy may have left a checkpoint out, or the log is not as it must be: {0}. Read the log from its server, or from \
         another follower"
    )]
    LeftOut(String),
    /// An entry of a day that has not come yet by the clock here.
    #[error("entry {index} is of {day}, and the clock here says {today}: one of the two clocks is wrong")]
    DayAhead {
        /// Which entry.
        index: u64,
        /// Its logical day.
        day: Day,
        /// The day here.
        today: Day,
    },
    /// It refuses a cosignature, and will refuse it again.
    #[error("{0}")]
    Refused(String),
    /// The proof parts are gone: another follower may still have them.
    #[error("the proof part of entry {0} is gone from this server: follow from a follower that still has it")]
    Pruned(u64),
}

/// An entry as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub entry: Vec<u8>,
    /// Its proof part.
    pub proof: Vec<u8>,
}

impl Fetched {
    /// Its leaf in the tree, whether it can be read or not.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let kind = self.entry.first().and_then(|code| EntryKind::from_code(*code).ok());
        let proof = kind.is_some_and(EntryKind::has_proof).then_some(self.proof.as_slice());
        Hash::new(leaf_hash(&self.entry, proof))
    }
}

/// Reads one log.
#[tonic::async_trait]
pub trait Source: Send + Sync {
    /// What messages call it: its address.
    fn name(&self) -> String;

    /// The newest checkpoint; `None` when there is none yet.
    async fn newest(&self) -> Result<Option<String>, SourceError> {
        self.cosigned(0).await
    }

    /// The newest checkpoint that at least so many of the witnesses that it knows have cosigned.
    async fn cosigned(&self, witnesses: usize) -> Result<Option<String>, SourceError>;

    /// Checkpoints of more than `above` entries, ascending; not necessarily all.
    async fn checkpoints(&self, above: u64) -> Result<Vec<String>, SourceError>;

    /// At most `count` entries from this index on; fewer when they are long.
    async fn entries(&self, from: u64, count: usize) -> Result<Vec<Fetched>, SourceError>;

    /// The hashes of the leaves from one index up to another. There may be fewer of them.
    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, SourceError>;

    /// That the tree of so many entries continues a smaller one.
    async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, SourceError>;

    /// Hands a cosigned checkpoint back.
    async fn hand_back(&self, note: &SignedNote) -> Result<(), SourceError>;
}

/// A log served over gRPC.
pub struct Remote {
    address: String,
    client: LedgerServiceClient<Channel>,
}

impl Remote {
    /// Reads from `https://HOST:PORT`.
    ///
    /// # Errors
    /// [`ConnectError::Address`].
    pub fn open(address: &str, tls: &ClientTls) -> Result<Self, ConnectError> {
        let channel = channel::open(address, tls, DEADLINES)?;
        let client = LedgerServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { address: address.to_owned(), client })
    }

    fn client(&self) -> LedgerServiceClient<Channel> {
        self.client.clone()
    }
}

/// The tiles with the hashes of these leaves, and how many hashes of each are others'.
pub(crate) fn tiles(from: u64, to: u64) -> impl Iterator<Item = (TilePath, usize)> {
    let width = u64::from(TILE_WIDTH);
    (from / width..to.div_ceil(width)).map(move |index| {
        let first = index.saturating_mul(width);
        let within = |place: u64| u16::try_from(place.saturating_sub(first).min(width)).unwrap_or(TILE_WIDTH);
        let path = TilePath { content: Content::Hashes { level: 0 }, index, width: within(to) };
        (path, usize::from(within(from)))
    })
}

fn unreachable(status: tonic::Status) -> SourceError {
    SourceError::Unreachable(Failure::from(status).message)
}

#[tonic::async_trait]
impl Source for Remote {
    fn name(&self) -> String {
        self.address.clone()
    }

    async fn cosigned(&self, witnesses: usize) -> Result<Option<String>, SourceError> {
        let cosignatures = u32::try_from(witnesses).unwrap_or(u32::MAX);
        match self.client().get_checkpoint(GetCheckpointRequest { cosignatures }).await {
            Ok(reply) => Ok(Some(reply.into_inner().note)),
            Err(status) => {
                let failure = Failure::from(status);
                match failure.reason {
                    ErrorReason::CheckpointUnknown => Ok(None),
                    _ => Err(SourceError::Unreachable(failure.message)),
                }
            }
        }
    }

    async fn checkpoints(&self, above_size: u64) -> Result<Vec<String>, SourceError> {
        let reply = self.client().list_checkpoints(ListCheckpointsRequest { above_size }).await;
        let notes = reply.map_err(unreachable)?.into_inner().notes;
        if notes.len() > CHECKPOINTS_MAX {
            return Err(SourceError::Malformed("too many checkpoints at once"));
        }
        Ok(notes)
    }

    async fn entries(&self, from_index: u64, count: usize) -> Result<Vec<Fetched>, SourceError> {
        let request = StreamEntriesRequest { from_index, bucket: None, follow: false, proofs: true };
        let mut stream = self.client().stream_entries(request).await.map_err(unreachable)?.into_inner();
        let (mut fetched, mut next, mut bytes) = (Vec::new(), from_index, 0);
        while fetched.len() < count && bytes < ENTRIES_BYTES_MAX {
            match stream.message().await.map_err(unreachable)?.and_then(|step| step.item) {
                Some(Item::Entry(entry)) if entry.index == next => {
                    if entry.proof.is_empty() && !entry.proof_hash.is_empty() {
                        return Err(SourceError::Pruned(next));
                    }
                    next += 1;
                    bytes += entry.entry.len() + entry.proof.len();
                    fetched.push(Fetched { entry: entry.entry, proof: entry.proof });
                }
                Some(Item::Entry(_)) => return Err(SourceError::Malformed("log entries out of order")),
                Some(Item::CaughtUpTo(_)) | None => break,
            }
        }
        Ok(fetched)
    }

    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, SourceError> {
        let mut leaves = Vec::new();
        for (path, skipped) in tiles(from, to) {
            let reply = self.client().get_tile(GetTileRequest { path: path.to_string() }).await;
            let data = reply.map_err(unreachable)?.into_inner().data;
            let hashes = tile::decode_hashes(&data).filter(|hashes| hashes.len() == usize::from(path.width));
            leaves.extend(hashes.ok_or(SourceError::Malformed("a tile of another size"))?.into_iter().skip(skipped));
        }
        Ok(leaves)
    }

    async fn consistency(&self, from_size: u64, to_size: u64) -> Result<ConsistencyProof, SourceError> {
        let request = GetConsistencyProofRequest { from_size, to_size };
        let reply = self.client().get_consistency_proof(request).await.map_err(unreachable)?.into_inner();
        ConsistencyProof::from_slices(reply.hashes).map_err(|_| SourceError::Malformed("a proof of another form"))
    }

    async fn hand_back(&self, note: &SignedNote) -> Result<(), SourceError> {
        let request = AddCosignaturesRequest { note: note.to_string() };
        self.client().add_cosignatures(request).await.map(drop).map_err(|status| {
            let failure = Failure::from(status);
            match failure.reason {
                ErrorReason::ProofInvalid => SourceError::Refused(failure.message),
                _ => SourceError::Unreachable(failure.message),
            }
        })
    }
}
