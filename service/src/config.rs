//! Configuration files: TOML, with every mistake shown where it stands.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    Mistake(Mistake),
}

/// A mistake in a file and where it stands. Displays as `FILE:LINE:COLUMN: what is wrong`, the line, and a caret under the
/// place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    path: PathBuf,
    line: usize,
    column: usize,
    text: String,
    width: usize,
    message: String,
}

/// Loads a configuration file. Its type should be `#[serde(deny_unknown_fields)]`, so that a misspelt key is a mistake.
///
/// # Errors
/// When the file cannot be read, is no TOML, or does not fit the type.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
    parse(path, &text)
}

/// Reads the text of a configuration file; `path` is its name in errors.
///
/// # Errors
/// [`ConfigError::Mistake`] only.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ConfigError::Mistake(Mistake::new(path, text, span, error.message()))
    })
}

impl Mistake {
    /// A mistake at a range of bytes in the text, such as the span of a [`toml::Spanned`] value that is out of bounds.
    pub fn new(path: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(line_start..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let marked = text.get(span).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default();
        Self {
            path: path.to_path_buf(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |part| part.chars().count()) + 1,
            text: line.to_owned(),
            width: marked.chars().count().max(1),
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, text, .. } = self;
        let path = self.path.display();
        writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
        writeln!(f, "{line} | {text}")?;
        // Tabs stay tabs, so that the caret stands under its place.
        let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
        let margin: String = line.to_string().chars().map(|_| ' ').collect();
        let indent: String = text.chars().take(column - 1).map(blank).collect();
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        listen: String,
        #[serde(default)]
        workers: u8,
    }

    fn mistake(text: &str) -> String {
        parse::<Example>(Path::new("issuer.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_right_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("right.toml");
        std::fs::write(&path, "listen = \"[::1]:7001\"\nworkers = 3\n").unwrap();
        let example: Example = load(&path).unwrap();
        assert_eq!((example.listen.as_str(), example.workers), ("[::1]:7001", 3));
        let missing = load::<Example>(&dir.path().join("missing.toml"));
        assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn a_misspelt_key_is_shown_in_its_line() {
        let shown = mistake("listen = \"a\"\n\twrokers = 3 # ü\n");
        assert_eq!(
            shown,
            "issuer.toml:2:2: unknown field `wrokers`, expected `listen` or `workers`\n\
             2 | \twrokers = 3 # ü\n\
             \u{20} | \t^^^^^^^"
        );
    }

    #[test]
    fn mistakes_anywhere_are_shown_without_a_panic() {
        let shown = mistake("listen = \"ü\"\nworkers = 300\n");
        assert!(shown.starts_with("issuer.toml:2:11: "), "{shown}");
        assert!(mistake("listen = ").contains("listen = "));
        assert!(mistake("").starts_with("issuer.toml:1:1: missing field `listen`"));
        assert!(mistake("listen = \"a\nb\"").contains(" | "));
        let beyond = Mistake::new(Path::new("x"), "ü\n", 1..9, "odd");
        assert!(beyond.to_string().contains("odd"));
    }
}
