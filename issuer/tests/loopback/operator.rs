//! The operator's calls.

use farthing_issuer::{config::Listeners, error::RunError};
use farthing_proto::v1::{
    CreateAccountRequest, CreditRequest, ErrorReason, GetSupplyRequest, InviteRequest, ListAccountsRequest,
    issuer_admin_service_client::IssuerAdminServiceClient,
};
use farthing_service::{listener::ConnectionLimits, status::Failure, token::Token};

use crate::running::{Running, TODAY};

const ALICE: &str = "alice@bank.example";

fn create(identity: &str, class: &str) -> CreateAccountRequest {
    CreateAccountRequest { identity: identity.to_owned(), class_name: class.to_owned() }
}

fn credit(identity: &str, amount: u64, id: u8) -> CreditRequest {
    CreditRequest { identity: identity.to_owned(), amount, request_id: vec![id; 16], ..CreditRequest::default() }
}

#[tokio::test]
async fn only_who_holds_the_token_may_call() {
    let issuer = Running::start().await;
    let mut nobody = IssuerAdminServiceClient::new(issuer.operator_channel());
    let status = nobody.create_account(create(ALICE, "person")).await.unwrap_err();
    assert_eq!(Failure::from(status).reason, ErrorReason::TokenInvalid);
    let other = Token::create(&issuer.config.data_dir.join("other.token")).unwrap();
    let mut other = IssuerAdminServiceClient::with_interceptor(issuer.operator_channel(), other.bearer());
    let status = other.get_supply(GetSupplyRequest {}).await.unwrap_err();
    assert_eq!(Failure::from(status).reason, ErrorReason::TokenInvalid);
    // Nor are the operator's calls offered to wallets.
    let token = Token::load(&issuer.config.token_file()).unwrap();
    let mut wrong = IssuerAdminServiceClient::with_interceptor(issuer.channel.clone(), token.bearer());
    let status = wrong.get_supply(GetSupplyRequest {}).await.unwrap_err();
    assert_eq!(Failure::from(status).reason, ErrorReason::MethodUnknown);
    issuer.admin().create_account(create(ALICE, "person")).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn the_operators_address_is_on_loopback() {
    let issuer = Running::start().await;
    let mut config = issuer.config.clone();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7101"] {
        config.admin_listen = address.parse().unwrap();
        let refused = Listeners::bind(&config, ConnectionLimits::default()).await;
        assert!(matches!(refused, Err(RunError::AdminNotLoopback(at)) if at == config.admin_listen));
    }
    issuer.stop().await;
}

#[tokio::test]
async fn an_account_is_opened_once_and_keeps_its_class() {
    let issuer = Running::start().await;
    let mut admin = issuer.admin();
    for identity in [ALICE, "ALICE@bank.example"] {
        let answer = admin.create_account(create(identity, "person")).await.unwrap().into_inner();
        assert_eq!(answer.identity, ALICE);
    }
    for request in [create(ALICE, "bank"), create(ALICE, "prince"), create("", "person"), create("ä@b.c", "person")] {
        let failure = Failure::from(admin.create_account(request).await.unwrap_err());
        assert_eq!(failure.reason, ErrorReason::MalformedRequest);
    }
    let request = InviteRequest { identity: ALICE.to_owned(), class_name: "prince".to_owned() };
    let failure = Failure::from(admin.invite(request).await.unwrap_err());
    assert_eq!(failure.reason, ErrorReason::MalformedRequest);
    assert!(failure.message.contains("person, bank"), "{failure}");
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_is_made_once_for_each_request_id() {
    let issuer = Running::start().await;
    let mut admin = issuer.admin();
    admin.create_account(create(ALICE, "person")).await.unwrap();
    admin.create_account(create("bob@bank.example", "person")).await.unwrap();
    let first = admin.credit(credit(ALICE, 7_00, 1)).await.unwrap().into_inner().balance;
    assert_eq!(first, 7_00);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (mut admin, request) = (admin.clone(), credit(ALICE, 2_00, 2 + number % 4));
            tokio::spawn(async move { admin.credit(request).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    // Asked again, the first one answers as it did.
    assert_eq!(admin.credit(credit(ALICE, 7_00, 1)).await.unwrap().into_inner().balance, 7_00);
    assert_eq!(admin.credit(credit(ALICE, 1, 9)).await.unwrap().into_inner().balance, 15_01);

    let cases = [
        (credit(ALICE, 7_01, 1), ErrorReason::RequestIdReused),
        (credit("bob@bank.example", 7_00, 1), ErrorReason::RequestIdReused),
        (credit("carol@bank.example", 1, 10), ErrorReason::IdentityUnknown),
        (credit(ALICE, 0, 10), ErrorReason::MalformedRequest),
        (credit(ALICE, u64::MAX, 10), ErrorReason::MalformedRequest),
        (CreditRequest { request_id: vec![1; 15], ..credit(ALICE, 1, 1) }, ErrorReason::MalformedRequest),
    ];
    for (request, reason) in cases {
        let failure = Failure::from(admin.credit(request).await.unwrap_err());
        assert_eq!(failure.reason, reason, "{failure}");
    }
    // A request id that was refused is free.
    assert_eq!(admin.credit(credit(ALICE, 1, 10)).await.unwrap().into_inner().balance, 15_02);
    issuer.stop().await;
}

#[tokio::test]
async fn a_credit_is_for_a_purpose_of_the_policy() {
    let issuer = Running::start().await;
    let mut admin = issuer.admin();
    admin.create_account(create(ALICE, "person")).await.unwrap();
    let of = |purpose: &str, id| CreditRequest { purpose: purpose.to_owned(), ..credit(ALICE, 7_00, id) };
    assert_eq!(admin.credit(of("meal", 1)).await.unwrap().into_inner().balance, 7_00);
    assert_eq!(admin.credit(of("rent", 2)).await.unwrap().into_inner().balance, 7_00);
    assert_eq!(admin.credit(of("meal", 3)).await.unwrap().into_inner().balance, 14_00);
    // The same again adds nothing; the same for another purpose is something else.
    assert_eq!(admin.credit(of("meal", 1)).await.unwrap().into_inner().balance, 7_00);
    for other in ["rent", "", "unrestricted"] {
        let failure = Failure::from(admin.credit(of(other, 1)).await.unwrap_err());
        assert_eq!(failure.reason, ErrorReason::RequestIdReused, "{other}");
    }
    let failure = Failure::from(admin.credit(of("meals", 4)).await.unwrap_err());
    assert_eq!(failure.reason, ErrorReason::MalformedRequest);
    assert_eq!(failure.message, "purpose: the policy has the purposes meal, rent");
    let accounts = admin.list_accounts(ListAccountsRequest::default()).await.unwrap().into_inner().accounts;
    let restricted = accounts[0].restricted.iter().map(|part| (part.purpose.as_str(), part.amount));
    assert_eq!((accounts[0].balance, restricted.collect::<Vec<_>>()), (0, vec![("meal", 14_00), ("rent", 7_00)]));
    issuer.stop().await;
}

#[tokio::test]
async fn accounts_are_listed_by_pages_in_their_order() {
    let issuer = Running::start().await;
    let mut admin = issuer.admin();
    let wallet = issuer.registered("d@x.example", "bank", 5).await;
    for identity in ["c@x.example", "a", "ab", "b@x.example"] {
        admin.create_account(create(identity, "person")).await.unwrap();
    }
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = admin.list_accounts(ListAccountsRequest { page_size: 2, page_token }).await.unwrap().into_inner();
        pages.push(page.accounts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(pages.iter().all(|page| page.len() <= 2));
    let accounts: Vec<_> = pages.into_iter().flatten().collect();
    let names: Vec<_> = accounts.iter().map(|account| account.identity.as_str()).collect();
    assert_eq!(names, ["a", "ab", "b@x.example", "c@x.example", "d@x.example"]);
    let last = accounts.last().unwrap();
    assert_eq!((last.class_name.as_str(), last.balance, last.registered), ("bank", 5, true));
    assert!(!accounts[0].registered);

    let all = admin.list_accounts(ListAccountsRequest::default()).await.unwrap().into_inner();
    assert_eq!((all.accounts.len(), all.next_page_token.as_str()), (5, ""));
    let failure = admin.list_accounts(ListAccountsRequest { page_size: 1_001, ..Default::default() }).await;
    assert_eq!(Failure::from(failure.unwrap_err()).reason, ErrorReason::MalformedRequest);

    issuer.withdraw(&wallet.withdraw(issuer.key().await.id(), TODAY, 4, 0)).await.unwrap();
    let supply = admin.get_supply(GetSupplyRequest {}).await.unwrap().into_inner();
    assert_eq!((supply.withdrawn, supply.redeemed), (4, 0));
    issuer.stop().await;
}
