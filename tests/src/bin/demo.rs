//! `cargo run --release --bin demo`: the main job end to end, checked.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use farthing_tests::demo::{self, Failure};

/// Runs the main job of Farthing end to end, over real servers on this machine, and checks it.
#[derive(Parser)]
struct Arguments {
    /// Leave everything running afterwards, and print commands to try.
    #[arg(long)]
    serve: bool,
    /// Where the servers and wallets keep their files. An old demo in it is removed.
    #[arg(long, default_value = "farthing-demo")]
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nnot as said: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    demo::clear(&arguments.dir)?;
    let mut out = std::io::stdout();
    let cluster = demo::run(&arguments.dir, &mut out).await?;
    if arguments.serve {
        demo::print_commands(&cluster, &arguments.dir, &mut out)?;
        farthing_service::shutdown::on_signals()?.cancelled().await;
    }
    cluster.stop().await?;
    out.flush()?;
    Ok(())
}
