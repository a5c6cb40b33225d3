//! An issuer that runs for a test, and wallets for it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use farthing_ecash::{
    account::{AccountKey, AccountProof, ProofContext},
    amount::Amount,
    calendar::Day,
    identity::Identity,
    keys::{KeyId, PublicKey},
    register,
    seed::{Seed, WalletKeys},
    transaction::Transaction,
    withdraw,
};
use farthing_issuer::{
    Handles, Issuer, Parts,
    config::{Addresses, Config, Listeners},
    error::RunError,
    reload::Reload,
};
use farthing_proto::v1::{
    CreditRequest, GetAccountRequest, GetAccountResponse, GetIssuerRequest, GetLogSizeRequest, InviteRequest,
    RegisterRequest, RegisterResponse, WithdrawRequest, WithdrawResponse,
    issuer_admin_service_client::IssuerAdminServiceClient, issuer_service_client::IssuerServiceClient,
    ledger_service_client::LedgerServiceClient, redemption_service_client::RedemptionServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    clock::ManualClock,
    dev_certs::DevCertificates,
    listener::ConnectionLimits,
    status::Failure,
    tls::ClientTls,
    token::{Token, TokenBearer},
    watch::Pace,
};
use getrandom::{SysRng, rand_core::Rng as _, rand_core::UnwrapErr};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

/// 2026-11-20 12:00 in Luxembourg.
pub(crate) const NOON: i64 = 1_795_172_400;
/// The day of [`NOON`].
pub(crate) const TODAY: Day = Day::new(20_777);

/// A class `person` that withdraws at most 100.00 a day, a class `bank` without a cap, and two purposes.
const POLICY: &str = r#"
version = 1
timezone = "Europe/Luxembourg"
grace = "10m"
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "0"
minimum = "0.01"
[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "150.00" }
withdraw = { per_day = "100.00" }
[[class]]
number = 7
name = "bank"
receive = { per_day = "unlimited", per_month = "unlimited" }
[[purpose]]
number = 3
name = "meal"
becomes = "unrestricted"
[[purpose]]
number = 258
name = "rent"
becomes = "rent"
"#;

/// Directory entries reach the log at once.
const CONFIG: &str = r#"
data_dir = "data"
origin = "issuer.test/issuance"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
redemption_listen = "127.0.0.1:0"
policy = "policy.toml"
keys = ["keys/issuing.key"]
directory_interval_seconds = 0
dev_certs = "certs"
"#;

pub(crate) type Admin = IssuerAdminServiceClient<InterceptedService<Channel, TokenBearer>>;

/// A running issuer.
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) addresses: Addresses,
    pub(crate) handles: Handles,
    pub(crate) channel: Channel,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    home: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("policy.toml"), POLICY).unwrap();
        fs::write(home.path().join("issuer.toml"), CONFIG).unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let (config, parts) = parts(home.path(), &clock).unwrap();
        Self::serve(home, config, parts, clock).await.unwrap_or_else(|(_, error)| panic!("{error}"))
    }

    /// Stops it and starts it again on the same files.
    pub(crate) async fn restart(self) -> Self {
        let clock = self.clock.clone();
        let home = self.stop().await;
        let (config, parts) = parts(home.path(), &clock).unwrap();
        Self::serve(home, config, parts, clock).await.unwrap_or_else(|(_, error)| panic!("{error}"))
    }

    /// Serves, or gives back the files.
    pub(crate) async fn serve(
        home: TempDir,
        config: Config,
        parts: Parts,
        clock: Arc<ManualClock>,
    ) -> Result<Self, (TempDir, RunError)> {
        let listeners = Listeners::bind(&config, ConnectionLimits::default()).await.unwrap();
        let addresses = listeners.addresses();
        let issuer = match Issuer::start(parts, clock.clone()).await {
            Ok(issuer) => issuer,
            Err(error) => return Err((home, error)),
        };
        let (handles, shutdown) = (issuer.handles(), CancellationToken::new());
        let task = tokio::spawn(issuer.serve(listeners, shutdown.clone()));
        let address = format!("https://{}", addresses.wallets);
        let tls = ClientTls::load(&config.dev_certs.clone().unwrap().join("ca.pem"), None).unwrap();
        let channel = channel::open(&address, &tls, Deadlines::default()).unwrap();
        Ok(Self { config, clock, addresses, handles, channel, shutdown, task, home })
    }

    /// Stops it and gives back its files.
    pub(crate) async fn stop(self) -> TempDir {
        let Self { handles, channel, shutdown, task, home, .. } = self;
        drop((handles, channel));
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap().unwrap();
        home
    }

    /// Lets time pass, and the logical day with it.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.pass(time);
        self.handles.day.advance().await.unwrap();
    }

    pub(crate) fn certificates(&self) -> DevCertificates {
        DevCertificates::open(self.config.dev_certs.as_ref().unwrap()).unwrap()
    }

    pub(crate) fn issuer(&self) -> IssuerServiceClient<Channel> {
        IssuerServiceClient::new(self.channel.clone())
    }

    pub(crate) fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone())
    }

    /// The operator's address, without the token.
    pub(crate) fn operator_channel(&self) -> Channel {
        let tls = ClientTls::load(&self.config.admin_authority(), None).unwrap();
        channel::open(&format!("https://{}", self.addresses.operator), &tls, Deadlines::default()).unwrap()
    }

    pub(crate) fn admin(&self) -> Admin {
        let token = Token::load(&self.config.token_file()).unwrap();
        IssuerAdminServiceClient::with_interceptor(self.operator_channel(), token.bearer())
    }

    /// The redeemers' address, with or without a redeemer's certificate.
    pub(crate) fn redemptions(&self, certified: bool) -> RedemptionServiceClient<Channel> {
        let certificates = self.certificates();
        let pair = certified.then(|| certificates.client("redeemer").unwrap());
        let tls = ClientTls::load(&certificates.authority(), pair.as_ref()).unwrap();
        let address = format!("https://{}", self.addresses.redeemers);
        RedemptionServiceClient::new(channel::open(&address, &tls, Deadlines::default()).unwrap())
    }

    pub(crate) async fn key(&self) -> PublicKey {
        let answer = self.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
        let keys = answer.keys.iter().map(|bytes| PublicKey::from_bytes(bytes).unwrap());
        keys.into_iter().find(|key| key.id().as_bytes()[..] == answer.current_key_id).unwrap()
    }

    pub(crate) async fn log_size(&self) -> u64 {
        self.ledger().get_log_size(GetLogSizeRequest {}).await.unwrap().into_inner().size
    }

    pub(crate) async fn invite(&self, identity: &str, class: &str) -> String {
        let request = InviteRequest { identity: identity.to_owned(), class_name: class.to_owned() };
        self.admin().invite(request).await.unwrap().into_inner().invitation
    }

    /// Adds money to an account, and answers the balance.
    pub(crate) async fn credit(&self, identity: &str, amount: u64) -> u64 {
        self.credit_for("", identity, amount).await
    }

    /// Adds money for one purpose to an account, and answers the balance of that.
    pub(crate) async fn credit_for(&self, purpose: &str, identity: &str, amount: u64) -> u64 {
        let mut request_id = vec![0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut request_id);
        let request = CreditRequest { identity: identity.to_owned(), amount, request_id, purpose: purpose.to_owned() };
        self.admin().credit(request).await.unwrap().into_inner().balance
    }

    /// A wallet that is registered, with so much in its account.
    pub(crate) async fn registered(&self, identity: &str, class: &str, balance: u64) -> Wallet {
        let wallet = Wallet::new(identity);
        let invitation = self.invite(identity, class).await;
        let request = wallet.register(self.key().await.id(), TODAY, &invitation);
        self.register(&request).await.unwrap();
        if balance > 0 {
            self.credit(identity, balance).await;
        }
        wallet
    }

    pub(crate) async fn register(&self, request: &RegisterRequest) -> Result<RegisterResponse, Failure> {
        Ok(self.issuer().register(request.clone()).await?.into_inner())
    }

    pub(crate) async fn withdraw(&self, request: &WithdrawRequest) -> Result<WithdrawResponse, Failure> {
        Ok(self.issuer().withdraw(request.clone()).await?.into_inner())
    }

    /// The account of a wallet on this day.
    pub(crate) async fn account(&self, wallet: &Wallet, day: Day) -> Result<GetAccountResponse, Failure> {
        Ok(self.issuer().get_account(wallet.query(day)).await?.into_inner())
    }
}

/// Reads the files of an issuer.
pub(crate) fn parts(home: &Path, clock: &ManualClock) -> Result<(Config, Parts), RunError> {
    let config = Config::load(&home.join("issuer.toml"))?;
    let parts = Parts::from_config(&config, clock)?;
    let pace = Pace { every: Duration::from_millis(10), ..Pace::default() };
    let reload = parts.reload.clone().map(|reload| Reload { pace, ..reload });
    Ok((config, Parts { reload, ..parts }))
}

/// The wallet's side.
pub(crate) struct Wallet {
    pub(crate) keys: WalletKeys,
    pub(crate) identity: Identity,
}

impl Wallet {
    /// A wallet with fresh secrets.
    pub(crate) fn new(identity: &str) -> Self {
        let (seed, _) = Seed::generate(&mut UnwrapErr(SysRng));
        Self { keys: WalletKeys::new(&seed, "issuer.test/issuance"), identity: Identity::parse(identity).unwrap() }
    }

    pub(crate) fn account_key(&self) -> Vec<u8> {
        AccountKey::of(&self.keys).to_bytes().to_vec()
    }

    pub(crate) fn register(&self, key: KeyId, day: Day, invitation: &str) -> RegisterRequest {
        let (transaction, opening) =
            register::request(key, day, &self.keys, &self.identity, &mut UnwrapErr(SysRng)).unwrap();
        RegisterRequest {
            transaction: transaction.as_bytes().to_vec(),
            private_part: opening.to_bytes(),
            invitation: invitation.to_owned(),
        }
    }

    pub(crate) fn withdraw(&self, key: KeyId, day: Day, amount: u64, purpose: u32) -> WithdrawRequest {
        let amount = Amount::new(amount);
        let (transaction, opening) =
            withdraw::request(key, day, &self.keys, amount, purpose, &mut UnwrapErr(SysRng)).unwrap();
        WithdrawRequest { transaction: transaction.as_bytes().to_vec(), private_part: opening.to_bytes().to_vec() }
    }

    pub(crate) fn query(&self, day: Day) -> GetAccountRequest {
        let context = ProofContext::account_query(AccountKey::of(&self.keys), day);
        let proof = AccountProof::prove(&context, &self.keys, &mut UnwrapErr(SysRng)).to_bytes();
        GetAccountRequest { account_key: self.account_key(), day: day.get(), proof: proof.to_vec() }
    }
}

/// The transaction in a request.
pub(crate) fn transaction(bytes: &[u8]) -> Transaction {
    Transaction::from_bytes(bytes).unwrap()
}
