//! Days and months as the protocol counts them (`docs/WIRE.md` section 1).
//!
//! A day is that of the ledger's time zone; finding out which one it is now is the services' task, not this crate's.
//! Dates are those of the proleptic Gregorian calendar. The conversion is the published one by days of eras
//! (H. Hinnant, *chrono-compatible low-level date algorithms*): years begin in March, so that the leap day is the last
//! of its year, and 400 years are always 146,097 days.

use std::fmt;

/// Days of 400 Gregorian years.
const DAYS_PER_ERA: u64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// The number of days from 1970-01-01 to a civil date in the ledger's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// A civil month as 12·year + (month − 1); January 1970 is 23,640.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Day {
    /// The day with this number of days since 1970-01-01.
    #[must_use]
    pub const fn new(days: u32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The day of a civil date: full year, month 1 to 12, day of the month from 1. `None` for a date that does not
    /// exist or lies before 1970.
    #[must_use]
    pub fn from_civil(year: u32, month: u32, day: u32) -> Option<Self> {
        if !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        // March is month 0 of a year, so January and February belong to the year before.
        let march_year = u64::from(year).checked_sub(u64::from(month <= 2))?;
        let march_month = u64::from((month + 9) % 12);
        let (era, year_of_era) = (march_year / 400, march_year % 400);
        let day_of_year = (153 * march_month + 2) / 5 + u64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self(u32::try_from((era * DAYS_PER_ERA + day_of_era).checked_sub(EPOCH)?).ok()?);
        // A day beyond the end of its month has become one of the next month.
        (found.to_civil() == (year, month, day)).then_some(found)
    }

    /// The civil date: full year, month 1 to 12, day of the month 1 to 31.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // 2^32 days are fewer than 12 million years
    pub const fn to_civil(self) -> (u32, u32, u32) {
        let days = self.0 as u64 + EPOCH;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + (month <= 2) as u64;
        (year as u32, month as u32, day as u32)
    }

    /// The month that the day lies in: `month_of` of the protocol.
    #[must_use]
    pub const fn month(self) -> Month {
        let (year, month, _) = self.to_civil();
        Month(12 * year + month - 1)
    }
}

impl Month {
    /// The month with the number 12·year + (month − 1).
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Reads what [`Month`] is written as, such as 2026-11. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let number = year.checked_mul(12)?.checked_add(month.checked_sub(1)?)?;
        Some(Self(number)).filter(|read| read.to_string() == text)
    }

    /// 12·year + (month − 1).
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The month `months` later; the last representable month if that is beyond it.
    #[must_use]
    pub const fn plus(self, months: u32) -> Self {
        Self(self.0.saturating_add(months))
    }

    /// Its first day; `None` for a month before 1970 or beyond the last day.
    #[must_use]
    pub fn first_day(self) -> Option<Day> {
        Day::from_civil(self.0 / 12, self.0 % 12 + 1, 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.to_civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut expected = (1970, 1, 1);
        for number in 0..200_000 {
            let day = Day::new(number);
            assert_eq!(day.to_civil(), expected);
            let (year, month, day) = expected;
            let length = match month {
                2 => 28 + u32::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for (year, month, day) in
            [(2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0), (2026, 1, 32)]
        {
            assert_eq!(Day::from_civil(year, month, day), None);
        }
        for (year, month, day) in
            [(1969, 12, 31), (0, 1, 1), (u32::MAX, 12, 31), (2026, u32::MAX, 1), (2026, 1, u32::MAX)]
        {
            assert_eq!(Day::from_civil(year, month, day), None);
        }
        assert_eq!(Day::from_civil(2000, 2, 29).unwrap().to_string(), "2000-02-29");
        assert_eq!(Day::from_civil(1970, 1, 1), Some(Day::new(0)));
    }

    #[test]
    fn months_are_counted_and_written() {
        let day = Day::new(20777);
        assert_eq!((day.to_string(), day.month()), ("2026-11-20".to_owned(), Month::new(24322)));
        assert_eq!(day.month().to_string(), "2026-11");
        assert_eq!(day.month().plus(2).to_string(), "2027-01");
        assert_eq!(Month::parse("2026-11"), Some(day.month()));
        for wrong in
            ["2026-13", "2026-00", "2026-1", "26-11", "+2026-11", "2026-+1", "2026-11 ", "2026", "999999999-01"]
        {
            assert_eq!(Month::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Month::new(u32::MAX - 1).plus(2), Month::new(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_date_comes_back(number: u32) {
            let (year, month, day) = Day::new(number).to_civil();
            prop_assert_eq!(Day::from_civil(year, month, day), Some(Day::new(number)));
            let of = Day::new(number).month();
            prop_assert_eq!(of.get(), 12 * year + month - 1);
            prop_assert_eq!(of.first_day(), Some(Day::new(number + 1 - day)));
        }
    }
}
