//! Which coins to spend.
//!
//! A transaction shows how many coins went in and under which keys, and nothing else. So there are three counts, 1, 2 and 4,
//! and coins of one key are taken if they are enough, of the key that ends first: so using money moves it to the newest.
//! What is taken beyond the need is the smallest: small coins go away by the way.

use farthing_ecash::keys::KeyId;

use crate::vault::RecordId;

/// The most coins in one transaction. The redeemer takes more, but who uses that stands out.
const COINS_MAX: usize = 4;

/// A wallet at rest leaves so many coins of a purpose as they are. A payment finds one or two among them that are enough, and
/// payments at the same time each their own.
pub(crate) const COINS_KEPT: usize = 4;

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

/// Chooses more coins besides those that were chosen before, to 2 or 4 in all that are worth at least `target`, under the same
/// keys if there are enough of these. `others` are of the same purpose.
pub(crate) fn add(chosen: &[Candidate], others: &[Candidate], target: u64) -> Option<Vec<RecordId>> {
    let missing = u64::try_from(u128::from(target).saturating_sub(sum(chosen))).ok()?;
    let mut others = others.to_vec();
    others.sort_by_key(|coin| (coin.value, coin.id));
    let alike = |other: &&Candidate| chosen.iter().any(|coin| coin.key == other.key);
    let of_same_keys: Vec<_> = others.iter().filter(alike).copied().collect();
    let more = [of_same_keys, others].into_iter().find_map(|group| match chosen.len() {
        1 => one(&group, missing).or_else(|| largest(&group, COINS_MAX - 1, missing)),
        2 => two(&group, missing),
        _ => None,
    })?;
    Some(chosen.iter().chain(&more).map(|coin| coin.id).collect())
}

/// The smallest of these coins: four, or two as chance says. Which ones they are does not show, how many does.
pub(crate) fn smallest(coins: &[Candidate], chance: u32) -> Vec<RecordId> {
    let mut coins = coins.to_vec();
    coins.sort_by_key(|coin| (coin.value, coin.id));
    coins.truncate(if chance.is_multiple_of(2) { 2 } else { usual_count(coins.len()) });
    coins.into_iter().map(|coin| coin.id).collect()
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
    one(coins, target).or_else(|| two(coins, target)).or_else(|| largest(coins, COINS_MAX, target))
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

/// So many coins: the largest but one with the smallest one, or the largest.
fn largest(coins: &[Candidate], count: usize, target: u64) -> Option<Vec<Candidate>> {
    let (rest, largest) = coins.split_at_checked(coins.len().checked_sub(count.checked_sub(1)?)?)?;
    let with = |last: Option<&Candidate>| Some([&[*last?], largest].concat());
    [with(rest.first()), with(rest.last())].into_iter().flatten().find(|all| sum(all) >= u128::from(target))
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

    #[test]
    fn more_coins_are_chosen_besides_the_same_ones() {
        let added = |chosen: usize, values: &[u64], target| {
            let coins = coins(values);
            let all = add(&coins[..chosen], &coins[chosen..], target)?;
            assert!(coins[..chosen].iter().all(|coin| all.contains(&coin.id)), "the same are among them");
            let mut more: Vec<u64> =
                coins.iter().filter(|coin| all.contains(&coin.id)).map(|coin| coin.value).skip(chosen).collect();
            more.sort_unstable();
            Some(more)
        };
        assert_eq!(added(1, &[50, 30, 3, 7], 55), Some(vec![7]));
        assert_eq!(added(1, &[50, 3, 3, 3, 1], 57), Some(vec![1, 3, 3]));
        assert_eq!(added(1, &[50, 3, 3, 3, 1], 59), Some(vec![3, 3, 3]));
        assert_eq!(added(1, &[50, 3, 3], 56), None, "three is not usual");
        assert_eq!(added(2, &[50, 1, 9, 5, 1], 57), Some(vec![1, 5]));
        assert_eq!(added(2, &[50, 1, 90], 57), None);
        assert_eq!(added(4, &[50, 1, 1, 1, 90, 90], 57), None);
        // Those of the same key, though a smaller one of another is there.
        let mut mixed = coins(&[50, 20, 10]);
        mixed[2].key = OLD;
        assert_eq!(add(&mixed[..1], &mixed[1..], 55), Some(vec![mixed[0].id, mixed[1].id]));
        assert_eq!(add(&mixed[..1], &mixed[2..], 55), Some(vec![mixed[0].id, mixed[2].id]));
    }

    #[test]
    fn a_wallet_at_rest_takes_the_smallest() {
        let coins = coins(&[50, 4, 3, 2, 1, 60]);
        let ids = |places: &[usize]| places.iter().map(|place| coins[*place].id).collect::<Vec<_>>();
        assert_eq!(smallest(&coins, 0), ids(&[4, 3]));
        assert_eq!(smallest(&coins, 1), ids(&[4, 3, 2, 1]));
        assert_eq!(smallest(&coins[..3], 1), ids(&[2, 1]));
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
