//! Renewal of the wallet's state, with a grant of the issuer (`docs/PROTOCOL.md` section 6).
//!
//! The nonce is durable before the grant is asked for, because the grant is for the `P̂` that follows from it and the issuer
//! gives one at a time. It is kept for as long as it may be needed; once a renewal was built with it, it is that of one state.

use farthing_ecash::{
    account::{AccountKey, AccountProof, ProofContext},
    calendar::Month,
    entry::{Entry, EntryKind},
    renew::{Grant, GrantRequest},
    seed::Nonce,
};
use farthing_ledger::hash::Hash;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::{inner::Inner, register::registration};
use crate::{
    book::Edit,
    error::{Server, WalletError},
    history::HistoryItem,
    operation::{Intent, Operation, Renew, Season, Settled},
    record::{Hex, Renewal},
    report::RenewOutcome,
    scan::Log,
    terms::{self, Issuance},
    trust::{not_in_log, tiles::Tiles},
    vault::RecordId,
};

/// For how many days more a registration that need not wait any longer counts as not being late.
const WAITED_DAYS: u32 = 8;

impl Inner {
    /// Renews the state when others that are signed now are valid for longer, or the issuer has another class for it.
    pub(super) async fn renew(&self) -> Result<RenewOutcome, WalletError> {
        let _turn = self.receiving.lock().await;
        self.renew_in_turn(true).await
    }

    /// Renews the state when others that are signed now are valid for longer, or finishes a registration that had to wait.
    pub(super) async fn renew_if_due(&self) -> Result<RenewOutcome, WalletError> {
        let _turn = self.receiving.lock().await;
        if self.finish_registration().await? {
            return self.renewed().await;
        }
        self.renew_in_turn(false).await
    }

    /// For how many days the state is still valid, when it is to be renewed.
    pub(super) async fn renewal_days(&self) -> Option<u32> {
        if self.book.lock().await.waits_until().is_some() {
            return self.waits_until().await.ok()?.is_none().then_some(WAITED_DAYS);
        }
        if !self.is_due().await.ok()? {
            return None;
        }
        let book = self.book.lock().await;
        let today = terms::own_day(book.pins()?, self.unix_seconds()).ok()?;
        let end = book.state().ok()?.attributes().validity().plus(1).first_day()?;
        Some(end.get().saturating_sub(today.get()))
    }

    /// The same for who has the turn to receive. The issuer is asked for the class only `by_hand`.
    pub(super) async fn renew_in_turn(&self, by_hand: bool) -> Result<RenewOutcome, WalletError> {
        self.book.lock().await.state()?;
        if let Some((id, renews)) = self.uses_state().await {
            let driving = self.driving(id);
            match self.drive(&driving).await? {
                Settled::Pending { delay } => return Ok(RenewOutcome::Pending { delay }),
                Settled::Done if renews => return self.renewed().await,
                Settled::Done => {
                    let delay = "something begun before was finished just now, and a renewal, which shows whose wallet this is, \
                                 stays apart from it: renew again";
                    return Ok(RenewOutcome::Pending { delay: delay.to_owned() });
                }
            }
        }
        if !by_hand && !self.is_due().await? {
            return Ok(RenewOutcome::NotDue { valid_through: self.book.lock().await.state()?.attributes().validity() });
        }
        let issuance = self.issuance().await?;
        let (validity, class) = {
            let book = self.book.lock().await;
            let state = book.state()?;
            (state.attributes().validity(), state.attributes().class())
        };
        let due = issuance.calendar.is_due(validity, issuance.day.month());
        if !due && self.account_class(&issuance).await? == class {
            return Ok(RenewOutcome::NotDue { valid_through: validity });
        }
        let terms = self.terms().await?;
        let (nonce, grant, index) = self.grant(&issuance).await?;
        let driving = {
            let mut book = self.book.lock().await;
            // Another device, or another call, may have been faster.
            let state = book.state()?;
            let bound = Hex::new(state.nullifier().as_bytes());
            let nonce = Hex::new(nonce.as_bytes());
            let intent = Intent::Renew(Renew { nonce: nonce.clone(), grant: Hex::new(&grant.to_bytes()), index });
            let item: HistoryItem = self.new_item(&book, &intent, None);
            let edits = vec![Edit::Renewal(Renewal { nonce, state: Some(bound) })];
            self.begin(&mut book, &Season::Payments(terms), intent, Vec::new(), Some(item), edits).await?
        };
        match self.drive(&driving).await? {
            Settled::Done => self.renewed().await,
            Settled::Pending { delay } => Ok(RenewOutcome::Pending { delay }),
        }
    }

    async fn renewed(&self) -> Result<RenewOutcome, WalletError> {
        let terms = self.last_terms();
        let registration = registration(&*self.book.lock().await, terms.as_deref())?;
        registration.map(RenewOutcome::Renewed).ok_or(WalletError::NotRegistered)
    }

    /// The operation that consumes the state, and whether it is a renewal.
    pub(super) async fn uses_state(&self) -> Option<(RecordId, bool)> {
        let book = self.book.lock().await;
        let uses = |operation: &Operation| operation.intent.consumes_state();
        let found = book.operations().find(|(_, operation)| uses(operation));
        found.map(|(id, operation)| (id, matches!(operation.intent, Intent::Renew(_))))
    }

    /// Whether the state is to be renewed now, by this machine's clock and the calendars known.
    async fn is_due(&self) -> Result<bool, WalletError> {
        let book = self.book.lock().await;
        let Some(pins) = book.pins() else { return Ok(false) };
        let today = terms::own_day(pins, self.unix_seconds())?;
        let Some((_, calendar)) = book.inbox().calendars().of(today.month()) else { return Ok(false) };
        Ok(calendar.is_due(book.state()?.attributes().validity(), today.month()))
    }

    /// The class that the issuer has for this wallet.
    async fn account_class(&self, issuance: &Issuance) -> Result<u32, WalletError> {
        let keys = self.book.lock().await.keys()?;
        let account = AccountKey::of(&keys);
        let context = ProofContext::account_query(account, issuance.day);
        let proof = AccountProof::prove(&context, &keys, &mut UnwrapErr(SysRng));
        Ok(self.issuer.account(account, issuance.day, &proof).await?.class)
    }

    /// A grant that stands in the log, and the nonce that it is for, which is durable before it is asked for.
    async fn grant(&self, issuance: &Issuance) -> Result<(Nonce, Grant, u64), WalletError> {
        let (keys, pid, nonce) = {
            let mut book = self.book.lock().await;
            let (keys, state) = (book.keys()?, book.state()?);
            let pid = book.pid()?.ok_or(WalletError::NotRegistered)?;
            let serial = *state.nullifier().as_bytes();
            let nonce = match book.renewal() {
                Some(renewal) if renewal.fits(&serial) => renewal.nonce()?,
                _ => {
                    let nonce = keys.fresh_nonce(&mut UnwrapErr(SysRng), &[serial], issuance.day);
                    let renewal = Renewal { nonce: Hex::new(nonce.as_bytes()), state: None };
                    book.commit(vec![Edit::Renewal(renewal)]).await?;
                    nonce
                }
            };
            (keys, pid, nonce)
        };
        let request = GrantRequest::new(&keys, &nonce, &pid, issuance.day, &mut UnwrapErr(SysRng));
        let (grant, index) = self.issuer.grant(&request).await?;
        if !grant.is_for(&request) {
            let what = "it granted the renewal of another wallet".to_owned();
            return Err(WalletError::Contradiction { server: Server::Issuer, what });
        }
        let month = self.granted_in(&grant, index).await?;
        self.check_validity(month, grant.validity).await?;
        Ok((nonce, grant, index))
    }

    /// The month in which the grant was logged. Its entry is read in a bundle of 256.
    async fn granted_in(&self, grant: &Grant, index: u64) -> Result<Month, WalletError> {
        let believed = self.checkpoint_of(Log::Issuance, index.saturating_add(1)).await?;
        let mut tiles = Tiles::new(self.reader(Log::Issuance).await?, believed.size());
        let leaf = tiles.leaf(index).await?;
        let is_grant = |entry: &Entry| entry.kind() == EntryKind::Grant && entry.body() == grant.to_bytes();
        let entry = Entry::from_bytes(&leaf).ok().filter(is_grant).ok_or_else(|| not_in_log(Log::Issuance, index))?;
        self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(&leaf)).await?;
        Ok(entry.day().month())
    }
}
