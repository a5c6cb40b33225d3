//! Whether to believe a log: its newest checkpoint is signed by the pinned key, cosigned by enough witnesses, and continues
//! the last one that this wallet saw (`docs/PROTOCOL.md` section 9). Everything that the wallet believes is in such a log.
//!
//! Proofs are put together from whole tiles: a tile is the same for 256 entries and for all wallets that ask for it, so the
//! server does not learn which entry a wallet is after, nor where it stopped the last time.

mod evidence;
mod standing;
pub(crate) mod tiles;

use std::{sync::Arc, time::Duration};

use farthing_ecash::entry::{Entry, EntryKind};
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    hash::Hash,
    key::VerifierKey,
    note::SignedNote,
    quorum::{TrustError, TrustPolicy},
    tree::TreeHead,
};
use sha2::{Digest as _, Sha256};

use self::tiles::Tiles;
use crate::{
    book::{Book, Edit},
    client::{Client, ledger::ProofHash},
    error::{Server, WalletError},
    record::{Hex, LogTrust, Trust},
    scan::Log,
    wallet::inner::Inner,
};

/// How long to wait before a server is asked again for a checkpoint that goes far enough.
const PAUSE: Duration = Duration::from_millis(200);

/// A checkpoint that this wallet believes.
#[derive(Clone)]
pub(crate) struct Believed {
    pub(crate) log: Log,
    pub(crate) checkpoint: Arc<SignedCheckpoint>,
}

impl Believed {
    pub(crate) fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    pub(crate) fn size(&self) -> u64 {
        self.head().size
    }
}

/// The trust policy of a wallet: that of its owner, or the keys of the first contact.
pub(crate) fn policy(trust: &Trust) -> Result<TrustPolicy, WalletError> {
    let damaged = |_| WalletError::Damaged { what: "the trust policy cannot be read".to_owned() };
    if let Some(text) = &trust.policy {
        return text.parse().map_err(damaged);
    }
    let keys = [&trust.issuance, &trust.payments].into_iter().filter_map(|log| log.key.as_deref());
    let keys = keys.map(|key| key.parse::<VerifierKey>()).collect::<Result<Vec<_>, _>>();
    let wrong = |_| WalletError::Damaged { what: "the pinned key of a log cannot be read".to_owned() };
    Ok(TrustPolicy::without_witnesses(keys.map_err(wrong)?))
}

/// Checks the key that a server shows for its log against the trust policy or the first contact, and answers what to
/// remember.
pub(crate) fn check_key(trust: &Trust, log: Log, origin: &str, shown: &str) -> Result<Trust, WalletError> {
    let wrong = |what: &str| log.contradiction(what.to_owned());
    let key: VerifierKey = shown.parse().map_err(|_| wrong("it shows no key of its log"))?;
    if key.name() != origin {
        return Err(wrong("the key of its log is that of another log"));
    }
    let policy = policy(trust)?;
    let pinned = match &trust.policy {
        Some(_) => Some(policy.log(origin).ok_or_else(|| wrong("the trust policy has no log of its name"))?),
        None => policy.log(origin),
    };
    if pinned.is_some_and(|pinned| *pinned != key) {
        return Err(wrong("the key of its log is another one than the wallet relies on"));
    }
    let mut trust = trust.clone();
    trust.of_mut(log).key = Some(shown.to_owned());
    Ok(trust)
}

/// What is hashed into a tree of an entry that a server sent, with the hash of its proof part.
pub(crate) fn leaf(entry: &[u8], proof_hash: Option<&ProofHash>) -> Vec<u8> {
    [entry, proof_hash.map_or(&[], <[u8; 32]>::as_slice)].concat()
}

impl Trust {
    pub(crate) const fn of(&self, log: Log) -> &LogTrust {
        match log {
            Log::Issuance => &self.issuance,
            Log::Payments => &self.payments,
        }
    }

    pub(crate) const fn of_mut(&mut self, log: Log) -> &mut LogTrust {
        match log {
            Log::Issuance => &mut self.issuance,
            Log::Payments => &mut self.payments,
        }
    }

    /// The last checkpoint that the wallet believed.
    pub(crate) fn last(&self, log: Log) -> Result<Option<SignedCheckpoint>, WalletError> {
        let damaged = || WalletError::Damaged { what: "the last checkpoint cannot be read".to_owned() };
        let of = self.of(log);
        let (Some(note), Some(key)) = (&of.checkpoint, &of.key) else { return Ok(None) };
        let key: VerifierKey = key.parse().map_err(|_| damaged())?;
        SignedCheckpoint::open(note, &key).map(Some).map_err(|_| damaged())
    }
}

impl Book {
    /// Refuses to go on when a log was seen to show two truths.
    pub(crate) fn check_not_stopped(&self) -> Result<(), WalletError> {
        match &self.trust().stopped {
            Some(evidence) => Err(WalletError::LogContradictsItself { evidence: evidence.into() }),
            None => Ok(()),
        }
    }
}

impl Inner {
    /// From where the log is read.
    pub(crate) async fn reader(&self, log: Log) -> Result<&Client, WalletError> {
        if self.ledgers.is_empty() {
            return Ok(self.server(log));
        }
        let origin = self.origin(log).await;
        for ledger in &self.ledgers {
            let (serves, _) = ledger.log().await?;
            if origin.as_deref() == Some(serves.as_str()) {
                return Ok(ledger);
            }
        }
        Err(log.contradiction("none of the ledgers that the wallet is set up with has its log".to_owned()))
    }

    pub(crate) async fn origin(&self, log: Log) -> Option<String> {
        let book = self.book.lock().await;
        let pins = book.pins()?;
        match log {
            Log::Issuance => Some(pins.issuer_origin.clone()),
            Log::Payments => pins.redeemer_origin.clone(),
        }
    }

    /// The server that writes the log.
    pub(crate) fn server(&self, log: Log) -> &Client {
        match log {
            Log::Issuance => &self.issuer.0,
            Log::Payments => &self.redeemer.0,
        }
    }

    /// The newest checkpoint of a log that the wallet believes, durable from here on.
    ///
    /// # Errors
    /// [`WalletError::LogContradictsItself`] when it does not continue the last one; from then on the wallet does nothing
    /// more. [`WalletError::NotCosigned`], [`WalletError::Contradiction`], [`WalletError::Unreachable`].
    pub(crate) async fn checkpoint(&self, log: Log) -> Result<Believed, WalletError> {
        let _turn = self.believing.lock().await;
        let (trust, policy) = {
            let book = self.book.lock().await;
            book.check_not_stopped()?;
            (book.trust().clone(), policy(book.trust())?)
        };
        let key = trust.of(log).key.as_deref().and_then(|key| key.parse::<VerifierKey>().ok());
        let origin = key.map(|key| key.name().to_owned());
        let origin = origin.ok_or_else(|| log.contradiction("its log has no key yet".to_owned()))?;
        let last = trust.last(log)?;
        let client = self.reader(log).await?;
        let mut retried = false;
        let fresh = loop {
            let text = client.checkpoint(policy.cosignatures_wanted()).await?;
            let fresh = read(log, &policy, &origin, &text)?;
            let older = last.as_ref().is_some_and(|last| fresh.head().size < last.head().size);
            // Two requests may meet two states of a server that is being replaced; not three times.
            if !older || retried {
                break fresh;
            }
            retried = true;
            tokio::time::sleep(PAUSE).await;
        };
        let believed = Believed { log, checkpoint: Arc::new(fresh) };
        let Some(last) = last else {
            self.remember_checkpoint(&believed).await?;
            return Ok(believed);
        };
        let (old, new) = (last.head(), believed.head());
        if old == new {
            return Ok(believed);
        }
        // A copy may be behind; the log itself may not.
        if new.size < old.size && !self.ledgers.is_empty() {
            let what = "it is behind what the wallet has read before".to_owned();
            return Err(WalletError::Unreachable { server: Server::Ledger, what });
        }
        if !self.continues(&old, &believed).await? {
            return Err(self.stop(log, &last, &believed.checkpoint).await?);
        }
        self.remember_checkpoint(&believed).await?;
        Ok(believed)
    }

    /// Whether a checkpoint continues an older state of its log. Tiles that are not those of the checkpoint show neither: of
    /// a copy that is the copy's fault, but a log that cannot show that it has continued has not.
    pub(crate) async fn continues(&self, old: &TreeHead, believed: &Believed) -> Result<bool, WalletError> {
        let new = believed.head();
        if new.size <= old.size {
            return Ok(new == *old);
        }
        let mut tiles = Tiles::new(self.reader(believed.log).await?, new.size);
        let (edge, proof) = (tiles.frontier(old.size).await?.head(), tiles.consistency(old.size).await?);
        if proof.verify(&edge, &new).is_err() && !self.ledgers.is_empty() {
            let what = "its tiles are not those of the checkpoint that it shows".to_owned();
            return Err(WalletError::Contradiction { server: Server::Ledger, what });
        }
        Ok(proof.verify(old, &new).is_ok())
    }

    async fn remember_checkpoint(&self, believed: &Believed) -> Result<(), WalletError> {
        let mut book = self.book.lock().await;
        let mut trust = book.trust().clone();
        trust.of_mut(believed.log).checkpoint = Some(believed.checkpoint.note().to_string());
        book.commit(vec![Edit::Trust(trust)]).await
    }

    /// Keeps both checkpoints as evidence and does nothing more from here on. Answers the error, for the caller.
    pub(crate) async fn stop(
        &self,
        log: Log,
        last: &SignedCheckpoint,
        fresh: &SignedCheckpoint,
    ) -> Result<WalletError, WalletError> {
        let path = evidence::keep(&self.dir, log, last.note(), fresh.note())?;
        let mut book = self.book.lock().await;
        let mut trust = book.trust().clone();
        trust.stopped = Some(path.display().to_string());
        book.commit(vec![Edit::Trust(trust)]).await?;
        Ok(WalletError::LogContradictsItself { evidence: path })
    }

    /// A checkpoint that has at least `size` entries, after some patience: logs sign in intervals.
    pub(crate) async fn checkpoint_of(&self, log: Log, size: u64) -> Result<Believed, WalletError> {
        let mut turns = self.options.checkpoint_patience.as_millis() / PAUSE.as_millis();
        loop {
            let wait = match self.checkpoint(log).await {
                Ok(believed) if believed.size() >= size => return Ok(believed),
                Ok(_) => WalletError::NotSignedYet { server: log.server() },
                Err(error @ (WalletError::NotCosigned { .. } | WalletError::NotSignedYet { .. })) => error,
                Err(error) => return Err(error),
            };
            if turns == 0 {
                return Err(wait);
            }
            turns -= 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Believes an entry of a log that everybody asks for: a key, a policy, rules. It has to be what the server says, and fit.
    pub(crate) async fn check_public(
        &self,
        log: Log,
        kind: EntryKind,
        body: &[u8],
        index: Option<u64>,
        fits: impl Fn(&Entry) -> Result<(), WalletError>,
    ) -> Result<(), WalletError> {
        let digest: [u8; 32] = Sha256::new().chain_update([kind.code()]).chain_update(body).finalize().into();
        let known = Hex::new(&digest);
        if self.book.lock().await.trust().verified.contains(&known) {
            return Ok(());
        }
        let index =
            index.ok_or_else(|| log.contradiction("it does not say where its log has what it shows".to_owned()))?;
        let entry = self.check_entry(log, kind, body, index).await?;
        fits(&entry)?;
        let mut book = self.book.lock().await;
        let mut trust = book.trust().clone();
        trust.verified.push(known);
        book.commit(vec![Edit::Trust(trust)]).await
    }

    /// Checks that an entry of a log is this one. Answers it.
    pub(crate) async fn check_entry(
        &self,
        log: Log,
        kind: EntryKind,
        body: &[u8],
        index: u64,
    ) -> Result<Entry, WalletError> {
        let believed = self.checkpoint_of(log, index.saturating_add(1)).await?;
        let (bytes, proof_hash) = self.reader(log).await?.entry(index).await?;
        let entry = Entry::from_bytes(&bytes).ok().filter(|entry| entry.kind() == kind && entry.body() == body);
        let entry = entry.ok_or_else(|| log.contradiction(format!("entry {index} of its log is not what it shows")))?;
        self.check_leaf(&believed, index, Hash::leaf(&leaf(&bytes, proof_hash.as_ref()))).await?;
        Ok(entry)
    }

    /// Checks that a leaf is in the tree of a checkpoint.
    pub(crate) async fn check_leaf(&self, believed: &Believed, index: u64, leaf: Hash) -> Result<(), WalletError> {
        let mut tiles = Tiles::new(self.reader(believed.log).await?, believed.size());
        self.check_leaf_with(&mut tiles, believed, index, leaf).await
    }

    /// As [`Inner::check_leaf`], with tiles that may be there already.
    pub(crate) async fn check_leaf_with(
        &self,
        tiles: &mut Tiles<'_>,
        believed: &Believed,
        index: u64,
        leaf: Hash,
    ) -> Result<(), WalletError> {
        let proof = tiles.inclusion(index).await?;
        proof.verify(leaf, index, &believed.head()).map_err(|_| not_in_log(believed.log, index))
    }
}

pub(crate) fn not_in_log(log: Log, index: u64) -> WalletError {
    log.contradiction(format!("what it shows as entry {index} is not in the log that it signed"))
}

fn read(log: Log, policy: &TrustPolicy, origin: &str, text: &str) -> Result<SignedCheckpoint, WalletError> {
    let wrong =
        |error: &dyn std::fmt::Display| log.contradiction(format!("its checkpoint is not to be believed: {error}"));
    let note: SignedNote = text.parse().map_err(|error| wrong(&error))?;
    match policy.check(origin, note) {
        Ok(trusted) => Ok(trusted.checkpoint),
        Err(TrustError::NoQuorum { found }) => Err(WalletError::NotCosigned { server: log.server(), found }),
        Err(error) => Err(wrong(&error)),
    }
}
