//! `farthing-issuer keys`: planning and making rotations of the issuing key.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use farthing_ecash::calendar::Day;
use farthing_issuer::{
    config::Config,
    error::RunError,
    keys::plan::{LEAD_DAYS, Plan, PlannedKey, Rotated},
};
use farthing_service::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{ConfigFile, parse_day};

/// The arguments of `keys`.
#[derive(Args)]
pub(crate) struct Keys {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON document on standard output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows all keys with their days, and when the next one is due (exit code 1 when it is).
    Plan,
    /// Makes the next key, which the running issuer announces, and says what to do with it.
    Rotate {
        /// From when on it signs; without, from the day after the last one that a key signs on.
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
        first_day: Option<u32>,
    },
}

impl Keys {
    /// Whether all is well, and what to print.
    ///
    /// # Errors
    /// [`RunError`].
    pub(crate) fn execute(&self) -> Result<(bool, String), RunError> {
        let config = Config::load(&self.file.path)?;
        let policy = config.load_policy()?;
        let today = farthing_issuer::today(&policy, SystemClock::default().unix_seconds())?;
        let plan = Plan::read(&config.keys, today)?;
        match &self.command {
            Command::Plan if self.json => Ok((!plan.is_due(), format!("{:#}\n", document(&plan)))),
            Command::Plan => Ok((!plan.is_due(), table(&plan))),
            Command::Rotate { first_day } => {
                let first = first_day.map(Day::new);
                let rotated = plan.rotate(&config.keys, policy.currency(), config.key_periods, first)?;
                let text = if self.json {
                    let days = days(&rotated.dates);
                    format!("{:#}\n", json!({ "file": rotated.path, "days": days, "is_named": rotated.is_named }))
                } else {
                    instructions(&rotated)
                };
                Ok((true, text))
            }
        }
    }
}

fn table(plan: &Plan) -> String {
    let mut text = String::new();
    for key in plan.keys() {
        let dates = key.dates();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}\n  {}: signs from {} to {}\n  payments take its money until {}, everything else until {}\n  key id {}",
            key.path.display(),
            plan.stage(key).name(),
            dates.first,
            dates.last_issue,
            dates.accept_until,
            dates.exchange_until,
            key.key.public().id()
        );
    }
    let (ends, due) = (plan.ends(), plan.due());
    if plan.is_due() {
        let _ =
            writeln!(text, "\nno key signs from {ends} on: make the next one now, with `farthing-issuer keys rotate`");
    } else {
        let _ = writeln!(
            text,
            "\nno key signs from {ends} on: make the next one by {due}, {LEAD_DAYS} days before, with `farthing-issuer keys rotate`"
        );
    }
    text
}

fn document(plan: &Plan) -> Value {
    let key = |key: &PlannedKey| {
        json!({
            "file": key.path,
            "key_id": key.key.public().id().to_string(),
            "stage": plan.stage(key).name(),
            "days": days(&key.dates()),
        })
    };
    json!({
        "keys": plan.keys().iter().map(key).collect::<Vec<_>>(),
        "ends": plan.ends().to_string(),
        "due": plan.due().to_string(),
        "is_due": plan.is_due(),
    })
}

fn days(dates: &farthing_ecash::keys::KeyDates) -> Value {
    json!({
        "first": dates.first.to_string(),
        "last_issue": dates.last_issue.to_string(),
        "accept_until": dates.accept_until.to_string(),
        "exchange_until": dates.exchange_until.to_string(),
    })
}

fn instructions(rotated: &Rotated) -> String {
    let Rotated { path, dates, is_named } = rotated;
    let (file, first) = (path.display(), dates.first);
    let take_up = if *is_named {
        "A running issuer takes it up within seconds and announces it in the log; `keys.status` in its data\n     \
         folder says so."
            .to_owned()
    } else {
        format!("Name {file} in `keys` of the configuration, and restart the issuer, which announces it.")
    };
    format!(
        "made {file}\n  signs from {first} to {}\n  payments take its money until {}, everything else until {}\n\
         Now:\n  1. {take_up}\n  2. Then copy it to the redeemer, over a channel that you trust (whoever has it can make\n     \
         money), before {first}. When `keys` there names a folder it is taken up within seconds, otherwise name it and\n     \
         restart.\n  3. Keep a copy as safe as those of the other keys, and all old key files where they are.\n",
        dates.last_issue, dates.accept_until, dates.exchange_until
    )
}
