//! What happens in a history: steps of owners, operators, strangers and time, and what goes wrong meanwhile.

use farthing_tests::proxy::Fault;
use proptest::prelude::*;

use crate::terms::{Terms, terms};

/// Persons, a grocer, and somebody who is not registered at first.
pub(crate) const WALLETS: usize = 4;
pub(crate) const GROCER: usize = 2;
pub(crate) const NEWCOMER: usize = 3;

/// A step.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Withdraw {
        wallet: usize,
        purpose: &'static str,
        amount: u64,
    },
    /// Also to the newcomer: then there is a link.
    Pay {
        from: usize,
        to: usize,
        purpose: &'static str,
        amount: u64,
    },
    /// Makes a request.
    Ask {
        wallet: usize,
        amount: u64,
    },
    /// Pays one of the requests that were made.
    Answer {
        wallet: usize,
        request: usize,
    },
    /// Asks once more for what was asked before, with the same request id.
    Again {
        request: usize,
    },
    /// With all links to this wallet; each payment on its own or not.
    Receive {
        wallet: usize,
        join: bool,
    },
    Refund {
        wallet: usize,
    },
    Redeem {
        wallet: usize,
        amount: u64,
    },
    /// Moves money to the newest key, or makes one coin of several.
    Tidy {
        wallet: usize,
    },
    Renew {
        wallet: usize,
    },
    /// Registers the newcomer.
    Register,
    /// Closes the wallet with what it began and opens it again.
    Reopen {
        wallet: usize,
    },

    /// Sends a logged transaction again.
    Replay {
        entry: u64,
    },
    /// Changes the class of the first wallet.
    SetClass {
        wallet: usize,
        grocer: bool,
    },
    SetPolicy(Terms),
    /// Makes a key that signs from the day after tomorrow on.
    Rotate,
    PassDays(u32),
    RestartIssuer,
    RestartRedeemer,
    KillIssuer,
    KillRedeemer,
}

/// What goes wrong in a step of a wallet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mishap {
    Nothing,
    /// The network does this to its transactions.
    Network(Fault),
    /// The wallet is killed when its transaction is written down and on its way; the server does not get it.
    KilledBeforeSent,
    /// The wallet is killed when the server has its transaction; the answer comes to nobody.
    KilledBeforeAnswered,
    /// The wallet is killed at its call after so many calls, of the issuer or of the redeemer.
    KilledAtCall {
        issuer: bool,
        calls: u64,
    },
}

fn amount() -> impl Strategy<Value = u64> {
    // Too little, little, much, and more than a person may receive in a day. The thousands only.
    prop_oneof![1 => 0u64..1, 6 => 10u64..1_500, 3 => 3_000u64..9_000, 1 => 11_000u64..16_000]
        .prop_map(|amount| amount * 1_000)
}

fn step() -> impl Strategy<Value = Step> {
    // The newcomer can do little before it is registered.
    let wallet = prop_oneof![6 => 0..NEWCOMER, 1 => NEWCOMER..WALLETS];
    let purpose = prop_oneof![2 => Just(""), 1 => Just("meal")];
    let owners = prop_oneof![
        3 => (wallet.clone(), purpose.clone(), amount())
            .prop_map(|(wallet, purpose, amount)| Step::Withdraw { wallet, purpose, amount }),
        10 => (wallet.clone(), 0..WALLETS, purpose, amount())
            .prop_map(|(from, to, purpose, amount)| Step::Pay { from, to, purpose, amount }),
        2 => (wallet.clone(), amount()).prop_map(|(wallet, amount)| Step::Ask { wallet, amount }),
        3 => (wallet.clone(), 0..100usize).prop_map(|(wallet, request)| Step::Answer { wallet, request }),
        3 => (0..100usize).prop_map(|request| Step::Again { request }),
        8 => (wallet.clone(), any::<bool>()).prop_map(|(wallet, join)| Step::Receive { wallet, join }),
        5 => wallet.clone().prop_map(|wallet| Step::Refund { wallet }),
        3 => (wallet.clone(), amount()).prop_map(|(wallet, amount)| Step::Redeem { wallet, amount }),
        2 => wallet.clone().prop_map(|wallet| Step::Tidy { wallet }),
        2 => wallet.clone().prop_map(|wallet| Step::Renew { wallet }),
        2 => Just(Step::Register),
        1 => wallet.prop_map(|wallet| Step::Reopen { wallet }),
    ];
    let others = prop_oneof![
        3 => any::<u64>().prop_map(|entry| Step::Replay { entry }),
        2 => any::<bool>().prop_map(|grocer| Step::SetClass { wallet: 0, grocer }),
        2 => terms().prop_map(Step::SetPolicy),
        1 => Just(Step::Rotate),
        3 => (1u32..3).prop_map(Step::PassDays),
        2 => (28u32..70).prop_map(Step::PassDays),
        1 => Just(Step::RestartIssuer),
        1 => Just(Step::RestartRedeemer),
        1 => Just(Step::KillIssuer),
        2 => Just(Step::KillRedeemer),
    ];
    prop_oneof![3 => owners, 1 => others]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        13 => Just(Mishap::Nothing),
        1 => Just(Mishap::Network(Fault::LoseRequest)),
        2 => Just(Mishap::Network(Fault::LoseAnswer)),
        1 => Just(Mishap::KilledBeforeSent),
        2 => Just(Mishap::KilledBeforeAnswered),
        3 => (any::<bool>(), 0u64..12).prop_map(|(issuer, calls)| Mishap::KilledAtCall { issuer, calls }),
    ]
}

/// Steps, of which two are taken at once.
pub(crate) fn histories(steps: usize) -> impl Strategy<Value = Vec<(Step, Mishap)>> {
    proptest::collection::vec((step(), mishap()), steps)
}
