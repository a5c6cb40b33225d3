//! Payments that are prepared before anything is measured.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use farthing_ecash::transaction::Transaction;

use crate::{
    Failure,
    world::{Wallet, World},
};

/// Prepared payments, also in a file for the redeemer's process, which is told to forget them between runs.
pub(crate) struct Pool {
    pub(crate) payments: Vec<Vec<u8>>,
    pub(crate) file: PathBuf,
}

/// Prepares payments of one coin each, on all cores.
pub(crate) fn prepare(world: &World, count: usize) -> Result<Pool, Failure> {
    eprintln!("preparing {count} payments ...");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let parts: Result<Vec<_>, Failure> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|number| scope.spawn(move || some(world, (count + number) / threads))).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker panicked")?).collect()
    });
    let payments = parts?.concat();
    let file = world.dir().join("pool");
    let lines: Vec<_> = payments.iter().map(|payment| hex(payment)).collect();
    fs::write(&file, lines.join("\n"))?;
    Ok(Pool { payments, file })
}

fn some(world: &World, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let (payer, payee) = (Wallet::new("alice@bank.example")?, Wallet::new("bob@bank.example")?);
    (0..count).map(|_| Ok(world.pay(&payer, &[world.coin(&payer, 1_000)?], &payee, 500)?.as_bytes().to_vec())).collect()
}

/// The same payment with one bit of the proof changed: it decodes, and its proof does not hold.
pub(crate) fn spoilt(payment: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes = payment.to_vec();
    let place = bytes.len().checked_sub(32).ok_or("too short")?;
    bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= 1);
    Transaction::from_bytes(&bytes)?;
    Ok(bytes)
}

/// The payments in a pool's file.
pub(crate) fn read(file: &Path) -> Result<Vec<Transaction>, Failure> {
    let text = fs::read_to_string(file)?;
    text.lines().map(|line| Ok(Transaction::from_bytes(&bytes(line)?)?)).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}
