//! Challenges as texts: `farthing:challenge?verifier=Housing%20Office&number=…`.

use farthing_ecash::disclosure::{CHALLENGE_BYTES, Challenge};

use crate::{
    error::WalletError,
    payment_request::{decode, encode},
};

/// What stands before the parameters.
const PREFIX: &str = "farthing:challenge?";

/// A challenge as a text that can be sent, or read out of a link.
#[must_use]
pub fn challenge_text(challenge: &Challenge) -> String {
    let number: String = challenge.number().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}verifier={}&number={number}", encode(challenge.verifier()))
}

/// Reads a challenge as [`challenge_text`] writes it. White space around it is left aside.
///
/// # Errors
/// [`WalletError::InvalidChallenge`].
pub fn read_challenge(text: &str) -> Result<Challenge, WalletError> {
    let wrong = |what: &str| WalletError::InvalidChallenge { what: what.to_owned() };
    let text = text.trim();
    let parameters = text.strip_prefix(PREFIX).ok_or_else(|| wrong("it begins with farthing:challenge?"))?;
    let parts = parameters.strip_prefix("verifier=").and_then(|rest| rest.split_once("&number="));
    let (verifier, number) = parts.ok_or_else(|| wrong("it has a verifier and a number"))?;
    let verifier = decode(verifier).ok_or_else(|| wrong("the verifier's name is not written right"))?;
    let number = number_of(number).ok_or_else(|| wrong("its number has not 64 hexadecimal digits"))?;
    let challenge = Challenge::from_parts(&verifier, number).map_err(|error| wrong(&error.to_string()))?;
    // There is one text of a challenge: the owner compares what is shown with what was handed over.
    Some(challenge).filter(|read| challenge_text(read) == text).ok_or_else(|| wrong("it was altered on the way"))
}

fn number_of(text: &str) -> Option<[u8; CHALLENGE_BYTES]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_challenge_is_read_back_and_nothing_else_is() {
        let challenge = Challenge::from_parts("Büro für Wohnen & mehr", [0xa5; 32]).unwrap();
        let text = challenge_text(&challenge);
        assert!(text.starts_with("farthing:challenge?verifier=B%C3%BCro%20f%C3%BCr%20Wohnen%20%26%20mehr&number=a5a5"));
        assert_eq!(read_challenge(&format!(" {text}\n")).unwrap(), challenge);
        for wrong in [
            String::new(),
            text.to_uppercase(),
            text.replace("a5", "A5"),
            text.replace("%C3", "%c3"),
            text.replace("verifier=B", "verifier=%42"),
            text.replace("&number", "&nonce"),
            format!("{text}a5"),
            format!("{text}&x=y"),
            text.replace("Wohnen", "Wohnen%0a"),
            text.replace("verifier=B%C3%BCro%20f%C3%BCr%20Wohnen%20%26%20mehr", "verifier="),
            text[..text.len() - 1].to_owned(),
        ] {
            assert!(matches!(read_challenge(&wrong), Err(WalletError::InvalidChallenge { .. })), "{wrong}");
        }
    }
}
