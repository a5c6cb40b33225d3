//! Accounts: a balance for each purpose, and what was withdrawn and redeemed.
//!
//! A change reads the account, and its batch expects to find it so; who loses a race reads again. Nothing is locked.

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

/// Account → [`Turnover`].
const TURNOVERS: Space = Space("turnover");

/// Times that a change is tried again because others change the same account. More requests than this are not let in at
/// once, and of those that race one always wins.
pub(crate) const RACES_MAX: usize = 512;

/// What was withdrawn and redeemed: on one day, and from the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Turnover {
    day: u32,
    withdrawn_on_day: u64,
    withdrawn: u64,
    redeemed: u64,
}

impl Turnover {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.day.to_le_bytes().to_vec();
        for sum in [self.withdrawn_on_day, self.withdrawn, self.redeemed] {
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, IssuerError> {
        let (day, sums) = bytes.split_first_chunk().ok_or_else(IssuerError::damaged)?;
        let ([on_day, withdrawn, redeemed], []) = sums.as_chunks() else { return Err(IssuerError::damaged()) };
        Ok(Self {
            day: u32::from_le_bytes(*day),
            withdrawn_on_day: u64::from_le_bytes(*on_day),
            withdrawn: u64::from_le_bytes(*withdrawn),
            redeemed: u64::from_le_bytes(*redeemed),
        })
    }
}

/// All accounts, in the store.
#[derive(Clone)]
pub(crate) struct Accounts {
    store: Store,
}

/// An account's money of one purpose, as it was read.
pub(crate) struct Account {
    balance_key: Vec<u8>,
    turnover_key: [u8; 32],
    balance: Amount,
    turnover: Turnover,
    stored_balance: Option<Vec<u8>>,
    stored_turnover: Option<Vec<u8>>,
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
        let balance = match &stored_balance {
            Some(bytes) => u64::from_le_bytes(bytes.as_slice().try_into().map_err(|_| IssuerError::damaged())?),
            None => 0,
        };
        let stored_turnover = self.store.get(TURNOVERS, &turnover_key).await?;
        let turnover = stored_turnover.as_deref().map(Turnover::from_bytes).transpose()?.unwrap_or_default();
        let balance = Amount::new(balance);
        Ok(Account { balance_key, turnover_key, balance, turnover, stored_balance, stored_turnover })
    }

    /// The balance of unrestricted money.
    pub(crate) async fn balance(&self, identity: &Identity) -> Result<Amount, IssuerError> {
        Ok(self.read(identity, UNRESTRICTED).await?.balance)
    }

    /// Adds up what all accounts withdrew and redeemed.
    pub(crate) async fn totals(&self) -> Result<Totals, IssuerError> {
        let mut totals = Totals::default();
        let mut from = Vec::new();
        loop {
            let page = self.store.scan(TURNOVERS, &from, READ_ITEMS_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(totals) };
            from = [last, &[0][..]].concat();
            for (_, bytes) in &page {
                let turnover = Turnover::from_bytes(bytes)?;
                let add = |sum: Amount, part| sum.checked_add(Amount::new(part)).ok_or_else(IssuerError::damaged);
                totals.withdrawn = add(totals.withdrawn, turnover.withdrawn)?;
                totals.redeemed = add(totals.redeemed, turnover.redeemed)?;
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
        let withdrawn = self.turnover.withdrawn.checked_add(amount.get()).ok_or_else(no_room)?;
        let turnover = Turnover { day: day.get(), withdrawn_on_day: on_day.get(), withdrawn, ..self.turnover };
        Ok(self.put_turnover(self.put_balance(batch, balance), turnover))
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
        Ok(self.put_turnover(batch, Turnover { redeemed, ..self.turnover }))
    }

    /// Whether a batch was not applied because the account has changed since it was read.
    pub(crate) fn has_changed(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Conflict { space: BALANCES | TURNOVERS, .. })
    }

    fn put_balance(&self, batch: Batch, balance: Amount) -> Batch {
        let batch = expect(batch, BALANCES, &self.balance_key, self.stored_balance.as_ref());
        batch.put(BALANCES, &*self.balance_key, balance.get().to_le_bytes())
    }

    fn put_turnover(&self, batch: Batch, turnover: Turnover) -> Batch {
        let batch = expect(batch, TURNOVERS, &self.turnover_key, self.stored_turnover.as_ref());
        batch.put(TURNOVERS, self.turnover_key, turnover.to_bytes())
    }
}

fn expect(batch: Batch, space: Space, key: &[u8], stored: Option<&Vec<u8>>) -> Batch {
    match stored {
        Some(value) => batch.expect_equals(space, key, value.as_slice()),
        None => batch.expect_absent(space, key),
    }
}
