//! The policy as programs use it: checked, in minor units, with numbers for names.

use farthing_ecash::amount::{Amount, Currency};
use farthing_ecash::policy::{PolicyBody, PolicyTerms, RuleLine, UNRESTRICTED};

use crate::compile;
use crate::mistake::Mistakes;
use crate::name::UNRESTRICTED_NAME;

/// A policy without mistakes. Only [`Policy::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) source: String,
    pub(crate) time_zone: String,
    pub(crate) grace_s: u64,
    pub(crate) bucket_bits: u8,
    pub(crate) currency: Currency,
    pub(crate) fee: Amount,
    pub(crate) minimum: Amount,
    pub(crate) expires_after_months: u32,
    pub(crate) classes: Vec<Class>,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) rules: Vec<RuleLine>,
}

/// A class of wallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) receive_per_day: Amount,
    pub(crate) receive_per_month: Amount,
    pub(crate) withdraw_per_day: Amount,
    pub(crate) redeem_per_day: Amount,
    pub(crate) accepts: Vec<u32>,
}

/// What some money may only be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) becomes: u32,
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// Every mistake of the file, each with its line and column. While the text is not TOML only its syntax errors
    /// are reported, and of a file for another version only that.
    pub fn parse(source: &str) -> Result<Policy, Mistakes> {
        compile::parse(source)
    }

    /// As [`Policy::parse`], from the bytes of a file.
    ///
    /// # Errors
    /// Bytes that are not UTF-8 are a mistake as well. Its place is right in [`String::from_utf8_lossy`]'s text,
    /// which is also good to [`render`](Mistakes::render) any other mistake.
    pub fn from_bytes(bytes: &[u8]) -> Result<Policy, Mistakes> {
        compile::from_bytes(bytes)
    }

    /// The name of the time zone, as in the IANA database, in which days and months begin.
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// For how many seconds after a change requests built for the policy before are still accepted; at most a day.
    pub fn grace_s(&self) -> u64 {
        self.grace_s
    }

    /// Bits of the bucket that a payment names for its payee to find it, 0 to 16 (`docs/PROTOCOL.md` section 8).
    pub fn bucket_bits(&self) -> u8 {
        self.bucket_bits
    }

    /// The currency, which must be the issuing key's.
    pub fn currency(&self) -> &Currency {
        &self.currency
    }

    /// What each payment costs its payer.
    pub fn fee(&self) -> Amount {
        self.fee
    }

    /// The smallest payment, at least one minor unit.
    pub fn minimum(&self) -> Amount {
        self.minimum
    }

    /// After how many months a payer may take back what nobody claimed; at least 1.
    pub fn expires_after_months(&self) -> u32 {
        self.expires_after_months
    }

    /// The classes, in the order of the file; at least one.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The class with a number.
    pub fn class(&self, number: u32) -> Option<&Class> {
        self.classes.iter().find(|class| class.number == number)
    }

    /// The class with a name.
    pub fn class_by_name(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The purposes, in the order of the file; unrestricted is none of them.
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// The purpose with a number.
    pub fn purpose(&self, number: u32) -> Option<&Purpose> {
        self.purposes.iter().find(|purpose| purpose.number == number)
    }

    /// The purpose with a name.
    pub fn purpose_by_name(&self, name: &str) -> Option<&Purpose> {
        self.purposes.iter().find(|purpose| purpose.name == name)
    }

    /// The number of a purpose as commands and calls name it: by its name, or by `unrestricted` or nothing for money that may
    /// be used for anything. `None` for a name that the policy does not have.
    pub fn purpose_number(&self, name: &str) -> Option<u32> {
        if name.is_empty() || name == UNRESTRICTED_NAME {
            return Some(UNRESTRICTED);
        }
        self.purpose_by_name(name).map(Purpose::number)
    }

    /// What an account of a class may withdraw in a day, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included; `None` for a class
    /// that the policy does not have.
    pub fn withdraw_cap(&self, class: u32) -> Option<Amount> {
        self.class(class).map(Class::withdraw_per_day)
    }

    /// What may be redeemed into an account of a class in a day, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included; `None` for
    /// a class that the policy does not have.
    pub fn redeem_cap(&self, class: u32) -> Option<Amount> {
        self.class(class).map(Class::redeem_per_day)
    }

    /// The rules to sign, at most [`RULES_MAX`](farthing_ecash::policy::RULES_MAX); the place in this list is the line that
    /// `docs/WIRE.md` section 3 counts from 0. By class in the order of the file; of each class first the rule for
    /// unrestricted money, then one for each accepted purpose, then a refund-only one for each other purpose.
    pub fn rules(&self) -> &[RuleLine] {
        &self.rules
    }

    /// What is published and hashed when the policy becomes the one of an epoch (`docs/WIRE.md` section 5).
    pub fn body(&self, epoch: u32) -> PolicyBody {
        let terms = PolicyTerms {
            epoch,
            fee: self.fee,
            minimum: self.minimum,
            months: self.expires_after_months,
            bucket_bits: self.bucket_bits,
        };
        PolicyBody::new(terms, self.rules.clone(), self.source.clone().into_bytes())
            .expect("a policy is only made from a file within the limits of a body")
    }

    /// The text that was parsed, byte for byte.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Class {
    /// Its number, at least 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a wallet of the class may receive in a day, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included.
    pub fn receive_per_day(&self) -> Amount {
        self.receive_per_day
    }

    /// What a wallet of the class may receive in a month, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included.
    pub fn receive_per_month(&self) -> Amount {
        self.receive_per_month
    }

    /// What an account of the class may withdraw in a day, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included.
    pub fn withdraw_per_day(&self) -> Amount {
        self.withdraw_per_day
    }

    /// What may be redeemed into an account of the class in a day, [`UNLIMITED`](farthing_ecash::policy::UNLIMITED) included.
    pub fn redeem_per_day(&self) -> Amount {
        self.redeem_per_day
    }

    /// The numbers of the purposes that the class accepts besides unrestricted money, in the order of the file.
    pub fn accepts(&self) -> &[u32] {
        &self.accepts
    }
}

impl Purpose {
    /// Its number, at least 1 and below 2^32 − 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the purpose that the money has once somebody received it; 0 is unrestricted.
    pub fn becomes(&self) -> u32 {
        self.becomes
    }
}
