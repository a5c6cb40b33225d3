//! Field by field.

use farthing_ecash::amount::Amount;
use farthing_ecash::policy::UNRESTRICTED;

use super::{Change, Value, Weight, Whom, shown};
use crate::name::UNRESTRICTED_NAME;
use crate::policy::{Class, Policy, Purpose};

pub(super) fn compare(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut found = Found { old, new, list: Vec::new() };
    found.everybody();
    for class in old.classes() {
        match new.class(class.number()) {
            Some(now) => found.class(class, now),
            None => found.class_gone(class),
        }
    }
    for class in new.classes().iter().filter(|class| old.class(class.number()).is_none()) {
        found.class_added(class);
    }
    for purpose in old.purposes() {
        match new.purpose(purpose.number()) {
            Some(now) => found.purpose(purpose, now),
            None => found.purpose_gone(purpose),
        }
    }
    for purpose in new.purposes().iter().filter(|purpose| old.purpose(purpose.number()).is_none()) {
        found.purpose_added(purpose);
    }
    found.list
}

struct Found<'p> {
    old: &'p Policy,
    new: &'p Policy,
    list: Vec<Change>,
}

impl Found<'_> {
    fn add(
        &mut self,
        whom: impl Into<Whom>,
        field: &'static str,
        values: (Option<Value>, Option<Value>),
        words: String,
        weight: Weight,
    ) {
        let (old, new) = values;
        self.list.push(Change { whom: whom.into(), field, old, new, words, weight });
    }

    fn everybody(&mut self) {
        let (old, new) = (self.old, self.new);
        let text = |field, what: &str, values: (&str, &str), why: &str| Change {
            whom: Whom::Everybody,
            field,
            old: Some(Value::Text(values.0.to_owned())),
            new: Some(Value::Text(values.1.to_owned())),
            words: format!("{what}: {} becomes {}", values.0, values.1),
            weight: Weight::Refused(why.to_owned()),
        };
        if old.time_zone() != new.time_zone() {
            let why = "wallets hold on to the time zone of their first contact, and days in the logs would overlap";
            let values = (old.time_zone(), new.time_zone());
            self.list.push(text("timezone", "the time zone in which days and months begin", values, why));
        }
        let why = "it is part of every issuing key, and of every coin under it";
        if old.currency().code() != new.currency().code() {
            let values = (old.currency().code(), new.currency().code());
            self.list.push(text("currency.code", "the currency", values, why));
        }
        if old.currency().exponent() != new.currency().exponent() {
            let (was, is) = (old.currency().exponent(), new.currency().exponent());
            let words = format!("the decimals of the currency: {was} become {is}");
            self.add(Whom::Everybody, "currency.exponent", numbers(was, is), words, Weight::Refused(why.to_owned()));
        }
        self.payments();
        if old.grace_s() != new.grace_s() {
            let words = format!(
                "requests built for the policy before are welcome for {} s after a change, before for {} s",
                new.grace_s(),
                old.grace_s()
            );
            self.add(Whom::Everybody, "grace", numbers(old.grace_s(), new.grace_s()), words, Weight::Plain);
        }
        if old.bucket_bits() != new.bucket_bits() {
            let (was, is) = (old.bucket_bits(), new.bucket_bits());
            let words = format!("a payment names {is} bits of its payee for the payee to find it, before {was}");
            let weight = if is > was {
                Weight::Dangerous(format!(
                    "each payee hides among about one in {} of the wallets that it hid among before",
                    1u64 << (is - was).min(63)
                ))
            } else {
                Weight::Plain
            };
            self.add(Whom::Everybody, "bucket_bits", numbers(was, is), words, weight);
        }
    }

    /// The table `[payment]`.
    fn payments(&mut self) {
        let (old, new) = (self.old, self.new);
        self.amount(Whom::Everybody, "payment.fee", "the fee of a payment", (old.fee(), new.fee()), Weight::Plain);
        let weight = if new.minimum() > old.minimum() {
            let below = shown(new.minimum(), new.currency());
            Weight::Dangerous(format!("money below {below} in one wallet cannot be paid until there is more of it"))
        } else {
            Weight::Plain
        };
        let values = (old.minimum(), new.minimum());
        self.amount(Whom::Everybody, "payment.minimum", "the smallest payment", values, weight);
        let (was, is) = (old.expires_after_months(), new.expires_after_months());
        if was != is {
            let words = format!(
                "payments that nobody claims go back to their payers after {is} months, before {was}; those made before keep their month"
            );
            self.add(Whom::Everybody, "payment.expires_after_months", numbers(was, is), words, Weight::Plain);
        }
    }

    /// An amount or a cap.
    fn amount(
        &mut self,
        whom: impl Into<Whom>,
        field: &'static str,
        what: &str,
        (old, new): (Amount, Amount),
        weight: Weight,
    ) {
        if old == new {
            return;
        }
        let direction = if new > old { "raised" } else { "lowered" };
        let (was, is) = (shown(old, self.old.currency()), shown(new, self.new.currency()));
        let words = format!("{what}: {direction} from {was} to {is}");
        self.add(whom, field, (Some(Value::Amount(old)), Some(Value::Amount(new))), words, weight);
    }

    /// A class that stays.
    fn class(&mut self, old: &Class, new: &Class) {
        if old.name() != new.name() {
            let words = format!("number {} was {} and is {} now", new.number(), old.name(), new.name());
            let how = match self.old.class_by_name(new.name()) {
                Some(other) => format!(
                    "wallets keep their number: those of {} fall under what is {} now, and {} was number {} before",
                    old.name(),
                    new.name(),
                    new.name(),
                    other.number()
                ),
                None => format!(
                    "wallets keep their number: right if {} is only another name; but a number is never used again for \
                     other people, or the wallets of {} get what was meant for them",
                    new.name(),
                    old.name()
                ),
            };
            self.add(new, "class.name", texts(old.name(), new.name()), words, Weight::Dangerous(how));
        }
        let receive = |cap: Amount, other: Amount| {
            if cap == Amount::ZERO && other != Amount::ZERO {
                Weight::Dangerous("they cannot take back either what nobody claimed".to_owned())
            } else {
                Weight::Plain
            }
        };
        let (was, is) = (old.receive_per_day(), new.receive_per_day());
        self.amount(new, "receive.per_day", "each may receive in a day", (was, is), receive(is, was));
        let (was, is) = (old.receive_per_month(), new.receive_per_month());
        self.amount(new, "receive.per_month", "each may receive in a month", (was, is), receive(is, was));
        let caps = (old.withdraw_per_day(), new.withdraw_per_day());
        self.amount(new, "withdraw.per_day", "each may withdraw in a day", caps, Weight::Plain);
        let caps = (old.redeem_per_day(), new.redeem_per_day());
        self.amount(new, "redeem.per_day", "each may redeem in a day", caps, Weight::Plain);
        self.accepts(old, new);
    }

    /// The purposes that a class accepts.
    fn accepts(&mut self, old: &Class, new: &Class) {
        for number in old.accepts().iter().filter(|number| !new.accepts().contains(number)) {
            let name = purpose_name(self.new, *number).or_else(|| purpose_name(self.old, *number)).unwrap_or_default();
            let words = format!("may not receive {name} money any more");
            let how =
                "what was paid to them and is not claimed goes back to its payers, once it has expired".to_owned();
            self.add(new, "accepts", (Some(Value::Text(name)), None), words, Weight::Dangerous(how));
        }
        for number in new.accepts().iter().filter(|number| !old.accepts().contains(number)) {
            let name = purpose_name(self.new, *number).unwrap_or_default();
            let words = format!("may receive {name} money");
            self.add(new, "accepts", (None, Some(Value::Text(name))), words, Weight::Plain);
        }
    }

    fn class_gone(&mut self, old: &Class) {
        let value = Some(Value::Text(old.name().to_owned()));
        let (words, how) = match self.new.class_by_name(old.name()) {
            Some(now) => (
                format!("{} is number {} now, and no class has number {}", old.name(), now.number(), old.number()),
                format!("wallets keep number {}: those that are registered are in no class", old.number()),
            ),
            None => ("there is no such class any more".to_owned(), "its wallets are in no class".to_owned()),
        };
        let how = format!(
            "{how}. They cannot receive, withdraw, redeem, or take back what nobody claimed; they can pay what they have"
        );
        self.add(old, "class", (value, None), words, Weight::Dangerous(how));
    }

    fn class_added(&mut self, new: &Class) {
        let currency = self.new.currency();
        let accepted: Vec<_> = new.accepts().iter().filter_map(|number| purpose_name(self.new, *number)).collect();
        let words = format!(
            "a new class: each may receive {} in a day, {} in a month; withdraw {} and redeem {} in a day; accepts {}",
            shown(new.receive_per_day(), currency),
            shown(new.receive_per_month(), currency),
            shown(new.withdraw_per_day(), currency),
            shown(new.redeem_per_day(), currency),
            if accepted.is_empty() {
                "unrestricted money only".to_owned()
            } else {
                format!("{} money", accepted.join(", "))
            },
        );
        self.add(new, "class", (None, Some(Value::Text(new.name().to_owned()))), words, Weight::Plain);
    }

    /// A purpose that stays.
    fn purpose(&mut self, old: &Purpose, new: &Purpose) {
        if old.name() != new.name() {
            let words = format!("number {} was {} and is {} now", new.number(), old.name(), new.name());
            let how = format!(
                "money keeps its number: right if {} is only another name; but a number is never used again for something \
                 else, or what was given for {} may be spent on {}",
                new.name(),
                old.name(),
                new.name()
            );
            self.add(new, "purpose.name", texts(old.name(), new.name()), words, Weight::Dangerous(how));
        }
        if old.becomes() != new.becomes() {
            let was = purpose_name(self.old, old.becomes()).unwrap_or_default();
            let is = purpose_name(self.new, new.becomes()).unwrap_or_default();
            let words =
                format!("what is received from now on becomes {is}, before {was}; what was received stays {was}");
            let weight = if old.becomes() == UNRESTRICTED {
                Weight::Dangerous(format!(
                    "who accepts it cannot redeem it any more, and has to find somebody who takes {is}"
                ))
            } else {
                Weight::Plain
            };
            self.add(new, "purpose.becomes", texts(&was, &is), words, weight);
        }
    }

    fn purpose_gone(&mut self, old: &Purpose) {
        let value = Some(Value::Text(old.name().to_owned()));
        let why =
            "money of it may be in wallets, and nobody could receive it or take it back; keep its [[purpose]] and let \
                   no class accept it"
                .to_owned();
        self.add(old, "purpose", (value, None), "there is no such purpose any more".to_owned(), Weight::Refused(why));
    }

    fn purpose_added(&mut self, new: &Purpose) {
        let accepting = self.new.classes().iter().filter(|class| class.accepts().contains(&new.number()));
        let accepting: Vec<_> = accepting.map(Class::name).collect();
        let becomes = purpose_name(self.new, new.becomes()).unwrap_or_default();
        let who = if accepting.is_empty() { "no class".to_owned() } else { accepting.join(", ") };
        let words = format!("a new purpose: {who} may receive it, and it becomes {becomes}");
        self.add(new, "purpose", (None, Some(Value::Text(new.name().to_owned()))), words, Weight::Plain);
    }
}

/// The name of a purpose; `None` when the policy has none of this number.
fn purpose_name(policy: &Policy, number: u32) -> Option<String> {
    if number == UNRESTRICTED {
        return Some(UNRESTRICTED_NAME.to_owned());
    }
    policy.purpose(number).map(|purpose| purpose.name().to_owned())
}

fn texts(old: &str, new: &str) -> (Option<Value>, Option<Value>) {
    (Some(Value::Text(old.to_owned())), Some(Value::Text(new.to_owned())))
}

fn numbers(old: impl Into<u64>, new: impl Into<u64>) -> (Option<Value>, Option<Value>) {
    (Some(Value::Number(old.into())), Some(Value::Number(new.into())))
}
