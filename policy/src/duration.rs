//! Durations as the file writes them: `90s`, `10m`, `1h`.

use crate::mistake::{Fault, quote};

/// The longest grace in seconds. A request is built for one day, so older ones are refused in any case, and a longer
/// grace would keep a cap that was lowered in force.
const GRACE_S_MAX: u64 = 24 * 60 * 60;

/// Reads a grace in seconds: a whole number and `s`, `m` or `h`.
pub(crate) fn parse_grace(text: &str) -> Result<u64, Fault> {
    let seconds_per = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        _ => None,
    };
    let read = || {
        let unit = text.chars().last()?;
        let number = text.strip_suffix(unit)?;
        let seconds_per_unit: u64 = seconds_per(unit)?;
        let all_digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        // A number too large for a u64 is too long as well, like one that overflows when multiplied.
        all_digits.then(|| number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(seconds_per_unit))
    };
    let seconds = read().ok_or_else(|| {
        Fault::new(format!("{} is not a duration", quote(text))).help("write a whole number and s, m or h: \"10m\"")
    })?;
    if seconds > GRACE_S_MAX {
        return Err(Fault::new(format!("a grace of {} is too long", quote(text))).help("at most \"24h\""));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::parse_grace;

    #[test]
    fn durations() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("1h", 3600), ("24h", 86_400)] {
            assert_eq!(parse_grace(text), Ok(seconds), "{text}");
        }
        for text in
            ["", "s", "10", "10 m", "-1s", "1.5h", "1d", "25h", "1441m", "99999999999999999999999h", "１h", "h1", "é"]
        {
            assert!(parse_grace(text).is_err(), "{text}");
        }
    }
}
