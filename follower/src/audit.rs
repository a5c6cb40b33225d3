//! What the logs say about the money: for people, and as JSON. All of it is public.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use farthing_ecash::amount::{Amount, Currency};
use farthing_service::private_file;
use serde::{Deserialize, Serialize};

use crate::{
    books::{Books, DayCount},
    copy::Copy,
    error::RunError,
    log::Log,
};

/// The file beside the store, written after each look at the logs: it can be read while the follower runs.
const FILE: &str = "audit.json";

/// What was verified, and what it comes to. Amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// What was found wrong, if anything.
    pub finding: Option<String>,
    /// How far each log was verified.
    pub logs: BTreeMap<Log, LogAudit>,
    /// When each log was looked at.
    #[serde(default)]
    pub looks: BTreeMap<Log, Look>,
    /// Currency code.
    pub currency: Option<String>,
    /// Decimal places of an amount.
    pub exponent: Option<u8>,
    /// Sum of all withdrawals.
    pub withdrawn: u128,
    /// Sum of all redemptions.
    pub redeemed: u128,
    /// Sum of all fees.
    pub fees: u128,
    /// Wallets registered.
    pub wallets: u64,
    /// By date.
    pub days: BTreeMap<String, DayCount>,
    /// In the order of their epochs.
    pub policies: Vec<PolicyAudit>,
    /// Announced keys.
    pub keys: Vec<KeyAudit>,
}

/// How far a log was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAudit {
    /// Verified entries.
    pub entries: u64,
    /// Entries of the last verified checkpoint.
    pub checkpoint: u64,
    /// Root of the tree of all entries, base64.
    pub root: String,
    /// Date of the last entry.
    pub day: Option<String>,
}

/// When a log was looked at. Times in seconds since 1970-01-01, by the clock of the follower.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When everything that it shows was last verified.
    pub checked_at: Option<i64>,
    /// When a checkpoint was last verified.
    pub grown_at: Option<i64>,
    /// Why it could not be looked through the last time.
    pub waiting_for: Option<String>,
}

impl Look {
    /// This one, with times of an earlier one where nothing was seen yet.
    #[must_use]
    pub fn or(self, before: Option<&Self>) -> Self {
        let before = before.cloned().unwrap_or_default();
        Self {
            checked_at: self.checked_at.or(before.checked_at),
            grown_at: self.grown_at.or(before.grown_at),
            waiting_for: self.waiting_for,
        }
    }
}

/// A published policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAudit {
    /// Its number.
    pub epoch: u32,
    /// SHA-256 of its body, hexadecimal.
    pub hash: String,
    /// Date of its publication.
    pub published: String,
    /// Its entry in the payments log.
    pub entry: u64,
    /// What each payment costs.
    pub fee: u64,
    /// The smallest payment.
    pub minimum: u64,
    /// Lines.
    pub rules: usize,
}

/// An announced key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAudit {
    /// Its id, hexadecimal.
    pub id: String,
    /// First day on which it signs.
    pub first: String,
    /// Last day on which it signs.
    pub last_issue: String,
    /// Last day on which everything but payments takes its money.
    pub exchange_until: String,
}

impl Audit {
    /// Draws it up.
    ///
    /// # Errors
    /// [`RunError::Copy`].
    pub async fn new(copy: &Copy, books: &Books) -> Result<Self, RunError> {
        let log = |log: Log| {
            let side = books.side(log);
            let (entries, root) = (side.tree.size(), side.tree.root().to_string());
            (log, LogAudit { entries, checkpoint: side.checkpoint, root, day: side.day.map(|day| day.to_string()) })
        };
        let currency = books.keys.values().next().map(|key| key.currency().clone());
        let policies = books.policies.iter().map(|(epoch, policy)| PolicyAudit {
            epoch: *epoch,
            hash: policy.hash.to_string(),
            published: policy.day.to_string(),
            entry: policy.index,
            fee: policy.body.terms().fee.get(),
            minimum: policy.body.terms().minimum.get(),
            rules: policy.body.rules().len(),
        });
        let keys = books.keys.values().map(|key| KeyAudit {
            id: key.id().to_string(),
            first: key.dates().first.to_string(),
            last_issue: key.dates().last_issue.to_string(),
            exchange_until: key.dates().exchange_until.to_string(),
        });
        Ok(Self {
            finding: copy.finding().await?,
            logs: Log::ALL.into_iter().map(log).collect(),
            looks: BTreeMap::new(),
            currency: currency.as_ref().map(|currency| currency.code().to_owned()),
            exponent: currency.as_ref().map(Currency::exponent),
            withdrawn: books.withdrawn,
            redeemed: books.redeemed,
            fees: books.fees,
            wallets: books.wallets,
            days: copy.days().await?.into_iter().map(|(day, count)| (day.to_string(), count)).collect(),
            policies: policies.collect(),
            keys: keys.collect(),
        })
    }

    /// Writes it beside the store.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn save(&self, data_dir: &Path) -> Result<(), RunError> {
        let path = data_dir.join(FILE);
        private_file::write(&path, self.to_json()?.as_bytes()).map_err(RunError::io(path))
    }

    /// Reads it from beside the store.
    ///
    /// # Errors
    /// [`RunError::NotYet`]; [`RunError::Io`].
    pub fn load(data_dir: &Path) -> Result<Self, RunError> {
        let path = data_dir.join(FILE);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(RunError::NotYet),
            read => read.map_err(RunError::io(&path))?,
        };
        serde_json::from_slice(&text).map_err(|error| RunError::Config(format!("{}: {error}", path.display())))
    }

    /// One JSON document.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn to_json(&self) -> Result<String, RunError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| RunError::Config(error.to_string()))?;
        Ok(text + "\n")
    }

    fn money(&self, amount: u128) -> String {
        let currency = self.currency.as_deref().zip(self.exponent);
        let currency = currency.and_then(|(code, exponent)| Currency::new(code, exponent).ok());
        match (u64::try_from(amount), currency) {
            (Ok(amount), Some(currency)) => format!("{} {}", currency.format(Amount::new(amount)), currency.code()),
            _ => format!("{amount} minor units"),
        }
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (log, LogAudit { entries, checkpoint, day, .. }) in &self.logs {
            let day = day.as_deref().unwrap_or("never");
            let _ = writeln!(text, "{log}: {entries} entries verified, checkpoint of {checkpoint}, last entry {day}");
        }
        let _ = match &self.finding {
            None => writeln!(text, "nothing wrong was found"),
            Some(finding) => writeln!(text, "STOPPED: {finding}"),
        };
        let outside = self.withdrawn.saturating_sub(self.redeemed.saturating_add(self.fees));
        let _ = writeln!(text, "\nwithdrawn    {}", self.money(self.withdrawn));
        let _ = writeln!(text, "redeemed     {}", self.money(self.redeemed));
        let _ = writeln!(text, "fees         {}", self.money(self.fees));
        let _ = writeln!(text, "in wallets   {}", self.money(outside));
        let _ = writeln!(text, "wallets      {}", self.wallets);
        text.push_str("\nday         wallets  withdrawals  payments  claims  redemptions  others\n");
        for (day, count) in &self.days {
            let DayCount { registrations, withdrawals, payments, claims, redemptions, others, .. } = count;
            let _ = writeln!(
                text,
                "{day}  {registrations:>7}  {withdrawals:>11}  {payments:>8}  {claims:>6}  {redemptions:>11}  {others:>6}"
            );
        }
        for policy in &self.policies {
            let PolicyAudit { epoch, hash, published, entry, rules, .. } = policy;
            let (fee, minimum) = (self.money(policy.fee.into()), self.money(policy.minimum.into()));
            let _ = writeln!(
                text,
                "\npolicy {epoch} of {published}, entry {entry}: fee {fee}, from {minimum}, {rules} rules\n  {hash}"
            );
        }
        for KeyAudit { id, first, last_issue, exchange_until } in &self.keys {
            let _ = writeln!(text, "\nkey {id}\n  signs {first} to {last_issue}, exchanged until {exchange_until}");
        }
        text
    }
}
