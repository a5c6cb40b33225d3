//! Time, as a thing that is handed in; and the calendar of a time zone.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01T00:00:00Z by the wall clock, which may be set, and may jump.
    fn unix_seconds(&self) -> i64;

    /// Time since some moment before, by a clock that only goes forward, and is not set.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn unix_seconds(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            // Before 1970: a clock that was never set.
            Err(_) => 0,
        }
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that is set by hand, for tests and demonstrations.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(i64, Duration)>,
}

impl ManualClock {
    /// A clock whose wall shows `unix_seconds`.
    pub fn new(unix_seconds: i64) -> Self {
        Self { now: Mutex::new((unix_seconds, Duration::ZERO)) }
    }

    /// Lets time pass: both clocks go forward, by whole seconds.
    pub fn pass(&self, time: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 = now.0.saturating_add_unsigned(time.as_secs());
        now.1 = now.1.saturating_add(Duration::from_secs(time.as_secs()));
    }

    /// Sets the wall clock, as an operator or a time server does; the monotonic clock stays.
    pub fn set(&self, unix_seconds: i64) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 = unix_seconds;
    }
}

impl Clock for ManualClock {
    fn unix_seconds(&self) -> i64 {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// The civil date in a time zone as the number of days since 1970-01-01; 0 before that.
pub fn civil_day(unix_seconds: i64, zone: &TimeZone) -> u32 {
    let days =
        timestamp(unix_seconds).to_zoned(zone.clone()).date().duration_since(civil::date(1970, 1, 1)).as_hours() / 24;
    u32::try_from(days.max(0)).unwrap_or(u32::MAX)
}

/// The moment in which the next civil day begins in a time zone, in seconds since 1970-01-01T00:00:00Z. Where a change of the
/// clocks leaves out midnight, the day begins at its first moment.
pub fn next_midnight(unix_seconds: i64, zone: &TimeZone) -> i64 {
    timestamp(unix_seconds)
        .to_zoned(zone.clone())
        .tomorrow()
        .and_then(|tomorrow| tomorrow.start_of_day())
        .map_or(i64::MAX, |start| start.timestamp().as_second())
}

/// A day counted from 1970-01-01 as YYYY-MM-DD.
pub fn day_to_date(day: u32) -> String {
    let date = civil::date(1970, 1, 1).checked_add(SignedDuration::from_hours(24 * i64::from(day)));
    date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
}

/// Reads YYYY-MM-DD as a day counted from 1970-01-01. `None` when it is no date, or one before.
pub fn date_to_day(date: &str) -> Option<u32> {
    let date: civil::Date = date.parse().ok()?;
    let days = date.duration_since(civil::date(1970, 1, 1)).as_hours() / 24;
    u32::try_from(days).ok()
}

/// The nearest moment that the calendar knows.
fn timestamp(unix_seconds: i64) -> Timestamp {
    Timestamp::from_second(unix_seconds).unwrap_or(if unix_seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let luxembourg = zone("Europe/Luxembourg");
        let day = civil_day(at("2026-11-20T12:00:00Z"), &luxembourg);
        assert_eq!(day, 20_777);
        assert_eq!(civil_day(at("2026-11-20T22:59:59Z"), &luxembourg), day);
        assert_eq!(civil_day(at("2026-11-20T23:00:00Z"), &luxembourg), day + 1);
        assert_eq!(civil_day(at("2026-11-20T23:59:59Z"), &TimeZone::UTC), day);
        // In summer an hour earlier.
        let summer = civil_day(at("2026-07-01T21:59:59Z"), &luxembourg);
        assert_eq!(civil_day(at("2026-07-01T22:00:00Z"), &luxembourg), summer + 1);
    }

    #[test]
    fn the_next_midnight_is_the_first_moment_of_the_next_day() {
        let zones =
            ["UTC", "Europe/Luxembourg", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe"];
        for name in zones {
            let zone = zone(name);
            // Every 7 hours over years in which these zones changed their clocks at midnight or left out a date.
            let mut now = at("2011-01-01T00:00:00Z");
            while now < at("2026-12-31T00:00:00Z") {
                let next = next_midnight(now, &zone);
                assert!(next > now, "{name} {now}");
                assert!(civil_day(next, &zone) > civil_day(now, &zone));
                assert_eq!(civil_day(next - 1, &zone), civil_day(now, &zone));
                now += 7 * 3_600;
            }
        }
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        assert_eq!(day_to_date(20_777), "2026-11-20");
        assert_eq!(date_to_day("2026-11-20"), Some(20_777));
        for text in ["", "2026-02-30", "1969-12-31", "20.11.2026"] {
            assert_eq!(date_to_day(text), None, "{text}");
        }
        assert_eq!(day_to_date(u32::MAX), "day 4294967295");
    }

    #[test]
    fn a_clock_far_off_gives_a_day_and_no_panic() {
        for seconds in [i64::MIN, -1, i64::MAX] {
            let day = civil_day(seconds, &TimeZone::UTC);
            assert!(seconds > 0 || day == 0);
            assert!(next_midnight(seconds, &TimeZone::UTC) >= seconds.max(-400_000_000_000));
        }
    }

    #[test]
    fn a_manual_clock_can_pass_and_be_set() {
        let clock = ManualClock::new(100);
        clock.pass(Duration::from_secs(5));
        clock.set(50);
        assert_eq!(clock.unix_seconds(), 50);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }
}
