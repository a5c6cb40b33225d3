//! Money under issuing keys that another key has followed (docs/PROTOCOL.md section 2). It is moved by and by: payments take it
//! first, and what is left is swapped before payments do not take it any more.

use std::{cmp::Reverse, collections::BTreeMap};

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    keys::{KeyDates, KeyId, PublicKey},
};

use super::Book;
use crate::vault::RecordId;

/// Coins of one older key and one purpose, the largest first.
pub(crate) struct Aging {
    pub(crate) coins: Vec<(RecordId, Amount)>,
    /// The dates of their key.
    pub(crate) dates: KeyDates,
}

impl Aging {
    /// What they are worth together.
    pub(crate) fn value(&self) -> Amount {
        Amount::new(self.coins.iter().map(|(_, value)| value.get()).fold(0, u64::saturating_add))
    }
}

impl Book {
    /// The key that signs outputs on a day, of those that the wallet knows: the last in their order.
    pub(crate) fn current_key(&self, day: Day) -> Option<PublicKey> {
        let keyring = self.keyring();
        let signing = keyring.values().filter(|key| key.dates().signs_on(day));
        signing.max_by_key(|key| key.turn()).cloned()
    }

    /// All keys that the wallet knows, those that end first before the others.
    pub(crate) fn keys_by_age(&self) -> Vec<KeyId> {
        let keyring = self.keyring();
        let mut keys: Vec<_> = keyring.values().collect();
        keys.sort_by_key(|key| (key.dates().accept_until, key.dates().first, key.id()));
        keys.into_iter().map(PublicKey::id).collect()
    }

    /// Free coins under other keys than the current one, those first that payments cease to take first.
    pub(crate) fn aging(&self, today: Day) -> Vec<Aging> {
        let Some(current) = self.current_key(today) else { return Vec::new() };
        let keyring = self.keyring();
        let mut groups = BTreeMap::<(KeyId, u32), Aging>::new();
        for (id, coin) in self.coins.iter().filter(|(id, _)| !self.reserved.contains(*id)) {
            let Some(key) = keyring.get(&coin.key()).filter(|key| key.turn() < current.turn()) else {
                continue;
            };
            let group = groups.entry((key.id(), coin.attributes().purpose()));
            let group = group.or_insert_with(|| Aging { coins: Vec::new(), dates: key.dates() });
            group.coins.push((*id, coin.attributes().value()));
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| (group.dates.accept_until, group.dates.first));
        for group in &mut groups {
            group.coins.sort_by_key(|(id, value)| (Reverse(*value), *id));
        }
        groups
    }
}
