//! Issuer and redeemer in one: they verify, sign and record as the real ones, and fail as they are told.

mod service;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use farthing_ecash::{
    account::AccountOpening,
    amount::{Amount, Currency},
    calendar::{Day, Month},
    credential::{
        Nullifier,
        issue::{Addition, Answer},
    },
    entry::{Entry, EntryKind},
    identity::Identity,
    keys::{KeyDates, KeyRing, SigningKey},
    policy::PolicyBody,
    register::RegisterOpening,
    statement::Statement,
    transaction::{Transaction, TransactionId},
};
use farthing_policy::Policy;
use farthing_proto::v1::{
    ErrorReason, issuer_service_server::IssuerServiceServer, ledger_service_server::LedgerServiceServer,
    redeemer_service_server::RedeemerServiceServer,
};
use farthing_service::{
    clock::ManualClock,
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    server::{Server, ServerSettings},
    status::Refusal,
    tls::ServerTls,
};
use farthing_wallet::{Connection, Options, RegisterOutcome, RequestId, ServerAddress, Wallet};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const PASSPHRASE: &str = "a passphrase of some length";
/// The day on which every test begins: 2026-11-20, at noon.
pub(crate) const TODAY: u32 = 20_777;
const NOON: i64 = 20_777 * 86_400 + 43_200;

const POLICY: &str = r#"
version = 1
timezone = "UTC"
grace = "10m"
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "FEE"
minimum = "0.10"
[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "15.00" }
withdraw = { per_day = "1000.00" }
"#;

/// What happens to the next request that moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is lost on its way.
    RequestLost,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is kept aside, and the connection breaks. [`Bank::release`] carries it out later.
    Delayed,
    /// It is carried out, and the answer is another one.
    Falsified,
    /// It is refused.
    Refused(ErrorReason),
}

/// The books.
pub(crate) struct Books {
    keys: KeyRing,
    pub(crate) day: u32,
    pub(crate) epoch: u32,
    pub(crate) fee: &'static str,
    pub(crate) origin: &'static str,
    /// Names another redeemer key than the issuer's.
    pub(crate) foreign_key: bool,
    pub(crate) fates: VecDeque<Fate>,
    delayed: Vec<(Vec<u8>, Vec<u8>)>,
    directory: BTreeMap<[u8; 32], Vec<u8>>,
    pub(crate) issuance: Vec<Vec<u8>>,
    pub(crate) payments: Vec<Vec<u8>>,
    /// After how many entries streams of the payment log break.
    pub(crate) payments_break_at: Option<usize>,
    answers: HashMap<TransactionId, (Vec<u8>, u64)>,
    spent: HashMap<Nullifier, u64>,
    /// Every transaction carried out.
    pub(crate) done: Vec<(Statement, TransactionId)>,
    pub(crate) withdrawn: u64,
    pub(crate) redeemed: u64,
    pub(crate) fees: u64,
    /// Called when a request that moves money arrives.
    pub(crate) arrival: Option<Box<dyn FnMut() + Send>>,
}

/// A running bank.
pub(crate) struct Bank {
    home: TempDir,
    books: Arc<Mutex<Books>>,
    pub(crate) clock: Arc<ManualClock>,
    issuer: SocketAddr,
    redeemer: SocketAddr,
    certificates: DevCertificates,
}

fn key() -> SigningKey {
    let [first, last_issue, accept_until, exchange_until] = [0, 100, 200, 300].map(|after| Day::new(TODAY - 1 + after));
    let dates = KeyDates { first, last_issue, accept_until, exchange_until };
    SigningKey::generate(Currency::new("EUR", 2).unwrap(), dates, &mut UnwrapErr(SysRng)).unwrap()
}

impl Bank {
    pub(crate) async fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(&home.path().join("certificates")).unwrap();
        let books = Books {
            keys: KeyRing::new([key()]),
            day: TODAY,
            epoch: 1,
            fee: "0.01",
            origin: "payments.example",
            foreign_key: false,
            fates: VecDeque::new(),
            delayed: Vec::new(),
            directory: BTreeMap::new(),
            issuance: Vec::new(),
            payments: Vec::new(),
            payments_break_at: None,
            answers: HashMap::new(),
            spent: HashMap::new(),
            done: Vec::new(),
            withdrawn: 0,
            redeemed: 0,
            fees: 0,
            arrival: None,
        };
        let books = Arc::new(Mutex::new(books));
        books.lock().unwrap().publish();
        let desk = service::Desk { books: Arc::clone(&books) };
        let listen = async |server: Server| {
            let tls = ServerTls::load(&certificates.server("bank").unwrap(), None).unwrap();
            let address = "127.0.0.1:0".parse().unwrap();
            let listener = Listener::bind(address, tls, ConnectionLimits::default()).await.unwrap();
            let address = listener.address();
            tokio::spawn(server.run(listener, CancellationToken::new()));
            address
        };
        let server = || Server::new(ServerSettings::default());
        let issuer = server().with_service(IssuerServiceServer::new(desk.clone()));
        let issuer = issuer.with_service(LedgerServiceServer::new(service::Log { desk: desk.clone(), issuance: true }));
        let redeemer = server().with_service(RedeemerServiceServer::new(desk.clone()));
        let redeemer = redeemer.with_service(LedgerServiceServer::new(service::Log { desk, issuance: false }));
        let (issuer, redeemer) = (listen(issuer).await, listen(redeemer).await);
        Self { home, books, clock: Arc::new(ManualClock::new(NOON)), issuer, redeemer, certificates }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// What happens to the next requests that move money, in order.
    pub(crate) fn next(&self, fates: &[Fate]) {
        self.books().fates.extend(fates);
    }

    /// Carries out what was delayed.
    pub(crate) fn release(&self) {
        let mut books = self.books();
        for (transaction, private) in std::mem::take(&mut books.delayed) {
            books.carry_out_late(&transaction, &private);
        }
    }

    /// Days pass, for servers and wallets.
    pub(crate) fn pass_days(&self, days: u32) {
        let mut books = self.books();
        books.day += days;
        self.clock.set(NOON + i64::from(books.day - TODAY) * 86_400);
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn options(&self) -> Options {
        Options { clock: self.clock.clone(), attempts_max: 1, ..Options::default() }
    }

    pub(crate) fn connection(&self) -> Connection {
        let server = |address| ServerAddress { url: format!("https://{address}"), ca: self.certificates.authority() };
        Connection { issuer: server(self.issuer), redeemer: server(self.redeemer) }
    }

    pub(crate) async fn create(&self, name: &str) -> Wallet {
        let (dir, connection) = (self.dir(name), self.connection());
        Wallet::create_with(&dir, PASSPHRASE, &connection, None, self.options()).await.unwrap().0
    }

    pub(crate) async fn reopen(&self, dir: &Path) -> Wallet {
        Wallet::open_with(dir, PASSPHRASE, self.options()).await.unwrap()
    }

    /// A registered wallet.
    pub(crate) async fn wallet(&self, name: &str) -> Wallet {
        let wallet = self.create(name).await;
        let outcome = wallet.register(&identity(name).to_string(), "invited").await.unwrap();
        assert!(matches!(outcome, RegisterOutcome::Registered(_)));
        wallet
    }

    /// A registered wallet with coins of these values.
    pub(crate) async fn rich(&self, name: &str, values: &[u64]) -> Wallet {
        let wallet = self.wallet(name).await;
        for value in values {
            wallet.withdraw(Amount::new(*value), RequestId::random()).await.unwrap();
        }
        wallet
    }

    /// How many transactions of a kind were carried out.
    pub(crate) fn count(&self, statement: Statement) -> usize {
        self.books().done.iter().filter(|(done, _)| *done == statement).count()
    }
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity::parse(&format!("{name}@bank.example")).unwrap()
}

/// All money of a wallet.
pub(crate) async fn holds(wallet: &Wallet) -> u64 {
    let balance = wallet.balance().await;
    balance.available.get() + balance.in_flight.get() + balance.claimable.get()
}

/// Copies a directory as a crash would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(&path, &target).is_ok()) }
    }
}

impl Books {
    fn key(&self) -> &SigningKey {
        self.keys.current(Day::new(self.day)).unwrap()
    }

    pub(crate) fn policy(&self) -> PolicyBody {
        Policy::parse(&POLICY.replace("FEE", self.fee)).unwrap().body(self.epoch)
    }

    fn log(&mut self, kind: EntryKind, body: Vec<u8>) -> u64 {
        self.payments.push(Entry::new(kind, Day::new(self.day), body).unwrap().to_bytes());
        self.payments.len() as u64 - 1
    }

    /// Puts the policy in force into the log.
    pub(crate) fn publish(&mut self) {
        let policy = self.policy().to_bytes();
        self.log(EntryKind::Policy, policy);
    }

    /// What the protocol says: recorded, then day and policy, then serials, then the proof.
    fn carry_out(&mut self, transaction: &[u8], private: &[u8]) -> Result<(Vec<u8>, u64), Refusal> {
        let transaction =
            Transaction::from_bytes(transaction).map_err(|error| Refusal::field("transaction", error.to_string()))?;
        if let Some(recorded) = self.answers.get(&transaction.id()) {
            return Ok(recorded.clone());
        }
        let header = transaction.core().header();
        if header.day.get() != self.day {
            return Err(Refusal::new(ErrorReason::PeriodMoved, "another day").with("logical_day", self.day));
        }
        let for_issuer = matches!(transaction.core().statement(), Statement::Register | Statement::Withdraw);
        if !for_issuer && header.policy != self.policy().hash() {
            return Err(Refusal::new(ErrorReason::PolicyMoved, "another policy").with("epoch", self.epoch));
        }
        let spent = transaction.core().nullifiers().find_map(|serial| self.spent.get(&serial).copied());
        if let Some(index) = spent {
            return Err(Refusal::new(ErrorReason::AlreadySpent, "spent before").with("log_index", index));
        }
        self.accept(transaction, private)
    }

    /// The day of the transaction was checked before it was delayed.
    fn carry_out_late(&mut self, transaction: &[u8], private: &[u8]) {
        self.accept(Transaction::from_bytes(transaction).unwrap(), private).unwrap();
    }

    fn accept(&mut self, transaction: Transaction, private: &[u8]) -> Result<(Vec<u8>, u64), Refusal> {
        let rng = &mut UnwrapErr(SysRng);
        let policy = self.policy();
        let (statement, id) = (transaction.core().statement(), transaction.id());
        let mut addition = Addition::None;
        let mut registered = None;
        match statement {
            Statement::Register => {
                let opening = RegisterOpening::from_bytes(private).unwrap();
                opening.check(&transaction).unwrap();
                addition = Addition::Registration { class: 1, validity: Month::new(30_000) };
                registered =
                    Some((opening.identity().pid().directory_hash(), opening.encryption_key().to_bytes().to_vec()));
            }
            Statement::Withdraw | Statement::Redeem => {
                AccountOpening::from_bytes(private).unwrap().check(transaction.core()).unwrap();
            }
            Statement::Pay => addition = Addition::Expiry(transaction.core().month().plus(policy.terms().months)),
            _ => {}
        }
        let verified = transaction.verify(&self.keys, policy.terms().minimum, rng);
        let verified = verified.map_err(|_| Refusal::new(ErrorReason::ProofInvalid, "the proof does not verify"))?;
        let answer = Answer::sign(self.key(), &verified, addition, rng).unwrap().to_bytes();
        let core = verified.core();
        let publics = core.publics();
        match statement {
            Statement::Withdraw => self.withdrawn += publics.amount,
            Statement::Redeem => self.redeemed += publics.amount,
            Statement::Pay => self.fees += publics.fee,
            _ => {}
        }
        self.directory.extend(registered);
        let index = if matches!(statement, Statement::Register | Statement::Withdraw) {
            let body = [verified.transaction().core_bytes(), &answer].concat();
            let entry = Entry::new(EntryKind::Transaction(statement), Day::new(self.day), body).unwrap();
            self.issuance.push(entry.to_bytes());
            self.issuance.len() as u64 - 1
        } else {
            let body = [verified.transaction().core_bytes(), &answer].concat();
            let index = self.log(EntryKind::Transaction(statement), body);
            self.spent.extend(core.nullifiers().map(|serial| (serial, index)));
            index
        };
        self.done.push((statement, id));
        self.answers.insert(id, (answer.clone(), index));
        Ok((answer, index))
    }
}
