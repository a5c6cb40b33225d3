//! The same payments into stores that know more and more nullifiers.

use std::time::Instant;

use crate::{
    Effort, Failure, child::Process, end_to_end::full_load, load::Generator, machine, measure::median, pool::Pool,
    table::Table, world::World,
};

/// Nullifiers stored, with the name of each level.
const LEVELS: [(u64, &str); 3] = [(100_000, "1e5"), (1_000_000, "1e6"), (10_000_000, "1e7")];

/// A redeemer with a full store.
struct Level {
    name: &'static str,
    nullifiers: u64,
    redeemer: Process,
    dir: std::path::PathBuf,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

/// All levels are filled first and then measured in turns, so that what else the machine does hits all alike.
pub(crate) fn measure(table: &mut Table, world: &World, pool: &Pool, effort: Effort) -> Result<(), Failure> {
    let (redeemer_cores, generator_cores) = machine::share_of_cores();
    let issuer = Process::start("issuer", &world.issuer_config, &generator_cores)?;
    let generator = Generator::new(world.client_tls()?, generator_cores)?;
    table.part("Growth of the store");
    let mut levels = Vec::new();
    for (nullifiers, name) in LEVELS.into_iter().filter(|level| level.0 <= effort.nullifiers_max) {
        eprintln!("filling a store with {name} nullifiers ...");
        let config = world.twin(&format!("redeemer-{name}"))?;
        let dir = config.parent().ok_or("no folder")?.to_path_buf();
        let begin = Instant::now();
        // Filled without limits on cores, then started again as it would be on a working day.
        Process::start("redeemer", &config, &[])?.fill(nullifiers)?;
        table.row(&format!("fill_{name}_s"), &format!("filling {name}"), begin.elapsed().as_secs_f64(), "s");
        let redeemer = Process::start("redeemer", &config, &redeemer_cores)?;
        levels.push(Level { name, nullifiers, redeemer, dir, rates: Vec::new(), costs: Vec::new() });
    }
    for round in 0..=effort.runs {
        for level in &mut levels {
            let run = full_load(&generator, &level.redeemer, &pool.payments)?;
            run.answers.all_accepted()?;
            level.redeemer.forget(&pool.file)?;
            if round > 0 {
                level.rates.push(run.answers.accepted_per_s());
                level.costs.push(run.server.as_secs_f64() * 1e6 / run.answers.0.len() as f64);
            }
        }
    }
    drop(issuer);
    let least = levels.first().map_or(f64::NAN, |level| median(level.rates.iter().copied()));
    for level in &levels {
        let Level { name, nullifiers, .. } = level;
        let rate = median(level.rates.iter().copied());
        let keys = (format!("payments_per_s_{name}"), format!("nullifiers_{name}_over_1e5"));
        let what = format!("payments a second, {nullifiers} nullifiers stored");
        table.ratio((&keys.0, &keys.1), &what, rate, "1/s", rate / least, "that with 100000");
        let cost = median(level.costs.iter().copied());
        table.row(
            &format!("redeemer_us_per_payment_{name}"),
            "the redeemer's processor time for a payment",
            cost,
            "µs",
        );
        let memory = machine::memory_mib(level.redeemer.pid())?;
        table.row(&format!("memory_mib_{name}"), "its memory", memory, "MiB");
        table.row(&format!("disk_mib_{name}"), "its files", machine::disk_mib(&level.dir), "MiB");
    }
    Ok(())
}
