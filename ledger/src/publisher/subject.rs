//! What a log says in its checkpoints beside size and root.

use farthing_store::LogRecord;

use crate::{
    checkpoint::{Checkpoint, Spent},
    hash::Hash,
    tree::TreeHead,
};

/// What a log says in its checkpoints beside size and root, and what it has to know of its entries for that.
pub trait Subject: Send + 'static {
    /// Goes back to what it was at the last checkpoint: `state` is what [`Subject::state`] gave then, or `None` before the
    /// first entry.
    ///
    /// # Errors
    /// [`SubjectError::Damaged`] for a state that it did not give.
    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), SubjectError>;

    /// A checkpoint over the first `size` entries is going to be made. Whatever it has to ask others, it asks now.
    fn begin(&mut self, size: u64) -> impl Future<Output = Result<(), SubjectError>> + Send;

    /// The leaf of the next entry, when it has heard of the entry otherwise; then it is not read from the store.
    ///
    /// # Errors
    /// [`SubjectError`].
    fn heard(&mut self, index: u64) -> Result<Option<Hash>, SubjectError>;

    /// Takes note of the next entry.
    ///
    /// # Errors
    /// [`SubjectError`].
    fn entry(&mut self, record: &LogRecord) -> Result<(), SubjectError>;

    /// What the checkpoint with this root says besides.
    ///
    /// # Errors
    /// [`SubjectError::Refused`] when nothing may be signed.
    fn extensions(&mut self, root: &Hash) -> impl Future<Output = Result<Extensions, SubjectError>> + Send;

    /// A checkpoint over the entries that it has been shown was signed before, with extensions that were made then. It is
    /// taken up from the anchor; what it says counts as said.
    fn adopt(&mut self, _checkpoint: &Checkpoint) {}

    /// What has to be known at the next checkpoint.
    fn state(&self) -> Vec<u8>;
}

/// The lines of a checkpoint after the third.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// [`Checkpoint::issuance`].
    pub issuance: Option<TreeHead>,
    /// [`Checkpoint::spent`].
    pub spent: Vec<Spent>,
}

/// Why there is no checkpoint from a subject.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// Something has to be waited for, such as another server.
    #[error("{0}")]
    Waiting(String),
    /// What the entries say must not be signed.
    #[error("{0}")]
    Refused(String),
    /// An entry, or its own state, is not what it wrote.
    #[error("{0} is damaged: verify the store")]
    Damaged(&'static str),
}

/// For a log that says nothing besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Subject for Plain {
    fn restore(&mut self, _: Option<&[u8]>) -> Result<(), SubjectError> {
        Ok(())
    }

    async fn begin(&mut self, _: u64) -> Result<(), SubjectError> {
        Ok(())
    }

    fn heard(&mut self, _: u64) -> Result<Option<Hash>, SubjectError> {
        Ok(None)
    }

    fn entry(&mut self, _: &LogRecord) -> Result<(), SubjectError> {
        Ok(())
    }

    async fn extensions(&mut self, _: &Hash) -> Result<Extensions, SubjectError> {
        Ok(Extensions::default())
    }

    fn state(&self) -> Vec<u8> {
        Vec::new()
    }
}
