//! What the issuance log may say (docs/PROTOCOL.md section 5).

use std::sync::Arc;

use farthing_ecash::{
    calendar::{Day, Month},
    entry::Entry,
    keys::PublicKey,
    renew::Grant,
    replay::Logged,
    statement::Statement,
    validity::ValidityCalendar,
};

use super::Entering;
use crate::finding::Wrong;

/// The most days for which a grant is good.
const GRANT_DAYS_MAX: u32 = 7;

impl Entering<'_> {
    /// A registration or a withdrawal.
    pub(super) fn enter_issued(&mut self, day: Day, logged: &Logged) -> Result<(), Wrong> {
        let core = logged.core();
        if core.statement() == Statement::Register {
            if let Some((_, validity)) = logged.registration() {
                self.check_validity(core.month(), validity)?;
            }
            self.books.wallets = self.books.wallets.saturating_add(1);
            self.books.count(day, |count| count.registrations += 1);
        } else {
            let amount = u128::from(core.publics().amount);
            self.books.withdrawn = self.books.withdrawn.checked_add(amount).ok_or(Wrong::TooMuch)?;
            self.books.count(day, |count| {
                count.withdrawals += 1;
                count.withdrawn = count.withdrawn.saturating_add(amount);
            });
        }
        Ok(())
    }

    /// A key is announced once, all keys of an issuer count the same money, and no two begin on one day: wallets to which only
    /// one of them is shown would be told from the others.
    pub(super) fn enter_key(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let key = PublicKey::from_bytes(entry.body()).map_err(Wrong::Unreadable)?;
        if self.books.keys.contains_key(&key.id()) {
            return Err(Wrong::KeyRepeated);
        }
        if self.books.keys.values().any(|before| before.currency() != key.currency()) {
            return Err(Wrong::KeyCurrency);
        }
        if let Some(before) = self.books.keys.values().find(|before| before.dates().first == key.dates().first) {
            return Err(Wrong::KeyTogether(before.id()));
        }
        self.books.key_entries.insert(key.id(), (self.index, entry.day()));
        Arc::make_mut(&mut self.books.keys).insert(key.id(), key);
        Ok(())
    }

    /// The first calendar counts at once, any other from the next month on.
    pub(super) fn enter_calendar(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let calendar = ValidityCalendar::from_bytes(entry.body()).map_err(Wrong::Unreadable)?;
        self.books.calendars.insert(self.index, entry.day(), calendar);
        Ok(())
    }

    /// All states that are signed in a month are valid for as long: by it no wallet is told from another.
    fn check_validity(&self, month: Month, found: Month) -> Result<(), Wrong> {
        let published = self.books.calendars.validity(month).ok_or(Wrong::CalendarMissing)?;
        if found == published { Ok(()) } else { Err(Wrong::Validity { found, published }) }
    }

    pub(super) fn enter_grant(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let grant = Grant::from_bytes(entry.body()).map_err(Wrong::Unreadable)?;
        if grant.last_day.get() > entry.day().get().saturating_add(GRANT_DAYS_MAX) {
            return Err(Wrong::GrantTooLong);
        }
        self.check_validity(entry.day().month(), grant.validity)?;
        self.known.grants.insert(self.index, entry.body().to_vec());
        self.writes.grants.push((self.index, entry.body().to_vec()));
        Ok(())
    }
}
