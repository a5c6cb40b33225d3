//! What transactions are built under, as the servers say it and the wallet believes it: pinned at the first contact, checked
//! against this machine's clock, rules verified.

use std::collections::{BTreeMap, BTreeSet};

use farthing_ecash::{
    calendar::Day,
    credential::Credential,
    keys::{KeyId, PublicKey},
    policy::{PolicyBody, REFUND_ONLY, RuleLine, UNRESTRICTED},
    rule::{self, Rule},
    transaction::Header,
    validity::ValidityCalendar,
};
use farthing_policy::Policy;
use farthing_service::clock;
use jiff::tz::TimeZone;

use crate::{
    client::{issuer::IssuerFacts, redeemer::RedeemerFacts},
    error::{Server, WalletError},
    record::{Hex, Pins},
};

/// What registrations and withdrawals are built under.
pub(crate) struct Issuance {
    pub(crate) key: PublicKey,
    pub(crate) day: Day,
    /// Until when states that are signed now are valid.
    pub(crate) calendar: ValidityCalendar,
}

/// What payments, claims, redemptions and swaps are built under.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) header: Header,
    pub(crate) policy: PolicyBody,
    /// Verified, under the key of the header.
    pub(crate) rules: Vec<Credential<Rule>>,
    /// The policy's file, for the names in it.
    pub(crate) names: Option<Policy>,
}

impl Terms {
    /// The name of a class, or its number.
    pub(crate) fn class_name(&self, class: u32) -> String {
        let named = self.names.as_ref().and_then(|names| names.class(class));
        named.map_or_else(|| class.to_string(), |class| class.name().to_owned())
    }

    /// The number of a purpose by which money is asked for: by its name, or its number when the policy's names cannot be read.
    pub(crate) fn purpose(&self, name: &str) -> Result<u32, WalletError> {
        if name.is_empty() {
            return Ok(UNRESTRICTED);
        }
        let by_name = self.names.as_ref().and_then(|names| names.purpose_number(name));
        let known = |purpose: &u32| self.policy.rules().iter().any(|line| line.purpose == *purpose);
        by_name.or_else(|| name.parse().ok().filter(known)).ok_or_else(|| WalletError::PurposeUnknown {
            purpose: name.to_owned(),
            known: self.purposes().map(|(_, name)| name.to_owned()).collect(),
        })
    }

    /// The purposes of money that a wallet can claim, by its class: a rule for refunds only is none, nor is one whose caps do
    /// not even allow the smallest payment.
    pub(crate) fn accepted(&self) -> BTreeMap<u32, BTreeSet<u32>> {
        let least = self.policy.terms().minimum;
        let claims = |line: &&RuleLine| line.purpose_out != REFUND_ONLY && line.day_cap.min(line.month_cap) >= least;
        let mut accepted = BTreeMap::<u32, BTreeSet<u32>>::new();
        for line in self.policy.rules().iter().filter(claims) {
            accepted.entry(line.class).or_default().insert(line.purpose);
        }
        accepted
    }

    /// Numbers and names of the policy's purposes.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = (u32, &str)> {
        let purposes = self.names.iter().flat_map(Policy::purposes);
        purposes.map(|purpose| (purpose.number(), purpose.name()))
    }
}

fn contradiction(server: Server, what: &str) -> WalletError {
    WalletError::Contradiction { server, what: what.to_owned() }
}

/// The keys of the pins, by id.
pub(crate) fn keyring(pins: &Pins) -> Result<BTreeMap<KeyId, PublicKey>, WalletError> {
    let keys = pins.keys.iter().map(|key| PublicKey::from_bytes(key.as_bytes()).map(|key| (key.id(), key)));
    keys.collect::<Result<_, _>>().map_err(|_| WalletError::Damaged { what: "a pinned key is malformed".to_owned() })
}

/// Checks what the issuer says against what it said before, and answers what to remember from now on.
pub(crate) fn check_issuer(pins: Option<&Pins>, facts: &IssuerFacts) -> Result<Pins, WalletError> {
    let wrong = |what| contradiction(Server::Issuer, what);
    if !facts.keys.iter().any(|key| key.id() == facts.current) {
        return Err(wrong("it does not announce the key that it signs with"));
    }
    check_newest(Server::Issuer, facts.keys.iter(), &facts.current, facts.day)?;
    let mut currencies = facts.keys.iter().map(PublicKey::currency);
    let currency = currencies.next();
    if currencies.any(|other| Some(other) != currency) {
        return Err(wrong("its keys are of several currencies"));
    }
    TimeZone::get(&facts.time_zone).map_err(|_| wrong("it names a time zone that does not exist"))?;
    let Some(pins) = pins else {
        return Ok(Pins {
            issuer_origin: facts.origin.clone(),
            time_zone: facts.time_zone.clone(),
            keys: facts.keys.iter().map(|key| Hex::new(&key.to_bytes())).collect(),
            redeemer_origin: None,
        });
    };
    if pins.issuer_origin != facts.origin {
        return Err(wrong("it is another issuer than at the first contact"));
    }
    if pins.time_zone != facts.time_zone {
        return Err(wrong("its time zone has changed"));
    }
    let known = keyring(pins)?;
    if known.values().next().is_some_and(|known| Some(known.currency()) != currency) {
        return Err(wrong("its currency has changed"));
    }
    let mut fresh: Vec<_> = facts.keys.iter().filter(|key| !known.contains_key(&key.id())).collect();
    fresh.sort_by_key(|key| key.id());
    let mut pins = pins.clone();
    pins.keys.extend(fresh.into_iter().map(|key| Hex::new(&key.to_bytes())));
    Ok(pins)
}

/// Of the keys that sign on a day the last in their one order signs: a server that chose among them, or by the order in which it
/// shows them, could mark whom it likes.
pub(crate) fn check_newest<'k>(
    server: Server,
    keys: impl Iterator<Item = &'k PublicKey>,
    current: &KeyId,
    day: Day,
) -> Result<(), WalletError> {
    let newest = keys.filter(|key| key.dates().signs_on(day)).max_by_key(|key| key.turn());
    match newest {
        Some(newest) if newest.id() != *current => Err(contradiction(server, "another of its keys signs on this day")),
        // None signs: what follows says so.
        _ => Ok(()),
    }
}

/// A key that begins no later than one that is known has to have been announced to everybody before its first day: otherwise it
/// was kept from this wallet, and could mark its owner. `announced` is the logical day of its entry.
pub(crate) fn check_announced(
    known: &BTreeMap<KeyId, PublicKey>,
    key: &PublicKey,
    announced: Day,
) -> Result<(), WalletError> {
    let (latest, first) = (known.values().map(|key| key.dates().first).max(), key.dates().first);
    if known.contains_key(&key.id()) || latest.is_none_or(|latest| latest < first) || announced < first {
        return Ok(());
    }
    Err(contradiction(Server::Issuer, "it shows a key that it should have shown before"))
}

/// Checks the redeemer's log against the one of the first contact, and answers what to remember from now on.
pub(crate) fn check_redeemer(pins: &Pins, origin: &str) -> Result<Pins, WalletError> {
    match &pins.redeemer_origin {
        Some(pinned) if pinned != origin => {
            Err(contradiction(Server::Redeemer, "it is another redeemer than at the first contact"))
        }
        _ => Ok(Pins { redeemer_origin: Some(origin.to_owned()), ..pins.clone() }),
    }
}

/// Today by this machine's clock in the ledger's time zone.
pub(crate) fn own_day(pins: &Pins, unix_seconds: i64) -> Result<Day, WalletError> {
    let zone = TimeZone::get(&pins.time_zone)
        .map_err(|_| WalletError::Damaged { what: "the pinned time zone does not exist".to_owned() })?;
    Ok(Day::new(clock::civil_day(unix_seconds, &zone)))
}

/// A server's day may differ from this machine's by one: the logical day moves a little after midnight, clocks differ.
pub(crate) fn check_day(server: Server, theirs: Day, ours: Day) -> Result<(), WalletError> {
    if theirs.get().abs_diff(ours.get()) <= 1 {
        Ok(())
    } else {
        Err(WalletError::ClockApart { server, theirs: theirs.to_string(), ours: ours.to_string() })
    }
}

/// Checks that the key signs today.
pub(crate) fn check_signs(server: Server, key: &PublicKey, day: Day) -> Result<(), WalletError> {
    if key.dates().signs_on(day) {
        Ok(())
    } else {
        Err(contradiction(server, "its key does not sign outputs on this day"))
    }
}

/// Verifies the policy's rules under the redeemer's current key, which must be one of the issuer's; those of the `last`
/// terms need no second verification. Takes milliseconds.
pub(crate) fn verify_terms(key: &PublicKey, facts: RedeemerFacts, last: Option<&Terms>) -> Result<Terms, WalletError> {
    check_signs(Server::Redeemer, key, facts.day)?;
    let wrong = |what| contradiction(Server::Redeemer, what);
    let epoch = facts.policy.terms().epoch;
    let header = Header { key: key.id(), day: facts.day, epoch, policy: facts.policy.hash() };
    if let Some(last) = last.filter(|last| last.header.policy == header.policy && last.header.key == header.key) {
        return Ok(Terms { header, ..last.clone() });
    }
    let signed = facts.rules.iter().find(|signed| signed.key() == key.id());
    let signed = signed.ok_or_else(|| wrong("it shows no rules under its key"))?;
    let rules = rule::verify_rules(key, &facts.policy, signed).map_err(|_| wrong("its rules are not its policy's"))?;
    let names = Policy::from_bytes(facts.policy.file()).ok();
    Ok(Terms { header, policy: facts.policy, rules, names })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farthing_ecash::{
        amount::Currency,
        keys::{KeyDates, SigningKey},
    };
    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;

    fn key(code: &str, first: u32) -> PublicKey {
        let [first, last_issue, accept_until, exchange_until] = [0, 10, 20, 30].map(|after| Day::new(first + after));
        let dates = KeyDates { first, last_issue, accept_until, exchange_until };
        let currency = Currency::new(code, 6).unwrap();
        SigningKey::generate(currency, dates, &mut UnwrapErr(SysRng)).unwrap().public().clone()
    }

    fn facts(keys: &[PublicKey]) -> IssuerFacts {
        IssuerFacts {
            origin: "issuer.example/farthing/issuance".to_owned(),
            keys: keys.to_vec(),
            current: keys.last().unwrap().id(),
            day: Day::new(105),
            time_zone: "Europe/Luxembourg".to_owned(),
            log_key: String::new(),
            key_indices: Vec::new(),
            calendar_indices: Vec::new(),
        }
    }

    #[test]
    fn what_was_seen_first_must_stay() {
        let first = key("EUR", 100);
        let pins = check_issuer(None, &facts(std::slice::from_ref(&first))).unwrap();
        assert!(check_issuer(Some(&pins), &facts(std::slice::from_ref(&first))).unwrap() == pins);

        let later = key("EUR", 105);
        let rolled = check_issuer(Some(&pins), &facts(&[first.clone(), later.clone()])).unwrap();
        assert_eq!(keyring(&rolled).unwrap().len(), 2);
        // The old key may go when it is not accepted any more.
        assert!(check_issuer(Some(&rolled), &facts(&[later])).unwrap() == rolled);

        let refused = |facts: &IssuerFacts| {
            assert!(matches!(check_issuer(Some(&pins), facts), Err(WalletError::Contradiction { .. })));
        };
        // Of two that sign it is not the older one.
        refused(&facts(&[first.clone(), key("EUR", 99)]));
        refused(&facts(&[key("USD", 105)]));
        refused(&facts(&[first.clone(), key("USD", 105)]));
        refused(&IssuerFacts { origin: "other.example".to_owned(), ..facts(std::slice::from_ref(&first)) });
        refused(&IssuerFacts { time_zone: "UTC".to_owned(), ..facts(std::slice::from_ref(&first)) });
        refused(&IssuerFacts { time_zone: "Mars/Olympus".to_owned(), ..facts(std::slice::from_ref(&first)) });
        refused(&IssuerFacts { current: key("EUR", 100).id(), ..facts(std::slice::from_ref(&first)) });

        let with_redeemer = check_redeemer(&pins, "redeemer.example").unwrap();
        assert!(check_redeemer(&with_redeemer, "redeemer.example").unwrap() == with_redeemer);
        assert!(matches!(check_redeemer(&with_redeemer, "other"), Err(WalletError::Contradiction { .. })));
    }

    #[test]
    fn a_key_that_comes_late_was_announced_before_its_first_day() {
        let (known, planned) = (key("EUR", 100), key("EUR", 200));
        let ring = BTreeMap::from([&known, &planned].map(|key| (key.id(), key.clone())));
        let fits = |key: &PublicKey, announced| check_announced(&ring, key, Day::new(announced)).is_ok();
        // Needed early, before the one that was planned: on the day before its first at the latest.
        let early = key("EUR", 150);
        assert!(fits(&early, 149) && !fits(&early, 150) && !fits(&early, 151));
        // It follows all that are known, or is known.
        assert!(fits(&key("EUR", 201), 201) && fits(&known, 500));
        assert!(check_announced(&BTreeMap::new(), &early, Day::new(500)).is_ok());
    }

    /// Two keys that begin on one day: which of them signs does not depend on how they are shown.
    #[test]
    fn of_keys_that_begin_together_one_signs() {
        let mut keys = [key("EUR", 100), key("EUR", 100)];
        keys.sort_by_key(PublicKey::id);
        let [lower, higher] = &keys;
        for shown in [[lower, higher], [higher, lower]].map(|shown| shown.map(Clone::clone)) {
            for current in [lower, higher] {
                let told = check_issuer(None, &IssuerFacts { current: current.id(), ..facts(&shown) });
                assert_eq!(told.is_ok(), current == higher, "{}", current.id());
            }
        }
    }

    #[test]
    fn a_day_may_differ_by_one() {
        let pins = check_issuer(None, &facts(&[key("EUR", 100)])).unwrap();
        // Half past eleven in the evening, UTC: in Luxembourg the next day has begun.
        let ours = own_day(&pins, 20_777 * 86_400 + 84_600).unwrap();
        assert_eq!(ours, Day::new(20_778));
        for (theirs, fits) in [(20_776, false), (20_777, true), (20_778, true), (20_779, true), (20_780, false)] {
            assert_eq!(check_day(Server::Issuer, Day::new(theirs), ours).is_ok(), fits);
        }
    }
}
