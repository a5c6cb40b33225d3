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
    disclosure::AttestationRequest,
    entry::{Entry, EntryKind},
    identity::Identity,
    keys::{KeyDates, KeyRing, PublicKey, SigningKey},
    policy::PolicyBody,
    register::RegisterOpening,
    renew::{Grant, GrantRequest},
    rule::sign_rules,
    statement::Statement,
    transaction::{Transaction, TransactionId},
    validity::ValidityCalendar,
};
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    hash::Hash,
    key::{CosignerKey, LogSigner},
    note::Timestamp,
    tree::Frontier,
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
/// So many days later, payments of that day can be taken back.
pub(crate) const TO_FEBRUARY: u32 = 73;
const NOON: i64 = 20_777 * 86_400 + 43_200;

const POLICY: &str = r#"
version = 1
timezone = "UTC"
grace = "10m"
bucket_bits = BITS
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "FEE"
minimum = "MINIMUM"
[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "15.00" }
withdraw = { per_day = "1000.00" }
accepts = ["meal"]
[[purpose]]
number = 1
name = "meal"
becomes = "unrestricted"
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
    /// It comes too late for its policy: there is another one, with a fee of 5 cents.
    FeeRaised,
}

/// The books.
pub(crate) struct Books {
    keys: KeyRing,
    pub(crate) day: u32,
    pub(crate) epoch: u32,
    pub(crate) fee: &'static str,
    pub(crate) minimum: &'static str,
    pub(crate) bucket_bits: u8,
    pub(crate) origin: &'static str,
    /// Names another redeemer key than the issuer's.
    pub(crate) foreign_key: bool,
    /// Until when states are valid, and what registrations get instead.
    pub(crate) calendar: ValidityCalendar,
    pub(crate) own_validity: Option<Month>,
    /// Registrations are signed from this day on.
    pub(crate) registers_from: u32,
    /// The issuer does not tell of so many calendars, from the first on.
    pub(crate) hidden_calendars: usize,
    /// Grants that are good, and where the log has them.
    grants: Vec<(Grant, u64)>,
    /// What happens to the next request for a grant; only its answer can be lost.
    pub(crate) lose_grant: bool,
    pub(crate) fates: VecDeque<Fate>,
    delayed: Vec<(Vec<u8>, Vec<u8>)>,
    directory: BTreeMap<[u8; 32], Vec<u8>>,
    pub(crate) issuance: Vec<Vec<u8>>,
    /// The keys of the logs, issuance first.
    pub(crate) signers: [LogSigner; 2],
    /// Up to where the logs are signed; without, to their ends.
    pub(crate) signed_to: [Option<usize>; 2],
    /// Who signs instead of the logs' keys.
    pub(crate) forgers: [Option<LogSigner>; 2],
    /// What the trees have instead of these entries.
    pub(crate) rewritten: HashMap<(Side, usize), Vec<u8>>,
    /// What is shown instead of these entries, though the trees have them.
    forged: HashMap<(Side, usize), Vec<u8>>,
    /// Where bodies are said to be.
    lies: HashMap<Vec<u8>, u64>,
    /// Keys that are announced besides those that sign.
    pub(crate) announced: Vec<PublicKey>,
    /// Checkpoints of the payment log name an issuance log that nobody has seen.
    pub(crate) names_another_issuance: bool,
    /// How often the servers were asked for something of their logs.
    pub(crate) log_calls: u64,
    /// Everything that wallets asked, in order, as far as it differs from call to call.
    pub(crate) calls: Vec<String>,
    pub(crate) witnesses: Vec<CosignerKey>,
    /// Where the directory's entries are in the log.
    listed: HashMap<[u8; 32], u64>,
    /// Entries of the directory are not logged.
    pub(crate) unlisted: bool,
    /// Of the hash of a transaction's proof part, or of the entry, so many bytes are sent as if they were of the other.
    pub(crate) moves_bytes: i8,
    pub(crate) payments: Vec<Vec<u8>>,
    /// After how many entries streams of the payment log break.
    pub(crate) payments_break_at: Option<usize>,
    /// Signed rules by epoch.
    rules: HashMap<u32, Vec<u8>>,
    answers: HashMap<TransactionId, (Vec<u8>, u64)>,
    spent: HashMap<Nullifier, u64>,
    /// Every transaction carried out.
    pub(crate) done: Vec<(Statement, TransactionId)>,
    /// What was asked to be attested.
    pub(crate) attested: Vec<AttestationRequest>,
    pub(crate) withdrawn: u64,
    pub(crate) redeemed: u64,
    pub(crate) fees: u64,
    /// Called when a request that moves money arrives.
    pub(crate) arrival: Option<Box<dyn FnMut() + Send>>,
}

/// One of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Issuance = 0,
    Payments = 1,
}

/// The hash of the proof part of every transaction of this bank, which keeps none.
pub(crate) const PROOF_HASH: [u8; 32] = [7; 32];

pub(crate) fn signer(origin: &str) -> LogSigner {
    LogSigner::generate(origin, &mut UnwrapErr(SysRng)).unwrap()
}

/// A running bank.
pub(crate) struct Bank {
    home: TempDir,
    books: Arc<Mutex<Books>>,
    pub(crate) clock: Arc<ManualClock>,
    issuer: SocketAddr,
    redeemer: SocketAddr,
    certificates: DevCertificates,
    desk: service::Desk,
}

/// A copy of both logs that others serve.
#[derive(Default)]
pub(crate) struct Copied {
    /// Up to where it has the logs; without, to their ends.
    pub(crate) sizes: Option<[usize; 2]>,
    /// It serves tiles of other trees.
    pub(crate) spoilt: bool,
}

fn key() -> SigningKey {
    key_from(TODAY - 1)
}

/// A key that begins on this day.
pub(crate) fn key_from(first: u32) -> SigningKey {
    let [first, last_issue, accept_until, exchange_until] = [0, 200, 300, 400].map(|after| Day::new(first + after));
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
            minimum: "0.10",
            bucket_bits: 0,
            origin: "payments.example",
            foreign_key: false,
            calendar: ValidityCalendar::new(6).unwrap(),
            own_validity: None,
            hidden_calendars: 0,
            grants: Vec::new(),
            lose_grant: false,
            fates: VecDeque::new(),
            delayed: Vec::new(),
            directory: BTreeMap::new(),
            issuance: Vec::new(),
            signers: ["issuance.example", "payments.example"].map(signer),
            signed_to: [None, None],
            forgers: [None, None],
            rewritten: HashMap::new(),
            forged: HashMap::new(),
            lies: HashMap::new(),
            announced: Vec::new(),
            names_another_issuance: false,
            registers_from: 0,
            log_calls: 0,
            calls: Vec::new(),
            witnesses: Vec::new(),
            listed: HashMap::new(),
            unlisted: false,
            moves_bytes: 0,
            payments: Vec::new(),
            payments_break_at: None,
            rules: HashMap::new(),
            answers: HashMap::new(),
            spent: HashMap::new(),
            done: Vec::new(),
            attested: Vec::new(),
            withdrawn: 0,
            redeemed: 0,
            fees: 0,
            arrival: None,
        };
        let books = Arc::new(Mutex::new(books));
        books.lock().unwrap().publish();
        let desk = service::Desk { books: Arc::clone(&books) };
        let log = |side| LedgerServiceServer::new(service::Log { desk: desk.clone(), side, copied: None });
        let server = || Server::new(ServerSettings::default());
        let issuer = server().with_service(IssuerServiceServer::new(desk.clone())).with_service(log(Side::Issuance));
        let redeemer = server().with_service(RedeemerServiceServer::new(desk.clone()));
        let redeemer = redeemer.with_service(log(Side::Payments));
        let (issuer, redeemer) = (listen(&certificates, issuer).await, listen(&certificates, redeemer).await);
        Self { home, books, clock: Arc::new(ManualClock::new(NOON)), issuer, redeemer, certificates, desk }
    }

    /// Somebody serves copies of the logs: where, for a wallet's connection, and what can be set.
    pub(crate) async fn follow(&self) -> (Vec<ServerAddress>, Arc<Mutex<Copied>>) {
        let copied = Arc::new(Mutex::new(Copied::default()));
        let mut addresses = Vec::new();
        for side in [Side::Issuance, Side::Payments] {
            let log = service::Log { desk: self.desk.clone(), side, copied: Some(Arc::clone(&copied)) };
            let server = Server::new(ServerSettings::default()).with_service(LedgerServiceServer::new(log));
            addresses.push(self.server(listen(&self.certificates, server).await));
        }
        (addresses, copied)
    }

    fn server(&self, address: SocketAddr) -> ServerAddress {
        ServerAddress { url: format!("https://{address}"), ca: self.certificates.authority() }
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
        let checkpoint_patience = std::time::Duration::ZERO;
        Options { clock: self.clock.clone(), attempts_max: 1, checkpoint_patience, ..Options::default() }
    }

    pub(crate) fn connection(&self) -> Connection {
        let (issuer, redeemer) = (self.server(self.issuer), self.server(self.redeemer));
        Connection { issuer, redeemer, ledgers: Vec::new() }
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

async fn listen(certificates: &DevCertificates, server: Server) -> SocketAddr {
    let tls = ServerTls::load(&certificates.server("bank").unwrap(), None).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, tls, ConnectionLimits::default()).await.unwrap();
    let address = listener.address();
    tokio::spawn(server.run(listener, CancellationToken::new()));
    address
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
        let text = POLICY.replace("FEE", self.fee).replace("MINIMUM", self.minimum);
        Policy::parse(&text.replace("BITS", &self.bucket_bits.to_string())).unwrap().body(self.epoch)
    }

    /// Another policy, with a fee of 5 cents.
    pub(crate) fn raise_fee(&mut self) {
        (self.epoch, self.fee) = (self.epoch + 1, "0.05");
        self.publish();
    }

    pub(crate) fn log(&mut self, kind: EntryKind, body: Vec<u8>) -> u64 {
        self.payments.push(Entry::new(kind, Day::new(self.day), body).unwrap().to_bytes());
        self.payments.len() as u64 - 1
    }

    /// Puts the policy in force and its rules into the log, and the keys.
    pub(crate) fn publish(&mut self) {
        let policy = self.policy();
        self.log(EntryKind::Policy, policy.to_bytes());
        let rules = sign_rules(self.key(), &policy, &mut UnwrapErr(SysRng)).to_bytes();
        self.log(EntryKind::Rules, rules.clone());
        self.rules.insert(self.epoch, rules);
        let keys: Vec<_> = self.keys.iter().map(|key| key.public().to_bytes()).collect();
        for key in keys {
            if self.find(Side::Issuance, EntryKind::Key, &key).is_none() {
                self.issue(EntryKind::Key, key);
            }
        }
        let calendar = self.calendar.to_bytes();
        if self.find(Side::Issuance, EntryKind::Calendar, &calendar).is_none() {
            self.issue(EntryKind::Calendar, calendar);
        }
    }

    pub(crate) fn issue(&mut self, kind: EntryKind, body: Vec<u8>) -> u64 {
        self.issuance.push(Entry::new(kind, Day::new(self.day), body).unwrap().to_bytes());
        self.issuance.len() as u64 - 1
    }

    /// Where a log has what.
    /// Where the issuance log has calendars, as the issuer tells it.
    pub(crate) fn calendar_indices(&self) -> Vec<u64> {
        let is_calendar = |entry: &Vec<u8>| entry.first() == Some(&EntryKind::Calendar.code());
        let indices = (0..).zip(&self.issuance).filter(|(_, entry)| is_calendar(entry)).map(|(index, _)| index);
        indices.skip(self.hidden_calendars).collect()
    }

    pub(crate) fn find(&self, side: Side, kind: EntryKind, body: &[u8]) -> Option<u64> {
        if let Some(index) = self.lies.get(body) {
            return Some(*index);
        }
        let entries = if side == Side::Issuance { &self.issuance } else { &self.payments };
        let is =
            |entry: &Vec<u8>| Entry::from_bytes(entry).is_ok_and(|entry| entry.kind() == kind && entry.body() == body);
        entries.iter().rposition(is).map(|index| index as u64)
    }

    /// Shows an entry that was never logged, in the place of another.
    pub(crate) fn forge(&mut self, side: Side, index: usize, kind: EntryKind, body: &[u8]) {
        self.lies.insert(body.to_vec(), index as u64);
        self.forged.insert((side, index), Entry::new(kind, Day::new(self.day), body.to_vec()).unwrap().to_bytes());
    }

    /// Shows again what was logged.
    pub(crate) fn unforge(&mut self) {
        self.forged.clear();
        self.lies.clear();
    }

    /// The directory shows another key for an identity, and perhaps the log does where it has the true one.
    pub(crate) fn exchange_key(&mut self, whose: &str, for_that_of: &str, forge: bool) {
        let [hash, other] = [whose, for_that_of].map(|name| identity(name).pid().directory_hash());
        let key = self.directory[&other].clone();
        if forge {
            let index = usize::try_from(self.listed[&hash]).unwrap();
            self.forge(Side::Issuance, index, EntryKind::Directory, &[hash.as_slice(), &key].concat());
        }
        self.directory.insert(hash, key);
    }

    /// Logs the entries of the directory that wait.
    pub(crate) fn list(&mut self) {
        for (hash, key) in self.directory.clone() {
            if !self.listed.contains_key(&hash) {
                let index = self.issue(EntryKind::Directory, [hash.as_slice(), &key].concat());
                self.listed.insert(hash, index);
            }
        }
    }

    /// Puts another policy in force without logging it or its rules. Answers both.
    pub(crate) fn impose(&mut self, fee: &'static str) -> (Vec<u8>, Vec<u8>) {
        (self.epoch, self.fee) = (self.epoch + 1, fee);
        let policy = self.policy();
        let rules = sign_rules(self.key(), &policy, &mut UnwrapErr(SysRng)).to_bytes();
        self.rules.insert(self.epoch, rules.clone());
        (policy.to_bytes(), rules)
    }

    fn entries(&self, side: Side) -> &Vec<Vec<u8>> {
        if side == Side::Issuance { &self.issuance } else { &self.payments }
    }

    /// The entries as they are shown.
    fn shown(&self, side: Side) -> Vec<Vec<u8>> {
        let entries = self.entries(side).iter().enumerate();
        entries.map(|(index, entry)| self.forged.get(&(side, index)).unwrap_or(entry).clone()).collect()
    }

    /// The leaves of a log's tree as far as it is signed, at most so many.
    fn leaves(&self, side: Side, limit: usize) -> Vec<Vec<u8>> {
        let entries = self.entries(side);
        let signed = self.signed_to[side as usize].unwrap_or(entries.len()).min(limit);
        let leaf = |(index, entry)| service::leaf(self.rewritten.get(&(side, index)).unwrap_or(entry));
        entries.iter().take(signed).enumerate().map(leaf).collect()
    }

    /// The leaves as they are shown.
    fn shown_leaves(&self, side: Side, limit: usize) -> Vec<Vec<u8>> {
        let mut leaves = self.leaves(side, limit);
        for (place, entry) in &self.forged {
            if place.0 == side
                && let Some(leaf) = leaves.get_mut(place.1)
            {
                *leaf = service::leaf(entry);
            }
        }
        leaves
    }

    fn announced(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().map(SigningKey::public).chain(&self.announced)
    }

    fn checkpoint_of(&self, side: Side, limit: usize) -> Checkpoint {
        let tree: Frontier = self.leaves(side, limit).iter().map(|leaf| Hash::leaf(leaf)).collect();
        let origin = self.signers[side as usize].verifier().name().to_owned();
        let mut issuance = (side == Side::Payments).then(|| self.checkpoint_of(Side::Issuance, usize::MAX).head());
        if let Some(named) = &mut issuance
            && self.names_another_issuance
        {
            named.root = Hash::leaf(b"another log");
        }
        Checkpoint { origin, size: tree.size(), root: tree.root(), issuance, spent: Vec::new() }
    }

    /// The newest checkpoint, cosigned by all witnesses; of at most so many entries.
    fn checkpoint(&self, side: Side, limit: usize) -> SignedCheckpoint {
        let signer = self.forgers[side as usize].as_ref().unwrap_or(&self.signers[side as usize]);
        let mut signed = self.checkpoint_of(side, limit).sign(signer).unwrap();
        for witness in &self.witnesses {
            let now = Timestamp::from_unix_seconds(NOON.unsigned_abs()).unwrap();
            let cosignature = witness.cosign(signed.note().text(), now);
            signed.note_mut().add(cosignature);
        }
        signed
    }

    /// Logs a grant, or gives the same again.
    fn grant(&mut self, request: &GrantRequest) -> Result<(Grant, u64), Refusal> {
        let today = Day::new(self.day);
        self.grants.retain(|(grant, _)| grant.last_day >= today);
        if let Some(granted) = self.grants.iter().find(|(grant, _)| grant.is_for(request)) {
            return Ok(*granted);
        }
        let validity = self.own_validity.unwrap_or(self.calendar.validity(today.month()));
        let grant = Grant::new(request, 1, validity, Day::new(self.day + 7));
        let index = self.issue(EntryKind::Grant, grant.to_bytes());
        self.grants.push((grant, index));
        Ok((grant, index))
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
        if !transaction.core().period_holds() {
            return Err(Refusal::new(ErrorReason::PeriodMoved, "another month").with("logical_day", self.day));
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
                let validity = self.calendar.validity(transaction.core().month());
                let validity = self.own_validity.unwrap_or(validity);
                addition = Addition::Registration { class: 1, validity };
                registered =
                    Some((opening.identity().pid().directory_hash(), opening.encryption_key().to_bytes().to_vec()));
            }
            Statement::Withdraw | Statement::Redeem => {
                AccountOpening::from_bytes(private).unwrap().check(transaction.core()).unwrap();
            }
            Statement::Renew => {
                let core = transaction.core();
                let granted =
                    self.grants.iter().any(|(grant, index)| *index == core.publics().grant && grant.covers(core));
                if !granted {
                    return Err(Refusal::new(ErrorReason::GrantRefused, "there is no such grant"));
                }
            }
            _ => addition = Addition::of(transaction.core(), policy.terms().months),
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
        self.directory.extend(registered.clone());
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
        if let Some((hash, key)) = registered
            && !self.unlisted
        {
            let index = self.issue(EntryKind::Directory, [hash.as_slice(), &key].concat());
            self.listed.insert(hash, index);
        }
        self.done.push((statement, id));
        self.answers.insert(id, (answer.clone(), index));
        Ok((answer, index))
    }
}
