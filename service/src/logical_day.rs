//! The logical day of docs/PROTOCOL.md section 7: durable, and never going back.
//!
//! Caps are counted by days, so a day that came back would fill them anew. The day is the greatest that the wall clock ever
//! showed, written down before it is used. Two things are not believed without the operator: at the start a clock more than
//! [`JUMP_DAYS_MAX`] days ahead of the last day, and at run time a wall clock that runs ahead of the monotonic one. A clock
//! that goes back changes nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use farthing_store::{Batch, Outcome, Space, Store, StoreError};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, civil_day, day_to_date, next_midnight};

/// Days by which the clock may have moved on while the server was down. More than this is confirmed by the operator.
pub const JUMP_DAYS_MAX: u32 = 7;

/// Seconds by which the wall clock may run ahead of the monotonic clock since the start. A time server corrects a clock by
/// less; who sets it by more has to restart the server, or wait for the day to come by the monotonic clock.
pub const AHEAD_SECONDS_MAX: i64 = 300;

/// How long statements of the day before are accepted, from the advance of the logical day.
pub const FIRST_HOUR: Duration = Duration::from_secs(3_600);

/// The clock is looked at least this often, since it may be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const SPACE: Space = Space("logical-day");
const KEY: &[u8] = b"day";

/// The logical day of one server.
pub struct LogicalDay {
    store: Store,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
    started: Started,
    current: Mutex<Current>,
    /// Advances wait for each other.
    advancing: tokio::sync::Mutex<()>,
}

/// Both clocks at the start.
struct Started {
    wall: i64,
    monotonic: Duration,
}

/// The day in force.
#[derive(Clone, Copy)]
struct Current {
    record: Record,
    /// End of its first hour, by the monotonic clock.
    first_hour_ends: Duration,
}

/// What is stored: the day as u32, the moment as i64, little-endian.
#[derive(Clone, Copy)]
struct Record {
    day: u32,
    /// When the day was advanced to, by the wall clock. `None` for the first day ever, which has no day before.
    advanced_at: Option<i64>,
}

/// Why the day is not what the clock says, or not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DayError {
    /// At the start the clock is far ahead of the last day.
    #[error(
        "the clock shows {}, but the last day here was {}: if the clock is right, start with --accept-day {}",
        day_to_date(*clock), day_to_date(*last), day_to_date(*clock)
    )]
    Jump {
        /// The last logical day.
        last: u32,
        /// The day by the wall clock.
        clock: u32,
    },
    /// The wall clock was set forward while the server ran.
    #[error(
        "the wall clock shows {} and runs {seconds} s ahead of the monotonic clock; the day stays {}: \
         if the clock is right, restart with --accept-day {}",
        day_to_date(*clock), day_to_date(*last), day_to_date(*clock)
    )]
    Ahead {
        /// The logical day, which stays.
        last: u32,
        /// The day by the wall clock.
        clock: u32,
        /// How far the wall clock is ahead.
        seconds: i64,
    },
    /// The store failed.
    #[error("cannot store the logical day: {0}")]
    Store(#[from] StoreError),
    /// The store does not know whether the day was written. It is tried again.
    #[error("the store does not know whether the logical day was written")]
    Unknown,
    /// What is stored is no day.
    #[error("the stored logical day is damaged: verify the store")]
    Damaged,
}

impl LogicalDay {
    /// Takes up the stored day, and advances it to that of the clock. The first start ever takes the day of the clock.
    ///
    /// `accepted` is the operator's word that this is today: the option `--accept-day`. It counts only when the clock shows
    /// the same.
    ///
    /// # Errors
    /// [`DayError::Jump`] when the operator has to confirm the clock; otherwise those of the store.
    pub async fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        zone: TimeZone,
        accepted: Option<u32>,
    ) -> Result<Self, DayError> {
        let started = Started { wall: clock.unix_seconds(), monotonic: clock.monotonic() };
        let shown = civil_day(started.wall, &zone);
        let record = first_record(&store, shown).await?;
        let ahead = shown.saturating_sub(record.day);
        if ahead > JUMP_DAYS_MAX && accepted != Some(shown) {
            let (last, clock) = (record.day, shown);
            return Err(DayError::Jump { last, clock });
        }
        if shown < record.day {
            let (shown, day) = (day_to_date(shown), day_to_date(record.day));
            tracing::warn!(shown, day, "the clock is behind the logical day, which stays");
        }
        let day = Self {
            current: Mutex::new(resumed(record, clock.as_ref())),
            store,
            clock,
            zone,
            started,
            advancing: tokio::sync::Mutex::new(()),
        };
        day.advance().await?;
        Ok(day)
    }

    /// The logical day, counted from 1970-01-01.
    pub fn today(&self) -> u32 {
        self.current().record.day
    }

    /// Whether a statement of this day is accepted now: one of the logical day, or, in the first hour from its advance, of
    /// the day before.
    pub fn accepts(&self, statement_day: u32) -> bool {
        let current = *self.current();
        let day = current.record.day;
        statement_day == day
            || (statement_day.checked_add(1) == Some(day) && self.clock.monotonic() < current.first_hour_ends)
    }

    /// The logical day as something that a batch can depend on.
    pub fn fence(&self) -> DayFence {
        DayFence(self.current().record)
    }

    /// Looks at the clock and advances the day when it is over, durably before anybody sees the new one. Returns the logical
    /// day.
    ///
    /// # Errors
    /// [`DayError::Ahead`] when the wall clock shows a later day that it has not come to by itself; otherwise those of the
    /// store. The day then stays as it is.
    pub async fn advance(&self) -> Result<u32, DayError> {
        let _alone = self.advancing.lock().await;
        let wall = self.clock.unix_seconds();
        let monotonic = self.clock.monotonic();
        let passed = monotonic.saturating_sub(self.started.monotonic).as_secs();
        let expected = self.started.wall.saturating_add_unsigned(passed);
        let believed = wall.min(expected.saturating_add(AHEAD_SECONDS_MAX));

        let record = Record { day: civil_day(believed, &self.zone), advanced_at: Some(believed) };
        while self.today() < record.day {
            self.write(record, monotonic).await?;
        }
        let (last, clock) = (self.today(), civil_day(wall, &self.zone));
        if last < clock {
            let seconds = wall.saturating_sub(expected);
            return Err(DayError::Ahead { last, clock, seconds });
        }
        Ok(last)
    }

    /// Advances the day at every midnight until the shutdown. What goes wrong is logged, and tried again.
    pub async fn keep(&self, shutdown: CancellationToken) {
        let mut trouble = None;
        loop {
            let found = self.advance().await.err().map(|error| error.to_string());
            if let Some(error) = &found
                && trouble.is_none()
            {
                tracing::error!(error, "the logical day cannot be advanced");
            }
            trouble = found;
            let pause = tokio::time::sleep(self.until_next_look());
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    fn until_next_look(&self) -> Duration {
        let now = self.clock.unix_seconds();
        let left = next_midnight(now, &self.zone).saturating_sub(now);
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        left.clamp(Duration::from_secs(1), LOOK_EVERY)
    }

    /// Writes a later day, or takes over the one that somebody else wrote into the same store.
    async fn write(&self, record: Record, monotonic: Duration) -> Result<(), DayError> {
        let before = self.current().record;
        let batch = Batch::new().expect_equals(SPACE, KEY, before.to_bytes()).put(SPACE, KEY, record.to_bytes());
        let current = match self.store.commit(batch).await? {
            Outcome::Applied { .. } => Current { record, first_hour_ends: monotonic.saturating_add(FIRST_HOUR) },
            Outcome::Conflict { existing, .. } => {
                let stored = Record::from_bytes(&existing.ok_or(DayError::Damaged)?)?;
                if stored.day < before.day {
                    return Err(DayError::Damaged);
                }
                resumed(stored, self.clock.as_ref())
            }
            Outcome::Unknown => return Err(DayError::Unknown),
        };
        *self.current() = current;
        tracing::info!(day = day_to_date(current.record.day), "a new logical day");
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A logical day at which a batch can be fenced. The days of a log's entries must not go back, but a batch that was built
/// before midnight may come after one that was built later.
#[derive(Clone, Copy)]
pub struct DayFence(Record);

impl DayFence {
    /// The day, counted from 1970-01-01.
    pub fn day(&self) -> u32 {
        self.0.day
    }

    /// The batch, to be applied only while this is the logical day.
    pub fn guard(&self, batch: Batch) -> Batch {
        batch.expect_equals(SPACE, KEY, self.0.to_bytes())
    }

    /// Whether a guarded batch was not applied because the day has advanced. A moment later [`LogicalDay::fence`] gives the
    /// new day.
    pub fn is_over(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Conflict { space: SPACE, .. })
    }
}

/// The stored record; when there is none, the one of today, stored.
async fn first_record(store: &Store, shown: u32) -> Result<Record, DayError> {
    if let Some(bytes) = store.get(SPACE, KEY).await? {
        return Record::from_bytes(&bytes);
    }
    let record = Record { day: shown, advanced_at: None };
    let batch = Batch::new().expect_absent(SPACE, KEY).put(SPACE, KEY, record.to_bytes());
    match store.commit(batch).await? {
        Outcome::Applied { .. } => Ok(record),
        Outcome::Conflict { existing, .. } => Record::from_bytes(&existing.ok_or(DayError::Damaged)?),
        Outcome::Unknown => Err(DayError::Unknown),
    }
}

/// A stored day, whose first hour runs from the moment that was stored with it. When the clock shows an earlier moment, how
/// much is left cannot be known, and nothing is.
fn resumed(record: Record, clock: &dyn Clock) -> Current {
    let since = record
        .advanced_at
        .and_then(|moment| clock.unix_seconds().checked_sub(moment))
        .and_then(|seconds| u64::try_from(seconds).ok());
    let left = since.map_or(Duration::ZERO, |seconds| FIRST_HOUR.saturating_sub(Duration::from_secs(seconds)));
    Current { record, first_hour_ends: clock.monotonic().saturating_add(left) }
}

impl Record {
    fn to_bytes(self) -> Vec<u8> {
        let moment = self.advanced_at.unwrap_or(i64::MIN);
        [&self.day.to_le_bytes()[..], &moment.to_le_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DayError> {
        let (day, moment) = bytes.split_first_chunk().ok_or(DayError::Damaged)?;
        let moment = i64::from_le_bytes(moment.try_into().map_err(|_| DayError::Damaged)?);
        Ok(Self { day: u32::from_le_bytes(*day), advanced_at: (moment != i64::MIN).then_some(moment) })
    }
}

#[cfg(test)]
mod tests;
