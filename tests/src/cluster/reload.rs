//! Changing files of servers that run: the policy, and issuing keys.

use std::{path::PathBuf, time::Duration};

use farthing_ecash::calendar::Day;
use farthing_issuer::{
    config::Config,
    keys::plan::{Plan, Rotated},
};

use super::Cluster;
use crate::demo::Failure;

/// How often it is looked whether a change has been taken, and how long in between.
const LOOKS: usize = 2_400;
const PAUSE: Duration = Duration::from_millis(50);

impl Cluster {
    /// The policy file, which both servers look at.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.dir.join("policy.toml")
    }

    /// Replaces the policy file as an operator does, and waits until the redeemer has it in force. Answers the epoch.
    ///
    /// # Errors
    /// When that takes more than two minutes.
    pub async fn change_policy(&self, policy: &str) -> Result<u32, Failure> {
        let fresh = self.dir.join("policy.toml.new");
        std::fs::write(&fresh, policy)?;
        std::fs::rename(&fresh, self.policy_file())?;
        let redeemer = self.redeemer.as_ref().ok_or("the redeemer is not running")?;
        for _ in 0..LOOKS {
            let current = redeemer.handles.policy.current();
            if current.body().file() == policy.as_bytes() {
                return Ok(current.epoch());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("the redeemer has not taken the changed policy".into())
    }

    /// The first day on which no key that is there signs.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn keys_end(&self) -> Result<Day, Failure> {
        let config = Config::load(&self.issuer_config())?;
        let today = farthing_issuer::today(&config.load_policy()?, self.clock.unix_seconds())?;
        Ok(Plan::read(&config.keys, today)?.ends())
    }

    /// Makes the next issuing key, which signs from `first` on or else when the others are over, and waits until both servers
    /// have it.
    ///
    /// # Errors
    /// When it cannot be made, or that takes more than two minutes.
    pub async fn rotate_key(&self, first: Option<u32>) -> Result<Rotated, Failure> {
        let config = Config::load(&self.issuer_config())?;
        let policy = config.load_policy()?;
        let today = farthing_issuer::today(&policy, self.clock.unix_seconds())?;
        let plan = Plan::read(&config.keys, today)?;
        let wanted = plan.keys().len() + 1;
        let rotated = plan.rotate(&config.keys, policy.currency(), config.key_periods, first.map(Day::new))?;
        let redeemer = self.redeemer.as_ref().ok_or("the redeemer is not running")?;
        for _ in 0..LOOKS {
            // The redeemer takes a key when the issuer has announced it.
            if redeemer.handles.keys.ring().iter().count() == wanted {
                return Ok(rotated);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("the servers have not taken the new key".into())
    }
}
