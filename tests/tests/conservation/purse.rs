//! A wallet on threads of its own, with files of its own, behind relays of its own: so it can be killed at any moment, alone.

use std::{path::PathBuf, time::Duration};

use farthing_ecash::{
    identity::Identity,
    seed::{Seed, WalletKeys},
};
use farthing_tests::{
    cluster::Cluster,
    demo::PASSPHRASE,
    proxy::{Fault, Proxy},
    threads::Threads,
};
use farthing_wallet::{Options, Wallet, WalletError};
use tokio::{sync::watch, task::JoinHandle};

use crate::{books::Holder, history::Mishap};

/// From its name, in the cluster's configuration, the secrets of wallets follow.
const ORIGIN: &str = "issuer.example/farthing/issuance";

/// A wallet.
pub(crate) struct Purse {
    pub(crate) identity: Identity,
    pub(crate) words: String,
    path: PathBuf,
    options: Options,
    to_issuer: Proxy,
    to_redeemer: Proxy,
    /// Tell when the moment has come in which it is to be killed.
    deadly: Option<[watch::Receiver<u64>; 2]>,
    /// Both while it is open.
    open: Option<(Threads, Wallet)>,
    pub(crate) killed: u64,
}

impl Purse {
    /// A new wallet, not registered.
    pub(crate) async fn new(cluster: &Cluster, identity: Identity, path: PathBuf, options: Options) -> Self {
        let to_issuer = Proxy::start(cluster.issuer_address()).await.unwrap();
        let to_redeemer = Proxy::start(cluster.redeemer_address()).await.unwrap();
        let connection = cluster.connection_through(&to_issuer, &to_redeemer);
        let made = Wallet::create_with(&path, PASSPHRASE, &connection, None, options.clone()).await.unwrap();
        let (wallet, words) = (made.0, made.1.to_string());
        wallet.close().await;
        let (deadly, open, killed) = (None, None, 0);
        let mut purse = Self { identity, words, path, options, to_issuer, to_redeemer, deadly, open, killed };
        purse.open().await;
        purse
    }

    /// All its secrets.
    pub(crate) fn holder(&self) -> Holder {
        let seed = Seed::from_phrase(&self.words).unwrap();
        Holder { pid: self.identity.pid(), keys: WalletKeys::new(&seed, ORIGIN) }
    }

    /// The open wallet.
    pub(crate) fn wallet(&self) -> &Wallet {
        &self.open.as_ref().expect("it is open").1
    }

    /// Does something with the wallet, on its threads. The handle tells of an error when it is killed meanwhile.
    pub(crate) fn spawn<T, F>(&self, errand: impl FnOnce(Wallet) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (threads, wallet) = self.open.as_ref().expect("it is open");
        threads.spawn(errand(wallet.clone()))
    }

    /// Opens it on its files.
    async fn open(&mut self) {
        let threads = Threads::start(1).unwrap();
        // A killed one holds its lock until the last write has come to an end.
        for _ in 0..2_400 {
            let (path, options) = (self.path.clone(), self.options.clone());
            let opening = threads.spawn(async move { Wallet::open_with(&path, PASSPHRASE, options).await });
            match opening.await.unwrap() {
                Ok(wallet) => {
                    self.open = Some((threads, wallet));
                    return;
                }
                Err(WalletError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(25)).await,
                Err(error) => panic!("the wallet does not open: {error}"),
            }
        }
        panic!("the wallet stays in use");
    }

    /// Closes it in order and opens it again.
    pub(crate) async fn reopen(&mut self) {
        if let Some((threads, wallet)) = self.open.take() {
            wallet.close().await;
            threads.kill().await;
        }
        self.open().await;
    }

    /// Kills it and opens it again.
    async fn kill(&mut self) {
        if let Some((threads, wallet)) = self.open.take() {
            drop(wallet);
            threads.kill().await;
        }
        self.killed += 1;
        self.calm();
        self.open().await;
    }

    /// Lets something go wrong from now on.
    pub(crate) fn expect(&mut self, mishap: Mishap) {
        let proxies = [&self.to_issuer, &self.to_redeemer];
        let fault = match mishap {
            Mishap::Nothing => return,
            Mishap::Network(fault) => fault,
            Mishap::KilledBeforeSent => Fault::LoseRequest,
            Mishap::KilledBeforeAnswered => Fault::LoseAnswer,
            Mishap::KilledAtCall { .. } => Fault::None,
        };
        if !matches!(mishap, Mishap::Network(_)) {
            self.deadly = Some(proxies.map(Proxy::cuts));
        }
        for proxy in proxies {
            proxy.set(fault);
        }
        if let Mishap::KilledAtCall { issuer, calls } = mishap {
            let [to_issuer, to_redeemer] = proxies;
            if issuer { to_issuer } else { to_redeemer }.refuse_after(calls);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&mut self) {
        self.deadly = None;
        self.to_issuer.set(Fault::None);
        self.to_redeemer.set(Fault::None);
    }

    /// Waits for what the wallet does. `None` when it was killed before the end.
    pub(crate) async fn wait<T>(&mut self, mut errand: JoinHandle<T>) -> Option<T> {
        let ended = match &mut self.deadly {
            None => errand.await,
            Some([one, other]) => tokio::select! {
                ended = &mut errand => ended,
                _ = one.changed() => return self.kill_now().await,
                _ = other.changed() => return self.kill_now().await,
            },
        };
        match ended {
            Ok(ended) => Some(ended),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    async fn kill_now<T>(&mut self) -> Option<T> {
        self.kill().await;
        None
    }

    /// How many requests and answers were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.to_issuer.lost() + self.to_redeemer.lost()
    }
}
