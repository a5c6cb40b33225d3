//! Wallet states that are renewed with a grant of the issuer.

use std::time::Duration;

use farthing_ecash::{
    calendar::Day,
    credential::{Credential, issue::Answer},
    renew::{self, Grant, GrantRequest},
    seed::Nonce,
    transaction::Transaction,
    wallet_state::WalletState,
};
use farthing_proto::v1::ErrorReason;
use tonic::Code;

use crate::{
    mint::TODAY,
    money::{paid_note, validity},
    wallet::{Facts, Wallet, rng},
    world::World,
};

/// Where the grant of [`renewal`] stands.
const INDEX: u64 = 17;

/// A fresh nonce and the grant for it, for another class and a longer validity.
fn granted(wallet: &Wallet, state: &Credential<WalletState>) -> (Nonce, Grant) {
    let today = Day::new(TODAY);
    let nonce = wallet.keys.fresh_nonce(&mut rng(), &[*state.nullifier().as_bytes()], today);
    let request = GrantRequest::new(&wallet.keys, &nonce, &wallet.identity.pid(), today, &mut rng());
    request.check(&wallet.identity.pid()).unwrap();
    (nonce, Grant::new(&request, 2, validity().plus(6), Day::new(TODAY + 7)))
}

fn renewal(
    wallet: &Wallet,
    facts: &Facts,
    state: &Credential<WalletState>,
    (nonce, grant): &(Nonce, Grant),
) -> Transaction {
    renew::request(&facts.header, &wallet.keys, state, nonce, grant, INDEX, &mut rng()).unwrap()
}

fn renewed(
    wallet: &Wallet,
    facts: &Facts,
    renewal: &Transaction,
    answer: &[u8],
    old: &Credential<WalletState>,
) -> Credential<WalletState> {
    let answer = Answer::from_bytes(renewal.core(), answer).unwrap();
    renew::finish(renewal.core(), &answer, &facts.key, &wallet.keys, old.attributes()).unwrap()
}

#[tokio::test]
async fn a_state_is_renewed_once_and_keeps_its_counters() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    let note = paid_note(&world, &running, &bob, 400).await;
    let first = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let claim = bob.claim(&facts, &[note], &first);
    let (_, old) = bob.claimed(&facts, &claim, &running.submit(&claim).await.unwrap().answer, &first);

    let granted = granted(&bob, &old);
    let renew = renewal(&bob, &facts, &old, &granted);
    // There is no such grant yet.
    let refused = running.submit(&renew).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::GrantRefused));
    world.books.grants.lock().unwrap().insert(INDEX, granted.1.to_bytes());
    let accepted = running.submit(&renew).await.unwrap();
    assert_eq!(running.submit(&renew).await.unwrap(), accepted, "a retry gets the recorded answer");

    let state = renewed(&bob, &facts, &renew, &accepted.answer, &old);
    let attributes = state.attributes();
    assert_eq!((attributes.class(), attributes.validity()), (2, validity().plus(6)));
    assert_eq!(attributes.received_on(facts.header.day).get(), 400);

    // The old state is gone, for claims and for renewals; and the grant, for another state.
    let note = paid_note(&world, &running, &bob, 100).await;
    let other = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    for again in [
        bob.claim(&facts, std::slice::from_ref(&note), &old),
        renewal(&bob, &facts, &old, &granted),
        renewal(&bob, &facts, &other, &granted),
    ] {
        let refused = running.submit(&again).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::AlreadyExists, ErrorReason::AlreadySpent));
        assert_eq!(refused.number("log_index"), Some(accepted.log_index));
    }
    running.submit(&bob.claim(&facts, &[note], &state)).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_renewal_is_what_its_grant_allows() {
    let mut world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let granted = granted(&bob, &state);
    let renew = renewal(&bob, &facts, &state, &granted);

    let (_, foreign) = self::granted(&bob, &state);
    let right = granted.1;
    let with = |change: &dyn Fn(&mut Grant)| {
        let mut grant = right;
        change(&mut grant);
        grant
    };
    for wrong in [
        with(&|grant| grant.class = 1),
        with(&|grant| grant.validity = grant.validity.plus(1)),
        with(&|grant| grant.last_day = Day::new(TODAY - 1)),
        foreign,
    ] {
        world.books.grants.lock().unwrap().insert(INDEX, wrong.to_bytes());
        let refused = running.submit(&renew).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::GrantRefused));
    }
    // It is not taken on the issuer's word that is missing.
    world.stop_issuer().await;
    let refused = running.submit(&renew).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::Unavailable, ErrorReason::PeerUnreachable));
    world.start_issuer().await;

    world.books.grants.lock().unwrap().insert(INDEX, right.to_bytes());
    running.pass(Duration::from_secs(8 * 86_400)).await;
    let late = renew::request(
        &running.facts().await.header,
        &bob.keys,
        &state,
        &granted.0,
        &with(&|grant| grant.last_day = Day::new(TODAY + 8)),
        INDEX,
        &mut rng(),
    );
    let refused = running.submit(&late.unwrap()).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::GrantRefused);
    running.stop().await;
}
