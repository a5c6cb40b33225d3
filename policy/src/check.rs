//! What is right or wrong about a file's values taken together.

use std::collections::BTreeMap;

use farthing_ecash::amount::Amount;
use farthing_ecash::policy::{RULES_MAX, UNLIMITED};
use toml::Spanned;

use crate::file::{ClassTable, PolicyFile};
use crate::mistake::{Collector, Fault, quote};
use crate::name::UNRESTRICTED_NAME;
use crate::suggest;
use crate::table::Read;

/// Records every mistake that no value shows by itself.
pub(crate) fn check(file: &PolicyFile, mistakes: &mut Collector) {
    unique("class", "number", file.classes.iter().map(|class| &class.number), mistakes);
    unique("class", "name", file.classes.iter().map(|class| &class.name), mistakes);
    unique("purpose", "number", file.purposes.iter().map(|purpose| &purpose.number), mistakes);
    unique("purpose", "name", file.purposes.iter().map(|purpose| &purpose.name), mistakes);
    minimum_is_money(file, mistakes);
    for class in &file.classes {
        month_holds_a_day(class, mistakes);
        accepted_purposes_exist(class, file, mistakes);
    }
    purposes_become_something(file, mistakes);
    rules_can_be_signed(file, mistakes);
}

/// Numbers stand in the log for ever, names in commands and invitations: neither may mean two things.
fn unique<'f, T>(table: &str, key: &str, values: impl Iterator<Item = &'f Read<T>>, mistakes: &mut Collector)
where
    T: Ord + std::fmt::Display + 'f,
{
    let mut first_at = BTreeMap::new();
    for value in values.flatten() {
        match first_at.get(value.get_ref()) {
            Some(byte) => {
                let fault = Fault::new(format!("another {table} has the {key} `{}`", value.get_ref()));
                mistakes.add(value.span(), fault.first_at(*byte));
            }
            None => {
                first_at.insert(value.get_ref(), value.span().start);
            }
        }
    }
}

/// Notes of value zero would cost nobody anything, but the ledger an entry each.
fn minimum_is_money(file: &PolicyFile, mistakes: &mut Collector) {
    let minimum = file.payment.as_ref().and_then(|payment| payment.minimum.as_ref());
    if let Some(minimum) = minimum.filter(|minimum| *minimum.get_ref() == Amount::ZERO) {
        let fault = Fault::new("the smallest payment cannot be 0");
        mistakes.add(minimum.span(), fault.help("at least the currency's smallest amount"));
    }
}

/// A month's cap below a day's is a slip of the pen; a month's cap without a day's is not.
fn month_holds_a_day(class: &ClassTable, mistakes: &mut Collector) {
    if let (Some(day), Some(month)) = (&class.receive_per_day, &class.receive_per_month)
        && *day.get_ref() != UNLIMITED
        && month.get_ref() < day.get_ref()
    {
        let fault = Fault::new("the cap per month is below the cap per day");
        mistakes.add(month.span(), fault.help("for a cap per month only, write per_day = \"unlimited\""));
    }
}

fn accepted_purposes_exist(class: &ClassTable, file: &PolicyFile, mistakes: &mut Collector) {
    for (position, purpose) in class.accepts.iter().enumerate() {
        if purpose.get_ref() == UNRESTRICTED_NAME {
            let fault = Fault::new("every class accepts unrestricted money");
            mistakes.add(purpose.span(), fault.help("leave it out"));
        } else if class.accepts.iter().take(position).any(|earlier| earlier.get_ref() == purpose.get_ref()) {
            mistakes.add(purpose.span(), Fault::new(format!("{} stands here twice", quote(purpose.get_ref()))));
        } else {
            known_purpose(purpose, file, false, mistakes);
        }
    }
}

fn purposes_become_something(file: &PolicyFile, mistakes: &mut Collector) {
    for purpose in &file.purposes {
        if let Some(name) = purpose.name.as_ref().filter(|name| name.get_ref() == UNRESTRICTED_NAME) {
            let fault = Fault::new(format!("`{UNRESTRICTED_NAME}` is the name of money for any purpose"));
            mistakes.add(name.span(), fault.help("choose another name"));
        }
        if let Some(becomes) = purpose.becomes.as_ref().filter(|becomes| becomes.get_ref() != UNRESTRICTED_NAME) {
            known_purpose(becomes, file, true, mistakes);
        }
    }
}

fn known_purpose(name: &Spanned<String>, file: &PolicyFile, or_unrestricted: bool, mistakes: &mut Collector) {
    let purposes = file.purposes.iter().filter_map(|purpose| Some(purpose.name.as_ref()?.get_ref().as_str()));
    let names: Vec<&str> = purposes.chain(or_unrestricted.then_some(UNRESTRICTED_NAME)).collect();
    if names.contains(&name.get_ref().as_str()) {
        return;
    }
    let fault = Fault::new(format!("there is no purpose {}", quote(name.get_ref())));
    let nearest = suggest::nearest(name.get_ref(), names.iter().copied());
    let known = if names.is_empty() {
        "this file has no [[purpose]]".to_owned()
    } else {
        format!("known: {}", names.join(", "))
    };
    mistakes.add(name.span(), fault.did_you_mean(nearest, known));
}

/// Each class takes a rule for unrestricted money and one for each purpose (see `compile.rs`).
fn rules_can_be_signed(file: &PolicyFile, mistakes: &mut Collector) {
    let rules_per_class = file.purposes.len().saturating_add(1);
    let rules = file.classes.len().saturating_mul(rules_per_class);
    if rules > RULES_MAX
        && let Some(first_above) = file.classes.get(RULES_MAX / rules_per_class)
    {
        let fault = Fault::new(format!("this class makes it {rules} rules, at most {RULES_MAX} can be signed"));
        let why = format!("each class takes {rules_per_class}: one for unrestricted money, one for each purpose");
        mistakes.add(first_above.span.clone(), fault.help(why));
    }
}
