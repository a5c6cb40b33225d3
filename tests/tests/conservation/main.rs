//! Money: over random histories of all that owners, operators and time do, with requests and answers lost on the way, and wallets
//! and servers killed at any moment, what was credited is what is in accounts, coins, notes on their way, and fees. Always, and
//! of each purpose.
//!
//! `FARTHING_SEED=n` takes the history of one seed again; `FARTHING_LONG=1` takes many, of fresh seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod audit;
mod books;
mod finish;
mod history;
mod purse;
mod terms;
mod world;

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use farthing_wallet::RequestId;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use tokio::task::JoinSet;

use self::{
    history::{Mishap, Step},
    world::World,
};

/// The seeds of a short run: always the same histories.
const SEEDS: [u64; 2] = [1, 2];
/// So many histories are taken at once: most of their time they wait for servers that sign and look at files now and then.
const AT_ONCE: usize = 2;
/// How many of a long one.
const LONG: usize = 60;
/// Steps of a history.
const STEPS: usize = 28;

/// Tells which history it was when a test fails.
struct Taken {
    seed: u64,
    history: Vec<(Step, Mishap)>,
    taken: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut told = format!("FARTHING_SEED={} takes this history again:\n", self.seed);
            for (place, (step, mishap)) in self.history.iter().enumerate() {
                let mark = if place == self.taken { "=>" } else { "  " };
                let _ = writeln!(told, "{mark} {place:3} {step:?} {mishap:?}");
            }
            let _ = std::io::stderr().write_all(told.as_bytes());
        }
    }
}

fn history(seed: u64) -> Vec<(Step, Mishap)> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    history::histories(STEPS).new_tree(&mut runner).unwrap().current()
}

async fn live(seed: u64) -> BTreeMap<String, u64> {
    let mut taken = Taken { seed, history: history(seed), taken: 0 };
    let mut world = World::new().await;
    world.begin_life().await;
    for place in (0..taken.history.len()).step_by(2) {
        taken.taken = place;
        let end = taken.history.len().min(place + 2);
        let steps = taken.history[place..end].to_vec();
        world.take(&steps).await;
        if end == taken.history.len() / 2 {
            world.settle_and_count().await;
            // Not the newcomer: what was paid to it by links is not found without them.
            world.restore("the middle", &[1]).await;
        }
    }
    taken.taken = taken.history.len();
    world.end_life().await;
    world.tried()
}

async fn live_together(seeds: &[u64]) -> Vec<(String, u64)> {
    let mut lives: JoinSet<_> = seeds.iter().map(|seed| live(*seed)).collect();
    let mut tried = Vec::new();
    while let Some(ended) = lives.join_next().await {
        tried.extend(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    tried
}

#[test]
fn credited_is_held_plus_on_its_way_plus_fees() {
    let seeds = match std::env::var("FARTHING_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) if std::env::var("FARTHING_LONG").is_ok() => (0..LONG).map(|_| fresh_seed()).collect(),
        Err(_) => SEEDS.to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut total: BTreeMap<String, u64> = BTreeMap::new();
    for seeds in seeds.chunks(AT_ONCE) {
        for (what, count) in runtime.block_on(live_together(seeds)) {
            *total.entry(what).or_default() += count;
        }
    }
    eprintln!("{total:?}");
    if std::env::var("FARTHING_SEED").is_ok() {
        return;
    }
    // A world in which nothing succeeds conserves money too.
    let statements =
        ["Register", "Withdraw", "Pay", "Claim", "Redeem", "Swap", "Split", "SplitExpired", "Refund", "Renew"];
    for what in statements.into_iter().chain(["older keys", "meals", "links", "requests", "replayed", "lost", "killed"])
    {
        assert!(total.get(what).is_some_and(|count| *count > 0), "no {what} was tried: {total:?}");
    }
}

fn fresh_seed() -> u64 {
    let [a, b, c, d, ..] = *RequestId::random().as_bytes();
    u64::from(u32::from_le_bytes([a, b, c, d]))
}
