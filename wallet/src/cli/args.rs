//! What can be written on the command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use farthing_ecash::calendar::Month;

use super::{duration, exit::Exit};

/// Name of the command that runs the daemon.
pub(super) const DAEMON: &str = "daemon";

/// Where a walk through the commands begins.
const FIRST_STEPS: &str = "\
First steps:
  farthing init --issuer https://HOST:PORT --redeemer https://HOST:PORT --ca FILE
  farthing register alice@bank.example
  farthing withdraw 20.00
  farthing pay bob@bank.example 3.50
  farthing receive";

/// The command `farthing` with all its subcommands, for completions and manuals.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Electronic cash: pay an identity, privately.
///
/// A wallet holds money as cash does: whoever has its files and its passphrase has the money. Results go to standard output,
/// everything else to standard error. With --json every command writes exactly one document, in which amounts are whole
/// numbers of minor units.
#[derive(Parser)]
#[command(name = "farthing", version, propagate_version = true, max_term_width = 110, after_help = format!("{FIRST_STEPS}\n\n{}", Exit::table()))]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of all commands.
#[derive(Args)]
#[command(next_help_heading = "Options of all commands")]
pub(super) struct Global {
    /// Where the wallet is [default: farthing in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, global = true, env = "FARTHING_DIR", hide_env_values = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) data_dir: Option<PathBuf>,
    /// Write one JSON document, also for an error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Write nothing but the result and errors
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Read the passphrase from the first line of FILE; - is standard input [default: ask on the terminal]
    #[arg(long, global = true, env = "FARTHING_PASSPHRASE_FILE", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) passphrase_file: Option<PathBuf>,
    /// How long to wait for an outcome, such as 500ms, 30s or 2m. What is not finished by then goes on with the next command
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub(super) timeout: Duration,
    /// Use colours; NO_COLOR in the environment means never
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorWhen,
    /// What to log on standard error, such as debug or farthing_wallet=debug [default: $RUST_LOG, or else warn, for the daemon info]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// Answer yes to every question
    #[arg(long, short, global = true)]
    pub(super) yes: bool,
}

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a new wallet
    Init(Init),
    /// Make a wallet again from its 24 words: all that it held is in the public logs
    ///
    /// Looks through both logs, which shows the servers nothing. Can be interrupted: run it again, and it goes on.
    Restore(Restore),
    /// Register the wallet under an identity
    ///
    /// The invitation code is asked for on the terminal, or read from a file: it is a secret, and the command line is not.
    Register(Register),
    /// Renew the registration, when it is time or your class has changed
    ///
    /// `farthing receive` and the daemon do so by themselves in the last month of a validity period, apart from claims: a renewal
    /// shows whose wallet it is.
    Renew,
    /// Take money from your account into the wallet
    Withdraw(Withdraw),
    /// Pay an identity
    ///
    /// The payee need not be online. PAYEE is an identity such as bob@bank.example or a payment request (farthing:…).
    Pay(Pay),
    /// Look for payments and claim them, as far as the caps allow
    ///
    /// A payment that they allow only in part is split: what fits is claimed today, and the rest on later days, by this command
    /// or a daemon with --receive-every. The plan says how much on which day. Payments that were made to you before you
    /// registered come by links (farthing:claim/…): give them here once.
    Receive(Receive),
    /// Show the link of a payment again, for a payee who was not registered when it was made
    ///
    /// Only a wallet of the payee's identity can take the money; who else reads the link learns amount and memo.
    Link(Link),
    /// Take back what you paid and nobody has claimed
    ///
    /// A payment can be taken back when its month is over, as `farthing history` shows. It counts as received: what your caps do
    /// not allow today comes back on later days. The daemon takes payments back by itself, one by one at random times; without
    /// ID this command takes back all that it can at once, which shows that they are of one wallet.
    Refund(Refund),
    /// Show how much money the wallet holds
    Balance,
    /// List what happened, newest first
    ///
    /// On a terminal, a table. Otherwise one line for each item with tab-separated fields: time (UTC), kind, state, amount,
    /// fee, payee, memo, transaction id, purpose.
    History(History),
    /// Pay money from the wallet back into your account
    Redeem(Redeem),
    /// Make a payment request for others to pay: a link and a QR code
    ///
    /// The wallet keeps it and recognises its payment, which nobody else can: `farthing requests` shows what was paid.
    Request(Request),
    /// List the payment requests that were made, newest first, and what was paid for them
    ///
    /// On a terminal, a table. Otherwise one line for each with tab-separated fields: time (UTC), state, amount wanted, amount
    /// received, number of payments, memo, reference. `farthing receive` looks for payments first.
    Requests,
    /// Write a receipt: a text that shows everybody, offline, that a transaction is in a public log
    ///
    /// It shows no more than the log does: neither who paid or was paid, nor the amount of a payment.
    Receipt(Receipt),
    /// Make a challenge, to hand to whoever is to prove something to you
    ///
    /// It is your name and a random number: a proof that answers it is new, and convinces nobody else. Keep it, and check the
    /// proof with it. Needs no wallet.
    Challenge(Challenge),
    /// Prove to a verifier what you have received in a month, at least
    ///
    /// Shows the month, the total that this wallet has claimed in it, and with --identity whose wallet it is: no payment, no
    /// payer, nothing else. Only the month of the newest payment that the wallet has claimed can be shown.
    ProveIncome(ProveIncome),
    /// Prove that you have made a payment: its amount and its payee
    ///
    /// Shows nothing else of you. But whoever has seen the proof recognises the refund of this payment, if there is one.
    ProvePayment(ProvePayment),
    /// Check a receipt, a proof of income or a proof of a payment
    ///
    /// Ends with 0 when it shows what it says, with 1 when it does not. Only for a proof of income a server is asked: the
    /// redeemer, who learns that somebody checks something, and no more.
    VerifyProof(VerifyProof),
    /// Show whom the wallet trusts; go on after a log has shown two truths
    ///
    /// A wallet relies on what is in the public logs, as they sign it, and as many witnesses cosign it as the trust policy of
    /// `farthing init --trust` asks for. When a log shows two states that exclude each other, the wallet keeps both signed
    /// checkpoints in a file and stops.
    Trust(TrustCommand),
    /// Show whose wallet this is, its caps, its servers, and what is unfinished
    Info,
    /// Hold the wallet open for other programs (gRPC on loopback)
    ///
    /// Writes DIR/daemon/endpoint.json (address, certificate authority, token file) for callers; all commands use the daemon
    /// while it runs. Ends with SIGTERM or Ctrl-C.
    #[command(name = DAEMON)]
    Daemon(Daemon),
    /// Write the completions for a shell
    Completions(Completions),
}

/// `init`
#[derive(Args)]
pub(super) struct Init {
    /// Address of the issuer, such as https://issuer.example:7001
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) issuer: String,
    /// Address of the redeemer, such as https://redeemer.example:7002
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) redeemer: String,
    /// The certificate authorities of the servers, a PEM file. It is copied into the wallet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ca: PathBuf,
    /// Use these 24 words, read from the first line of FILE; - is standard input. For words that no wallet was registered
    /// with yet: a lost wallet comes back with `farthing restore`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) words_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// Whom a new wallet trusts.
#[derive(Args)]
pub(super) struct Trust {
    /// Trust only these logs and witnesses: a C2SP tlog-policy with `log`, `witness`, `group` and `quorum` lines
    /// [default: the logs that the servers show at the first contact, without witnesses]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) trust: Option<PathBuf>,
    /// Read the logs from a copy, such as a follower's, and never from the servers; give it once for each log. What it says
    /// is checked just as well. While it does not answer or is behind, the wallet waits and says so
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) ledger: Vec<String>,
}

/// `trust`
#[derive(Args)]
pub(super) struct TrustCommand {
    /// Go on with the log as it was seen first. The wallet stops again when the log does not continue that. To go on with
    /// the other log instead, make the wallet again from its words: `farthing restore` with another --data-dir
    #[arg(long)]
    pub(super) go_on: bool,
}

/// `restore`
#[derive(Args)]
pub(super) struct Restore {
    /// Address of the issuer, such as https://issuer.example:7001
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) issuer: Option<String>,
    /// Address of the redeemer, such as https://redeemer.example:7002
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) redeemer: Option<String>,
    /// The certificate authorities of the servers, a PEM file. It is copied into the wallet
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ca: Option<PathBuf>,
    /// Read the 24 words from the first line of FILE; - is standard input [default: ask on the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) words_file: Option<PathBuf>,
    /// Whose wallet it is, such as alice@bank.example. The logs do not tell; may also be told later, by the same command
    #[arg(long, value_name = "IDENTITY")]
    pub(super) identity: Option<String>,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// `register`
#[derive(Args)]
pub(super) struct Register {
    /// Your identity, such as alice@bank.example
    pub(super) identity: String,
    /// Read the invitation code from the first line of FILE; - is standard input (after the passphrase, if that is there too)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) invitation_file: Option<PathBuf>,
}

/// `withdraw`
#[derive(Args)]
pub(super) struct Withdraw {
    /// How much, such as 20.00
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: String,
    #[command(flatten)]
    pub(super) money: Money,
    #[command(flatten)]
    pub(super) retry: Retry,
}

/// `redeem`
#[derive(Args)]
pub(super) struct Redeem {
    /// How much, such as 20.00. Only money that may be used for anything can be redeemed
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: String,
    #[command(flatten)]
    pub(super) retry: Retry,
}

/// Which money.
#[derive(Args)]
pub(super) struct Money {
    /// Take money for one purpose, such as meal: one that the policy names [default: money for anything]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) purpose: String,
}

/// `pay`
#[derive(Args)]
pub(super) struct Pay {
    /// Who gets it: an identity or a payment request
    pub(super) payee: String,
    /// How much, such as 3.50. May be left out when the payment request says it
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: Option<String>,
    /// Text for the payee, at most 256 bytes. Only the payee can read it
    #[arg(long, value_name = "TEXT")]
    pub(super) memo: Option<String>,
    /// Pay also when nobody is registered under the identity: you get a link to hand over. On a terminal you are asked, and
    /// --yes does not answer that, because a misspelt identity looks the same
    #[arg(long)]
    pub(super) unregistered: bool,
    #[command(flatten)]
    pub(super) money: Money,
    #[command(flatten)]
    pub(super) retry: Retry,
}

/// `receive`
#[derive(Args)]
pub(super) struct Receive {
    /// Links to payments for you; - reads them from standard input, one a line. There nobody else on this machine sees them
    #[arg(value_name = "LINK")]
    pub(super) links: Vec<String>,
    /// Claim up to 64 payments together, and those too that are below the policy's minimum. Faster, for who receives many; but
    /// issuer, redeemer and all who read the log see that these payments have one owner, and each payer with how many others
    /// its own was claimed
    #[arg(long)]
    pub(super) join: bool,
}

/// `link`
#[derive(Args)]
pub(super) struct Link {
    /// The payment's id, 64 hex digits, as `farthing pay` and `farthing history` show it
    #[arg(value_parser = transaction_id)]
    pub(super) id: TransactionId,
    #[command(flatten)]
    pub(super) picture: Picture,
}

/// What makes a command safe to repeat.
#[derive(Args)]
pub(super) struct Retry {
    /// For scripts: 32 hex digits, new for each operation. The command repeated with them does not move money again
    #[arg(long, value_name = "HEX", value_parser = request_id)]
    pub(super) request_id: Option<RequestId>,
}

/// Names an operation, so that asking again does not do it again.
#[derive(Clone, Copy)]
pub(super) struct RequestId(pub(super) [u8; 16]);

/// `refund`
#[derive(Args)]
pub(super) struct Refund {
    /// The payment, 64 hex digits, as `farthing history` shows it [default: all that can be taken back]
    #[arg(value_parser = transaction_id)]
    pub(super) id: Option<TransactionId>,
}

/// `history`
#[derive(Args)]
pub(super) struct History {
    /// How many items at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: u32,
    /// Go on where an earlier list ended: its next_page_token
    #[arg(long, value_name = "TOKEN")]
    pub(super) page_token: Option<String>,
}

/// `request`
#[derive(Args)]
pub(super) struct Request {
    /// How much is wanted, such as 3.50; without it, the payer decides
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: Option<String>,
    /// Text that the payer sees and sends back, at most 235 bytes
    #[arg(long, value_name = "TEXT")]
    pub(super) memo: Option<String>,
    /// How long it is good, such as 12h or 7d [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(super) expires: Option<Duration>,
    #[command(flatten)]
    pub(super) picture: Picture,
}

/// Where a QR code is written.
#[derive(Args)]
pub(super) struct Picture {
    /// Write the QR code to FILE, a picture by its extension: .png or .svg
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,
}

/// `receipt`
#[derive(Args)]
pub(super) struct Receipt {
    /// The transaction id, 64 hex digits, as `farthing history` shows it
    #[arg(value_parser = transaction_id)]
    pub(super) id: TransactionId,
    /// Write it to FILE instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
}

/// `challenge`
#[derive(Args)]
pub(super) struct Challenge {
    /// Your name, as the prover will see it, such as "Housing Office"; at most 128 bytes
    pub(super) name: String,
}

/// `prove-income`
#[derive(Args)]
pub(super) struct ProveIncome {
    /// The month, such as 2026-11
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    pub(super) month: Month,
    /// The verifier's challenge, a text that begins with farthing:challenge?
    #[arg(long, value_name = "TEXT")]
    pub(super) challenge: String,
    /// Show your identity too; without it the proof speaks of some wallet
    #[arg(long)]
    pub(super) identity: bool,
    /// Write it to FILE instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
}

/// `prove-payment`
#[derive(Args)]
pub(super) struct ProvePayment {
    /// The payment's transaction id, 64 hex digits, as `farthing history` shows it
    #[arg(value_parser = transaction_id)]
    pub(super) id: TransactionId,
    /// The verifier's challenge, a text that begins with farthing:challenge?; without it the proof convinces everybody who
    /// gets hold of it, at any time
    #[arg(long, value_name = "TEXT")]
    pub(super) challenge: Option<String>,
    /// Whom you paid, for a wallet that was restored and does not know it
    #[arg(long, value_name = "IDENTITY")]
    pub(super) payee: Option<String>,
    /// Write it to FILE instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
}

/// A transaction id on the command line.
#[derive(Clone, Copy)]
pub(super) struct TransactionId(pub(super) [u8; 32]);

/// `verify-proof`
#[derive(Args)]
pub(super) struct VerifyProof {
    /// The receipt or proof; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: PathBuf,
    /// The challenge that you gave; the proof has to answer it
    #[arg(long, value_name = "TEXT")]
    pub(super) challenge: Option<String>,
    /// Who attests a proof of income: the address of the redeemer [default: the wallet's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, requires = "ca")]
    pub(super) redeemer: Option<String>,
    /// The certificate authorities of that redeemer, a PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "redeemer")]
    pub(super) ca: Option<PathBuf>,
    /// Write a proof of income that holds to FILE, with what the redeemer said: it can be checked again without asking
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) save: Option<PathBuf>,
    /// Whom to trust: a C2SP tlog-policy with logs, witnesses and quorum [default: as the wallet does]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) trust: Option<PathBuf>,
}

/// `daemon`
#[derive(Args)]
pub(super) struct Daemon {
    /// Where to listen: an address on loopback; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// Look for payments and claim them about this often, such as 60s [default: only when asked]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(super) receive_every: Option<Duration>,
    /// Claim payments together, as `farthing receive --join` does, also when a program that asks does not say so
    #[arg(long)]
    pub(super) join: bool,
    /// Leave coins as they are. Otherwise, when the wallet has done nothing for an hour, the daemon makes at random times one
    /// coin of two or four small ones: later payments need fewer then, and it hides other wallets' doings
    #[arg(long)]
    pub(super) no_consolidation: bool,
}

/// `completions`
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, action = ArgAction::Set)]
    pub(super) shell: Shell,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "a month is written like 2026-11".to_owned())
}

fn transaction_id(text: &str) -> Result<TransactionId, String> {
    let wrong = || "a transaction id has 64 hex digits".to_owned();
    let digits: Vec<u8> = text.chars().map_while(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(wrong()) };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| wrong())?;
    if text.len() == 64 { Ok(TransactionId(bytes)) } else { Err(wrong()) }
}

fn request_id(text: &str) -> Result<RequestId, String> {
    let wrong = || "a request id has 32 hex digits".to_owned();
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(text, 16).map(|number| RequestId(number.to_be_bytes())).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_request_id_has_16_bytes() {
        assert_eq!(request_id("000102030405060708090a0b0c0D0e0f").map(|id| id.0[13]), Ok(13));
        for text in ["", "00", "+0102030405060708090a0b0c0d0e0f0", "000102030405060708090a0b0c0d0e0g"] {
            assert!(request_id(text).is_err(), "{text}");
        }
    }
}
