//! Half of the proofs are bad: what honest payments are left with, of the half that is theirs.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use crate::{
    Effort, Failure,
    end_to_end::{AT_ONCE, Stage},
    measure::median,
    pool::{Pool, spoilt},
    table::Table,
    world::World,
};

/// Bad payments, sent again and again.
const BAD: usize = 256;

pub(crate) fn measure(table: &mut Table, world: &World, pool: &Pool, effort: Effort) -> Result<(), Failure> {
    let mut stage = Stage::new(world)?;
    let address = stage.redeemer.address;
    let bad = pool.payments.iter().rev().take(BAD).map(|payment| spoilt(payment)).collect::<Result<Vec<_>, _>>()?;
    let honest = &pool.payments[..pool.payments.len() - BAD.min(pool.payments.len() / 2)];
    let mixed: Vec<_> =
        honest.iter().zip(bad.iter().cycle()).flat_map(|pair| [pair.0.clone(), pair.1.clone()]).collect();
    let (mut alone, mut together, mut apart, mut flooded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=effort.runs {
        let good = stage.generator.send_all(address, honest, AT_ONCE)?;
        good.all_accepted()?;
        stage.redeemer.forget(&pool.file)?;

        // From one address, so that nothing but the proofs tells good from bad: one request good, one bad.
        let both = stage.generator.send_all(address, &mixed, AT_ONCE)?;
        stage.redeemer.forget(&pool.file)?;

        // From two addresses: as many good requests on their way as bad ones.
        let offender = stage.generator.relay(address, SocketAddr::from(([127, 0, 0, 2], 0)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let flood = stage.generator.flood(offender, &bad, AT_ONCE / 2, &stop)?;
        let begin = Instant::now();
        let beside = stage.generator.send_all(address, honest, AT_ONCE / 2)?;
        beside.all_accepted()?;
        let sent = flood.sent() as f64 / begin.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        drop(flood);
        stage.redeemer.forget(&pool.file)?;
        if round > 0 {
            alone.push(good.accepted_per_s());
            together.push(both.accepted_per_s());
            apart.push(beside.accepted_per_s());
            flooded.push(sent);
        }
    }
    let [alone, together, apart, flooded] = [alone, together, apart, flooded].map(median);
    let share = alone / 2.0;
    table.part("A flood of bad proofs, half of all requests");
    table.row("honest_alone_per_s", "payments a second without it", alone, "1/s");
    let to = "half of the rate without it";
    let keys = ("honest_in_flood_per_s", "bad_flood_share");
    table.ratio(keys, "honest ones, all from one address", together, "1/s", together / share, to);
    let keys = ("honest_beside_flood_per_s", "bad_flood_apart_share");
    table.ratio(keys, "honest ones, the flood from another address", apart, "1/s", apart / share, to);
    table.row("flood_per_s", "bad ones answered meanwhile", flooded, "1/s");
    Ok(())
}
