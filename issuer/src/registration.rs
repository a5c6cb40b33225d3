//! Register: a wallet for an invited identity (docs/PROTOCOL.md section 5).

use farthing_ecash::{
    calendar::{Day, Month},
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
    standing::{Standing, VALIDITIES, WAITING},
};

/// An identity that may be registered, as it was read.
#[derive(Clone, Copy)]
struct Invited {
    record: Record,
    standing: Standing,
}

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
        let mut invited = self.invited(registration).await?;
        registration.opening.check(transaction).map_err(|_| IssuerError::ProofInvalid)?;
        let verified = self.verifier.verify(transaction.clone()).await?;
        let validity = self.validity(transaction.core().month())?;
        loop {
            let Invited { record, standing } = invited;
            let waits = standing.waits_until(self.log.today());
            if let Some(from) = waits.filter(|_| standing.waiting.is_some()) {
                return Err(IssuerError::RegistrationWaits { from });
            }
            let outcome = match waits {
                Some(_) => self.log.commit(|_| self.open(registration, invited)).await?,
                None => {
                    let addition = Addition::Registration { class: record.class, validity };
                    let answer = self.verifier.sign(&verified, addition).await?;
                    let draft = |day| self.draft(registration, invited, &answer, validity, day);
                    let outcome = self.log.commit(draft).await?;
                    if let Outcome::Applied { positions } = &outcome {
                        let log_index = *positions.first().ok_or_else(IssuerError::damaged)?;
                        self.opened(standing);
                        tracing::info!(log_index, "registered a wallet");
                        return Ok(Answered { answer: answer.to_bytes(), log_index });
                    }
                    outcome
                }
            };
            match outcome {
                Outcome::Applied { .. } => {
                    self.opened(standing);
                    tracing::info!("a wallet waits for the end of the one before");
                    invited = self.invited(registration).await?;
                }
                Outcome::Conflict { space: IDS, .. } => return self.log.recorded_meanwhile(transaction).await,
                Outcome::Conflict { space: ACCOUNT_KEYS, .. } => return Err(IssuerError::IdentityTaken),
                // The operator, or another registration, was faster.
                Outcome::Conflict { space: IDENTITIES | VALIDITIES | WAITING, .. } => {
                    invited = self.invited(registration).await?;
                }
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
    }

    /// The record of the identity, if the invitation is good for it.
    async fn invited(&self, registration: &Registration) -> Result<Invited, IssuerError> {
        let identity = registration.opening.identity();
        let record = self.registry.find(identity).await?.ok_or(IssuerError::NotInvited)?;
        let standing = Standing::read(self.log.store(), identity).await?;
        // A wallet that waits sends its registration again, built for another day.
        let waiting = standing.waiting.filter(|account| *account == registration.opening.account());
        record.check_invitation(&registration.invitation, waiting)?;
        Ok(Invited { record, standing })
    }

    /// Counts an identity that has come into the directory.
    fn opened(&self, standing: Standing) {
        if standing.valid_through.is_none() {
            self.directory.inserted();
        }
    }

    /// Opens the account, while the state has to wait.
    fn open(&self, registration: &Registration, invited: Invited) -> Result<Batch, IssuerError> {
        let Invited { record, standing } = invited;
        let opening = &registration.opening;
        let (identity, account) = (opening.identity(), opening.account());
        let account_open = Record { account: Some(account), ..record };
        let batch = registry::replace(Batch::new(), identity, Some(record), account_open);
        let batch = standing.begin_waiting(batch, identity, account);
        Ok(Directory::insert(registry::claim_key(batch, identity, account), identity, opening.encryption_key()))
    }

    /// Everything that a registration means.
    fn draft(
        &self,
        registration: &Registration,
        invited: Invited,
        answer: &Answer,
        validity: Month,
        day: Day,
    ) -> Result<Batch, IssuerError> {
        let Registration { transaction, opening, .. } = registration;
        let Invited { record, standing } = invited;
        self.log.check_day(transaction.core().header().day)?;
        let (identity, account) = (opening.identity(), opening.account());
        let batch = IssuanceLog::answer(Batch::new(), transaction, &answer.to_bytes(), day)?;
        let registered = Record { account: Some(account), ..record };
        let batch = registry::replace(batch, identity, Some(record), registered);
        let batch = standing.end_waiting(standing.promise(batch, identity, validity), identity);
        if standing.waiting.is_some() {
            // The account was opened when it began to wait.
            return Ok(batch);
        }
        Ok(Directory::insert(registry::claim_key(batch, identity, account), identity, opening.encryption_key()))
    }
}
