//! Register: a wallet for an invited identity (docs/PROTOCOL.md section 5).

use farthing_ecash::{
    calendar::Day,
    credential::issue::{Addition, Answer},
    register::RegisterOpening,
    statement::Statement,
    transaction::Transaction,
};
use farthing_proto::v1::RegisterRequest;
use farthing_store::{Batch, Outcome};

use crate::{
    directory::Directory,
    error::IssuerError,
    invitation::{self, INVITATION_BYTES_MAX, InvitationHash},
    issuance::{Answered, IDS, IssuanceLog},
    office::{Office, decode},
    registry::{self, ACCOUNT_KEYS, IDENTITIES, Record},
};

/// A registration that was decoded.
struct Registration {
    transaction: Transaction,
    opening: RegisterOpening,
    invitation: InvitationHash,
}

impl Registration {
    fn decode(request: &RegisterRequest) -> Result<Self, IssuerError> {
        let transaction = decode(&request.transaction, Statement::Register)?;
        let opening = RegisterOpening::from_bytes(&request.private_part)
            .map_err(|error| IssuerError::field("private_part", error.to_string()))?;
        if request.invitation.len() > INVITATION_BYTES_MAX {
            return Err(IssuerError::field("invitation", "longer than any code"));
        }
        Ok(Self { transaction, opening, invitation: invitation::hash(&request.invitation) })
    }
}

impl Office {
    /// Registers a wallet, or answers as before.
    pub(crate) async fn register(&self, request: &RegisterRequest) -> Result<Answered, IssuerError> {
        let registration = Registration::decode(request)?;
        let transaction = &registration.transaction;
        if let Some(answered) = self.log.recorded(transaction).await? {
            return Ok(answered);
        }
        let refused = match self.register_new(&registration).await {
            Err(refused) => refused,
            answered => return answered,
        };
        // The same bytes, sent twice at once, may be what has taken the identity.
        self.log.recorded(transaction).await?.ok_or(refused)
    }

    async fn register_new(&self, registration: &Registration) -> Result<Answered, IssuerError> {
        let Registration { transaction, .. } = registration;
        self.check_period(transaction.core())?;
        let mut record = self.invited(registration).await?;
        registration.opening.check(transaction).map_err(|_| IssuerError::ProofInvalid)?;
        let verified = self.verifier.verify(transaction.clone()).await?;
        let validity = self.calendar.calendar.validity(transaction.core().month());
        loop {
            let addition = Addition::Registration { class: record.class, validity };
            let answer = self.verifier.sign(&verified, addition).await?;
            let outcome = self.log.commit(|day| self.draft(registration, record, &answer, day)).await?;
            match outcome {
                Outcome::Applied { positions } => {
                    self.directory.inserted();
                    let log_index = *positions.first().ok_or_else(IssuerError::damaged)?;
                    tracing::info!(log_index, "registered a wallet");
                    return Ok(Answered { answer: answer.to_bytes(), log_index });
                }
                Outcome::Conflict { space: IDS, .. } => return self.log.recorded_meanwhile(transaction).await,
                Outcome::Conflict { space: ACCOUNT_KEYS, .. } => return Err(IssuerError::IdentityTaken),
                // The operator, or another registration, was faster.
                Outcome::Conflict { space: IDENTITIES, .. } => record = self.invited(registration).await?,
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
    }

    /// The record of the identity, if the invitation is good for it.
    async fn invited(&self, registration: &Registration) -> Result<Record, IssuerError> {
        let record = self.registry.find(registration.opening.identity()).await?.ok_or(IssuerError::NotInvited)?;
        record.check_invitation(&registration.invitation)?;
        Ok(record)
    }

    /// Everything that a registration means.
    fn draft(
        &self,
        registration: &Registration,
        record: Record,
        answer: &Answer,
        day: Day,
    ) -> Result<Batch, IssuerError> {
        let Registration { transaction, opening, .. } = registration;
        self.log.check_day(transaction.core().header().day)?;
        let (identity, account) = (opening.identity(), opening.account());
        let batch = IssuanceLog::answer(Batch::new(), transaction, &answer.to_bytes(), day)?;
        let batch = registry::replace(batch, identity, Some(record), Record { account: Some(account), ..record });
        let batch = batch.expect_absent(ACCOUNT_KEYS, account.to_bytes()).put(
            ACCOUNT_KEYS,
            account.to_bytes(),
            identity.as_str(),
        );
        Ok(Directory::insert(batch, identity, opening.encryption_key()))
    }
}
