//! Whom the wallet trusts and what it has seen, and the decision of its owner when a log has shown two truths.

use std::path::PathBuf;

use crate::{
    book::Edit,
    error::WalletError,
    record::Trust,
    report::{LogStanding, Standing},
    scan::Log,
    wallet::inner::Inner,
};

impl Inner {
    /// Whom the wallet trusts and what it has seen of the logs. Asks nobody.
    pub(crate) async fn standing(&self) -> Result<Standing, WalletError> {
        let trust = self.book.lock().await.trust().clone();
        let log = |log: Log| -> Result<Option<LogStanding>, WalletError> {
            let of = trust.of(log);
            let Some(key) = of.key.clone() else { return Ok(None) };
            let last = trust.last(log)?;
            Ok(Some(LogStanding { key, size: last.map(|last| last.head().size), checkpoint: of.checkpoint.clone() }))
        };
        Ok(Standing {
            policy: super::policy(&trust)?,
            first_contact: trust.policy.is_none(),
            issuance: log(Log::Issuance)?,
            payments: log(Log::Payments)?,
            evidence: trust.stopped.map(PathBuf::from),
        })
    }

    /// The owner relies on the state that was seen first and goes on. A log that does not continue that state stops the
    /// wallet again. Answers where the evidence is, which stays; `None` when the wallet had not stopped.
    pub(crate) async fn go_on(&self) -> Result<Option<PathBuf>, WalletError> {
        let _turn = self.believing.lock().await;
        let mut book = self.book.lock().await;
        let Some(evidence) = book.trust().stopped.clone() else { return Ok(None) };
        let trust = Trust { stopped: None, ..book.trust().clone() };
        book.commit(vec![Edit::Trust(trust)]).await?;
        Ok(Some(evidence.into()))
    }
}
