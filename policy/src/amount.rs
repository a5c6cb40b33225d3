//! Amounts and caps as the file writes them: decimal strings in the currency's unit.

use farthing_ecash::amount::{Amount, AmountError, Currency};
use farthing_ecash::policy::UNLIMITED;

use crate::mistake::{Fault, quote};
use crate::suggest;

/// What a file writes for [`UNLIMITED`].
const UNLIMITED_WORD: &str = "unlimited";
/// The largest amount that a file may write. The issuer keeps all money together below 2^63 minor units
/// (`docs/WIRE.md` section 6), so more than this is a slip of the pen.
pub(crate) const AMOUNT_MAX: Amount = Amount::new((1 << 63) - 1);

/// Reads an amount: digits, and after a point no more of them than the currency has decimals.
pub(crate) fn parse(text: &str, currency: &Currency) -> Result<Amount, Fault> {
    if text == UNLIMITED_WORD {
        return Err(Fault::new("this amount cannot be unlimited"));
    }
    match currency.parse(text) {
        Ok(amount) if amount <= AMOUNT_MAX => Ok(amount),
        Ok(_) | Err(AmountError::Overflow) => {
            let fault = Fault::new(format!("{} is more than all money there can be", quote(text)));
            Err(fault.help(format!("at most {}; for no cap write \"{UNLIMITED_WORD}\"", currency.format(AMOUNT_MAX))))
        }
        Err(AmountError::TooManyDecimals { exponent }) => {
            let fault =
                Fault::new(format!("{} has more decimals than the currency, which has {exponent}", quote(text)));
            Err(fault.help("`exponent` in [currency] says how many"))
        }
        Err(_) => Err(Fault::new(format!("{} is not an amount", quote(text)))
            .help("write digits, with a point before the decimals and nothing else: \"1500\" or \"0.25\"")),
    }
}

/// Reads a cap: an amount, or `unlimited`.
pub(crate) fn parse_cap(text: &str, currency: &Currency) -> Result<Amount, Fault> {
    if text == UNLIMITED_WORD {
        return Ok(UNLIMITED);
    }
    parse(text, currency).map_err(|fault| match suggest::nearest(text, [UNLIMITED_WORD]) {
        Some(word) => fault.help(format!("did you mean `{word}`?")),
        None => fault,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farthing_ecash::amount::{Amount, Currency};

    use super::{AMOUNT_MAX, UNLIMITED, parse, parse_cap};

    fn currency(exponent: u8) -> Currency {
        Currency::new("EUR", exponent).unwrap()
    }

    #[test]
    fn amounts_become_minor_units() {
        for (text, exponent, amount) in
            [("0", 6, 0), ("10.00", 6, 10_000_000), ("0.000001", 6, 1), ("9223372036854775807", 0, AMOUNT_MAX.get())]
        {
            assert_eq!(parse(text, &currency(exponent)), Ok(Amount::new(amount)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", ".", "1.", ".5", "+1", "-1", " 1", "1e3", "1,5", "1_000", "1.2.3", "0x10", "١", "1.00", "unlimited"]
        {
            assert!(parse(text, &currency(1)).is_err(), "{text}");
        }
        assert!(parse("9223372036854775808", &currency(0)).is_err());
        assert!(parse(&"9".repeat(1000), &currency(9)).is_err());
    }

    #[test]
    fn caps_may_be_unlimited() {
        assert_eq!(parse_cap("unlimited", &currency(2)), Ok(UNLIMITED));
        assert_eq!(parse_cap("1.5", &currency(2)), Ok(Amount::new(150)));
        assert!(parse_cap("Unlimited", &currency(2)).is_err());
        assert!(parse_cap("18446744073709551615", &currency(0)).is_err());
    }
}
