//! The validity calendar: until when the wallet states that are signed in a month are valid (`docs/PROTOCOL.md` section 5).
//!
//! A claim discloses the validity of its state. So that this tells nothing of a wallet, all states signed in a month have the
//! same one, and it changes for all at once: months are counted off in periods, and a state is valid to the end of the period
//! in which the next month lies. In the last month of a period everybody gets the next one: that month is the window in which
//! wallets renew.

use crate::{calendar::Month, encoding::Reader, error::DecodeError};

/// The longest period: ten years.
const PERIOD_MONTHS_MAX: u32 = 120;

/// A validity calendar: the body of its log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidityCalendar {
    months: u32,
}

impl ValidityCalendar {
    /// Periods of so many months, 1 to 120. They begin at the multiples of it: those of six months in January and July.
    ///
    /// # Errors
    /// [`DecodeError::Field`] for another length.
    pub const fn new(months: u32) -> Result<Self, DecodeError> {
        match months {
            1..=PERIOD_MONTHS_MAX => Ok(Self { months }),
            _ => Err(DecodeError::Field("months of a validity period")),
        }
    }

    /// Months of a period.
    #[must_use]
    pub const fn months(self) -> u32 {
        self.months
    }

    /// The validity of states signed in a month: the last month of the period of the month after it.
    #[must_use]
    pub const fn validity(self, month: Month) -> Month {
        let next = month.plus(1).get();
        Month::new(next - next % self.months).plus(self.months - 1)
    }

    /// Whether a state of this validity is to be renewed in a month: others that are signed now are valid for longer.
    #[must_use]
    pub fn is_due(self, validity: Month, month: Month) -> bool {
        validity < self.validity(month)
    }

    /// The 4 bytes of its entry: months of a period.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        self.months.to_le_bytes().to_vec()
    }

    /// Reads what [`ValidityCalendar::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for another length, and for a period that is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let calendar = Self::new(reader.u32()?)?;
        reader.end()?;
        Ok(calendar)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calendar::Day;

    fn month(year: u32, month: u32) -> Month {
        Day::from_civil(year, month, 1).unwrap().month()
    }

    #[test]
    fn the_last_month_of_a_period_is_the_window() {
        let calendar = ValidityCalendar::new(6).unwrap();
        let (june, december) = (month(2027, 6), month(2027, 12));
        for number in 1..=5 {
            assert_eq!(calendar.validity(month(2027, number)), june);
            assert!(!calendar.is_due(june, month(2027, number)));
        }
        for number in 6..=11 {
            assert_eq!(calendar.validity(month(2027, number)), december);
            assert!(calendar.is_due(june, month(2027, number)));
        }
        assert_eq!(calendar.validity(december), month(2028, 6));
        // A state from before the calendar that is valid for longer stays.
        assert!(!calendar.is_due(december, june));
    }

    #[test]
    fn states_are_valid_in_the_month_after_theirs() {
        for months in [1, 2, 5, 12, PERIOD_MONTHS_MAX] {
            let calendar = ValidityCalendar::new(months).unwrap();
            for number in 24_000..24_300 {
                let (today, validity) = (Month::new(number), calendar.validity(Month::new(number)));
                assert!(validity >= today.plus(1) && validity <= today.plus(months));
                assert!(calendar.validity(today.plus(1)) >= validity);
            }
        }
        assert_eq!(ValidityCalendar::new(7).unwrap().validity(Month::new(u32::MAX)), Month::new(u32::MAX));
    }

    #[test]
    fn bytes_are_read_strictly() {
        let calendar = ValidityCalendar::new(6).unwrap();
        assert_eq!(calendar.to_bytes(), [6, 0, 0, 0]);
        assert_eq!(ValidityCalendar::from_bytes(&calendar.to_bytes()), Ok(calendar));
        for months in [0, PERIOD_MONTHS_MAX + 1, u32::MAX] {
            let refused = ValidityCalendar::from_bytes(&months.to_le_bytes());
            assert_eq!(refused, Err(DecodeError::Field("months of a validity period")));
        }
        assert_eq!(ValidityCalendar::from_bytes(&[6, 0, 0]), Err(DecodeError::Truncated));
        assert_eq!(ValidityCalendar::from_bytes(&[6, 0, 0, 0, 0]), Err(DecodeError::TrailingBytes));
    }
}
