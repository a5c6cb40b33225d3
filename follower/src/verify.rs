//! Verifying a whole copy again, from the first entry: as if it were read from a server.

use std::sync::Arc;

use farthing_ledger::{hash::Hash, history, note::SignedNote, proof::ConsistencyProof, tile, view::TreeView};
use farthing_service::clock::SystemClock;
use farthing_store::LogRecord;

use crate::{
    config::Config,
    copy::{Copy, CopyError},
    error::RunError,
    follower::{Follower, Upstream},
    log::Log,
    source::{Fetched, Source, SourceError, tiles},
};

/// Reads a log from a copy.
pub struct CopySource {
    copy: Copy,
    log: Log,
    view: TreeView,
}

impl CopySource {
    /// Reads what is in a copy now.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn open(copy: Copy, log: Log) -> Result<Self, CopyError> {
        let view = TreeView::new(copy.store().clone(), log.name(), Arc::new(copy.edge(log).await?));
        Ok(Self { copy, log, view })
    }
}

#[tonic::async_trait]
impl Source for CopySource {
    fn name(&self) -> String {
        "the copy".to_owned()
    }

    async fn cosigned(&self, _: usize) -> Result<Option<String>, SourceError> {
        Ok(None)
    }

    async fn checkpoints(&self, above: u64) -> Result<Vec<String>, SourceError> {
        let listed = history::list(self.copy.store(), self.log.name(), above, 64).await;
        listed.map_err(|error| SourceError::Unreachable(error.to_string()))
    }

    async fn entries(&self, from: u64, count: usize) -> Result<Vec<Fetched>, SourceError> {
        let read = self.copy.store().log_read(self.log.name(), from, count).await;
        let fetched = |LogRecord { entry, proof, .. }| Fetched { entry, proof };
        let read = read.map_err(|error| SourceError::Unreachable(error.to_string()))?;
        Ok(read.into_iter().map(fetched).collect())
    }

    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, SourceError> {
        let mut leaves = Vec::new();
        for (path, skipped) in tiles(from, to) {
            let data = self.view.tile(path).await.map_err(|error| SourceError::Unreachable(error.to_string()))?;
            leaves.extend(tile::decode_hashes(&data).unwrap_or_default().into_iter().skip(skipped));
        }
        Ok(leaves)
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, SourceError> {
        self.view.consistency_proof(from, to).await.map_err(|error| SourceError::Unreachable(error.to_string()))
    }

    async fn hand_back(&self, _: &SignedNote) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Verifies the copy. Returns what to tell the operator.
///
/// # Errors
/// [`RunError::Follow`] with what is wrong.
pub async fn verify(config: &Config) -> Result<String, RunError> {
    let copy = Copy::open(&config.store_dir())?;
    let fresh = config.data_dir.join("verifying");
    let fault = |path: &std::path::Path| RunError::io(path.to_path_buf());
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(fault(&fresh))?;
    }
    let upstream = async |log| {
        let source = Arc::new(CopySource::open(copy.clone(), log).await?);
        Ok::<_, RunError>(Upstream { source, key: config.verifier_key(log)?, is_mirror: true, hand_back: None })
    };
    let (issuance, payments) = (upstream(Log::Issuance).await?, upstream(Log::Payments).await?);
    let again = Copy::open(&fresh)?;
    let setting = config.setting(Arc::new(SystemClock::default()))?;
    let mut follower = Follower::open(again.clone(), issuance, payments, setting).await?;
    let followed = follower.follow().await;
    let (issued, paid) = (follower.books().issuance.checkpoint, follower.books().payments.checkpoint);
    drop(follower);
    again.store().clone().close().await;
    std::fs::remove_dir_all(&fresh).map_err(fault(&fresh))?;
    followed?;
    Ok(format!("verified: {issued} entries of the issuance log, {paid} of the payments log\n"))
}
