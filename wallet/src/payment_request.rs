//! Payment requests: a URI for a link or a QR code that another wallet can pay (`docs/WIRE.md` section 8).

use std::fmt;

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    seal::Memo,
};

use crate::{
    error::WalletError,
    reference::{self, Reference},
};

/// What stands before the parameters.
const PREFIX: &str = "farthing:pay?";

/// The longest request: every byte of an identity and a memo percent-encoded, and room for the rest. Longer texts are not
/// looked at.
const LENGTH_MAX: usize = 2048;

/// Whom to pay, and what for: `farthing:pay?to=bob%40bank.example&amount=3.50&currency=EUR&memo=lunch`.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Who wants to be paid.
    pub to: Identity,
    /// How much; `None` leaves it to the payer.
    pub amount: Option<Amount>,
    /// Text that the payer sees and sends back, at most 256 bytes of UTF-8; may be empty.
    pub memo: String,
    /// The currency in which the amount is written.
    pub currency: Currency,
    /// By what the payee recognises the payment. Requests by other programs may have none.
    pub reference: Option<Reference>,
    /// Until when it wants to be paid, seconds since 1970-01-01T00:00:00Z; `None` is for ever.
    pub expires: Option<u64>,
}

impl fmt::Debug for PaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentRequest(..)")
    }
}

/// The request as a URI.
impl fmt::Display for PaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}to={}", encode(self.to.as_str()))?;
        if let Some(amount) = self.amount {
            write!(f, "&amount={}&currency={}", self.currency.format(amount), self.currency.code())?;
        }
        if !self.memo.is_empty() {
            write!(f, "&memo={}", encode(&self.memo))?;
        }
        if let Some(reference) = &self.reference {
            write!(f, "&ref={reference}")?;
        }
        if let Some(expires) = self.expires {
            write!(f, "&expires={expires}")?;
        }
        Ok(())
    }
}

impl PaymentRequest {
    /// Reads a request. Amounts must be in `currency`, the wallet's. Parameters that this version does not know are left
    /// aside unless their names begin with `req-`: those must be understood.
    ///
    /// # Errors
    /// [`WalletError::InvalidPaymentRequest`], [`WalletError::InvalidIdentity`], [`WalletError::AmountZero`] or
    /// [`WalletError::MemoTooLong`].
    pub fn parse(text: &str, currency: &Currency) -> Result<Self, WalletError> {
        let wrong = |what: &str| WalletError::InvalidPaymentRequest { what: what.to_owned() };
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            return Err(wrong("it is too long"));
        }
        let head = text.get(..PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(PREFIX));
        let parameters =
            head.and_then(|_| text.get(PREFIX.len()..)).ok_or_else(|| wrong("it begins with farthing:pay?"))?;
        let (mut to, mut amount, mut code, mut memo) = (None, None, None, None);
        let (mut reference, mut expires) = (None, None);
        for parameter in parameters.split('&') {
            let (name, value) = parameter.split_once('=').ok_or_else(|| wrong("a parameter has no value"))?;
            let value =
                decode(value).ok_or_else(|| wrong("a percent sign is not followed by two hexadecimal digits"))?;
            let place = match name {
                "to" => &mut to,
                "amount" => &mut amount,
                "currency" => &mut code,
                "memo" => &mut memo,
                "ref" => &mut reference,
                "expires" => &mut expires,
                _ if name.starts_with("req-") => return Err(wrong("it asks for what this version does not know")),
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(wrong("a parameter stands twice"));
            }
        }
        let to = Identity::parse(&to.ok_or_else(|| wrong("it does not say whom to pay"))?)?;
        if code.is_some_and(|code| code != currency.code()) {
            return Err(wrong("it is in another currency than this wallet"));
        }
        let amount = amount.map(|text| currency.parse(&text)).transpose();
        let amount = amount.map_err(|error| WalletError::InvalidPaymentRequest { what: error.to_string() })?;
        let reference =
            reference.map(|text| Reference::parse(&text).ok_or_else(|| wrong("its reference is malformed")));
        let expires = expires.map(|text| seconds(&text).ok_or_else(|| wrong("it does not say until when it is good")));
        let (reference, expires) = (reference.transpose()?, expires.transpose()?);
        let memo = memo.unwrap_or_default();
        check_memo(reference.as_ref(), &memo)?;
        Ok(Self { reference, expires, ..Self::new(to, amount, &memo, currency)? })
    }

    /// Whether it is too late to pay it.
    #[must_use]
    pub fn is_over(&self, unix_seconds: i64) -> bool {
        self.expires.is_some_and(|expires| u64::try_from(unix_seconds).is_ok_and(|now| now > expires))
    }

    /// A request, checked.
    ///
    /// # Errors
    /// [`WalletError::AmountZero`] or [`WalletError::MemoTooLong`].
    pub fn new(to: Identity, amount: Option<Amount>, memo: &str, currency: &Currency) -> Result<Self, WalletError> {
        if amount == Some(Amount::ZERO) {
            return Err(WalletError::AmountZero);
        }
        check_memo(None, memo)?;
        Ok(Self { to, amount, memo: memo.to_owned(), currency: currency.clone(), reference: None, expires: None })
    }
}

/// A memo has to fit into a note, with the reference that travels before it.
pub(crate) fn check_memo(reference: Option<&Reference>, memo: &str) -> Result<(), WalletError> {
    let sealed = Memo::new(&reference::sealed(reference, memo));
    sealed.map(drop).map_err(|error| WalletError::MemoTooLong { length: error.length })
}

/// A number of seconds in the one form that it has: digits, without zeros before them.
fn seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|seconds: &u64| seconds.to_string() == text)
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Undoes percent-encoding. A plus is a plus. `None` when it is malformed or no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(rest.next())? << 4 | digit(rest.next())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn euro() -> Currency {
        Currency::new("EUR", 6).unwrap()
    }

    fn parse(text: &str) -> Result<PaymentRequest, WalletError> {
        PaymentRequest::parse(text, &euro())
    }

    #[test]
    fn a_request_is_written_for_links() {
        let to = Identity::parse("Bob@Bank.example").unwrap();
        let request = PaymentRequest::new(to, Some(Amount::new(3_500_000)), "lunch & tea", &euro()).unwrap();
        assert_eq!(
            request.to_string(),
            "farthing:pay?to=bob%40bank.example&amount=3.50&currency=EUR&memo=lunch%20%26%20tea"
        );
        assert_eq!(parse(&request.to_string()).unwrap(), request);
    }

    #[test]
    fn a_reference_and_an_end_travel_with_it() {
        let text = "farthing:pay?to=bob%40bank.example&memo=tea&ref=AAAAAAAAAAAAAAAAAAAA&expires=1800000000";
        let request = parse(text).unwrap();
        assert_eq!(
            (request.reference, request.expires),
            (Reference::parse("AAAAAAAAAAAAAAAAAAAA"), Some(1_800_000_000))
        );
        assert_eq!(request.to_string(), text);
        assert!(!request.is_over(1_800_000_000) && request.is_over(1_800_000_001) && !request.is_over(-1));
        // The memo has less room.
        let with =
            |length: usize| parse(&format!("farthing:pay?to=a&ref=AAAAAAAAAAAAAAAAAAAA&memo={}", "m".repeat(length)));
        assert!(with(235).is_ok());
        assert!(matches!(with(236), Err(WalletError::MemoTooLong { length: 257 })));
    }

    #[test]
    fn only_whom_to_pay_is_needed() {
        let request = parse(" FARTHING:pay?to=+35212345678 ").unwrap();
        assert_eq!((request.to.as_str(), request.amount, request.memo.as_str()), ("+35212345678", None, ""));
    }

    #[test]
    fn anything_doubtful_about_money_is_refused() {
        for text in [
            "",
            "farthing:pay?",
            "farthing:pay?amount=1",
            "farthing:pay?to=",
            "farthing:pay?to=a b",
            "farthing:bob?to=a",
            "farthing:pay?to=a&to=b",
            "farthing:pay?to=a&amount=1&amount=2",
            "farthing:pay?to=a&amount=1,5",
            "farthing:pay?to=a&amount=1.0000001",
            "farthing:pay?to=a&amount=0",
            "farthing:pay?to=a&amount=-1",
            "farthing:pay?to=a&amount=1&currency=USD",
            "farthing:pay?to=%4",
            "farthing:pay?to=%zz",
            "farthing:pay?to=%ff",
            "farthing:pay?to=a&memo",
            "farthing:pay?to=a&req-escrow=yes",
            "farthing:pay?to=a&ref=AAAAAAAAAAAAAAAAAAA",
            "farthing:pay?to=a&ref=AAAAAAAAAAAAAAAAAAA%3D",
            "farthing:pay?to=a&ref=AAAAAAAAAAAAAAAAAAAA&ref=AAAAAAAAAAAAAAAAAAAA",
            "farthing:pay?to=a&expires=",
            "farthing:pay?to=a&expires=01800000000",
            "farthing:pay?to=a&expires=+1800000000",
            "farthing:pay?to=a&expires=99999999999999999999",
            "farthing:pay?to=a&expires=2027-01-01",
            "https://pay?to=a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(matches!(
            parse(&format!("farthing:pay?to=a&memo={}", "m".repeat(257))),
            Err(WalletError::MemoTooLong { length: 257 })
        ));
        assert!(parse("farthing:pay?to=a&label=x&amount=1").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            to in "[!-~]{1,254}",
            amount in proptest::option::of(1u64..),
            memo in "\\PC{0,32}",
            reference in proptest::option::of("[A-Za-z0-9_-]{20}"),
            expires in proptest::option::of(any::<u64>()),
        ) {
            let to = Identity::parse(&to).unwrap();
            let request = PaymentRequest::new(to, amount.map(Amount::new), &memo, &euro()).unwrap();
            let reference = reference.map(|text| Reference::parse(&text).unwrap());
            let request = PaymentRequest { reference, expires, ..request };
            prop_assert_eq!(parse(&request.to_string()).unwrap(), request);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(farthing:pay\\?)?\\PC*") {
            let _: Result<PaymentRequest, WalletError> = parse(&text);
        }
    }
}
