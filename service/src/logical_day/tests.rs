#![allow(clippy::unwrap_used)]

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::clock::{ManualClock, date_to_day};

const HOUR: u64 = 3_600;

fn luxembourg() -> TimeZone {
    TimeZone::get("Europe/Luxembourg").unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn day(date: &str) -> u32 {
    date_to_day(date).unwrap()
}

fn clock(text: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at(text)))
}

/// A server that starts with the store in `dir`.
async fn start(dir: &Path, clock: &Arc<ManualClock>, accepted: Option<u32>) -> Result<LogicalDay, DayError> {
    let (store, _) = Store::open(dir).unwrap();
    let day = LogicalDay::start(store.clone(), clock.clone(), luxembourg(), accepted).await;
    if day.is_err() {
        store.close().await;
    }
    day
}

async fn stop(day: LogicalDay) {
    day.store.close().await;
}

#[tokio::test]
async fn the_first_start_takes_the_day_of_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T09:00:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let today = day("2026-11-20");
    assert_eq!(logical.today(), today);
    assert!(logical.accepts(today));
    assert!(!logical.accepts(today - 1), "there was no day before");
    assert!(!logical.accepts(today + 1));
}

#[tokio::test]
async fn around_midnight_the_day_before_has_one_hour() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T22:59:59Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let friday = day("2026-11-20");
    assert_eq!(logical.advance().await.unwrap(), friday);

    clock.pass(Duration::from_secs(1));
    assert!(!logical.accepts(friday + 1), "only once it is written");
    assert_eq!(logical.advance().await.unwrap(), friday + 1);
    assert!(logical.accepts(friday) && logical.accepts(friday + 1));
    assert!(!logical.accepts(friday - 1) && !logical.accepts(friday + 2));

    clock.pass(Duration::from_secs(HOUR - 1));
    assert!(logical.accepts(friday));
    clock.pass(Duration::from_secs(1));
    assert!(!logical.accepts(friday));
    assert!(logical.accepts(friday + 1));
}

#[tokio::test]
async fn the_first_hour_runs_from_the_advance_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T12:00:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let friday = day("2026-11-20");
    stop(logical).await;

    // Down over midnight: the hour begins when the server advances, at ten in the morning.
    clock.pass(Duration::from_secs(21 * HOUR));
    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert_eq!(logical.today(), friday + 1);
    clock.pass(Duration::from_secs(HOUR / 2));
    stop(logical).await;

    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert!(logical.accepts(friday));
    clock.pass(Duration::from_secs(HOUR / 2 - 1));
    assert!(logical.accepts(friday));
    clock.pass(Duration::from_secs(1));
    assert!(!logical.accepts(friday));
    stop(logical).await;

    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert!(!logical.accepts(friday), "the hour is not given again");
}

#[tokio::test]
async fn a_clock_that_goes_back_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T23:30:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let today = day("2026-11-21");
    assert_eq!(logical.today(), today);
    clock.set(at("2026-11-19T12:00:00Z"));
    assert_eq!(logical.advance().await.unwrap(), today);
    stop(logical).await;

    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert_eq!(logical.today(), today);
    assert!(!logical.accepts(today - 1) && logical.accepts(today));
    assert_eq!(logical.advance().await.unwrap(), today);
    // The wall clock comes past that day again, by itself.
    clock.pass(Duration::from_secs(60 * HOUR));
    assert_eq!(logical.advance().await.unwrap(), day("2026-11-22"));
}

#[tokio::test]
async fn a_clock_that_went_back_over_a_restart_does_not_give_the_hour_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T22:30:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let friday = day("2026-11-20");
    clock.pass(Duration::from_secs(HOUR));
    assert_eq!(logical.advance().await.unwrap(), friday + 1);
    assert!(logical.accepts(friday));
    stop(logical).await;
    clock.set(at("2026-11-20T22:30:00Z"));
    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert_eq!(logical.today(), friday + 1);
    assert!(!logical.accepts(friday));
}

#[tokio::test]
async fn a_long_jump_at_the_start_waits_for_the_operator() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T12:00:00Z");
    stop(start(dir.path(), &clock, None).await.unwrap()).await;

    clock.pass(Duration::from_secs(7 * 24 * HOUR));
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let last = day("2026-11-27");
    assert_eq!(logical.today(), last);
    stop(logical).await;

    clock.pass(Duration::from_secs(8 * 24 * HOUR));
    let shown = day("2026-12-05");
    for accepted in [None, Some(shown - 1), Some(shown + 1)] {
        let refused = start(dir.path(), &clock, accepted).await.err().unwrap();
        assert!(refused.to_string().ends_with("--accept-day 2026-12-05"));
        assert!(matches!(refused, DayError::Jump { last: l, clock: c } if (l, c) == (last, shown)));
    }
    let logical = start(dir.path(), &clock, Some(shown)).await.unwrap();
    assert_eq!(logical.today(), shown);
    assert!(logical.accepts(shown - 1), "its first hour");
}

#[tokio::test]
async fn a_clock_set_forward_while_running_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T12:00:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let friday = day("2026-11-20");

    // Half a day forward: the wall shows Saturday.
    clock.set(at("2026-11-21T00:00:00Z"));
    let refused = logical.advance().await.unwrap_err();
    assert!(refused.to_string().contains("--accept-day 2026-11-21"));
    assert!(matches!(refused, DayError::Ahead { seconds, .. } if seconds == 43_200));
    assert_eq!(logical.today(), friday);

    // The day comes by the monotonic clock: 11 hours to midnight, less the tolerance.
    clock.pass(Duration::from_secs(11 * HOUR - 301));
    assert!(logical.advance().await.is_err());
    clock.pass(Duration::from_secs(1));
    assert_eq!(logical.advance().await.unwrap(), friday + 1);

    // A restart takes the clock's word, within a week.
    clock.set(at("2026-11-24T12:00:00Z"));
    assert!(logical.advance().await.is_err());
    stop(logical).await;
    let logical = start(dir.path(), &clock, None).await.unwrap();
    assert_eq!(logical.today(), day("2026-11-24"));
}

#[tokio::test]
async fn a_small_correction_by_a_time_server_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T22:55:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    clock.set(at("2026-11-20T23:00:00Z"));
    assert_eq!(logical.advance().await.unwrap(), day("2026-11-21"));
}

#[tokio::test]
async fn days_have_23_or_25_hours_when_the_clocks_change() {
    for (start_at, hours, next) in [
        // Midnight in Luxembourg is at 23:00 before and at 22:00 after the change of 2026-03-29.
        ("2026-03-28T23:00:00Z", 23, "2026-03-30"),
        ("2026-10-24T22:00:00Z", 25, "2026-10-26"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock(start_at);
        let logical = start(dir.path(), &clock, None).await.unwrap();
        assert_eq!(logical.today(), day(next) - 1);
        clock.pass(Duration::from_secs(hours * HOUR - 1));
        assert_eq!(logical.advance().await.unwrap(), day(next) - 1);
        clock.pass(Duration::from_secs(1));
        assert_eq!(logical.advance().await.unwrap(), day(next));
    }
}

#[tokio::test]
async fn two_servers_on_one_store_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let clock = clock("2026-11-20T22:30:00Z");
    let open = || LogicalDay::start(store.clone(), clock.clone(), luxembourg(), None);
    let (first, second) = (open().await.unwrap(), open().await.unwrap());
    clock.pass(Duration::from_secs(HOUR));
    let friday = day("2026-11-20");
    assert_eq!(first.advance().await.unwrap(), friday + 1);
    clock.pass(Duration::from_secs(HOUR / 2));
    assert_eq!(second.advance().await.unwrap(), friday + 1);
    clock.pass(Duration::from_secs(HOUR / 2));
    assert!(!second.accepts(friday), "the hour runs from the first write");
}

#[tokio::test]
async fn a_damaged_record_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    for bytes in [&b""[..], b"day", &[0; 11], &[0; 13]] {
        let written = store.commit(Batch::new().put(SPACE, KEY, bytes)).await;
        assert!(matches!(written, Ok(Outcome::Applied { .. })));
        let clock = clock("2026-11-20T12:00:00Z");
        let started = LogicalDay::start(store.clone(), clock, luxembourg(), None).await;
        assert!(matches!(started, Err(DayError::Damaged)));
    }
}

#[tokio::test]
async fn keeping_the_day_ends_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T12:00:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    clock.pass(Duration::from_secs(12 * HOUR));
    let shutdown = CancellationToken::new();
    let keeper = logical.keep(shutdown.clone());
    let watcher = async {
        while logical.today() != day("2026-11-21") {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
    };
    tokio::join!(keeper, watcher);
    assert_eq!(logical.today(), day("2026-11-21"));
}

#[tokio::test]
async fn a_batch_behind_the_fence_of_a_day_that_is_over_is_not_applied() {
    const ENTRIES: Space = Space("entries");
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-11-20T12:00:00Z");
    let logical = start(dir.path(), &clock, None).await.unwrap();
    let fence = logical.fence();
    assert_eq!(fence.day(), day("2026-11-20"));
    let batch = |fence: DayFence| fence.guard(Batch::new().put(ENTRIES, "key", "value"));
    let outcome = logical.store.commit(batch(fence)).await.unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }) && !DayFence::is_over(&outcome));

    clock.pass(Duration::from_secs(24 * HOUR));
    logical.advance().await.unwrap();
    assert!(DayFence::is_over(&logical.store.commit(batch(fence)).await.unwrap()));
    let outcome = logical.store.commit(batch(logical.fence())).await.unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }));
    stop(logical).await;
}
