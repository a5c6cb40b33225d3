//! Money: over random interleavings of all operations, with requests and answers lost on the way, answers repeated and
//! wallets and servers restarted, what was issued is what is held, redeemed and taken as fees. Always, and of each purpose.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use farthing_ecash::{amount::Amount, identity::Identity};
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::PASSPHRASE,
    proxy::{Fault, Proxy},
};
use farthing_wallet::{Connection, OperationKind, OperationState, Options, RequestId, Wallet};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

const WALLETS: usize = 3;
/// The wallet that accepts money for meals; what it claims of that becomes money for anything.
const GROCER: usize = 2;
const MEAL: &str = "meal";
const POLICY: &str = include_str!("../src/demo/policy.toml");

#[derive(Debug, Clone)]
enum Step {
    Withdraw {
        wallet: usize,
        purpose: &'static str,
        amount: u64,
    },
    Pay {
        from: usize,
        to: usize,
        purpose: &'static str,
        amount: u64,
    },
    Receive {
        wallet: usize,
    },
    Redeem {
        wallet: usize,
        amount: u64,
    },
    /// Sends a logged transaction again.
    Replay {
        entry: u64,
    },
    /// Closes the wallet with what it began and opens it again.
    Reopen {
        wallet: usize,
    },
    RestartRedeemer,
    RestartIssuer,
}

fn steps() -> impl Strategy<Value = Vec<(Step, Fault)>> {
    let wallet = 0..WALLETS;
    let amount = prop_oneof![1u64..200, 10_000u64..1_500_000, 3_000_000u64..9_000_000];
    let purpose = prop_oneof![2 => Just(""), 1 => Just(MEAL)];
    let step = prop_oneof![
        3 => (wallet.clone(), purpose.clone(), amount.clone())
            .prop_map(|(wallet, purpose, amount)| Step::Withdraw { wallet, purpose, amount }),
        8 => (wallet.clone(), wallet.clone(), purpose, amount.clone())
            .prop_map(|(from, to, purpose, amount)| Step::Pay { from, to, purpose, amount }),
        8 => wallet.clone().prop_map(|wallet| Step::Receive { wallet }),
        2 => (wallet.clone(), amount).prop_map(|(wallet, amount)| Step::Redeem { wallet, amount }),
        4 => (2u64..16).prop_map(|entry| Step::Replay { entry }),
        2 => wallet.prop_map(|wallet| Step::Reopen { wallet }),
        1 => Just(Step::RestartRedeemer),
        1 => Just(Step::RestartIssuer),
    ];
    let fault = prop_oneof![6 => Just(Fault::None), 2 => Just(Fault::LoseAnswer), 1 => Just(Fault::LoseRequest)];
    proptest::collection::vec((step, fault), 24..40)
}

fn identity(wallet: usize) -> Identity {
    Identity::parse(&format!("w{wallet}@bank.example")).unwrap()
}

/// How much was really tried: a world in which nothing succeeds conserves money too.
#[derive(Debug, Default, Clone, Copy)]
struct Tried {
    withdrawn: u32,
    paid: u32,
    received: u32,
    redeemed: u32,
    replayed: u32,
    lost: u64,
    /// Minor units of money for meals that the grocer has claimed.
    meals: u64,
}

/// Money of one purpose.
#[derive(Default)]
struct Sums {
    coins: u64,
    notes: u64,
    /// Of payments with it.
    fees: u64,
    /// Claimed, and something else since.
    claimed: u64,
}

impl Sums {
    fn all(&self) -> u64 {
        [self.coins, self.notes, self.fees, self.claimed].iter().sum()
    }
}

struct World {
    dir: tempfile::TempDir,
    cluster: Cluster,
    to_issuer: Proxy,
    to_redeemer: Proxy,
    wallets: Vec<Wallet>,
    tried: Tried,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
        let to_issuer = Proxy::start(cluster.issuer_address()).await.unwrap();
        let to_redeemer = Proxy::start(cluster.redeemer_address()).await.unwrap();
        let mut world = Self { dir, cluster, to_issuer, to_redeemer, wallets: Vec::new(), tried: Tried::default() };
        for wallet in 0..WALLETS {
            let identity = identity(wallet);
            let class = if wallet == GROCER { "grocer" } else { "person" };
            let invitation = world.cluster.invite(identity.as_str(), class).await.unwrap();
            for purpose in ["", MEAL] {
                world.cluster.credit_for(purpose, identity.as_str(), Amount::new(40_000_000)).await.unwrap();
            }
            let path = world.path(wallet);
            let connection = world.connection();
            let (wallet, _) = Wallet::create_with(&path, PASSPHRASE, &connection, None, options()).await.unwrap();
            wallet.register(identity.as_str(), &invitation).await.unwrap();
            world.wallets.push(wallet);
        }
        world
    }

    fn path(&self, wallet: usize) -> PathBuf {
        self.dir.path().join(format!("wallet-{wallet}"))
    }

    fn connection(&self) -> Connection {
        self.cluster.connection_through(&self.to_issuer, &self.to_redeemer)
    }

    fn set(&self, fault: Fault) {
        self.to_issuer.set(fault);
        self.to_redeemer.set(fault);
    }

    /// Carries two steps out at once. Whatever they answer: money may not appear or vanish.
    async fn take(&mut self, steps: &[(Step, Fault)]) {
        self.set(steps.first().map_or(Fault::None, |(_, fault)| *fault));
        let jobs: Vec<_> = steps.iter().map(|(step, _)| self.job(step)).collect();
        for job in jobs {
            let tried = job.await.unwrap();
            self.tried.withdrawn += tried.withdrawn;
            self.tried.paid += tried.paid;
            self.tried.received += tried.received;
            self.tried.redeemed += tried.redeemed;
        }
        self.set(Fault::None);
        for (step, _) in steps {
            match *step {
                Step::Replay { entry } => self.replay(entry).await,
                Step::Reopen { wallet } => self.reopen(wallet).await,
                Step::RestartRedeemer => self.cluster.restart_redeemer().await.unwrap(),
                Step::RestartIssuer => self.cluster.restart_issuer().await.unwrap(),
                _ => {}
            }
        }
        self.tried.lost = self.to_issuer.lost() + self.to_redeemer.lost();
    }

    /// What a wallet does in a step, under way.
    fn job(&self, step: &Step) -> tokio::task::JoinHandle<Tried> {
        let (step, wallets) = (step.clone(), self.wallets.clone());
        tokio::spawn(async move {
            let mut tried = Tried::default();
            match step {
                Step::Withdraw { wallet, purpose, amount } => {
                    let amount = Amount::new(amount);
                    let result = wallets[wallet].withdraw_for(purpose, amount, RequestId::random()).await;
                    tried.withdrawn = u32::from(result.is_ok());
                }
                Step::Pay { from, to, purpose, amount } => {
                    let (to, amount) = (identity(to), Amount::new(amount));
                    let result = wallets[from].pay_for(purpose, &to, amount, "", RequestId::random()).await;
                    tried.paid = u32::from(result.is_ok());
                }
                Step::Receive { wallet } => {
                    let result = wallets[wallet].receive().await;
                    tried.received = u32::from(result.is_ok_and(|report| !report.claimed.is_empty()));
                }
                Step::Redeem { wallet, amount } => {
                    let result = wallets[wallet].redeem(Amount::new(amount), RequestId::random()).await;
                    tried.redeemed = u32::from(result.is_ok());
                }
                Step::Replay { .. } | Step::Reopen { .. } | Step::RestartRedeemer | Step::RestartIssuer => {}
            }
            tried
        })
    }

    /// Sends a logged transaction again, which must get its first answer, at whatever time.
    async fn replay(&mut self, entry: u64) {
        let Ok(logged) = self.cluster.logged_transaction(entry).await else { return };
        let answer = self.cluster.submit(logged.request).await.unwrap();
        assert_eq!(answer, (logged.answer, entry), "a replay got another answer");
        self.tried.replayed += 1;
    }

    async fn reopen(&mut self, wallet: usize) {
        self.wallets[wallet].clone().close().await;
        self.wallets[wallet] = Wallet::open_with(&self.path(wallet), PASSPHRASE, options()).await.unwrap();
        let _ = self.wallets[wallet].resume().await;
    }

    /// Lets everything come to rest with a network that works, and counts.
    async fn settle_and_count(&mut self) {
        self.set(Fault::None);
        for wallet in 0..WALLETS {
            self.reopen(wallet).await;
        }
        for wallet in &self.wallets {
            for _ in 0..20 {
                if !wallet.has_unfinished().await {
                    break;
                }
                wallet.resume().await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(!wallet.has_unfinished().await, "an operation does not come to an end");
        }
        let (free, meal) = self.held().await;
        self.tried.meals = meal.claimed;
        self.cluster.wait_until_paid_out().await.unwrap();
        let supply = self.cluster.supply().await.unwrap();
        let fees = self.cluster.fees().await.unwrap();
        let meals = self.cluster.withdrawn_for(MEAL).await.unwrap().get();
        assert_eq!(meals, meal.all(), "withdrawn for meals = held + fees + claimed as something else");
        let withdrawn = supply.withdrawn.get() - meals + meal.claimed;
        assert_eq!(withdrawn, free.all() + supply.redeemed.get(), "issued = held + redeemed + fees");
        assert_eq!(fees.get(), free.fees + meal.fees, "fees are those of payments");
        let (mut accounts, mut of_meals) = (0, 0);
        for wallet in 0..WALLETS {
            let identity = identity(wallet);
            accounts += self.cluster.account_balance(identity.as_str()).await.unwrap().get();
            of_meals += self.cluster.account_balance_for(MEAL, identity.as_str()).await.unwrap().get();
        }
        let credited = 40_000_000 * WALLETS as u64;
        let in_accounts = credited - (supply.withdrawn.get() - meals) + supply.redeemed.get();
        assert_eq!(accounts, in_accounts, "accounts = credited − withdrawn + redeemed");
        assert_eq!(of_meals, credited - meals, "what is redeemed is for anything");
    }

    /// What the wallets hold and did with money for anything and with money for meals.
    async fn held(&self) -> (Sums, Sums) {
        let (mut free, mut meal) = (Sums::default(), Sums::default());
        for (number, wallet) in self.wallets.iter().enumerate() {
            let report = wallet.receive().await.unwrap();
            let balance = wallet.balance().await;
            assert_eq!(balance.in_flight, Amount::ZERO);
            free.coins += balance.available.get();
            for part in &balance.restricted {
                assert_eq!(part.purpose, MEAL, "what the wallet holds has a name");
                meal.coins += part.amount.get();
            }
            for pending in &report.pending {
                let sums = if pending.payment.purpose == MEAL { &mut meal } else { &mut free };
                sums.notes += pending.payment.amount.get();
            }
            let pending = report.pending.iter().map(|pending| pending.payment.amount.get()).sum::<u64>();
            assert_eq!(balance.claimable.get(), pending);
            let items = wallet.history(None, 1_000).await.items.into_iter();
            for item in items.filter(|item| item.state == OperationState::Done) {
                let sums = if item.purpose == MEAL { &mut meal } else { &mut free };
                sums.fees += item.fee.get();
                if item.kind == OperationKind::Receive && item.purpose == MEAL {
                    assert_eq!(number, GROCER, "a person claimed money for meals");
                    sums.claimed += item.amount.get();
                }
            }
        }
        (free, meal)
    }
}

fn options() -> Options {
    Options { attempts_max: 1, ..Options::default() }
}

#[test]
fn issued_is_held_plus_redeemed_plus_fees() {
    let cases = std::env::var("FARTHING_LONG").map_or(3, |_| 60);
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    let config = Config { cases, max_shrink_iters: 0, ..Config::default() };
    let total = Mutex::new(Tried::default());
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                // Everybody has something to begin with.
                for wallet in 0..WALLETS {
                    let withdraw = |purpose, amount| (Step::Withdraw { wallet, purpose, amount }, Fault::None);
                    world.take(&[withdraw("", 15_000_000), withdraw(MEAL, 5_000_000)]).await;
                }
                let meal = Step::Pay { from: 0, to: GROCER, purpose: MEAL, amount: 1_500_000 };
                world.take(&[(meal, Fault::LoseAnswer)]).await;
                let (first, second) = steps.split_at(steps.len() / 2);
                for half in [first, second] {
                    for pair in half.chunks(2) {
                        world.take(pair).await;
                    }
                    world.settle_and_count().await;
                }
                let mut sum = total.lock().unwrap();
                let tried = world.tried;
                *sum = Tried {
                    withdrawn: sum.withdrawn + tried.withdrawn,
                    paid: sum.paid + tried.paid,
                    received: sum.received + tried.received,
                    redeemed: sum.redeemed + tried.redeemed,
                    replayed: sum.replayed + tried.replayed,
                    lost: sum.lost + tried.lost,
                    meals: sum.meals + tried.meals,
                };
            });
            Ok(())
        })
        .unwrap();
    let total = *total.lock().unwrap();
    eprintln!("{total:?}");
    let least = [total.withdrawn, total.paid, total.received, total.redeemed, total.replayed].into_iter().min();
    assert!(
        least >= Some(2) && total.paid >= 6 && total.lost >= 2 && total.meals > 0,
        "too little was tried: {total:?}"
    );
}
