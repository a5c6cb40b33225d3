//! What the payments log may say (docs/PROTOCOL.md sections 6 and 7).

use std::sync::Arc;

use farthing_ecash::{
    calendar::Day,
    credential::kinds::Kind,
    entry::Entry,
    policy::{PolicyBody, PolicyTerms, SignedRules},
    renew::Grant,
    replay::Logged,
    rule::verify_rules,
    statement::Statement,
    transaction::Core,
};
use farthing_policy::Policy;

use super::{Entering, Published};
use crate::finding::Wrong;

/// Days after that of a newer policy on which the one before may still be used (docs/POLICY.md: a grace is at most 24 hours).
const GRACE_DAYS_MAX: u32 = 1;

impl Entering<'_> {
    /// A transaction that the redeemer has accepted.
    pub(super) fn enter_payment(&mut self, day: Day, logged: &Logged) -> Result<PolicyTerms, Wrong> {
        let core = logged.core();
        let terms = self.terms(day, core)?;
        self.enter_serials(core)?;
        let publics = core.publics();
        match core.statement() {
            Statement::Pay => {
                check_pay(core, &terms)?;
                let fee = u128::from(publics.fee);
                self.books.fees = self.books.fees.checked_add(fee).ok_or(Wrong::TooMuch)?;
                self.books.count(day, |count| {
                    count.payments += 1;
                    count.fees = count.fees.saturating_add(fee);
                });
            }
            Statement::Redeem => {
                let amount = u128::from(publics.amount);
                self.books.redeemed = self.books.redeemed.checked_add(amount).ok_or(Wrong::TooMuch)?;
                self.books.count(day, |count| {
                    count.redemptions += 1;
                    count.redeemed = count.redeemed.saturating_add(amount);
                });
            }
            Statement::Claim | Statement::Refund => self.books.count(day, |count| count.claims += 1),
            Statement::Renew => {
                self.use_grant(core)?;
                self.books.count(day, |count| count.others += 1);
            }
            _ => self.books.count(day, |count| count.others += 1),
        }
        Ok(terms)
    }

    /// The terms of the policy that it names: the one in force or, for the grace, the one before, published before it. A rule
    /// that it shows is one of those published under its key.
    fn terms(&self, day: Day, core: &Core) -> Result<PolicyTerms, Wrong> {
        let header = core.header();
        let mut in_force = self.books.policies.values().rev().take(2);
        let is_named = |it: &&Published| (it.body.terms().epoch, it.hash) == (header.epoch, header.policy);
        let newest = in_force.next().ok_or(Wrong::PolicyUnknown)?;
        let named = if is_named(&newest) {
            newest
        } else {
            let before = in_force.find(is_named).ok_or(Wrong::PolicyUnknown)?;
            // No grace is longer than a day, so it ends on the day after that of the newer policy.
            if day.get() > newest.day.get().saturating_add(GRACE_DAYS_MAX) {
                return Err(Wrong::PolicyReplaced { epoch: header.epoch, since: newest.day, day });
            }
            before
        };
        let shows_rule = core.input_keys().any(|(kind, _)| kind == Kind::Rule);
        if shows_rule && !self.books.rules.contains(&(named.hash, header.key)) {
            return Err(Wrong::RulesUnknown);
        }
        Ok(*named.body.terms())
    }

    /// Serials of all kinds share one space, and each is spent once.
    fn enter_serials(&mut self, core: &Core) -> Result<(), Wrong> {
        for nullifier in core.nullifiers() {
            let serial = *nullifier.as_bytes();
            if let Some(before) = self.known.serials.insert(serial, self.index) {
                return Err(Wrong::DoubleSpend(before));
            }
            self.writes.serials.push((serial, self.index));
        }
        Ok(())
    }

    /// A renewal is what its grant allows, and the grant is used once.
    fn use_grant(&mut self, core: &Core) -> Result<(), Wrong> {
        let index = core.publics().grant;
        let grant = self.known.grants.remove(&index).filter(|_| index < self.issuance);
        let grant = Grant::from_bytes(&grant.ok_or(Wrong::GrantUnknown(index))?).map_err(Wrong::Unreadable)?;
        if !grant.covers(core) {
            return Err(Wrong::GrantOther);
        }
        self.writes.used_grants.push(index);
        Ok(())
    }

    /// Epochs go up.
    pub(super) fn enter_policy(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let body = PolicyBody::from_bytes(entry.body()).map_err(Wrong::Unreadable)?;
        let epoch = body.terms().epoch;
        // Terms and lines are what the file in it says: whoever reads the file knows what is signed.
        if Policy::from_bytes(body.file()).map_or(true, |policy| policy.body(epoch) != body) {
            return Err(Wrong::PolicyFile);
        }
        if let Some((before, _)) = self.books.policies.last_key_value().filter(|(before, _)| epoch <= **before) {
            return Err(Wrong::Epoch { before: *before, epoch });
        }
        let published = Published { hash: body.hash(), body: Arc::new(body), index: self.index, day: entry.day() };
        self.books.policies.insert(epoch, published);
        Ok(())
    }

    /// Rules are those of a policy that is published, under an announced key: all wallets hold the same.
    pub(super) fn enter_rules(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let signed = SignedRules::from_bytes(entry.body()).map_err(Wrong::Unreadable)?;
        let key = self.key(signed.key())?;
        let policy = self.books.policies.values().find(|policy| policy.hash == signed.policy());
        let policy = policy.ok_or(Wrong::PolicyUnknown)?;
        verify_rules(key, &policy.body, &signed).map_err(|_| Wrong::Rules)?;
        // Rules published a second time could be told from the first: a way to tag who uses which.
        if !self.books.rules.insert((signed.policy(), signed.key())) {
            return Err(Wrong::Rules);
        }
        self.books.rules_entries.push(self.index);
        Ok(())
    }
}

fn check_pay(core: &Core, terms: &PolicyTerms) -> Result<(), Wrong> {
    let (paid, wanted) = (core.publics().fee, terms.fee.get());
    if paid != wanted {
        return Err(Wrong::Fee { paid, wanted });
    }
    let bucket = core.delivery().map_or(u64::MAX, |delivery| u64::from(delivery.bucket));
    if bucket >> terms.bucket_bits == 0 { Ok(()) } else { Err(Wrong::Bucket) }
}
