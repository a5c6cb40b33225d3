//! The issuer's signatures.

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::{Day, Month},
    coin::Coin,
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    identity::Identity,
    keys::{KeyDates, KeyRing, SigningKey},
    policy::UNRESTRICTED,
    register,
    seed::WalletKeys,
    wallet_state::WalletState,
    withdraw,
};

use crate::wallet::rng;

/// The day on which tests begin, 2026-11-20.
pub(crate) const TODAY: u32 = 20_777;

/// Who signs registrations and withdrawals.
pub(crate) struct Mint {
    secret: Vec<u8>,
}

impl Mint {
    pub(crate) fn new(currency: &Currency, first: u32, last_issue: u32) -> Self {
        let dates = KeyDates {
            first: Day::new(first),
            last_issue: Day::new(last_issue),
            accept_until: Day::new(last_issue + 30),
            exchange_until: Day::new(last_issue + 2_000),
        };
        let key = SigningKey::generate(currency.clone(), dates, &mut rng()).unwrap();
        Self { secret: key.to_secret_bytes().to_vec() }
    }

    /// The key that the redeemer has too.
    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::from_secret_bytes(&self.secret).unwrap()
    }

    /// What the issuer writes to a key file.
    pub(crate) fn hex(&self) -> String {
        self.secret.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A withdrawal of money for anything.
    pub(crate) fn coin(&self, keys: &WalletKeys, amount: u64) -> Credential<Coin> {
        self.coin_for(UNRESTRICTED, keys, amount)
    }

    /// A withdrawal.
    pub(crate) fn coin_for(&self, purpose: u32, keys: &WalletKeys, amount: u64) -> Credential<Coin> {
        let key = self.key();
        let id = key.public().id();
        let (request, _) =
            withdraw::request(id, Day::new(TODAY), keys, Amount::new(amount), purpose, &mut rng()).unwrap();
        let ring = KeyRing::new([key]);
        let verified = request.verify(&ring, Amount::ZERO, &mut rng()).unwrap();
        let key = ring.get(&id).unwrap();
        let answer = Answer::sign(key, &verified, Addition::None, &mut rng()).unwrap();
        withdraw::finish(verified.core(), &answer, key.public(), keys).unwrap()
    }

    /// A registration, good up to and including the month `validity`.
    pub(crate) fn state(
        &self,
        keys: &WalletKeys,
        identity: &Identity,
        class: u32,
        validity: Month,
    ) -> Credential<WalletState> {
        let key = self.key();
        let id = key.public().id();
        let (request, opening) = register::request(id, Day::new(TODAY), keys, identity, &mut rng()).unwrap();
        opening.check(&request).unwrap();
        let ring = KeyRing::new([key]);
        let verified = request.verify(&ring, Amount::ZERO, &mut rng()).unwrap();
        let key = ring.get(&id).unwrap();
        let addition = Addition::Registration { class, validity };
        let answer = Answer::sign(key, &verified, addition, &mut rng()).unwrap();
        register::finish(verified.core(), &answer, key.public(), keys, identity).unwrap()
    }
}
