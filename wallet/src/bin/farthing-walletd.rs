//! The daemon of the Farthing wallet: `farthing daemon` under a name of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    farthing_wallet::cli::daemon_main()
}
