//! What an answered transaction brings: a function of the transaction, its answer and the wallet's secrets only. So an
//! answer from the log is as good as one from the wire.

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{
    calendar::Month,
    claim,
    coin::Coin,
    credential::{Credential, issue::Answer},
    identity::{Identity, Pid},
    keys::{KeyId, PublicKey},
    note::Note,
    pay, redeem,
    refund::{self, Refundable},
    register, renew,
    seal::open_self,
    seed::WalletKeys,
    split,
    statement::Statement,
    swap,
    transaction::Core,
    wallet_state::WalletState,
    withdraw,
};

use crate::{
    book::{Book, Edit},
    error::{Server, WalletError},
    history::PaidNote,
};

/// What a transaction brings.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) coins: Vec<Credential<Coin>>,
    pub(crate) state: Option<Credential<WalletState>>,
    /// Parts of a received note.
    pub(crate) notes: Vec<Credential<Note>>,
    /// What takes a payment back, or parts of one.
    pub(crate) refundables: Vec<Refundable>,
}

/// What it takes to tell the outputs of a transaction of this wallet.
pub(crate) struct Settlement {
    keys: Arc<WalletKeys>,
    keyring: Arc<BTreeMap<KeyId, PublicKey>>,
    identity: Option<Identity>,
    pid: Option<Pid>,
    state: Option<Arc<Credential<WalletState>>>,
    /// The payment that it splits.
    refundable: Option<Arc<Refundable>>,
    policies: BTreeMap<String, u32>,
}

impl Settlement {
    pub(crate) fn new(book: &Book, core: &Core) -> Result<Self, WalletError> {
        let refundable = core.nullifiers().find_map(|serial| book.find_refundable(&serial));
        Ok(Self {
            keys: book.keys()?,
            keyring: book.keyring(),
            identity: book.identity()?,
            pid: book.pid()?,
            refundable: refundable.map(|(_, held)| Arc::clone(&held.note)),
            state: book.state().ok(),
            policies: book.inbox().policies.clone(),
        })
    }

    /// The month in which the notes of a payment expire, if its policy is known.
    fn expiry(&self, core: &Core) -> Option<Month> {
        let months = self.policies.get(&core.header().policy.to_string())?;
        Some(core.month().plus(*months))
    }

    /// What the link of a payment of this wallet is made of again.
    pub(crate) fn paid_note(&self, core: &Core) -> Option<PaidNote> {
        paid_note(core, self.expiry(core)?, &self.keys)
    }

    /// Verifies the answer and opens the outputs. `None` when the answer is not what this transaction asked for, or the
    /// transaction is not of this wallet.
    pub(crate) fn outputs(&self, core: &Core, answer: &[u8]) -> Option<Outputs> {
        let answer = Answer::from_bytes(core, answer).ok()?;
        let key = self.keyring.get(&core.header().key)?;
        let keys = &self.keys;
        let coin = |coin: Credential<Coin>| Outputs { coins: vec![coin], ..Outputs::default() };
        match core.statement() {
            Statement::Register => {
                let state = register::finish(core, &answer, key, keys, self.identity.as_ref()?).ok()?;
                Some(Outputs { state: Some(state), ..Outputs::default() })
            }
            Statement::Withdraw => withdraw::finish(core, &answer, key, keys).ok().map(coin),
            Statement::Pay => {
                let expiry = self.expiry(core)?;
                let change = pay::finish(core, &answer, key, expiry, keys).ok()?;
                let refundable = Refundable::paid(core, &answer, key, expiry, keys).ok()?;
                Some(Outputs { refundables: vec![refundable], ..coin(change) })
            }
            Statement::Claim => {
                let old = self.state.as_ref()?;
                let (coin, state) = claim::finish(core, &answer, key, keys, old.attributes()).ok()?;
                Some(Outputs { coins: vec![coin], state: Some(state), ..Outputs::default() })
            }
            Statement::Refund => {
                let old = self.state.as_ref()?;
                let (coin, state) = refund::finish(core, &answer, key, keys, old.attributes()).ok()?;
                Some(Outputs { coins: vec![coin], state: Some(state), ..Outputs::default() })
            }
            Statement::Split => {
                let notes = split::finish(core, &answer, key, keys, self.pid.as_ref()?).ok()?;
                Some(Outputs { notes: notes.into(), ..Outputs::default() })
            }
            Statement::SplitExpired => {
                let parts = split::finish_expired(core, &answer, key, keys, self.refundable.as_ref()?).ok()?;
                Some(Outputs { refundables: parts.into(), ..Outputs::default() })
            }
            Statement::Renew => {
                let old = self.state.as_ref()?;
                let state = renew::finish(core, &answer, key, keys, old.attributes()).ok()?;
                Some(Outputs { state: Some(state), ..Outputs::default() })
            }
            Statement::Redeem => redeem::finish(core, &answer, key, keys).ok().map(coin),
            Statement::Swap => {
                let coins = swap::finish(core, &answer, key, keys).ok()?;
                Some(Outputs { coins, ..Outputs::default() })
            }
        }
    }
}

/// What the link of a payment of this wallet is made of again.
pub(crate) fn paid_note(core: &Core, expiry: Month, keys: &WalletKeys) -> Option<PaidNote> {
    let nonce = core.publics().nonce;
    let own = open_self(keys.self_key(), &nonce, &core.header().key, core.ct_self()).ok()?;
    (core.statement() == Statement::Pay).then_some(PaidNote { nonce, purpose: own.purpose, expiry })
}

impl Outputs {
    /// The edits that put the outputs into the book; notes and payments belong to this item of the history. A coin worth
    /// nothing is none; one that is held already stays.
    pub(crate) fn edits(self, book: &Book, item: Option<u64>) -> Vec<Edit> {
        let worth =
            |coin: &Credential<Coin>| coin.attributes().value().get() > 0 && book.find(&coin.nullifier()).is_none();
        let coins = self.coins.into_iter().filter(worth).map(Edit::AddCoin);
        let mut edits: Vec<_> = coins.chain(self.state.map(Edit::State)).collect();
        if let Some(item) = item {
            edits.extend(self.notes.into_iter().map(|note| Edit::AddNote(note, item)));
            edits.extend(self.refundables.into_iter().map(|refundable| Edit::AddRefundable(refundable, item)));
        }
        edits
    }
}

/// Which server answers a statement.
pub(crate) fn server_of(statement: Statement) -> Server {
    if matches!(statement, Statement::Register | Statement::Withdraw) { Server::Issuer } else { Server::Redeemer }
}
