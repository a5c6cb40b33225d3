//! "Did you mean": the nearest of the names that would have been right.

/// Longer text is no misspelt name, and the distance takes time in the product of both lengths.
const NAME_BYTES_MAX: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be meant: at most one edit for each three characters, or
/// the same last part of a path (`Luxembourg` for `Europe/Luxembourg`). The first of equally near ones.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let wanted = name.to_lowercase();
    let edits_max = (wanted.chars().count() / 3).max(1);
    let rank = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        match candidate.rsplit_once('/') {
            Some((_, last)) if last == wanted => 1,
            _ => edits(&wanted, &candidate),
        }
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_BYTES_MAX)
        .map(|candidate| (rank(candidate), candidate))
        .filter(|(distance, _)| *distance <= edits_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance: insertions, deletions and replacements that turn one text into the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (b, cell) in to.chars().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn distances() {
        for (from, to, distance) in
            [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("same", "same", 0)]
        {
            assert_eq!(edits(from, to), distance, "{from} → {to}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["per_day", "per_month", "Europe/Luxembourg"];
        assert_eq!(nearest("perday", names), Some("per_day"));
        assert_eq!(nearest("PER_MONTH", names), Some("per_month"));
        assert_eq!(nearest("luxembourg", names), Some("Europe/Luxembourg"));
        assert_eq!(nearest("fee", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"x".repeat(10_000), names), None);
    }
}
