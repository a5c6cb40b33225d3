# The habits of this house. `just --list` shows them.

# Format, lints, layering, tests: what continuous integration runs.
check:
    bash .ci/run

# The README's test command.
test:
    cargo test --workspace

# Long property runs, races and crash tests: an hour or more.
test-long:
    PROPTEST_CASES=20000 FARTHING_LONG=1 cargo test --workspace --release

# The power-loss and disk-full tests (need root and loop devices; they say so when they skip).
test-power-loss:
    cargo test -p farthing-store --all-features -- --nocapture power_loss disk_full

# Times of the cryptography, each beside a primitive measured in the same run.
bench:
    cargo bench -p farthing-ecash

# Payments a second that a follower verifies on one core.
bench-follower:
    taskset -c 0 cargo bench -p farthing-follower

# Everything measured in one run, beside the floor and the peers: bench/README.md.
bench-all *ARGS:
    cargo run --release --manifest-path bench/Cargo.toml -- {{ARGS}}

# The main job end to end over real servers.
demo *ARGS:
    cargo run --release --bin demo -- {{ARGS}}

# Rewrite the project's own test vectors after a deliberate change of the wire format.
vectors:
    FARTHING_WRITE_VECTORS=1 cargo test -p farthing-ecash --lib own_vectors

# The public logs' formats against another implementation (PyPI aics-tlog, outside the checkout); `just oracle write` rewrites
# the vectors that `ledger/tests/oracle.rs` reads.
oracle *ARGS:
    ledger/tests/oracle/run {{ARGS}}

# Licences, sources and duplicate versions of dependencies.
deny:
    cargo deny --offline check bans licenses sources
