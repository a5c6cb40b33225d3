//! What an answered transaction brings: a function of the transaction, its answer and the wallet's secrets only. So an
//! answer from the log is as good as one from the wire.

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{
    calendar::Month,
    claim,
    coin::Coin,
    credential::{Credential, issue::Answer},
    identity::Identity,
    keys::{KeyId, PublicKey},
    pay, redeem, register,
    seed::WalletKeys,
    statement::Statement,
    swap,
    transaction::Core,
    wallet_state::WalletState,
    withdraw,
};

use crate::{
    book::{Book, Edit},
    error::{Server, WalletError},
};

/// What a transaction brings.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) coins: Vec<Credential<Coin>>,
    pub(crate) state: Option<Credential<WalletState>>,
}

/// What it takes to tell the outputs of a transaction of this wallet.
pub(crate) struct Settlement {
    keys: Arc<WalletKeys>,
    keyring: Arc<BTreeMap<KeyId, PublicKey>>,
    identity: Option<Identity>,
    state: Option<Arc<Credential<WalletState>>>,
    policies: BTreeMap<String, u32>,
}

impl Settlement {
    pub(crate) fn new(book: &Book) -> Result<Self, WalletError> {
        Ok(Self {
            keys: book.keys()?,
            keyring: book.keyring(),
            identity: book.identity()?,
            state: book.state().ok(),
            policies: book.inbox().policies.clone(),
        })
    }

    /// The month in which the notes of a payment expire, if its policy is known.
    fn expiry(&self, core: &Core) -> Option<Month> {
        let months = self.policies.get(&core.header().policy.to_string())?;
        Some(core.month().plus(*months))
    }

    /// Verifies the answer and opens the outputs. `None` when the answer is not what this transaction asked for, or the
    /// transaction is not of this wallet.
    pub(crate) fn outputs(&self, core: &Core, answer: &[u8]) -> Option<Outputs> {
        let answer = Answer::from_bytes(core, answer).ok()?;
        let key = self.keyring.get(&core.header().key)?;
        let keys = &self.keys;
        let coin = |coin: Credential<Coin>| Outputs { coins: vec![coin], state: None };
        match core.statement() {
            Statement::Register => {
                let state = register::finish(core, &answer, key, keys, self.identity.as_ref()?).ok()?;
                Some(Outputs { coins: Vec::new(), state: Some(state) })
            }
            Statement::Withdraw => withdraw::finish(core, &answer, key, keys).ok().map(coin),
            Statement::Pay => pay::finish(core, &answer, key, self.expiry(core)?, keys).ok().map(coin),
            Statement::Claim => {
                let old = self.state.as_ref()?;
                let (coin, state) = claim::finish(core, &answer, key, keys, old.attributes()).ok()?;
                Some(Outputs { coins: vec![coin], state: Some(state) })
            }
            Statement::Redeem => redeem::finish(core, &answer, key, keys).ok().map(coin),
            Statement::Swap => {
                let coins = swap::finish(core, &answer, key, keys).ok()?;
                Some(Outputs { coins, state: None })
            }
            _ => None,
        }
    }
}

impl Outputs {
    /// The edits that put the outputs into the book. A coin worth nothing is none; one that is held already stays.
    pub(crate) fn edits(self, book: &Book) -> Vec<Edit> {
        let worth =
            |coin: &Credential<Coin>| coin.attributes().value().get() > 0 && book.find(&coin.nullifier()).is_none();
        let coins = self.coins.into_iter().filter(worth).map(Edit::AddCoin);
        coins.chain(self.state.map(Edit::State)).collect()
    }
}

/// Which server answers a statement.
pub(crate) fn server_of(statement: Statement) -> Server {
    if matches!(statement, Statement::Register | Statement::Withdraw) { Server::Issuer } else { Server::Redeemer }
}
