//! How long things take: as in the bench itself, which is a workspace apart.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// How long this thread has been on a processor; where Linux does not say it, the time of day.
fn processor_time(start: Instant) -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = schedstat.and_then(|line| line.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Prints the processor time of one call in µs: the median of seven runs of at least 150 ms.
pub fn print<T>(key: &str, mut work: impl FnMut() -> T) {
    let start = Instant::now();
    black_box(work());
    let calls = (150_000_000 / start.elapsed().as_nanos().max(1)).clamp(1, 100_000);
    let mut runs: Vec<_> = (0..7)
        .map(|_| {
            let before = processor_time(start);
            (0..calls).for_each(|_| drop(black_box(work())));
            (processor_time(start) - before).as_secs_f64() * 1e6 / calls as f64
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    println!("{key} {}", runs[runs.len() / 2]);
}
