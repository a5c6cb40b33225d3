//! How long things take.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Runs of which the median is taken.
const RUNS: usize = 7;

/// What one run of a small operation takes at least.
const RUN: Duration = Duration::from_millis(150);

/// How long this thread has been on a processor, so that other work on the machine counts for little. Where Linux does not
/// say it, the time of day has to do.
fn processor_time(start: Instant) -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = schedstat.and_then(|line| line.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The processor time of one call in µs: the median of seven runs of at least 150 ms.
pub(crate) fn micros<T>(mut work: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    let calls = (RUN.as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 100_000);
    let runs = (0..RUNS).map(|_| {
        let before = processor_time(start);
        (0..calls).for_each(|_| drop(black_box(work())));
        (processor_time(start) - before).as_secs_f64() * 1e6 / calls as f64
    });
    median(runs)
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of the values lies.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let place = part * values.len().saturating_sub(1) as f64;
    match (values.get(place.floor() as usize), values.get(place.ceil() as usize)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}
