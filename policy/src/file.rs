//! The file as it is written: each value with its place. Whatever is unknown, missing or cannot be understood has been
//! recorded, and is absent here.

use std::ops::Range;

use farthing_ecash::amount::{Amount, Currency};
use farthing_ecash::policy::{REFUND_ONLY, UNLIMITED};
use toml::Spanned;
use toml::de::DeTable;

use crate::amount;
use crate::mistake::{Collector, Fault};
use crate::table::{CLASS, CURRENCY, PAYMENT, PURPOSE, RECEIVE, REDEEM, ROOT, Read, Shape, Table, WITHDRAW};
use crate::{duration, name};

/// The version of the file's language that this program reads.
const FILE_VERSION: u32 = 1;
/// What `expires_after_months` is when the file does not say (`docs/PROTOCOL.md` section 6, Pay).
const EXPIRES_AFTER_MONTHS: u32 = 2;
/// The most decimals of a currency, as in an issuing key.
const EXPONENT_MAX: u8 = 18;
/// The longest time until a note expires: ten years.
const EXPIRES_AFTER_MONTHS_MAX: u32 = 120;
/// With 16 bits, buckets of 1,024 wallets (`docs/PROTOCOL.md` section 8) take 67 million wallets.
const BUCKET_BITS_MAX: u32 = 16;
/// The whole file.
pub(crate) struct PolicyFile {
    pub(crate) time_zone: Read<String>,
    pub(crate) grace_s: Read<u64>,
    pub(crate) bucket_bits: Read<u32>,
    pub(crate) currency: Option<CurrencyTable>,
    pub(crate) payment: Option<PaymentTable>,
    pub(crate) classes: Vec<ClassTable>,
    pub(crate) purposes: Vec<PurposeTable>,
}

/// `[currency]`
pub(crate) struct CurrencyTable {
    pub(crate) code: Read<String>,
    pub(crate) exponent: Read<u32>,
}

/// `[payment]`
pub(crate) struct PaymentTable {
    pub(crate) fee: Read<Amount>,
    pub(crate) minimum: Read<Amount>,
    pub(crate) expires_after_months: Read<u32>,
}

/// `[[class]]`
pub(crate) struct ClassTable {
    pub(crate) span: Range<usize>,
    pub(crate) number: Read<u32>,
    pub(crate) name: Read<String>,
    pub(crate) receive_per_day: Read<Amount>,
    pub(crate) receive_per_month: Read<Amount>,
    pub(crate) withdraw_per_day: Read<Amount>,
    pub(crate) redeem_per_day: Read<Amount>,
    pub(crate) accepts: Vec<Spanned<String>>,
}

/// `[[purpose]]`
pub(crate) struct PurposeTable {
    pub(crate) number: Read<u32>,
    pub(crate) name: Read<String>,
    pub(crate) becomes: Read<String>,
}

impl PolicyFile {
    /// Reads a document. `None` when it is written for another version of this language, for then nothing else about
    /// it can be judged.
    pub(crate) fn read(document: &DeTable<'_>, mistakes: &mut Collector) -> Option<PolicyFile> {
        if let Some(version) = other_version(document) {
            let fault = Fault::new(format!("version {} is not known", version.get_ref()));
            mistakes.add(version.span(), fault.help(format!("this program reads version {FILE_VERSION}")));
            return None;
        }
        let root = Table::open(&ROOT, 0..0, document, mistakes);
        root.integer("version", FILE_VERSION..=FILE_VERSION, mistakes);
        let time_zone = root.text("timezone", mistakes, |name| name::check_time_zone(name).map(|()| name.to_owned()));
        let grace_s = root.text("grace", mistakes, duration::parse_grace);
        let bucket_bits = root.integer_or("bucket_bits", 0..=BUCKET_BITS_MAX, 0, mistakes);
        let currency = root.required_table("currency", &CURRENCY, mistakes).map(|table| CurrencyTable {
            code: table.text("code", mistakes, |code| name::check_currency(code).map(|()| code.to_owned())),
            exponent: table.integer("exponent", 0..=u32::from(EXPONENT_MAX), mistakes),
        });
        let unit = unit(currency.as_ref());
        let unit = unit.as_ref();
        let payment =
            root.required_table("payment", &PAYMENT, mistakes).map(|table| PaymentTable::read(&table, unit, mistakes));
        let classes = root.required_tables("class", &CLASS, mistakes);
        let classes = classes.iter().map(|table| ClassTable::read(table, unit, mistakes)).collect();
        let purposes = root.tables("purpose", &PURPOSE, mistakes);
        let purposes = purposes.iter().map(|table| PurposeTable::read(table, mistakes)).collect();
        Some(PolicyFile { time_zone, grace_s, bucket_bits, currency, payment, classes, purposes })
    }
}

/// What amounts are counted in. Where only the code is wrong, they can still be judged: XXX is ISO 4217's "no currency".
fn unit(currency: Option<&CurrencyTable>) -> Option<Currency> {
    let currency = currency?;
    let exponent = u8::try_from(*currency.exponent.as_ref()?.get_ref()).ok()?;
    let code = currency.code.as_ref().map_or("XXX", |code| code.get_ref().as_str());
    Currency::new(code, exponent).ok()
}

/// The file's version when it is a number, but not ours.
fn other_version(document: &DeTable<'_>) -> Option<Spanned<u32>> {
    let mut unreported = Collector::default();
    let root = Table::open(&ROOT, 0..0, document, &mut unreported);
    root.integer("version", 0..=u32::MAX, &mut unreported).filter(|version| *version.get_ref() != FILE_VERSION)
}

impl PaymentTable {
    fn read(table: &Table<'_>, unit: Option<&Currency>, mistakes: &mut Collector) -> Self {
        PaymentTable {
            fee: read_amount(table, "fee", unit, amount::parse, mistakes),
            minimum: read_amount(table, "minimum", unit, amount::parse, mistakes),
            expires_after_months: table.integer_or(
                "expires_after_months",
                1..=EXPIRES_AFTER_MONTHS_MAX,
                EXPIRES_AFTER_MONTHS,
                mistakes,
            ),
        }
    }
}

impl ClassTable {
    fn read(table: &Table<'_>, unit: Option<&Currency>, mistakes: &mut Collector) -> Self {
        let number = table.integer("number", 1..=u32::MAX, mistakes);
        let name = read_name(table, mistakes);
        let (receive_per_day, receive_per_month) = table
            .required_table("receive", &RECEIVE, mistakes)
            .map(|receive| {
                let per_day = read_amount(&receive, "per_day", unit, amount::parse_cap, mistakes);
                (per_day, read_amount(&receive, "per_month", unit, amount::parse_cap, mistakes))
            })
            .unwrap_or_default();
        ClassTable {
            span: table.span(),
            number,
            name,
            receive_per_day,
            receive_per_month,
            withdraw_per_day: read_account_cap(table, "withdraw", &WITHDRAW, unit, mistakes),
            redeem_per_day: read_account_cap(table, "redeem", &REDEEM, unit, mistakes),
            accepts: table.texts("accepts", mistakes),
        }
    }
}

/// `withdraw` or `redeem` of a class: unlimited when left out.
fn read_account_cap(
    class: &Table<'_>,
    key: &str,
    shape: &'static Shape,
    unit: Option<&Currency>,
    mistakes: &mut Collector,
) -> Read<Amount> {
    match class.table(key, shape, mistakes) {
        Some(table) => read_amount(&table, "per_day", unit, amount::parse_cap, mistakes),
        None => Some(Spanned::new(class.span(), UNLIMITED)),
    }
}

impl PurposeTable {
    fn read(table: &Table<'_>, mistakes: &mut Collector) -> Self {
        PurposeTable {
            number: table.integer("number", 1..=REFUND_ONLY - 1, mistakes),
            name: read_name(table, mistakes),
            becomes: table.text("becomes", mistakes, |text| Ok(text.to_owned())),
        }
    }
}

fn read_name(table: &Table<'_>, mistakes: &mut Collector) -> Read<String> {
    table.text("name", mistakes, |name| name::check(name).map(|()| name.to_owned()))
}

/// An amount or a cap. Without a unit it cannot be judged.
fn read_amount(
    table: &Table<'_>,
    key: &str,
    unit: Option<&Currency>,
    parse: fn(&str, &Currency) -> Result<Amount, Fault>,
    mistakes: &mut Collector,
) -> Read<Amount> {
    let amount = table.text(key, mistakes, |text| unit.map(|unit| parse(text, unit)).transpose())?;
    let span = amount.span();
    amount.into_inner().map(|amount| Spanned::new(span, amount))
}
