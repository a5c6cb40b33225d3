//! What everybody can read in the two logs, and send again.

use std::ops::Range;

use farthing_ecash::{
    amount::Amount,
    entry::{Entry, EntryKind},
    statement::Statement,
    transaction::Core,
};
use farthing_follower::log::Log;
use farthing_proto::v1::{
    GetCheckpointRequest, GetEntryRequest, GetLogSizeRequest, SubmitTransactionRequest,
    ledger_service_client::LedgerServiceClient, redeemer_service_client::RedeemerServiceClient,
};
use tonic::transport::Channel;

use super::{Cluster, Ports};
use crate::demo::Failure;

/// A transaction in a log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The index of its entry.
    pub index: u64,
    /// What it says.
    pub core: Core,
    /// The bytes that its wallet sent: core and proof part.
    pub request: Vec<u8>,
    /// The answer.
    pub answer: Vec<u8>,
}

impl Cluster {
    fn ledger(&self, log: Log) -> Result<LedgerServiceClient<Channel>, Failure> {
        let address = match log {
            Log::Issuance => self.issuer_address(),
            Log::Payments => self.redeemer_address(),
        };
        Ok(LedgerServiceClient::new(self.channel(address)?))
    }

    async fn size(&self, log: Log) -> Result<u64, Failure> {
        Ok(self.ledger(log)?.get_log_size(GetLogSizeRequest {}).await?.into_inner().size)
    }

    /// How many entries a log has.
    ///
    /// # Errors
    /// What its server answers.
    pub async fn log_size(&self, log: Log) -> Result<u64, Failure> {
        self.size(log).await
    }

    /// The entries of a log from one index up to another.
    ///
    /// # Errors
    /// What its server answers.
    pub async fn entries(&self, log: Log, range: Range<u64>) -> Result<Vec<Entry>, Failure> {
        let mut ledger = self.ledger(log)?;
        let mut entries = Vec::new();
        for index in range {
            let response = ledger.get_entry(GetEntryRequest { index }).await?.into_inner();
            entries.push(Entry::from_bytes(&response.entry.ok_or("an answer without an entry")?.entry)?);
        }
        Ok(entries)
    }

    /// An entry that is a transaction; `None` for an entry of another kind.
    async fn logged(&self, ledger: &mut LedgerServiceClient<Channel>, index: u64) -> Result<Option<Logged>, Failure> {
        let response = ledger.get_entry(GetEntryRequest { index }).await?.into_inner();
        let entry = Entry::from_bytes(&response.entry.ok_or("an answer without an entry")?.entry)?;
        if !matches!(entry.kind(), EntryKind::Transaction(_)) {
            return Ok(None);
        }
        let (core, answer) = Core::from_prefix(entry.body())?;
        let answer = answer.to_vec();
        let request = [core.to_bytes(), response.proof].concat();
        Ok(Some(Logged { index, core, request, answer }))
    }

    async fn transactions(&self, log: Log, from: u64) -> Result<Vec<Logged>, Failure> {
        let mut ledger = self.ledger(log)?;
        let mut found = Vec::new();
        for index in from..self.size(log).await? {
            found.extend(self.logged(&mut ledger, index).await?);
        }
        Ok(found)
    }

    /// The entries of the newest checkpoint of a log that the witness has cosigned, as its server shows it.
    ///
    /// # Errors
    /// What the server answers, also that there is none.
    pub async fn cosigned(&self, log: Log) -> Result<u64, Failure> {
        cosigned(self.ledger(log)?).await
    }

    /// The same as the follower shows it.
    ///
    /// # Errors
    /// What the follower answers.
    pub async fn cosigned_at_follower(&self, log: Log) -> Result<u64, Failure> {
        let [issuance, payments] = self.ports.follower;
        let port = if log == Log::Issuance { issuance } else { payments };
        cosigned(LedgerServiceClient::new(self.channel(Ports::address(port))?)).await
    }

    /// Entries in the payment log.
    ///
    /// # Errors
    /// What the redeemer answers.
    pub async fn payment_log_size(&self) -> Result<u64, Failure> {
        self.size(Log::Payments).await
    }

    /// Entries in the issuance log.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn issuance_log_size(&self) -> Result<u64, Failure> {
        self.size(Log::Issuance).await
    }

    /// All transactions of the payment log from this index on.
    ///
    /// # Errors
    /// What the redeemer answers.
    pub async fn payment_transactions(&self, from: u64) -> Result<Vec<Logged>, Failure> {
        self.transactions(Log::Payments, from).await
    }

    /// All transactions of the issuance log from this index on.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn issuance_transactions(&self, from: u64) -> Result<Vec<Logged>, Failure> {
        self.transactions(Log::Issuance, from).await
    }

    /// One transaction of the payment log.
    ///
    /// # Errors
    /// When the entry is no transaction, or there is none.
    pub async fn logged_transaction(&self, index: u64) -> Result<Logged, Failure> {
        let logged = self.logged(&mut self.ledger(Log::Payments)?, index).await?;
        Ok(logged.ok_or("the entry is no transaction")?)
    }

    /// Sends a transaction without a private part to the redeemer, as anybody can, and gives the answer and its index.
    ///
    /// # Errors
    /// What the redeemer answers.
    pub async fn submit(&self, transaction: Vec<u8>) -> Result<(Vec<u8>, u64), Failure> {
        let mut client = RedeemerServiceClient::new(self.channel(self.redeemer_address())?);
        let request = SubmitTransactionRequest { transaction, private_part: Vec::new() };
        let response = client.submit_transaction(request).await?.into_inner();
        Ok((response.answer, response.log_index))
    }

    /// The sum of all fees, replayed from the payment log.
    ///
    /// # Errors
    /// What the redeemer answers.
    pub async fn fees(&self) -> Result<Amount, Failure> {
        self.sum(|core| core.publics().fee).await
    }

    /// The sum of all redemptions, replayed from the payment log.
    ///
    /// # Errors
    /// What the redeemer answers.
    pub async fn redeemed_in_log(&self) -> Result<Amount, Failure> {
        self.sum(|core| if core.statement() == Statement::Redeem { core.publics().amount } else { 0 }).await
    }

    async fn sum(&self, amount: impl Fn(&Core) -> u64) -> Result<Amount, Failure> {
        let transactions = self.payment_transactions(0).await?;
        let mut amounts = transactions.iter().map(|logged| Amount::new(amount(&logged.core)));
        Ok(amounts.try_fold(Amount::ZERO, Amount::checked_add).ok_or("too much money")?)
    }
}

async fn cosigned(mut ledger: LedgerServiceClient<Channel>) -> Result<u64, Failure> {
    let note = ledger.get_checkpoint(GetCheckpointRequest { cosignatures: 1 }).await?.into_inner().note;
    Ok(note.lines().nth(1).ok_or("a checkpoint of one line")?.parse()?)
}
