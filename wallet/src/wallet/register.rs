//! Registration.

use farthing_ecash::identity::Identity;

use super::inner::Inner;
use crate::{
    book::{Book, Edit},
    error::WalletError,
    operation::{Intent, Operation, Register, Season, Settled},
    record::Inbox,
    report::{RegisterOutcome, Registration},
    scan::Log,
    terms::Terms,
    vault::RecordId,
};

impl Inner {
    pub(super) async fn register(&self, identity: &str, invitation: &str) -> Result<RegisterOutcome, WalletError> {
        let identity = Identity::parse(identity)?;
        if self.is_registered(&identity).await? {
            return self.registered().await;
        }
        let issuance = self.issuance().await?;
        match self.terms().await {
            Err(error) if !error.passes() => return Err(error),
            _ => {}
        }
        // Nobody can pay to this wallet before, so it need not look further back than what the logs have signed.
        let start = async |log| -> Result<u64, WalletError> {
            Ok(self.book.lock().await.trust().last(log)?.map_or(0, |last| last.head().size))
        };
        let (start, issuance_start) = (start(Log::Payments).await?, start(Log::Issuance).await?);
        let driving = {
            let mut book = self.book.lock().await;
            if let Some((id, operation, register)) = begun(&book) {
                // The invitation is sent beside the transaction: a new one may replace a wrong one.
                if register.invitation != invitation {
                    let register = Register { invitation: invitation.to_owned(), ..register };
                    let operation = Operation { intent: Intent::Register(register), ..operation };
                    book.commit(vec![Edit::Operation(id, operation)]).await?;
                }
                self.driving(id)
            } else if book.state().is_ok() {
                drop(book);
                return self.registered().await;
            } else {
                let identity = identity.as_str().to_owned();
                let intent = Intent::Register(Register {
                    identity: identity.clone(),
                    invitation: invitation.to_owned(),
                    waits_until: None,
                });
                let item = self.new_item(&book, &intent, None);
                let inbox = Inbox { next: start, issuance_next: issuance_start, ..book.inbox().clone() };
                let edits = vec![Edit::Identity(Some(identity)), Edit::Inbox(inbox)];
                self.begin(&mut book, &Season::Issuance(issuance), intent, Vec::new(), Some(item), edits).await?
            }
        };
        match self.drive(&driving).await? {
            Settled::Done => self.registered().await,
            Settled::Pending { delay } => match self.waits_until().await? {
                Some(from) => Err(WalletError::RegistrationWaits { from }),
                None => Ok(RegisterOutcome::Pending { delay }),
            },
        }
    }

    /// Whether the wallet has this registration already.
    async fn is_registered(&self, identity: &Identity) -> Result<bool, WalletError> {
        let mut book = self.book.lock().await;
        match (book.identity()?, book.pid()?) {
            (Some(mine), _) if mine != *identity => Err(WalletError::AlreadyRegistered { identity: mine }),
            (None, Some(pid)) if pid != identity.pid() => {
                Err(WalletError::OtherIdentity { identity: identity.clone() })
            }
            (None, Some(_)) => {
                book.commit(vec![Edit::Identity(Some(identity.as_str().to_owned()))]).await?;
                Ok(book.state().is_ok())
            }
            _ => Ok(book.state().is_ok()),
        }
    }

    async fn registered(&self) -> Result<RegisterOutcome, WalletError> {
        let terms = match self.last_terms() {
            Some(terms) => Some(terms),
            None => self.terms().await.ok(),
        };
        let registration = registration(&*self.book.lock().await, terms.as_deref())?;
        registration.map(RegisterOutcome::Registered).ok_or(WalletError::NotRegistered)
    }
}

/// The registration that was begun.
fn begun(book: &Book) -> Option<(RecordId, Operation, Register)> {
    book.operations().find_map(|(id, operation)| match &operation.intent {
        Intent::Register(register) => Some((id, Operation::clone(operation), register.clone())),
        _ => None,
    })
}

/// The registration, once it is finished.
pub(super) fn registration(book: &Book, terms: Option<&Terms>) -> Result<Option<Registration>, WalletError> {
    let Ok(state) = book.state() else { return Ok(None) };
    let identity = book.identity()?;
    let class = state.attributes().class();
    let class_name = terms.map_or_else(|| class.to_string(), |terms| terms.class_name(class));
    Ok(Some(Registration { identity, class, class_name, valid_through: state.attributes().validity() }))
}
