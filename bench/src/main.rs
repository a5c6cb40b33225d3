//! The bench: what Farthing costs over the floor of its arithmetic, and beside what users would pick instead. Everything in
//! one run and one table; see README.md for what each figure means.

mod child;
mod end_to_end;
mod flood;
mod floor;
mod growth;
mod load;
mod machine;
mod measure;
#[cfg(feature = "peers")]
mod peers;
mod plot;
mod pool;
mod redeemer;
mod restore;
mod table;
mod wallet;
mod world;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};

use crate::{floor::Primitives, table::Table, world::World};

/// Whatever can go wrong: a bench has nobody who would tell the cases apart.
type Failure = Box<dyn Error + Send + Sync>;

/// Measures Farthing. Without options: everything.
#[derive(Parser)]
struct Cli {
    /// Fewer payments, fewer runs, a smaller store: to see that it works. The figures mean little.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// The folder for results.json and results.svg.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"))]
    out: PathBuf,
    #[command(subcommand)]
    child: Option<child::Command>,
}

/// A part of the run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The redeemer's arithmetic over the floor.
    Redeemer,
    /// The wallet's.
    Wallet,
    /// A wallet from its words.
    Restore,
    /// Payments a second over real connections, and latency.
    EndToEnd,
    /// Half of the proofs bad.
    Flood,
    /// Millions of nullifiers.
    Growth,
    /// What users would pick instead.
    #[cfg(feature = "peers")]
    Peers,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// Runs of which the median is taken.
    runs: usize,
    /// Payments that are prepared for one run over connections.
    payments: usize,
    /// Nullifiers in the largest store.
    nullifiers_max: u64,
    /// Payments in the log over which a wallet is restored.
    log_entries: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.child {
        Some(command) => child::run(command),
        None => bench(&cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(cli: &Cli) -> Result<(), Failure> {
    let effort = if cli.quick {
        Effort { runs: 3, payments: 512, nullifiers_max: 100_000, log_entries: 5_000 }
    } else {
        Effort { runs: 5, payments: 3_072, nullifiers_max: 10_000_000, log_entries: 100_000 }
    };
    let wants = |part| cli.only.is_empty() || cli.only.contains(&part);
    let mut table = Table::default();
    machine::describe(&mut table);
    let primitives = Primitives::measure();
    primitives.show(&mut table);
    let world = World::new()?;
    if wants(Part::Redeemer) {
        redeemer::measure(&mut table, &primitives, &world)?;
    }
    if wants(Part::Wallet) {
        wallet::measure(&mut table, &world)?;
    }
    if wants(Part::Restore) {
        // Before others write to the log.
        restore::measure(&mut table, &world, effort)?;
    }
    if wants(Part::EndToEnd) || wants(Part::Flood) || wants(Part::Growth) {
        let pool = pool::prepare(&world, effort.payments)?;
        if wants(Part::EndToEnd) {
            end_to_end::measure(&mut table, &world, &pool, effort)?;
        }
        if wants(Part::Flood) {
            flood::measure(&mut table, &world, &pool, effort)?;
        }
        if wants(Part::Growth) {
            growth::measure(&mut table, &world, &pool, effort)?;
        }
    }
    #[cfg(feature = "peers")]
    if wants(Part::Peers) {
        peers::measure(&mut table);
    }
    table.finish(&cli.out)
}
