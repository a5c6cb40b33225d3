//! How durable commits fare when a store holds much: commits a second, CPU, memory and the time of a start, with stores of
//! several sizes measured in turns, so that whatever else the machine does falls on all of them.
//!
//! `cargo bench -p farthing-store --bench growth -- [--sizes 100000,1000000] [--committers 64] [--seconds 3] [--rounds 5]
//! [--fill 100] [--dir DIR]`. A store of that size that is already in DIR is used as it is.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use farthing_store::{Batch, LogName, Outcome, Space, Store};

const NULLIFIERS: Space = Space("nullifier");
const IDS: Space = Space("id");
const PAYMENTS: LogName = LogName("payments");
/// A logged payment and its proof part, about as long as they are.
const ENTRY_BYTES: usize = 4_000;
const PROOF_BYTES: usize = 2_000;

struct Settings {
    sizes: Vec<u64>,
    committers: Vec<u64>,
    time: Duration,
    rounds: usize,
    fill: u64,
    dir: PathBuf,
}

fn settings() -> Settings {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|it| it == name).and_then(|at| arguments.get(at + 1)).cloned();
    let numbers = |name, default: &str| -> Vec<u64> {
        value(name).unwrap_or(default.to_owned()).split(',').map(|number| number.parse().unwrap()).collect()
    };
    let dir = std::env::temp_dir().join("farthing-store-growth");
    Settings {
        sizes: numbers("--sizes", "100000,1000000"),
        committers: numbers("--committers", "64"),
        time: Duration::from_secs(numbers("--seconds", "3")[0]),
        rounds: usize::try_from(numbers("--rounds", "5")[0]).unwrap(),
        fill: numbers("--fill", "100")[0],
        dir: value("--dir").map_or(dir, PathBuf::from),
    }
}

fn main() {
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&settings));
}

/// 32 bytes that look random and are different for each number.
fn hash(kind: u64, number: u64) -> [u8; 32] {
    let mut bytes = [[0; 8]; 4];
    let mut state = number.wrapping_mul(4).wrapping_add(kind << 60);
    for word in &mut bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *word = (mixed ^ (mixed >> 31)).to_le_bytes();
    }
    bytes.as_flattened().try_into().unwrap()
}

/// A payment as the redeemer commits it.
fn payment(number: u64, entry: usize, proof: usize) -> Batch {
    let (id, nullifier) = (hash(1, number), hash(2, number));
    let bytes = |length: usize| id.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    Batch::new().expect_absent(IDS, id).expect_absent(NULLIFIERS, nullifier).put(NULLIFIERS, nullifier, id).append(
        PAYMENTS,
        bytes(entry),
        bytes(proof),
        Some((IDS, id.to_vec())),
    )
}

async fn open(dir: &Path) -> Store {
    let (start, cpu) = (Instant::now(), cpu());
    let (store, report) = Store::open(dir).unwrap();
    println!("  start {:.2} s, CPU {:.2} s: {report}", start.elapsed().as_secs_f64(), self::cpu() - cpu);
    store
}

/// Fills a store up to `size` nullifiers, `in_one` commit, eight commits at a time.
async fn fill(store: &Store, size: u64, in_one: u64) {
    let (start, cpu) = (Instant::now(), cpu());
    let first = store.log_size(PAYMENTS).await.unwrap() / in_one;
    let next = Arc::new(AtomicU64::new(first));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed) * in_one;
                if number >= size {
                    return;
                }
                let batch = (number..number + in_one).fold(Batch::new(), |batch, number| {
                    let (id, nullifier) = (hash(1, number), hash(2, number));
                    batch.put(NULLIFIERS, nullifier, id).append(PAYMENTS, b"small", b"", Some((IDS, id.to_vec())))
                });
                assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let (seconds, filled) = (start.elapsed().as_secs_f64(), size.saturating_sub(first * in_one));
    if filled > 0 {
        let micros = (self::cpu() - cpu) * 1e6 / filled as f64;
        println!("  filled {filled} in {seconds:.1} s, {micros:.1} µs of CPU each, {} MB resident", resident_mb());
    }
}

/// Commits a second and CPU seconds a commit.
async fn measure(store: &Store, committers: u64, time: Duration) -> (f64, f64, f64) {
    let next = Arc::new(AtomicU64::new(store.log_size(PAYMENTS).await.unwrap() + (1 << 40)));
    let stop = Arc::new(AtomicBool::new(false));
    let before = store.statistics();
    let (start, cpu) = (Instant::now(), cpu());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..committers {
        let (store, next, stop) = (store.clone(), Arc::clone(&next), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let batch = payment(next.fetch_add(1, Ordering::Relaxed), ENTRY_BYTES, PROOF_BYTES);
                assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
            }
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let after = store.statistics();
    let commits = (after.applied - before.applied) as f64;
    let a_sync = commits / (after.syncs - before.syncs).max(1) as f64;
    (commits / start.elapsed().as_secs_f64(), (self::cpu() - cpu) / commits, a_sync)
}

async fn run(settings: &Settings) {
    let mut stores = Vec::new();
    for size in &settings.sizes {
        println!("{size} nullifiers");
        let dir = settings.dir.join(size.to_string());
        fs::create_dir_all(&dir).unwrap();
        let store = open(&dir).await;
        fill(&store, *size, settings.fill).await;
        let start = Instant::now();
        store.close().await;
        println!("  close {:.2} s", start.elapsed().as_secs_f64());
        let store = open(&dir).await;
        println!("  {} MB resident, all stores so far together", resident_mb());
        stores.push(store);
    }
    for committers in &settings.committers {
        let mut rates = vec![Vec::new(); stores.len()];
        let mut costs = vec![Vec::new(); stores.len()];
        let mut groups = vec![Vec::new(); stores.len()];
        for _ in 0..settings.rounds {
            for (at, store) in stores.iter().enumerate() {
                let (rate, cost, group) = measure(store, *committers, settings.time).await;
                rates[at].push(rate);
                costs[at].push(cost);
                groups[at].push(group);
            }
        }
        println!("{committers} committers, median of {} rounds of {:?}", settings.rounds, settings.time);
        let first = median(&rates[0]);
        for (at, size) in settings.sizes.iter().enumerate() {
            let (rate, cost, group) = (median(&rates[at]), median(&costs[at]) * 1e6, median(&groups[at]));
            let ratio = median(&rates[at].iter().zip(&rates[0]).map(|(it, first)| it / first).collect::<Vec<_>>());
            println!(
                "  {size}: {rate:.0} commits/s ({ratio:.2} of the first, {:.2} of its median), {cost:.0} µs of CPU, {group:.0} in a group",
                rate / first
            );
        }
    }
    println!("{} MB resident", resident_mb());
    for store in stores {
        store.close().await;
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Ticks are hundredths of a second on Linux.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
