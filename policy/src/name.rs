//! Names in the file: of classes and purposes, of the currency, of the time zone.

use jiff::tz::TimeZoneDatabase;

use crate::mistake::{Fault, quote};
use crate::suggest;

/// The name of purpose 0, money that may be used for anything.
pub const UNRESTRICTED_NAME: &str = "unrestricted";
/// Letters of a class's or purpose's name.
const NAME_CHARS_MAX: usize = 32;

/// Checks the name of a class or a purpose: it is typed in commands and shown in tables.
pub(crate) fn check(name: &str) -> Result<(), Fault> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let all_well = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if starts_well && all_well && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    Err(Fault::new(format!("{} cannot be a name", quote(name)))
        .help(format!("1 to {NAME_CHARS_MAX} of a–z, 0–9, - and _, a letter first")))
}

/// Checks a currency code, as the issuing key has it (`docs/WIRE.md` section 1).
pub(crate) fn check_currency(code: &str) -> Result<(), Fault> {
    if (3..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a currency code", quote(code)))
        .help("3 to 8 capitals A–Z, the same as in the issuing key: \"EUR\""))
}

/// Checks a time zone against the database that this program carries, so that a file is right or wrong everywhere
/// alike. Spelling counts to the letter's case: other programs read the published file as well.
pub(crate) fn check_time_zone(name: &str) -> Result<(), Fault> {
    let database = TimeZoneDatabase::bundled();
    match database.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(()),
        _ => {
            let known: Vec<String> = database.available().map(|known| known.as_str().to_owned()).collect();
            let nearest = suggest::nearest(name, known.iter().map(String::as_str));
            Err(Fault::new(format!("{} is not a time zone", quote(name)))
                .did_you_mean(nearest, "a name of the IANA time zone database: \"Europe/Luxembourg\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_currency, check_time_zone};

    #[test]
    fn names() {
        for name in ["a", "meal", "meal-2", "big_shop", &"a".repeat(32)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", "Meal", "2meal", "-a", "big shop", "café", "a\u{1b}[2J", &"a".repeat(33)] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn currency_codes() {
        assert!(["EUR", "FARTHING"].into_iter().all(|code| check_currency(code).is_ok()));
        assert!(["", "EU", "eur", "EUR1", "FARTHINGS", "ÉUR"].into_iter().all(|code| check_currency(code).is_err()));
    }

    #[test]
    fn time_zones() {
        for name in ["Europe/Luxembourg", "UTC", "America/Argentina/Buenos_Aires"] {
            assert_eq!(check_time_zone(name), Ok(()), "{name}");
        }
        for name in ["", "europe/luxembourg", "Europe/Luxemburg", "Etc/Unknown", "CEST+1", "../etc/passwd", "\0"] {
            assert!(check_time_zone(name).is_err(), "{name}");
        }
    }
}
