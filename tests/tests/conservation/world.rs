//! The world of a history: servers, wallets, their clock, and what was asked for.

mod others;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use farthing_ecash::{amount::Amount, identity::Identity};
use farthing_issuer::keys::KeyPeriods;
use farthing_service::clock::ManualClock;
use farthing_tests::cluster::{Cluster, Setup};
use farthing_wallet::{
    Options, Order, PaymentLink, PaymentRequest, Receipt, Receiving, RequestId, Wallet, WalletError,
};
use tokio::task::JoinHandle;

use crate::{
    books::{Books, PURPOSES},
    history::{GROCER, Mishap, NEWCOMER, Step, WALLETS},
    purse::Purse,
    terms::Terms,
};

/// 2025-03-03 12:00 in Luxembourg (UTC+1). In the past: followers wait for days to come.
const NOON: i64 = 1_740_999_600;
/// Two keys follow each other within the months of a history, and payments do not take money under the first any more.
const PERIODS: KeyPeriods = KeyPeriods { issue_days: 60, accept_days: 20, exchange_days: 2_000 };
/// What everybody has in the account of each purpose.
pub(crate) const CREDITED: u64 = 90_000_000;

/// What was asked of a wallet under a request id.
#[derive(Clone)]
pub(crate) enum Errand {
    Withdraw { purpose: &'static str, amount: Amount },
    Pay(Order),
    Redeem { amount: Amount },
}

impl Errand {
    /// As the books call it.
    pub(crate) fn what(&self) -> (&'static str, u64) {
        match self {
            Self::Withdraw { amount, .. } => ("withdraw", amount.get()),
            Self::Pay(order) => ("pay", order.amount.get()),
            Self::Redeem { amount } => ("redeem", amount.get()),
        }
    }

    async fn run(self, wallet: Wallet, id: RequestId) -> Result<Receipt, WalletError> {
        match self {
            Self::Withdraw { purpose, amount } => wallet.withdraw_for(purpose, amount, id).await,
            Self::Pay(order) => wallet.place(order, id).await,
            Self::Redeem { amount } => wallet.redeem(amount, id).await,
        }
    }
}

/// What a step of a wallet brought.
#[derive(Default)]
pub(crate) struct Brought {
    link: Option<String>,
    request: Option<PaymentRequest>,
    error: Option<WalletError>,
}

impl From<Result<Receipt, WalletError>> for Brought {
    fn from(result: Result<Receipt, WalletError>) -> Self {
        match result {
            Ok(receipt) => Self { link: receipt.link, ..Self::default() },
            Err(error) => Self { error: Some(error), ..Self::default() },
        }
    }
}

fn brought<T>(result: Result<T, WalletError>) -> Brought {
    Brought { error: result.err(), ..Brought::default() }
}

/// The world.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) cluster: Cluster,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) purses: Vec<Purse>,
    pub(crate) books: Books,
    /// The wallets, ids and contents of all requests.
    pub(crate) asked: Vec<(usize, RequestId, Errand)>,
    /// Payment requests, by their payees.
    pub(crate) requests: Vec<(usize, PaymentRequest)>,
    invitations: Vec<String>,
    /// Links, by their payees.
    links: BTreeSet<(usize, String)>,
    /// Amounts end differently, so that they tell which request a transaction carries out.
    amounts: u64,
    pub(crate) replayed: u64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let setup = Setup {
            clock: clock.clone(),
            key_periods: PERIODS,
            checkpoint_interval: Duration::from_millis(100),
            ..Setup::with_policy(&Terms::FIRST.text())
        };
        let cluster = Cluster::start(&dir.path().join("servers"), setup).await.unwrap();
        let (purses, invitations, books) = (Vec::new(), Vec::new(), Books::default());
        let (asked, requests, links, amounts, replayed) = (Vec::new(), Vec::new(), BTreeSet::new(), 0, 0);
        let mut world =
            Self { dir, cluster, clock, purses, books, asked, requests, invitations, links, amounts, replayed };
        for number in 0..WALLETS {
            let identity = Identity::parse(&format!("w{number}@bank.example")).unwrap();
            let class = if number == GROCER { "grocer" } else { "person" };
            world.invitations.push(world.cluster.invite(identity.as_str(), class).await.unwrap());
            for (_, purpose) in PURPOSES {
                let credited = Amount::new(CREDITED);
                world.cluster.credit_for(purpose, identity.as_str(), credited).await.unwrap();
            }
            let (path, options) = (world.path(&format!("wallet-{number}")), world.options());
            let purse = Purse::new(&world.cluster, identity, path, options).await;
            world.books.holders.push(purse.holder());
            world.purses.push(purse);
            if number != NEWCOMER {
                world.register(number).await.unwrap();
            }
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn options(&self) -> Options {
        Options { clock: self.clock.clone(), attempts_max: 1, ..Options::default() }
    }

    fn register(&self, wallet: usize) -> JoinHandle<Brought> {
        let (identity, invitation) = (self.purses[wallet].identity.to_string(), self.invitations[wallet].clone());
        self.purses[wallet].spawn(async move |wallet: Wallet| brought(wallet.register(&identity, &invitation).await))
    }

    /// Takes two steps at once. Whatever they bring: money may not appear or vanish.
    pub(crate) async fn take(&mut self, steps: &[(Step, Mishap)]) {
        let mut begun = Vec::new();
        for (step, mishap) in steps {
            if let Some((wallet, errand)) = self.begin(step, *mishap) {
                begun.push((wallet, self.purses[wallet].killed, errand));
            }
        }
        for (step, _) in steps {
            self.operate(step).await;
        }
        for (wallet, killed, errand) in begun {
            let brought = self.purses[wallet].wait(errand).await.unwrap_or_default();
            self.links.extend(brought.link.map(|link| (NEWCOMER, link)));
            self.requests.extend(brought.request.map(|request| (wallet, request)));
            // What else a killed wallet was about ended in its middle.
            if self.purses[wallet].killed == killed {
                brought.error.as_ref().inspect(|error| others::check_honest(error));
            }
        }
        self.purses.iter_mut().for_each(Purse::calm);
        for (step, _) in steps {
            if let Step::Reopen { wallet } = step {
                self.purses[*wallet].reopen().await;
                let resumed = self.purses[*wallet].spawn(async |wallet: Wallet| wallet.resume().await);
                let _resumed = resumed.await.unwrap();
            }
        }
        self.look().await;
    }

    /// Begins what a wallet does in a step.
    fn begin(&mut self, step: &Step, mishap: Mishap) -> Option<(usize, JoinHandle<Brought>)> {
        let (wallet, id, errand) = match *step {
            Step::Withdraw { wallet, purpose, amount } => {
                let amount = self.amount(amount);
                self.ask(wallet, Errand::Withdraw { purpose, amount })
            }
            Step::Redeem { wallet, amount } => {
                let amount = self.amount(amount);
                self.ask(wallet, Errand::Redeem { amount })
            }
            Step::Pay { from, to, purpose, amount } => {
                let (payee, amount) = (self.purses[to].identity.clone(), self.amount(amount));
                let (purpose, memo, allow_unregistered) = (purpose.to_owned(), "lunch".to_owned(), true);
                self.ask(from, Errand::Pay(Order { payee, amount, purpose, memo, reference: None, allow_unregistered }))
            }
            Step::Answer { wallet, request } => {
                let count = self.requests.len().max(1);
                let (_, request) = self.requests.get(request % count)?;
                self.ask(wallet, Errand::Pay(self.purses[wallet].wallet().order(request, None, None).unwrap()))
            }
            Step::Again { request } => self.asked.get(request % self.asked.len().max(1))?.clone(),
            ref step => {
                let (wallet, errand) = self.attend(step)?;
                self.purses[wallet].expect(mishap);
                return Some((wallet, errand));
            }
        };
        self.purses[wallet].expect(mishap);
        Some((wallet, self.purses[wallet].spawn(async move |wallet: Wallet| errand.run(wallet, id).await.into())))
    }

    /// Begins what is not asked for by a request id.
    fn attend(&mut self, step: &Step) -> Option<(usize, JoinHandle<Brought>)> {
        Some(match *step {
            Step::Ask { wallet, amount } => {
                let amount = self.amount(amount);
                let ask = async move |wallet: Wallet| match wallet.create_request(Some(amount), "tea", None).await {
                    Ok(request) => Brought { request: Some(request), ..Brought::default() },
                    Err(error) => Brought { error: Some(error), ..Brought::default() },
                };
                (wallet, self.purses[wallet].spawn(ask))
            }
            Step::Receive { wallet, join } => (wallet, self.receive(wallet, join)),
            Step::Refund { wallet } => {
                (wallet, self.purses[wallet].spawn(async |wallet: Wallet| brought(wallet.refund(None).await)))
            }
            Step::Tidy { wallet } => {
                let tidy = async |wallet: Wallet| match wallet.roll_over().await {
                    Ok(false) => brought(wallet.consolidate().await),
                    rolled => brought(rolled),
                };
                (wallet, self.purses[wallet].spawn(tidy))
            }
            Step::Renew { wallet } => {
                (wallet, self.purses[wallet].spawn(async |wallet: Wallet| brought(wallet.renew().await)))
            }
            Step::Register => (NEWCOMER, self.register(NEWCOMER)),
            _ => return None,
        })
    }

    fn ask(&mut self, wallet: usize, errand: Errand) -> (usize, RequestId, Errand) {
        let id = RequestId::random();
        self.asked.push((wallet, id, errand.clone()));
        (wallet, id, errand)
    }

    fn amount(&mut self, thousands: u64) -> Amount {
        self.amounts += 1;
        assert!(self.amounts < 1_000, "too many amounts for one history");
        Amount::new(thousands + self.amounts)
    }

    /// The links of payments to a wallet.
    pub(crate) fn links_of(&self, wallet: usize) -> Vec<PaymentLink> {
        let links = self.links.iter().filter(|(payee, _)| *payee == wallet);
        links.map(|(_, link)| PaymentLink::parse(link).unwrap()).collect()
    }

    /// Asks all payers for the links of their payments: some were killed before they could show them.
    pub(crate) async fn find_links(&mut self) {
        for purse in &self.purses {
            for item in purse.wallet().history(None, 10_000).await.items {
                let payee = self.purses.iter().position(|other| item.payee.as_ref() == Some(&other.identity));
                if let (true, Some(payee), Some(id)) = (item.unregistered, payee, item.transaction_id)
                    && let Ok(link) = purse.wallet().link(id).await
                {
                    self.links.insert((payee, link.to_string()));
                }
            }
        }
    }

    fn receive(&self, wallet: usize, join: bool) -> JoinHandle<Brought> {
        let receiving = Receiving { links: self.links_of(wallet), join, ..Receiving::default() };
        let receive = async move |wallet: Wallet| wallet.receive_with(receiving, Arc::new(|_, _| ())).await;
        self.purses[wallet].spawn(async move |wallet: Wallet| brought(receive(wallet).await))
    }
}
