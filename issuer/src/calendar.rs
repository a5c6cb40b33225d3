//! The validity calendar's place in the log (docs/PROTOCOL.md section 5).

use farthing_ecash::{
    entry::{Entry, EntryKind},
    validity::ValidityCalendar,
};
use farthing_store::{Batch, Outcome, Space, Store};

use crate::{
    error::{IssuerError, RunError},
    issuance::{ISSUANCE, IssuanceLog},
};

/// [`NEWEST`] → index of the newest calendar in the log, u64 little-endian.
const CALENDARS: Space = Space("calendar");

const NEWEST: &[u8] = b"newest";

/// A validity calendar that everybody can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) calendar: ValidityCalendar,
    /// Index of its entry in the issuance log.
    pub(crate) log_index: u64,
}

impl Announced {
    /// Writes the calendar to the log unless the newest one there is the same.
    pub(crate) async fn announce(log: &IssuanceLog, calendar: ValidityCalendar) -> Result<Self, RunError> {
        let newest = newest(log.store()).await?;
        if let Some(newest) = newest.filter(|newest| newest.calendar == calendar) {
            return Ok(newest);
        }
        let before = newest.map(|newest| newest.log_index.to_le_bytes());
        let outcome = log.commit(|day| {
            let entry =
                Entry::new(EntryKind::Calendar, day, calendar.to_bytes()).map_err(|_| IssuerError::damaged())?;
            let batch = match before {
                Some(index) => Batch::new().expect_equals(CALENDARS, NEWEST, index),
                None => Batch::new().expect_absent(CALENDARS, NEWEST),
            };
            let index_at = Some((CALENDARS, NEWEST.to_vec()));
            Ok(batch.append(ISSUANCE, entry.to_bytes(), Vec::new(), index_at))
        });
        match outcome.await? {
            Outcome::Applied { positions } => {
                let log_index = *positions.first().ok_or_else(IssuerError::damaged)?;
                tracing::info!(months = calendar.months(), "announced a validity calendar");
                Ok(Self { calendar, log_index })
            }
            // Nobody else writes to the store before the issuer serves.
            Outcome::Conflict { .. } => Err(IssuerError::damaged().into()),
            Outcome::Unknown => Err(IssuerError::OutcomeUnknown.into()),
        }
    }
}

async fn newest(store: &Store) -> Result<Option<Announced>, IssuerError> {
    let Some(index) = store.get(CALENDARS, NEWEST).await? else { return Ok(None) };
    let log_index = u64::from_le_bytes(index.try_into().map_err(|_| IssuerError::damaged())?);
    let record = store.log_read(ISSUANCE, log_index, 1).await?.pop().ok_or_else(IssuerError::damaged)?;
    let entry = Entry::from_bytes(&record.entry).map_err(|_| IssuerError::damaged())?;
    let calendar = ValidityCalendar::from_bytes(entry.body()).map_err(|_| IssuerError::damaged())?;
    Ok(Some(Announced { calendar, log_index }))
}
