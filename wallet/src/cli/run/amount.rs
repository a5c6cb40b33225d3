//! Amounts on the command line.

use farthing_ecash::amount::{AmountError, Currency};

use crate::cli::problem::Problem;

/// Refuses what is no amount in any currency, before the wallet is opened or anybody is asked.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    // The most decimals that a currency may have. What is too large for it may be right for another.
    let finest = Currency::new("XXX", 18).map_err(|error| Problem::usage(error.to_string(), ""))?;
    match finest.parse(text) {
        Ok(_) | Err(AmountError::Overflow) => Ok(()),
        Err(error) => Err(wrong(text, &error)),
    }
}

/// The amount in minor units, above zero.
pub(super) fn parse(text: &str, currency: &Currency) -> Result<u64, Problem> {
    let amount = currency.parse(text).map_err(|error| wrong(text, &error))?;
    if amount.get() == 0 {
        return Err(Problem::usage(format!("the amount {text} is nothing"), "Give an amount above zero."));
    }
    Ok(amount.get())
}

fn wrong(text: &str, error: &AmountError) -> Problem {
    let next = match error {
        AmountError::TooManyDecimals { exponent } => format!("Give at most {exponent} decimals."),
        _ => "Give an amount such as 3.50, without a sign, separators or the currency.".to_owned(),
    };
    Problem::usage(format!("cannot take {text:?} as an amount: {error}"), next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn amounts_are_in_the_decimals_of_the_currency() {
        let euro = Currency::new("EUR", 2).unwrap();
        assert_eq!(parse("3.50", &euro), Ok(350));
        let problem = parse("3.505", &euro).unwrap_err();
        assert!(problem.message.contains("3.505") && problem.next.contains("at most 2 decimals"), "{problem:?}");
        assert!(parse("0.00", &euro).is_err());
    }

    #[test]
    fn what_is_no_amount_anywhere_is_refused_at_once() {
        for text in ["", "x", "-1", "1,50", "1.", "1.0000000000000000000"] {
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["0", "1000000000", "0.000000000000000001"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
