//! How a wallet is made, opened and closed.

use std::{path::Path, sync::Arc};

use farthing_ecash::seed::Seed;
use farthing_ledger::quorum::TrustPolicy;
use getrandom::{SysRng, rand_core::UnwrapErr};
use zeroize::Zeroizing;

use super::{Options, Wallet, inner::Inner};
use crate::{
    book::Book,
    config::Connection,
    error::WalletError,
    vault::{self, Vault},
};

impl Wallet {
    /// Makes a wallet in `dir` (created with mode 0700) and answers it with its 24 words, which the owner must write down:
    /// they are not kept. With `phrase` the wallet has the secrets of those words. No server is asked.
    ///
    /// # Errors
    /// [`WalletError::WalletExists`], [`WalletError::EmptyPassphrase`], [`WalletError::Phrase`], or for files that cannot
    /// be written.
    pub async fn create(
        dir: &Path,
        passphrase: &str,
        connection: &Connection,
        phrase: Option<&str>,
    ) -> Result<(Self, Zeroizing<String>), WalletError> {
        Self::create_with(dir, passphrase, connection, phrase, Options::default()).await
    }

    /// As [`Wallet::create`], with other options.
    ///
    /// # Errors
    /// As [`Wallet::create`].
    pub async fn create_with(
        dir: &Path,
        passphrase: &str,
        connection: &Connection,
        phrase: Option<&str>,
        options: Options,
    ) -> Result<(Self, Zeroizing<String>), WalletError> {
        let (seed, phrase) = match phrase {
            Some(phrase) => (Seed::from_phrase(phrase)?, Zeroizing::new(phrase.to_owned())),
            None => Seed::generate(&mut UnwrapErr(SysRng)),
        };
        Ok((
            Self::make(dir, passphrase, connection, Book::first(&seed, false, trust(&options)?)?, options).await?,
            phrase,
        ))
    }

    /// Makes a wallet in `dir` with the secrets of 24 words, whose past is in the logs: [`Wallet::restore`] has to be called
    /// next, and nothing else can be done before. No server is asked.
    ///
    /// # Errors
    /// As [`Wallet::create`].
    pub async fn create_from_words(
        dir: &Path,
        passphrase: &str,
        connection: &Connection,
        phrase: &str,
        options: Options,
    ) -> Result<Self, WalletError> {
        let seed = Seed::from_phrase(phrase)?;
        Self::make(dir, passphrase, connection, Book::first(&seed, true, trust(&options)?)?, options).await
    }

    async fn make(
        dir: &Path,
        passphrase: &str,
        connection: &Connection,
        first: Vec<vault::Change>,
        options: Options,
    ) -> Result<Self, WalletError> {
        if passphrase.is_empty() {
            return Err(WalletError::EmptyPassphrase);
        }
        if Self::exists(dir) {
            return Err(WalletError::WalletExists { dir: dir.to_path_buf() });
        }
        crate::file::create_dir(dir)?;
        connection.save(dir)?;
        let vault = Vault::create(dir, passphrase, first).await?;
        vault.close().await;
        Self::open_with(dir, passphrase, options).await
    }

    /// Whether there is a wallet in `dir`.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Vault::exists(dir)
    }

    /// Opens the wallet in `dir`. No server is asked; when [`Wallet::has_unfinished`], call [`Wallet::resume`] next.
    ///
    /// # Errors
    /// [`WalletError::NoWallet`], [`WalletError::InUse`], [`WalletError::WrongPassphrase`], [`WalletError::Damaged`],
    /// [`WalletError::Config`].
    pub async fn open(dir: &Path, passphrase: &str) -> Result<Self, WalletError> {
        Self::open_with(dir, passphrase, Options::default()).await
    }

    /// As [`Wallet::open`], with other options.
    ///
    /// # Errors
    /// As [`Wallet::open`].
    pub async fn open_with(dir: &Path, passphrase: &str, options: Options) -> Result<Self, WalletError> {
        if !Self::exists(dir) {
            return Err(WalletError::NoWallet { dir: dir.to_path_buf() });
        }
        let connection = Connection::load(dir)?;
        let (vault, records) = Vault::open(dir, passphrase).await?;
        let book = Book::read(vault, records)?;
        Ok(Self { inner: Arc::new(Inner::new(dir, &connection, options, book)) })
    }

    /// Makes everything durable and lets other processes open the wallet. Other clones answer errors from now on.
    pub async fn close(self) {
        self.inner.book.lock().await.close().await;
    }

    /// Puts another passphrase in front of the same wallet.
    ///
    /// # Errors
    /// [`WalletError::WrongPassphrase`] for the old one, [`WalletError::EmptyPassphrase`] for the new one.
    pub async fn change_passphrase(&self, old: &str, new: &str) -> Result<(), WalletError> {
        // The book is held so that two changes do not meet.
        let _book = self.inner.book.lock().await;
        vault::change_passphrase(&self.inner.dir, old, new).await
    }
}

/// The trust policy, if it can be read.
fn trust(options: &Options) -> Result<Option<String>, WalletError> {
    if let Some(text) = &options.trust {
        let read = text.parse::<TrustPolicy>();
        read.map_err(|error| WalletError::TrustPolicy { what: error.to_string() })?;
    }
    Ok(options.trust.clone())
}
