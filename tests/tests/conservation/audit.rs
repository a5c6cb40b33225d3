//! What the wallets and the issuer say, beside the model: at each step never more, and equal when all have come to rest.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use farthing_ecash::amount::Amount;
use farthing_wallet::{
    Balance, HistoryItem, OperationKind, OperationState, ReceiveReport, Receiving, Wallet, WalletError,
};

use crate::{
    books::{ANYTHING, Books, MEAL, PURPOSES},
    history::{NEWCOMER, WALLETS},
    world::{CREDITED, World},
};

/// How often a wallet is asked to come to rest. Each time it asks the servers anew, and they answer.
const PATIENCE: usize = 200;

fn of(balance: &Balance, purpose: &str) -> u64 {
    let part = balance.restricted.iter().find(|part| part.purpose == purpose);
    if purpose.is_empty() { balance.available.get() } else { part.map_or(0, |part| part.amount.get()) }
}

/// What the history of a wallet says that it has received. A payment to oneself is in it twice: it counts as what it became.
fn received(items: &[HistoryItem]) -> u64 {
    let paid = |item: &HistoryItem| {
        let same = |other: &&HistoryItem| other.transaction_id == item.transaction_id;
        items.iter().filter(|other| other.kind == OperationKind::Pay).find(same)
    };
    let received = |item: &HistoryItem| match item.kind {
        OperationKind::Receive if paid(item).is_none_or(|paid| paid.receipt_index.is_some()) => item.claimed.get(),
        OperationKind::Receive => 0,
        _ => item.refunded.get(),
    };
    items.iter().map(received).sum()
}

async fn items(wallet: &Wallet) -> Vec<HistoryItem> {
    wallet.history(None, 10_000).await.items
}

impl World {
    /// In the middle of a history: no wallet shows more than there is, and nothing was done twice.
    pub(crate) async fn look(&mut self) {
        let mut shown = Vec::new();
        for purse in &self.purses {
            shown.push((purse.wallet().balance().await, received(&items(purse.wallet()).await)));
        }
        self.books.read(&self.cluster).await;
        for (wallet, (balance, received)) in shown.iter().enumerate() {
            for (number, name) in PURPOSES {
                let (shows, has) = (of(balance, name), self.books.held(wallet, number));
                assert!(shows <= has, "wallet {wallet} shows {shows} of {has} for {name:?}");
            }
            let (shows, has) = (*received, self.books.received(wallet));
            assert!(shows <= has, "wallet {wallet} says that it received {shows}; it received {has}");
        }
        for (wallet, _, errand) in &self.asked {
            let (what, amount) = errand.what();
            let asked =
                self.asked.iter().filter(|(other, _, errand)| other == wallet && errand.what() == (what, amount));
            let (asked, times) = (asked.count(), self.books.times(*wallet, what, amount));
            assert!(times <= asked, "wallet {wallet} did {what} {amount} {times} times");
        }
    }

    /// Lets everything come to rest with a network that works, and counts.
    pub(crate) async fn settle_and_count(&mut self) {
        for wallet in 0..WALLETS {
            self.purses[wallet].calm();
            self.purses[wallet].reopen().await;
            for _ in 0..PATIENCE {
                if !self.purses[wallet].wallet().has_unfinished().await {
                    break;
                }
                let resumed = self.purses[wallet].spawn(async |wallet: Wallet| wallet.resume().await);
                resumed.await.unwrap().unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let unfinished = self.purses[wallet].wallet().has_unfinished().await;
            assert!(!unfinished, "an operation of wallet {wallet} does not come to an end");
        }
        let reports = self.receive_all().await;
        self.cluster.wait_until_paid_out().await.unwrap();
        self.look().await;

        let (mut accounts, mut coins) = ([0; 2], [0; 2]);
        for (wallet, report) in reports.iter().enumerate() {
            let purse = &self.purses[wallet];
            let balance = purse.wallet().balance().await;
            assert_eq!(balance.in_flight, Amount::ZERO, "wallet {wallet}");
            let items = items(purse.wallet()).await;
            assert_eq!(received(&items), self.books.received(wallet), "received by wallet {wallet}");
            for (number, name) in PURPOSES {
                let account = self.cluster.account_balance_for(name, purse.identity.as_str()).await;
                let plain = self.cluster.account_balance(purse.identity.as_str()).await;
                accounts[number] += if name.is_empty() { plain } else { account }.unwrap().get();
                coins[number] += of(&balance, name);
                assert_eq!(
                    of(&balance, name),
                    self.books.held(wallet, number),
                    "coins of wallet {wallet} for {name:?}"
                );
                let unclaimed = items.iter().filter(|item| item.refundable_from.is_some() && item.purpose == name);
                let unclaimed: u64 = unclaimed.map(|item| item.amount.get() - item.refunded.get()).sum();
                let refundable = self.books.waiting(number, |note| note.payer == Some(wallet));
                assert_eq!(unclaimed, refundable, "payments of wallet {wallet} for {name:?}");
                let Some(report) = report else { continue };
                // A link does not tell that its payer has taken it back before: its payee learns that by trying, when it may.
                let known = |index| wallet != NEWCOMER || self.books.waits_for(wallet, index);
                let pending = report.pending.iter().filter(|pending| pending.payment.purpose == name);
                let pending = pending.filter(|pending| known(pending.payment.log_index));
                let pending: u64 = pending.map(|pending| pending.payment.amount.get()).sum();
                let waiting = self.books.waiting(number, |note| note.payee == Some(wallet));
                assert_eq!(pending, waiting, "payments to wallet {wallet} for {name:?}");
            }
            self.check_asked(wallet, &items);
            self.check_requests(wallet).await;
        }
        self.check_sums(accounts, coins).await;
    }

    /// All wallets receive until nothing more happens. `None` for one that is not registered.
    async fn receive_all(&mut self) -> Vec<Option<ReceiveReport>> {
        self.find_links().await;
        for _ in 0..PATIENCE {
            let before = self.cluster.payment_log_size().await.unwrap();
            let (mut reports, mut quiet) = (Vec::new(), true);
            for wallet in 0..WALLETS {
                self.books.read(&self.cluster).await;
                if !self.books.is_registered(wallet) {
                    reports.push(None);
                    continue;
                }
                let links = self.links_of(wallet);
                let receiving = Receiving { links, ..Receiving::default() };
                let receive = async |wallet: Wallet| wallet.receive_with(receiving, Arc::new(|_, _| ())).await;
                match self.purses[wallet].spawn(receive).await.unwrap() {
                    Ok(report) => {
                        quiet &= report.delay.is_none();
                        reports.push(Some(report));
                    }
                    // A server of a slow machine; it is asked again.
                    Err(WalletError::Unreachable { .. } | WalletError::NotSignedYet { .. }) => quiet = false,
                    Err(error) => panic!("wallet {wallet} does not receive: {error:?}"),
                }
            }
            if quiet && self.cluster.payment_log_size().await.unwrap() == before {
                assert!(reports.iter().flatten().all(|report| report.worthless == 0), "a payment is worth nothing");
                return reports;
            }
        }
        panic!("receiving does not come to an end");
    }

    /// What was asked for is in the log once when the wallet says that it is done, and never when it failed.
    fn check_asked(&self, wallet: usize, items: &[HistoryItem]) {
        let mut done: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        for (_, id, errand) in self.asked.iter().filter(|(owner, ..)| *owner == wallet) {
            let item = items.iter().find(|item| item.request_id == Some(*id));
            let is_done = item.is_some_and(|item| item.state == OperationState::Done);
            assert!(item.is_none_or(|item| item.state != OperationState::Pending), "it is at rest");
            *done.entry(errand.what()).or_default() += usize::from(is_done);
        }
        for ((what, amount), times) in done {
            assert_eq!(self.books.times(wallet, what, amount), times, "wallet {wallet} asked for {what} {amount}");
        }
    }

    /// A payee knows what was paid for its requests, and has not gone back to the payer.
    async fn check_requests(&self, wallet: usize) {
        let Ok(requests) = self.purses[wallet].wallet().requests().await else { return };
        for info in requests {
            let amount = info.request.amount.unwrap().get();
            let paid = self.books.paid(wallet, amount);
            assert_eq!(info.received.get(), paid, "paid for a request of wallet {wallet}");
        }
    }

    /// Of each purpose: credited = in accounts + in coins + in notes + fees, and what has become something else.
    async fn check_sums(&self, accounts: [u64; 2], coins: [u64; 2]) {
        let Books { fees, withdrawn, redeemed, became, .. } = &self.books;
        let credited = CREDITED * u64::try_from(WALLETS).unwrap();
        let notes = PURPOSES.map(|(number, _)| self.books.waiting(number, |_| true));
        let sum = |purpose: usize| accounts[purpose] + coins[purpose] + notes[purpose] + fees[purpose];
        assert_eq!(credited + became, sum(ANYTHING), "{accounts:?} {coins:?} {notes:?} {fees:?}");
        assert_eq!(credited - became, sum(MEAL), "{accounts:?} {coins:?} {notes:?} {fees:?}");
        let supply = self.cluster.supply().await.unwrap();
        let said = [supply.withdrawn, supply.redeemed, self.cluster.withdrawn_for("meal").await.unwrap()];
        assert_eq!(said.map(Amount::get), [withdrawn.iter().sum(), *redeemed, withdrawn[MEAL]], "what the issuer says");
    }
}
