//! Withdraw: an account's money becomes a coin (docs/PROTOCOL.md section 5).

use farthing_ecash::{
    account::AccountOpening, amount::Amount, credential::issue::Addition, identity::Identity, policy::UNRESTRICTED,
    statement::Statement, transaction::Transaction,
};
use farthing_proto::v1::WithdrawRequest;
use farthing_store::{Batch, Outcome};

use crate::{
    accounts::{Account, RACES_MAX},
    error::IssuerError,
    issuance::{Answered, IDS, IssuanceLog},
    office::{Office, decode},
};

impl Office {
    /// Debits the account and signs the coin, or answers as before.
    pub(crate) async fn withdraw(&self, request: &WithdrawRequest) -> Result<Answered, IssuerError> {
        let transaction = decode(&request.transaction, Statement::Withdraw)?;
        let opening = AccountOpening::from_bytes(&request.private_part)
            .map_err(|error| IssuerError::field("private_part", error.to_string()))?;
        if let Some(answered) = self.log.recorded(&transaction).await? {
            return Ok(answered);
        }
        let refused = match self.withdraw_new(&transaction, opening).await {
            Err(refused) => refused,
            answered => return answered,
        };
        // The same bytes, sent twice at once, may be what took the money that is missing.
        self.log.recorded(&transaction).await?.ok_or(refused)
    }

    async fn withdraw_new(&self, transaction: &Transaction, opening: AccountOpening) -> Result<Answered, IssuerError> {
        self.check_period(transaction.core())?;
        let (identity, record) = self.registry.wallet(opening.account()).await?;
        opening.check(transaction.core()).map_err(|_| IssuerError::ProofInvalid)?;
        // What the account holds is told to nobody who has not proved that it is his.
        let verified = self.verifier.verify(transaction.clone()).await?;
        let publics = transaction.core().publics();
        let (amount, cap) = (Amount::new(publics.amount), self.withdraw_cap(record.class));
        self.check_purpose(publics.purpose)?;
        let account = self.accounts.read(&identity, publics.purpose).await?;
        account.check_withdrawal(amount, self.log.today(), cap)?;
        let answer = self.verifier.sign(&verified, Addition::None).await?.to_bytes();
        let reservation = self.supply.withdraw(*transaction.id().as_bytes(), amount)?;
        for _ in 0..RACES_MAX {
            match self.try_withdraw(transaction, &identity, cap, &answer).await? {
                Outcome::Applied { positions } => {
                    reservation.keep();
                    let log_index = *positions.first().ok_or_else(IssuerError::damaged)?;
                    tracing::info!(log_index, "signed a withdrawal");
                    return Ok(Answered { answer, log_index });
                }
                Outcome::Conflict { space: IDS, .. } => return self.log.recorded_meanwhile(transaction).await,
                outcome if Account::has_changed(&outcome) => {}
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => {
                    reservation.keep();
                    return Err(IssuerError::OutcomeUnknown);
                }
            }
        }
        Err(IssuerError::Overloaded)
    }

    /// Money of a purpose that the policy does not have stays in the account: no rule would let anybody claim it, nor its payer
    /// take it back.
    fn check_purpose(&self, purpose: u32) -> Result<(), IssuerError> {
        if purpose == UNRESTRICTED || self.policy.now().purpose(purpose).is_some() {
            return Ok(());
        }
        Err(IssuerError::field("transaction", format!("the policy has no purpose {purpose}")))
    }

    /// What an account of a class may withdraw in a day; nothing when the policy has no such class any more.
    pub(crate) fn withdraw_cap(&self, class: u32) -> Amount {
        self.policy.now().withdraw_cap(class).unwrap_or(Amount::ZERO)
    }

    /// Debit, entry and answer in one step, if the account is as it was read.
    async fn try_withdraw(
        &self,
        transaction: &Transaction,
        identity: &Identity,
        cap: Amount,
        answer: &[u8],
    ) -> Result<Outcome, IssuerError> {
        let core = transaction.core();
        let publics = core.publics();
        let account = self.accounts.read(identity, publics.purpose).await?;
        let draft = |day| {
            self.log.check_day(core.header().day)?;
            let batch = IssuanceLog::answer(Batch::new(), transaction, answer, day)?;
            account.withdraw(batch, Amount::new(publics.amount), day, cap)
        };
        self.log.commit(draft).await
    }
}
