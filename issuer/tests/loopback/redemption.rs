//! Money that comes back from the redeemer.

use farthing_ecash::amount::Amount;
use farthing_issuer::{Issuer, config::Listeners};
use farthing_proto::v1::{
    CreditRedemptionRequest, ErrorReason, LookUpAccountRequest, redemption_service_client::RedemptionServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    listener::{ConnectionLimits, Listener},
    status::Failure,
    tls::{ClientTls, ServerTls},
};
use tokio_util::sync::CancellationToken;

use crate::running::{Running, TODAY, Wallet, parts};

const ALICE: &str = "alice@bank.example";

fn redemption(wallet: &Wallet, id: u8, amount: u64) -> CreditRedemptionRequest {
    CreditRedemptionRequest { transaction_id: vec![id; 32], account_key: wallet.account_key(), amount }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_is_credited_once_however_often_it_comes() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "bank", 50_00).await;
    issuer.withdraw(&wallet.withdraw(key, TODAY, 30_00, 0)).await.unwrap();
    let redeemer = issuer.redemptions(true);
    // Three redemptions, each sent eight times, all at once.
    let mut tasks = Vec::new();
    for _ in 0..8 {
        for (id, amount) in [(1, 7_00), (2, 7_00), (3, 1)] {
            let (mut client, request) = (redeemer.clone(), redemption(&wallet, id, amount));
            tasks.push(tokio::spawn(async move { client.credit_redemption(request).await }));
        }
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().balance, 34_01);
    assert_eq!(issuer.handles.totals().redeemed, Amount::new(14_01));
    let issuer = issuer.restart().await;
    issuer.redemptions(true).credit_redemption(redemption(&wallet, 1, 7_00)).await.unwrap();
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().balance, 34_01);
    assert_eq!(issuer.handles.totals().redeemed, Amount::new(14_01));
    issuer.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_reason() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "bank", 50_00).await;
    issuer.withdraw(&wallet.withdraw(key, TODAY, 30_00, 0)).await.unwrap();
    let mut redeemer = issuer.redemptions(true);
    redeemer.credit_redemption(redemption(&wallet, 1, 10_00)).await.unwrap();

    let right = redemption(&wallet, 2, 1);
    let cases = [
        (redemption(&wallet, 1, 10_01), ErrorReason::RequestIdReused),
        (redemption(&Wallet::new(ALICE), 1, 10_00), ErrorReason::RequestIdReused),
        (redemption(&Wallet::new(ALICE), 2, 1), ErrorReason::AccountUnknown),
        (redemption(&wallet, 2, 0), ErrorReason::MalformedRequest),
        (CreditRedemptionRequest { transaction_id: vec![2; 31], ..right.clone() }, ErrorReason::MalformedRequest),
        (CreditRedemptionRequest { account_key: vec![0; 32], ..right.clone() }, ErrorReason::MalformedRequest),
        (CreditRedemptionRequest { account_key: Vec::new(), ..right }, ErrorReason::MalformedRequest),
        // More than was ever withdrawn cannot come back.
        (redemption(&wallet, 2, 20_01), ErrorReason::CapExceeded),
        (redemption(&wallet, 2, u64::MAX), ErrorReason::CapExceeded),
    ];
    for (number, (request, reason)) in cases.into_iter().enumerate() {
        let failure = Failure::from(redeemer.credit_redemption(request).await.unwrap_err());
        assert_eq!(failure.reason, reason, "case {number}: {failure}");
    }
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().balance, 30_00);
    redeemer.credit_redemption(redemption(&wallet, 2, 20_00)).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn the_redeemer_learns_the_class_of_an_account() {
    let issuer = Running::start().await;
    let wallet = issuer.registered(ALICE, "bank", 0).await;
    let mut redeemer = issuer.redemptions(true);
    let mut look_up = async |account_key| {
        let answer = redeemer.look_up_account(LookUpAccountRequest { account_key }).await.unwrap().into_inner();
        (answer.exists, answer.class)
    };
    assert_eq!(look_up(wallet.account_key()).await, (true, 7));
    assert_eq!(look_up(Wallet::new(ALICE).account_key()).await, (false, 0));
    issuer.stop().await;
}

#[tokio::test]
async fn nobody_without_a_redeemers_certificate_gets_in() {
    let issuer = Running::start().await;
    let request = LookUpAccountRequest { account_key: vec![1; 32] };
    let status = issuer.redemptions(false).look_up_account(request.clone()).await.unwrap_err();
    assert_eq!(Failure::from(status).reason, ErrorReason::PeerUnreachable);
    // The service is not offered where wallets and operators come in.
    for channel in [issuer.channel.clone(), issuer.operator_channel()] {
        let status = RedemptionServiceClient::new(channel).look_up_account(request.clone()).await.unwrap_err();
        assert_eq!(Failure::from(status).reason, ErrorReason::MethodUnknown);
    }
    let clock = issuer.clock.clone();
    let home = issuer.stop().await;

    // A listener that does not ask for certificates lets nobody call either.
    let (_, parts) = parts(home.path(), &clock).unwrap();
    let certificates = farthing_service::dev_certs::DevCertificates::open(&home.path().join("certs")).unwrap();
    let open = ServerTls::load(&certificates.server("issuer").unwrap(), None).unwrap();
    let bind = async || {
        Listener::bind("127.0.0.1:0".parse().unwrap(), open.clone(), ConnectionLimits::default()).await.unwrap()
    };
    let listeners = Listeners::new(bind().await, bind().await, bind().await).unwrap();
    let address = format!("https://{}", listeners.addresses().redeemers);
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(Issuer::start(parts, clock).await.unwrap().serve(listeners, shutdown.clone()));
    let pair = certificates.client("redeemer").unwrap();
    let tls = ClientTls::load(&certificates.authority(), Some(&pair)).unwrap();
    let channel = channel::open(&address, &tls, Deadlines::default()).unwrap();
    let status = RedemptionServiceClient::new(channel).look_up_account(request).await.unwrap_err();
    assert_eq!(Failure::from(status).reason, ErrorReason::TokenInvalid);
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
