//! The validity calendars' places in the log (docs/PROTOCOL.md section 5).

use farthing_ecash::{
    entry::{Entry, EntryKind},
    validity::{Calendars, ValidityCalendar},
};
use farthing_store::{Batch, Outcome, Space, Store};

use crate::{
    error::{IssuerError, RunError},
    issuance::{ISSUANCE, IssuanceLog},
};

/// Number of the calendar, u32 big-endian, from 0 → its index in the log, u64 little-endian.
const CALENDARS: Space = Space("calendar");

/// Where stores of earlier versions have the index of the only calendar.
const ONLY: &[u8] = b"newest";

/// Writes the calendar to the log unless the newest one there is the same. Gives all that the log has.
pub(crate) async fn announce(log: &IssuanceLog, calendar: ValidityCalendar) -> Result<Calendars, RunError> {
    let before = announced(log.store()).await?;
    if before.newest() == Some(calendar) {
        return Ok(before);
    }
    let number = u32::try_from(before.indices().count()).map_err(|_| IssuerError::damaged())?.to_be_bytes();
    let outcome = log.commit(|day| {
        let entry = Entry::new(EntryKind::Calendar, day, calendar.to_bytes()).map_err(|_| IssuerError::damaged())?;
        let batch = Batch::new().expect_absent(CALENDARS, number);
        Ok(batch.append(ISSUANCE, entry.to_bytes(), Vec::new(), Some((CALENDARS, number.to_vec()))))
    });
    match outcome.await? {
        Outcome::Applied { .. } => {
            tracing::info!(months = calendar.months(), "announced a validity calendar");
            Ok(announced(log.store()).await?)
        }
        // Nobody else writes to the store before the issuer serves.
        Outcome::Conflict { .. } => Err(IssuerError::damaged().into()),
        Outcome::Unknown => Err(IssuerError::OutcomeUnknown.into()),
    }
}

async fn announced(store: &Store) -> Result<Calendars, IssuerError> {
    let mut calendars = Calendars::default();
    for number in 0_u32.. {
        let index = match store.get(CALENDARS, &number.to_be_bytes()).await? {
            None if number == 0 => store.get(CALENDARS, ONLY).await?,
            index => index,
        };
        let Some(index) = index else { break };
        let index = u64::from_le_bytes(index.try_into().map_err(|_| IssuerError::damaged())?);
        let record = store.log_read(ISSUANCE, index, 1).await?.pop().ok_or_else(IssuerError::damaged)?;
        let entry = Entry::from_bytes(&record.entry).map_err(|_| IssuerError::damaged())?;
        let calendar = ValidityCalendar::from_bytes(entry.body()).map_err(|_| IssuerError::damaged())?;
        calendars.insert(index, entry.day(), calendar);
    }
    Ok(calendars)
}
