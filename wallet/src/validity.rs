//! Until when wallet states are valid: as the issuance log says it for everybody, and in no other way. A validity that only one
//! wallet has would mark every claim that it makes (`docs/PROTOCOL.md` sections 5 and 8).

use farthing_ecash::{
    calendar::{Day, Month},
    entry::{Entry, EntryKind},
    validity::{Calendars, ValidityCalendar},
};
use farthing_ledger::{hash::Hash, tile::TILE_WIDTH};

use crate::{
    book::Edit,
    client::issuer::IssuerFacts,
    error::WalletError,
    record::{CalendarEntry, Inbox},
    scan::Log,
    trust::{not_in_log, tiles::Tiles},
    wallet::inner::Inner,
};

impl Inbox {
    /// The calendars that are known.
    pub(crate) fn calendars(&self) -> Calendars {
        let known = self.calendar_entries.iter();
        let read = |(index, entry): (&u64, &CalendarEntry)| {
            Some((*index, Day::new(entry.day), ValidityCalendar::new(entry.months).ok()?))
        };
        known.filter_map(read).collect()
    }

    /// Takes note of a calendar that stands in the log.
    pub(crate) fn learn_calendar(&mut self, index: u64, day: Day, calendar: ValidityCalendar) {
        self.calendar_entries.insert(index, CalendarEntry { day: day.get(), months: calendar.months() });
    }

    /// Checks that a state signed in this month is valid for as long as all others. Which calendar counts is settled before
    /// the month begins, so it does not matter where in the log the state is.
    pub(crate) fn check_validity(&self, month: Month, validity: Month) -> Result<(), WalletError> {
        let wrong = |what| Err(Log::Issuance.contradiction(what));
        match self.calendars().validity(month) {
            Some(published) if published == validity => Ok(()),
            Some(published) => wrong(format!(
                "it makes the wallet valid until {validity}, and by the published calendar it is until {published}: claims would \
                 show whose they are"
            )),
            None => wrong("no validity calendar is in its log".to_owned()),
        }
    }
}

impl Inner {
    /// Believes the calendars that the issuer names, as far as its log has them, and the first only if the log has none before
    /// it. What is known already stays: an answer may have been on its way while another call heard of more. Gives the
    /// one that counts in the month of the issuer's day.
    pub(crate) async fn believe_calendars(&self, facts: &IssuerFacts) -> Result<ValidityCalendar, WalletError> {
        let known = self.book.lock().await.inbox().calendars();
        let mut found = known.clone();
        let is_new = |index: &u64| known.indices().all(|known| known != *index);
        for index in facts.calendar_indices.iter().copied().filter(is_new) {
            let (day, calendar) = self.calendar_at(index).await?;
            found.insert(index, day, calendar);
        }
        if let Some(first) = found.indices().next().filter(|first| known.indices().next() != Some(*first)) {
            self.check_first_calendar(first).await?;
        }
        if found != known {
            let mut book = self.book.lock().await;
            let mut inbox = book.inbox().clone();
            for (index, day, calendar) in found.entries() {
                inbox.learn_calendar(index, day, calendar);
            }
            book.commit(vec![Edit::Inbox(inbox)]).await?;
        }
        let counts = found.of(facts.day.month());
        counts.map(|(_, calendar)| calendar).ok_or_else(|| {
            Log::Issuance.contradiction("it does not say where its log has a validity calendar".to_owned())
        })
    }

    /// A calendar that stands in the log, and the day of its entry.
    async fn calendar_at(&self, index: u64) -> Result<(Day, ValidityCalendar), WalletError> {
        let log = Log::Issuance;
        let believed = self.checkpoint_of(log, index.saturating_add(1)).await?;
        let mut tiles = Tiles::new(self.reader(log).await?, believed.size());
        let leaf = tiles.leaf(index).await?;
        let is_calendar = |entry: &Entry| entry.kind() == EntryKind::Calendar;
        let entry = Entry::from_bytes(&leaf).ok().filter(is_calendar).ok_or_else(|| not_in_log(log, index))?;
        let calendar = ValidityCalendar::from_bytes(entry.body()).map_err(|_| not_in_log(log, index))?;
        self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(&leaf)).await?;
        Ok((entry.day(), calendar))
    }

    /// Looks through the log up to the first calendar: it alone counts in its own month. In front of it are the first keys.
    async fn check_first_calendar(&self, first: u64) -> Result<(), WalletError> {
        let log = Log::Issuance;
        let believed = self.checkpoint_of(log, first).await?;
        let mut tiles = Tiles::new(self.reader(log).await?, believed.size());
        let width = u64::from(TILE_WIDTH);
        for bundle in 0..first.div_ceil(width) {
            for (index, leaf) in (bundle * width..first).zip(tiles.bundle(bundle).await?) {
                self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(&leaf)).await?;
                if leaf.first() == Some(&EntryKind::Calendar.code()) {
                    return Err(
                        log.contradiction(format!("it does not tell of the validity calendar at entry {index}"))
                    );
                }
            }
        }
        Ok(())
    }

    /// As [`Inbox::check_validity`]; the issuer is asked again when there may be a calendar that the wallet has not heard of.
    pub(crate) async fn check_validity(&self, month: Month, validity: Month) -> Result<(), WalletError> {
        if self.book.lock().await.inbox().check_validity(month, validity).is_ok() {
            return Ok(());
        }
        self.issuance().await?;
        self.book.lock().await.inbox().check_validity(month, validity)
    }
}
