//! What users would pick instead: programs of a workspace apart, which are built and run here.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Failure, table::Table};

/// The packages in `peers`.
const PEERS: [&str; 5] = ["act", "rsa", "cmz", "nym", "cdk"];

/// What is printed of what they say: key and description, in order.
const ROWS: [(&str, &str); 16] = [
    ("act32_us", "anonymous-credit-tokens 0.4.2, 32 bits: decode a spend, verify, refund"),
    ("act64_us", "the same, 64 bits"),
    ("cdk_swap10_memory_us", "cdk 0.18.3 mint: swap 10 → 10, in memory"),
    ("cdk_swap10_memory_per_s", "the same, a second, all cores, 8 at once"),
    ("cdk_swap10_sqlite_us", "cdk 0.18.3 mint: swap 10 → 10, SQLite file"),
    ("cdk_swap10_sqlite_per_s", "the same, a second, all cores, 8 at once"),
    ("cmz_show_reissue_us", "cmz 0.3.0, µCMZ, 6 attributes: decode, show + reissue"),
    ("cmz_show_reissue_range_us", "the same with a 32-bit range"),
    ("cmz14_show_reissue_us", "cmz 0.3.0, CMZ14, 6 attributes: decode, show + reissue"),
    ("cmz14_show_reissue_range_us", "the same with a 32-bit range"),
    ("rsa2048_sign_us", "blind-rsa-signatures 0.18.0, 2048 bits: sign"),
    ("rsa2048_verify_us", "the same: verify"),
    ("rsa3072_sign_us", "blind-rsa-signatures 0.18.0, 3072 bits: sign"),
    ("rsa3072_verify_us", "the same: verify"),
    ("nym_verify1_us", "nym-compact-ecash 2.0.0: verify a spend of 1 ticket"),
    ("nym_verify10_us", "the same, 10 tickets"),
];

/// Runs all peers. One that does not build or run is reported and left out.
pub(crate) fn measure(table: &mut Table) {
    let mut figures = BTreeMap::new();
    let mut failed = Vec::new();
    for peer in PEERS {
        match run(peer) {
            Ok(said) => figures.extend(said),
            Err(error) => failed.push(format!("{peer} was not measured: {error}")),
        }
    }
    table.part("Peers: processor time of their server for one operation");
    let ours = table.get("pay1_batch64_us");
    for (key, what) in ROWS {
        let Some(figure) = figures.get(key).copied() else { continue };
        match ours.filter(|_| key.ends_with("_us")) {
            Some(ours) => {
                let ratio = format!("{}_ratio_to_pay1_batch64", key.trim_end_matches("_us"));
                table.ratio((key, &ratio), what, figure, "µs", figure / ours, "our 1-coin payment, batch of 64");
            }
            None => table.row(key, what, figure, if key.ends_with("_us") { "µs" } else { "1/s" }),
        }
    }
    failed.iter().for_each(|text| table.remark(text));
    if let (Some(act), Some(ours)) = (table.get("act64_us"), ours) {
        let what = "the 64-bit spend of anonymous-credit-tokens, over our payment in batches of 64";
        table.row("act64_ratio", what, act / ours, "×");
    }
    // Both with their store and without the network; ours is durable, the mint's is in memory, which is its best.
    let with_store = table.get("redeemer_us_per_payment").zip(table.get("echo_us")).map(|(all, echo)| all - echo);
    if let (Some(swap), Some(ours)) = (table.get("cdk_swap10_memory_us"), with_store) {
        let what = "the mint's swap in memory, over our payment with its durable store and without the network";
        table.row("cdk_swap10_ratio", what, swap / ours, "×");
    }
}

/// Builds a peer and lets it measure. It prints a key and a figure on each line.
fn run(peer: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    // Beside this program, so that a clean build is clean here too.
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("no target folder")?.join("peers");
    eprintln!("building {peer} ...");
    let package = format!("peer-{peer}");
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--quiet", "-p", &package, "--target-dir"]).arg(&target);
    // Where the flags of the product's own build are found.
    build.current_dir(&dir).stdout(Stdio::null());
    // The Cashu mint's build calls protoc, which a clean machine does not have.
    build.env("PROTOC", protoc_bin_vendored::protoc_bin_path()?);
    if !build.status()?.success() {
        return Err("it does not build".into());
    }
    eprintln!("running {peer} ...");
    let output = Command::new(target.join("release").join(package)).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("it does not run".into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figure = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(figure).collect())
}
