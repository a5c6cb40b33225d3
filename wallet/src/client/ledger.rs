//! What the wallet reads of a log, whoever serves it.

use std::time::Duration;

use farthing_ecash::entry::EntryKind;
use farthing_ledger::tile::TilePath;
use farthing_proto::v1::{
    BucketFilter, ErrorReason, GetCheckpointRequest, GetEntryRequest, GetLogSizeRequest, GetTileRequest, LogEntry,
    StreamEntriesRequest, StreamEntriesResponse, ledger_service_client::LedgerServiceClient,
    stream_entries_response::Item,
};
use farthing_service::status::Failure;
use tonic::Streaming;

use super::{CallError, Client};
use crate::error::{Server, WalletError};

/// The largest bundle of entries: 256 of at most 65,535 bytes and their lengths, and an envelope.
const TILE_BYTES_MAX: usize = 256 * (65_535 + 2) + 1_024;

impl Client {
    /// Origin and size of the log.
    pub(crate) async fn log(&self) -> Result<(String, u64), WalletError> {
        let call = |channel| async move { LedgerServiceClient::new(channel).get_log_size(GetLogSizeRequest {}).await };
        let log = self.call(call).await.map_err(CallError::into_error)?.into_inner();
        Ok((log.origin, log.size))
    }

    /// The bytes of one entry, and the hash of its proof part if it has one.
    pub(crate) async fn entry(&self, index: u64) -> Result<(Vec<u8>, Option<ProofHash>), WalletError> {
        let call =
            |channel| async move { LedgerServiceClient::new(channel).get_entry(GetEntryRequest { index }).await };
        let entry = self.call(call).await.map_err(CallError::into_error)?.into_inner().entry;
        let entry = entry.filter(|entry| entry.index == index);
        let entry = entry.ok_or_else(|| malformed(self.server, "another entry than the one asked for"))?;
        let proof_hash = proof_hash(self.server, &entry)?;
        Ok((entry.entry, proof_hash))
    }

    /// The note of the newest checkpoint that so many witnesses have cosigned.
    pub(crate) async fn checkpoint(&self, cosignatures: usize) -> Result<String, WalletError> {
        let cosignatures = u32::try_from(cosignatures).unwrap_or(u32::MAX);
        let call = |channel| async move {
            LedgerServiceClient::new(channel).get_checkpoint(GetCheckpointRequest { cosignatures }).await
        };
        match self.call(call).await {
            Ok(checkpoint) => Ok(checkpoint.into_inner().note),
            Err(error) if error.failure.reason == ErrorReason::CheckpointUnknown => {
                Err(WalletError::NotSignedYet { server: self.server })
            }
            Err(error) => Err(error.into_error()),
        }
    }

    /// The bytes of a tile.
    pub(crate) async fn tile(&self, path: TilePath) -> Result<Vec<u8>, WalletError> {
        let path = path.to_string();
        let call = |channel| {
            let path = path.clone();
            async move {
                let mut client = LedgerServiceClient::new(channel).max_decoding_message_size(TILE_BYTES_MAX);
                client.get_tile(GetTileRequest { path }).await
            }
        };
        Ok(self.call(call).await.map_err(CallError::into_error)?.into_inner().data)
    }

    /// Streams the log from an index to its end; of payments only those of a bucket, if one is given with its bits.
    pub(crate) async fn entries(&self, from_index: u64, bucket: Option<(u32, u32)>) -> Result<Entries, WalletError> {
        let bucket = bucket.map(|(bucket, bits)| BucketFilter { bucket, bits });
        let call = |channel| async move {
            let request = StreamEntriesRequest { from_index, bucket, follow: false, proofs: false };
            LedgerServiceClient::new(channel).stream_entries(request).await
        };
        let stream = self.call(call).await.map_err(CallError::into_error)?.into_inner();
        Ok(Entries { server: self.server, stream, next: from_index, patience: self.patience() })
    }
}

fn malformed(server: Server, what: &str) -> WalletError {
    WalletError::Contradiction { server, what: format!("it sent {what}") }
}

/// The hash of an entry's proof part. Its length is fixed, and its presence by the kind of the entry: so a leaf is the leaf of
/// one entry only, and no server can move bytes from an entry into the hash to make it look like another.
pub(crate) type ProofHash = [u8; 32];

fn proof_hash(server: Server, entry: &LogEntry) -> Result<Option<ProofHash>, WalletError> {
    let kind = entry.entry.first().and_then(|code| EntryKind::from_code(*code).ok());
    let hash = entry.proof_hash.as_slice();
    let found = if kind.is_some_and(EntryKind::has_proof) {
        hash.try_into().map(Some).ok()
    } else {
        hash.is_empty().then_some(None)
    };
    found.ok_or_else(|| malformed(server, "an entry with a hash of its proof that cannot be one"))
}

/// A step through the log.
pub(crate) enum Step {
    /// An entry.
    Entry { index: u64, bytes: Vec<u8>, proof_hash: Option<ProofHash> },
    /// The end: everything before this index was sent or left out.
    End(u64),
}

/// A stream of entries, ascending.
pub(crate) struct Entries {
    server: Server,
    stream: Streaming<StreamEntriesResponse>,
    next: u64,
    patience: Duration,
}

impl Entries {
    /// The next step. After [`Step::End`] there is none.
    pub(crate) async fn next(&mut self) -> Result<Step, WalletError> {
        let unreachable = |what: String| WalletError::Unreachable { server: self.server, what };
        let step = match tokio::time::timeout(self.patience, self.stream.message()).await {
            Err(_) => return Err(unreachable("the stream of entries has stopped".to_owned())),
            Ok(Err(status)) => return Err(unreachable(Failure::from(status).message)),
            Ok(Ok(step)) => step.and_then(|step| step.item),
        };
        match step {
            None => Err(unreachable("the stream of entries ended too early".to_owned())),
            Some(Item::Entry(entry)) if entry.index >= self.next => {
                self.next = entry.index.saturating_add(1);
                let proof_hash = proof_hash(self.server, &entry)?;
                Ok(Step::Entry { index: entry.index, bytes: entry.entry, proof_hash })
            }
            Some(Item::CaughtUpTo(end)) if end >= self.next => Ok(Step::End(end)),
            Some(_) => Err(malformed(self.server, "log entries out of order")),
        }
    }
}
