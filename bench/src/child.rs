//! Servers in processes of their own, so that what each uses of the processor can be told apart. They are this program again;
//! they print their address, do what lines on their input say, and end with their input.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ChildStdout, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Subcommand;
use farthing_issuer::{self as issuer, Issuer, config::Listeners};
use farthing_proto::v1::{
    AttestRequest, AttestResponse, GetRedeemerRequest, GetRedeemerResponse, SubmitTransactionRequest,
    SubmitTransactionResponse,
    redeemer_service_server::{RedeemerService, RedeemerServiceServer},
};
use farthing_redeemer::{self as redeemer, Handles, Redeemer};
use farthing_service::{
    clock::{Clock, SystemClock},
    listener::{ConnectionLimits, Listener},
    server::{REQUEST_BYTES_MAX, Server, ServerSettings},
};
use farthing_store::{Batch, LogName, Outcome, Space, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{Failure, machine, pool, restore};

/// The spaces in which the redeemer keeps what was spent.
const IDS: Space = Space("id");
const NULLIFIERS: Space = Space("nullifier");

/// Its log.
const PAYMENTS: LogName = LogName("payments");

/// Pairs in one write of a store that is filled, and writes on their way at once.
const FILL_PAIRS: u64 = 1_024;
const FILL_WRITES: usize = 8;

/// Entries in one write of a log that is filled.
const LOG_ENTRIES: usize = 512;

/// How long a full log may take to be signed.
const SIGNED_WITHIN: Duration = Duration::from_secs(600);

/// What a process does.
#[derive(Subcommand, Clone)]
pub(crate) enum Command {
    /// Runs a redeemer.
    #[command(hide = true)]
    Redeemer(Place),
    /// Runs an issuer.
    #[command(hide = true)]
    Issuer(Place),
    /// Answers submitted transactions with bytes as long as an answer to a payment.
    #[command(hide = true)]
    Echo(Place),
    /// Restores a wallet.
    #[command(hide = true)]
    Restore(restore::Lost),
}

/// Where a process runs.
#[derive(clap::Args, Clone)]
pub(crate) struct Place {
    config: PathBuf,
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
}

/// A server's process.
pub(crate) struct Process {
    process: std::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a server on these cores; on all of them when there are none.
    pub(crate) fn start(what: &str, config: &Path, cores: &[usize]) -> Result<Self, Failure> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.arg(what).arg(config).stdin(Stdio::piped()).stdout(Stdio::piped());
        if !cores.is_empty() {
            let cores: Vec<_> = cores.iter().map(ToString::to_string).collect();
            command.arg("--cores").arg(cores.join(","));
        }
        let mut process = command.spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let address = lines.next().ok_or_else(|| format!("the {what} did not start"))??.parse()?;
        Ok(Self { process, lines, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets it do something and waits until it is done.
    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let input = self.process.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{line}")?;
        input.flush()?;
        let answer = self.lines.next().ok_or("the server has ended")??;
        if answer == "done" { Ok(()) } else { Err(answer.into()) }
    }

    /// Makes its store forget that payments of a pool were spent, so that they can be sent again.
    pub(crate) fn forget(&mut self, pool: &Path) -> Result<(), Failure> {
        self.tell(&format!("forget {}", pool.display()))
    }

    /// Makes its store know so many nullifiers (and transactions) more.
    pub(crate) fn fill(&mut self, nullifiers: u64) -> Result<(), Failure> {
        self.tell(&format!("fill {nullifiers}"))
    }

    /// Appends so many entries to its log, those of a file in turns, and waits until all of it is signed.
    pub(crate) fn log(&mut self, entries: u64, file: &Path) -> Result<(), Failure> {
        self.tell(&format!("log {entries} {}", file.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// What a process does.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let place = match &command {
        Command::Redeemer(place) | Command::Issuer(place) | Command::Echo(place) => place,
        Command::Restore(lost) => return restore::run(lost),
    };
    if !place.cores.is_empty() {
        machine::stay_on(&place.cores)?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let (address, handles, task) = match &command {
            Command::Redeemer(_) => start_redeemer(&place.config, &shutdown).await?,
            Command::Issuer(_) => start_issuer(&place.config, &shutdown).await?,
            _ => start_echo(&place.config, &shutdown).await?,
        };
        say(&address.to_string());
        let (lines, mut arrived) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        while let Some(line) = arrived.recv().await {
            match obey(&line, handles.as_ref()).await {
                Ok(()) => say("done"),
                Err(error) => say(&error.to_string()),
            }
        }
        shutdown.cancel();
        task.await?
    })
}

fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

type Serving = (SocketAddr, Option<Handles>, tokio::task::JoinHandle<Result<(), Failure>>);

async fn start_redeemer(config: &Path, shutdown: &CancellationToken) -> Result<Serving, Failure> {
    let mut config = redeemer::config::Config::load(config)?;
    config.listen.set_port(0);
    let (server_tls, issuer_tls) = config.certificates()?;
    let listener = Listener::bind(config.listen, server_tls, ConnectionLimits::default()).await?;
    let address = listener.address();
    let parts = redeemer::Parts::from_config(&config, &issuer_tls)?;
    let redeemer = Redeemer::start(parts, clock()).await?;
    let (handles, shutdown) = (redeemer.handles(), shutdown.clone());
    let task = tokio::spawn(async move { Ok(redeemer.serve(listener, shutdown).await?) });
    Ok((address, Some(handles), task))
}

async fn start_issuer(config: &Path, shutdown: &CancellationToken) -> Result<Serving, Failure> {
    let config = issuer::config::Config::load(config)?;
    let listeners = Listeners::bind(&config, ConnectionLimits::default()).await?;
    let clock = clock();
    let parts = issuer::Parts::from_config(&config, clock.as_ref())?;
    let (issuer, shutdown) = (Issuer::start(parts, clock).await?, shutdown.clone());
    let task = tokio::spawn(async move { Ok(issuer.serve(listeners, shutdown).await?) });
    Ok((config.listen, None, task))
}

async fn start_echo(config: &Path, shutdown: &CancellationToken) -> Result<Serving, Failure> {
    let mut config = redeemer::config::Config::load(config)?;
    config.listen.set_port(0);
    let (server_tls, _) = config.certificates()?;
    let listener = Listener::bind(config.listen, server_tls, ConnectionLimits::default()).await?;
    let address = listener.address();
    let service = RedeemerServiceServer::new(Echo).max_decoding_message_size(REQUEST_BYTES_MAX);
    let server = Server::new(ServerSettings::default()).with_service(service);
    let shutdown = shutdown.clone();
    Ok((address, None, tokio::spawn(async move { Ok(server.run(listener, shutdown).await?) })))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

/// A redeemer that does nothing but transport.
struct Echo;

#[tonic::async_trait]
impl RedeemerService for Echo {
    async fn get_redeemer(&self, _: Request<GetRedeemerRequest>) -> Result<Response<GetRedeemerResponse>, Status> {
        Ok(Response::new(GetRedeemerResponse::default()))
    }

    async fn submit_transaction(
        &self,
        _: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        // Two outputs of 96 bytes and a proof of 64.
        Ok(Response::new(SubmitTransactionResponse { answer: vec![7; 256], log_index: 1 << 20 }))
    }

    async fn attest(&self, _: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        Ok(Response::new(AttestResponse::default()))
    }
}

async fn obey(line: &str, handles: Option<&Handles>) -> Result<(), Failure> {
    let (verb, what) = line.split_once(' ').ok_or("what?")?;
    let handles = handles.ok_or("no store")?;
    let store = &handles.store;
    match verb {
        "forget" => forget(store, Path::new(what)).await,
        "fill" => fill(store, what.parse()?).await,
        "log" => {
            let (entries, file) = what.split_once(' ').ok_or("which entries?")?;
            log(handles, entries.parse()?, Path::new(file)).await
        }
        _ => Err("what?".into()),
    }
}

async fn forget(store: &Store, file: &Path) -> Result<(), Failure> {
    for some in pool::read(file)?.chunks(256) {
        let mut batch = Batch::new();
        for transaction in some {
            batch = batch.delete(IDS, *transaction.id().as_bytes());
            for nullifier in transaction.core().nullifiers() {
                batch = batch.delete(NULLIFIERS, *nullifier.as_bytes());
            }
        }
        applied(&store.commit(batch).await?)?;
    }
    Ok(())
}

fn applied(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Applied { .. } => Ok(()),
        other => Err(format!("a write was not applied: {other:?}").into()),
    }
}

/// Fills a store by the same interface through which the redeemer writes: a nullifier and a transaction id for each payment
/// that could have been. Their entries of the log are left out: they would take 35 GB for ten million, and no payment reads
/// them.
async fn fill(store: &Store, nullifiers: u64) -> Result<(), Failure> {
    let mut writes = JoinSet::new();
    let mut left = nullifiers;
    while left > 0 {
        let now = left.min(FILL_PAIRS);
        left -= now;
        let mut random = vec![0; usize::try_from(now)? * 64];
        getrandom::fill(&mut random)?;
        let mut batch = Batch::new();
        for (place, pair) in random.as_chunks::<64>().0.iter().enumerate() {
            let (nullifier, id) = pair.split_at(32);
            batch = batch.put(NULLIFIERS, nullifier, id).put(IDS, id, (place as u64).to_le_bytes());
        }
        if writes.len() >= FILL_WRITES {
            writes.join_next().await.ok_or("no write")???;
        }
        let store = store.clone();
        writes.spawn(async move { applied(&store.commit(batch).await?) });
    }
    while let Some(written) = writes.join_next().await {
        written??;
    }
    Ok(())
}

/// Fills the log as accepted payments would, without what else they write: no wallet that is restored reads it.
async fn log(redeemer: &Handles, entries: usize, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().map(|line| {
        let (entry, proof) = line.split_once(' ').ok_or("no entry")?;
        Ok((pool::bytes(entry)?, pool::bytes(proof)?))
    });
    let all = lines.collect::<Result<Vec<_>, Failure>>()?;
    let mut left = all.iter().cycle().take(entries);
    loop {
        let mut batch = Batch::new();
        for (entry, proof) in left.by_ref().take(LOG_ENTRIES) {
            batch = batch.append(PAYMENTS, entry.as_slice(), proof.as_slice(), None);
        }
        if batch.is_empty() {
            break;
        }
        applied(&redeemer.store.commit(batch).await?)?;
    }
    let (size, begin) = (redeemer.store.log_size(PAYMENTS).await?, Instant::now());
    while redeemer.published.size() < size {
        if begin.elapsed() > SIGNED_WITHIN {
            return Err("the log was not signed".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
