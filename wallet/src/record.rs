//! What the vault keeps, as JSON inside encrypted records. Secrets and other bytes are hexadecimal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
};

use farthing_ecash::{amount::Amount, calendar::Month, identity::Identity, seed::Nonce, transaction::TransactionId};
use farthing_proto::v1::ErrorReason;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::{
    error::WalletError,
    history::{HistoryItem, ItemFailure, OperationKind, OperationState, PaidNote, RequestId},
    operation::Operation,
    reference::Reference,
    vault::Plain,
};

/// Version of the records' format.
const VERSION: u8 = 1;

/// Bytes, secret or not, that are wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hex(Zeroizing<Vec<u8>>);

impl Hex {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl de::Visitor<'_> for Digits {
            type Value = Hex;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hexadecimal digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex, E> {
                let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
                let mut digits =
                    text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
                while let Some(high) = digits.next() {
                    let (Some(high), Some(Some(low))) = (high, digits.next()) else {
                        return Err(E::custom("not hexadecimal"));
                    };
                    bytes.push(high << 4 | low);
                }
                Ok(Hex(bytes))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Who the wallet is, and whose.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// The 64 bytes that everything is derived from.
    pub(crate) seed: Hex,
    /// Set when the registration is begun.
    pub(crate) identity: Option<String>,
    /// Set at the first contact.
    pub(crate) pins: Option<Pins>,
    /// The scalar of the identity, which is all that the log has of it. Set when the registration was found there.
    #[serde(default)]
    pub(crate) pid: Option<Hex>,
    /// The wallet was made from its words, and the logs were not looked through to their ends yet.
    #[serde(default)]
    pub(crate) restoring: bool,
}

/// What the servers were at the first contact, and must remain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pins {
    /// Origin of the issuance log.
    pub(crate) issuer_origin: String,
    /// The time zone in which days begin.
    pub(crate) time_zone: String,
    /// Canonical bytes of all keys seen.
    pub(crate) keys: Vec<Hex>,
    /// Origin of the payment log, once it is known.
    pub(crate) redeemer_origin: Option<String>,
}

/// How far the logs were looked through, and what they said.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inbox {
    /// Index of the first entry of the payment log that was not looked at.
    pub(crate) next: u64,
    /// The same of the issuance log.
    #[serde(default)]
    pub(crate) issuance_next: u64,
    /// The edge of the tree of the payment log when it ended before `next`.
    #[serde(default)]
    pub(crate) frontier: Option<Hex>,
    /// The same of the issuance log.
    #[serde(default)]
    pub(crate) issuance_frontier: Option<Hex>,
    /// Another copy of this wallet was seen at work.
    #[serde(default)]
    pub(crate) copies: bool,
    /// The newest directory entry of the wallet's identity, if it names another wallet's key.
    #[serde(default)]
    pub(crate) strange_directory: Option<u64>,
    /// After how many months notes expire, by policy hash in hexadecimal.
    pub(crate) policies: BTreeMap<String, u32>,
    /// Validity calendars of the issuance log by the index of the entry. The first of them is the first of the log.
    #[serde(default)]
    pub(crate) calendar_entries: BTreeMap<u64, CalendarEntry>,
    /// Bits of bucket numbers when the log was last looked through.
    pub(crate) bucket_bits: u8,
}

/// A validity calendar, as its entry says it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CalendarEntry {
    /// The logical day of the entry.
    pub(crate) day: u32,
    /// Months of a period.
    pub(crate) months: u32,
}

/// Whom the wallet believes, and what it believes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trust {
    /// The owner's trust policy (C2SP tlog-policy), if there is one.
    pub(crate) policy: Option<String>,
    pub(crate) issuance: LogTrust,
    pub(crate) payments: LogTrust,
    /// Hashes of keys, policies and rules that were found in the logs.
    pub(crate) verified: Vec<Hex>,
    /// The newest policy that was in force, by its epoch.
    #[serde(default)]
    pub(crate) epoch: u32,
    /// Names of purposes by their numbers, which never mean something else later: of all policies that were in force.
    #[serde(default)]
    pub(crate) purposes: BTreeMap<u32, String>,
    /// The purposes of money that a wallet can claim, by its class: of the newest policy that was in force. `None` until one was
    /// seen, also in what an earlier version wrote.
    #[serde(default)]
    pub(crate) accepted: Option<BTreeMap<u32, BTreeSet<u32>>>,
    /// A log has shown two truths; where the evidence is.
    pub(crate) stopped: Option<String>,
}

impl Trust {
    /// Whether a wallet of this class can claim money of this purpose, as far as is known: while no policy was seen, nothing is
    /// said against it.
    pub(crate) fn accepts(&self, class: u32, purpose: u32) -> bool {
        let Some(classes) = &self.accepted else { return true };
        classes.get(&class).is_some_and(|purposes| purposes.contains(&purpose))
    }
}

/// What the wallet believes of one log.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogTrust {
    /// Its verifier key.
    pub(crate) key: Option<String>,
    /// The last checkpoint that was believed, a signed note.
    pub(crate) checkpoint: Option<String>,
}

/// A renewal that was or is to be made.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Renewal {
    /// The nonce of its grant, 24 bytes.
    pub(crate) nonce: Hex,
    /// The serial of the state that it was built for, once it was: under one nonce only one state is ever sealed.
    pub(crate) state: Option<Hex>,
}

impl Renewal {
    /// Whether the nonce may be used for the state with this serial.
    pub(crate) fn fits(&self, serial: &[u8; 32]) -> bool {
        self.state.as_ref().is_none_or(|state| state.as_bytes() == serial)
    }

    pub(crate) fn nonce(&self) -> Result<Nonce, WalletError> {
        let nonce = self.nonce.as_bytes().try_into().map(Nonce::new);
        nonce.map_err(|_| WalletError::Damaged { what: "the nonce of a renewal is malformed".to_owned() })
    }
}

/// A note that waits to be claimed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredNote {
    pub(crate) credential: Hex,
    /// Number of its item in the history.
    pub(crate) item: u64,
}

/// A payment of one's own, as long as nobody is known to have claimed it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredRefundable {
    /// The note with what takes it back.
    pub(crate) secret: Hex,
    /// Number of its item in the history.
    pub(crate) item: u64,
}

/// A request that this wallet made, to be recognised when it is paid.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredRequest {
    pub(crate) reference: String,
    pub(crate) amount: Option<u64>,
    pub(crate) memo: String,
    /// When it was made, in seconds by this machine's clock.
    pub(crate) unix_seconds: i64,
    pub(crate) expires: Option<u64>,
}

/// One record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Profile(Profile),
    Inbox(Inbox),
    Trust(Trust),
    Renewal(Renewal),
    State(Hex),
    Coin(Hex),
    Note(StoredNote),
    Refundable(StoredRefundable),
    Operation(Operation),
    Item(StoredItem),
    Request(StoredRequest),
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u8,
    record: T,
}

/// Counts bytes, so that the buffer for a secret is allocated once and leaves no copy behind.
#[derive(Default)]
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Record {
    pub(crate) fn to_plain(&self) -> Result<Plain, WalletError> {
        let failed = |error| WalletError::Internal { what: format!("a record could not be written: {error}") };
        let versioned = Versioned { version: VERSION, record: self };
        let mut count = Count::default();
        serde_json::to_writer(&mut count, &versioned).map_err(failed)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(count.0));
        serde_json::to_writer(&mut *plain, &versioned).map_err(failed)?;
        Ok(plain)
    }

    pub(crate) fn from_plain(plain: &Plain) -> Result<Self, WalletError> {
        // serde_json names a position, never contents.
        let versioned: Versioned<Self> = serde_json::from_slice(plain).map_err(|error| WalletError::Damaged {
            what: format!("a record cannot be read at column {}", error.column()),
        })?;
        if versioned.version == VERSION {
            Ok(versioned.record)
        } else {
            Err(WalletError::Damaged { what: "a record was written by a later version of this program".to_owned() })
        }
    }
}

/// An item of the history, as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredItem {
    number: u64,
    cursor: u64,
    kind: OperationKind,
    state: OperationState,
    amount: u64,
    fee: u64,
    #[serde(default)]
    purpose: String,
    payee: Option<String>,
    memo: String,
    unix_seconds: i64,
    transaction_id: Option<Hex>,
    #[serde(default)]
    earlier_ids: Vec<Hex>,
    log_index: Option<u64>,
    /// Of items that an earlier version wrote, whose payments were claimed in one part.
    #[serde(default, skip_serializing)]
    claim_index: Option<u64>,
    #[serde(default)]
    claimed: u64,
    #[serde(default)]
    claim_indices: Vec<u64>,
    #[serde(default)]
    refundable_from: Option<u32>,
    #[serde(default)]
    receipt_index: Option<u64>,
    #[serde(default)]
    refunded: u64,
    request_id: Option<Hex>,
    failure: Option<(String, String)>,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    unregistered: bool,
    #[serde(default)]
    paid_note: Option<StoredPaidNote>,
}

/// [`PaidNote`], as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredPaidNote {
    nonce: Hex,
    purpose: u32,
    expiry: u32,
}

impl From<&HistoryItem> for StoredItem {
    fn from(item: &HistoryItem) -> Self {
        Self {
            number: item.number,
            cursor: item.cursor,
            kind: item.kind,
            state: item.state,
            amount: item.amount.get(),
            fee: item.fee.get(),
            purpose: item.purpose.clone(),
            payee: item.payee.as_ref().map(|payee| payee.as_str().to_owned()),
            memo: item.memo.clone(),
            unix_seconds: item.unix_seconds,
            transaction_id: item.transaction_id.map(|id| Hex::new(id.as_bytes())),
            earlier_ids: item.earlier_ids.iter().map(|id| Hex::new(id.as_bytes())).collect(),
            log_index: item.log_index,
            claim_index: None,
            claimed: item.claimed.get(),
            claim_indices: item.claim_indices.clone(),
            refundable_from: item.refundable_from.map(Month::get),
            receipt_index: item.receipt_index,
            refunded: item.refunded.get(),
            request_id: item.request_id.map(|id| Hex::new(id.as_bytes())),
            failure: item
                .failure
                .as_ref()
                .map(|failure| (failure.reason.as_reason().to_owned(), failure.message.clone())),
            reference: item.reference.map(|reference| reference.to_string()),
            unregistered: item.unregistered,
            paid_note: item.paid_note.map(|note| StoredPaidNote {
                nonce: Hex::new(note.nonce.as_bytes()),
                purpose: note.purpose,
                expiry: note.expiry.get(),
            }),
        }
    }
}

impl TryFrom<StoredItem> for HistoryItem {
    type Error = WalletError;

    fn try_from(stored: StoredItem) -> Result<Self, WalletError> {
        let wrong = || WalletError::Damaged { what: "an item of the history is malformed".to_owned() };
        let named = |id: &Hex| id.as_bytes().try_into().map(TransactionId::new).map_err(|_| wrong());
        let request_id = stored.request_id.map(|id| id.as_bytes().try_into().map(RequestId::new));
        let failure = stored.failure.map(|(reason, message)| ItemFailure {
            reason: ErrorReason::from_reason(&reason).unwrap_or_default(),
            message,
        });
        let paid_note = stored.paid_note.map(|note| {
            let nonce = note.nonce.as_bytes().try_into().map(Nonce::new)?;
            Ok(PaidNote { nonce, purpose: note.purpose, expiry: Month::new(note.expiry) })
        });
        Ok(Self {
            number: stored.number,
            cursor: stored.cursor,
            kind: stored.kind,
            state: stored.state,
            amount: Amount::new(stored.amount),
            fee: Amount::new(stored.fee),
            purpose: stored.purpose,
            payee: stored.payee.map(|payee| Identity::parse(&payee)).transpose()?,
            memo: stored.memo,
            unix_seconds: stored.unix_seconds,
            transaction_id: stored.transaction_id.as_ref().map(named).transpose()?,
            earlier_ids: stored.earlier_ids.iter().map(named).collect::<Result<_, _>>()?,
            log_index: stored.log_index,
            claimed: Amount::new(if stored.claim_index.is_some() { stored.amount } else { stored.claimed }),
            claim_indices: stored.claim_indices.into_iter().chain(stored.claim_index).collect(),
            refundable_from: stored.refundable_from.map(Month::new),
            receipt_index: stored.receipt_index,
            refunded: Amount::new(stored.refunded),
            request_id: request_id.transpose().map_err(|_| wrong())?,
            failure,
            reference: stored.reference.map(|text| Reference::parse(&text).ok_or_else(wrong)).transpose()?,
            unregistered: stored.unregistered,
            paid_note: paid_note.transpose().map_err(|_: std::array::TryFromSliceError| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::operation::Intent;

    #[test]
    fn items_are_read_as_they_were_written() {
        let item = HistoryItem {
            number: 7,
            cursor: 9,
            kind: OperationKind::Pay,
            state: OperationState::Failed,
            amount: Amount::new(u64::MAX),
            fee: Amount::new(1),
            purpose: "meal".to_owned(),
            payee: Some(Identity::parse("bob@bank.example").unwrap()),
            memo: "lunch \"and\"\n\u{1f35e}".to_owned(),
            unix_seconds: -1,
            transaction_id: Some(TransactionId::new([3; 32])),
            earlier_ids: vec![TransactionId::new([2; 32])],
            log_index: Some(0),
            claimed: Amount::new(3),
            claim_indices: vec![5, 8],
            refundable_from: Some(Month::new(24_325)),
            receipt_index: Some(6),
            refunded: Amount::new(2),
            request_id: Some(RequestId::new([4; 16])),
            failure: Some(ItemFailure { reason: ErrorReason::AlreadySpent, message: "gone".to_owned() }),
            reference: Some(Reference::random().unwrap()),
            unregistered: true,
            paid_note: Some(PaidNote { nonce: Nonce::new([5; 24]), purpose: 6, expiry: Month::new(24_324) }),
        };
        let plain = Record::Item((&item).into()).to_plain().unwrap();
        assert_eq!(plain.capacity(), plain.len());
        let Record::Item(stored) = Record::from_plain(&plain).unwrap() else { panic!("another kind") };
        assert!(HistoryItem::try_from(stored).unwrap() == item);
    }

    #[test]
    fn items_of_an_earlier_version_are_read() {
        let item = HistoryItem {
            kind: OperationKind::Receive,
            state: OperationState::Done,
            amount: Amount::new(350),
            claimed: Amount::new(350),
            claim_indices: vec![5],
            ..HistoryItem::default()
        };
        let text = serde_json::json!({ "version": 1, "record": { "item": {
            "number": 0, "cursor": 0, "kind": "receive", "state": "done", "amount": 350, "fee": 0, "payee": null, "memo": "",
            "unix_seconds": 0, "transaction_id": null, "log_index": null, "claim_index": 5, "request_id": null,
            "failure": null,
        } } });
        let plain = Zeroizing::new(text.to_string().into_bytes());
        let Record::Item(stored) = Record::from_plain(&plain).unwrap() else { panic!("another kind") };
        assert!(HistoryItem::try_from(stored).unwrap() == item);
    }

    #[test]
    fn records_from_before_there_were_purposes_are_of_money_for_anything() {
        let read = |text: &str| Record::from_plain(&Zeroizing::new(text.as_bytes().to_vec())).unwrap();
        let item = r#"{"version":1,"record":{"item":{"number":1,"cursor":1,"kind":"pay","state":"done","amount":5,"fee":1,
            "payee":null,"memo":"","unix_seconds":0,"transaction_id":null,"log_index":3,"request_id":null,"failure":null}}}"#;
        let Record::Item(item) = read(item) else { panic!("another kind") };
        assert_eq!(HistoryItem::try_from(item).unwrap().purpose, "");
        let operation = r#"{"version":1,"record":{"operation":{"intent":{"withdraw":{"amount":5}},"item":1,"inputs":[],
            "request":{"transaction":"","private":""},"earlier":[]}}}"#;
        let Record::Operation(operation) = read(operation) else { panic!("another kind") };
        let Intent::Withdraw(withdraw) = operation.intent else { panic!("another intent") };
        assert_eq!((withdraw.amount, withdraw.purpose), (5, 0));
    }

    #[test]
    fn before_a_policy_was_seen_all_money_can_be_claimed() {
        let read = |value: &serde_json::Value| {
            let Record::Trust(trust) = Record::from_plain(&Zeroizing::new(value.to_string().into_bytes())).unwrap()
            else {
                panic!("another kind")
            };
            trust
        };
        let trust = Trust { accepted: Some([(1, [0, 7].into()), (2, [0].into())].into()), ..Trust::default() };
        let plain = Record::Trust(trust).to_plain().unwrap();
        let mut stored: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let known = read(&stored);
        let of_classes = [1, 2, 3].map(|class| known.accepts(class, 7));
        assert_eq!(of_classes, [true, false, false]);
        // As an earlier version wrote it.
        stored["record"]["trust"].as_object_mut().unwrap().remove("accepted").unwrap();
        assert!(read(&stored).accepts(2, 7));
    }

    #[test]
    fn what_is_no_record_is_damage() {
        for text in [
            "",
            "{}",
            r#"{"version":1,"record":{"coin":"zz"}}"#,
            r#"{"version":1,"record":{"coin":"a"}}"#,
            r#"{"version":2,"record":{"coin":"aa"}}"#,
            r#"{"version":1,"record":{"token":"aa"}}"#,
        ] {
            let plain = Zeroizing::new(text.as_bytes().to_vec());
            assert!(matches!(Record::from_plain(&plain), Err(WalletError::Damaged { .. })), "{text}");
        }
    }
}
