//! nym-compact-ecash: what a merchant does to verify a payment, for a book of 50 tickets of three authorities.

#[path = "../../measure.rs"]
mod measure;

use nym_compact_ecash::{
    PayInfo, VerificationKeyAuth, aggregate_verification_keys, aggregate_wallets, generate_keypair_user, issue,
    issue_verify,
    scheme::keygen::SecretKeyAuth,
    setup::Parameters,
    tests::helpers::{generate_coin_indices_signatures, generate_expiration_date_signatures},
    ttp_keygen, withdrawal_request,
};

const TICKETS: u64 = 50;
const SPEND_DATE: u32 = 1_701_907_200;
const EXPIRATION: u32 = 1_702_166_400;
const TICKET_TYPE: u8 = 0;

fn main() {
    let params = Parameters::new(TICKETS);
    let user = generate_keypair_user();
    let authorities = ttp_keygen(2, 3).unwrap();
    let secret: Vec<&SecretKeyAuth> = authorities.iter().map(|pair| pair.secret_key()).collect();
    let public: Vec<VerificationKeyAuth> = authorities.iter().map(|pair| pair.verification_key()).collect();
    let indices = [1, 2, 3];
    let key = aggregate_verification_keys(&public, Some(&indices)).unwrap();
    let dates = generate_expiration_date_signatures(EXPIRATION, &secret, &public, &key, &indices).unwrap();
    let coins = generate_coin_indices_signatures(&params, &secret, &public, &key, &indices).unwrap();
    let (request, info) = withdrawal_request(user.secret_key(), EXPIRATION, TICKET_TYPE).unwrap();
    let shares: Vec<_> = (1..)
        .zip(secret.iter().zip(&public))
        .map(|(index, (secret, public))| {
            let blinded = issue(secret, user.public_key(), &request, EXPIRATION, TICKET_TYPE).unwrap();
            issue_verify(public, user.secret_key(), &blinded, &info, index).unwrap()
        })
        .collect();
    let mut wallet = aggregate_wallets(&key, user.secret_key(), &shares, &info).unwrap();
    let info = PayInfo { pay_info_bytes: [6; 72] };
    for tickets in [1, 10] {
        let payment =
            wallet.spend(&params, &key, user.secret_key(), &info, tickets, &dates, &coins, SPEND_DATE).unwrap();
        measure::print(&format!("nym_verify{tickets}_us"), || payment.spend_verify(&key, &info, SPEND_DATE).unwrap());
    }
}
