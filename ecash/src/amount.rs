//! Money: amounts in minor units and the currency that says how people write them (`docs/WIRE.md` section 1).

/// The most decimals that a currency may have: 10^18 minor units are the largest power of ten in 64 bits that still
/// leaves room for whole units.
const EXPONENT_MAX: u8 = 18;

/// An amount in minor units of the currency, 0 to 2^64 − 1. Arithmetic is checked; there are no negative amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Wraps a number of minor units.
    #[must_use]
    pub const fn new(minor_units: u64) -> Self {
        Self(minor_units)
    }

    /// The number of minor units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or `None` if it does not fit into 64 bits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

/// A currency code with the number of decimals of its smallest amount, as an issuing key states them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Currency {
    code: String,
    exponent: u8,
}

/// A code or exponent that no currency can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurrencyError {
    /// The code is not 3 to 8 ASCII capitals.
    #[error("a currency code is 3 to 8 capital letters A to Z, such as EUR")]
    Code,
    /// The exponent is above 18.
    #[error("a currency has at most {EXPONENT_MAX} decimals")]
    Exponent,
}

/// A text that is not an amount of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Something other than digits, with at most one point between digits.
    #[error("write an amount as digits with a decimal point, such as 3.50")]
    Malformed,
    /// More decimals than the smallest amount of the currency has.
    #[error("the amount has more than the {exponent} decimals of the currency")]
    TooManyDecimals {
        /// How many decimals the currency has.
        exponent: u8,
    },
    /// More than 2^64 − 1 minor units.
    #[error("the amount is too large")]
    Overflow,
}

impl Currency {
    /// A currency with a code of 3 to 8 ASCII capitals whose smallest amount is `10^-exponent`, exponent 0 to 18.
    ///
    /// # Errors
    /// [`CurrencyError`] says which of the two is not allowed.
    pub fn new(code: &str, exponent: u8) -> Result<Self, CurrencyError> {
        if !(3..=8).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(CurrencyError::Code);
        }
        if exponent > EXPONENT_MAX {
            return Err(CurrencyError::Exponent);
        }
        Ok(Self { code: code.to_owned(), exponent })
    }

    /// The code, 3 to 8 ASCII capitals.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The number of decimals of the smallest amount, 0 to 18.
    #[must_use]
    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// Reads an amount that a person wrote: digits, and at most one point with digits on both sides. No sign, no
    /// exponent, no separators, no white space, so that nothing is guessed about money.
    ///
    /// # Errors
    /// [`AmountError`] says what is wrong.
    pub fn parse(&self, text: &str) -> Result<Amount, AmountError> {
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::Malformed),
            Some(parts) => parts,
            None => (text, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError::Malformed);
        }
        let missing = usize::from(self.exponent)
            .checked_sub(decimals.len())
            .ok_or(AmountError::TooManyDecimals { exponent: self.exponent })?;
        whole
            .bytes()
            .chain(decimals.bytes())
            .chain(std::iter::repeat_n(b'0', missing))
            .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .map(Amount)
            .ok_or(AmountError::Overflow)
    }

    /// Writes an amount for people, without the code: two decimals (fewer only if the currency has fewer) and as many
    /// more as are not zero, such as `3.50` or `0.0001`.
    #[must_use]
    pub fn format(&self, amount: Amount) -> String {
        let unit = 10u64.pow(u32::from(self.exponent));
        let whole = amount.0 / unit;
        if self.exponent == 0 {
            return whole.to_string();
        }
        let places = usize::from(self.exponent);
        let mut decimals = format!("{:0places$}", amount.0 % unit);
        while decimals.len() > 2 && decimals.ends_with('0') {
            decimals.pop();
        }
        format!("{whole}.{decimals}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn euro() -> Currency {
        Currency::new("EUR", 6).unwrap()
    }

    #[test]
    fn codes_and_exponents_have_limits() {
        for code in ["EUR", "POINTS", "ABCDEFGH"] {
            assert_eq!(Currency::new(code, 0).unwrap().code(), code);
        }
        for code in ["", "EU", "eur", "EU1", "ABCDEFGHI", "ÉUR", "E R"] {
            assert_eq!(Currency::new(code, 2), Err(CurrencyError::Code), "{code}");
        }
        assert_eq!(Currency::new("EUR", 18).unwrap().exponent(), 18);
        assert_eq!(Currency::new("EUR", 19), Err(CurrencyError::Exponent));
    }

    #[test]
    fn amounts_are_written_with_at_least_two_decimals() {
        for (minor, text) in
            [(3_500_000, "3.50"), (100, "0.0001"), (20_000_000, "20.00"), (0, "0.00"), (1_234_567, "1.234567")]
        {
            assert_eq!(euro().format(Amount::new(minor)), text);
            assert_eq!(euro().parse(text), Ok(Amount::new(minor)));
        }
        assert_eq!(Currency::new("YEN", 0).unwrap().format(Amount::new(150)), "150");
        assert_eq!(Currency::new("DIM", 1).unwrap().format(Amount::new(150)), "15.0");
        assert_eq!(Currency::new("CENT", 2).unwrap().format(Amount::new(150)), "1.50");
        assert_eq!(Currency::new("ATTO", 18).unwrap().format(Amount::new(u64::MAX)), "18.446744073709551615");
    }

    #[test]
    fn only_plain_decimals_are_read() {
        for text in ["", ".", ".5", "5.", "1..2", "1.2.3", "-1", "+1", "1e3", "1,50", " 1", "1 ", "1_0", "٣", "0x1"] {
            assert_eq!(euro().parse(text), Err(AmountError::Malformed), "{text}");
        }
        assert_eq!(euro().parse("007.5"), Ok(Amount::new(7_500_000)));
        assert_eq!(euro().parse("1.0000000"), Err(AmountError::TooManyDecimals { exponent: 6 }));
        assert_eq!(Currency::new("YEN", 0).unwrap().parse("1.0"), Err(AmountError::TooManyDecimals { exponent: 0 }));
        assert_eq!(euro().parse("18446744073709.551615"), Ok(Amount::new(u64::MAX)));
        assert_eq!(euro().parse("18446744073709.551616"), Err(AmountError::Overflow));
        assert_eq!(euro().parse(&"9".repeat(1000)), Err(AmountError::Overflow));
    }

    #[test]
    fn sums_and_differences_are_checked() {
        let (one, most) = (Amount::new(1), Amount::new(u64::MAX));
        assert_eq!(most.checked_add(one), None);
        assert_eq!(Amount::ZERO.checked_sub(one), None);
        assert_eq!(most.checked_sub(one).and_then(|less| less.checked_add(one)), Some(most));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(minor: u64, exponent in 0u8..=18) {
            let currency = Currency::new("EUR", exponent).unwrap();
            prop_assert_eq!(currency.parse(&currency.format(Amount::new(minor))), Ok(Amount::new(minor)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _: Result<Amount, AmountError> = euro().parse(&text);
        }
    }
}
