//! How far the copy goes, and whether it goes on: a log that is no longer shown to a follower must not look like one that is
//! as it must be.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{audit::Audit, config::Config, error::RunError, log::Log};

/// After how many seconds something is too long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Since everything that a log shows was verified.
    pub stale_after: u64,
    /// Since a log has grown.
    pub quiet_after: u64,
}

impl Patience {
    /// As the operator has decided.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { stale_after: config.stale_after_seconds, quiet_after: config.quiet_after_seconds }
    }
}

/// What `status` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether nothing was found and no log is stale: otherwise `status` ends with exit code 1.
    pub is_well: bool,
    /// What was found wrong, if anything.
    pub finding: Option<String>,
    /// Of each log.
    pub logs: BTreeMap<Log, LogStatus>,
}

/// How far one log was followed. Times in seconds since 1970-01-01.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogStatus {
    /// Verified entries.
    pub entries: u64,
    /// Entries of the last verified checkpoint.
    pub checkpoint: u64,
    /// Date of the last entry.
    pub day: Option<String>,
    /// When everything that it shows was last verified.
    pub checked_at: Option<i64>,
    /// When a checkpoint was last verified.
    pub grown_at: Option<i64>,
    /// Why it could not be looked through the last time.
    pub waiting_for: Option<String>,
    /// Why that is too long ago, if it is.
    pub stale: Option<&'static str>,
}

impl Status {
    /// Of what the follower has written down, at a time in seconds since 1970-01-01.
    #[must_use]
    pub fn new(audit: Audit, now: i64, patience: Patience) -> Self {
        let Audit { finding, logs, mut looks, .. } = audit;
        let logs = logs.into_iter().map(|(log, audit)| {
            let look = looks.remove(&log).unwrap_or_default();
            // While a follower catches up, it has not seen the end of the log, and is not stale.
            let active = look.checked_at.max(look.grown_at);
            let stale = if is_before(active, now, patience.stale_after) {
                Some("it could not be looked through for too long: its server does not answer, or shows less than it signs")
            } else if is_before(look.grown_at, now, patience.quiet_after) {
                Some("it has not grown for too long: nobody uses it, or it is not shown to this follower any more")
            } else {
                None
            };
            let status = LogStatus {
                entries: audit.entries,
                checkpoint: audit.checkpoint,
                day: audit.day,
                checked_at: look.checked_at,
                grown_at: look.grown_at,
                waiting_for: look.waiting_for,
                stale,
            };
            (log, status)
        });
        let logs: BTreeMap<_, _> = logs.collect();
        let is_well = finding.is_none() && logs.values().all(|log| log.stale.is_none());
        Self { is_well, finding, logs }
    }

    /// One JSON document.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn to_json(&self) -> Result<String, RunError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| RunError::Config(error.to_string()))?;
        Ok(text + "\n")
    }

    /// For people, at a time in seconds since 1970-01-01.
    #[must_use]
    pub fn to_text(&self, now: i64) -> String {
        let mut text = String::new();
        for (log, status) in &self.logs {
            let LogStatus { entries, checkpoint, day, checked_at, grown_at, waiting_for, stale } = status;
            let day = day.as_deref().unwrap_or("never");
            let _ = writeln!(text, "{log}: {entries} entries verified, checkpoint of {checkpoint}, last entry {day}");
            let (checked, grown) = (ago(*checked_at, now), ago(*grown_at, now));
            let _ = writeln!(text, "  looked through {checked}, last new checkpoint {grown}");
            if let Some(reason) = waiting_for {
                let _ = writeln!(text, "  waiting: {reason}");
            }
            if let Some(reason) = stale {
                let _ = writeln!(text, "  STALE: {reason}");
            }
        }
        let _ = match &self.finding {
            None => writeln!(text, "nothing wrong was found"),
            Some(finding) => writeln!(text, "STOPPED: {finding}"),
        };
        text
    }
}

/// Whether something never was, or longer ago than so many seconds.
fn is_before(time: Option<i64>, now: i64, seconds: u64) -> bool {
    time.is_none_or(|time| time.saturating_add_unsigned(seconds) < now)
}

fn ago(time: Option<i64>, now: i64) -> String {
    let Some(time) = time else { return "never".to_owned() };
    match now.saturating_sub(time).max(0) {
        seconds @ 0..120 => format!("{seconds} seconds ago"),
        seconds @ 120..7_200 => format!("{} minutes ago", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} hours ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}
