//! The command line of the Farthing wallet.

use std::process::ExitCode;

fn main() -> ExitCode {
    farthing_wallet::cli::main()
}
