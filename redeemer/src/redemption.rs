//! What is special about Redeem: an account at the issuer, which has a cap per day, and which is credited.

use std::sync::Arc;

use farthing_ecash::{
    account::{AccountKey, AccountOpening},
    amount::Amount,
    calendar::Day,
    policy::UNLIMITED,
    statement::Statement,
    transaction::{Core, TransactionId},
};
use farthing_store::{Batch, Space};
use tokio::sync::Notify;

use crate::{error::SubmitError, issuer::Issuer, payout::OUTBOX, policy::PolicyInForce};

/// Account key → the last day of a redemption u32, and what was redeemed on it u64, little-endian.
pub(crate) const CAPS: Space = Space("redeemed");

/// A redemption whose private part fits its transaction.
pub(crate) struct Redemption {
    account: AccountKey,
    amount: Amount,
}

impl Redemption {
    /// Reads the private part; `None` for other statements, which have none.
    pub(crate) fn read(core: &Core, private: &[u8]) -> Result<Option<Self>, SubmitError> {
        const FIELD: &str = "private_part";
        if core.statement() != Statement::Redeem {
            let is_empty = private.is_empty().then_some(None);
            return is_empty.ok_or_else(|| SubmitError::field(FIELD, "only Redeem has one"));
        }
        let opening =
            AccountOpening::from_bytes(private).map_err(|error| SubmitError::field(FIELD, error.to_string()))?;
        opening.check(core).map_err(|_| SubmitError::ProofInvalid)?;
        Ok(Some(Self { account: opening.account(), amount: Amount::new(core.publics().amount) }))
    }
}

/// A redemption into an account that exists, with the cap of its class.
pub struct Payout {
    account: AccountKey,
    amount: Amount,
    cap: Amount,
}

impl Payout {
    pub(crate) fn account(&self) -> AccountKey {
        self.account
    }

    pub(crate) fn amount(&self) -> Amount {
        self.amount
    }

    /// Adds to the batch that the account is owed the amount, and counts it towards the cap of the day. `redeemed` is what
    /// is stored of the account.
    pub(crate) fn add_to(
        &self,
        batch: Batch,
        id: &TransactionId,
        day: Day,
        redeemed: Option<&[u8]>,
    ) -> Result<Batch, SubmitError> {
        let key = self.account.to_bytes();
        let before = match redeemed {
            Some(bytes) => total_on(day, bytes)?,
            None => Amount::ZERO,
        };
        let left = if self.cap == UNLIMITED { UNLIMITED } else { self.cap.checked_sub(before).unwrap_or_default() };
        let total = before.checked_add(self.amount).filter(|_| self.amount <= left);
        let total = total.ok_or(SubmitError::CapExceeded { left })?;
        let batch = match redeemed {
            Some(bytes) => batch.expect_equals(CAPS, key, bytes),
            None => batch.expect_absent(CAPS, key),
        };
        let record = [&day.get().to_le_bytes()[..], &total.get().to_le_bytes()].concat();
        let owed = [&key[..], &self.amount.get().to_le_bytes()].concat();
        Ok(batch.put(CAPS, key, record).put(OUTBOX, *id.as_bytes(), owed))
    }
}

/// What a record says was redeemed on a day.
fn total_on(day: Day, record: &[u8]) -> Result<Amount, SubmitError> {
    let damaged = || SubmitError::Internal("the total of an account's redemptions is damaged");
    let (last, total) = record.split_first_chunk().ok_or_else(damaged)?;
    let total = u64::from_le_bytes(total.try_into().map_err(|_| damaged())?);
    Ok(if u32::from_le_bytes(*last) == day.get() { Amount::new(total) } else { Amount::ZERO })
}

/// Admits redemptions.
pub(crate) struct Redemptions {
    issuer: Arc<Issuer>,
    policy: Arc<PolicyInForce>,
    /// Tells the one who delivers that there is something to deliver.
    wake: Arc<Notify>,
}

impl Redemptions {
    pub(crate) fn new(issuer: Arc<Issuer>, policy: Arc<PolicyInForce>, wake: Arc<Notify>) -> Self {
        Self { issuer, policy, wake }
    }

    /// Looks the account up at the issuer, and its class in the policy.
    pub(crate) async fn admit(&self, redemption: Redemption, today: Day) -> Result<Payout, SubmitError> {
        let Redemption { account, amount } = redemption;
        let class = self.issuer.class_of(account, today).await?.ok_or(SubmitError::AccountUnknown)?;
        let cap = self.policy.current().policy().redeem_cap(class).unwrap_or_else(|| {
            tracing::warn!(class, "an account has a class that the policy does not know: it cannot redeem");
            Amount::ZERO
        });
        Ok(Payout { account, amount, cap })
    }

    /// Whom to tell of a redemption.
    pub(crate) fn wake(&self, is_redemption: bool) -> Option<Arc<Notify>> {
        is_redemption.then(|| self.wake.clone())
    }
}
