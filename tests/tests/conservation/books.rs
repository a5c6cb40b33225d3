//! The model: both logs, read with the secrets of all wallets. Every transaction is one of theirs, takes what was there and
//! nothing twice, and makes out of it neither more nor less; what it does is allowed to who does it, on its day and under its
//! policy. It shares the arithmetic of single credentials with the wallets, and nothing of their books.

mod entry;

use std::collections::{BTreeMap, HashMap};

use farthing_ecash::{
    calendar::{Day, Month},
    credential::{Credential, Nullifier},
    identity::Pid,
    keys::{KeyId, PublicKey},
    policy::PolicyHash,
    refund::Refundable,
    seed::WalletKeys,
    wallet_state::WalletState,
};
use farthing_follower::log::Log;
use farthing_tests::cluster::Cluster;

use crate::terms::Terms;

/// Numbers of purposes; those of the policy.
pub(crate) const ANYTHING: usize = 0;
pub(crate) const MEAL: usize = 1;
pub(crate) const PURPOSES: [(usize, &str); 2] = [(ANYTHING, ""), (MEAL, "meal")];
/// The class that accepts money for meals, and makes money for anything of it.
pub(crate) const GROCER: u32 = 2;

/// A wallet with all that it knows.
pub(crate) struct Holder {
    pub(crate) pid: Pid,
    pub(crate) keys: WalletKeys,
}

/// A coin that nobody has spent.
pub(crate) struct Coin {
    pub(crate) owner: usize,
    pub(crate) purpose: usize,
    pub(crate) value: u64,
}

/// A note that nobody has claimed or taken back.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    pub(crate) purpose: usize,
    pub(crate) value: u64,
    /// Who can claim it: not a part that its payer has split off.
    pub(crate) payee: Option<usize>,
    /// Who can take it back: not a part that its payee has split off.
    pub(crate) payer: Option<usize>,
    pub(crate) expiry: Month,
    /// The entry of its payment.
    pub(crate) payment: u64,
}

/// A payment, withdrawal or redemption in the log.
pub(crate) struct Done {
    pub(crate) wallet: usize,
    pub(crate) what: &'static str,
    pub(crate) amount: u64,
    /// Of a payment: who was paid, and its entry.
    pub(crate) payment: Option<(usize, u64)>,
}

/// The model.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) holders: Vec<Holder>,
    /// Entries that were read of the issuance log and of the payment log.
    read: [u64; 2],
    keys: HashMap<KeyId, PublicKey>,
    policies: HashMap<PolicyHash, (u32, Terms)>,
    spent: HashMap<Nullifier, u64>,
    pub(crate) coins: HashMap<Nullifier, Coin>,
    pub(crate) notes: HashMap<Nullifier, Note>,
    refundables: HashMap<Nullifier, Refundable>,
    states: HashMap<usize, Credential<WalletState>>,
    /// What the parts of the split that is being read are worth so far.
    parts: u64,
    /// What each wallet has received, claimed and taken back, on each day and in each month.
    on_day: BTreeMap<(usize, Day), u64>,
    in_month: BTreeMap<(usize, Month), u64>,
    /// Payments that were taken back, all or a part.
    pub(crate) taken_back: BTreeMap<u64, u64>,
    pub(crate) done: Vec<Done>,
    pub(crate) withdrawn: [u64; 2],
    pub(crate) fees: [u64; 2],
    pub(crate) redeemed: u64,
    /// Money for meals that has become money for anything.
    pub(crate) became: u64,
    /// How many transactions of each kind there are, and of inputs under an older key.
    pub(crate) count: BTreeMap<String, u64>,
}

impl Books {
    /// Reads what is new in both logs.
    pub(crate) async fn read(&mut self, cluster: &Cluster) {
        // What an entry of the payment log before this one rests on was withdrawn before.
        let payments = cluster.log_size(Log::Payments).await.unwrap();
        let issuance = cluster.log_size(Log::Issuance).await.unwrap();
        for (place, log, size) in [(0, Log::Issuance, issuance), (1, Log::Payments, payments)] {
            let first = self.read[place];
            let entries = cluster.entries(log, first..size).await.unwrap();
            for (index, entry) in (first..).zip(entries) {
                self.take(log, index, &entry);
            }
            self.read[place] = size;
        }
    }

    /// What a wallet holds of a purpose in coins.
    pub(crate) fn held(&self, wallet: usize, purpose: usize) -> u64 {
        let coins = self.coins.values().filter(|coin| coin.owner == wallet && coin.purpose == purpose);
        coins.map(|coin| coin.value).sum()
    }

    /// The notes of a purpose that are as wanted.
    pub(crate) fn waiting(&self, purpose: usize, wanted: impl Fn(&Note) -> bool) -> u64 {
        let notes = self.notes.values().filter(|note| note.purpose == purpose && wanted(note));
        notes.map(|note| note.value).sum()
    }

    /// Whether there is something of a payment that a wallet can claim.
    pub(crate) fn waits_for(&self, wallet: usize, payment: u64) -> bool {
        self.notes.values().any(|note| note.payee == Some(wallet) && note.payment == payment)
    }

    /// What a wallet has received in all, claimed and taken back.
    pub(crate) fn received(&self, wallet: usize) -> u64 {
        self.in_month.iter().filter(|((owner, _), _)| *owner == wallet).map(|(_, value)| value).sum()
    }

    /// How often a wallet did something with an amount.
    pub(crate) fn times(&self, wallet: usize, what: &str, amount: u64) -> usize {
        let same = |done: &&Done| done.wallet == wallet && done.what == what && done.amount == amount;
        self.done.iter().filter(same).count()
    }

    /// What a wallet was paid by payments of this amount that their payers have not taken back. What it paid to itself it has,
    /// either way.
    pub(crate) fn paid(&self, payee: usize, amount: u64) -> u64 {
        let has = |done: &&Done| {
            let paid = done.payment.filter(|(to, _)| *to == payee);
            paid.is_some_and(|(_, index)| done.wallet == payee || !self.taken_back.contains_key(&index))
        };
        self.done.iter().filter(has).filter(|done| done.amount == amount).map(|done| done.amount).sum()
    }

    /// Whether somebody has registered the wallet.
    pub(crate) fn is_registered(&self, wallet: usize) -> bool {
        self.states.contains_key(&wallet)
    }
}
