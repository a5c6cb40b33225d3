//! What a verifier does with a proof.

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Month,
    disclosure::Challenge,
    entry::{Entry, EntryKind},
    identity::Identity,
    keys::PublicKey,
    transaction::TransactionId,
};
use farthing_ledger::quorum::TrustPolicy;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::file::{IncomeFile, PaymentFile};
use crate::{
    client::{Client, redeemer::RedeemerClient},
    config::ServerAddress,
    error::{Server, WalletError},
    receipt::{NotProven, Place, logged, transaction},
    wallet::Options,
};

/// A proof does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// The entry that it rests on is not in a trusted log.
    #[error(transparent)]
    Entry(#[from] NotProven),
    /// The entry is something else.
    #[error("the entry that it rests on is not what it says")]
    OtherEntry,
    /// It was made for somebody else, or for another occasion.
    #[error("it answers another challenge: it was made for {}", made_for.as_deref().unwrap_or("everybody, at any time"))]
    OtherChallenge {
        /// Whose challenge it answers; none was asked.
        made_for: Option<String>,
    },
    /// It answers a challenge, and nobody said which was given.
    #[error("it answers a challenge of {made_for}, and only whoever gave that is convinced by it")]
    ChallengeWanted {
        /// Whose challenge it answers.
        made_for: String,
    },
    /// The redeemer was not asked yet.
    #[error("the redeemer has not attested it")]
    NotAttested,
    /// It does not hold.
    #[error("the proof does not hold")]
    Proof,
}

/// What a proof of income shows: a wallet has received at least so much in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownIncome {
    /// Whose wallet it is, if the proof says it. Otherwise it is somebody's.
    pub identity: Option<Identity>,
    /// The month.
    pub month: Month,
    /// What was received in it, at least.
    pub total: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The verifier that it was made for.
    pub verifier: String,
    /// Where the issuance log has the issuing key.
    pub key: Place,
}

/// What a proof of a payment shows: whoever made it has paid so much to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPayment {
    /// Who was paid.
    pub payee: Identity,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The verifier that it was made for; `None` for everybody, at any time.
    pub verifier: Option<String>,
    /// The logical day of the payment, YYYY-MM-DD.
    pub day: String,
    /// The payment.
    pub transaction_id: TransactionId,
    /// Where the payment log has it.
    pub payment: Place,
}

/// Says in words why a challenge is not the one that was answered.
fn same(answered: Option<&Challenge>, given: Option<&Challenge>) -> Result<(), NotShown> {
    let name = |challenge: &Challenge| challenge.verifier().to_owned();
    match (answered, given) {
        (answered, given) if answered == given => Ok(()),
        (Some(answered), None) => Err(NotShown::ChallengeWanted { made_for: name(answered) }),
        (answered, _) => Err(NotShown::OtherChallenge { made_for: answered.map(name) }),
    }
}

impl IncomeFile {
    /// Checks all that can be checked without the redeemer, and answers the key and where the log has it.
    ///
    /// # Errors
    /// [`NotShown`].
    pub fn check(&self, challenge: Option<&Challenge>, trust: &TrustPolicy) -> Result<(PublicKey, Place), NotShown> {
        let proof = &self.proof;
        same(Some(proof.challenge()), challenge)?;
        let (leaf, place) = logged(&self.key, trust)?;
        let entry = Entry::from_bytes(&leaf).ok().filter(|entry| entry.kind() == EntryKind::Key);
        let key = entry.and_then(|entry| PublicKey::from_bytes(entry.body()).ok());
        let key = key.filter(|key| key.id() == proof.key()).ok_or(NotShown::OtherEntry)?;
        proof.check(challenge.unwrap_or(proof.challenge()), &mut UnwrapErr(SysRng)).map_err(|_| NotShown::Proof)?;
        Ok((key, place))
    }

    /// Asks a redeemer to attest it, and keeps what it says. Check the proof first.
    ///
    /// # Errors
    /// [`WalletError::Refused`] when it says no, [`WalletError::Unreachable`], [`WalletError::Connection`].
    pub async fn attest(&mut self, redeemer: &ServerAddress, options: &Options) -> Result<(), WalletError> {
        let client = RedeemerClient(Client::new(Server::Redeemer, redeemer, options));
        self.attestation = Some(client.attest(&self.proof.attestation_request()).await?);
        Ok(())
    }

    /// Checks everything, without asking anybody.
    ///
    /// # Errors
    /// [`NotShown`].
    pub fn verify(&self, challenge: Option<&Challenge>, trust: &TrustPolicy) -> Result<ShownIncome, NotShown> {
        let (key, place) = self.check(challenge, trust)?;
        let attestation = self.attestation.as_ref().ok_or(NotShown::NotAttested)?;
        let proof = &self.proof;
        attestation.verify(&key, &proof.attestation_request()).map_err(|_| NotShown::Proof)?;
        Ok(ShownIncome {
            identity: proof.identity().cloned(),
            month: proof.month(),
            total: proof.total(),
            currency: key.currency().clone(),
            verifier: proof.challenge().verifier().to_owned(),
            key: place,
        })
    }
}

impl PaymentFile {
    /// Checks everything, without asking anybody.
    ///
    /// # Errors
    /// [`NotShown`].
    pub fn verify(&self, challenge: Option<&Challenge>, trust: &TrustPolicy) -> Result<ShownPayment, NotShown> {
        let proof = &self.proof;
        same(proof.challenge(), challenge)?;
        let (leaf, place) = logged(&self.payment, trust)?;
        let (day, core) = transaction(&leaf).ok_or(NotShown::OtherEntry)?;
        proof.verify(challenge, &core, &mut UnwrapErr(SysRng)).map_err(|_| NotShown::Proof)?;
        Ok(ShownPayment {
            payee: proof.payee().clone(),
            amount: proof.amount(),
            currency: proof.key().currency().clone(),
            verifier: proof.challenge().map(|challenge| challenge.verifier().to_owned()),
            day,
            transaction_id: core.id(),
            payment: place,
        })
    }
}
