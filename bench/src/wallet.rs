//! What a wallet computes.

use farthing_ecash::{
    claim,
    note::{self, SealedNote},
    pay,
};

use crate::{
    Failure,
    measure::micros,
    table::Table,
    world::{Wallet, World, rng},
};

pub(crate) fn measure(table: &mut Table, world: &World) -> Result<(), Failure> {
    let (alice, bob) = (Wallet::new("alice@bank.example")?, Wallet::new("bob@bank.example")?);
    let coins = [world.coin(&alice, 1_000)?, world.coin(&alice, 1_000)?];
    table.part("The wallet's processor time");
    table.row("wallet_pay1_us", "build a payment, 1 coin", micros(|| world.pay(&alice, &coins[..1], &bob, 500)), "µs");
    table.row("wallet_pay2_us", "build a payment, 2 coins", micros(|| world.pay(&alice, &coins, &bob, 500)), "µs");

    let (_, paid, answer) = world.note(&alice, &bob, 500)?;
    let core = paid.core();
    let finish = || pay::finish(core, &answer, &world.key, world.expiry(), &alice.keys);
    finish().map_err(|_| "the change is not good")?;
    table.row("wallet_finish_us", "check an answer and keep the change", micros(finish), "µs");
    let receive = |wallet: &Wallet| {
        let (keys, pid) = (&wallet.keys, wallet.identity.pid());
        note::receive(core, &answer, &world.key, world.expiry(), keys, &pid).is_ok()
    };
    let carol = Wallet::new("carol@bank.example")?;
    if !receive(&bob) || receive(&carol) {
        return Err("a note reached the wrong wallet".into());
    }
    table.row("wallet_receive_us", "receive a note", micros(|| receive(&bob)), "µs");
    // As the wallet goes through the log: it reads no points before a note has opened.
    let pass_over = || SealedNote::find(paid.core_bytes()).map(|sealed| sealed.open(&carol.keys).is_ok());
    if pass_over() != Some(false) {
        return Err("a note was opened by the wrong wallet".into());
    }
    let scan = micros(pass_over);
    table.row("wallet_scan_us", "try a note of somebody else", scan, "µs");
    table.row("wallet_scan_per_s", "so entries a second and core", 1e6 / scan, "1/s");

    let state = world.state(&bob)?;
    let notes = (0..64).map(|_| Ok(world.note(&alice, &bob, 500)?.0)).collect::<Result<Vec<_>, Failure>>()?;
    let rule = world.rule()?;
    for count in [1, 64] {
        let build = || claim::request(&world.header, &bob.keys, &notes[..count], &state, rule, &mut rng());
        build()?;
        table.row(&format!("wallet_claim{count}_us"), &format!("build a claim of {count}"), micros(build), "µs");
    }
    Ok(())
}
