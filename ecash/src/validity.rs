//! The validity calendar: until when the wallet states that are signed in a month are valid (`docs/PROTOCOL.md` section 5).
//!
//! A claim discloses the validity of its state. So that this tells nothing of a wallet, all states signed in a month have the
//! same one, and it changes for all at once: months are counted off in periods, and a state is valid to the end of the period
//! in which the next month lies. In the last month of a period everybody gets the next one: that month is the window in which
//! wallets renew.

use std::collections::BTreeMap;

use crate::{
    calendar::{Day, Month},
    encoding::Reader,
    error::DecodeError,
};

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

/// The calendars of an issuance log, and which of them counts in a month.
///
/// The first of a log counts at once. Any other counts from the month after that of its entry on, and of several of one month
/// only the last. So each month has one calendar, which stands in the log before the month begins: nobody can give states that
/// are signed in the same month validities of their own by changing it in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendars(BTreeMap<u64, (Day, ValidityCalendar)>);

impl Calendars {
    /// Takes note of an entry: its index in the log, its logical day, and what it says. In any order.
    pub fn insert(&mut self, index: u64, day: Day, calendar: ValidityCalendar) {
        self.0.insert(index, (day, calendar));
    }

    /// The calendar that counts in a month, and its index. `None` when there is none at all.
    #[must_use]
    pub fn of(&self, month: Month) -> Option<(u64, ValidityCalendar)> {
        let counts = self.0.iter().rev().find(|(_, (day, _))| day.month() < month);
        counts.or_else(|| self.0.first_key_value()).map(|(index, (_, calendar))| (*index, *calendar))
    }

    /// The validity of states signed in a month.
    #[must_use]
    pub fn validity(&self, month: Month) -> Option<Month> {
        self.of(month).map(|(_, calendar)| calendar.validity(month))
    }

    /// The calendar that was published last: it may count from the next month on only.
    #[must_use]
    pub fn newest(&self) -> Option<ValidityCalendar> {
        self.0.last_key_value().map(|(_, (_, calendar))| *calendar)
    }

    /// Index, logical day and calendar of each entry, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (u64, Day, ValidityCalendar)> {
        self.0.iter().map(|(index, (day, calendar))| (*index, *day, *calendar))
    }

    /// Indices of the entries, ascending.
    pub fn indices(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }
}

impl FromIterator<(u64, Day, ValidityCalendar)> for Calendars {
    fn from_iter<I: IntoIterator<Item = (u64, Day, ValidityCalendar)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(index, day, calendar)| (index, (day, calendar))).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
    fn a_calendar_counts_from_the_next_month_on() {
        let day = |year, month, day| Day::from_civil(year, month, day).unwrap();
        let [six, five, twelve] = [6, 5, 12].map(|months| ValidityCalendar::new(months).unwrap());
        let mut calendars = Calendars::default();
        assert_eq!((calendars.of(month(2027, 1)), calendars.newest()), (None, None));
        // The first counts at once, also for a statement of the day before.
        calendars.insert(1, day(2027, 11, 1), six);
        for at in [month(2027, 10), month(2027, 11), month(2028, 1)] {
            assert_eq!(calendars.of(at), Some((1, six)));
        }
        // On the first and on the last day of a month: for that month nothing changes. Only the last of a month counts.
        calendars.insert(7, day(2027, 12, 1), five);
        assert_eq!((calendars.of(month(2027, 12)), calendars.of(month(2028, 1))), (Some((1, six)), Some((7, five))));
        calendars.insert(9, day(2027, 12, 31), twelve);
        assert_eq!((calendars.of(month(2027, 12)), calendars.of(month(2028, 1))), (Some((1, six)), Some((9, twelve))));
        assert_eq!(calendars.validity(month(2028, 1)), Some(month(2028, 12)));
        // On the first day of the next one it is that month's no more.
        calendars.insert(12, day(2028, 1, 1), five);
        assert_eq!((calendars.of(month(2028, 1)), calendars.of(month(2028, 2))), (Some((9, twelve)), Some((12, five))));
        assert_eq!((calendars.newest(), calendars.indices().collect()), (Some(five), vec![1, 7, 9, 12]));
        // Of the first month, too, the last counts afterwards; whatever the order in which they are found.
        let early = [(3, day(2027, 11, 30), twelve), (1, day(2027, 11, 1), six)];
        let early: Calendars = early.into_iter().collect();
        assert_eq!((early.of(month(2027, 11)), early.of(month(2027, 12))), (Some((1, six)), Some((3, twelve))));
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
