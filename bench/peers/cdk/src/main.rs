//! The Cashu mint of cdk, in process and without HTTP: swaps of ten proofs for ten new signatures, eight on their way at once,
//! from memory and from an SQLite file as the mint sets it up. Processor time is that of the whole process.

use std::{collections::VecDeque, fs, sync::Arc, time::Instant};

use cdk::{
    Amount, Mint,
    cdk_database::{self, MintKeysDatabase},
    dhke::{blind_message, construct_proofs},
    mint::{MintBuilder, UnitConfig},
    nuts::{BlindedMessage, CurrencyUnit, Keys, SecretKey, SwapRequest},
    secret::Secret,
};
use cdk_sqlite::mint::{MintSqliteDatabase, memory};
use tokio::task::JoinSet;

/// Proofs of a swap: the denominations 1, 2, 4, ..., 512.
const PROOFS: u32 = 10;

/// Swaps of one run, and on their way at once.
const SWAPS: usize = 200;
const AT_ONCE: usize = 8;

/// Runs of which the median is taken.
const RUNS: usize = 5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What this process has used of the processor, in seconds. Linux counts it in hundredths.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

async fn mint(store: Arc<MintSqliteDatabase>) -> Result<Mint, Failure> {
    let keys: Arc<dyn MintKeysDatabase<Err = cdk_database::Error> + Send + Sync> = store.clone();
    let mut builder = MintBuilder::new(store).with_name("bench".to_owned());
    let amounts = (0..PROOFS).map(|power| 1 << power).collect();
    builder.configure_unit(CurrencyUnit::Sat, UnitConfig { amounts, input_fee_ppk: 0 })?;
    Ok(builder.build_with_seed(keys, &[7; 64]).await?)
}

/// Outputs for ten signatures, with what opens them.
fn outputs(mint: &Mint) -> Result<(Vec<BlindedMessage>, Vec<SecretKey>, Vec<Secret>), Failure> {
    let keyset = *mint.get_active_keysets().get(&CurrencyUnit::Sat).ok_or("no keyset")?;
    let (mut messages, mut blinds, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
    for power in 0..PROOFS {
        let secret = Secret::generate();
        let (blinded, blind) = blind_message(&secret.to_bytes(), None)?;
        messages.push(BlindedMessage::new(Amount::from(1 << power), keyset, blinded));
        blinds.push(blind);
        secrets.push(secret);
    }
    Ok((messages, blinds, secrets))
}

fn keys(mint: &Mint) -> Result<Keys, Failure> {
    let keyset = *mint.get_active_keysets().get(&CurrencyUnit::Sat).ok_or("no keyset")?;
    Ok(mint.keyset_pubkeys(&keyset)?.keysets.first().ok_or("no keys")?.keys.clone())
}

async fn prepare(mint: &Mint, keys: &Keys) -> Result<SwapRequest, Failure> {
    let (messages, blinds, secrets) = outputs(mint)?;
    let signatures = mint.blind_sign(messages).await?;
    let proofs = construct_proofs(signatures, blinds, secrets, keys)?;
    Ok(SwapRequest::new(proofs, outputs(mint)?.0))
}

/// Swaps. The mint answers now and then that its SQLite file is locked; a wallet would ask again.
async fn swap(mint: Arc<Mint>, request: SwapRequest) {
    for _ in 0..100 {
        if mint.process_swap_request(request.clone()).await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("a good swap was refused a hundred times");
}

async fn measure(name: &str, store: MintSqliteDatabase) -> Result<(), Failure> {
    let mint = Arc::new(mint(Arc::new(store)).await?);
    let keys = keys(&mint)?;
    let (mut costs, mut rates) = (Vec::new(), Vec::new());
    for round in 0..=RUNS {
        let mut requests = VecDeque::new();
        for _ in 0..SWAPS {
            requests.push_back(prepare(&mint, &keys).await?);
        }
        let (begin, before) = (Instant::now(), processor_time());
        let mut swaps = JoinSet::new();
        while let Some(request) = requests.pop_front() {
            if swaps.len() >= AT_ONCE {
                swaps.join_next().await.ok_or("no swap")??;
            }
            let mint = mint.clone();
            swaps.spawn(swap(mint, request));
        }
        swaps.join_all().await;
        // The first round warms up.
        if round > 0 {
            costs.push((processor_time() - before) * 1e6 / SWAPS as f64);
            rates.push(SWAPS as f64 / begin.elapsed().as_secs_f64());
        }
    }
    for values in [&mut costs, &mut rates] {
        values.sort_by(f64::total_cmp);
    }
    println!("cdk_swap10_{name}_us {}", costs[RUNS / 2]);
    println!("cdk_swap10_{name}_per_s {}", rates[RUNS / 2]);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    measure("memory", memory::empty().await?).await?;
    // Beside this program: a folder of temporary files may be one in memory.
    let file = std::env::current_exe()?.with_extension("sqlite");
    let remove = || ["", "-wal", "-shm"].map(|end| drop(fs::remove_file(format!("{}{end}", file.display()))));
    remove();
    measure("sqlite", MintSqliteDatabase::new(file.to_str().ok_or("a path")?).await?).await?;
    remove();
    Ok(())
}
