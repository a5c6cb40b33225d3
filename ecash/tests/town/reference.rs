//! Test vectors: their key, wallets and transactions.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use farthing_ecash::{
    calendar::Month,
    credential::issue::Addition,
    keys::{KeyRing, SigningKey},
    policy::PolicyBody,
    seed::{Seed, WalletKeys},
    transaction::Transaction,
};
use serde_json::Value;

pub fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

/// A file of vectors.
pub struct Reference(pub Value);

impl Reference {
    /// The vectors of the second implementation.
    pub fn read() -> Self {
        Self(serde_json::from_str(include_str!("../vectors/reference.json")).unwrap())
    }

    /// Those of this one.
    pub fn own() -> Self {
        Self(serde_json::from_str(include_str!("../vectors/own.json")).unwrap())
    }

    /// The signing key, put together from its parts.
    pub fn signing_key(&self) -> SigningKey {
        let key = &self.0["key"];
        let code = key["currency"].as_str().unwrap().as_bytes();
        let mut bytes = vec![1, u8::try_from(code.len()).unwrap()];
        bytes.extend_from_slice(code);
        bytes.push(u8::try_from(key["exponent"].as_u64().unwrap()).unwrap());
        bytes.extend(hex(&key["X"]));
        for date in ["first_day", "last_issue", "accept_until", "exchange_until"] {
            bytes.extend(number(&key[date]).to_le_bytes());
        }
        bytes.extend(hex(&key["x"]));
        bytes.extend(hex(&key["prf"]));
        SigningKey::from_secret_bytes(&bytes).unwrap()
    }

    pub fn ring(&self) -> KeyRing {
        KeyRing::new([self.signing_key()])
    }

    pub fn policy(&self) -> PolicyBody {
        PolicyBody::from_bytes(&hex(&self.0["policy"]["bytes"])).unwrap()
    }

    pub fn vectors(&self) -> &Vec<Value> {
        self.0["transactions"].as_array().unwrap()
    }

    pub fn transactions(&self) -> Vec<(Value, Transaction)> {
        let read = |vector: &Value| (vector.clone(), Transaction::from_bytes(&hex(&vector["request"])).unwrap());
        self.vectors().iter().map(read).collect()
    }

    pub fn wallet(&self, name: &str) -> WalletKeys {
        let wallet = &self.0["wallets"][name];
        let seed = Seed::from_bytes(hex(&wallet["seed"]).try_into().unwrap());
        WalletKeys::new(&seed, wallet["origin"].as_str().unwrap())
    }
}

pub fn addition(vector: &Value) -> Addition {
    let added = &vector["added"];
    if let Some(class) = added["class"].as_u64() {
        let validity = Month::new(number(&added["validity"]));
        return Addition::Registration { class: u32::try_from(class).unwrap(), validity };
    }
    match added["expiry"].as_u64() {
        Some(expiry) => Addition::Expiry(Month::new(u32::try_from(expiry).unwrap())),
        None => Addition::None,
    }
}

/// The answer as it is sent and logged. Vectors that leave class and validity out of that to Register get them here;
/// their leaves have them.
pub fn answer_bytes(vector: &Value) -> Vec<u8> {
    let mut bytes = hex(&vector["answer"]);
    if let Addition::Registration { class, validity } = addition(vector)
        && bytes.len() == 96 + 64
    {
        bytes.extend(class.to_le_bytes());
        bytes.extend(validity.get().to_le_bytes());
    }
    bytes
}
