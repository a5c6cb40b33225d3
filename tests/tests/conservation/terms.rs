//! The policies of these histories: the demo's, with another fee and other caps of a person.

use proptest::prelude::*;

const POLICY: &str = include_str!("../../src/demo/life.toml");

/// What of a policy changes. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) fee: u64,
    /// What a person may receive in a day.
    pub(crate) day: u64,
    /// And in a month.
    pub(crate) month: u64,
    /// Whether what was built for the policy before is still taken for ten minutes.
    pub(crate) grace: bool,
}

/// What a shop may receive in a day and in a month, whatever the policy.
const SHOP: (u64, u64) = (5_000_000_000, 100_000_000_000);
const FEES: [u64; 3] = [10_000, 20_000, 30_000];
const CAPS: [(u64, u64); 4] = [(10_000_000, 150_000_000), (6_000_000, 20_000_000), (4_000_000, 60_000_000), SHOP];

impl Terms {
    /// Those of the first day.
    pub(crate) const FIRST: Self = Self { fee: 10_000, day: 10_000_000, month: 150_000_000, grace: true };
    /// Those under which everybody may receive what there is.
    pub(crate) const WIDE: Self = Self { fee: 10_000, day: SHOP.0, month: SHOP.1, grace: true };

    /// The text of the policy file.
    pub(crate) fn text(self) -> String {
        let euros = |amount: u64| format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
        let caps = format!("{{ per_day = \"{}\", per_month = \"{}\" }}", euros(self.day), euros(self.month));
        let changes = [
            ("\"10m\"", if self.grace { "\"10m\"" } else { "\"0s\"" }.to_owned()),
            ("\"0.01\"", format!("\"{}\"", euros(self.fee))),
            ("{ per_day = \"10.00\", per_month = \"150.00\" }", caps),
        ];
        changes.iter().fold(POLICY.to_owned(), |text, (old, new)| {
            assert_eq!(text.matches(old).count(), 1, "the policy has {old} once");
            text.replace(old, new)
        })
    }

    /// The terms of a policy file.
    pub(crate) fn of(text: &[u8]) -> Self {
        let all = FEES.into_iter().flat_map(|fee| CAPS.map(|(day, month)| (fee, day, month)));
        let mut all = all.flat_map(|(fee, day, month)| [true, false].map(|grace| Self { fee, day, month, grace }));
        all.find(|terms| terms.text().as_bytes() == text).expect("a policy that nobody made")
    }

    /// What a class may receive in a day and in a month.
    pub(crate) fn caps(self, class: u32) -> (u64, u64) {
        if class == 1 { (self.day, self.month) } else { SHOP }
    }
}

/// Any but the widest.
pub(crate) fn terms() -> impl Strategy<Value = Terms> {
    (0..FEES.len(), 0..CAPS.len() - 1, any::<bool>()).prop_map(|(fee, caps, grace)| {
        let (day, month) = CAPS[caps];
        Terms { fee: FEES[fee], day, month, grace }
    })
}
