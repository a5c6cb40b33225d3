//! What wallets were ever promised, and who waits for the end of it (docs/PROTOCOL.md section 5).
//!
//! An identity never has two live states. So when its wallet is lost, the state of the next one is signed only when no state of
//! the lost one is valid any more: the issuer remembers the last month for which it ever signed or granted one.

use farthing_ecash::{
    account::AccountKey,
    calendar::{Day, Month},
    identity::Identity,
};
use farthing_store::{Batch, Space, Store};

use crate::error::IssuerError;

/// Canonical identity → the last month in which a state of any wallet of it may be valid, u32 little-endian.
pub(crate) const VALIDITIES: Space = Space("validity");

/// Canonical identity → the account key of a wallet whose account is open and whose first state is not signed yet.
pub(crate) const WAITING: Space = Space("waiting");

/// What an identity's wallets were promised, as it was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The last month of the validity of any state; `None` when there was never one.
    pub(crate) valid_through: Option<Month>,
    /// The account of a wallet that waits for its first state.
    pub(crate) waiting: Option<AccountKey>,
}

impl Standing {
    pub(crate) async fn read(store: &Store, identity: &Identity) -> Result<Self, IssuerError> {
        let key = identity.as_str().as_bytes();
        let valid_through = match store.get(VALIDITIES, key).await? {
            Some(month) => {
                let month = month.try_into().map_err(|_| IssuerError::damaged())?;
                Some(Month::new(u32::from_le_bytes(month)))
            }
            None => None,
        };
        let waiting = match store.get(WAITING, key).await? {
            Some(account) => {
                let account = account.try_into().map_err(|_| IssuerError::damaged())?;
                Some(AccountKey::from_bytes(account).map_err(|_| IssuerError::damaged())?)
            }
            None => None,
        };
        Ok(Self { valid_through, waiting })
    }

    /// The first day on which a first state may be signed; `None` on a day when it may.
    ///
    /// A statement of the day before is accepted in the first hour of a day, so a state is dead only on the second day after
    /// the last month of its validity.
    pub(crate) fn waits_until(self, today: Day) -> Option<Day> {
        let last = self.valid_through?;
        let first = last.plus(1).first_day().and_then(|day| day.get().checked_add(1));
        let first = Day::new(first.unwrap_or(u32::MAX));
        (today < first).then_some(first)
    }

    /// The batch, applied only while nobody has promised anything else; from then on a state may be valid through `month`.
    pub(crate) fn promise(self, batch: Batch, identity: &Identity, month: Month) -> Batch {
        let key = identity.as_str().as_bytes();
        let batch = match self.valid_through {
            Some(before) => batch.expect_equals(VALIDITIES, key, before.get().to_le_bytes()),
            None => batch.expect_absent(VALIDITIES, key),
        };
        let month = self.valid_through.map_or(month, |before| before.max(month));
        batch.put(VALIDITIES, key, month.get().to_le_bytes())
    }

    /// The batch, after which nobody waits.
    pub(crate) fn end_waiting(self, batch: Batch, identity: &Identity) -> Batch {
        let key = identity.as_str().as_bytes();
        match self.waiting {
            Some(account) => batch.expect_equals(WAITING, key, account.to_bytes()).delete(WAITING, key),
            None => batch.expect_absent(WAITING, key),
        }
    }

    /// The batch, after which a wallet with this account waits.
    pub(crate) fn begin_waiting(self, batch: Batch, identity: &Identity, account: AccountKey) -> Batch {
        self.end_waiting(batch, identity).put(WAITING, identity.as_str().as_bytes(), account.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_state_is_dead_on_the_second_day_after_its_last_month() {
        let day = |month, day| Day::from_civil(2027, month, day).unwrap();
        let standing = Standing { valid_through: Some(day(6, 1).month()), waiting: None };
        for today in [day(1, 1), day(6, 30), day(7, 1)] {
            assert_eq!(standing.waits_until(today), Some(day(7, 2)));
        }
        assert_eq!(standing.waits_until(day(7, 2)), None);
        assert_eq!(Standing { valid_through: None, waiting: None }.waits_until(day(1, 1)), None);
        let never = Standing { valid_through: Some(Month::new(u32::MAX)), waiting: None };
        assert_eq!(never.waits_until(day(1, 1)), Some(Day::new(u32::MAX)));
    }
}
