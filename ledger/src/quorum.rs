//! Whom to trust: the logs, the witnesses, and how many of them have to agree (C2SP tlog-policy).
//!
//! ```text
//! log issuer.example/farthing/issuance+1a2b3c4d+AQ…
//! log redeemer.example/farthing/payments+5e6f7a8b+AQ…
//! witness university witness.example.edu+9c0d1e2f+BA…
//! witness newspaper  witness.example.com+3a4b5c6d+BA…
//! witness bank       witness.example.net+7e8f9a0b+BA…
//! group two-of-three 2 university newspaper bank
//! quorum two-of-three
//! ```

use std::{collections::HashMap, fmt, str::FromStr};

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    cosignature::{Cosigned, cosignatures},
    key::{KeyError, KeyKind, VerifierKey},
    note::SignedNote,
};

/// Most logs, witnesses, or groups in a policy. The specification asks for at least 32 of each.
pub const MEMBERS_MAX: usize = 64;

/// The name for no witness at all.
const NONE: &str = "none";

/// A trust policy has a mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {mistake}")]
pub struct PolicyError {
    /// The line, from 1; that after the last when something is missing.
    pub line: usize,
    /// What is wrong.
    pub mistake: Mistake,
}

/// What is wrong in a line of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// None of the words that lines begin with, or not so many words after it.
    #[error(
        "a line is `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|NUMBER NAME...` or `quorum NAME`"
    )]
    Form,
    /// Control characters.
    #[error("there are control characters in it")]
    Control,
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A witness' key for a log, or the other way round.
    #[error("the key is {0}'s")]
    Kind(&'static str),
    /// The same key under two names would count twice.
    #[error("this key stands in a line before")]
    DuplicateKey,
    /// A name is given twice, or is `none`.
    #[error("the name {0:?} is taken")]
    DuplicateName(String),
    /// A name that no line before defines.
    #[error("no line before defines {0:?}")]
    Unknown(String),
    /// A member of two groups, or twice of one, would count twice.
    #[error("{0:?} is a member already")]
    DuplicateMember(String),
    /// More than the members, or none.
    #[error("the number has to be from 1 to that of the members")]
    Threshold,
    /// Too many.
    #[error("there are more than {MEMBERS_MAX} of them")]
    TooMany,
    /// There has to be one line that says who has to agree.
    #[error("there has to be one line `quorum NAME`; `quorum none` relies on the log alone")]
    Quorum,
}

/// A checkpoint is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The policy does not name this log.
    #[error("the trust policy names no log of this origin")]
    LogUnknown,
    /// The checkpoint itself.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses have cosigned it.
    #[error("{found} of the trusted witnesses have cosigned the checkpoint: that is no quorum")]
    NoQuorum {
        /// How many have.
        found: usize,
    },
}

/// Who has to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Quorum {
    /// Nobody.
    None,
    /// A witness, by its number.
    Witness(usize),
    /// At least so many of these.
    Group { threshold: usize, members: Vec<Quorum> },
}

impl Quorum {
    fn is_met(&self, cosigned: &[Cosigned]) -> bool {
        match self {
            Self::None => true,
            Self::Witness(number) => cosigned.iter().any(|it| it.witness == *number),
            Self::Group { threshold, members } => {
                members.iter().filter(|member| member.is_met(cosigned)).count() >= *threshold
            }
        }
    }

    /// With how many cosignatures, whosever they are, it is met for certain.
    fn certain(&self, witnesses: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Group { threshold, members } if members.iter().all(|it| matches!(it, Self::Witness(_))) => {
                // Witnesses outside the group may be those who have signed.
                threshold + witnesses.saturating_sub(members.len())
            }
            _ => witnesses,
        }
    }
}

/// A trusted checkpoint with the cosignatures that made it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// The cosignatures that hold, by witnesses of the policy; the number is that in [`TrustPolicy::witnesses`].
    pub cosigned: Vec<Cosigned>,
}

/// Which logs, and which witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    logs: Vec<VerifierKey>,
    names: Vec<String>,
    witnesses: Vec<VerifierKey>,
    quorum: Quorum,
}

impl TrustPolicy {
    /// Relies on logs alone: nobody has to agree.
    #[must_use]
    pub fn without_witnesses(logs: impl IntoIterator<Item = VerifierKey>) -> Self {
        let logs = logs.into_iter().collect();
        Self { logs, names: Vec::new(), witnesses: Vec::new(), quorum: Quorum::None }
    }

    /// Relies on `logs` when at least `threshold` of the `witnesses` agree.
    ///
    /// # Errors
    /// [`Mistake`] for a threshold that is not from 1 to the number of witnesses, for keys of the wrong kind, and for keys
    /// that stand twice.
    pub fn with_witnesses(
        logs: impl IntoIterator<Item = VerifierKey>,
        witnesses: impl IntoIterator<Item = VerifierKey>,
        threshold: usize,
    ) -> Result<Self, Mistake> {
        let mut reader = PolicyReader::default();
        for log in logs {
            reader.log(log)?;
        }
        for witness in witnesses {
            let name = witness.name().to_owned();
            reader.witness(&name, witness)?;
        }
        let Reading { logs, names, witnesses, .. } = reader.reading;
        if !(1..=witnesses.len()).contains(&threshold) {
            return Err(Mistake::Threshold);
        }
        let members = (0..witnesses.len()).map(Quorum::Witness).collect();
        Ok(Self { logs, names, witnesses, quorum: Quorum::Group { threshold, members } })
    }

    /// The logs.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The log of this origin.
    #[must_use]
    pub fn log(&self, origin: &str) -> Option<&VerifierKey> {
        self.logs.iter().find(|log| log.name() == origin)
    }

    /// The witnesses, in the order of their lines.
    #[must_use]
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// What the policy calls a witness.
    #[must_use]
    pub fn witness_name(&self, number: usize) -> Option<&str> {
        self.names.get(number).map(String::as_str)
    }

    /// With how many cosignatures by its witnesses a checkpoint is trusted for certain: what to ask a server for.
    #[must_use]
    pub fn cosignatures_wanted(&self) -> usize {
        self.quorum.certain(self.witnesses.len())
    }

    /// Trusts a note as a checkpoint of the log of this origin, or not.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn check(&self, origin: &str, note: SignedNote) -> Result<Trusted, TrustError> {
        let log = self.log(origin).ok_or(TrustError::LogUnknown)?;
        let checkpoint = SignedCheckpoint::verify(note, log)?;
        let cosigned = cosignatures(checkpoint.note(), &self.witnesses);
        if self.quorum.is_met(&cosigned) {
            Ok(Trusted { checkpoint, cosigned })
        } else {
            Err(TrustError::NoQuorum { found: cosigned.len() })
        }
    }
}

/// What the lines so far say.
#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    names: Vec<String>,
    witnesses: Vec<VerifierKey>,
}

#[derive(Default)]
struct PolicyReader {
    reading: Reading,
    /// Witnesses and groups that are no member of a group yet; `None` for those that are.
    defined: HashMap<String, Option<Quorum>>,
    groups: usize,
    quorum: Option<Quorum>,
}

impl PolicyReader {
    fn line(&mut self, line: &str) -> Result<(), Mistake> {
        if line.chars().any(|c| (c < ' ' && c != '\t') || c == '\u{7f}') {
            return Err(Mistake::Control);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [word, ..] if word.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key.parse()?),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key.parse()?),
            ["group", name, threshold, members @ ..] if !members.is_empty() => self.group(name, threshold, members),
            ["quorum", name] => self.set_quorum(name),
            _ => Err(Mistake::Form),
        }
    }

    fn log(&mut self, key: VerifierKey) -> Result<(), Mistake> {
        if key.kind() != KeyKind::Log {
            return Err(Mistake::Kind("a witness"));
        }
        let logs = &mut self.reading.logs;
        if logs.iter().any(|log| log.public_bytes() == key.public_bytes()) {
            return Err(Mistake::DuplicateKey);
        }
        // Two keys for one origin would be two logs that look like one.
        if logs.iter().any(|log| log.name() == key.name()) {
            return Err(Mistake::DuplicateName(key.name().to_owned()));
        }
        push(logs, key)
    }

    fn witness(&mut self, name: &str, key: VerifierKey) -> Result<(), Mistake> {
        if key.kind() != KeyKind::Witness {
            return Err(Mistake::Kind("a log"));
        }
        if self.reading.witnesses.iter().any(|witness| witness.public_bytes() == key.public_bytes()) {
            return Err(Mistake::DuplicateKey);
        }
        self.define(name, Quorum::Witness(self.reading.witnesses.len()))?;
        push(&mut self.reading.witnesses, key)?;
        self.reading.names.push(name.to_owned());
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), Mistake> {
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map_err(|_| Mistake::Threshold)?
            }
            _ => return Err(Mistake::Form),
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(Mistake::Threshold);
        }
        self.groups += 1;
        if self.groups > MEMBERS_MAX {
            return Err(Mistake::TooMany);
        }
        let members = members.iter().map(|member| self.take(member)).collect::<Result<_, _>>()?;
        self.define(name, Quorum::Group { threshold, members })
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), Mistake> {
        if self.quorum.is_some() {
            return Err(Mistake::Quorum);
        }
        let quorum = if name == NONE { Quorum::None } else { self.take(name)? };
        self.quorum = Some(quorum);
        Ok(())
    }

    fn define(&mut self, name: &str, quorum: Quorum) -> Result<(), Mistake> {
        if name == NONE || self.defined.contains_key(name) {
            return Err(Mistake::DuplicateName(name.to_owned()));
        }
        self.defined.insert(name.to_owned(), Some(quorum));
        Ok(())
    }

    /// Each name is used once, so that each witness counts once.
    fn take(&mut self, name: &str) -> Result<Quorum, Mistake> {
        let found = self.defined.get_mut(name).ok_or_else(|| Mistake::Unknown(name.to_owned()))?;
        found.take().ok_or_else(|| Mistake::DuplicateMember(name.to_owned()))
    }
}

fn push(keys: &mut Vec<VerifierKey>, key: VerifierKey) -> Result<(), Mistake> {
    if keys.len() >= MEMBERS_MAX {
        return Err(Mistake::TooMany);
    }
    keys.push(key);
    Ok(())
}

impl FromStr for TrustPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let mut reader = PolicyReader::default();
        let mut count = 0;
        for (number, line) in text.split('\n').enumerate() {
            count = number + 1;
            reader.line(line).map_err(|mistake| PolicyError { line: count, mistake })?;
        }
        let PolicyReader { reading, quorum, .. } = reader;
        let quorum = quorum.ok_or(PolicyError { line: count, mistake: Mistake::Quorum })?;
        let Reading { logs, names, witnesses } = reading;
        Ok(Self { logs, names, witnesses, quorum })
    }
}

/// A policy that [`TrustPolicy::with_witnesses`] could have made, as a file; other groups are written out in full.
impl fmt::Display for TrustPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.logs.iter().try_for_each(|log| writeln!(f, "log {log}"))?;
        for (name, witness) in self.names.iter().zip(&self.witnesses) {
            writeln!(f, "witness {name} {witness}")?;
        }
        let mut groups = 0;
        let name = self.name_group(f, &self.quorum, &mut groups)?;
        writeln!(f, "quorum {name}")
    }
}

impl TrustPolicy {
    /// Writes the groups of a quorum, inner ones first, and gives its name.
    fn name_group(&self, f: &mut fmt::Formatter<'_>, quorum: &Quorum, groups: &mut u32) -> Result<String, fmt::Error> {
        match quorum {
            Quorum::None => Ok(NONE.to_owned()),
            Quorum::Witness(number) => Ok(self.witness_name(*number).unwrap_or(NONE).to_owned()),
            Quorum::Group { threshold, members } => {
                let members = members.iter().map(|it| self.name_group(f, it, groups)).collect::<Result<Vec<_>, _>>()?;
                let name = loop {
                    *groups += 1;
                    let name = format!("group-{groups}");
                    if !self.names.contains(&name) {
                        break name;
                    }
                };
                writeln!(f, "group {name} {threshold} {}", members.join(" "))?;
                Ok(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;
    use crate::{
        checkpoint::Checkpoint,
        hash::Hash,
        key::{CosignerKey, LogSigner},
        note::Timestamp,
    };

    struct World {
        log: LogSigner,
        witnesses: Vec<CosignerKey>,
    }

    impl World {
        fn new() -> Self {
            let mut rng = UnwrapErr(SysRng);
            let witness = |number| CosignerKey::generate(&format!("witness{number}.example"), &mut rng).unwrap();
            let witnesses = (0..6).map(witness).collect();
            Self { log: LogSigner::generate("log.example", &mut UnwrapErr(SysRng)).unwrap(), witnesses }
        }

        /// Keys of the log and of all witnesses w0 to w5, then these lines.
        fn policy(&self, lines: &str) -> Result<TrustPolicy, PolicyError> {
            let mut text = format!("# a comment\n\n\tlog {} https://log.example\n", self.log.verifier());
            for (number, witness) in self.witnesses.iter().enumerate() {
                text += &format!("witness w{number} \t{}\n", witness.verifier());
            }
            (text + lines).parse()
        }

        fn note(&self, witnesses: &[usize]) -> SignedNote {
            let checkpoint = Checkpoint {
                origin: "log.example".to_owned(),
                size: 1,
                root: Hash::leaf(b""),
                issuance: None,
                spent: Vec::new(),
            };
            let mut note = checkpoint.sign(&self.log).unwrap().note().clone();
            for number in witnesses {
                let time = Timestamp::from_unix_seconds(7).unwrap();
                let cosignature = self.witnesses[*number].cosign(note.text(), time);
                note.add(cosignature);
            }
            note
        }
    }

    #[test]
    fn a_quorum_of_groups_is_met_only_by_enough_of_each() {
        let world = World::new();
        let policy =
            world.policy("group x 2 w0 w1 w2\ngroup y any w3 w4 w5\ngroup both all x y\nquorum both\n").unwrap();
        let check = |witnesses: &[usize]| policy.check("log.example", world.note(witnesses));
        assert_eq!(check(&[0, 1, 3]).unwrap().cosigned.len(), 3);
        assert!(check(&[0, 1, 2, 3, 4, 5]).is_ok());
        assert_eq!(check(&[0, 1, 2]), Err(TrustError::NoQuorum { found: 3 }));
        assert_eq!(check(&[0, 3, 4, 5]), Err(TrustError::NoQuorum { found: 4 }));
        assert_eq!(check(&[]), Err(TrustError::NoQuorum { found: 0 }));
        assert_eq!(policy.cosignatures_wanted(), 6);
        let again: TrustPolicy = policy.to_string().parse().unwrap();
        assert!(again.check("log.example", world.note(&[1, 2, 5])).is_ok());
        assert!(again.check("log.example", world.note(&[1, 5])).is_err());
    }

    #[test]
    fn k_of_n_none_and_one() {
        let world = World::new();
        let keys = |numbers: &[usize]| -> Vec<_> {
            numbers.iter().map(|number| world.witnesses[*number].verifier().clone()).collect()
        };
        let log = || [world.log.verifier().clone()];
        let two = TrustPolicy::with_witnesses(log(), keys(&[0, 1, 2]), 2).unwrap();
        assert_eq!(two.cosignatures_wanted(), 2);
        assert!(two.check("log.example", world.note(&[2, 0])).is_ok());
        assert!(two.check("log.example", world.note(&[2, 3, 4])).is_err());
        assert_eq!(two.to_string().parse::<TrustPolicy>().unwrap().cosignatures_wanted(), 2);
        for wrong in [0, 4] {
            assert_eq!(TrustPolicy::with_witnesses(log(), keys(&[0, 1, 2]), wrong), Err(Mistake::Threshold));
        }
        assert_eq!(TrustPolicy::with_witnesses(log(), keys(&[0, 0]), 2), Err(Mistake::DuplicateKey));
        let nobody = TrustPolicy::without_witnesses(log());
        assert!(nobody.check("log.example", world.note(&[])).is_ok());
        assert_eq!(nobody.to_string(), format!("log {}\nquorum none\n", world.log.verifier()));
        let one = world.policy("quorum w4\n").unwrap();
        assert!(one.check("log.example", world.note(&[4])).is_ok());
        assert!(one.check("log.example", world.note(&[3])).is_err());
    }

    #[test]
    fn another_log_is_not_trusted_whoever_cosigns() {
        let world = World::new();
        let policy = world.policy("quorum w0").unwrap();
        assert_eq!(policy.check("other.example", world.note(&[0])), Err(TrustError::LogUnknown));
        let impostor = World { log: World::new().log, witnesses: world.witnesses };
        assert!(matches!(policy.check("log.example", impostor.note(&[0])), Err(TrustError::Checkpoint(_))));
    }

    #[test]
    fn mistakes_are_found_with_their_lines() {
        let world = World::new();
        let mistake = |lines: &str| {
            let error = world.policy(lines).unwrap_err();
            (error.line, error.mistake)
        };
        let key = world.witnesses[0].verifier();
        assert_eq!(mistake(""), (10, Mistake::Quorum));
        assert_eq!(mistake("quorum w0\nquorum w1\n"), (11, Mistake::Quorum));
        assert_eq!(mistake("quorum nobody\n"), (10, Mistake::Unknown("nobody".to_owned())));
        assert_eq!(mistake("\nquorum\n"), (11, Mistake::Form));
        assert_eq!(mistake("group g any\n"), (10, Mistake::Form));
        assert_eq!(mistake("group g some w0 w1\n"), (10, Mistake::Form));
        for wrong in ["0", "3", "99999999999999999999999"] {
            assert_eq!(mistake(&format!("group g {wrong} w0 w1\n")), (10, Mistake::Threshold));
        }
        assert_eq!(mistake("group g 1 w0 none\n"), (10, Mistake::Unknown("none".to_owned())));
        assert_eq!(mistake("group g 2 w0 w0\n"), (10, Mistake::DuplicateMember("w0".to_owned())));
        let overlap = "group g 1 w0 w1\ngroup h 1 w1 w2\n";
        assert_eq!(mistake(overlap), (11, Mistake::DuplicateMember("w1".to_owned())));
        assert_eq!(mistake("group w0 1 w1\n"), (10, Mistake::DuplicateName("w0".to_owned())));
        assert_eq!(mistake("group none 1 w1\n"), (10, Mistake::DuplicateName("none".to_owned())));
        assert_eq!(mistake("group late 1 later\n"), (10, Mistake::Unknown("later".to_owned())));
        assert_eq!(mistake(&format!("witness twice {key}\n")), (10, Mistake::DuplicateKey));
        assert_eq!(mistake(&format!("log {key}\n")), (10, Mistake::Kind("a witness")));
        assert_eq!(mistake(&format!("witness l {}\n", world.log.verifier())), (10, Mistake::Kind("a log")));
        assert_eq!(mistake(&format!("log {}\n", world.log.verifier())), (10, Mistake::DuplicateKey));
        assert_eq!(mistake("log nonsense\n"), (10, Mistake::Key(KeyError::Form)));
        assert_eq!(mistake("quorum w0\r\n"), (10, Mistake::Control));
        let second = World::new();
        let taken = Mistake::DuplicateName("log.example".to_owned());
        assert_eq!(mistake(&format!("log {}\n", second.log.verifier())), (10, taken));
    }
}
