//! What all handles on an open wallet share.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use farthing_ecash::{
    entry::{Entry, EntryKind},
    keys::{KeyId, PublicKey},
};

use super::Options;
use crate::{
    book::{Book, Edit},
    client::{Client, issuer::IssuerClient, redeemer::RedeemerClient},
    config::Connection,
    directory::Directory,
    error::{Server, WalletError},
    operation::{Intent, Season},
    record::{Pins, Trust},
    scan::Log,
    terms::{self, Issuance, Terms},
    trust,
    vault::{RecordId, blocking},
};

/// An open wallet.
pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) issuer: IssuerClient,
    pub(crate) redeemer: RedeemerClient,
    pub(crate) directory: Directory,
    /// Held while something is chosen, built and made durable, so that nothing is spent twice; never while a server is
    /// asked.
    pub(crate) book: tokio::sync::Mutex<Book>,
    /// Held by the one call that receives: the wallet's state can be in one claim at a time.
    pub(crate) receiving: tokio::sync::Mutex<()>,
    /// Held by the one call that looks through the logs: what it finds is taken in in their order.
    pub(crate) scanning: tokio::sync::Mutex<()>,
    /// Held by the one call that takes a new checkpoint for true: each has to continue the one before.
    pub(crate) believing: tokio::sync::Mutex<()>,
    /// Copies of the logs to read instead of those of the servers.
    pub(crate) ledgers: Vec<Client>,
    /// Operations that a call is waiting for.
    driving: Mutex<HashSet<RecordId>>,
    /// The last terms, whose rules need no second verification.
    terms: Mutex<Option<Arc<Terms>>>,
}

/// Says that a call is waiting for an operation, as long as it lives.
pub(crate) struct Driving<'i> {
    inner: &'i Inner,
    pub(crate) id: RecordId,
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.inner.driving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Inner {
    pub(super) fn new(dir: &Path, connection: &Connection, options: Options, book: Book) -> Self {
        let ledgers = connection.ledgers.iter().map(|address| Client::new(Server::Ledger, address, &options)).collect();
        Self {
            dir: dir.to_path_buf(),
            issuer: IssuerClient(Client::new(Server::Issuer, &connection.issuer, &options)),
            redeemer: RedeemerClient(Client::new(Server::Redeemer, &connection.redeemer, &options)),
            directory: Directory::default(),
            options,
            book: tokio::sync::Mutex::new(book),
            receiving: tokio::sync::Mutex::new(()),
            scanning: tokio::sync::Mutex::new(()),
            believing: tokio::sync::Mutex::new(()),
            ledgers,
            driving: Mutex::default(),
            terms: Mutex::default(),
        }
    }

    pub(crate) fn unix_seconds(&self) -> i64 {
        self.options.clock.unix_seconds()
    }

    /// From now on a call is waiting for this operation.
    pub(crate) fn driving(&self, id: RecordId) -> Driving<'_> {
        self.driving.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Driving { inner: self, id }
    }

    /// Whether a call is waiting for this operation.
    pub(crate) fn is_driven(&self, id: RecordId) -> bool {
        self.driving.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// The terms that were seen last, without asking.
    pub(crate) fn last_terms(&self) -> Option<Arc<Terms>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks a server what operations of this kind are to be built for.
    pub(crate) async fn season(&self, intent: &Intent) -> Result<Season, WalletError> {
        if intent.is_for_issuer() {
            self.issuance().await.map(Season::Issuance)
        } else {
            self.terms().await.map(Season::Payments)
        }
    }

    /// Asks the issuer for its key and day. The first time, pins what it says.
    pub(crate) async fn issuance(&self) -> Result<Arc<Issuance>, WalletError> {
        let facts = self.issuer.facts().await?;
        let pins = {
            let mut book = self.book.lock().await;
            book.check_not_stopped()?;
            let pins = terms::check_issuer(book.pins(), &facts)?;
            terms::check_day(Server::Issuer, facts.day, terms::own_day(&pins, self.unix_seconds())?)?;
            self.remember_log_key(&mut book, Log::Issuance, &pins.issuer_origin, &facts.log_key).await?;
            // Keys come in only when they are in the log; what names the log comes first.
            let known = book.pins().map_or_else(Vec::new, |pins| pins.keys.clone());
            self.remember(&mut book, Pins { keys: known.clone(), ..pins.clone() }).await?;
            pins
        };
        let known = self.book.lock().await.keyring();
        self.checkpoint_of(Log::Issuance, 0).await?;
        for (place, key) in facts.keys.iter().enumerate() {
            let index = facts.key_indices.get(place).copied();
            let fits = |entry: &Entry| terms::check_announced(&known, key, entry.day());
            self.check_public(Log::Issuance, EntryKind::Key, &key.to_bytes(), index, fits).await?;
        }
        let calendar = self.believe_calendars(&facts).await?;
        let mut book = self.book.lock().await;
        // Another call may have pinned more meanwhile.
        let mut keys = book.pins().map_or_else(Vec::new, |pins| pins.keys.clone());
        keys.extend(pins.keys.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        let redeemer_origin = book.pins().and_then(|pins| pins.redeemer_origin.clone());
        self.remember(&mut book, Pins { keys, redeemer_origin, ..pins }).await?;
        // Nor does it go back to a key that others it has shown before have followed, by leaving those out.
        terms::check_newest(Server::Issuer, book.keyring().values(), &facts.current, facts.day)?;
        let key = book.keyring().get(&facts.current).cloned();
        let key = key.ok_or_else(|| WalletError::Internal { what: "a pinned key is missing".to_owned() })?;
        terms::check_signs(Server::Issuer, &key, facts.day)?;
        Ok(Arc::new(Issuance { key, day: facts.day, calendar }))
    }

    /// Pins the key of a log, or compares it.
    async fn remember_log_key(&self, book: &mut Book, log: Log, origin: &str, shown: &str) -> Result<(), WalletError> {
        let trust = book.trust();
        let checked = trust::check_key(trust, log, origin, shown)?;
        if checked == *trust {
            return Ok(());
        }
        book.commit(vec![Edit::Trust(checked)]).await
    }

    /// Policies follow each other: an older one, though it is in the log, would mark whom it is shown to.
    async fn remember_policy(&self, terms: &Terms) -> Result<(), WalletError> {
        let mut book = self.book.lock().await;
        let (epoch, known) = (terms.policy.terms().epoch, book.trust().epoch);
        if epoch < known {
            let what = format!("it shows the policy of epoch {epoch}, which was replaced by that of epoch {known}");
            return Err(Log::Payments.contradiction(what));
        }
        let mut trust = Trust { epoch, accepted: Some(terms.accepted()), ..book.trust().clone() };
        // A name that has another number now does not tell what the old one meant.
        trust.purposes.retain(|_, known| terms.purposes().all(|(_, name)| name != known));
        trust.purposes.extend(terms.purposes().map(|(number, name)| (number, name.to_owned())));
        if *book.trust() == trust { Ok(()) } else { book.commit(vec![Edit::Trust(trust)]).await }
    }

    async fn remember(&self, book: &mut Book, pins: Pins) -> Result<(), WalletError> {
        if book.pins() == Some(&pins) {
            return Ok(());
        }
        book.commit(vec![Edit::Pins(pins)]).await
    }

    /// The pinned key with this id; asks the issuer when it is not known or nothing is pinned yet.
    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<PublicKey>, WalletError> {
        if let Some(key) = self.book.lock().await.keyring().get(&id) {
            return Ok(Some(key.clone()));
        }
        self.issuance().await?;
        Ok(self.book.lock().await.keyring().get(&id).cloned())
    }

    /// Asks the redeemer for its day and policy, and checks all of it.
    pub(crate) async fn terms(&self) -> Result<Arc<Terms>, WalletError> {
        let facts = self.redeemer.facts().await?;
        let stranger = || WalletError::Contradiction {
            server: Server::Redeemer,
            what: "it signs with a key that the issuer does not announce".to_owned(),
        };
        let key = self.key(facts.current).await?.ok_or_else(stranger)?;
        terms::check_newest(Server::Redeemer, self.book.lock().await.keyring().values(), &key.id(), facts.day)?;
        {
            let mut book = self.book.lock().await;
            let pins = book.pins().cloned().ok_or_else(stranger)?;
            let pins = terms::check_redeemer(&pins, &facts.origin)?;
            terms::check_day(Server::Redeemer, facts.day, terms::own_day(&pins, self.unix_seconds())?)?;
            self.remember_log_key(&mut book, Log::Payments, &facts.origin, &facts.log_key).await?;
            self.remember(&mut book, pins).await?;
        }
        self.checkpoint_of(Log::Payments, 0).await?;
        let (policy, index) = (facts.policy.to_bytes(), Some(facts.policy_index));
        self.check_public(Log::Payments, EntryKind::Policy, &policy, index, |_| Ok(())).await?;
        for (place, rules) in facts.rules.iter().enumerate().filter(|(_, rules)| rules.key() == key.id()) {
            let index = facts.rules_indices.get(place).copied();
            self.check_public(Log::Payments, EntryKind::Rules, &rules.to_bytes(), index, |_| Ok(())).await?;
        }
        let last = self.last_terms();
        let terms = blocking(move || terms::verify_terms(&key, facts, last.as_deref()).map(Arc::new)).await?;
        self.remember_policy(&terms).await?;
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&terms));
        Ok(terms)
    }
}
