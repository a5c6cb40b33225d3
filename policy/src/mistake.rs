//! What is wrong with a policy file, and where.

use std::fmt::Write as _;
use std::ops::Range;

/// Mistakes reported for one file. More than a person mends in one go help nobody, and a hostile file of 32 KiB
/// could otherwise yield megabytes of text.
pub const MISTAKES_MAX: usize = 100;
/// Characters of one source line that are shown; a longer line is shown around the mistake.
const SHOWN_CHARS_MAX: usize = 120;
/// Characters of a file's text that a message repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// One mistake: a position, what is wrong there, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    line: usize,
    column: usize,
    width_chars: usize,
    message: String,
    help: Option<String>,
}

impl Mistake {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1; one past the last character stands for the end of the line.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, in one line without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where that can be said.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// All mistakes of one file, in the order of their positions; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    list: Vec<Mistake>,
    left_off: usize,
}

impl Mistakes {
    /// The mistakes, by position; at most [`MISTAKES_MAX`].
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.list.iter()
    }

    /// How many mistakes there are, those above [`MISTAKES_MAX`] included.
    pub fn count(&self) -> usize {
        self.list.len().saturating_add(self.left_off)
    }

    /// Text for people: for each mistake `file:line:column: message`, the line itself with a mark under the place,
    /// and help where there is some. `source` is the text that was parsed. Control characters of the file are
    /// replaced, so that a file cannot drive the reader's terminal.
    pub fn render(&self, file_name: &str, source: &str) -> String {
        let lines: Vec<&str> = source.split('\n').collect();
        let mut out = String::new();
        for mistake in &self.list {
            let line = lines.get(mistake.line.saturating_sub(1)).copied().unwrap_or_default();
            render_one(&mut out, file_name, mistake, line);
        }
        if self.left_off > 0 {
            let _ = writeln!(out, "… and {} more", self.left_off);
        }
        let noun = if self.count() == 1 { "mistake" } else { "mistakes" };
        let _ = writeln!(out, "{} {noun} in {file_name}", self.count());
        out
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line, for logs: the first mistake and how many more there are.
impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(first) = self.list.first() {
            write!(f, "line {}, column {}: {}", first.line, first.column, first.message)?;
        }
        match self.count() {
            0 | 1 => Ok(()),
            n => write!(f, " (and {} more)", n - 1),
        }
    }
}

impl std::error::Error for Mistakes {}

/// What is wrong with one value, before it has a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    message: String,
    help: Option<String>,
    first_at: Option<usize>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), help: None, first_at: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean …?", or other help when there is nothing to suggest.
    pub(crate) fn did_you_mean(self, suggestion: Option<&str>, otherwise: impl Into<String>) -> Self {
        match suggestion {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self.help(otherwise),
        }
    }

    /// Adds the line in which the same thing stood first, given by its byte in the source.
    pub(crate) fn first_at(mut self, byte: usize) -> Self {
        self.first_at = Some(byte);
        self
    }
}

/// Collects faults with their places while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    found: Vec<(Range<usize>, Fault)>,
}

impl Collector {
    /// Records a fault at a range of bytes of the source.
    pub(crate) fn add(&mut self, span: Range<usize>, fault: Fault) {
        self.found.push((span, fault));
    }

    /// Keeps the value, or records the fault at its place.
    pub(crate) fn keep<T>(&mut self, span: &Range<usize>, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.add(span.clone(), fault)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Turns byte ranges into lines and columns, by position.
    pub(crate) fn finish(mut self, source: &str) -> Mistakes {
        self.found.sort_by_key(|(span, _)| span.start);
        let left_off = self.found.len().saturating_sub(MISTAKES_MAX);
        let list = self.found.into_iter().take(MISTAKES_MAX).map(|(span, fault)| locate(source, &span, fault));
        Mistakes { list: list.collect(), left_off }
    }
}

/// Repeats text of the file in a message: without control characters, and not too much of it.
pub(crate) fn quote(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).map(printable).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn locate(source: &str, span: &Range<usize>, fault: Fault) -> Mistake {
    let start = source.floor_char_boundary(span.start);
    let (before, after) = source.split_at(start);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (_, before_on_line) = before.split_at(line_start);
    let rest_of_line = after.split(['\n', '\r']).next().unwrap_or_default();
    let marked = rest_of_line.split_at(rest_of_line.floor_char_boundary(span.end.saturating_sub(start))).0;
    let line_of = |byte: usize| source.bytes().take(byte).filter(|b| *b == b'\n').count() + 1;
    let first_at = fault.first_at.map(|byte| format!("the first is in line {}", line_of(byte)));
    Mistake {
        line: line_of(start),
        column: before_on_line.chars().count() + 1,
        width_chars: marked.chars().count().max(1),
        message: fault.message,
        help: fault.help.or(first_at),
    }
}

fn render_one(out: &mut String, file_name: &str, mistake: &Mistake, line: &str) {
    let number = mistake.line.to_string();
    let gutter = " ".repeat(number.len());
    let first_shown = if mistake.column > SHOWN_CHARS_MAX / 2 && line.chars().nth(SHOWN_CHARS_MAX).is_some() {
        mistake.column - SHOWN_CHARS_MAX / 3
    } else {
        0
    };
    let shown: String =
        line.trim_end_matches('\r').chars().skip(first_shown).take(SHOWN_CHARS_MAX).map(printable).collect();
    let indent_chars = (mistake.column - 1).saturating_sub(first_shown);
    let width_chars = mistake.width_chars.min(SHOWN_CHARS_MAX.saturating_sub(indent_chars)).max(1);

    // Writing to a String cannot fail.
    let _ = writeln!(out, "{file_name}:{}:{}: {}", mistake.line, mistake.column, mistake.message);
    let _ = writeln!(out, "  {gutter} |");
    let _ = writeln!(out, "{}", format!("  {number} | {shown}").trim_end());
    let _ = writeln!(out, "  {gutter} | {}{}", " ".repeat(indent_chars), "^".repeat(width_chars));
    if let Some(help) = &mistake.help {
        let _ = writeln!(out, "  {gutter} = {help}");
    }
    out.push('\n');
}

/// A character as it may go to a terminal: one column, no control, no reordering of what stands around it.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
