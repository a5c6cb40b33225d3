//! Tables of the file and what may stand in them.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::{Collector, Fault, quote};
use crate::suggest;

/// A value and its place; `None` when it is missing or wrong, which has then been recorded.
pub(crate) type Read<T> = Option<Spanned<T>>;

/// What a kind of table is called, and every key that it can have.
pub(crate) struct Shape {
    /// How the file writes its head; nothing for the file itself.
    title: &'static str,
    keys: &'static [&'static str],
}

pub(crate) const ROOT: Shape = Shape {
    title: "",
    keys: &["version", "timezone", "grace", "bucket_bits", "currency", "payment", "class", "purpose"],
};
pub(crate) const CURRENCY: Shape = Shape { title: "[currency]", keys: &["code", "exponent"] };
pub(crate) const PAYMENT: Shape = Shape { title: "[payment]", keys: &["fee", "minimum", "expires_after_months"] };
pub(crate) const CLASS: Shape =
    Shape { title: "[[class]]", keys: &["number", "name", "receive", "withdraw", "redeem", "accepts"] };
pub(crate) const PURPOSE: Shape = Shape { title: "[[purpose]]", keys: &["number", "name", "becomes"] };
pub(crate) const RECEIVE: Shape = Shape { title: "`receive`", keys: &["per_day", "per_month"] };
pub(crate) const WITHDRAW: Shape = Shape { title: "`withdraw`", keys: &["per_day"] };
pub(crate) const REDEEM: Shape = Shape { title: "`redeem`", keys: &["per_day"] };
const SHAPES: [&Shape; 8] = [&ROOT, &CURRENCY, &PAYMENT, &CLASS, &PURPOSE, &RECEIVE, &WITHDRAW, &REDEEM];

impl Shape {
    /// Where its keys stand, as a message says it.
    fn place(&self) -> String {
        if self.title.is_empty() { "at the top of the file".to_owned() } else { format!("in {}", self.title) }
    }
}

/// One table of the file. Its unknown keys have been recorded.
pub(crate) struct Table<'t> {
    shape: &'static Shape,
    span: Range<usize>,
    entries: &'t DeTable<'t>,
    /// Keys that unknown ones were probably meant to be. They are not reported as missing, too.
    misspelt: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// Opens a table and records every key that it cannot have.
    pub(crate) fn open(
        shape: &'static Shape,
        span: Range<usize>,
        entries: &'t DeTable<'t>,
        mistakes: &mut Collector,
    ) -> Self {
        let mut misspelt = Vec::new();
        for key in entries.keys().filter(|key| !shape.keys.contains(&key.get_ref().as_ref())) {
            let meant = suggest::nearest(key.get_ref(), shape.keys.iter().copied());
            misspelt.extend(meant);
            mistakes.add(key.span(), unknown_key(key.get_ref(), shape, meant));
        }
        Table { shape, span, entries, misspelt }
    }

    /// Where the table begins: its header, or the whole of an inline table.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn required(&self, key: &str, mistakes: &mut Collector) -> Option<&'t Spanned<DeValue<'t>>> {
        self.required_as(&format!("`{key}`"), key, mistakes)
    }

    /// The value of a key, which a message calls `title` when it is missing.
    fn required_as(&self, title: &str, key: &str, mistakes: &mut Collector) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.entries.get(key);
        if value.is_none() && !self.misspelt.contains(&key) {
            // A [table] may stand anywhere in the file.
            let place = if title.starts_with('[') { String::new() } else { format!(" {}", self.shape.place()) };
            mistakes.add(self.span(), Fault::new(format!("{title} is missing{place}")));
        }
        value
    }

    /// A required text that `parse` understands.
    pub(crate) fn text<T>(
        &self,
        key: &str,
        mistakes: &mut Collector,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Read<T> {
        let value = self.required(key, mistakes)?;
        let parsed = read_text(&format!("`{key}`"), value).and_then(&parse).map_err(|fault| {
            // Numbers in the file are exact only as text, so amounts without quotes are the commonest slip.
            let number = match value.get_ref() {
                DeValue::Integer(number) => number.as_str(),
                DeValue::Float(number) => number.as_str(),
                _ => return fault,
            };
            if parse(number).is_ok() { fault.help(format!("write \"{number}\"")) } else { fault }
        });
        mistakes.keep(&value.span(), parsed).map(|parsed| Spanned::new(value.span(), parsed))
    }

    /// A required whole number within a range.
    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<u32>, mistakes: &mut Collector) -> Read<u32> {
        let value = self.required(key, mistakes)?;
        mistakes.keep(&value.span(), read_integer(key, value, range)).map(|number| Spanned::new(value.span(), number))
    }

    /// A whole number within a range that may be left out.
    pub(crate) fn integer_or(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        default: u32,
        mistakes: &mut Collector,
    ) -> Read<u32> {
        if self.entries.contains_key(key) {
            self.integer(key, range, mistakes)
        } else {
            Some(Spanned::new(self.span(), default))
        }
    }

    /// A list of texts that may be left out.
    pub(crate) fn texts(&self, key: &str, mistakes: &mut Collector) -> Vec<Spanned<String>> {
        let Some(value) = self.entries.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            mistakes.add(value.span(), wrong_kind(&format!("`{key}`"), value.get_ref(), "a list"));
            return Vec::new();
        };
        let read = |item: &Spanned<DeValue<'_>>| {
            let text = read_text(&format!("each item of `{key}`"), item).map(str::to_owned);
            mistakes.keep(&item.span(), text).map(|text| Spanned::new(item.span(), text))
        };
        items.iter().filter_map(read).collect()
    }

    /// A table that may be left out.
    pub(crate) fn table(&self, key: &str, shape: &'static Shape, mistakes: &mut Collector) -> Option<Table<'t>> {
        let value = self.entries.get(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            let fault = wrong_kind(&format!("`{key}`"), value.get_ref(), "a table");
            mistakes.add(value.span(), fault.help(format!("its keys: {}", shape.keys.join(", "))));
            return None;
        };
        Some(Table::open(shape, value.span(), entries, mistakes))
    }

    /// A required table.
    pub(crate) fn required_table(
        &self,
        key: &str,
        shape: &'static Shape,
        mistakes: &mut Collector,
    ) -> Option<Table<'t>> {
        self.required_as(shape.title, key, mistakes).and_then(|_| self.table(key, shape, mistakes))
    }

    /// All tables of a `[[key]]`; none when there are none.
    pub(crate) fn tables(&self, key: &str, shape: &'static Shape, mistakes: &mut Collector) -> Vec<Table<'t>> {
        let Some(value) = self.entries.get(key) else { return Vec::new() };
        let once_each = format!("write [[{key}]], once for each {key}");
        let Some(items) = value.get_ref().as_array() else {
            mistakes.add(value.span(), Fault::new(format!("`{key}` should be a list of tables")).help(once_each));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table::open(shape, item.span(), entries, mistakes)),
                None => {
                    let fault = wrong_kind(&format!("each item of `{key}`"), item.get_ref(), "a table");
                    mistakes.add(item.span(), fault.help(once_each.as_str()));
                }
            }
        }
        tables
    }

    /// All tables of a `[[key]]`, of which there must be one.
    pub(crate) fn required_tables(&self, key: &str, shape: &'static Shape, mistakes: &mut Collector) -> Vec<Table<'t>> {
        if let Some(value) = self.required_as(shape.title, key, mistakes)
            && value.get_ref().as_array().is_some_and(|items| items.is_empty())
        {
            mistakes.add(value.span(), Fault::new(format!("there must be one {} at least", shape.title)));
        }
        self.tables(key, shape, mistakes)
    }
}

fn read_text<'v>(what: &str, value: &'v Spanned<DeValue<'_>>) -> Result<&'v str, Fault> {
    value.get_ref().as_str().ok_or_else(|| wrong_kind(what, value.get_ref(), "text in quotes"))
}

fn read_integer(key: &str, value: &Spanned<DeValue<'_>>, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let Some(number) = value.get_ref().as_integer() else {
        return Err(wrong_kind(&format!("`{key}`"), value.get_ref(), "a whole number without quotes"));
    };
    // What does not fit is out of range as well.
    u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let fault = Fault::new(format!("`{key}` cannot be {}", quote(number.as_str())));
        fault.help(format!("a whole number from {} to {}", range.start(), range.end()))
    })
}

fn wrong_kind(what: &str, value: &DeValue<'_>, wanted: &str) -> Fault {
    let found = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Fault::new(format!("{what} should be {wanted}, this is {found}"))
}

/// Misspelt, at home in another table (in TOML a key belongs to the header above it), or neither.
fn unknown_key(key: &str, shape: &Shape, meant: Option<&str>) -> Fault {
    let elsewhere = match SHAPES.iter().find(|other| other.keys.contains(&key)) {
        Some(other) => format!("`{key}` belongs {}", other.place()),
        None => format!("known here: {}", shape.keys.join(", ")),
    };
    Fault::new(format!("unknown key {} {}", quote(key), shape.place())).did_you_mean(meant, elsewhere)
}

#[cfg(test)]
mod tests {
    use super::SHAPES;

    #[test]
    fn every_key_is_documented() {
        let document = include_str!("../../docs/POLICY.md");
        for key in SHAPES.iter().flat_map(|shape| shape.keys) {
            let named = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`"), format!("{key} = cap")];
            assert!(named.iter().any(|name| document.contains(name)), "{key}");
        }
    }
}
