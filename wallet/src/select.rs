//! Which coins to spend.
//!
//! A transaction shows how many coins went in and under which keys, and nothing else. So there are three counts, 1, 2 and 4,
//! and coins of one key are taken if they are enough, of the key that ends first: so using money moves it to the newest.
//! What is taken beyond the need is the smallest: small coins go away by the way.

use farthing_ecash::keys::KeyId;

use crate::vault::RecordId;

/// The most coins in one transaction. The redeemer takes more, but who uses that stands out.
const COINS_MAX: usize = 4;

/// A coin as selection sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) id: RecordId,
    pub(crate) value: u64,
    pub(crate) key: KeyId,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// These coins are enough: 1, 2 or 4.
    Spend(Vec<RecordId>),
    /// The money is there, in too many coins: make these into one first (2 or 4), then select again.
    Merge(Vec<RecordId>),
    /// The money is not there. This much is.
    TooLittle(u64),
}

/// Chooses coins worth at least `target`, all of one purpose; `by_age` has the keys that end first before the others.
pub(crate) fn select(coins: &[Candidate], target: u64, by_age: &[KeyId]) -> Selection {
    let total = sum(coins);
    if total < u128::from(target) {
        return Selection::TooLittle(u64::try_from(total).unwrap_or(u64::MAX));
    }
    let mut coins = coins.to_vec();
    // Of equal coins any will do; the keys of records are random, so the order tells nothing.
    coins.sort_by_key(|coin| (coin.value, coin.id));
    let mut keys: Vec<KeyId> = coins.iter().map(|coin| coin.key).collect();
    keys.sort_by_key(|key| (by_age.iter().position(|older| older == key).unwrap_or(usize::MAX), *key));
    keys.dedup();
    let of_one_key = keys.into_iter().map(|key| coins.iter().filter(|coin| coin.key == key).copied().collect());
    for group in of_one_key.chain([coins.clone()]) {
        if let Some(chosen) = enough(&group, target) {
            return Selection::Spend(chosen.into_iter().map(|coin| coin.id).collect());
        }
    }
    Selection::Merge(to_merge(&coins).iter().map(|coin| coin.id).collect())
}

/// The largest usual number of coins of which there are so many.
pub(crate) const fn usual_count(coins: usize) -> usize {
    match coins {
        0 | 1 => coins,
        2 | 3 => 2,
        _ => COINS_MAX,
    }
}

/// The four largest of these coins, ascending by value; of three the two smallest.
fn to_merge(coins: &[Candidate]) -> &[Candidate] {
    let from = if coins.len() < COINS_MAX { 0 } else { coins.len() - COINS_MAX };
    coins.get(from..from + usual_count(coins.len())).unwrap_or(coins)
}

fn sum(coins: &[Candidate]) -> u128 {
    coins.iter().map(|coin| u128::from(coin.value)).sum()
}

/// One, two or four of these coins, ascending by value, that are worth the target.
fn enough(coins: &[Candidate], target: u64) -> Option<Vec<Candidate>> {
    one(coins, target).or_else(|| two(coins, target)).or_else(|| four(coins, target))
}

/// The smallest coin that is enough.
fn one(coins: &[Candidate], target: u64) -> Option<Vec<Candidate>> {
    coins.iter().find(|coin| coin.value >= target).map(|coin| vec![*coin])
}

/// The two coins with the smallest sum that is enough.
fn two(coins: &[Candidate], target: u64) -> Option<Vec<Candidate>> {
    let mut best: Option<(u128, Vec<Candidate>)> = None;
    let mut rest = coins;
    while let [low, .., high] = rest {
        let pair = vec![*low, *high];
        let sum = sum(&pair);
        if sum < u128::from(target) {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        if best.as_ref().is_none_or(|(least, _)| sum < *least) {
            best = Some((sum, pair));
        }
        rest = rest.split_last().map_or(&[], |(_, rest)| rest);
    }
    best.map(|(_, pair)| pair)
}

/// The three largest coins with the smallest one, or the four largest.
fn four(coins: &[Candidate], target: u64) -> Option<Vec<Candidate>> {
    let (rest, largest) = coins.split_at_checked(coins.len().checked_sub(3)?)?;
    let with = |fourth: Option<&Candidate>| Some([&[*fourth?], largest].concat());
    [with(rest.first()), with(rest.last())].into_iter().flatten().find(|four| sum(four) >= u128::from(target))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const CURRENT: KeyId = KeyId::new([1; 32]);
    const OLD: KeyId = KeyId::new([9; 32]);
    const BY_AGE: &[KeyId] = &[OLD, CURRENT];

    fn coins(values: &[u64]) -> Vec<Candidate> {
        let coin =
            |(number, value): (u8, &u64)| Candidate { id: RecordId::new([number; 16]), value: *value, key: CURRENT };
        (0..).zip(values).map(coin).collect()
    }

    /// The values of the chosen coins, ascending.
    fn spent(coins: &[Candidate], target: u64) -> Vec<u64> {
        let Selection::Spend(ids) = select(coins, target, BY_AGE) else { panic!("not enough") };
        let mut values: Vec<_> = coins.iter().filter(|coin| ids.contains(&coin.id)).map(|coin| coin.value).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn few_coins_are_better_than_many() {
        let coins = coins(&[1, 2, 5, 10, 20, 50]);
        assert_eq!(spent(&coins, 20), [20]);
        assert_eq!(spent(&coins, 21), [50]);
        assert_eq!(spent(&coins, 51), [1, 50]);
        assert_eq!(spent(&coins, 53), [5, 50]);
        assert_eq!(spent(&coins, 71), [1, 10, 20, 50]);
        assert_eq!(spent(&coins, 85), [5, 10, 20, 50]);
        assert_eq!(select(&coins, 89, BY_AGE), Selection::TooLittle(88));
        assert_eq!(select(&[], 1, BY_AGE), Selection::TooLittle(0));
    }

    #[test]
    fn a_count_between_the_usual_ones_is_filled_with_the_smallest() {
        assert_eq!(spent(&coins(&[1, 2, 3, 10, 10, 10]), 30), [1, 10, 10, 10]);
        // Three is not usual, and there is no fourth.
        let three = coins(&[10, 11, 12]);
        assert_eq!(select(&three, 30, BY_AGE), Selection::Merge(vec![three[0].id, three[1].id]));
    }

    #[test]
    fn coins_of_one_key_are_preferred_and_of_the_oldest() {
        let mut coins = coins(&[10, 10, 30]);
        coins[2].key = OLD;
        assert_eq!(spent(&coins, 5), [30]);
        assert_eq!(spent(&coins, 25), [30]);
        assert_eq!(spent(&coins, 35), [10, 30]);
        (coins[0].key, coins[1].key, coins[2].key) = (OLD, OLD, CURRENT);
        assert_eq!(spent(&coins, 15), [10, 10]);
        assert_eq!(spent(&coins, 25), [30]);
    }

    #[test]
    fn too_many_small_coins_are_merged_first() {
        let coins = coins(&[1; 40]);
        assert_eq!(spent(&coins, 4).len(), 4);
        let Selection::Merge(ids) = select(&coins, 5, BY_AGE) else { panic!("no merge") };
        assert_eq!(ids.len(), 4);
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_enough_and_allowed(
            values in proptest::collection::vec((1u64..=1 << 62, any::<bool>()), 0..60),
            small in any::<bool>(),
            share in 0u64..=1_000,
        ) {
            let mut coins: Vec<_> = (0u8..).zip(&values).map(|(number, (value, old))| Candidate {
                id: RecordId::new([number; 16]),
                value: if small { value % 100 + 1 } else { *value },
                key: if *old { OLD } else { CURRENT },
            }).collect();
            let total = sum(&coins);
            let target = u64::try_from((total * u128::from(share) / 999).min(u128::from(u64::MAX))).unwrap().max(1);
            let value = |ids: &[RecordId]| sum(&coins.iter().filter(|coin| ids.contains(&coin.id)).copied().collect::<Vec<_>>());
            match select(&coins, target, BY_AGE) {
                Selection::TooLittle(available) => {
                    prop_assert_eq!(u128::from(available), total);
                    prop_assert!(total < u128::from(target));
                }
                Selection::Spend(ids) => {
                    prop_assert!([1, 2, 4].contains(&ids.len()));
                    prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
                    prop_assert!(value(&ids) >= u128::from(target));
                }
                Selection::Merge(ids) => {
                    prop_assert_eq!(ids.len(), if coins.len() == 3 { 2 } else { 4 });
                    prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
                    // Not even the four largest are enough, or there are three and all are needed.
                    coins.sort_by_key(|coin| std::cmp::Reverse(coin.value));
                    coins.truncate(if coins.len() == 3 { 2 } else { 4 });
                    prop_assert!(sum(&coins) < u128::from(target));
                }
            }
        }
    }
}
