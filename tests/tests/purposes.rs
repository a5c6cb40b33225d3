//! Money for a purpose: in accounts, wallets and logs, by the library and by commands.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::PathBuf, process::Command, sync::Arc};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_service::clock::ManualClock;
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::PASSPHRASE,
    programs::{Farthing, program},
};
use farthing_wallet::{
    Balance, OperationKind, OperationState, Options, PendingReason, Receipt, RequestId, Wallet, WalletError,
};

/// The demo's town, and tokens that stay tokens.
const POLICY: &str = concat!(
    include_str!("../src/demo/life.toml"),
    r#"
[[class]]
number = 4
name = "club"
receive = { per_day = "unlimited", per_month = "unlimited" }
accepts = ["token"]
[[purpose]]
number = 2
name = "token"
becomes = "token"
"#
);
/// 2026-11-20 12:00 in Luxembourg (UTC+1).
const NOON: i64 = 1_795_172_400;
const EVA: &str = "eva@works.example";
const GROCER: &str = "shop@grocer.example";
const CLUB: &str = "till@club.example";

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

struct Scene {
    dir: tempfile::TempDir,
    cluster: Cluster,
    options: Options,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let setup = Setup { clock: clock.clone(), ..Setup::with_policy(POLICY) };
        let cluster = Cluster::start(&dir.path().join("servers"), setup).await.unwrap();
        Self { dir, cluster, options: Options { clock, ..Options::default() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A registered wallet and its words.
    async fn wallet(&self, identity: &str, class: &str) -> (Wallet, String) {
        let invitation = self.cluster.invite(identity, class).await.unwrap();
        let (path, connection, options) = (self.path(identity), self.cluster.connection(), self.options.clone());
        let (wallet, words) = Wallet::create_with(&path, PASSPHRASE, &connection, None, options).await.unwrap();
        wallet.register(identity, &invitation).await.unwrap();
        (wallet, words.to_string())
    }

    async fn claims(&self) -> usize {
        let transactions = self.cluster.payment_transactions(0).await.unwrap();
        transactions.iter().filter(|logged| logged.core.statement() == Statement::Claim).count()
    }
}

async fn withdraw(wallet: &Wallet, purpose: &str, amount: &str) -> Receipt {
    wallet.withdraw_for(purpose, eur(amount), RequestId::random()).await.unwrap()
}

async fn pay(wallet: &Wallet, purpose: &str, to: &str, amount: &str) -> Result<Receipt, WalletError> {
    wallet.pay_for(purpose, &Identity::parse(to).unwrap(), eur(amount), "", RequestId::random()).await
}

fn parts(balance: &Balance) -> (Amount, Vec<(&str, Amount)>) {
    (balance.available, balance.restricted.iter().map(|part| (part.purpose.as_str(), part.amount)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_purpose_goes_its_way_and_no_other() {
    let scene = Scene::new().await;
    let (eva, words) = scene.wallet(EVA, "person").await;
    let (grocer, _) = scene.wallet(GROCER, "grocer").await;
    let (club, _) = scene.wallet(CLUB, "club").await;
    for (purpose, amount) in [("", "10.00"), ("meal", "12.00"), ("token", "6.00")] {
        scene.cluster.credit_for(purpose, EVA, eur(amount)).await.unwrap();
    }

    // Each withdrawal takes from the balance of its purpose.
    withdraw(&eva, "meal", "5.00").await;
    assert_eq!(withdraw(&eva, "meal", "2.00").await.available, eur("7.00"));
    withdraw(&eva, "unrestricted", "3.00").await;
    withdraw(&eva, "token", "4.00").await;
    let account = eva.info().await.unwrap().account.unwrap();
    let held: Vec<_> = account.restricted.iter().map(|part| (part.purpose.as_str(), part.amount)).collect();
    assert_eq!((account.balance, held), (eur("7.00"), vec![("meal", eur("5.00")), ("token", eur("2.00"))]));
    assert_eq!(account.withdrawn_today, eur("14.00"));
    let unknown = eva.withdraw_for("meals", eur("1.00"), RequestId::random()).await;
    assert!(matches!(&unknown, Err(WalletError::PurposeUnknown { known, .. }) if *known == ["meal", "token"]));
    let over = eva.withdraw_for("token", eur("2.01"), RequestId::random()).await;
    assert!(matches!(over, Err(WalletError::AccountTooLow { available }) if available == Some(eur("2.00"))));

    // What one purpose lacks no other gives; what is easily overlooked is pointed out.
    let short = pay(&eva, "meal", GROCER, "7.00").await;
    assert!(matches!(short, Err(WalletError::InsufficientFunds { available, .. }) if available == eur("7.00")));
    let other = pay(&eva, "", GROCER, "5.00").await;
    let Err(WalletError::OtherPurpose { needed, available, restricted }) = other else { panic!("{other:?}") };
    assert_eq!((needed, available), (eur("5.01"), eur("3.00")));
    assert_eq!((restricted.purpose.as_str(), restricted.amount), ("meal", eur("7.00")));
    assert!(matches!(pay(&eva, "", GROCER, "9.00").await, Err(WalletError::InsufficientFunds { .. })));
    let redeemed = eva.redeem(eur("3.01"), RequestId::random()).await;
    assert!(matches!(redeemed, Err(WalletError::NotRedeemable { available, .. }) if available == eur("3.00")));

    // Two coins are one payment, and the change keeps the purpose.
    let (payee, id) = (Identity::parse(GROCER).unwrap(), RequestId::random());
    let paid = eva.pay_for("meal", &payee, eur("6.00"), "lunch", id).await.unwrap();
    assert_eq!((paid.available, paid.item.purpose.as_str()), (eur("0.99"), "meal"));
    let again = eva.pay_for("meal", &payee, eur("6.00"), "lunch", id).await.unwrap();
    assert_eq!(again.item.transaction_id, paid.item.transaction_id);
    let other = eva.pay_for("token", &payee, eur("6.00"), "lunch", id).await;
    assert!(matches!(other, Err(WalletError::RequestIdReused)));
    let left = (eur("3.00"), vec![("meal", eur("0.99")), ("token", eur("4.00"))]);
    assert_eq!(parts(&eva.balance().await), left);

    // The grocer's becomes money for anything, the club's tokens stay tokens.
    let report = grocer.receive().await.unwrap();
    assert_eq!((report.claimed[0].purpose.as_str(), report.available), ("meal", eur("6.00")));
    assert_eq!(parts(&grocer.balance().await), (eur("6.00"), Vec::new()));
    pay(&eva, "token", CLUB, "3.00").await.unwrap();
    let report = club.receive().await.unwrap();
    assert_eq!((report.claimed[0].purpose.as_str(), report.available), ("token", Amount::ZERO));
    assert_eq!(parts(&club.balance().await), (Amount::ZERO, vec![("token", eur("3.00"))]));
    assert!(matches!(pay(&club, "", EVA, "1.00").await, Err(WalletError::OtherPurpose { .. })));

    // Who does not accept them waits for nothing: there is a rule, for refunds only, and no wallet claims under it.
    pay(&club, "token", GROCER, "1.00").await.unwrap();
    let claims = scene.claims().await;
    for _ in 0..2 {
        let report = grocer.receive().await.unwrap();
        assert!(report.claimed.is_empty());
        assert_eq!(report.pending[0].reason, PendingReason::NotAllowed);
        assert_eq!(report.pending[0].payment.purpose, "token");
        assert_eq!(report.pending[0].expires.to_string(), "2027-01");
    }
    assert_eq!(scene.claims().await, claims);

    // Many coins are made into one first, of their own purpose.
    for _ in 0..17 {
        withdraw(&eva, "meal", "0.20").await;
    }
    pay(&eva, "meal", GROCER, "4.00").await.unwrap();
    let history = eva.history(None, 1_000).await.items;
    let merged: Vec<_> = history.iter().filter(|item| item.kind == OperationKind::Swap).collect();
    assert!(!merged.is_empty() && merged.iter().all(|item| item.purpose == "meal"));

    // From the words everything comes back, purposes included.
    let balance = eva.balance().await;
    assert_eq!(parts(&balance), (eur("3.00"), vec![("meal", eur("0.38")), ("token", eur("0.99"))]));
    // What payees have claimed meanwhile the log tells both: it does not come back.
    eva.refund(None).await.unwrap();
    let (holdings, path) = (eva.holdings().await, scene.path("restored"));
    let (connection, options) = (scene.cluster.connection(), scene.options.clone());
    let restored = Wallet::create_from_words(&path, PASSPHRASE, &connection, &words, options).await.unwrap();
    restored.restore(None, Arc::new(|_, _| ())).await.unwrap();
    assert_eq!(restored.holdings().await, holdings);
    assert_eq!(restored.balance().await, balance);
    let mut did: Vec<_> = history
        .iter()
        .filter(|item| item.state == OperationState::Done)
        .map(|item| (item.log_index, item.kind, item.amount, item.purpose.clone()))
        .collect();
    did.sort_by_key(|(index, kind, ..)| (*kind as u8, *index));
    let items = restored.history(None, 1_000).await.items.into_iter();
    let mut found: Vec<_> = items.map(|item| (item.log_index, item.kind, item.amount, item.purpose)).collect();
    found.sort_by_key(|(index, kind, ..)| (*kind as u8, *index));
    assert_eq!(found, did);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_name_the_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let config = cluster.issuer_config();
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(program("farthing-issuer").unwrap());
        let output = command.arg("admin").args(arguments).arg("--config").arg(&config).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let farthing = |name: &str| Farthing::new(&dir.path().join(name)).unwrap();
    let (eva, bookshop) = (farthing("eva"), farthing("bookshop"));
    for (wallet, identity, class) in [(&eva, EVA, "person"), (&bookshop, "shop@books.example", "bookshop")] {
        let urls = [cluster.issuer_address(), cluster.redeemer_address()].map(|address| format!("https://{address}"));
        let ca = cluster.authority();
        let [issuer, redeemer] = &urls;
        let init = ["init", "--issuer", issuer, "--redeemer", redeemer, "--ca", ca.to_str().unwrap()];
        assert_eq!(wallet.json(&init).unwrap().0, 0);
        let invitation = dir.path().join("invitation");
        std::fs::write(&invitation, cluster.invite(identity, class).await.unwrap()).unwrap();
        let register = ["register", identity, "--invitation-file", invitation.to_str().unwrap()];
        assert_eq!(wallet.json(&register).unwrap().0, 0);
    }

    // The operator.
    let (done, told) = admin(&["credit", EVA, "12.00", "--purpose", "meal"]);
    assert!(done && told.contains("the balance is 12.00 EUR for meal only"), "{told}");
    let (done, told) = admin(&["credit", EVA, "12.00", "--purpose", "meals"]);
    assert!(!done && told.contains("the policy has the purposes meal, token"), "{told}");

    // The holder. Each command is a process of its own, which knows the purpose's name from the vault.
    let (code, withdrawn) = eva.json(&["withdraw", "10.00", "--purpose", "meal"]).unwrap();
    assert_eq!((code, withdrawn["purpose"].as_str(), &withdrawn["available"]), (0, Some("meal"), &10_000_000.into()));
    let (_, balance) = eva.json(&["balance"]).unwrap();
    assert_eq!(balance["available"], 0, "{balance}");
    assert_eq!(balance["restricted"][0]["purpose"], "meal");
    let (code, refused) = eva.json(&["pay", "shop@books.example", "4.00"]).unwrap();
    let said = |key: &str| refused["error"][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((code, said("reason").as_str()), (4, "INSUFFICIENT_BALANCE"), "{refused}");
    assert!(said("message").contains("of purpose meal: 10.00 EUR"), "{refused}");
    assert!(said("next").starts_with("Add --purpose meal "), "{refused}");
    let (code, refused) = eva.json(&["pay", "shop@books.example", "4.00", "--purpose", "books"]).unwrap();
    assert_eq!((code, refused["error"]["reason"].as_str()), (2, Some("MALFORMED_REQUEST")), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("it has meal, token"), "{refused}");
    let (code, refused) = eva.json(&["redeem", "4.00"]).unwrap();
    assert_eq!(code, 4, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("money for meal only cannot be"), "{refused}");
    let paid = eva.run(&["pay", "shop@books.example", "4.00", "--purpose", "meal"]).unwrap();
    let told = String::from_utf8_lossy(&paid.stdout).into_owned();
    assert!(told.contains("5.99 EUR can be spent for meal only."), "{told}");
    let (_, history) = eva.json(&["history"]).unwrap();
    assert!(history["items"].as_array().unwrap().iter().filter(|item| item["purpose"] == "meal").count() >= 2);
    let (_, info) = eva.json(&["info"]).unwrap();
    assert_eq!(info["account_restricted"][0]["amount"], 2_000_000, "{info}");

    // For a request it does not count: goods are handed over for money that can be claimed.
    let (_, request) = bookshop.json(&["request", "2.00", "--memo", "a book"]).unwrap();
    let uri = request["uri"].as_str().unwrap();
    assert_eq!(eva.json(&["pay", uri, "--purpose", "meal", "--yes"]).unwrap().0, 0);

    let (code, report) = bookshop.json(&["receive"]).unwrap();
    assert_eq!((code, report["claimed"].as_array().map(Vec::len)), (0, Some(0)), "{report}");
    assert_eq!(report["pending"][0]["reason"], "not_allowed");
    let expires = report["pending"][0]["expires"].as_str().unwrap();
    let shown = bookshop.run(&["receive"]).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("After {expires} it can go back to its payer.")), "{shown}");

    let (_, made) = bookshop.json(&["requests"]).unwrap();
    let made = &made["requests"][0];
    assert_eq!((made["state"].as_str(), &made["received"], &made["claimed"]), (Some("unusable"), &0.into(), &0.into()));
    assert_eq!(made["unusable"], 2_000_000);
    let payment = &made["payments"][0];
    assert_eq!((payment["purpose"].as_str(), &payment["claimed"]), (Some("meal"), &0.into()), "{made}");

    let (_, listed) = admin(&["list"]);
    assert!(listed.contains("0.00 EUR + 2.00 EUR for meal only"), "{listed}");
    let (_, supply) = admin(&["supply"]);
    assert!(supply.contains("withdrawn 10.00 EUR\n  of it 10.00 EUR for meal only\n"), "{supply}");
}
