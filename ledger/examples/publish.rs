//! Publishes a log of 66,000 entries in three checkpoints and writes it to a folder as the files of C2SP tlog-tiles: tiles,
//! bundles, cosigned checkpoints, and `proofs.json` with some proofs. Another program checks them: `just oracle`.
//!
//! `cargo run -p farthing-ledger --example publish -- FOLDER`

use std::{error::Error, fs, path::PathBuf};

use farthing_ledger::{
    key::{CosignerKey, LogSigner},
    note::Timestamp,
    publisher::{LogParts, Plain, Publisher},
    tile::TilePath,
};
use farthing_store::{Batch, LogName, Outcome, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde_json::{Value, json};

const LOG: LogName = LogName("payments");
const SIZES: [u64; 3] = [255, 600, 66_000];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("usage: publish FOLDER")?.into();
    let home = tempfile::tempdir()?;
    let (store, _) = Store::open(&home.path().join("store"))?;
    let mut rng = UnwrapErr(SysRng);
    let signer = LogSigner::generate("redeemer.example/farthing/payments", &mut rng)?;
    let witness = CosignerKey::generate("witness.example", &mut rng)?;
    let (log_key, witness_key) = (signer.verifier().to_string(), witness.verifier().to_string());
    let witnesses = vec![witness.verifier().clone()];
    let parts = LogParts { store: store.clone(), log: LOG, signer, anchor: home.path().join("anchor"), witnesses };
    let publisher = Publisher::open(parts, Plain).await?;

    let (mut written, mut names) = (0u64, Vec::new());
    for size in SIZES {
        while written < size {
            let numbers = written..size.min(written + 1_000);
            written = numbers.end;
            let batch = numbers.fold(Batch::new(), |batch, number| batch.append(LOG, leaf(number), [], None));
            let Outcome::Applied { .. } = store.commit(batch).await? else { return Err("not written".into()) };
        }
        let signed = publisher.bring_up_to_date().await?.ok_or("an empty log")?;
        let mut note = signed.note().clone();
        note.add(witness.cosign(note.text(), Timestamp::from_unix_seconds(1_767_000_000).ok_or("a time")?));
        publisher.published().add_cosignatures(note).await?;
        let given_out = publisher.published().checkpoint(1).ok_or("not cosigned")?;
        let name = format!("checkpoint.{size}");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&name), given_out.to_string())?;
        names.push(name);
    }

    let view = publisher.published().view();
    for path in TilePath::all(view.size()) {
        let file = folder.join(path.to_string());
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        fs::write(file, view.tile(path).await?)?;
    }
    let (mut inclusion, mut consistency) = (Vec::new(), Vec::new());
    for (index, size) in
        [(0, 1), (254, 255), (255, 256), (300, 600), (599, 600), (0, 66_000), (65_536, 65_537), (65_999, 66_000)]
    {
        let hashes = texts(&view.inclusion_proof(index, size).await?.0);
        inclusion.push(json!({ "index": index, "size": size, "hashes": hashes }));
    }
    for (from, to) in [(1, 2), (255, 600), (255, 66_000), (256, 600), (600, 65_536), (65_536, 65_537), (65_999, 66_000)]
    {
        let hashes = texts(&view.consistency_proof(from, to).await?.0);
        consistency.push(json!({ "from": from, "to": to, "hashes": hashes }));
    }
    let told = json!({
        "log": log_key, "witness": witness_key, "checkpoints": names, "inclusion": inclusion, "consistency": consistency,
    });
    fs::write(folder.join("proofs.json"), told.to_string())?;
    store.close().await;
    Ok(())
}

/// A directory entry of day 0 with eight bytes of body.
fn leaf(number: u64) -> Vec<u8> {
    [&[32][..], &[0; 4], &number.to_le_bytes()].concat()
}

fn texts(hashes: &[farthing_ledger::hash::Hash]) -> Vec<Value> {
    hashes.iter().map(|hash| hash.to_string().into()).collect()
}
