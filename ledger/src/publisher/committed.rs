//! The last checkpoint as it is stored.

use super::PublishError;
use crate::{checkpoint::SignedCheckpoint, key::VerifierKey, view::ViewError};

/// The last checkpoint and what belongs to it.
pub(super) struct Committed {
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) state: Vec<u8>,
    /// As it is stored: u32 little-endian length and text of the note, then the subject's state.
    pub(super) record: Vec<u8>,
}

impl Committed {
    pub(super) fn new(checkpoint: SignedCheckpoint, state: Vec<u8>) -> Self {
        let note = checkpoint.note().to_string();
        let length = u32::try_from(note.len()).unwrap_or(u32::MAX).to_le_bytes();
        let record = [&length[..], note.as_bytes(), &state].concat();
        Self { checkpoint, state, record }
    }

    pub(super) fn read(record: Vec<u8>, key: &VerifierKey) -> Result<Self, PublishError> {
        let damaged = || PublishError::View(ViewError::Damaged("the last checkpoint"));
        let (length, rest) = record.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (note, state) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let note = std::str::from_utf8(note).map_err(|_| damaged())?;
        let checkpoint = SignedCheckpoint::open(note, key)
            .map_err(|error| PublishError::NotOurs { place: "the store".to_owned(), error })?;
        let state = state.to_vec();
        Ok(Self { checkpoint, state, record })
    }

    pub(super) fn size(&self) -> u64 {
        self.checkpoint.head().size
    }
}
