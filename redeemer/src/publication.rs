//! What the checkpoints of the payment log say: on which withdrawals they rest, and that everything that was spent was under
//! the published keys (docs/PROTOCOL.md section 9).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use farthing_ecash::{
    keys::{KeyId, KeyRing},
    spent::{SpentInput, SpentProof},
};
use farthing_ledger::{
    checkpoint::{Checkpoint, Spent},
    hash::Hash,
    publisher::{Extensions, Subject, SubjectError},
    tree::TreeHead,
};
use farthing_store::{LogRecord, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::task::spawn_blocking;

use crate::{
    heard::{Extract, Heard},
    issuer::{Issuance, Issuer},
    keys::Keys,
    ledger::PAYMENTS,
    liabilities::{Liabilities, Sums},
};

/// Entries read at a time when the sums are taken up.
const PAGE: usize = 256;

/// The payment log as it is published.
pub(crate) struct Payments {
    issuer: Arc<Issuer>,
    keys: Arc<Keys>,
    heard: Arc<Heard>,
    liabilities: Arc<Liabilities>,
    /// As far as the entries were shown.
    sums: Sums,
    /// All withdrawals, as the issuer told at the last checkpoint.
    withdrawn: u128,
    /// What the last checkpoint named.
    named: Option<TreeHead>,
    /// What the next one will name.
    fresh: Option<Issuance>,
    /// What was spent since the last checkpoint.
    inputs: Vec<SpentInput>,
    /// Announced keys that are not here, as the operator was told.
    missed: BTreeSet<KeyId>,
}

impl Payments {
    pub(crate) fn new(issuer: Arc<Issuer>, keys: Arc<Keys>, heard: Arc<Heard>, liabilities: Arc<Liabilities>) -> Self {
        let (sums, inputs) = (Sums::default(), Vec::new());
        let missed = BTreeSet::new();
        Self { issuer, keys, heard, liabilities, sums, withdrawn: 0, named: None, fresh: None, inputs, missed }
    }

    /// From its first day on, outputs have to be under a key that everybody knows: followers would find others.
    fn tell_of_missed_keys(&mut self, issuance: &Issuance) {
        let ring = self.keys.ring();
        for key in issuance.announced().filter(|key| ring.get(key).is_none()) {
            if self.missed.insert(key) {
                tracing::error!(%key, "the issuer has announced a key that is not here: copy its file before its first day");
            }
        }
    }

    fn show(&mut self, extract: Extract) {
        self.sums.add(&extract);
        self.inputs.extend(extract.inputs);
    }
}

/// The sums of everything in the log: those of the last checkpoint, and the entries after it; and what was withdrawn by then.
pub(crate) async fn sums(store: &Store, signed: Option<(u64, &[u8])>) -> Result<(Sums, u128), SubjectError> {
    let (mut next, Signed { mut sums, withdrawn, .. }) = match signed {
        Some((size, state)) => (size, Signed::read(state)?),
        None => (0, Signed::default()),
    };
    loop {
        let page = store.log_read_entries(PAYMENTS, next, PAGE).await;
        let page = page.map_err(|error| SubjectError::Waiting(error.to_string()))?;
        let Some(last) = page.last() else { return Ok((sums, withdrawn)) };
        next = last.index.saturating_add(1);
        for record in &page {
            sums.add(&Extract::read(record)?);
        }
    }
}

/// What is kept with a checkpoint: the sums, what was withdrawn u128 little-endian, and the issuance checkpoint that it named,
/// size u64 little-endian and root.
#[derive(Default)]
struct Signed {
    sums: Sums,
    withdrawn: u128,
    named: Option<TreeHead>,
}

impl Signed {
    fn read(state: &[u8]) -> Result<Self, SubjectError> {
        let damaged = || SubjectError::Damaged("what belongs to the last checkpoint");
        let (sums, rest) = state.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (withdrawn, named) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let named = match named.split_first_chunk::<8>() {
            None if named.is_empty() => None,
            Some((size, root)) => {
                let root = Hash::from_slice(root).ok_or_else(damaged)?;
                Some(TreeHead { size: u64::from_le_bytes(*size), root })
            }
            None => return Err(damaged()),
        };
        Ok(Self { sums: Sums::from_bytes(sums)?, withdrawn: u128::from_le_bytes(*withdrawn), named })
    }
}

impl Subject for Payments {
    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), SubjectError> {
        let Signed { sums, withdrawn, named } = state.map_or(Ok(Signed::default()), Signed::read)?;
        (self.sums, self.withdrawn, self.named) = (sums, withdrawn, named);
        self.inputs.clear();
        Ok(())
    }

    /// The issuer is asked after the last entry was written: so its checkpoint has every withdrawal that one can rest on.
    async fn begin(&mut self, _: u64) -> Result<(), SubjectError> {
        let issuance = self.issuer.issuance_checkpoint().await;
        let issuance = issuance.map_err(|error| SubjectError::Waiting(format!("the issuer's checkpoint: {error}")))?;
        self.liabilities.withdrawn(issuance.withdrawn);
        self.tell_of_missed_keys(&issuance);
        self.fresh = Some(issuance);
        Ok(())
    }

    fn heard(&mut self, index: u64) -> Result<Option<Hash>, SubjectError> {
        let Some((leaf, extract)) = self.heard.take(index) else { return Ok(None) };
        self.show(extract);
        Ok(Some(leaf))
    }

    fn entry(&mut self, record: &LogRecord) -> Result<(), SubjectError> {
        self.show(Extract::read(record)?);
        Ok(())
    }

    async fn extensions(&mut self, root: &Hash) -> Result<Extensions, SubjectError> {
        let issuance = self.fresh.clone().ok_or(SubjectError::Damaged("the issuer's checkpoint"))?;
        if self.sums.total() > issuance.withdrawn {
            return Err(SubjectError::Refused(
                "more has come back, with the fees, than was withdrawn: somebody made money. Look into it before anything \
                 else; the log is not signed like this"
                    .to_owned(),
            ));
        }
        let is_older = |named: &TreeHead| {
            let TreeHead { size, root } = issuance.head;
            size < named.size || (size == named.size && root != named.root)
        };
        if self.named.as_ref().is_some_and(is_older) {
            return Err(SubjectError::Refused(
                "the issuer's log is smaller than, or not the same as, what the last checkpoint names: the issuer was set back"
                    .to_owned(),
            ));
        }
        let (keys, root, inputs) = (self.keys.ring(), *root, std::mem::take(&mut self.inputs));
        // Tens of thousands of points: not on the threads that serve connections.
        let spent = spawn_blocking(move || prove(&keys, &root, &inputs)).await;
        let spent = spent.map_err(|_| SubjectError::Damaged("the proof of what was spent"))??;
        (self.withdrawn, self.named) = (issuance.withdrawn, Some(issuance.head));
        Ok(Extensions { issuance: Some(issuance.head), spent })
    }

    fn adopt(&mut self, checkpoint: &Checkpoint) {
        self.named = checkpoint.issuance.or(self.named);
        self.inputs.clear();
    }

    fn state(&self) -> Vec<u8> {
        let mut state = [&self.sums.to_bytes()[..], &self.withdrawn.to_le_bytes()].concat();
        if let Some(named) = &self.named {
            state.extend_from_slice(&named.size.to_le_bytes());
            state.extend_from_slice(named.root.as_bytes());
        }
        state
    }
}

/// One proof for each key under which something was spent, ascending by key.
fn prove(keys: &KeyRing, root: &Hash, inputs: &[SpentInput]) -> Result<Vec<Spent>, SubjectError> {
    let mut counts = BTreeMap::<KeyId, u64>::new();
    for input in inputs {
        *counts.entry(input.key()).or_default() += 1;
    }
    let prove_one = |(key, inputs_under): (KeyId, u64)| {
        let lost = SubjectError::Refused(format!("the issuing key {key}, under which money was spent, is not there"));
        let signing = keys.get(&key).ok_or(lost)?;
        let proof = SpentProof::prove_inputs(signing, root.as_bytes(), inputs, &mut UnwrapErr(SysRng));
        let proof = proof.ok_or(SubjectError::Damaged("the proof of what was spent"))?;
        Ok(Spent { key, inputs: inputs_under, proof })
    };
    counts.into_iter().map(prove_one).collect()
}
