//! What to claim on which day: arithmetic only.
//!
//! Caps bound what a wallet receives in a day and in a month, under all rules together. Notes that fit into what is left are
//! taken whole, the oldest first; what is left after that is filled with a part of the oldest one that does not fit. So a note
//! is split only when it has to be, and never into parts below the smallest payment, which would be dust. Refunds are receipts
//! of the payer, so the same plan is theirs.

use farthing_ecash::{
    calendar::{Day, Month},
    policy::RuleLine,
    transaction::NOTES_MAX,
    wallet_state::WalletState,
};

/// A plan ends after so many days on which something is taken: nobody reads on, and a policy that lasts so long is rare.
const DAYS_MAX: usize = 366;

/// What a rule allows, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) day: u64,
    pub(crate) month: u64,
}

impl From<&RuleLine> for Caps {
    fn from(line: &RuleLine) -> Self {
        Self { day: line.day_cap.get(), month: line.month_cap.get() }
    }
}

/// What was received so far, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) day: Day,
    pub(crate) on_day: u64,
    pub(crate) in_month: u64,
}

impl Counters {
    /// Those of a wallet's state, as they are on `today`.
    pub(crate) fn of(state: &WalletState, today: Day) -> Self {
        let (on_day, in_month) = (state.received_on(today).get(), state.received_in(today.month()).get());
        Self { day: today, on_day, in_month }
    }

    /// What may still be received on the day.
    pub(crate) fn room(&self, caps: Caps) -> u64 {
        caps.day.saturating_sub(self.on_day).min(caps.month.saturating_sub(self.in_month))
    }

    fn take(&mut self, value: u64) {
        self.on_day = self.on_day.saturating_add(value);
        self.in_month = self.in_month.saturating_add(value);
    }

    /// The next day, if there is one.
    fn tomorrow(&self) -> Option<Self> {
        let day = Day::new(self.day.get().checked_add(1)?);
        let in_month = if day.month() == self.day.month() { self.in_month } else { 0 };
        Some(Self { day, on_day: 0, in_month })
    }

    /// The first day of the next month.
    fn next_month(&self) -> Option<Self> {
        Some(Self { day: first_day(self.day.month().plus(1))?, on_day: 0, in_month: 0 })
    }
}

/// The first day of a month.
pub(crate) fn first_day(month: Month) -> Option<Day> {
    let number = month.get();
    Day::from_civil(number / 12, number % 12 + 1, 1)
}

/// A note that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<K> {
    pub(crate) key: K,
    pub(crate) purpose: u32,
    pub(crate) value: u64,
    /// Those of the rule under which it is taken.
    pub(crate) caps: Caps,
    /// The first month in which its payer may take it back instead; `None` when that is over, or was never possible. Whoever
    /// splits a note before ends that (`docs/PROTOCOL.md` section 6).
    pub(crate) returns: Option<Month>,
}

impl<K> Piece<K> {
    /// The month of its return, if that has come on this day.
    fn may_be_gone(&self, day: Day) -> Option<Month> {
        self.returns.filter(|month| *month <= day.month())
    }
}

/// How notes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// No part of a split is smaller.
    pub(crate) part_min: u64,
    /// A note that is taken alone is not smaller.
    pub(crate) alone_min: u64,
    /// As many as fit are taken together, small ones too. That shows that they have one owner, so it is for those who ask.
    pub(crate) joins: bool,
}

impl Manner {
    /// Claims, under a policy with this smallest payment: one by one, and dust is left, unless its owner wants them joined.
    pub(crate) const fn claims(minimum: u64, joins: bool) -> Self {
        Self { part_min: minimum, alone_min: minimum, joins }
    }

    /// Refunds, each of one note: they go back one by one, whatever they are worth.
    pub(crate) const fn refunds(minimum: u64) -> Self {
        Self { part_min: minimum, alone_min: 1, joins: false }
    }

    /// How much of a note to split off when so much may be received: as much as possible, so that both parts can be taken
    /// alone.
    fn first_part(&self, value: u64, room: u64) -> Option<u64> {
        let least = self.part_min.max(1);
        let first = room.min(value.checked_sub(least)?);
        (first >= least && room < value).then_some(first)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<K> {
    /// Take these whole, in one transaction: up to 64 of one purpose.
    Take(Vec<K>),
    /// Split this one, and take its first part, of this value, next.
    Split(K, u64),
}

/// What to do next on the day of the counters; `pieces` are the oldest first, and of the parts of one note the larger one.
/// `None` when nothing more can be taken.
pub(crate) fn next<K: Copy>(pieces: &[Piece<K>], counters: &Counters, manner: &Manner) -> Option<Step<K>> {
    // In the order in which they came: one by the purposes' numbers would tell how many claims were for which.
    let mut purposes: Vec<u32> = Vec::new();
    for piece in pieces {
        if !purposes.contains(&piece.purpose) {
            purposes.push(piece.purpose);
        }
    }
    for purpose in purposes {
        let alike: Vec<_> = pieces.iter().filter(|piece| piece.purpose == purpose).collect();
        let count_max = if manner.joins { usize::try_from(NOTES_MAX).unwrap_or(usize::MAX) } else { 1 };
        let (mut after, mut chosen) = (*counters, Vec::new());
        for piece in alike {
            let worth = manner.joins || piece.value >= manner.alone_min;
            if chosen.len() < count_max && worth && piece.value <= after.room(piece.caps) {
                after.take(piece.value);
                chosen.push(piece.key);
            }
        }
        if !chosen.is_empty() {
            return Some(Step::Take(chosen));
        }
    }
    let split = |piece: &Piece<K>| {
        let first = manner.first_part(piece.value, counters.room(piece.caps))?;
        Some(Step::Split(piece.key, first))
    };
    pieces.iter().find_map(split)
}

/// What is taken of a note on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<K> {
    pub(crate) key: K,
    pub(crate) day: Day,
    pub(crate) value: u64,
    /// From this month on its payer may take it back, and this day is later than that begins.
    pub(crate) returns: Option<Month>,
}

/// The earlier of two months, when there are two.
pub(crate) fn earlier(one: Option<Month>, other: Option<Month>) -> Option<Month> {
    one.into_iter().chain(other).min()
}

/// What is taken on which day, if nothing else comes in between: the days of the plan in their order. What the caps never
/// allow is not in it.
pub(crate) fn schedule<K: Copy + PartialEq>(
    pieces: &[Piece<K>],
    mut counters: Counters,
    manner: &Manner,
) -> Vec<Part<K>> {
    // The number of a piece stands for it: a note and its parts have one key.
    let mut left: Vec<Piece<usize>> = Vec::with_capacity(pieces.len());
    let mut keys: Vec<K> = Vec::with_capacity(pieces.len());
    for (number, piece) in pieces.iter().enumerate() {
        let Piece { purpose, value, caps, returns, .. } = *piece;
        left.push(Piece { key: number, purpose, value, caps, returns });
        keys.push(piece.key);
    }
    let (mut parts, mut days) = (Vec::<Part<K>>::new(), 0);
    while days < DAYS_MAX && !left.is_empty() {
        match next(&left, &counters, manner) {
            Some(Step::Take(numbers)) => {
                for piece in left.extract_if(.., |piece| numbers.contains(&piece.key)) {
                    counters.take(piece.value);
                    let Some(key) = keys.get(piece.key) else { continue };
                    let same = |part: &&mut Part<K>| (part.day, part.key) == (counters.day, *key);
                    let (day, value, returns) = (counters.day, piece.value, piece.may_be_gone(counters.day));
                    match parts.iter_mut().rev().take_while(|part| part.day == day).find(same) {
                        Some(part) => {
                            part.value = part.value.saturating_add(value);
                            part.returns = earlier(part.returns, returns);
                        }
                        None => parts.push(Part { key: *key, day, value, returns }),
                    }
                }
            }
            Some(Step::Split(number, first)) => {
                let Some(place) = left.iter().position(|piece| piece.key == number) else { break };
                let (Some(piece), Some(key)) = (left.get_mut(place), keys.get(number).copied()) else { break };
                // Only a note that is still there can be split; then it is the wallet's for good.
                piece.returns = piece.may_be_gone(counters.day);
                let rest = Piece { key: keys.len(), value: piece.value.saturating_sub(first), ..*piece };
                piece.value = first;
                left.insert(place + 1, rest);
                keys.push(key);
            }
            None => {
                days += 1;
                let possible = |later: &Counters| next(&left, later, manner).is_some();
                let later = counters.tomorrow().filter(possible).or_else(|| counters.next_month().filter(possible));
                let Some(later) = later else { break };
                counters = later;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// 2026-11-20.
    const TODAY: u32 = 20_777;

    const CAPS: Caps = Caps { day: 1_000, month: 1_500 };

    fn pieces(values: &[u64]) -> Vec<Piece<usize>> {
        let piece = |(key, value): (usize, &u64)| Piece { key, purpose: 0, value: *value, caps: CAPS, returns: None };
        values.iter().enumerate().map(piece).collect()
    }

    fn nothing_yet() -> Counters {
        Counters { day: Day::new(TODAY), on_day: 0, in_month: 0 }
    }

    /// Days after the first, note, value.
    fn planned(values: &[u64], counters: Counters) -> Vec<(u32, usize, u64)> {
        planned_in(&Manner::claims(10, false), values, counters)
    }

    fn planned_in(manner: &Manner, values: &[u64], counters: Counters) -> Vec<(u32, usize, u64)> {
        let parts = schedule(&pieces(values), counters, manner);
        parts.iter().map(|part| (part.day.get() - TODAY, part.key, part.value)).collect()
    }

    #[test]
    fn what_fits_is_taken_whole_and_only_the_rest_is_split() {
        assert_eq!(planned(&[300, 200], nothing_yet()), [(0, 0, 300), (0, 1, 200)]);
        // The older one does not fit beside the younger ones, so it is the one that is split.
        assert_eq!(planned(&[700, 600], nothing_yet()), [(0, 0, 700), (0, 1, 300), (1, 1, 300)]);
        assert_eq!(planned(&[1_200, 300], nothing_yet()), [(0, 1, 300), (0, 0, 700), (1, 0, 500)]);
        // 10 more days in November, 30 after that: the cap of the month is used up on the second day of each.
        assert_eq!(planned(&[3_000], nothing_yet()), [(0, 0, 1_000), (1, 0, 500), (11, 0, 1_000), (12, 0, 500)]);
    }

    #[test]
    fn no_part_is_dust() {
        let almost = Counters { on_day: 995, in_month: 995, ..nothing_yet() };
        assert_eq!(planned(&[300], almost), [(1, 0, 300)], "5 would be left over for today");
        // 1,005 in parts of 995 and 10, not of 1,000 and 5.
        assert_eq!(planned(&[1_005], nothing_yet()), [(0, 0, 995), (1, 0, 10)]);
        let room_of_12 = Counters { on_day: 988, in_month: 988, ..nothing_yet() };
        assert_eq!(planned(&[19], room_of_12), [(1, 0, 19)], "two parts of 10 are not in it");
        assert_eq!(planned(&[20], room_of_12), [(0, 0, 10), (1, 0, 10)]);
        assert_eq!(planned(&[9; 12], nothing_yet()), [], "dust waits, also when there is much of it");
        assert_eq!(planned_in(&Manner::claims(10, true), &[9; 12], nothing_yet()).len(), 12, "until its owner asks");
    }

    #[test]
    fn what_no_day_allows_is_not_planned() {
        let strict = |value, caps| vec![Piece { key: 0, purpose: 0, value, caps, returns: None }];
        for caps in [Caps { day: 0, month: 100 }, Caps { day: 100, month: 0 }, Caps { day: 9, month: 100 }] {
            assert_eq!(next(&strict(50, caps), &nothing_yet(), &Manner::claims(10, false)), None);
            assert!(schedule(&strict(50, caps), nothing_yet(), &Manner::claims(10, true)).is_empty());
        }
        let endless = schedule(&strict(u64::MAX, CAPS), nothing_yet(), &Manner::claims(10, false));
        assert!(endless.len() <= DAYS_MAX + 1);
    }

    #[test]
    fn one_is_taken_after_the_other_unless_their_owner_asks() {
        let many = pieces(&[5; 80]);
        let step = |manner| next(&many, &nothing_yet(), &manner);
        assert_eq!(step(Manner::claims(5, false)), Some(Step::Take(vec![0])));
        assert_eq!(step(Manner::claims(5, true)), Some(Step::Take((0..64).collect())));
        assert_eq!(step(Manner::refunds(5)), Some(Step::Take(vec![0])));
        // Dust goes back to its payer as well.
        assert_eq!(next(&pieces(&[3]), &nothing_yet(), &Manner::refunds(10)), Some(Step::Take(vec![0])));
    }

    /// Three months are over before the sixth note's turn comes. What was split before belongs to its payee.
    #[test]
    fn what_may_go_back_before_its_day_is_told() {
        let february = Day::new(TODAY).month().plus(3);
        let waiting: Vec<_> =
            pieces(&[1_000; 6]).into_iter().map(|piece| Piece { returns: Some(february), ..piece }).collect();
        let parts = schedule(&waiting, nothing_yet(), &Manner::claims(10, false));
        let told: Vec<_> =
            parts.iter().filter_map(|part| Some((part.key, part.day, part.value, part.returns?))).collect();
        let on = |day| Day::from_civil(2027, 2, day).unwrap();
        assert_eq!(told, [(5, on(1), 500, february), (5, on(2), 500, february)]);
        let certain: u64 = parts.iter().filter(|part| part.returns.is_none()).map(|part| part.value).sum();
        assert_eq!(certain, 5_000, "also the rest of the fifth, which was split in January");
    }

    #[test]
    fn months_begin_on_their_first_day() {
        assert_eq!(first_day(Day::new(TODAY).month()), Day::from_civil(2026, 11, 1));
        assert_eq!(first_day(Day::new(TODAY).month().plus(2)), Day::from_civil(2027, 1, 1));
    }

    prop_compose! {
        fn waiting()(
            values in proptest::collection::vec((1u64..5_000, 0u32..3), 0..14),
            caps in proptest::collection::vec((0u64..2_000, 0u64..6_000), 3),
        ) -> Vec<Piece<usize>> {
            let caps_of = |purpose: u32| {
                let (day, month) = caps[purpose as usize];
                Caps { day, month }
            };
            let piece = |(key, (value, purpose)): (usize, (u64, u32))| {
                Piece { key, purpose, value, caps: caps_of(purpose), returns: None }
            };
            values.into_iter().enumerate().map(piece).collect()
        }
    }

    proptest! {
        /// No day and no month passes its caps, nothing is taken twice, and days go on.
        #[test]
        fn a_plan_keeps_the_caps(
            pieces in waiting(),
            day in 0u32..400,
            before in (0u64..1_500, 0u64..3_000),
            minimum in 0u64..300,
            joins in any::<bool>(),
        ) {
            let counters = Counters { day: Day::new(TODAY + day), on_day: before.0, in_month: before.0 + before.1 };
            let manner = Manner::claims(minimum, joins);
            let parts = schedule(&pieces, counters, &manner);
            prop_assert!(parts.is_sorted_by_key(|part| part.day));
            let mut running = counters;
            for part in &parts {
                if part.day.month() != running.day.month() {
                    running.in_month = 0;
                }
                if part.day != running.day {
                    running.on_day = 0;
                }
                running.day = part.day;
                let piece = pieces[part.key];
                prop_assert!(part.value <= running.room(piece.caps), "{part:?} with {running:?}");
                running.take(part.value);
            }
            let mut taken: BTreeMap<usize, (u64, usize)> = BTreeMap::new();
            for part in &parts {
                let entry = taken.entry(part.key).or_default();
                *entry = (entry.0 + part.value, entry.1 + 1);
                prop_assert!(part.value >= minimum.min(pieces[part.key].value));
            }
            for (key, (value, count)) in taken {
                let piece = pieces[key];
                // These days are never so many that a plan ends before everything is taken.
                prop_assert!(value <= piece.value);
                if value < piece.value {
                    // The last part never fits: the caps are too small for two parts of the minimum.
                    prop_assert!(parts.len() >= DAYS_MAX || piece.caps.day.min(piece.caps.month) < 2 * minimum.max(1));
                }
                prop_assert!(count <= 1 || piece.value >= 2 * minimum);
            }
        }

        /// What the plan says of today is what is done today.
        #[test]
        fn the_plan_is_what_is_done(pieces in waiting(), minimum in 1u64..300, joins in any::<bool>()) {
            let (counters, manner) = (nothing_yet(), Manner::claims(minimum, joins));
            let planned: u64 = schedule(&pieces, counters, &manner)
                .iter()
                .filter(|part| part.day == counters.day)
                .map(|part| part.value)
                .sum();
            let (mut left, mut now, mut fresh) = (pieces.clone(), counters, pieces.len());
            while let Some(step) = next(&left, &now, &manner) {
                match step {
                    Step::Take(keys) => {
                        left.retain(|piece| {
                            if keys.contains(&piece.key) {
                                now.take(piece.value);
                            }
                            !keys.contains(&piece.key)
                        });
                    }
                    Step::Split(key, first) => {
                        let place = left.iter().position(|piece| piece.key == key).unwrap();
                        let piece = left[place];
                        prop_assert!(first >= minimum && piece.value - first >= minimum);
                        prop_assert!(first <= now.room(piece.caps) && piece.value > now.room(piece.caps));
                        left[place].value = first;
                        left.insert(place + 1, Piece { key: fresh, value: piece.value - first, ..piece });
                        fresh += 1;
                    }
                }
            }
            prop_assert_eq!(now.on_day, planned);
        }
    }
}
