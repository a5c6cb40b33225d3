//! The core of a transaction: the part that is hashed to the id and logged (`docs/WIRE.md` section 3).

use crate::{
    calendar::{Day, Month},
    credential::{Nullifier, kinds::Kind, present::Input},
    encoding::{Point, Reader},
    error::DecodeError,
    keys::{KeyId, VERSION},
    policy::PolicyHash,
    seal::{CT_NOTE_LENGTH, CT_SELF_LENGTH},
    sigma::relation::Term,
    statement::{Commitment, Publics, Ranges, Statement},
    transaction::{Bound, COINS_MAX, NOTES_MAX, TransactionId},
    transcript::Transcript,
};

/// What a transaction is made under. Register and Withdraw have epoch 0 and a policy hash of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The key of the outputs.
    pub key: KeyId,
    /// The logical day.
    pub day: Day,
    /// The epoch of the policy.
    pub epoch: u32,
    /// The hash of the policy body.
    pub policy: PolicyHash,
}

/// What a Pay brings to its payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The sealed note, 1,507 bytes.
    pub ct_note: Box<[u8; CT_NOTE_LENGTH]>,
    /// The payee's bucket.
    pub bucket: u32,
}

/// A transaction without its proof: the part that is hashed to the id and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    pub(crate) statement: Statement,
    pub(crate) header: Header,
    pub(crate) inputs: Vec<Input>,
    pub(crate) publics: Publics,
    pub(crate) commitments: Vec<Point>,
    pub(crate) ct_self: [u8; CT_SELF_LENGTH],
    pub(crate) delivery: Option<Delivery>,
}

/// How many inputs of each kind a transaction has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    coins: u32,
    notes: u32,
    wallets: u8,
    rules: u8,
}

impl Counts {
    fn of(inputs: &[Input]) -> Self {
        let mut counts = Self::default();
        for input in inputs {
            match input.kind {
                Kind::Coin => counts.coins += 1,
                Kind::Note => counts.notes += 1,
                Kind::Wallet => counts.wallets += 1,
                Kind::Rule => counts.rules += 1,
            }
        }
        counts
    }

    pub(super) fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        let parts = self.coins.to_le_bytes().into_iter().chain(self.notes.to_le_bytes());
        for (slot, byte) in bytes.iter_mut().zip(parts.chain([self.wallets, self.rules])) {
            *slot = byte;
        }
        bytes
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { coins: reader.u32()?, notes: reader.u32()?, wallets: reader.u8()?, rules: reader.u8()? })
    }

    /// `docs/WIRE.md` section 6: how many inputs each statement takes.
    pub(super) fn are_allowed(self, statement: Statement) -> bool {
        let Self { coins, notes, wallets, rules } = self;
        match statement {
            Statement::Register | Statement::Withdraw => (coins, notes, wallets, rules) == (0, 0, 0, 0),
            Statement::Pay | Statement::Redeem | Statement::Swap => {
                (1..=COINS_MAX).contains(&coins) && (notes, wallets, rules) == (0, 0, 0)
            }
            Statement::Claim => (1..=NOTES_MAX).contains(&notes) && (coins, wallets, rules) == (0, 1, 1),
            Statement::Split => (coins, notes, wallets, rules) == (0, 1, 1, 0),
            Statement::SplitExpired => (coins, notes, wallets, rules) == (0, 1, 0, 0),
            Statement::Refund => (coins, notes, wallets, rules) == (0, 1, 1, 1),
            Statement::Renew => (coins, notes, wallets, rules) == (0, 0, 1, 0),
        }
    }

    /// The kinds of the inputs, in the order in which they stand.
    pub(super) fn kinds(self) -> impl Iterator<Item = Kind> {
        let repeat = |kind, n: u32| std::iter::repeat_n(kind, n as usize);
        repeat(Kind::Coin, self.coins)
            .chain(repeat(Kind::Note, self.notes))
            .chain(repeat(Kind::Wallet, self.wallets.into()))
            .chain(repeat(Kind::Rule, self.rules.into()))
    }
}

impl Core {
    /// Which statement it is.
    #[must_use]
    pub fn statement(&self) -> Statement {
        self.statement
    }

    /// The key, day, epoch and policy it is made under.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The public values.
    #[must_use]
    pub fn publics(&self) -> &Publics {
        &self.publics
    }

    /// The self-ciphertext, 73 bytes.
    #[must_use]
    pub fn ct_self(&self) -> &[u8; CT_SELF_LENGTH] {
        &self.ct_self
    }

    /// What a Pay brings to its payee.
    #[must_use]
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_ref()
    }

    /// The serials that this transaction consumes, in the order of its inputs.
    pub fn nullifiers(&self) -> impl Iterator<Item = Nullifier> {
        self.inputs.iter().filter_map(|input| input.serial).map(|serial| Nullifier::new(serial.to_bytes()))
    }

    /// The keys of the inputs that are spent or shown, with their kind's code, in order.
    pub fn input_keys(&self) -> impl Iterator<Item = (Kind, KeyId)> {
        self.inputs.iter().map(|input| (input.kind, input.key))
    }

    /// The number of notes and coins it spends: what admission counts.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.inputs.iter().filter(|input| matches!(input.kind, Kind::Coin | Kind::Note)).count().max(1)
    }

    /// Whether the wallet state shown is valid in the statement's month, and a refunded note expired before it
    /// (`docs/WIRE.md` section 6). True for statements that show neither.
    #[must_use]
    pub fn period_holds(&self) -> bool {
        let month = self.month().get();
        let valid = || self.publics.validity >= month;
        let expired = || self.publics.expiry != 0 && self.publics.expiry < month;
        match self.statement {
            Statement::Claim | Statement::Split => valid(),
            Statement::Refund => valid() && expired(),
            Statement::SplitExpired => expired(),
            Statement::Register | Statement::Withdraw | Statement::Pay | Statement::Redeem | Statement::Swap => true,
            Statement::Renew => true,
        }
    }

    /// `M`, the month of the statement's day.
    #[must_use]
    pub fn month(&self) -> Month {
        self.header.day.month()
    }

    /// How many inputs there are, as the core's bytes and the transcript have it.
    pub(super) fn counts(&self) -> Counts {
        Counts::of(&self.inputs)
    }

    /// The inputs of this kind with their numbers.
    pub(crate) fn inputs_of(&self, kind: Kind) -> impl Iterator<Item = (u16, &Input)> {
        (0u16..).zip(&self.inputs).filter(move |(_, input)| input.kind == kind)
    }

    /// How many coins and notes there are; they stand first.
    pub(crate) fn spent(&self) -> u16 {
        u16::try_from(self.inputs.iter().filter(|input| matches!(input.kind, Kind::Coin | Kind::Note)).count())
            .unwrap_or(u16::MAX)
    }

    pub(super) fn commitment_names(&self) -> &'static [Commitment] {
        self.statement.commitments(self.commitments.len())
    }

    fn commitment_index(&self, name: Commitment) -> Option<usize> {
        self.commitment_names().iter().position(|known| *known == name)
    }

    /// The point of a commitment.
    pub(crate) fn commitment(&self, name: Commitment) -> Option<&Point> {
        self.commitments.get(self.commitment_index(name)?)
    }

    /// The commitment as a term of an equation.
    pub(crate) fn term(&self, name: Commitment) -> Term {
        let index = 3 * self.inputs.len() + self.commitment_index(name).unwrap_or(usize::from(u16::MAX));
        Term::Point(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// All points in the order of their numbers: A', D, Ā of every input, then the commitments.
    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.inputs.iter().flat_map(|input| [&input.a, &input.d, &input.abar]).chain(&self.commitments)
    }

    pub(crate) fn ranges(&self) -> Ranges {
        self.statement.ranges(self.commitments.len())
    }

    /// The commitments of the range column, in order.
    pub(crate) fn ranged(&self) -> Vec<Point> {
        let (Ranges::Money(names) | Ranges::Counters(names)) = self.ranges() else { return Vec::new() };
        names.iter().filter_map(|name| self.commitment(*name)).copied().collect()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.commitments.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION, self.statement.code(), count];
        bytes.extend_from_slice(self.header.key.as_bytes());
        bytes.extend_from_slice(&self.header.day.get().to_le_bytes());
        bytes.extend_from_slice(&self.header.epoch.to_le_bytes());
        bytes.extend_from_slice(self.header.policy.as_bytes());
        bytes.extend_from_slice(&self.counts().to_bytes());
        for input in &self.inputs {
            bytes.extend_from_slice(input.key.as_bytes());
            if let Some(serial) = &input.serial {
                bytes.extend_from_slice(serial.as_bytes());
            }
            for point in [&input.a, &input.d, &input.abar] {
                bytes.extend_from_slice(point.as_bytes());
            }
        }
        for public in self.statement.publics() {
            bytes.extend_from_slice(&self.publics.encode(*public));
        }
        for commitment in &self.commitments {
            bytes.extend_from_slice(commitment.as_bytes());
        }
        bytes.extend_from_slice(&self.ct_self);
        if let Some(delivery) = &self.delivery {
            bytes.extend_from_slice(delivery.ct_note.as_slice());
            bytes.extend_from_slice(&delivery.bucket.to_le_bytes());
        }
        bytes
    }

    /// Reads a core from the front of `bytes` and returns what follows: a proof part, or in the log an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut reader = Reader::new(bytes);
        let core = Self::read(&mut reader)?;
        Ok((core, reader.rest()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::UnknownCode);
        }
        let statement = Statement::from_code(reader.u8()?)?;
        let commitment_count = usize::from(reader.u8()?);
        if commitment_count != statement.commitments(commitment_count).len() {
            return Err(DecodeError::Count);
        }
        let header = Header {
            key: KeyId::new(reader.array()?),
            day: Day::new(reader.u32()?),
            epoch: reader.u32()?,
            policy: PolicyHash::new(reader.array()?),
        };
        if statement.is_for_issuer() && (header.epoch != 0 || header.policy != PolicyHash::new([0; 32])) {
            return Err(DecodeError::Field("epoch or policy"));
        }
        let counts = Counts::read(reader)?;
        if !counts.are_allowed(statement) {
            return Err(DecodeError::Count);
        }
        let inputs =
            counts.kinds().map(|kind| read_input(statement, kind, &header, reader)).collect::<Result<Vec<_>, _>>()?;
        check_order(&inputs)?;
        let publics = Publics::decode(statement, reader)?;
        check_publics(statement, &publics)?;
        let commitments = (0..commitment_count).map(|_| reader.point()).collect::<Result<Vec<_>, _>>()?;
        let ct_self = reader.array()?;
        let delivery = if statement == Statement::Pay {
            Some(Delivery { ct_note: Box::new(reader.array()?), bucket: reader.u32()? })
        } else {
            None
        };
        Ok(Self { statement, header, inputs, publics, commitments, ct_self, delivery })
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        Bound::new(self, Transcript::new("farthing/v1")).id
    }
}

/// Whether an input of this kind is consumed, and so shows its serial: a rule never is, and Split only shows its state.
pub(super) fn consumes(statement: Statement, kind: Kind) -> bool {
    kind != Kind::Rule && (kind != Kind::Wallet || statement != Statement::Split)
}

fn read_input(
    statement: Statement,
    kind: Kind,
    header: &Header,
    reader: &mut Reader<'_>,
) -> Result<Input, DecodeError> {
    let key = KeyId::new(reader.array()?);
    if kind == Kind::Rule && key != header.key {
        return Err(DecodeError::Field("key of the rule"));
    }
    let serial = if consumes(statement, kind) { Some(reader.scalar()?) } else { None };
    Ok(Input { kind, key, serial, a: reader.point()?, d: reader.point()?, abar: reader.point()? })
}

/// Coins and notes stand by ascending serial, and no serial stands twice.
fn check_order(inputs: &[Input]) -> Result<(), DecodeError> {
    let serial = |input: &Input| input.serial.map(|serial| serial.to_bytes());
    for (input, next) in inputs.iter().zip(inputs.iter().skip(1)) {
        if input.kind == next.kind && serial(input) >= serial(next) {
            return Err(DecodeError::Order);
        }
    }
    let mut serials: Vec<_> = inputs.iter().filter_map(serial).collect();
    serials.sort_unstable();
    if serials.iter().zip(serials.iter().skip(1)).any(|(one, other)| one == other) {
        return Err(DecodeError::Order);
    }
    Ok(())
}

/// `docs/WIRE.md` section 6: no amount is zero, and refund-only money cannot be withdrawn.
fn check_publics(statement: Statement, publics: &Publics) -> Result<(), DecodeError> {
    let moves = matches!(statement, Statement::Withdraw | Statement::Redeem);
    if moves && publics.amount == 0 {
        return Err(DecodeError::Field("amount"));
    }
    if statement == Statement::Withdraw && publics.purpose == crate::policy::REFUND_ONLY {
        return Err(DecodeError::Field("purpose"));
    }
    Ok(())
}
