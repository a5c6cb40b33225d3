//! Two logs as honest servers write them, so that tests can alter them before they are signed, or afterwards.

use farthing_ecash::{
    calendar::Day,
    credential::issue::Answer,
    entry::{DirectoryEntry, Entry, EntryKind},
    keys::SigningKey,
    policy::{PolicyBody, UNRESTRICTED},
    rule,
    spent::SpentProof,
    transaction::{Core, Transaction},
    validity::ValidityCalendar,
};
use farthing_follower::{log::Log, source::Fetched};
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint, Spent},
    hash::Hash,
    key::LogSigner,
    tree::{Frontier, TreeHead},
};
use farthing_policy::Policy;

use crate::town::{CLASS, Sequence, Town};

/// Says the same as the terms and lines of the town, as people read it.
pub(crate) const POLICY: &str = r#"version = 1
timezone = "Europe/Luxembourg"
grace = "10m"

[currency]
code = "EUR"
exponent = 6

[payment]
fee = "0.000005"
minimum = "0.0001"
expires_after_months = 2

[[class]]
number = 1
name = "person"
receive = { per_day = "10.00", per_month = "150.00" }
"#;

pub(crate) fn body(epoch: u32) -> PolicyBody {
    Policy::parse(POLICY).unwrap().body(epoch)
}

/// Until when states of the story are valid.
pub(crate) fn calendar() -> ValidityCalendar {
    ValidityCalendar::new(6).unwrap()
}

/// The keys of both logs.
pub(crate) fn signer(log: Log) -> LogSigner {
    LogSigner::generate(&format!("{log}.example"), &mut Sequence::new(&log.to_string())).unwrap()
}

pub(crate) fn place(log: Log) -> usize {
    Log::ALL.iter().position(|known| *known == log).unwrap()
}

pub(crate) fn fetched(kind: EntryKind, day: Day, body: Vec<u8>, proof: &[u8]) -> Fetched {
    Fetched { entry: Entry::new(kind, day, body).unwrap().to_bytes(), proof: proof.to_vec() }
}

pub(crate) fn logged(transaction: &Transaction, answer: &Answer, day: Day) -> Fetched {
    let kind = EntryKind::Transaction(transaction.core().statement());
    let body = [transaction.core_bytes(), &answer.to_bytes()].concat();
    fetched(kind, day, body, transaction.proof_bytes())
}

pub(crate) fn is_for(entry: &Fetched, kind: EntryKind) -> bool {
    entry.entry.first() == Some(&kind.code())
}

/// Entries of both logs, and where they are signed.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) logs: [Vec<Fetched>; 2],
    /// How many entries of both logs each round of checkpoints covers.
    pub(crate) cuts: Vec<[usize; 2]>,
    /// The issuing key, secret encoding.
    pub(crate) key: Vec<u8>,
    /// What issuance size the payments checkpoints name, when not the newest.
    pub(crate) named: Option<usize>,
}

/// What was signed.
pub(crate) struct Signed {
    pub(crate) logs: [Vec<Fetched>; 2],
    pub(crate) notes: [Vec<SignedCheckpoint>; 2],
}

/// Writes a plan.
pub(crate) struct Writer {
    pub(crate) town: Town,
    pub(crate) plan: Plan,
    taken: usize,
}

impl Writer {
    /// A town whose key, policy and rules are in the logs.
    pub(crate) fn new(name: &str) -> Self {
        let mut town = Town::new(name);
        town.policy = body(3);
        town.validity_of = |month| calendar().validity(month);
        let signed = rule::sign_rules(town.signing_key(), &town.policy, &mut Sequence::new("rules"));
        town.rules = rule::verify_rules(&town.key, &town.policy, &signed).unwrap();
        let key = town.signing_key().to_secret_bytes().to_vec();
        let plan = Plan { logs: [Vec::new(), Vec::new()], cuts: Vec::new(), key, named: None };
        let mut writer = Self { town, plan, taken: 0 };
        writer.push(Log::Issuance, EntryKind::Key, writer.town.key.to_bytes());
        writer.push(Log::Issuance, EntryKind::Calendar, calendar().to_bytes());
        writer.push(Log::Payments, EntryKind::Policy, writer.town.policy.to_bytes());
        writer.push(Log::Payments, EntryKind::Rules, signed.to_bytes());
        writer
    }

    pub(crate) fn push(&mut self, log: Log, kind: EntryKind, body: Vec<u8>) -> u64 {
        let entries = &mut self.plan.logs[place(log)];
        entries.push(fetched(kind, self.town.day, body, &[]));
        entries.len() as u64 - 1
    }

    /// Takes what the town has answered into the logs.
    pub(crate) fn flush(&mut self) {
        for (transaction, answer) in &self.town.log[self.taken..] {
            let is_issued = transaction.core().statement().is_for_issuer();
            let log = if is_issued { Log::Issuance } else { Log::Payments };
            self.plan.logs[place(log)].push(logged(transaction, answer, self.town.day));
        }
        self.taken = self.town.log.len();
    }

    /// Both logs are signed here.
    pub(crate) fn cut(&mut self) {
        self.flush();
        self.plan.cuts.push([self.plan.logs[0].len(), self.plan.logs[1].len()]);
    }

    pub(crate) fn end(mut self) -> Plan {
        self.cut();
        self.plan
    }
}

/// Money is withdrawn, paid, claimed, divided and redeemed, and a state is renewed.
pub(crate) fn story() -> Plan {
    static STORY: std::sync::OnceLock<Plan> = std::sync::OnceLock::new();
    let told = || {
        let mut writer = Writer::new("story");
        let alice = writer.town.register("alice@bank.example");
        let mut bob = writer.town.register("bob@bank.example");
        let entry = DirectoryEntry { hash: [7; 32], key: bob.keys.encryption_key() };
        writer.flush();
        writer.push(Log::Issuance, EntryKind::Directory, entry.to_bytes());
        writer.cut();
        let notes = [writer.town.note(&alice, &bob, 1_000), writer.town.note(&alice, &bob, 2_000)];
        writer.cut();
        let coin = writer.town.claim(&mut bob, &notes, UNRESTRICTED);
        let coins = writer.town.swap(&bob, [&coin], Some(500));
        writer.town.redeem(&bob, &coins, 2_900);
        let validity = writer.town.validity();
        let (nonce, grant) = writer.town.grant(&bob, CLASS, validity);
        writer.flush();
        let index = writer.push(Log::Issuance, EntryKind::Grant, grant.to_bytes());
        writer.town.renew(&mut bob, &nonce, &grant, index);
        writer.end()
    };
    STORY.get_or_init(told).clone()
}

impl Plan {
    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::from_secret_bytes(&self.key).unwrap()
    }

    pub(crate) fn log(&mut self, log: Log) -> &mut Vec<Fetched> {
        &mut self.logs[place(log)]
    }

    /// The first entry of a kind.
    pub(crate) fn find(&self, log: Log, kind: EntryKind) -> usize {
        self.logs[place(log)].iter().position(|entry| is_for(entry, kind)).unwrap()
    }

    /// Takes an entry away before anything is signed.
    pub(crate) fn remove(&mut self, log: Log, index: usize) -> Fetched {
        for cut in &mut self.cuts {
            if cut[place(log)] > index {
                cut[place(log)] -= 1;
            }
        }
        self.log(log).remove(index)
    }

    /// Puts an entry in before anything is signed.
    pub(crate) fn insert(&mut self, log: Log, index: usize, entry: Fetched) {
        for cut in &mut self.cuts {
            if cut[place(log)] >= index {
                cut[place(log)] += 1;
            }
        }
        self.log(log).insert(index, entry);
    }

    fn cores(&self, from: usize, to: usize) -> Vec<Core> {
        let read = |entry: &Fetched| {
            let entry = Entry::from_bytes(&entry.entry).ok()?;
            Core::from_prefix(entry.kind().has_proof().then(|| entry.body())?).ok().map(|(core, _)| core)
        };
        self.logs[place(Log::Payments)][from..to].iter().filter_map(read).collect()
    }

    fn head(&self, log: Log, size: usize) -> TreeHead {
        self.logs[place(log)][..size].iter().map(Fetched::leaf).collect::<Frontier>().head()
    }

    /// Signs everything as it is now.
    pub(crate) fn sign(&self) -> Signed {
        self.sign_with(|_, _| {})
    }

    /// Signs what a dishonest server makes of each checkpoint.
    pub(crate) fn sign_with(&self, change: impl Fn(Log, &mut Checkpoint)) -> Signed {
        let mut notes = [Vec::new(), Vec::new()];
        let mut before = [0, 0];
        for cut in &self.cuts {
            for log in Log::ALL {
                let (size, last) = (cut[place(log)], before[place(log)]);
                if size == last {
                    continue;
                }
                let TreeHead { size, root } = self.head(log, size);
                let mut checkpoint =
                    Checkpoint { origin: format!("{log}.example"), size, root, issuance: None, spent: Vec::new() };
                if log == Log::Payments {
                    checkpoint.issuance = Some(self.head(Log::Issuance, self.named.unwrap_or(cut[0])));
                    checkpoint.spent = self.spent(last, cut[1], &root);
                }
                change(log, &mut checkpoint);
                notes[place(log)].push(checkpoint.sign(&signer(log)).unwrap());
            }
            before = *cut;
        }
        Signed { logs: self.logs.clone(), notes }
    }

    fn spent(&self, from: usize, to: usize, root: &Hash) -> Vec<Spent> {
        let (key, cores) = (self.signing_key(), self.cores(from, to));
        let inputs = cores.iter().flat_map(Core::input_keys).count() as u64;
        let proof = SpentProof::prove(&key, root.as_bytes(), &cores, &mut Sequence::new("spent"));
        proof.map(|proof| Spent { key: key.public().id(), inputs, proof }).into_iter().collect()
    }
}
