//! The program as an operator runs it: init, run, admin, and what the log holds of all that.
#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use farthing_ecash::{
    account::AccountKey,
    amount::Amount,
    calendar::Day,
    identity::Identity,
    keys::KeyId,
    register,
    seed::{Seed, WalletKeys},
    withdraw,
};
use farthing_issuer::config::Config;
use farthing_proto::v1::{
    CreditRedemptionRequest, GetIssuerRequest, RegisterRequest, WithdrawRequest,
    issuer_service_client::IssuerServiceClient, redemption_service_client::RedemptionServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    dev_certs::DevCertificates,
    tls::ClientTls,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde_json::Value;
use tempfile::TempDir;

/// No test waits longer than this for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

const ALICE: &str = "alice@bank.example";

/// The program on the files of one operator.
struct Operator {
    home: TempDir,
}

/// The program while it serves. Ended when it is dropped.
struct Serving {
    child: Child,
    wallets: SocketAddr,
    redeemers: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Operator {
    /// Makes the first files, with free ports in place of the usual ones.
    fn new() -> Self {
        let operator = Self { home: tempfile::tempdir().unwrap() };
        let made =
            operator.command().args(["init", "--dir"]).arg(operator.home.path().join("issuer")).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let config = fs::read_to_string(operator.config()).unwrap();
        let config = ["7100", "7101", "7102"].iter().fold(config, |config, port| config.replace(port, "0"));
        fs::write(operator.config(), config).unwrap();
        operator
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("issuer/issuer.toml")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farthing-issuer"));
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    /// Runs a command with the configuration.
    fn call(&self, args: &[&str]) -> Output {
        self.command().args(args).arg("--config").arg(self.config()).output().unwrap()
    }

    /// Runs a command that must succeed, and reads the JSON that it prints.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.call(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts to serve, and writes the operator's real port into the configuration.
    fn serve(&self) -> Serving {
        let log = File::create(self.home.path().join("log")).unwrap();
        let mut child = self.command();
        let child = child.args(["run", "--config"]).arg(self.config()).stdout(Stdio::null()).stderr(log).spawn();
        let mut child = child.unwrap();
        let begun = Instant::now();
        let line = loop {
            if let Some(line) = self.log().lines().find(|line| line.contains("redeemers=")) {
                break line.to_owned();
            }
            assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        let address = |name: &str| {
            let value = line.split(name).nth(1).unwrap();
            value.split_whitespace().next().unwrap().parse().unwrap()
        };
        let operator: SocketAddr = address("operator=");
        let config = fs::read_to_string(self.config()).unwrap();
        let lines = config.lines().map(|line| match line.strip_prefix("admin_listen") {
            Some(_) => format!("admin_listen = \"{operator}\"\n"),
            None => format!("{line}\n"),
        });
        fs::write(self.config(), lines.collect::<String>()).unwrap();
        Serving { child, wallets: address("wallets="), redeemers: address("redeemers=") }
    }
}

impl Serving {
    /// Asks it to stop, and waits until it has.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registers a wallet, withdraws 17.351913 and has 4.351913 credited; returns what no log may hold.
async fn main_job(serving: &Serving, certificates: &Path, invitation: &str) -> Vec<String> {
    let certificates = DevCertificates::open(certificates).unwrap();
    let open = |address: SocketAddr| {
        let pair = certificates.client("redeemer").unwrap();
        let tls = ClientTls::load(&certificates.authority(), Some(&pair)).unwrap();
        channel::open(&format!("https://{address}"), &tls, Deadlines::default()).unwrap()
    };
    let mut issuer = IssuerServiceClient::new(open(serving.wallets));
    let about = issuer.get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
    let key = KeyId::new(about.current_key_id.try_into().unwrap());
    let mut rng = UnwrapErr(SysRng);
    let wallet = WalletKeys::new(&Seed::generate(&mut rng).0, &about.log_origin);
    let day = Day::new(about.logical_day);
    let identity = Identity::parse(ALICE).unwrap();
    let (transaction, opening) = register::request(key, day, &wallet, &identity, &mut rng).unwrap();
    let request = RegisterRequest {
        transaction: transaction.as_bytes().to_vec(),
        private_part: opening.to_bytes(),
        invitation: invitation.to_owned(),
    };
    issuer.register(request.clone()).await.unwrap();
    issuer.register(request.clone()).await.unwrap();
    // What is refused is logged no louder.
    issuer.register(RegisterRequest { invitation: String::new(), ..wrong(&request) }).await.unwrap_err();

    let withdrawal =
        |amount| withdraw::request(key, day, &wallet, Amount::new(amount), 0, &mut UnwrapErr(SysRng)).unwrap();
    let (transaction, opening) = withdrawal(17_351_913);
    let request =
        WithdrawRequest { transaction: transaction.as_bytes().to_vec(), private_part: opening.to_bytes().to_vec() };
    issuer.withdraw(request.clone()).await.unwrap();
    let (transaction, opening) = withdrawal(27_351_914);
    let too_much =
        WithdrawRequest { transaction: transaction.as_bytes().to_vec(), private_part: opening.to_bytes().to_vec() };
    issuer.withdraw(too_much).await.unwrap_err();

    let account = AccountKey::of(&wallet).to_bytes();
    let redemption =
        CreditRedemptionRequest { transaction_id: vec![9; 32], account_key: account.to_vec(), amount: 4_351_913 };
    RedemptionServiceClient::new(open(serving.redeemers)).credit_redemption(redemption).await.unwrap();
    vec![hex(&account), hex(&identity.pid().to_bytes()), hex(&identity.pid().directory_hash())]
}

/// The same registration as another transaction: one bit of the nonce is different.
fn wrong(request: &RegisterRequest) -> RegisterRequest {
    let mut wrong = request.clone();
    // The nonce ends before two commitments, ct-self and the proof part.
    let at = wrong.transaction.len() - (2 + 5) * 32 - 73 - 2 * 32 - 1;
    wrong.transaction[at] ^= 1;
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_an_issuer_and_its_log_betrays_nobody() {
    let operator = Operator::new();
    let again = operator.command().args(["init", "--dir"]).arg(operator.home.path().join("issuer")).output().unwrap();
    assert!(!again.status.success(), "files that are there stay");
    let before = operator.call(&["admin", "supply"]);
    assert!(!before.status.success() && String::from_utf8_lossy(&before.stderr).contains("admin.token"));

    let serving = operator.serve();
    let account = operator.json(&["admin", "create-account", " Alice@Bank.example", "--class", "person"]);
    assert_eq!(account["identity"], ALICE);
    let credit = operator.json(&["admin", "credit", ALICE, "42.351913"]);
    assert_eq!(credit["balance"], 42_351_913);
    let id = credit["request_id"].as_str().unwrap();
    let same = operator.json(&["admin", "credit", ALICE, "42.351913", "--request-id", id]);
    assert_eq!(same, credit);
    for wrong in [["credit", ALICE, "1.0000001"], ["credit", "nobody@bank.example", "1"], ["credit", ALICE, "-1"]] {
        let refused = operator.call(&[&["admin"][..], &wrong].concat());
        assert!(!refused.status.success() && !refused.stderr.is_empty() && refused.stdout.is_empty());
    }
    let invitation = operator.json(&["admin", "invite", ALICE, "--class", "person"]);
    let invitation = invitation["invitation"].as_str().unwrap();
    let certificates = operator.home.path().join("dev-certs");
    let secrets = main_job(&serving, &certificates, invitation).await;

    let accounts = operator.json(&["admin", "list"]);
    assert_eq!(accounts[0]["balance"], 29_351_913);
    assert_eq!(accounts[0]["registered"], true);
    let supply = operator.json(&["admin", "supply"]);
    assert_eq!((supply["withdrawn"].as_u64(), supply["redeemed"].as_u64()), (Some(17_351_913), Some(4_351_913)));
    let shown = String::from_utf8(operator.call(&["admin", "supply"]).stdout).unwrap();
    assert_eq!(shown, "withdrawn 17.351913 EUR\nredeemed 4.351913 EUR\n");
    // The store is in use.
    assert!(!operator.call(&["store", "verify"]).status.success());

    let token = fs::read_to_string(Config::load(&operator.config()).unwrap().token_file()).unwrap();
    serving.stop();
    assert!(operator.call(&["store", "verify"]).status.success());
    assert!(operator.call(&["store", "rebuild"]).status.success());

    let log = operator.log().to_lowercase();
    for said in ["registered a wallet", "signed a withdrawal", "credited a redemption"] {
        assert!(log.contains(said), "{log}");
    }
    let (invited, plain) = (invitation.to_lowercase(), invitation.replace('-', "").to_lowercase());
    let amounts = ["351913", "351914", "42.35", "17.35", "29.35"];
    let unspoken = [ALICE, "bank.example", "person", &invited, &plain, &token, id].into_iter().chain(amounts);
    for secret in unspoken.chain(secrets.iter().map(String::as_str)) {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
    // The only addresses are its own.
    for line in log.lines().filter(|line| line.contains("127.0.0.1")) {
        assert!(line.contains("serving"), "{line}");
    }
}

#[test]
fn keys_are_planned_and_rotated_beside_a_running_issuer() {
    let operator = Operator::new();
    let plan = operator.json(&["keys", "plan"]);
    assert_eq!((plan["keys"].as_array().unwrap().len(), &plan["keys"][0]["stage"]), (1, &"signs now".into()));
    assert_eq!(plan["is_due"], false);
    let _serving = operator.serve();
    let gap = operator.call(&["keys", "rotate", "--first-day", "2999-01-01"]);
    assert_eq!(gap.status.code(), Some(1));
    assert!(String::from_utf8(gap.stderr).unwrap().contains("the latest first day is"));

    let rotated = operator.call(&["keys", "rotate"]);
    let told = String::from_utf8(rotated.stdout).unwrap();
    assert!(told.starts_with("made ") && told.contains("copy it to the redeemer"), "{told}");
    let begun = Instant::now();
    loop {
        let status = operator.call(&["status"]);
        let told = String::from_utf8(status.stdout).unwrap();
        if told.contains("all key files are in use: 2") {
            assert!(status.status.success() && told.contains("is the policy in use"), "{told}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{told} {}", operator.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let plan = operator.json(&["keys", "plan"]);
    assert_eq!(plan["keys"][1]["stage"], "announced");
    assert!(operator.log().contains("announced an issuing key"));
}
