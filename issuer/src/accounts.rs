//! Accounts: a balance for each purpose, and what was withdrawn and redeemed.
//!
//! A change reads the account, and its batch expects to find it so; who loses a race reads again. Nothing is locked.

use std::collections::BTreeMap;

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    identity::Identity,
    policy::{UNLIMITED, UNRESTRICTED},
};
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store};

use crate::{error::IssuerError, supply::Totals};

/// Account and purpose u32 → balance u64, little-endian.
const BALANCES: Space = Space("balance");

/// Account → [`Turnover`]. Those written before there was money for a purpose have none of it, and are as long as one of an
/// account without any.
const TURNOVERS: Space = Space("turnover");

/// Times that a change is tried again because others change the same account. More requests than this are not let in at
/// once, and of those that race one always wins.
pub(crate) const RACES_MAX: usize = 512;

/// What was withdrawn and redeemed: on one day, and from the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Turnover {
    day: u32,
    /// Of all purposes.
    withdrawn_on_day: u64,
    /// Of all purposes.
    withdrawn: u64,
    redeemed: u64,
    /// How much of `withdrawn` was for one purpose, by its number.
    restricted: BTreeMap<u32, u64>,
}

impl Turnover {
    /// Day and sums, and after them 12 bytes for each purpose.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.day.to_le_bytes().to_vec();
        for sum in [self.withdrawn_on_day, self.withdrawn, self.redeemed] {
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        for (purpose, sum) in &self.restricted {
            bytes.extend_from_slice(&purpose.to_le_bytes());
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, IssuerError> {
        let mut rest = bytes;
        let day = u32::from_le_bytes(take(&mut rest)?);
        let [withdrawn_on_day, withdrawn, redeemed] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?];
        let mut restricted = BTreeMap::new();
        while !rest.is_empty() {
            restricted.insert(u32::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?));
        }
        let [withdrawn_on_day, withdrawn, redeemed] = [withdrawn_on_day, withdrawn, redeemed].map(u64::from_le_bytes);
        Ok(Self { day, withdrawn_on_day, withdrawn, redeemed, restricted })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], IssuerError> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(IssuerError::damaged)?;
    *bytes = rest;
    Ok(*taken)
}

/// All accounts, in the store.
#[derive(Clone)]
pub(crate) struct Accounts {
    store: Store,
}

/// An account's money of one purpose, as it was read.
pub(crate) struct Account {
    purpose: u32,
    balance_key: Vec<u8>,
    turnover_key: [u8; 32],
    balance: Amount,
    turnover: Turnover,
    stored_balance: Option<Vec<u8>>,
    stored_turnover: Option<Vec<u8>>,
}

/// What an account holds.
#[derive(Debug, Default)]
pub(crate) struct Balances {
    pub(crate) unrestricted: Amount,
    /// By number of the purpose.
    pub(crate) restricted: BTreeMap<u32, Amount>,
}

impl Accounts {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Reads an account. One that was never used is empty.
    pub(crate) async fn read(&self, identity: &Identity, purpose: u32) -> Result<Account, IssuerError> {
        // Identities can be longer than keys; their hash in the directory stands for them.
        let turnover_key = identity.pid().directory_hash();
        let balance_key = [&turnover_key[..], &purpose.to_le_bytes()].concat();
        let stored_balance = self.store.get(BALANCES, &balance_key).await?;
        let balance = stored_balance.as_deref().map(balance_of).transpose()?.unwrap_or_default();
        let stored_turnover = self.store.get(TURNOVERS, &turnover_key).await?;
        let turnover = stored_turnover.as_deref().map(Turnover::from_bytes).transpose()?.unwrap_or_default();
        Ok(Account { purpose, balance_key, turnover_key, balance, turnover, stored_balance, stored_turnover })
    }

    /// What an account holds: for anything, and for each purpose of which it has something, in the order of their numbers.
    pub(crate) async fn balances(&self, identity: &Identity) -> Result<Balances, IssuerError> {
        let account = identity.pid().directory_hash();
        let mut balances = Balances::default();
        for (key, balance) in self.store.scan_prefix(BALANCES, &account, READ_ITEMS_MAX).await? {
            let purpose = key.get(account.len()..).and_then(|purpose| purpose.try_into().ok());
            let purpose = u32::from_le_bytes(purpose.ok_or_else(IssuerError::damaged)?);
            match balance_of(&balance)? {
                balance if purpose == UNRESTRICTED => balances.unrestricted = balance,
                Amount::ZERO => {}
                balance => drop(balances.restricted.insert(purpose, balance)),
            }
        }
        Ok(balances)
    }

    /// Adds up what all accounts withdrew and redeemed.
    pub(crate) async fn totals(&self) -> Result<Totals, IssuerError> {
        let mut totals = Totals::default();
        self.for_all(|turnover| {
            totals.withdrawn = add(totals.withdrawn, turnover.withdrawn)?;
            totals.redeemed = add(totals.redeemed, turnover.redeemed)?;
            Ok(())
        })
        .await?;
        Ok(totals)
    }

    /// How much of what all accounts withdrew was for one purpose, by its number. Reads all of them.
    pub(crate) async fn restricted_withdrawn(&self) -> Result<BTreeMap<u32, Amount>, IssuerError> {
        let mut sums: BTreeMap<u32, Amount> = BTreeMap::new();
        self.for_all(|turnover| {
            for (purpose, part) in &turnover.restricted {
                let sum = sums.entry(*purpose).or_default();
                *sum = add(*sum, *part)?;
            }
            Ok(())
        })
        .await?;
        Ok(sums)
    }

    async fn for_all(&self, mut visit: impl FnMut(&Turnover) -> Result<(), IssuerError>) -> Result<(), IssuerError> {
        let mut from = Vec::new();
        loop {
            let page = self.store.scan(TURNOVERS, &from, READ_ITEMS_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = [last, &[0][..]].concat();
            for (_, bytes) in &page {
                visit(&Turnover::from_bytes(bytes)?)?;
            }
        }
    }
}

impl Account {
    /// What it holds.
    pub(crate) fn balance(&self) -> Amount {
        self.balance
    }

    /// What was withdrawn from it on a day, of all purposes.
    pub(crate) fn withdrawn_on(&self, day: Day) -> Amount {
        Amount::new(if self.turnover.day == day.get() { self.turnover.withdrawn_on_day } else { 0 })
    }

    /// What may still be withdrawn on a day; `None` when there is no cap.
    pub(crate) fn left_on(&self, day: Day, cap: Amount) -> Option<Amount> {
        let left = cap.get().saturating_sub(self.withdrawn_on(day).get());
        (cap != UNLIMITED).then_some(Amount::new(left))
    }

    /// Checks that `amount` can be taken out of it on `day`, within the cap of its class.
    pub(crate) fn check_withdrawal(&self, amount: Amount, day: Day, cap: Amount) -> Result<(), IssuerError> {
        if let Some(left) = self.left_on(day, cap).filter(|left| amount > *left) {
            return Err(IssuerError::WithdrawCap { left });
        }
        if amount > self.balance {
            return Err(IssuerError::InsufficientBalance { available: self.balance });
        }
        Ok(())
    }

    /// Takes `amount` out of it on `day`.
    pub(crate) fn withdraw(&self, batch: Batch, amount: Amount, day: Day, cap: Amount) -> Result<Batch, IssuerError> {
        self.check_withdrawal(amount, day, cap)?;
        let no_room = || IssuerError::SupplyCap { left: Amount::ZERO };
        let balance = self.balance.checked_sub(amount).ok_or_else(no_room)?;
        let on_day = self.withdrawn_on(day).checked_add(amount).ok_or_else(no_room)?;
        let mut turnover = self.turnover.clone();
        (turnover.day, turnover.withdrawn_on_day) = (day.get(), on_day.get());
        turnover.withdrawn = turnover.withdrawn.checked_add(amount.get()).ok_or_else(no_room)?;
        if self.purpose != UNRESTRICTED {
            let part = turnover.restricted.entry(self.purpose).or_default();
            *part = part.checked_add(amount.get()).ok_or_else(no_room)?;
        }
        Ok(self.put_turnover(self.put_balance(batch, balance), &turnover))
    }

    /// Adds money that the operator received. Answers the new balance too.
    pub(crate) fn credit(&self, batch: Batch, amount: Amount) -> Result<(Batch, Amount), IssuerError> {
        let too_much = || IssuerError::field("amount", "the balance would leave 64 bits");
        let balance = self.balance.checked_add(amount).ok_or_else(too_much)?;
        Ok((self.put_balance(batch, balance), balance))
    }

    /// Adds money that comes back from wallets.
    pub(crate) fn redeem(&self, batch: Batch, amount: Amount) -> Result<Batch, IssuerError> {
        let (batch, _) = self.credit(batch, amount)?;
        let redeemed = self.turnover.redeemed.checked_add(amount.get());
        let redeemed = redeemed.ok_or(IssuerError::SupplyCap { left: Amount::ZERO })?;
        Ok(self.put_turnover(batch, &Turnover { redeemed, ..self.turnover.clone() }))
    }

    /// Whether a batch was not applied because the account has changed since it was read.
    pub(crate) fn has_changed(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Conflict { space: BALANCES | TURNOVERS, .. })
    }

    fn put_balance(&self, batch: Batch, balance: Amount) -> Batch {
        let batch = expect(batch, BALANCES, &self.balance_key, self.stored_balance.as_ref());
        batch.put(BALANCES, &*self.balance_key, balance.get().to_le_bytes())
    }

    fn put_turnover(&self, batch: Batch, turnover: &Turnover) -> Batch {
        let batch = expect(batch, TURNOVERS, &self.turnover_key, self.stored_turnover.as_ref());
        batch.put(TURNOVERS, self.turnover_key, turnover.to_bytes())
    }
}

fn add(sum: Amount, part: u64) -> Result<Amount, IssuerError> {
    sum.checked_add(Amount::new(part)).ok_or_else(IssuerError::damaged)
}

fn balance_of(stored: &[u8]) -> Result<Amount, IssuerError> {
    let bytes = stored.try_into().map_err(|_| IssuerError::damaged())?;
    Ok(Amount::new(u64::from_le_bytes(bytes)))
}

fn expect(batch: Batch, space: Space, key: &[u8], stored: Option<&Vec<u8>>) -> Batch {
    match stored {
        Some(value) => batch.expect_equals(space, key, value.as_slice()),
        None => batch.expect_absent(space, key),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn turnovers_from_before_there_were_purposes_are_read() {
        let old = [&7u32.to_le_bytes()[..], &1u64.to_le_bytes(), &2u64.to_le_bytes(), &3u64.to_le_bytes()].concat();
        let mut turnover = Turnover::from_bytes(&old).unwrap();
        let restricted = BTreeMap::new();
        assert_eq!(turnover, Turnover { day: 7, withdrawn_on_day: 1, withdrawn: 2, redeemed: 3, restricted });
        assert_eq!(turnover.to_bytes(), old);
        turnover.restricted.extend([(1, 5), (u32::MAX - 1, u64::MAX)]);
        let bytes = turnover.to_bytes();
        assert_eq!(Turnover::from_bytes(&bytes).unwrap(), turnover);
        for length in (0..bytes.len()).filter(|length| ![28, 40].contains(length)) {
            assert!(Turnover::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
