//! The spelling of error reasons in `google.rpc.ErrorInfo`.

use crate::v1::ErrorReason;

/// `domain` of every `google.rpc.ErrorInfo` of this package.
pub const DOMAIN: &str = "farthing.v1";

const PREFIX: &str = "ERROR_REASON_";

impl ErrorReason {
    /// The `reason` of `google.rpc.ErrorInfo`: the value's name without its prefix, such as `ALREADY_SPENT`.
    pub fn as_reason(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// Reads a `reason` of this package's domain. `None` for one that this version does not know.
    pub fn from_reason(reason: &str) -> Option<Self> {
        Self::from_str_name(&format!("{PREFIX}{reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_and_has_no_prefix() {
        let mut seen = 0;
        for number in 0.. {
            let Ok(reason) = ErrorReason::try_from(number) else {
                break;
            };
            assert!(!reason.as_reason().starts_with(PREFIX));
            assert_eq!(ErrorReason::from_reason(reason.as_reason()), Some(reason));
            seen += 1;
        }
        assert_eq!(seen, 30);
        assert_eq!(ErrorReason::AlreadySpent.as_reason(), "ALREADY_SPENT");
    }

    #[test]
    fn another_spelling_is_no_reason() {
        for text in ["", "already_spent", "ERROR_REASON_ALREADY_SPENT", "LATER"] {
            assert_eq!(ErrorReason::from_reason(text), None);
        }
    }
}
