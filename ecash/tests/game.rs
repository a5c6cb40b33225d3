//! The game of docs/PROTOCOL.md section 10: two wallets, one of them acts, and an adversary that holds what issuer and redeemer
//! store of them and the issuing key guesses which.
//!
//! It has both logs with their proofs; and of each wallet, by name, its registration and withdrawal with their private parts, its
//! account and its directory entry. It is told more than issuer and redeemer ever know: which credentials the two wallets could
//! use, the transactions that issued them, and after each round who it was. What section 10 says is seen is the same for both:
//! the statement, the number of inputs, the day, validity and expiry. Their amounts, totals and purposes are not. When wallets
//! act, and over which connections, is no part of this game.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, non_snake_case)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/observer.rs"]
mod observer;
#[path = "town/town.rs"]
mod town;

use std::collections::HashSet;

use farthing_ecash::{
    account::AccountKey,
    calendar::Day,
    coin::Coin,
    credential::{Credential, issue::Answer},
    note::Note,
    policy::UNRESTRICTED,
    transaction::Transaction,
};
use observer::{Issued, Presented, fits, issued_by, issuing_key, point, presented, strings};
use rand_core::Rng as _;
use town::{Dweller, MEALS, Paid, Sequence, TODAY, Town};

/// How far from its mean a sum of fair coins may be, in standard deviations.
const DEVIATIONS: f64 = 5.0;

/// Rounds of all statements together.
const ROUNDS: usize = 10_000;
/// Of each statement. One of the two may have nothing left to take back before the other.
const EACH: usize = ROUNDS.div_ceil(3) + ROUNDS / 25;

/// What the adversary has to guess about.
struct Round<'t> {
    transaction: &'t Transaction,
    answer: &'t Answer,
    presented: Vec<Presented>,
    /// For each wallet the transactions that issued what it could use now, and those that it made under its name.
    origins: [Vec<&'t (Transaction, Answer)>; 2],
    /// For each wallet what else the issuer has of it.
    private: [&'t [Vec<u8>]; 2],
}

/// Links by algebra: a presentation that fits a credential of one wallet and none of the other's.
fn by_algebra(round: &Round, town: &Town) -> Option<usize> {
    let x = issuing_key(town);
    let is_of = |wallet: usize| {
        let issued: Vec<Issued> = round.origins[wallet].iter().flat_map(|(_, answer)| issued_by(answer, x)).collect();
        round.presented.iter().any(|shown| issued.iter().any(|issued| fits(issued, shown)))
    };
    only_one([0, 1].map(is_of))
}

/// Links by bytes: a string that is in what issued the credentials of one wallet, and in nothing of the other's.
fn by_strings(round: &Round) -> Option<usize> {
    let shown = strings(round.transaction, &[&round.answer.to_bytes()]);
    let of = |wallet: usize| -> HashSet<[u8; 8]> {
        let origins = round.origins[wallet].iter();
        let logged = origins.flat_map(|(transaction, answer)| strings(transaction, &[&answer.to_bytes()]));
        let private = round.private[wallet].iter().flat_map(|bytes| bytes.windows(8));
        logged.chain(private.map(|window| window.try_into().unwrap())).collect()
    };
    let [zero, one] = [of(0), of(1)];
    let shares = |own: &HashSet<_>, other: &HashSet<_>| own.difference(other).any(|string| shown.contains(string));
    only_one([shares(&zero, &one), shares(&one, &zero)])
}

fn only_one(found: [bool; 2]) -> Option<usize> {
    match found {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}

/// Learns from the rounds before which bits of transaction and answer go with which wallet, and lets them vote.
#[derive(Default)]
struct Learner {
    rounds: f64,
    /// For each bit: how often it was the number of the wallet, less how often it was not.
    agreement: Vec<f64>,
}

impl Learner {
    /// Bits that tell less than this, in standard deviations, do not vote: by chance none of 30,000 tells more.
    const TELLING: f64 = 4.5;

    fn bits(round: &Round) -> impl Iterator<Item = bool> {
        let bytes = [round.transaction.as_bytes(), &round.answer.to_bytes()].concat();
        bytes.into_iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
    }

    fn guess(&self, round: &Round) -> Option<usize> {
        let least = Self::TELLING * self.rounds.sqrt();
        let votes = Self::bits(round).zip(&self.agreement).filter(|(_, agreement)| agreement.abs() > least);
        let sum: f64 = votes.map(|(bit, agreement)| if bit { *agreement } else { -*agreement }).sum();
        (sum != 0.0).then_some(usize::from(sum > 0.0))
    }

    fn learn(&mut self, round: &Round, wallet: usize) {
        self.rounds += 1.0;
        let bits: Vec<_> = Self::bits(round).collect();
        self.agreement.resize(bits.len().max(self.agreement.len()), 0.0);
        for (agreement, bit) in self.agreement.iter_mut().zip(bits) {
            *agreement += if bit == (wallet == 1) { 1.0 } else { -1.0 };
        }
    }
}

/// The adversary's score in rounds of one statement.
#[derive(Default)]
struct Score {
    learner: Learner,
    rounds: usize,
    right: usize,
    by_algebra: usize,
    by_strings: usize,
    by_learning: usize,
}

impl Score {
    fn play(&mut self, town: &Town, round: &Round, wallet: usize, coins: &mut Sequence) {
        let (algebra, bytes, learned) = (by_algebra(round, town), by_strings(round), self.learner.guess(round));
        self.by_algebra += usize::from(algebra.is_some());
        self.by_strings += usize::from(bytes.is_some());
        self.by_learning += usize::from(learned.is_some());
        let guess = algebra.or(bytes).or(learned).unwrap_or_else(|| toss(coins));
        self.rounds += 1;
        self.right += usize::from(guess == wallet);
        self.learner.learn(round, wallet);
    }

    /// How far the right guesses are from half of all, in standard deviations.
    fn advantage(&self) -> f64 {
        let (rounds, right) = (self.rounds as f64, self.right as f64);
        (right - rounds / 2.0) / (rounds.sqrt() / 2.0)
    }

    fn assert_chance(&self, statement: &str) {
        let Self { rounds, right, by_algebra, by_strings, by_learning, .. } = self;
        eprintln!(
            "{statement}: {right} of {rounds} right; {by_algebra} by algebra, {by_strings} by strings, {by_learning} learned"
        );
        assert!(*rounds > 100);
        assert_eq!((*by_algebra, *by_strings), (0, 0), "{statement} was linked");
        assert!(self.advantage().abs() < DEVIATIONS, "{statement}: {right} of {rounds} guesses are right");
    }
}

fn toss(coins: &mut Sequence) -> usize {
    (coins.next_u32() & 1) as usize
}

/// Of each wallet, the place in the log of what issued something that it holds.
type Origins = [Vec<usize>; 2];

fn round<'t>(game: &'t Game, origins: &Origins) -> Round<'t> {
    let (log, players) = (&game.town.log, &game.players);
    let (transaction, answer) = log.last().unwrap();
    let known = |wallet: usize| origins[wallet].iter().chain(&players[wallet].named).map(|place| &log[*place]);
    let origins = [0, 1].map(|wallet| known(wallet).collect());
    let private = [0, 1].map(|wallet| players[wallet].private.as_slice());
    Round { transaction, answer, presented: presented(transaction), origins, private }
}

/// The place of the newest entry.
fn newest(town: &Town) -> usize {
    town.log.len() - 1
}

/// A wallet in the game.
struct Player {
    dweller: Dweller,
    /// What it does with money: small or large sums, for anything or for meals.
    amount: u64,
    purpose: u32,
    coin: (Credential<Coin>, usize),
    state: usize,
    notes: Vec<(Credential<Note>, usize)>,
    paid: Vec<(Paid, usize)>,
    /// What it did under its name, and what issuer and directory have of it.
    named: Vec<usize>,
    private: Vec<Vec<u8>>,
}

struct Game {
    town: Town,
    /// Who pays the two and whom they pay.
    carol: Dweller,
    carols_coin: Credential<Coin>,
    players: [Player; 2],
    coins: Sequence,
}

impl Game {
    fn new() -> Self {
        let mut town = Town::new("game");
        let carol = town.register("carol@bank.example");
        let carols_coin = town.withdraw(&carol, 1_000_000_000);
        let player = |(name, amount, purpose)| {
            let dweller = town.register(name);
            let state = newest(&town);
            let mut private = vec![
                dweller.identity.pid().to_bytes().to_vec(),
                dweller.keys.encryption_key().to_bytes().to_vec(),
                AccountKey::of(&dweller.keys).to_bytes().to_vec(),
                town.private.last().unwrap().clone(),
            ];
            let coin = (town.withdraw_for(&dweller, 20_000_000 + 5 * amount, purpose), newest(&town));
            private.push(town.private.last().unwrap().clone());
            let named = vec![state, newest(&town)];
            Player { dweller, amount, purpose, coin, state, notes: Vec::new(), paid: Vec::new(), named, private }
        };
        let players = [("alice@bank.example", 150, UNRESTRICTED), ("bob@bank.example", 1_900, MEALS)].map(player);
        Self { town, carol, carols_coin, players, coins: Sequence::new("coins of the game") }
    }

    /// One of the two pays; what it could spend is one coin each.
    fn pay(&mut self) -> (usize, Origins) {
        let wallet = toss(&mut self.coins);
        let origins = [0, 1].map(|wallet| vec![self.players[wallet].coin.1]);
        let player = &mut self.players[wallet];
        let paid = self.town.pay(&player.dweller, [&player.coin.0], &self.carol, player.amount);
        let place = newest(&self.town);
        let change = paid.change.to_secret_bytes();
        player.coin = (Credential::<Coin>::from_secret_bytes(&change).unwrap(), place);
        player.paid.push((paid, place));
        (wallet, origins)
    }

    /// Carol pays both, if they have nothing to claim; one of the two claims.
    fn claim(&mut self) -> (usize, Origins) {
        for wallet in [0, 1] {
            if !self.players[wallet].notes.is_empty() {
                continue;
            }
            let (amount, payee) = (self.players[wallet].amount, &self.players[wallet].dweller);
            let paid = self.town.pay(&self.carol, [&self.carols_coin], payee, amount);
            let note = self.town.receive(&paid, payee).note;
            self.carols_coin = paid.change;
            self.players[wallet].notes.push((note, newest(&self.town)));
        }
        let wallet = toss(&mut self.coins);
        let origins = [0, 1].map(|wallet| vec![self.players[wallet].state, self.players[wallet].notes[0].1]);
        let player = &mut self.players[wallet];
        let (note, _) = player.notes.remove(0);
        self.town.claim(&mut player.dweller, [&note], UNRESTRICTED);
        player.state = newest(&self.town);
        (wallet, origins)
    }

    /// One of the two takes back the oldest of its payments.
    fn refund(&mut self) -> Option<(usize, Origins)> {
        let wallet = toss(&mut self.coins);
        if self.players.iter().any(|player| player.paid.is_empty()) {
            return None;
        }
        let origins = [0, 1].map(|wallet| vec![self.players[wallet].state, self.players[wallet].paid[0].1]);
        let player = &mut self.players[wallet];
        let (paid, _) = player.paid.remove(0);
        let note = self.town.refundable(&paid, &player.dweller);
        self.town.refund(&mut player.dweller, &note, player.purpose);
        player.state = newest(&self.town);
        Some((wallet, origins))
    }
}

#[test]
fn no_better_than_chance_at_who_paid_and_who_took_back() {
    let mut game = Game::new();
    let [mut pay, mut refund] = [(); 2].map(|()| Score::default());
    let mut guesses = Sequence::new("guesses");
    for _ in 0..EACH {
        let (wallet, origins) = game.pay();
        pay.play(&game.town, &round(&game, &origins), wallet, &mut guesses);
    }
    // What was paid has expired.
    game.town.day = Day::new(TODAY.get() + 110);
    while let Some((wallet, origins)) = game.refund() {
        refund.play(&game.town, &round(&game, &origins), wallet, &mut guesses);
    }
    assert!(pay.rounds + EACH + refund.rounds >= ROUNDS);
    pay.assert_chance("pay");
    refund.assert_chance("refund");
}

#[test]
fn no_better_than_chance_at_who_received() {
    let mut game = Game::new();
    let mut claim = Score::default();
    let mut guesses = Sequence::new("guesses at claims");
    for _ in 0..EACH {
        let (wallet, origins) = game.claim();
        claim.play(&game.town, &round(&game, &origins), wallet, &mut guesses);
    }
    claim.assert_chance("claim");
}

/// The same adversary sees what a worse protocol would show.
#[test]
fn the_adversary_would_see_a_leak() {
    let mut game = Game::new();
    let [mut linked, mut shared, mut named, mut biased] = [(); 4].map(|()| Score::default());
    let mut guesses = Sequence::new("guesses");
    for number in 0..400u32 {
        let before = game.players.each_ref().map(|player| player.coin.0.to_secret_bytes());
        let (wallet, origins) = game.pay();
        let (transaction, answer) = game.town.log.last().unwrap().clone();

        // One randomiser for A and B.
        let secret = &before[wallet];
        let (A, e) = (point(&secret[32..64]), observer::scalar(&secret[64..96]));
        let r = curve25519_dalek::Scalar::from(number + 2);
        let (a, D) = (A * r, A * (issuing_key(&game.town) + e) * r);
        let naive = Presented { kind: "coin".to_owned(), a, D, Abar: D - a * e };
        let shown = Round { presented: vec![naive], ..round(&game, &origins) };
        linked.play(&game.town, &shown, wallet, &mut guesses);

        // A ciphertext is used a second time.
        let issuing = &game.town.log[origins[wallet][0]].0;
        let (from, to) = (layout::Layout::of(issuing.as_bytes()), layout::Layout::of(transaction.as_bytes()));
        let mut bytes = transaction.as_bytes().to_vec();
        let source = issuing.as_bytes()[from.field("ct-self").at.clone()].to_vec();
        bytes[to.field("ct-self").at.clone()].copy_from_slice(&source);
        let repeated = Transaction::from_bytes(&bytes).unwrap();
        let shown = Round { transaction: &repeated, answer: &answer, presented: Vec::new(), ..round(&game, &origins) };
        shared.play(&game.town, &shown, wallet, &mut guesses);

        // The nonce is a part of the key of the account.
        let mut bytes = transaction.as_bytes().to_vec();
        let at = to.field("nonce").at.clone();
        let account = AccountKey::of(&game.players[wallet].dweller.keys).to_bytes();
        bytes[at.clone()].copy_from_slice(&account[..at.len()]);
        let telling = Transaction::from_bytes(&bytes).unwrap();
        let shown = Round { transaction: &telling, answer: &answer, presented: Vec::new(), ..round(&game, &origins) };
        named.play(&game.town, &shown, wallet, &mut guesses);

        // One bit of the nonce is the wallet's in four of five rounds.
        let mut bytes = transaction.as_bytes().to_vec();
        let at = to.field("nonce").at.start;
        let told = if number % 5 == 0 { toss(&mut guesses) } else { wallet };
        bytes[at] = bytes[at] & !1 | u8::from(told == 1);
        let marked = Transaction::from_bytes(&bytes).unwrap();
        let shown = Round { transaction: &marked, answer: &answer, presented: Vec::new(), ..round(&game, &origins) };
        biased.play(&game.town, &shown, wallet, &mut guesses);
    }
    assert_eq!((linked.right, linked.by_algebra), (400, 400));
    assert_eq!((shared.right, shared.by_strings), (400, 400));
    assert_eq!((named.right, named.by_strings), (400, 400));
    assert!(biased.advantage() > DEVIATIONS, "{} of {}", biased.right, biased.rounds);
}
