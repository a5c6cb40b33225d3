//! What all handles on an open wallet share.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use farthing_ecash::keys::{KeyId, PublicKey};

use super::Options;
use crate::{
    book::{Book, Edit},
    client::{Client, issuer::IssuerClient, redeemer::RedeemerClient},
    config::Connection,
    directory::Directory,
    error::{Server, WalletError},
    operation::{Intent, Season},
    record::Pins,
    terms::{self, Issuance, Terms},
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
        Self {
            dir: dir.to_path_buf(),
            issuer: IssuerClient(Client::new(Server::Issuer, &connection.issuer, &options)),
            redeemer: RedeemerClient(Client::new(Server::Redeemer, &connection.redeemer, &options)),
            directory: Directory::default(),
            options,
            book: tokio::sync::Mutex::new(book),
            receiving: tokio::sync::Mutex::new(()),
            scanning: tokio::sync::Mutex::new(()),
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
        let mut book = self.book.lock().await;
        let pins = terms::check_issuer(book.pins(), &facts)?;
        terms::check_day(Server::Issuer, facts.day, terms::own_day(&pins, self.unix_seconds())?)?;
        self.remember(&mut book, pins).await?;
        let key = book.keyring().get(&facts.current).cloned();
        let key = key.ok_or_else(|| WalletError::Internal { what: "a pinned key is missing".to_owned() })?;
        terms::check_signs(Server::Issuer, &key, facts.day)?;
        Ok(Arc::new(Issuance { key, day: facts.day }))
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
        {
            let mut book = self.book.lock().await;
            let pins = book.pins().cloned().ok_or_else(stranger)?;
            let pins = terms::check_redeemer(&pins, &facts.origin)?;
            terms::check_day(Server::Redeemer, facts.day, terms::own_day(&pins, self.unix_seconds())?)?;
            self.remember(&mut book, pins).await?;
        }
        let last = self.last_terms();
        let terms = blocking(move || terms::verify_terms(&key, facts, last.as_deref()).map(Arc::new)).await?;
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&terms));
        Ok(terms)
    }
}
