//! Payments a second over real connections into a store that is synchronised, and how long one takes.

use std::time::Duration;

use crate::{
    Effort, Failure,
    child::Process,
    load::{Answers, Generator},
    machine,
    measure::{median, quantile},
    pool::Pool,
    table::Table,
    world::World,
};

/// Requests on their way in a run at full load.
pub(crate) const AT_ONCE: usize = 128;

/// Payments of a run whose latency is taken.
const ALONE: usize = 256;

/// A redeemer on its cores, the issuer that it talks to, and a generator on the other cores.
pub(crate) struct Stage {
    pub(crate) redeemer: Process,
    pub(crate) generator: Generator,
    /// Cores of the redeemer.
    pub(crate) cores: usize,
    _issuer: Process,
}

/// One run with what it used of the processor.
pub(crate) struct Run {
    pub(crate) answers: Answers,
    pub(crate) server: Duration,
    pub(crate) generator: Duration,
}

impl Run {
    /// µs of a process for each request.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.answers.0.len() as f64
    }
}

impl Stage {
    pub(crate) fn new(world: &World) -> Result<Self, Failure> {
        let (redeemer_cores, generator_cores) = machine::share_of_cores();
        let issuer = Process::start("issuer", &world.issuer_config, &generator_cores)?;
        let redeemer = Process::start("redeemer", &world.redeemer_config, &redeemer_cores)?;
        let generator = Generator::new(world.client_tls()?, generator_cores)?;
        Ok(Self { redeemer, generator, cores: redeemer_cores.len(), _issuer: issuer })
    }
}

/// Sends all payments of a pool to a server at full load.
pub(crate) fn full_load(generator: &Generator, server: &Process, payments: &[Vec<u8>]) -> Result<Run, Failure> {
    let before = (machine::processor_time(server.pid())?, machine::own_processor_time()?);
    let answers = generator.send_all(server.address, payments, AT_ONCE)?;
    let after = (machine::processor_time(server.pid())?, machine::own_processor_time()?);
    Ok(Run { answers, server: after.0 - before.0, generator: after.1 - before.1 })
}

pub(crate) fn measure(table: &mut Table, world: &World, pool: &Pool, effort: Effort) -> Result<(), Failure> {
    let mut stage = Stage::new(world)?;
    let echo = Process::start("echo", &world.redeemer_config, &machine::share_of_cores().0)?;
    let (mut rates, mut costs, mut generating) = (Vec::new(), Vec::new(), Vec::new());
    let (mut echo_rates, mut echo_costs) = (Vec::new(), Vec::new());
    for round in 0..=effort.runs {
        let run = full_load(&stage.generator, &stage.redeemer, &pool.payments)?;
        run.answers.all_accepted()?;
        stage.redeemer.forget(&pool.file)?;
        let echoed = full_load(&stage.generator, &echo, &pool.payments)?;
        // The first round warms up.
        if round > 0 {
            rates.push(run.answers.accepted_per_s());
            costs.push(run.each(run.server));
            generating.push(run.each(run.generator));
            echo_rates.push(echoed.answers.accepted_per_s());
            echo_costs.push(echoed.each(echoed.server));
        }
    }
    drop(echo);
    let [rate, cost, generating] = [rates, costs, generating].map(median);
    let [echo_rate, echo_cost] = [echo_rates, echo_costs].map(median);
    table.part(&format!(
        "Over TLS and gRPC, {AT_ONCE} requests at once, redeemer on {} core(s), generator and issuer on the others",
        stage.cores
    ));
    table.row("redeemer_cores", "cores of the redeemer", stage.cores as f64, "");
    table.row("payments_per_s", "payments a second, durable", rate, "1/s");
    table.row("redeemer_us_per_payment", "the redeemer's processor time for a payment", cost, "µs");
    table.row("generator_us_per_payment", "the generator's", generating, "µs");
    table.row("echo_per_s", "echo of the same size a second", echo_rate, "1/s");
    table.row("echo_us", "the echo server's processor time for a request", echo_cost, "µs");
    if let Some(arithmetic) = table.get("pay1_batch64_us") {
        let allowed = stage.cores as f64 * 1e6 / (arithmetic + echo_cost);
        let to = "what arithmetic in batches of 64 and the echo would allow on these cores";
        table.ratio(
            ("payments_per_s_allowed", "end_to_end_share"),
            to,
            allowed,
            "1/s",
            rate / allowed,
            "of it reached",
        );
    }
    latency(table, &mut stage, pool, rate)
}

fn latency(table: &mut Table, stage: &mut Stage, pool: &Pool, rate: f64) -> Result<(), Failure> {
    let some = &pool.payments[..ALONE.min(pool.payments.len())];
    let idle = stage.generator.send_all(stage.redeemer.address, some, 1)?;
    idle.all_accepted()?;
    stage.redeemer.forget(&pool.file)?;
    let half = stage.generator.send_at(stage.redeemer.address, &pool.payments, rate / 2.0)?;
    half.all_accepted()?;
    stage.redeemer.forget(&pool.file)?;
    for (name, when, answers) in [("idle", "one at a time", idle), ("half", "at half load", half)] {
        let latencies: Vec<_> = answers.latencies_ms().collect();
        let [middle, high] = [0.5, 0.99].map(|part| quantile(latencies.iter().copied(), part));
        table.row(&format!("latency_{name}_ms"), &format!("latency of a payment, {when}, median"), middle, "ms");
        table.row(&format!("latency_{name}_p99_ms"), &format!("latency of a payment, {when}, p99"), high, "ms");
    }
    Ok(())
}
