//! The commands.

use std::{
    cell::Cell,
    future::Future,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::CommandFactory as _;
use farthing_proto::v1;
use farthing_service::{
    logging::{self, LogFormat},
    status::Failure,
};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    args::{Cli, Command, Completions, Global},
    backend::{Asks, Backend},
    exit::Exit,
    output::Output,
    problem::Problem,
    progress::Meter,
    show::{self, Money, Shown},
};

mod amount;
mod daemon;
mod disclosure;
mod init;
mod link;
mod moves;
mod picture;
mod receipt;
mod request;
mod restore;
mod trust;

/// How long what goes on in the background may hold up the end. What the wallet began it finishes with the next command.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// Does what the command line says.
pub(super) fn run(cli: &Cli, output: &Output) -> Result<Exit, Problem> {
    if let Command::Completions(arguments) = &cli.command {
        return completions(arguments, output);
    }
    log(cli)?;
    let runtime = Runtime::new()
        .map_err(|error| Problem::new(Exit::Fault, "SYSTEM", format!("cannot start: {error}"), "Try again."))?;
    let ended = runtime.block_on(command(cli, output));
    runtime.shutdown_timeout(END_PATIENCE);
    ended
}

async fn command(cli: &Cli, output: &Output) -> Result<Exit, Problem> {
    let dir = data_dir(&cli.global)?;
    let session = Session { global: &cli.global, output, meter: Meter::new(output), dir, stopped: Cell::new(false) };
    match &cli.command {
        Command::Init(arguments) => init::init(arguments, &session).await,
        Command::Restore(arguments) => restore::restore(arguments, &session).await,
        Command::Register(arguments) => init::register(arguments, &session).await,
        Command::Renew => moves::renew(&session).await,
        Command::Withdraw(arguments) => moves::withdraw(arguments, &session).await,
        Command::Pay(arguments) => moves::pay(arguments, &session).await,
        Command::Receive(arguments) => moves::receive(arguments, &session).await,
        Command::Link(arguments) => link::link(arguments, &session).await,
        Command::Refund(arguments) => moves::refund(arguments, &session).await,
        Command::Redeem(arguments) => moves::redeem(arguments, &session).await,
        Command::Request(arguments) => request::request(arguments, &session).await,
        Command::Requests => request::requests(&session).await,
        Command::Receipt(arguments) => receipt::receipt(arguments, &session).await,
        Command::Challenge(arguments) => disclosure::challenge(arguments, &session),
        Command::ProveIncome(arguments) => disclosure::prove_income(arguments, &session).await,
        Command::ProvePayment(arguments) => disclosure::prove_payment(arguments, &session).await,
        Command::VerifyProof(arguments) => receipt::verify_proof(arguments, &session).await,
        Command::Trust(arguments) => trust::trust(arguments, &session).await,
        Command::Balance => balance(&session).await,
        Command::History(arguments) => {
            let page_token = arguments.page_token.clone().unwrap_or_default();
            history(v1::ListHistoryRequest { page_size: arguments.limit, page_token }, &session).await
        }
        Command::Info => info(&session).await,
        Command::Daemon(arguments) => daemon::daemon(arguments, &session).await,
        Command::Completions(arguments) => completions(arguments, output),
    }
}

/// What all commands work with.
struct Session<'a> {
    global: &'a Global,
    output: &'a Output,
    meter: Meter,
    dir: PathBuf,
    /// A log has shown two truths: also what could be done ends with that code.
    stopped: Cell<bool>,
}

impl Session<'_> {
    /// Does something with the wallet, shows `what` while it lasts, and lets go of the wallet whatever comes of it.
    async fn with_wallet<T, F>(&self, what: &str, asks: Asks, work: F) -> Result<T, Problem>
    where
        F: AsyncFnOnce(&Backend) -> Result<T, Problem>,
    {
        let backend = Backend::open(&self.dir, self.global, self.output, &self.meter, asks);
        let backend = backend.await?;
        let mut ended = self.during(what, work(&backend)).await;
        if let (Ok(_), Some(error)) = (&ended, backend.stopped().await) {
            self.stopped.set(true);
            let problem = Problem::from(Failure::from(crate::service::status(&error)));
            self.output.note(format_args!("{}\n{}", problem.message, problem.next));
        }
        if let Err(problem) = &mut ended
            && problem.names_amounts()
        {
            let money = Money::new(backend.known_currency().await);
            problem.tell_amounts(&money);
        }
        backend.close().await;
        ended
    }

    async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.meter.during(what, work).await
    }

    fn show(&self, shown: &Shown) -> Result<Exit, Problem> {
        self.output.result(&shown.text, &shown.document)?;
        Ok(if self.stopped.get() { Exit::Distrust } else { Exit::Done })
    }
}

async fn balance(session: &Session<'_>) -> Result<Exit, Problem> {
    let shown = session.with_wallet("looking", Asks::Nobody, async |wallet| {
        let answer = wallet.get_balance(v1::GetBalanceRequest {}).await?;
        Ok(show::balance(&answer, &Money::new(wallet.known_currency().await)))
    });
    session.show(&shown.await?)
}

async fn history(request: v1::ListHistoryRequest, session: &Session<'_>) -> Result<Exit, Problem> {
    let shown = session.with_wallet("looking", Asks::Nobody, async |wallet| {
        let answer = wallet.list_history(request).await?;
        if !answer.next_page_token.is_empty() && session.output.is_terminal() {
            session.output.note(format_args!("There is more: --page-token {}", answer.next_page_token));
        }
        Ok(show::history(&answer, &Money::new(wallet.known_currency().await), session.output.is_terminal()))
    });
    session.show(&shown.await?)
}

async fn info(session: &Session<'_>) -> Result<Exit, Problem> {
    let shown = session.with_wallet("asking issuer and redeemer", Asks::Servers, async |wallet| {
        let answer = wallet.get_info(v1::GetInfoRequest {}).await?;
        let connection = crate::config::Connection::load(&session.dir);
        let servers = connection.ok().map(|connection| (connection.issuer.url, connection.redeemer.url));
        let place =
            show::Place { data_dir: session.dir.display().to_string(), servers, daemon: wallet.daemon().cloned() };
        Ok(show::info(&answer, &place))
    });
    session.show(&shown.await?)
}

fn completions(arguments: &Completions, output: &Output) -> Result<Exit, Problem> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    output.result(&script, &json!({ "shell": arguments.shell.to_string(), "script": script }))?;
    Ok(Exit::Done)
}

/// Logs what `--log` or RUST_LOG say; otherwise warnings, and of the daemon, whose log is read later, all that is of note.
fn log(cli: &Cli) -> Result<(), Problem> {
    let is_daemon = matches!(cli.command, Command::Daemon(_));
    let default = match (cli.global.quiet, is_daemon) {
        (true, _) => "error",
        (false, true) => "info",
        (false, false) => "warn",
    };
    let from_environment = || std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = cli.global.log.clone().or_else(from_environment).unwrap_or_else(|| default.to_owned());
    let format = if is_daemon && !io::stderr().is_terminal() { LogFormat::Json } else { LogFormat::Text };
    logging::init(Some(&filter), format)
        .map_err(|error| Problem::usage(error.to_string(), "Write a level such as debug, or farthing_wallet=debug."))
}

/// Where the wallet is.
fn data_dir(global: &Global) -> Result<PathBuf, Problem> {
    if let Some(dir) = &global.data_dir {
        return Ok(dir.clone());
    }
    let from = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = from("XDG_DATA_HOME").or_else(|| from("HOME").map(|home| home.join(Path::new(".local/share"))));
    base.map(|base| base.join("farthing")).ok_or_else(|| {
        Problem::usage("there is no home directory to look for the wallet in", "Say where it is with --data-dir.")
    })
}
