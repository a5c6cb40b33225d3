//! An issuer and a redeemer as an operator would set them up, and wallets that know both.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use farthing_ecash::{
    amount::Amount,
    calendar::{Day, Month},
    coin::Coin,
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    identity::Identity,
    keys::{KeyId, KeyRing, PublicKey, SigningKey},
    note::{self, Note},
    pay,
    policy::{PolicyBody, SignedRules},
    register,
    rule::{Rule, verify_rules},
    seal::Memo,
    seed::{Seed, WalletKeys},
    statement::Statement,
    transaction::{Header, Transaction},
    verify::{BatchVerifier, Verified},
    wallet_state::WalletState,
    withdraw,
};
use farthing_proto::v1::{GetRedeemerRequest, GetRedeemerResponse, redeemer_service_client::RedeemerServiceClient};
use farthing_redeemer::keys;
use farthing_service::{
    channel::{self, Deadlines},
    tls::ClientTls,
};
use farthing_tests::cluster::{Cluster, Setup};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;

use crate::Failure;

/// Nobody's day is full.
const POLICY: &str = r#"
version = 1
timezone = "Europe/Luxembourg"
grace = "10m"
[currency]
code = "EUR"
exponent = 2
[payment]
fee = "0.02"
minimum = "0.10"
[[class]]
number = 1
name = "person"
receive = { per_day = "100000.00", per_month = "1000000.00" }
withdraw = { per_day = "100000.00" }
redeem = { per_day = "5.00" }
"#;

/// The class of all wallets.
const CLASS: u32 = 1;

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// Everything that a run needs.
pub(crate) struct World {
    home: TempDir,
    /// Its servers are stopped; they run as processes when something is measured.
    pub(crate) cluster: Cluster,
    pub(crate) issuer_config: PathBuf,
    pub(crate) redeemer_config: PathBuf,
    /// The issuing key: the bench signs withdrawals itself.
    pub(crate) ring: KeyRing,
    pub(crate) header: Header,
    pub(crate) policy: PolicyBody,
    rules: Vec<Credential<Rule>>,
    pub(crate) key: PublicKey,
}

/// A wallet.
pub(crate) struct Wallet {
    pub(crate) keys: WalletKeys,
    pub(crate) identity: Identity,
}

impl World {
    /// Sets up both servers beside this program, on a disk, asks the redeemer for its facts, and stops both.
    pub(crate) fn new() -> Result<Self, Failure> {
        let program = env::current_exe()?;
        let home = tempfile::tempdir_in(program.parent().unwrap_or(Path::new(".")))?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (cluster, facts) = runtime.block_on(async {
            let mut cluster = Cluster::start(home.path(), Setup::with_policy(POLICY)).await?;
            let tls = ClientTls::load(&cluster.authority(), None)?;
            let address = format!("https://{}", cluster.redeemer_address());
            let channel = channel::open(&address, &tls, Deadlines::default())?;
            let facts = RedeemerServiceClient::new(channel).get_redeemer(GetRedeemerRequest {}).await?.into_inner();
            cluster.stop_servers().await?;
            Ok::<_, Failure>((cluster, facts))
        })?;
        let key_folder = home.path().join("issuer/keys");
        let ring = keys::load(std::slice::from_ref(&key_folder))?;
        let (header, policy, rules, key) = facts_of(&facts, &ring)?;
        Ok(Self {
            issuer_config: cluster.issuer_config(),
            redeemer_config: cluster.redeemer_config(),
            cluster,
            home,
            ring,
            header,
            policy,
            rules,
            key,
        })
    }

    /// Where files may be put that go when the run ends.
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    /// What clients trust.
    pub(crate) fn client_tls(&self) -> Result<ClientTls, Failure> {
        Ok(ClientTls::load(&self.cluster.authority(), None)?)
    }

    /// A second redeemer with the same keys and policy and a store of its own.
    pub(crate) fn twin(&self, name: &str) -> Result<PathBuf, Failure> {
        let dir = self.dir().join(name);
        let from = self.redeemer_config.parent().ok_or("no folder")?;
        copy(from, &dir)?;
        Ok(dir.join("redeemer.toml"))
    }

    fn signing_key(&self) -> Result<&SigningKey, Failure> {
        Ok(self.ring.get(&self.header.key).ok_or("no signing key")?)
    }

    /// When notes that are paid today expire.
    pub(crate) fn expiry(&self) -> Month {
        self.header.day.month().plus(self.policy.terms().months)
    }

    pub(crate) fn minimum(&self) -> Amount {
        self.policy.terms().minimum
    }

    /// What the redeemer adds to the outputs of a statement.
    pub(crate) fn addition(&self, statement: Statement) -> Addition {
        match statement {
            Statement::Register => Addition::Registration { class: CLASS, validity: self.header.day.month().plus(6) },
            Statement::Pay => Addition::Expiry(self.expiry()),
            _ => Addition::None,
        }
    }

    pub(crate) fn rule(&self) -> Result<&Credential<Rule>, Failure> {
        let fits =
            |rule: &&Credential<Rule>| rule.attributes().line.class == CLASS && rule.attributes().line.purpose == 0;
        Ok(self.rules.iter().find(fits).ok_or("no rule")?)
    }

    /// Verifies transactions together and signs the outputs of each: what a redeemer does with a batch.
    pub(crate) fn answer(&self, transactions: Vec<Transaction>) -> Result<Vec<(Verified, Answer)>, Failure> {
        let mut batch = BatchVerifier::new(&self.ring);
        for transaction in transactions {
            batch.queue(transaction, self.minimum());
        }
        let all = batch.verify(&mut rng()).map_err(|_| "a proof does not hold")?;
        let key = self.signing_key()?;
        let requests: Vec<_> = all.iter().map(|it| (it, self.addition(it.core().statement()))).collect();
        let answers = Answer::sign_batch(key, &requests, &mut rng());
        let pair =
            |(verified, answer): (_, Result<_, _>)| answer.map(|it| (verified, it)).map_err(|_| "cannot sign".into());
        all.into_iter().zip(answers).map(pair).collect()
    }

    fn answer_one(&self, transaction: &Transaction) -> Result<Answer, Failure> {
        let answered = self.answer(vec![Transaction::from_bytes(transaction.as_bytes())?])?;
        Ok(answered.into_iter().next().ok_or("no answer")?.1)
    }

    pub(crate) fn coin(&self, wallet: &Wallet, cents: u64) -> Result<Credential<Coin>, Failure> {
        let (key, amount) = (self.header.key, Amount::new(cents));
        let (request, _) = withdraw::request(key, self.header.day, &wallet.keys, amount, 0, &mut rng())?;
        let answer = self.answer_one(&request)?;
        withdraw::finish(request.core(), &answer, &self.key, &wallet.keys).map_err(|_| "no coin".into())
    }

    pub(crate) fn state(&self, wallet: &Wallet) -> Result<Credential<WalletState>, Failure> {
        let Wallet { keys, identity } = wallet;
        let (request, _) = register::request(self.header.key, self.header.day, keys, identity, &mut rng())?;
        let answer = self.answer_one(&request)?;
        register::finish(request.core(), &answer, &self.key, keys, identity).map_err(|_| "no state".into())
    }

    pub(crate) fn pay(
        &self,
        payer: &Wallet,
        coins: &[Credential<Coin>],
        payee: &Wallet,
        cents: u64,
    ) -> Result<Transaction, Failure> {
        let encryption_key = payee.keys.encryption_key();
        let payment = pay::Payment {
            payee: payee.identity.pid(),
            encryption_key: &encryption_key,
            amount: Amount::new(cents),
            memo: Memo::new("")?,
        };
        Ok(pay::request(&self.header, &self.policy, &payer.keys, coins, &payment, &mut rng())?)
    }

    /// A note for a wallet, with the payment and the answer that brought it.
    pub(crate) fn note(
        &self,
        payer: &Wallet,
        payee: &Wallet,
        cents: u64,
    ) -> Result<(Credential<Note>, Transaction, Answer), Failure> {
        let transaction = self.pay(payer, &[self.coin(payer, cents + 100)?], payee, cents)?;
        let answer = self.answer_one(&transaction)?;
        let (keys, pid) = (&payee.keys, payee.identity.pid());
        let received = note::receive(transaction.core(), &answer, &self.key, self.expiry(), keys, &pid);
        Ok((received.map_err(|_| "no note")?.note, transaction, answer))
    }
}

impl Wallet {
    pub(crate) fn new(identity: &str) -> Result<Self, Failure> {
        let (seed, _) = Seed::generate(&mut rng());
        Ok(Self { keys: WalletKeys::new(&seed, "bench"), identity: Identity::parse(identity)? })
    }
}

type Facts = (Header, PolicyBody, Vec<Credential<Rule>>, PublicKey);

/// What a wallet makes of the redeemer's facts.
fn facts_of(response: &GetRedeemerResponse, ring: &KeyRing) -> Result<Facts, Failure> {
    let policy = PolicyBody::from_bytes(&response.policy)?;
    let current = KeyId::new(response.current_key_id.as_slice().try_into()?);
    let key = ring.get(&current).ok_or("the redeemer has another key")?.public().clone();
    let mut signed = response.rules.iter().filter_map(|rules| SignedRules::from_bytes(rules).ok());
    let signed = signed.find(|rules| rules.key() == current).ok_or("no rules")?;
    let day = Day::new(response.logical_day);
    let header = Header { key: current, day, epoch: response.epoch, policy: policy.hash() };
    let rules = verify_rules(&key, &policy, &signed).map_err(|_| "the rules do not hold")?;
    Ok((header, policy, rules, key))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
