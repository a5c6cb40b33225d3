//! What callers get: errors with reasons, health, reflection, tokens.

use farthing_proto::v1::{
    ErrorReason, GetEntryRequest, SubmitTransactionResponse, issuer_service_client::IssuerServiceClient,
    redeemer_service_client::RedeemerServiceClient, redeemer_service_server::RedeemerServiceServer,
};
use farthing_service::{
    channel::{self, Deadlines},
    listener::{ConnectionLimits, Listener},
    server::{Reflection, Server, ServerSettings},
    status::Failure,
    tls::ServerTls,
    token::Token,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::running::{Running, SPENT, Wanted, next, submit};

#[tokio::test]
async fn a_refusal_travels_with_its_reason() {
    let server = Running::start(Wanted::default()).await;
    let failure = submit(&server.client(), SPENT).await.unwrap_err();
    assert_eq!((failure.code, failure.reason), (Code::AlreadyExists, ErrorReason::AlreadySpent));
    assert_eq!(failure.number("log_index"), Some(17));
    let failure = submit(&server.client(), 99).await.unwrap_err();
    assert_eq!((failure.code, failure.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
}

#[tokio::test]
async fn errors_of_the_transport_have_a_reason_too() {
    let server = Running::start(Wanted::default()).await;
    let mut issuer = IssuerServiceClient::new(server.channel());
    let status = issuer.get_issuer(farthing_proto::v1::GetIssuerRequest {}).await.unwrap_err();
    let failure = Failure::from(status);
    assert_eq!((failure.code, failure.reason), (Code::Unimplemented, ErrorReason::MethodUnknown));

    // A message whose first field is a number where bytes are due.
    let mut raw = Grpc::new(server.channel());
    raw.ready().await.unwrap();
    let path = PathAndQuery::from_static("/farthing.v1.RedeemerService/SubmitTransaction");
    let codec = tonic_prost::ProstCodec::<GetEntryRequest, SubmitTransactionResponse>::default();
    let status = raw.unary(Request::new(GetEntryRequest { index: 1 }), path, codec).await.unwrap_err();
    let failure = Failure::from(status);
    assert_eq!((failure.code, failure.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
}

#[tokio::test]
async fn probes_learn_the_health_of_the_server_and_of_each_service() {
    let server = Running::start(Wanted::default()).await;
    let mut client = HealthClient::new(server.channel());
    let mut status = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        client.check(request).await.map(|answer| answer.into_inner().status()).map_err(Failure::from)
    };
    for service in ["", "farthing.v1.RedeemerService"] {
        assert_eq!(status(service).await.unwrap(), ServingStatus::Serving);
    }
    assert_eq!(status("farthing.v1.IssuerService").await.unwrap_err().code, Code::NotFound);
    server.health.set_serving(false).await;
    for service in ["", "farthing.v1.RedeemerService"] {
        assert_eq!(status(service).await.unwrap(), ServingStatus::NotServing);
    }
}

/// What the reflection service lists and finds.
async fn reflect(server: &Running, question: MessageRequest) -> Result<MessageResponse, Failure> {
    let mut client = ServerReflectionClient::new(server.channel());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = client.server_reflection_info(tokio_stream::once(request)).await.map_err(Failure::from)?;
    let answer = next(&mut answers.into_inner()).await.map_err(Failure::from)?;
    Ok(answer.message_response.unwrap())
}

#[tokio::test]
async fn tools_can_list_what_is_served_and_read_its_messages() {
    let server = Running::start(Wanted::default()).await;
    let list = reflect(&server, MessageRequest::ListServices(String::new())).await.unwrap();
    let MessageResponse::ListServicesResponse(list) = list else { panic!("{list:?}") };
    let mut names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["farthing.v1.RedeemerService", "grpc.health.v1.Health"]);
    let question = MessageRequest::FileContainingSymbol("farthing.v1.SubmitTransactionRequest".to_owned());
    let found = reflect(&server, question).await.unwrap();
    assert!(matches!(found, MessageResponse::FileDescriptorResponse(_)), "{found:?}");
}

#[tokio::test]
async fn reflection_can_be_switched_off() {
    let settings = ServerSettings { reflection: Reflection::Never, ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let refused = reflect(&server, MessageRequest::ListServices(String::new())).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MethodUnknown);
}

#[tokio::test]
async fn a_guarded_service_answers_only_who_has_the_token() {
    let server = Running::start(Wanted::default()).await;
    let home = tempfile::tempdir().unwrap();
    let token = Token::create(&home.path().join("token")).unwrap();
    let other = Token::create(&home.path().join("other")).unwrap();

    let tls = ServerTls::load(&server.certificates.server("guarded").unwrap(), None).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls, ConnectionLimits::default()).await.unwrap();
    let url = format!("https://{}", listener.address());
    let service = RedeemerServiceServer::with_interceptor(server.service(), token.guard());
    let guarded = Server::new(ServerSettings::default()).with_service(service);
    let running = tokio::spawn(guarded.run(listener, CancellationToken::new()));

    let channel = channel::open(&url, &server.client_tls(None), Deadlines::default()).unwrap();
    let request = farthing_proto::v1::GetRedeemerRequest {};
    let refused = RedeemerServiceClient::new(channel.clone()).get_redeemer(request).await.unwrap_err();
    let refused = Failure::from(refused);
    assert_eq!((refused.code, refused.reason), (Code::Unauthenticated, ErrorReason::TokenInvalid));
    let mut wrong = RedeemerServiceClient::with_interceptor(channel.clone(), other.bearer());
    assert!(wrong.get_redeemer(request).await.is_err());
    let mut right = RedeemerServiceClient::with_interceptor(channel, token.bearer());
    assert!(right.get_redeemer(request).await.is_ok());
    running.abort();
}
