//! When keys change: what there is, what comes next, and the making of it (docs/PROTOCOL.md section 2).

use std::path::{Path, PathBuf};

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    keys::{KeyDates, SigningKey},
};
use farthing_service::key_files;

use super::{KeyPeriods, file_name, make};
use crate::error::RunError;

/// Days before its first day in which a key should be announced: wallets that look at the log once a month then know it before
/// it signs, and the operator has time to carry it to the redeemer.
pub const LEAD_DAYS: u32 = 30;

/// A key file.
pub struct PlannedKey {
    /// Where it is.
    pub path: PathBuf,
    /// The key.
    pub key: SigningKey,
}

/// All keys, and when the next one is due.
pub struct Plan {
    keys: Vec<PlannedKey>,
    today: Day,
}

/// What a key is good for on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its first day has not come.
    Announced,
    /// Outputs are signed under it.
    Signs,
    /// Another one signs; payments and everything else take its money.
    Accepted,
    /// Everything but payments takes its money.
    Exchanged,
    /// Its money is worth nothing any more.
    Over,
}

impl Stage {
    /// In one word or two.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Signs => "signs now",
            Self::Accepted => "accepted",
            Self::Exchanged => "exchange only",
            Self::Over => "over",
        }
    }
}

impl Plan {
    /// Reads the keys that these paths of the configuration stand for, ordered by their first days.
    ///
    /// # Errors
    /// [`RunError::KeyFile`], [`RunError::File`].
    pub fn read(paths: &[PathBuf], today: Day) -> Result<Self, RunError> {
        let keys = key_files::load_all(paths)?.into_iter().map(|(path, key)| PlannedKey { path, key });
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by_key(|planned| planned.dates().first);
        Ok(Self { keys, today })
    }

    /// The keys, ordered by their first days.
    #[must_use]
    pub fn keys(&self) -> &[PlannedKey] {
        &self.keys
    }

    /// What a key is good for today.
    #[must_use]
    pub fn stage(&self, key: &PlannedKey) -> Stage {
        let (dates, today) = (key.dates(), self.today);
        let current = self
            .keys
            .iter()
            .filter(|other| other.dates().signs_on(today))
            .max_by_key(|other| other.key.public().turn());
        if today < dates.first {
            Stage::Announced
        } else if current.is_some_and(|current| current.path == key.path) {
            Stage::Signs
        } else if today <= dates.accept_until {
            Stage::Accepted
        } else if today <= dates.exchange_until {
            Stage::Exchanged
        } else {
            Stage::Over
        }
    }

    /// The first day on which no key that is there signs, today or later.
    #[must_use]
    pub fn ends(&self) -> Day {
        let mut day = self.today;
        while let Some(last) = self
            .keys
            .iter()
            .map(PlannedKey::dates)
            .filter(|dates| dates.signs_on(day))
            .map(|dates| dates.last_issue)
            .max()
        {
            day = after(last);
        }
        day
    }

    /// The day by which a further key should be there.
    #[must_use]
    pub fn due(&self) -> Day {
        Day::new(self.ends().get().saturating_sub(LEAD_DAYS))
    }

    /// Whether that day has come.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due() <= self.today
    }

    /// The dates of the next key: from the day on which no other signs, or from `first` on.
    ///
    /// # Errors
    /// [`RunError::Rotation`] with what to do instead.
    pub fn next(&self, periods: KeyPeriods, first: Option<Day>) -> Result<KeyDates, RunError> {
        let refused = |what: String| Err(RunError::Rotation(what));
        let tomorrow = after(self.today);
        let latest = self.ends().max(tomorrow);
        let first = first.unwrap_or(latest);
        if first < tomorrow {
            return refused(format!(
                "a key has to be in the log before its first day, or wallets refuse it: the earliest is {tomorrow}"
            ));
        }
        if first > latest {
            return refused(format!("no key would sign on {latest}: the latest first day is {latest}"));
        }
        if let Some(same) = self.keys.iter().find(|key| key.dates().first == first) {
            return refused(format!(
                "{} begins on {first} too: it would not be known which signs",
                same.path.display()
            ));
        }
        Ok(periods.from(first))
    }

    /// Makes the next key, beside the newest file, or in the first folder that is named.
    ///
    /// # Errors
    /// As [`Plan::next`]; [`RunError::File`].
    pub fn rotate(
        &self,
        paths: &[PathBuf],
        currency: &Currency,
        periods: KeyPeriods,
        first: Option<Day>,
    ) -> Result<Rotated, RunError> {
        let dates = self.next(periods, first)?;
        let folder = paths.iter().find(|path| key_files::is_folder(path));
        let beside = self.keys.last().and_then(|key| key.path.parent());
        let path = folder.map(PathBuf::as_path).or(beside).unwrap_or(Path::new("")).join(file_name(dates.first));
        make(&path, currency, dates)?;
        Ok(Rotated { path, dates, is_named: folder.is_some() })
    }
}

impl PlannedKey {
    /// The days of the key.
    #[must_use]
    pub fn dates(&self) -> KeyDates {
        self.key.public().dates()
    }
}

/// A key that was made.
pub struct Rotated {
    /// Where it is.
    pub path: PathBuf,
    /// Its days.
    pub dates: KeyDates,
    /// Whether the configuration names its folder, so that a running issuer takes it up by itself.
    pub is_named: bool,
}

fn after(day: Day) -> Day {
    Day::new(day.get().saturating_add(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TODAY: Day = Day::new(20_777);

    fn periods() -> KeyPeriods {
        KeyPeriods { issue_days: 100, accept_days: 20, exchange_days: 1_000 }
    }

    fn later(days: u32) -> Day {
        Day::new(TODAY.get() + days)
    }

    #[test]
    fn keys_follow_each_other_without_a_gap_and_are_announced_before_their_first_day() {
        let home = tempfile::tempdir().unwrap();
        let paths = [home.path().join("keys")];
        let currency = Currency::new("EUR", 2).unwrap();
        let rotate = |today: Day, first: Option<Day>| {
            Plan::read(&paths, today).unwrap().rotate(&paths, &currency, periods(), first)
        };
        super::super::load_or_make(&paths, &currency, periods(), TODAY).unwrap();
        let plan = Plan::read(&paths, TODAY).unwrap();
        assert_eq!((plan.keys().len(), plan.stage(&plan.keys()[0])), (1, Stage::Signs));
        assert_eq!((plan.ends(), plan.due(), plan.is_due()), (later(100), later(70), false));
        assert!(Plan::read(&paths, later(70)).unwrap().is_due());

        // Not from today on, not with a gap, not twice for one day.
        for wrong in [TODAY, later(101)] {
            assert!(matches!(rotate(TODAY, Some(wrong)), Err(RunError::Rotation(_))));
        }
        let next = rotate(TODAY, None).unwrap();
        assert_eq!((next.dates.first, next.is_named), (later(100), true));
        assert_eq!(next.path, paths[0].join(format!("{}.key", later(100))));
        assert_eq!(next.dates, periods().from(later(100)));
        assert!(matches!(rotate(TODAY, Some(later(100))), Err(RunError::Rotation(_))));
        // A key that is needed early comes between; it signs until the later one begins.
        let early = rotate(later(10), Some(later(11))).unwrap();
        assert_eq!(early.dates.first, later(11));

        let stages = |today: Day| {
            let plan = Plan::read(&paths, today).unwrap();
            plan.keys().iter().map(|key| plan.stage(key)).collect::<Vec<_>>()
        };
        use Stage::{Accepted, Announced, Exchanged, Over, Signs};
        assert_eq!(stages(later(10)), [Signs, Announced, Announced]);
        assert_eq!(stages(later(11)), [Accepted, Signs, Announced]);
        assert_eq!(stages(later(119)), [Accepted, Accepted, Signs]);
        assert_eq!(stages(later(120)), [Exchanged, Accepted, Signs]);
        assert_eq!(stages(later(1_119)), [Exchanged, Exchanged, Exchanged]);
        assert_eq!(stages(later(1_120)), [Over, Exchanged, Exchanged]);
        // When none signs any more the next one begins tomorrow.
        assert_eq!(rotate(later(500), None).unwrap().dates.first, later(501));
    }
}
