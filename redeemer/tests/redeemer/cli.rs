//! The program itself: its commands, and a server in a process of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use farthing_ecash::{account::AccountKey, transaction::Transaction};
use farthing_proto::v1::{
    GetRedeemerRequest, SubmitTransactionRequest, SubmitTransactionResponse,
    redeemer_service_client::RedeemerServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    tls::ClientTls,
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    mint::Mint,
    money::validity,
    wallet::{Facts, Wallet},
    world::{POLICY, World},
};

/// The repository's own files.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farthing-redeemer"));
    command.env_remove("RUST_LOG");
    command
}

fn check(dir: &Path, arguments: &[&str]) -> Output {
    program().args(["policy", "check"]).args(arguments).current_dir(dir).output().unwrap()
}

fn golden(name: &str) -> String {
    fs::read_to_string(folder("tests/golden").join(name)).unwrap()
}

#[test]
fn a_right_policy_is_summed_up() {
    let output = check(&folder(".."), &["policy.example.toml"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), golden("example.txt"));
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]));
    let output = check(&folder(".."), &["--json", "policy.example.toml"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document, serde_json::from_str::<serde_json::Value>(&golden("example.json")).unwrap());
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn all_mistakes_of_a_policy_are_shown_where_they_stand() {
    let output = check(&folder("tests/golden"), &["wrong.toml"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), golden("wrong.txt"));
    assert_eq!(output.status.code(), Some(1));
    let output = check(&folder("tests/golden"), &["--json", "wrong.toml"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document, serde_json::from_str::<serde_json::Value>(&golden("wrong.json")).unwrap());
    assert_eq!(output.status.code(), Some(1));
    let output = check(&folder("tests/golden"), &["missing.toml"]);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("cannot use missing.toml"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn two_policies_are_compared_in_words() {
    let home = tempfile::tempdir().unwrap();
    let diff = |arguments: &[&str]| {
        program().args(["policy", "diff"]).args(arguments).current_dir(home.path()).output().unwrap()
    };
    let lowered = POLICY.replace("\"10.00\"", "\"5.00\"").replace("\"charity\"", "\"shop\"");
    for (name, text) in [("old.toml", POLICY), ("new.toml", &lowered), ("wrong.toml", "version = 1\nfee")] {
        fs::write(home.path().join(name), text).unwrap();
    }
    let same = diff(&["old.toml", "old.toml"]);
    assert_eq!(
        (same.status.code(), same.stdout.as_slice()),
        (Some(0), &b"nothing changes: the files are the same\n"[..])
    );
    let changed = diff(&["old.toml", "new.toml"]);
    assert_eq!(changed.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(changed.stdout).unwrap(),
        "class 1 person\n  each may receive in a day: lowered from 10.00 EUR to 5.00 EUR\nclass 2 shop\n  number 2 was charity \
         and is shop now\n    dangerous: wallets keep their number: right if shop is only another name; but a number is never \
         used again for other people, or the wallets of charity get what was meant for them\n2 changes, 1 dangerous\n"
    );
    let json = diff(&["--json", "old.toml", "new.toml"]);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&document["changes"][0]["old"], &document["changes"][0]["new"]), (&1_000.into(), &500.into()));
    assert_eq!(document["changes"][1]["weight"], "dangerous");
    for (wrong, told) in
        [(["wrong.toml", "new.toml"], "wrong.toml:2:"), (["old.toml", "missing.toml"], "cannot use missing.toml")]
    {
        let output = diff(&wrong);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn a_first_configuration_is_written_once_and_reads_well() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("redeemer");
    let init = || program().args(["init", "--dir"]).arg(&dir).output().unwrap();
    assert!(init().status.success());
    let config = farthing_redeemer::config::Config::load(&dir.join("redeemer.toml")).unwrap();
    assert_eq!(config.policy, dir.join("policy.toml"));
    assert_eq!(config.store_dir(), dir.join("data/store"));
    farthing_redeemer::policy::load(&config.policy).unwrap();
    let again = init();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("redeemer.toml"));
    // A misspelt key is shown.
    let text = fs::read_to_string(dir.join("redeemer.toml")).unwrap();
    fs::write(dir.join("redeemer.toml"), text.replace("origin", "orgin")).unwrap();
    let run = program().arg("run").arg("--config").arg(dir.join("redeemer.toml")).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8(run.stderr).unwrap().contains("unknown field `orgin`"));
}

/// A configured redeemer, with an issuer.
struct Site {
    world: World,
    config: PathBuf,
}

impl Site {
    async fn new() -> Self {
        let mut world = World::new().await;
        // This program lives by the clock of the machine.
        let currency = world.mint().key().public().currency().clone();
        world.mints = vec![Mint::new(&currency, 0, 100_000)];
        let home = world.home.path();
        fs::write(home.join("policy.toml"), POLICY).unwrap();
        fs::write(home.join("issuing.key"), world.mint().hex()).unwrap();
        fs::set_permissions(home.join("issuing.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let config = home.join("redeemer.toml");
        let text = format!(
            "data_dir = \"data\"\norigin = \"redeemer.example/farthing/payments\"\nlisten = \"127.0.0.1:0\"\n\
             policy = \"policy.toml\"\nkeys = [\"issuing.key\"]\ndev_certs = \"certs\"\n\
             [issuer]\naddress = \"https://{}\"\n",
            world.issuer
        );
        fs::write(&config, text).unwrap();
        Self { world, config }
    }

    fn run(&self) -> Command {
        let mut command = program();
        command.args(["run", "--log-format", "json", "--config"]).arg(&self.config);
        command.stderr(Stdio::piped());
        command
    }

    fn start(&self) -> Server {
        let mut process = Process(self.run().spawn().unwrap());
        let mut stderr = BufReader::new(process.0.stderr.take().unwrap());
        let mut log = String::new();
        loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it has stopped: {log}");
            log.push_str(&line);
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = entry["fields"]["address"].as_str() {
                let tls = ClientTls::load(&self.world.certificates.authority(), None).unwrap();
                let channel = channel::open(&format!("https://{address}"), &tls, Deadlines::default()).unwrap();
                return Server { process, stderr, log, channel };
            }
        }
    }

    fn store(&self, command: &str) -> Output {
        program().args(["store", command, "--config"]).arg(&self.config).output().unwrap()
    }
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A redeemer in a process of its own.
struct Server {
    process: Process,
    stderr: BufReader<ChildStderr>,
    log: String,
    channel: Channel,
}

impl Server {
    async fn facts(&self, site: &Site) -> Facts {
        let mut client = RedeemerServiceClient::new(self.channel.clone());
        let facts = client.get_redeemer(GetRedeemerRequest {}).await.unwrap().into_inner();
        Facts::new(&facts, &site.world.public_keys())
    }

    async fn submit(&self, transaction: &Transaction, private_part: Vec<u8>) -> SubmitTransactionResponse {
        let request = SubmitTransactionRequest { transaction: transaction.as_bytes().to_vec(), private_part };
        RedeemerServiceClient::new(self.channel.clone()).submit_transaction(request).await.unwrap().into_inner()
    }

    /// Asks it to stop, and gives everything that it has logged.
    fn stop(mut self) -> String {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.stderr.read_to_string(&mut self.log).unwrap();
        assert!(self.process.0.wait().unwrap().success(), "{}", self.log);
        std::mem::take(&mut self.log)
    }

    /// Ends it in the middle of whatever it does.
    fn kill(mut self) {
        self.process.0.kill().unwrap();
    }
}

/// On threads of its own, since the test waits for processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_serves_stops_and_says_nothing_of_its_users() {
    let site = Site::new().await;
    let server = site.start();
    let second = site.run().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(text.contains(&format!("process {}", server.process.0.id())), "{text}");
    assert_eq!(site.store("verify").status.code(), Some(1));

    for service in ["", "farthing.v1.RedeemerService", "farthing.v1.LedgerService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let health = HealthClient::new(server.channel.clone()).check(request).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving);
    }
    let facts = server.facts(&site).await;
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let account = AccountKey::of(&bob.keys).to_bytes();
    site.world.books.accounts.lock().unwrap().insert(account.to_vec(), 1);
    let coin = site.world.mint().coin(&alice.keys, 98_765);
    let pay = alice.pay(&facts, &coin, &bob, 345);
    let paid = server.submit(&pay, Vec::new()).await;
    let state = site.world.mint().state(&bob.keys, &bob.identity, 1, facts.header.day.month().max(validity()));
    let claim = bob.claim(&facts, &[bob.note(&facts, &pay, &paid.answer)], &state);
    let (coin, _) = bob.claimed(&facts, &claim, &server.submit(&claim, Vec::new()).await.answer, &state);
    let (redeem, opening) = bob.redeem(&facts, &coin, 234);
    server.submit(&redeem, opening.to_bytes().to_vec()).await;
    site.world.books.wait_until(|books| books.credited().len() == 1).await;
    let log = server.stop();

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut secrets: Vec<_> = [&pay, &claim, &redeem]
        .into_iter()
        .flat_map(|transaction| transaction.core().nullifiers())
        .map(|nullifier| hex(nullifier.as_bytes()))
        .collect();
    secrets.extend([hex(&account), hex(redeem.id().as_bytes())]);
    secrets.extend(["98765", "98418", "345", "234", "alice", "bob"].map(str::to_owned));
    // The line with the address of the server itself: its port may have any digits.
    for line in log.lines().filter(|line| !line.contains("\"serving\"")) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = format!("{} {}", entry["fields"], entry["span"]);
        // Request ids are random digits.
        let text = text.split("\"id\":").next().unwrap();
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {line}");
        }
    }
    assert!(log.contains("policy published") && log.contains("asked to stop"), "{log}");
    let verified = site.store("verify");
    assert!(verified.status.success(), "{verified:?}");
    assert!(site.store("rebuild").status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_lets_it_look_at_the_policy_and_ends_nothing() {
    let site = Site::new().await;
    let server = site.start();
    let status = || program().args(["policy", "status", "--config"]).arg(&site.config).output().unwrap();
    assert_eq!(server.facts(&site).await.header.epoch, 1);
    let (path, fresh) = (site.world.home.path().join("policy.toml"), site.world.home.path().join("fresh.toml"));
    let put = |text: String| {
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, &path).unwrap();
        let pid = server.process.0.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    put(POLICY.replace("\"0.02\"", "\"0.03\""));
    let changed = async {
        while server.facts(&site).await.header.epoch < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        put(POLICY.replace("minimum", "minimun"));
        while status().status.success() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), changed).await.unwrap();
    let told = String::from_utf8(status().stdout).unwrap();
    assert!(told.starts_with("not in force\nthe policy of epoch 2 stays\n"), "{told}");
    assert!(told.contains(":10:1: unknown key `minimun`"), "{told}");
    assert_eq!(server.facts(&site).await.header.epoch, 2);
    let log = server.stop();
    assert!(log.contains("unknown key `minimun` in [payment]"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill() {
    let site = Site::new().await;
    let server = site.start();
    let facts = server.facts(&site).await;
    let alice = Wallet::new("alice@bank.example");
    let swap = alice.swap(&facts, &[site.world.mint().coin(&alice.keys, 1_000)], None);
    let answer = server.submit(&swap, Vec::new()).await;
    server.kill();
    let server = site.start();
    assert_eq!(server.submit(&swap, Vec::new()).await, answer);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_policy_or_an_open_key_stops_the_start() {
    let site = Site::new().await;
    let home = site.world.home.path();
    site.start().stop();
    fs::write(home.join("policy.toml"), POLICY.replace("minimum", "minimun")).unwrap();
    let output = site.run().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("policy.toml:10:1: unknown key `minimun`"), "{text}");
    fs::write(home.join("policy.toml"), POLICY).unwrap();

    fs::set_permissions(home.join("issuing.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = site.run().output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("chmod 600"));
    fs::set_permissions(home.join("issuing.key"), fs::Permissions::from_mode(0o600)).unwrap();
    site.start().stop();
    // The wrong file has left no trace.
    let server = site.start();
    assert_eq!(server.facts(&site).await.header.epoch, 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_makes_no_sense_is_refused_with_what_to_do() {
    let site = Site::new().await;
    let right = fs::read_to_string(&site.config).unwrap();
    let pair = "tls = { certificate = \"a.pem\", key = \"a.key\" }\ndev_certs";
    let address = format!("https://{}", site.world.issuer);
    for (from, to, told) in [
        ("dev_certs = \"certs\"\n", "", "give either dev_certs or [tls]"),
        ("dev_certs", pair, "give either dev_certs or [tls]"),
        ("[\"issuing.key\"]", "[]", "name at least one file with an issuing key"),
        ("[\"issuing.key\"]", "[\"policy.toml\"]", "policy.toml: "),
        ("redeemer.example/", "redeemer example/", "origin: a name such as"),
        ("127.0.0.1:0", "192.0.2.1:0", "refusing to serve a development certificate"),
        (address.as_str(), "issuer.example", "write https://HOST:PORT"),
    ] {
        assert!(right.contains(from), "{from}");
        fs::write(&site.config, right.replace(from, to)).unwrap();
        let output = site.run().output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(told), "{text}");
    }
}
