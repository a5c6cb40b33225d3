//! What a wallet shows to others, and what logs have shown to it.

use std::path::PathBuf;

use farthing_ecash::{calendar::Month, disclosure::Challenge, identity::Identity, transaction::TransactionId};

use super::Wallet;
use crate::{
    disclosure::{IncomeFile, PaymentFile},
    error::WalletError,
    report::Standing,
};

impl Wallet {
    /// A receipt of a transaction in the history: a text that shows everybody, offline, that the log has it
    /// ([`receipt::verify`](crate::receipt::verify)). It shows no more than the log: neither payer nor payee, nor the amount
    /// of a payment. The server learns only in which 256 entries it lies.
    ///
    /// # Errors
    /// [`WalletError::TransactionUnknown`], [`WalletError::NotSignedYet`], [`WalletError::Unreachable`].
    pub async fn receipt(&self, transaction: TransactionId) -> Result<String, WalletError> {
        self.run(move |inner| async move { inner.log_receipt(transaction).await }).await
    }

    /// A proof for one verifier that this wallet has received at least so much in a month, which has to be that of the newest
    /// payment that it has claimed. With `show_identity` it says whose wallet it is; it shows nothing else. The redeemer does
    /// not learn that it was made, only that somebody checks it.
    ///
    /// # Errors
    /// [`WalletError::MonthNotShown`], [`WalletError::NotRegistered`], [`WalletError::IdentityMissing`],
    /// [`WalletError::NotSignedYet`], [`WalletError::Unreachable`].
    pub async fn prove_income(
        &self,
        month: Month,
        challenge: &Challenge,
        show_identity: bool,
    ) -> Result<IncomeFile, WalletError> {
        let challenge = challenge.clone();
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.prove_income(month, &challenge, show_identity).await
        })
        .await
    }

    /// A proof of amount and payee of a payment that this wallet, or another copy of it, has made: for one verifier, or without
    /// a challenge for everybody at any time. `payee` is for a restored wallet, which does not know it. Whoever has seen the
    /// proof recognises the refund of this payment, if there is one.
    ///
    /// # Errors
    /// [`WalletError::TransactionUnknown`], [`WalletError::PayeeUnknown`], [`WalletError::OtherPayee`],
    /// [`WalletError::NotSignedYet`], [`WalletError::Unreachable`].
    pub async fn prove_payment(
        &self,
        transaction: TransactionId,
        challenge: Option<&Challenge>,
        payee: Option<&Identity>,
    ) -> Result<PaymentFile, WalletError> {
        let (challenge, payee) = (challenge.cloned(), payee.cloned());
        self.run(move |inner| async move {
            inner.ready().await?;
            inner.prove_payment(transaction, challenge.as_ref(), payee).await
        })
        .await
    }

    /// Whom this wallet trusts, and what it has seen of the logs. Asks nobody.
    ///
    /// # Errors
    /// [`WalletError::Damaged`].
    pub async fn standing(&self) -> Result<Standing, WalletError> {
        self.inner.standing().await
    }

    /// Goes on after a log has shown two states that exclude each other, relying on the one that was seen first. It stops
    /// again when the log does not continue that. Answers where the evidence is, which stays; `None` when the wallet had not
    /// stopped.
    ///
    /// # Errors
    /// [`WalletError::Storage`], [`WalletError::DiskFull`].
    pub async fn go_on(&self) -> Result<Option<PathBuf>, WalletError> {
        self.run(|inner| async move { inner.go_on().await }).await
    }

    /// Where the evidence is, when a log has shown two states that exclude each other. Then the wallet has stopped.
    pub async fn evidence(&self) -> Option<PathBuf> {
        self.inner.book.lock().await.trust().stopped.as_ref().map(PathBuf::from)
    }
}
