//! Logs go to standard error. They never hold a serial number, an amount, an identity, or a peer's address above debug level.

use std::{
    io::{self, IsTerminal as _},
    str::FromStr,
};

use tracing_subscriber::{EnvFilter, util::SubscriberInitExt as _};

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// The store's index tells at info of its own housekeeping, with the paths of its files, which tell whose wallet it is. A
/// filter that names it decides otherwise.
const QUIET: &str = "fjall=warn,lsm_tree=warn";

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colours on a terminal.
    #[default]
    Text,
    /// One JSON document per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("the log format is text or json".to_owned()),
        }
    }
}

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter does not parse.
    #[error("cannot use the log filter {filter:?}: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging has begun already.
    #[error("logging has begun already")]
    Begun,
}

/// What is logged: by `filter` (from `--log`), or else the variable `RUST_LOG`, or else "info".
///
/// # Errors
/// When the filter does not parse.
pub fn filter(filter: Option<&str>) -> Result<EnvFilter, LogError> {
    let filter = filter.map(ToOwned::to_owned);
    let filter = filter
        .or_else(|| std::env::var(EnvFilter::DEFAULT_ENV).ok())
        .filter(|filter| !filter.is_empty())
        .unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|source| LogError::Filter { filter, source })
}

/// Begins to log, once in a process, what [`filter`] lets through.
///
/// # Errors
/// When the filter does not parse, or logging has begun already.
pub fn init(chosen: Option<&str>, format: LogFormat) -> Result<(), LogError> {
    let parsed = filter(chosen)?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(parsed).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let begun = match format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    };
    begun.map_err(|_| LogError::Begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_quiet_unless_it_is_named() {
        let shown = |text| filter(Some(text)).map(|filter| filter.to_string()).unwrap_or_default();
        assert!(shown("info").contains("fjall=warn") && shown("info").contains("lsm_tree=warn"));
        assert!(shown("info,fjall=debug").contains("fjall=debug") && !shown("info,fjall=debug").contains("fjall=warn"));
    }

    #[test]
    fn a_wrong_filter_is_named_and_logging_begins_once() {
        let wrong = init(Some("info=info=info"), LogFormat::Text);
        assert!(matches!(wrong, Err(LogError::Filter { .. })));
        assert!(init(Some("off"), "json".parse().unwrap_or_default()).is_ok());
        assert!(matches!(init(None, LogFormat::Text), Err(LogError::Begun)));
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
