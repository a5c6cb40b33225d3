//! What it costs to restore a wallet from its words when the payment log is full of other people's payments: both servers and
//! the wallet are processes of their own, between them are TLS and gRPC, and the log is signed.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use farthing_ecash::{
    amount::Amount,
    entry::{Entry, EntryKind},
    transaction::Transaction,
};
use farthing_wallet::{Connection, Options, RequestId, ServerAddress, Wallet};

use crate::{Effort, Failure, child::Process, machine, measure::median, pool, table::Table, world::World};

/// Payments that differ; the log repeats them.
const DISTINCT: usize = 512;

/// Payments that are signed together.
const BATCH: usize = 64;

/// Whose wallet is lost.
const OWNER: &str = "carol@bank.example";
const PASSPHRASE: &str = "of a bench";

/// What the owner has, besides the fees that others pay: nothing is signed when more came in as fees than was withdrawn.
const BALANCE: u64 = 10_000;

/// A wallet to be restored; its 24 words come on the input.
#[derive(clap::Args, Clone)]
pub(crate) struct Lost {
    dir: PathBuf,
    issuer: String,
    redeemer: String,
    ca: PathBuf,
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
}

/// What a restored wallet tells.
struct Told {
    entries: u64,
    available: u64,
    processor: Duration,
    elapsed: Duration,
}

pub(crate) fn measure(table: &mut Table, world: &World, effort: Effort) -> Result<(), Failure> {
    let (redeemer_cores, wallet_cores) = machine::share_of_cores();
    let _issuer = Process::start("issuer", &world.issuer_config, &wallet_cores)?;
    let mut redeemer = Process::start("redeemer", &world.twin("redeemer-restore")?, &redeemer_cores)?;
    let (file, fee) = prepare(world)?;
    let withdrawn = effort.log_entries * fee + BALANCE;
    let words = own(world, &redeemer, Amount::new(withdrawn))?;
    eprintln!("filling the log with {} payments ...", effort.log_entries);
    redeemer.log(effort.log_entries, &file)?;

    let (mut costs, mut rates, mut serving) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=effort.runs {
        let before = machine::processor_time(redeemer.pid())?;
        let told = start(world, &redeemer, &words, &wallet_cores, round)?;
        let served = machine::processor_time(redeemer.pid())? - before;
        if told.entries < effort.log_entries || told.available != withdrawn {
            return Err("the restored wallet is not the one that was lost".into());
        }
        // The first round warms up.
        if round > 0 {
            let entries = told.entries as f64;
            costs.push(told.processor.as_secs_f64() * 1e6 / entries);
            serving.push(served.as_secs_f64() * 1e6 / entries);
            rates.push(entries / told.elapsed.as_secs_f64());
        }
    }
    let [cost, serving, rate] = [costs, serving, rates].map(median);
    table.part(&format!(
        "A wallet restored from its words over {} payments of others, wallet and redeemer on {} core(s) each",
        effort.log_entries,
        wallet_cores.len()
    ));
    table.row("restore_cpu_us_per_entry", "the wallet's processor time for an entry", cost, "µs");
    // Microseconds for one are seconds for a million.
    table.row("restore_cpu_s_per_1e6", "so for a million", cost, "s");
    table.row("restore_per_s", "entries a second", rate, "1/s");
    table.row("restore_server_us_per_entry", "the redeemer's processor time for an entry", serving, "µs");
    Ok(())
}

/// Writes entries of the log and their proof parts to a file. Answers it with the fee of each.
fn prepare(world: &World) -> Result<(PathBuf, u64), Failure> {
    let pool = pool::prepare(world, DISTINCT)?;
    let (mut lines, mut fee) = (Vec::new(), 0);
    for some in pool.payments.chunks(BATCH) {
        let transactions: Result<Vec<_>, _> = some.iter().map(|bytes| Transaction::from_bytes(bytes)).collect();
        for (verified, answer) in world.answer(transactions?)? {
            let transaction = verified.transaction();
            let core = transaction.core();
            fee = core.publics().fee;
            let body = [transaction.core_bytes(), &answer.to_bytes()].concat();
            let entry = Entry::new(EntryKind::Transaction(core.statement()), core.header().day, body)?;
            lines.push(format!("{} {}", pool::hex(&entry.to_bytes()), pool::hex(transaction.proof_bytes())));
        }
    }
    let file = world.dir().join("entries");
    fs::write(&file, lines.join("\n"))?;
    Ok((file, fee))
}

/// Makes a wallet with money and loses it. Answers its words.
fn own(world: &World, redeemer: &Process, amount: Amount) -> Result<String, Failure> {
    let (cluster, dir) = (&world.cluster, world.dir().join("lost"));
    let mut connection = cluster.connection();
    connection.redeemer.url = url(redeemer);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let invitation = cluster.invite(OWNER, "person").await?;
        let (wallet, words) = Wallet::create(&dir, PASSPHRASE, &connection, None).await?;
        wallet.register(OWNER, &invitation).await?;
        cluster.credit(OWNER, amount).await?;
        wallet.withdraw(amount, RequestId::random()).await?;
        wallet.close().await;
        fs::remove_dir_all(&dir)?;
        Ok(words.to_string())
    })
}

fn url(server: &Process) -> String {
    format!("https://{}", server.address)
}

/// Restores the wallet in a process of its own.
fn start(world: &World, redeemer: &Process, words: &str, cores: &[usize], round: usize) -> Result<Told, Failure> {
    let issuer = world.cluster.connection().issuer;
    let dir = world.dir().join(format!("restored-{round}"));
    let cores: Vec<_> = cores.iter().map(ToString::to_string).collect();
    let mut process = Command::new(std::env::current_exe()?)
        .arg("restore")
        .args([&dir, Path::new(&issuer.url), Path::new(&url(redeemer)), &issuer.ca])
        .args(["--cores", &cores.join(",")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    process.stdin.take().ok_or("no input")?.write_all(words.as_bytes())?;
    let output = process.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let told: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    let told = match told?[..] {
        [entries, available, processor, elapsed] => {
            let [processor, elapsed] = [processor, elapsed].map(Duration::from_micros);
            Told { entries, available, processor, elapsed }
        }
        _ => return Err("the wallet was not restored".into()),
    };
    fs::remove_dir_all(dir)?;
    Ok(told)
}

/// What the wallet's process does. It tells the entries of both logs, the money that it has, its processor time and the time
/// that passed, in µs. The passphrase is stretched before that.
pub(crate) fn run(lost: &Lost) -> Result<(), Failure> {
    machine::stay_on(&lost.cores)?;
    let mut words = String::new();
    std::io::stdin().read_to_string(&mut words)?;
    let server = |url: &str| ServerAddress { url: url.to_owned(), ca: lost.ca.clone() };
    let connection = Connection { issuer: server(&lost.issuer), redeemer: server(&lost.redeemer), ledgers: Vec::new() };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let options = Options::default();
        let wallet = Wallet::create_from_words(&lost.dir, PASSPHRASE, &connection, &words, options).await?;
        let (begin, before) = (Instant::now(), machine::own_processor_time()?);
        let report = wallet.restore(None, Arc::new(|_, _| {})).await?;
        let (elapsed, processor) = (begin.elapsed(), machine::own_processor_time()? - before);
        let entries = report.issuance_log_size + report.payment_log_size;
        let (processor, elapsed) = (processor.as_micros(), elapsed.as_micros());
        println!("{entries} {} {processor} {elapsed}", report.balance.available.get());
        wallet.close().await;
        Ok(())
    })
}
