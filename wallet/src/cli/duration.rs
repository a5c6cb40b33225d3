//! Durations as people write them.

use std::time::Duration;

/// Reads `500ms`, `30s`, `5m`, `1h` or `7d`: a whole number above zero with its unit.
///
/// # Errors
/// A text that says what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration as a number above 0 and a unit: 500ms, 30s, 5m, 1h or 7d".to_owned();
    let digits = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    milliseconds.filter(|&milliseconds| milliseconds > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(604_800)));
        for text in
            ["", "5", "s", "0s", "-1s", "1.5s", "1 s", "1w", "ü", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
