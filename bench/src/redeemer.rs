//! What a redeemer computes for a payment and for a claimed note, over the floor.

use farthing_ecash::transaction::Transaction;

use crate::{
    Failure,
    floor::{Floor, Primitives},
    measure::micros,
    table::Table,
    world::{Wallet, World},
};

/// Transactions of the largest batch.
const BATCH: usize = 128;

/// From bytes to bytes: decodes, verifies together, signs. Each in µs of the processor.
fn cost(world: &World, transactions: &[Vec<u8>]) -> f64 {
    let once = || {
        let decoded = transactions.iter().map(|bytes| Transaction::from_bytes(bytes)).collect::<Result<_, _>>();
        let answered = decoded.map_err(Failure::from).and_then(|decoded| world.answer(decoded));
        answered.map(|all| all.iter().map(|(_, answer)| answer.to_bytes()).collect::<Vec<_>>())
    };
    micros(once) / transactions.len() as f64
}

pub(crate) fn measure(table: &mut Table, primitives: &Primitives, world: &World) -> Result<(), Failure> {
    let (alice, bob) = (Wallet::new("alice@bank.example")?, Wallet::new("bob@bank.example")?);
    table.part("The redeemer's processor time for a transaction: decode, verify, sign");
    for coins in [1, 2] {
        let floor = Floor::pay(coins);
        let least = floor.micros(primitives);
        table.row(
            &format!("floor_pay{coins}_us"),
            &format!("floor of a payment of {coins} ({})", floor.describe()),
            least,
            "µs",
        );
        let payments = (0..BATCH)
            .map(|_| {
                let purse = (0..coins).map(|_| world.coin(&alice, 1_000)).collect::<Result<Vec<_>, _>>()?;
                Ok(world.pay(&alice, &purse, &bob, 500)?.as_bytes().to_vec())
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        // All of them hold, or the figures mean nothing.
        world.answer(payments.iter().map(|bytes| Transaction::from_bytes(bytes)).collect::<Result<_, _>>()?)?;
        for (batch, name) in [(1, "alone"), (8, "batch8"), (64, "batch64"), (BATCH, "batch128")] {
            let micros = cost(world, &payments[..batch]);
            let keys = (format!("pay{coins}_{name}_us"), format!("pay{coins}_{name}_over_floor"));
            let what = format!("pay, {coins} in, batch of {batch}");
            table.ratio((&keys.0, &keys.1), &what, micros, "µs", micros / least, "its floor");
        }
        if coins == 1 {
            let payment = &payments[0];
            table.row("pay1_bytes", "bytes of a payment of 1", payment.len() as f64, "B");
            let decode = micros(|| Transaction::from_bytes(payment));
            table.row("pay1_decode_us", "of that: decode", decode, "µs");
        }
    }
    claims(table, primitives, world)
}

fn claims(table: &mut Table, primitives: &Primitives, world: &World) -> Result<(), Failure> {
    let (alice, bob) = (Wallet::new("alice@bank.example")?, Wallet::new("bob@bank.example")?);
    let state = world.state(&bob)?;
    let notes = (0..64).map(|_| Ok(world.note(&alice, &bob, 500)?.0)).collect::<Result<Vec<_>, Failure>>()?;
    let claim = |notes: &[_]| {
        let rng = &mut crate::world::rng();
        let claim = farthing_ecash::claim::request(&world.header, &bob.keys, notes, &state, world.rule()?, rng)?;
        Ok::<_, Failure>(claim.as_bytes().to_vec())
    };
    let single = notes.iter().map(|note| claim(std::slice::from_ref(note))).collect::<Result<Vec<_>, _>>()?;
    let large = [claim(&notes)?];
    for (transactions, notes, name, what) in [
        (&single[..1], 1, "claim1_alone", "claim of 1 note, alone, a note"),
        (&single[..], 1, "claim1_batch64", "claim of 1 note, batch of 64, a note"),
        (&large[..], 64, "claim64_per_note", "claim of 64 notes, alone, a note"),
    ] {
        let floor = Floor::claim(notes);
        let least = floor.micros(primitives) / f64::from(notes);
        if name != "claim1_batch64" {
            let key = format!("floor_claim{notes}_per_note_us");
            table.row(&key, &format!("floor of a note in a claim of {notes} ({})", floor.describe()), least, "µs");
        }
        let micros = cost(world, transactions) / f64::from(notes);
        let keys = (format!("{name}_us"), format!("{name}_over_floor"));
        table.ratio((&keys.0, &keys.1), what, micros, "µs", micros / least, "its floor");
    }
    Ok(())
}
