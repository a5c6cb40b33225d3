//! From the checked file to the policy that programs use.

use farthing_ecash::amount::Currency;
use farthing_ecash::policy::{FILE_LENGTH_MAX, REFUND_ONLY, RuleLine, UNRESTRICTED};
use toml::de::DeTable;

use crate::check;
use crate::file::{ClassTable, PolicyFile, PurposeTable};
use crate::mistake::{Collector, Fault, Mistakes};
use crate::name::UNRESTRICTED_NAME;
use crate::policy::{Class, Policy, Purpose};

pub(crate) fn parse(source: &str) -> Result<Policy, Mistakes> {
    let mut mistakes = Collector::default();
    if source.len() > FILE_LENGTH_MAX {
        let fault =
            Fault::new(format!("the file has {} bytes, at most {FILE_LENGTH_MAX} can be published", source.len()));
        mistakes.add(FILE_LENGTH_MAX..source.len(), fault.help("shorten the comments"));
        return Err(mistakes.finish(source));
    }
    let (document, mut syntax_errors) = DeTable::parse_recoverable(source);
    let place = |error: &toml::de::Error| error.span().unwrap_or(0..0);
    syntax_errors.sort_by_key(|error| place(error).start);
    if let Some((last, before)) = syntax_errors.split_last() {
        for error in before {
            mistakes.add(place(error), Fault::new(error.message()));
        }
        // What stands after a syntax error may have lost its meaning: judging it would report what is not wrong.
        mistakes.add(place(last), Fault::new(last.message()).help("the rest is checked once the file reads as TOML"));
        return Err(mistakes.finish(source));
    }
    let policy = compile(document.get_ref(), source, &mut mistakes);
    match policy {
        Some(policy) if mistakes.is_empty() => Ok(policy),
        _ => Err(mistakes.finish(source)),
    }
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Policy, Mistakes> {
    match std::str::from_utf8(bytes) {
        Ok(source) => parse(source),
        Err(error) => {
            let mut mistakes = Collector::default();
            let at = error.valid_up_to();
            mistakes.add(at..at, Fault::new("this is not UTF-8").help("save the file as UTF-8"));
            Err(mistakes.finish(&String::from_utf8_lossy(bytes)))
        }
    }
}

/// `None` only when a mistake has been recorded.
fn compile(document: &DeTable<'_>, source: &str, mistakes: &mut Collector) -> Option<Policy> {
    let file = PolicyFile::read(document, mistakes)?;
    check::check(&file, mistakes);
    let (currency, payment) = (file.currency.as_ref()?, file.payment.as_ref()?);
    let exponent = u8::try_from(*currency.exponent.as_ref()?.get_ref()).ok()?;
    let purposes = file.purposes.iter().map(|table| purpose(table, &file)).collect::<Option<Vec<_>>>()?;
    let classes = file.classes.iter().map(|table| class(table, &purposes)).collect::<Option<Vec<_>>>()?;
    Some(Policy {
        source: source.to_owned(),
        time_zone: file.time_zone?.into_inner(),
        grace_s: file.grace_s?.into_inner(),
        bucket_bits: u8::try_from(file.bucket_bits?.into_inner()).ok()?,
        currency: Currency::new(currency.code.as_ref()?.get_ref(), exponent).ok()?,
        fee: *payment.fee.as_ref()?.get_ref(),
        minimum: *payment.minimum.as_ref()?.get_ref(),
        expires_after_months: *payment.expires_after_months.as_ref()?.get_ref(),
        rules: classes.iter().flat_map(|class| rules(class, &purposes)).collect(),
        classes,
        purposes,
    })
}

fn purpose(table: &PurposeTable, file: &PolicyFile) -> Option<Purpose> {
    let becomes = table.becomes.as_ref()?.get_ref();
    let becomes = if becomes == UNRESTRICTED_NAME {
        UNRESTRICTED
    } else {
        let has_name = |other: &&PurposeTable| other.name.as_ref().is_some_and(|name| name.get_ref() == becomes);
        *file.purposes.iter().find(has_name)?.number.as_ref()?.get_ref()
    };
    Some(Purpose { number: *table.number.as_ref()?.get_ref(), name: table.name.as_ref()?.get_ref().clone(), becomes })
}

fn class(table: &ClassTable, purposes: &[Purpose]) -> Option<Class> {
    let accepted = |name: &str| purposes.iter().find(|purpose| purpose.name == name).map(|purpose| purpose.number);
    Some(Class {
        number: *table.number.as_ref()?.get_ref(),
        name: table.name.as_ref()?.get_ref().clone(),
        receive_per_day: *table.receive_per_day.as_ref()?.get_ref(),
        receive_per_month: *table.receive_per_month.as_ref()?.get_ref(),
        withdraw_per_day: *table.withdraw_per_day.as_ref()?.get_ref(),
        redeem_per_day: *table.redeem_per_day.as_ref()?.get_ref(),
        accepts: table.accepts.iter().map(|name| accepted(name.get_ref())).collect::<Option<Vec<_>>>()?,
    })
}

/// The rules of one class: unrestricted money, then what it accepts, then – for refund only – every other purpose.
///
/// An account of any class can be credited with money of any purpose, so every class can hold every purpose. A payer
/// takes an unclaimed note back under a rule of his own class for the note's purpose (`docs/PROTOCOL.md` section 6,
/// Refund); without one his money would be lost.
fn rules(class: &Class, purposes: &[Purpose]) -> Vec<RuleLine> {
    let line = |purpose, purpose_out| RuleLine {
        class: class.number,
        purpose,
        purpose_out,
        day_cap: class.receive_per_day,
        month_cap: class.receive_per_month,
    };
    let accepts = |purpose: &&Purpose| class.accepts.contains(&purpose.number);
    let accepted = class.accepts.iter().filter_map(|number| purposes.iter().find(|purpose| purpose.number == *number));
    let others = purposes.iter().filter(|purpose| !accepts(purpose));
    std::iter::once(line(UNRESTRICTED, UNRESTRICTED))
        .chain(accepted.map(|purpose| line(purpose.number, purpose.becomes)))
        .chain(others.map(|purpose| line(purpose.number, REFUND_ONLY)))
        .collect()
}
