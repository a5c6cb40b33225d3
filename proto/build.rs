//! Compiles the `.proto` files without protoc and keeps their descriptors for the reflection service.

use std::{env, error::Error, fs, path::Path};

use prost::Message as _;

const FILES: [&str; 5] = [
    "farthing/v1/common.proto",
    "farthing/v1/issuer.proto",
    "farthing/v1/ledger.proto",
    "farthing/v1/redeemer.proto",
    "farthing/v1/wallet.proto",
];

/// Requests that carry secrets: without `Debug`, nobody can log them by mistake.
const SECRET: [&str; 4] = [
    "farthing.v1.RegisterRequest",
    "farthing.v1.SubmitTransactionRequest",
    "farthing.v1.WalletServiceRegisterRequest",
    "farthing.v1.WithdrawRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=farthing");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("farthing.v1.descriptors"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(SECRET).compile_fds(descriptors)?;
    Ok(())
}
