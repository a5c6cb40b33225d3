//! Where things are written: results to standard output, everything else to standard error.

use std::{
    fmt::Display,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

use serde::Serialize;
use serde_json::json;

use super::{
    args::{ColorWhen, Global},
    exit::Exit,
    printable::printable,
    problem::Problem,
};

const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// How a command may speak.
pub(super) struct Output {
    json: bool,
    quiet: bool,
    yes: bool,
    /// Colours on standard output.
    color: bool,
    /// Colours on standard error.
    error_color: bool,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        let color = |terminal: bool| match global.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            yes: global.yes,
            color: color(io::stdout().is_terminal()),
            error_color: color(io::stderr().is_terminal()),
        }
    }

    /// Whether a person reads the result.
    pub(super) fn is_terminal(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Whether a person can be shown progress.
    pub(super) fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// Whether the result may have colours.
    pub(super) fn color(&self) -> bool {
        self.color
    }

    /// A heading in the result.
    pub(super) fn bold(&self, text: &str) -> String {
        paint(self.color, BOLD, text)
    }

    /// Writes the result: text, which ends with a line end, or the document.
    pub(super) fn result(&self, text: &str, document: &impl Serialize) -> Result<(), Problem> {
        if !self.json {
            return self.text(text);
        }
        let document = serde_json::to_string(document).map_err(|error| cannot_write(&io::Error::from(error)))?;
        self.text(&(document + "\n"))
    }

    fn text(&self, text: &str) -> Result<(), Problem> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            // The reader has enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| cannot_write(&error)),
        }
    }

    /// Tells people something that is no result. Foreign parts of it must be printable.
    pub(super) fn note(&self, text: impl Display) {
        if !self.quiet {
            // What cannot be told on standard error cannot be told.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Tells why the command failed: on standard error, or as the one document.
    pub(super) fn problem(&self, problem: &Problem) {
        if self.json {
            return json_problem(problem);
        }
        let label = paint(self.error_color, RED, "error:");
        let message: String = problem.message.lines().map(printable).collect::<Vec<_>>().join("\n");
        let next = paint(self.error_color, DIM, &problem.next);
        let _ = writeln!(io::stderr(), "{label} {message}\n{next}");
    }

    /// Whether a person is there to be told and asked something.
    pub(super) fn tells_a_person(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether questions are asked, because `--yes` does not answer them all.
    pub(super) fn asks(&self) -> bool {
        !self.yes
    }

    /// Asks before money moves that the command line did not spell out, or a proof is given.
    pub(super) fn confirm(&self, question: &str) -> Result<(), Problem> {
        if self.yes {
            return Ok(());
        }
        if !self.tells_a_person() {
            return Err(Problem::usage(question, "Nobody can be asked here. Say --yes to agree."));
        }
        let mut answer = String::new();
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let read = io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim().to_ascii_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Problem::usage("not done", "Nothing was done.")),
        }
    }
}

/// Writes a problem as the one document of a command with `--json`.
pub(super) fn json_problem(problem: &Problem) {
    let Problem { reason, message, next, .. } = problem;
    let document = json!({ "error": { "reason": reason, "message": message, "next": next } });
    let _ = writeln!(io::stdout(), "{document}");
}

fn paint(color: bool, code: &str, text: &str) -> String {
    if color { format!("{code}{text}{PLAIN}") } else { text.to_owned() }
}

fn cannot_write(error: &io::Error) -> Problem {
    Problem::new(
        Exit::Fault,
        "FILE",
        format!("the command was carried out, but its result cannot be written: {error}"),
        "`farthing history` shows what happened.",
    )
}
