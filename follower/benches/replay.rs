//! How many payments a second one core verifies: read, compared with the signed tree, judged, all proofs checked, and written
//! to the copy. Prints figures; run it on one core, with `just bench-follower` or
//! `taskset -c 0 cargo bench -p farthing-follower`. Time of the processor is counted, so other programs do not disturb it.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[path = "../tests/logs/plan.rs"]
mod plan;
#[path = "../tests/logs/served.rs"]
mod served;
#[path = "../../ecash/tests/town/town.rs"]
mod town;

use std::time::{Duration, Instant};

use crate::{
    plan::Writer,
    served::{World, close},
};

/// Payments in the log, unless the environment says otherwise.
const PAYMENTS: usize = 2_000;

/// Time of the processor that this program has used; `None` where the system does not tell.
fn used() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in parentheses: state is the first field, user time the twelfth, system time the thirteenth, in ticks.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn main() {
    let payments = std::env::var("PAYMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(PAYMENTS);
    let mut writer = Writer::new("bench");
    let alice = writer.town.register("alice@bank.example");
    let bob = writer.town.register("bob@bank.example");
    let mut coin = writer.town.withdraw(&alice, 1_000_000_000);
    writer.cut();
    for _ in 0..payments {
        coin = writer.town.pay(&alice, [&coin], &bob, 1_000).change;
    }
    let signed = writer.end().sign();
    let world = World::new(&signed);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut follower = world.follower().await;
        let (clock, before) = (Instant::now(), used());
        follower.follow().await.unwrap();
        let (wall, spent) = (clock.elapsed(), used().zip(before).map(|(now, before)| now - before));
        let rate = |time: Duration| payments as f64 / time.as_secs_f64();
        println!("{payments} payments verified in {wall:.2?}: {:.0} a second", rate(wall));
        if let Some(spent) = spent {
            println!("{spent:.2?} of the processor: {:.0} a second and core", rate(spent));
        }
        close(follower).await;
    });
}
