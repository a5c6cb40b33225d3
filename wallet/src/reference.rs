//! References: by what a payee recognises that a payment answers a request (`docs/WIRE.md` section 8). A reference travels in
//! the request and then inside the sealed memo, so that nobody but the payee can put the two together.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::error::WalletError;

/// Random bytes of a reference: 120 bits cannot be guessed, and make 20 characters without a rest.
const LENGTH: usize = 15;

/// Characters of a reference.
const TEXT_LENGTH: usize = 20;

/// Before the reference in a memo: the record separator, which nobody types.
const MARK: char = '\u{1e}';

/// What a payment has in common with the request that it answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference([u8; LENGTH]);

impl Reference {
    /// A fresh one.
    pub(crate) fn random() -> Result<Self, WalletError> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes)
            .map_err(|error| WalletError::Internal { what: format!("no randomness: {error}") })?;
        Ok(Self(bytes))
    }

    /// Reads its 20 characters. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == TEXT_LENGTH).then(|| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)).flatten()
    }
}

/// Its 20 characters of base64url.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(..)")
    }
}

/// The memo that travels: the text, after the reference when the payment answers a request.
pub(crate) fn sealed(reference: Option<&Reference>, text: &str) -> String {
    reference.map_or_else(|| text.to_owned(), |reference| format!("{MARK}{reference}{text}"))
}

/// The reference and the text of a memo. A memo that has not this form is a text as a whole.
pub(crate) fn opened(memo: &str) -> (Option<Reference>, &str) {
    let parts = memo.strip_prefix(MARK).and_then(|rest| rest.split_at_checked(TEXT_LENGTH));
    let read = parts.and_then(|(reference, text)| Some((Reference::parse(reference)?, text)));
    read.map_or((None, memo), |(reference, text)| (Some(reference), text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_has_one_form() {
        let reference = Reference([0xfb; LENGTH]);
        assert_eq!(reference.to_string(), "-_v7-_v7-_v7-_v7-_v7");
        assert_eq!(Reference::parse("-_v7-_v7-_v7-_v7-_v7"), Some(reference));
        for wrong in
            ["", "-_v7-_v7-_v7-_v7-_v", "-_v7-_v7-_v7-_v7-_v7A", "+/v7-_v7-_v7-_v7-_v7", "-_v7-_v7-_v7-_v7-_v="]
        {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
        assert_ne!(Reference::random().unwrap(), Reference::random().unwrap());
    }

    #[test]
    fn a_memo_with_a_reference_has_a_fixed_form() {
        let reference = Reference([0; LENGTH]);
        let memo = sealed(Some(&reference), "coffee");
        assert_eq!(memo, "\u{1e}AAAAAAAAAAAAAAAAAAAAcoffee");
        assert_eq!(opened(&memo), (Some(reference), "coffee"));
        for text in
            ["", "coffee", "\u{1e}", "\u{1e}AAAAAAAAAAAAAAAAAAA", "\u{1e}AAAAAAAAAAAAAAAAAAA=x", "\u{1e}ééééééééééx"]
        {
            assert_eq!(opened(text), (None, text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(bytes in any::<[u8; LENGTH]>(), text in "\\PC{0,60}") {
            let reference = Reference(bytes);
            let memo = sealed(Some(&reference), &text);
            prop_assert_eq!(opened(&memo), (Some(reference), text.as_str()));
        }

        #[test]
        fn no_memo_makes_it_panic(memo in "\u{1e}?\\PC{0,40}") {
            let _read = opened(&memo);
        }
    }
}
