//! `daemon`: holds the wallet for other programs.

use farthing_service::shutdown;

use super::Session;
use crate::{
    cli::{
        args::Daemon,
        backend::{open_wallet, wallet_problem},
        exit::Exit,
        problem::Problem,
    },
    daemon::{self, DaemonError, DaemonSettings, Endpoint},
    error::WalletError,
};

/// Serves until a signal comes.
pub(super) async fn daemon(arguments: &Daemon, session: &Session<'_>) -> Result<Exit, Problem> {
    let Session { global, output, dir, .. } = session;
    daemon::check_address(arguments.listen).map_err(|error| problem(&error))?;
    if let Ok(Some((_, endpoint))) = daemon::connect(dir, global.timeout).await {
        let mut problem = wallet_problem(&WalletError::InUse { pid: Some(endpoint.pid) });
        problem.next = format!("That is a daemon, and all commands use it. To stop it: `kill {}`.", endpoint.pid);
        return Err(problem);
    }
    let shutdown = shutdown::on_signals()
        .map_err(|error| Problem::new(Exit::Fault, "SYSTEM", format!("cannot watch signals: {error}"), "Try again."))?;
    let wallet = open_wallet(dir, global, output).await?;
    let Daemon { listen, receive_every, join, no_consolidation } = *arguments;
    let settings = DaemonSettings { listen, receive_every, join, consolidate: !no_consolidation };
    let mut shown = Ok(());
    let ready = |endpoint: &Endpoint| {
        let file = Endpoint::file(dir);
        shown = output.result(&format!("{}\n", endpoint.address), endpoint);
        output.note(format_args!(
            "The daemon serves farthing.v1.WalletService at {}; {} says how to reach it.",
            endpoint.address,
            file.display()
        ));
    };
    daemon::run(wallet, dir, settings, shutdown, ready).await.map_err(|error| problem(&error))?;
    shown?;
    Ok(Exit::Done)
}

fn problem(error: &DaemonError) -> Problem {
    match error {
        DaemonError::NotLoopback { .. } => {
            Problem::usage(error.to_string(), "Give an address such as 127.0.0.1:0 or [::1]:7005.")
        }
        DaemonError::Endpoint(error) => wallet_problem(error),
        _ => Problem::new(
            Exit::Fault,
            "DAEMON",
            format!("the daemon cannot serve: {error}"),
            "Check the address and DIR/daemon; what is there can be deleted while no daemon runs.",
        ),
    }
}
