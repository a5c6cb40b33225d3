//! The main job end to end: every step is done by real wallets against real servers, and checked.

mod seen;

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_service::{
    clock::{Clock as _, SystemClock, next_midnight},
    private_file,
};
use farthing_wallet::{
    OperationState, Options, PendingReason, Receipt, RegisterOutcome, RequestId, Wallet, WalletError,
};
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use crate::cluster::{Cluster, Setup};

/// The passphrase of the demo's wallets. They hold no real money.
pub const PASSPHRASE: &str = "correct horse battery staple";
/// Who pays first.
pub const ALICE: &str = "alice@bank.example";
/// Who is paid.
pub const BOB: &str = "bob@bank.example";
/// Everything that a complete run has verified, in order.
pub const VERIFIED: [&str; 17] = [
    "registered",
    "withdrawn",
    "paid-while-payee-offline",
    "claimed",
    "chained-payment",
    "replay-same-answer",
    "double-spend-refused",
    "over-cap-pending",
    "redeemed",
    "money-conserved",
    "receipt-verified",
    "wallet-restored",
    "follower-verified",
    "voucher-accepted",
    "voucher-refused",
    "refunded",
    "split-and-claimed-later",
];

/// What went otherwise than said.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Fails with a text when something is not as said.
macro_rules! check {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*).into());
        }
    };
}

// After the macro, which they use.
mod follower;
mod life;
mod receipt;
mod restore;

/// The demo while it runs.
struct Script<'a> {
    out: &'a mut (dyn Write + Send),
    dir: PathBuf,
    currency: Currency,
    cluster: Cluster,
    /// What wallets need of their surroundings.
    options: Options,
    /// Bob's 24 words, as he wrote them down.
    words: Zeroizing<String>,
    verified: usize,
}

/// Runs the main job in `dir`, which must be empty or missing, tells the story on `out`, and answers the servers, which
/// are still running.
///
/// # Errors
/// The first thing that was not as said.
pub async fn run(dir: &Path, out: &mut (dyn Write + Send)) -> Result<Cluster, Failure> {
    writeln!(out, "Farthing, the main job: an issuer, a redeemer and two wallets, over gRPC and TLS 1.3.\n")?;
    let left = time_left_today()?;
    if left < STORY {
        writeln!(out, "It is nearly midnight in {ZONE}: the story begins on the new day.")?;
    }
    begin_on_one_day().await?;
    let cluster = Cluster::start(dir, Setup::with_policy(include_str!("demo/policy.toml"))).await?;
    let (currency, words) = (Currency::new("EUR", 6)?, Zeroizing::default());
    let options = Options::default();
    let mut script = Script { out, dir: dir.to_owned(), currency, cluster, options, words, verified: 0 };
    script.say("A person may receive 10.00 EUR a day; each payment costs 0.01 EUR.")?;

    script.register().await?;
    script.withdraw().await?;
    let paid = script.pay_offline_payee().await?;
    script.claim().await?;
    script.pay_back().await?;
    script.replay(paid).await?;
    script.double_spend(paid).await?;
    script.over_cap().await?;
    script.redeem().await?;
    script.conserve().await?;
    script.prove_payment(paid).await?;
    script.restore().await?;
    script.follow().await?;
    script.live().await?;
    check!(script.verified == VERIFIED.len(), "{} of {} steps were verified", script.verified, VERIFIED.len());
    Ok(script.cluster)
}

/// The time zone of the demo's policy.
const ZONE: &str = "Europe/Luxembourg";

/// More than the main job takes, whose caps are those of one day.
const STORY: Duration = Duration::from_secs(120);

/// Waits for the new day where the policy of the demo is in force, if this one is nearly over: what follows is of one day.
///
/// # Errors
/// When the time zone is not known.
pub async fn begin_on_one_day() -> Result<(), Failure> {
    let left = time_left_today()?;
    if left < STORY {
        tokio::time::sleep(left).await;
    }
    Ok(())
}

/// Up to the next midnight.
fn time_left_today() -> Result<Duration, Failure> {
    let now = SystemClock::default().unix_seconds();
    let midnight = next_midnight(now, &TimeZone::get(ZONE)?);
    Ok(Duration::from_secs(midnight.abs_diff(now)))
}

/// The file by which a directory is known to be a demo's, and may be removed.
const MARK: &str = ".farthing-demo";

/// Makes an empty directory for a run. An earlier demo in it is removed, nothing else ever.
///
/// # Errors
/// When there is something else in the directory, or it cannot be written.
pub fn clear(dir: &Path) -> Result<(), Failure> {
    if dir.join(MARK).exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(format!("{} holds something else than a demo: choose another --dir", dir.display()).into());
    }
    Ok(std::fs::write(dir.join(MARK), "Made by the demo, which removes this directory when it runs again.\n")?)
}

/// Prints what to try while the servers are running.
///
/// # Errors
/// When `out` cannot be written.
pub fn print_commands(cluster: &Cluster, dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let dir = std::path::absolute(dir)?;
    let passphrase = dir.join("passphrase");
    private_file::write(&passphrase, PASSPHRASE.as_bytes())?;
    writeln!(out, "\nEverything is running; Ctrl-C stops it. In another terminal:\n")?;
    writeln!(out, "  cargo build --release")?;
    writeln!(out, "  export PATH=\"$PWD/target/release:$PATH\"")?;
    writeln!(out, "  export FARTHING_PASSPHRASE_FILE={}", passphrase.display())?;
    for line in [
        "farthing --data-dir DIR/alice balance",
        "farthing --data-dir DIR/alice pay bob@bank.example 0.25 --memo tea",
        "farthing --data-dir DIR/bob receive",
        "farthing --data-dir DIR/bob history",
        "farthing --data-dir DIR/bob info",
        "farthing --data-dir DIR/bob request 0.10 --memo biscuit",
        "farthing --data-dir DIR/alice --json balance",
    ] {
        writeln!(out, "  {}", line.replace("DIR", &dir.display().to_string()))?;
    }
    writeln!(out, "\nOperators:\n")?;
    for line in cluster.operator_commands() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

impl Script<'_> {
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "   {text}")?)
    }

    fn title(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "\n{text}")?)
    }

    fn ok(&mut self, name: &str) -> Result<(), Failure> {
        check!(VERIFIED.get(self.verified) == Some(&name), "{name} was verified out of its order");
        self.verified += 1;
        Ok(writeln!(self.out, "ok {name}")?)
    }

    fn eur(&self, text: &str) -> Result<Amount, Failure> {
        Ok(self.currency.parse(text)?)
    }

    fn show(&self, amount: Amount) -> String {
        format!("{} {}", self.currency.format(amount), self.currency.code())
    }

    fn wallet_dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Opens a wallet for one step and closes it again: nothing of it runs in between.
    async fn with<T>(
        &self,
        name: &str,
        step: impl AsyncFnOnce(&Wallet) -> Result<T, WalletError>,
    ) -> Result<T, Failure> {
        let wallet = Wallet::open_with(&self.wallet_dir(name), PASSPHRASE, self.options.clone()).await?;
        let result = step(&wallet).await;
        wallet.close().await;
        Ok(result?)
    }

    async fn pay(&self, from: &str, to: &str, amount: Amount, memo: &str) -> Result<Receipt, Failure> {
        let payee = Identity::parse(to)?;
        let pay = async |wallet: &Wallet| wallet.pay(&payee, amount, memo, RequestId::random()).await;
        let receipt = self.with(from, pay).await?;
        check!(receipt.item.state == OperationState::Done, "the payment is not finished: {:?}", receipt.delay);
        Ok(receipt)
    }

    /// Tells what both servers together saw of the newest entry of a log.
    async fn tell_seen(&mut self, statement: Statement) -> Result<(), Failure> {
        let text = seen::newest(&self.cluster, statement, &self.currency).await?;
        self.say(&text)
    }

    async fn register(&mut self) -> Result<(), Failure> {
        self.title("1. Alice and Bob are invited and register their wallets")?;
        for (name, identity) in [("alice", ALICE), ("bob", BOB)] {
            self.words = self.register_one(name, identity, "person").await?;
        }
        self.cluster.credit(ALICE, self.eur("50.00")?).await?;
        self.say("Alice's account at the issuer is credited with 50.00 EUR.")?;
        self.tell_seen(Statement::Register).await?;
        self.ok("registered")
    }

    /// Makes a wallet and registers it. Answers its words.
    async fn register_one(&mut self, name: &str, identity: &str, class: &str) -> Result<Zeroizing<String>, Failure> {
        let invitation = self.cluster.invite(identity, class).await?;
        let (dir, connection, options) = (self.wallet_dir(name), self.cluster.connection(), self.options.clone());
        let (wallet, words) = Wallet::create_with(&dir, PASSPHRASE, &connection, None, options).await?;
        check!(words.split_whitespace().count() == 24, "a wallet has 24 words");
        let outcome = wallet.register(identity, &invitation).await?;
        wallet.close().await;
        let RegisterOutcome::Registered(registration) = outcome else {
            return Err("the registration is not finished".into());
        };
        let registered = registration.identity.as_ref().is_some_and(|registered| registered.as_str() == identity);
        check!(registered, "{identity} was registered as somebody else");
        check!(registration.class_name == class, "{identity} is a {}", registration.class_name);
        self.say(&format!("{identity} has a wallet, class {class}, valid through {}", registration.valid_through))?;
        Ok(words)
    }

    async fn withdraw(&mut self) -> Result<(), Failure> {
        self.title("2. Alice withdraws 20.00 EUR")?;
        let amount = self.eur("20.00")?;
        let withdraw = async |wallet: &Wallet| wallet.withdraw(amount, RequestId::random()).await;
        let receipt = self.with("alice", withdraw).await?;
        check!(receipt.item.state == OperationState::Done, "the withdrawal is not finished: {:?}", receipt.delay);
        check!(receipt.available == amount, "Alice can spend {}", self.show(receipt.available));
        let balance = self.cluster.account_balance(ALICE).await?;
        check!(balance == self.eur("30.00")?, "Alice's account holds {}", self.show(balance));
        self.say("Her wallet holds one coin of 20.00 EUR, her account 30.00 EUR.")?;
        self.tell_seen(Statement::Withdraw).await?;
        self.ok("withdrawn")?;
        copy_dir(&self.wallet_dir("alice"), &self.wallet_dir("alice-copy"))?;
        Ok(())
    }

    /// Answers the index of the payment's entry.
    async fn pay_offline_payee(&mut self) -> Result<u64, Failure> {
        self.title("3. Alice pays bob@bank.example 3.50 EUR; Bob's wallet is closed")?;
        let before = contents(&self.wallet_dir("bob"))?;
        let receipt = self.pay("alice", BOB, self.eur("3.50")?, "lunch").await?;
        check!(receipt.available == self.eur("16.49")?, "Alice can spend {}", self.show(receipt.available));
        check!(contents(&self.wallet_dir("bob"))? == before, "Bob's wallet took part");
        self.say("She named Bob's identity and nothing else. Her wallet holds 16.49 EUR: change is a new coin.")?;
        self.tell_seen(Statement::Pay).await?;
        self.ok("paid-while-payee-offline")?;
        Ok(receipt.item.log_index.ok_or("the payment has no entry")?)
    }

    async fn claim(&mut self) -> Result<(), Failure> {
        self.title("4. Bob opens his wallet, finds the payment in the log and claims it")?;
        let report = self.with("bob", async |wallet: &Wallet| wallet.receive().await).await?;
        let [payment] = report.claimed.as_slice() else {
            return Err(format!("Bob claimed {} payments", report.claimed.len()).into());
        };
        check!(payment.amount == self.eur("3.50")? && payment.memo == "lunch", "Bob got another payment");
        check!(report.available == payment.amount, "Bob can spend {}", self.show(report.available));
        self.say(&format!("He has {} and the memo \"{}\".", self.show(payment.amount), payment.memo))?;
        self.tell_seen(Statement::Claim).await?;
        self.ok("claimed")
    }

    async fn pay_back(&mut self) -> Result<(), Failure> {
        self.title("5. Bob pays 1.25 EUR back, with the money that he received")?;
        let receipt = self.pay("bob", ALICE, self.eur("1.25")?, "change").await?;
        check!(receipt.available == self.eur("2.24")?, "Bob can spend {}", self.show(receipt.available));
        let report = self.with("alice", async |wallet: &Wallet| wallet.receive().await).await?;
        check!(report.claimed.len() == 1, "Alice claimed {} payments", report.claimed.len());
        check!(report.available == self.eur("17.74")?, "Alice can spend {}", self.show(report.available));
        self.say("No bank was asked: the coin went from hand to hand. Alice has 17.74 EUR, Bob 2.24 EUR.")?;
        self.tell_seen(Statement::Pay).await?;
        self.tell_seen(Statement::Claim).await?;
        self.ok("chained-payment")
    }

    async fn replay(&mut self, index: u64) -> Result<(), Failure> {
        self.title("6. Somebody takes Alice's first payment from the public log and sends it again")?;
        let size = self.cluster.payment_log_size().await?;
        let logged = self.cluster.logged_transaction(index).await?;
        let again = self.cluster.submit(logged.request.clone()).await?;
        check!(again == (logged.answer, index), "the answer is another one");
        check!(self.cluster.payment_log_size().await? == size, "the replay was logged");
        self.say("The redeemer answers with the same bytes as before, and nothing else happens.")?;
        self.say("The servers saw: bytes that they knew already.")?;
        self.ok("replay-same-answer")
    }

    async fn double_spend(&mut self, first: u64) -> Result<(), Failure> {
        self.title("7. A copy of Alice's wallet from before the payment spends the same coin")?;
        let refused = self.pay("alice-copy", BOB, self.eur("2.00")?, "again").await;
        let Err(failure) = refused else { return Err("the coin was spent twice".into()) };
        let spent = failure.downcast_ref::<WalletError>();
        let Some(WalletError::SpentElsewhere { log_index }) = spent else {
            return Err(format!("refused for another reason: {failure}").into());
        };
        check!(*log_index == first, "the evidence is entry {log_index}, not {first}");
        self.say(&format!("Refused: entry {first} of the payment log spent it."))?;
        self.say("The servers saw: a serial number of that entry again; not whose coin it is.")?;
        self.ok("double-spend-refused")
    }

    async fn over_cap(&mut self) -> Result<(), Failure> {
        self.title("8. Alice pays Bob 8.00 EUR more; he may receive 10.00 EUR a day and has had 3.50 EUR")?;
        self.pay("alice", BOB, self.eur("8.00")?, "too much for today").await?;
        let report = self.with("bob", async |wallet: &Wallet| wallet.receive().await).await?;
        let [pending] = report.pending.as_slice() else {
            return Err(format!("{} payments are pending", report.pending.len()).into());
        };
        let [claimed] = report.claimed.as_slice() else {
            return Err(format!("Bob claimed {} payments", report.claimed.len()).into());
        };
        check!(claimed.amount == self.eur("6.50")?, "{} were claimed", self.show(claimed.amount));
        check!(pending.payment.amount == self.eur("1.50")?, "another payment is pending");
        check!(pending.payment.total == self.eur("8.00")?, "it is of another payment");
        check!(
            pending.reason == PendingReason::OverDayCap && pending.over_by == pending.payment.amount,
            "it is pending because of {:?}, over by {}",
            pending.reason,
            self.show(pending.over_by)
        );
        check!(report.available == self.eur("8.74")?, "Bob can spend {}", self.show(report.available));
        let [planned] = pending.plan.as_slice() else { return Err("there is no plan for the rest".into()) };
        self.tell_seen(Statement::Pay).await?;
        self.tell_seen(Statement::Split).await?;
        self.say(&format!(
            "His wallet splits the payment: {} are claimed today, {} stay pending until {}.",
            self.show(claimed.amount),
            self.show(planned.amount),
            planned.day
        ))?;
        self.ok("over-cap-pending")
    }

    async fn redeem(&mut self) -> Result<(), Failure> {
        self.title("9. Alice redeems 5.00 EUR into her account")?;
        let amount = self.eur("5.00")?;
        let receipt =
            self.with("alice", async |wallet: &Wallet| wallet.redeem(amount, RequestId::random()).await).await?;
        check!(receipt.item.state == OperationState::Done, "the redemption is not finished: {:?}", receipt.delay);
        check!(receipt.available == self.eur("4.73")?, "Alice can spend {}", self.show(receipt.available));
        let expected = self.eur("35.00")?;
        for _ in 0..200 {
            if self.cluster.account_balance(ALICE).await? == expected {
                self.say("Her account holds 35.00 EUR, her wallet 4.73 EUR.")?;
                self.tell_seen(Statement::Redeem).await?;
                return self.ok("redeemed");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the account was not credited".into())
    }

    async fn conserve(&mut self) -> Result<(), Failure> {
        self.title("10. All money is there")?;
        let supply = self.cluster.supply().await?;
        let fees = self.cluster.fees().await?;
        let mut held = Amount::ZERO;
        for name in ["alice", "bob"] {
            let wallet = Wallet::open(&self.wallet_dir(name), PASSPHRASE).await?;
            let balance = wallet.balance().await;
            wallet.close().await;
            for part in [balance.available, balance.in_flight, balance.claimable] {
                held = held.checked_add(part).ok_or("too much money")?;
            }
        }
        let sum = [supply.redeemed, fees].into_iter().try_fold(held, Amount::checked_add).ok_or("too much money")?;
        self.say(&format!("withdrawn  {:>12}", self.show(supply.withdrawn)))?;
        self.say(&format!("held       {:>12}   in both wallets, 1.50 of it still to be claimed", self.show(held)))?;
        self.say(&format!("redeemed   {:>12}", self.show(supply.redeemed)))?;
        self.say(&format!("fees       {:>12}   summed over the public log", self.show(fees)))?;
        check!(supply.withdrawn == sum, "{} were withdrawn, {} are there", self.show(supply.withdrawn), self.show(sum));
        self.ok("money-conserved")
    }
}

/// All files below a directory with their bytes.
fn contents(dir: &Path) -> std::io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(contents(&entry.path())?);
        } else {
            found.insert(entry.path(), std::fs::read(entry.path())?);
        }
    }
    Ok(found)
}

/// Copies a directory with its files.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
