//! Until when wallet states are valid: as the issuance log says it for everybody, and in no other way. A validity that only one
//! wallet has would mark every claim that it makes (`docs/PROTOCOL.md` sections 5 and 8).

use farthing_ecash::{calendar::Month, entry::EntryKind, validity::ValidityCalendar};

use crate::{
    book::Edit, client::issuer::IssuerFacts, error::WalletError, record::Inbox, scan::Log, wallet::inner::Inner,
};

impl Inbox {
    /// The calendar that counts for an entry of the issuance log: the newest before it.
    fn calendar_before(&self, index: u64) -> Option<ValidityCalendar> {
        let (_, months) = self.calendars.range(..index).next_back()?;
        ValidityCalendar::new(*months).ok()
    }

    /// The newest calendar that is known.
    pub(crate) fn newest_calendar(&self) -> Option<ValidityCalendar> {
        self.calendar_before(u64::MAX)
    }

    /// Checks that a state signed in this month, with this entry of the issuance log, is valid for as long as all others.
    pub(crate) fn check_validity(&self, index: u64, month: Month, validity: Month) -> Result<(), WalletError> {
        let wrong = |what| Err(Log::Issuance.contradiction(what));
        match self.calendar_before(index).map(|calendar| calendar.validity(month)) {
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
    /// Believes the calendar that the issuer shows, if its log has it and none newer is known.
    pub(crate) async fn believe_calendar(&self, facts: &IssuerFacts) -> Result<ValidityCalendar, WalletError> {
        let (calendar, index) = (facts.calendar, facts.calendar_index);
        let (newest, known) = {
            let book = self.book.lock().await;
            let calendars = &book.inbox().calendars;
            (calendars.last_key_value().map(|(newest, _)| *newest), calendars.get(&index).copied())
        };
        if newest.is_some_and(|newest| index < newest) {
            return Err(Log::Issuance.contradiction("it shows a validity calendar that was replaced".to_owned()));
        }
        if known == Some(calendar.months()) {
            return Ok(calendar);
        }
        self.check_entry(Log::Issuance, EntryKind::Calendar, &calendar.to_bytes(), index).await?;
        let mut book = self.book.lock().await;
        let mut inbox = book.inbox().clone();
        inbox.calendars.insert(index, calendar.months());
        book.commit(vec![Edit::Inbox(inbox)]).await?;
        Ok(calendar)
    }

    /// As [`Inbox::check_validity`]; the issuer is asked again when the calendar may have changed since.
    pub(crate) async fn check_validity(&self, index: u64, month: Month, validity: Month) -> Result<(), WalletError> {
        if self.book.lock().await.inbox().check_validity(index, month, validity).is_ok() {
            return Ok(());
        }
        self.issuance().await?;
        self.book.lock().await.inbox().check_validity(index, month, validity)
    }
}
