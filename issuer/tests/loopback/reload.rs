//! Files that change while the issuer runs: the policy, and new issuing keys.

use std::{fs, time::Duration};

use farthing_ecash::calendar::Day;
use farthing_issuer::keys::{
    KeyPeriods,
    plan::{Plan, Stage},
};
use farthing_proto::v1::{ErrorReason, GetIssuerRequest};
use farthing_service::watch::read_standing;

use crate::running::{Running, TODAY, parts};

const ALICE: &str = "alice@bank.example";

/// Waits until the operator is told this in a file, and answers all of it.
async fn told(path: &std::path::Path, words: &str) -> String {
    let wait = async {
        loop {
            match read_standing(path) {
                Ok((_, text)) if text.contains(words) => return text,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
}

#[tokio::test]
async fn caps_and_classes_change_without_a_restart_and_a_wrong_file_does_nothing() {
    let issuer = Running::start().await;
    let status = issuer.config.policy_status();
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "person", 500_00).await;
    told(&status, "is the policy in use").await;
    let policy = fs::read_to_string(&issuer.config.policy).unwrap();
    let lowered = policy.replace("\"100.00\"", "\"10.00\"").replace("\"bank\"", "\"house\"");

    fs::write(&issuer.config.policy, lowered.replace("minimum", "minimun")).unwrap();
    let text = told(&status, "unknown key `minimun`").await;
    assert!(text.starts_with("not in force\n") && text.contains("policy.toml:10:1"), "{text}");
    fs::write(&issuer.config.policy, lowered.replace("Europe/Luxembourg", "UTC")).unwrap();
    told(&status, "Europe/Luxembourg becomes UTC").await;
    issuer.withdraw(&wallet.withdraw(key, TODAY, 5_00, 0)).await.unwrap();

    fs::write(&issuer.config.policy, &lowered).unwrap();
    assert!(told(&status, "is the policy in use").await.starts_with("in force\n"));
    issuer.withdraw(&wallet.withdraw(key, TODAY, 5_00, 0)).await.unwrap();
    let refused = issuer.withdraw(&wallet.withdraw(key, TODAY, 1, 0)).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("left")), (ErrorReason::CapExceeded, Some(0)));
    issuer.invite("carol@bank.example", "house").await;

    // A start is as strict.
    fs::write(&issuer.config.policy, lowered.replace("Europe/Luxembourg", "UTC")).unwrap();
    let (config, clock) = (issuer.config.clone(), issuer.clock.clone());
    let _home = issuer.stop().await;
    let parts = farthing_issuer::Parts::from_config(&config, clock.as_ref()).unwrap();
    let refused = farthing_issuer::Issuer::start(parts, clock).await.err().unwrap();
    assert!(refused.to_string().contains("time zone"), "{refused}");
}

#[tokio::test]
async fn a_rotated_key_is_announced_ahead_and_signs_from_its_first_day() {
    let issuer = Running::start().await;
    let (clock, home) = (issuer.clock.clone(), issuer.stop().await);
    let config = home.path().join("issuer.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[\"keys/issuing.key\"]", "[\"keys\"]")).unwrap();
    let (config, started) = parts(home.path(), &clock).unwrap();
    let issuer = Running::serve(home, config.clone(), started, clock).await.map_err(|(_, error)| error).unwrap();
    let paths = [config.policy.with_file_name("keys")];
    let wallet = issuer.registered(ALICE, "person", 500_00).await;
    let old = issuer.key().await;
    let plan = Plan::read(&paths, TODAY).unwrap();
    let first = Day::new(TODAY.get() + 3);
    let rotated = plan.rotate(&paths, old.currency(), KeyPeriods::default(), Some(first)).unwrap();
    assert_eq!((rotated.path.file_name().unwrap().to_str().unwrap(), rotated.is_named), ("2026-11-23.key", true));
    told(&config.keys_status(), "in use: 2").await;
    let known = issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
    assert_eq!((known.keys.len(), known.key_log_indices.len()), (2, 2));
    assert_eq!(issuer.key().await.id(), old.id());

    issuer.pass(Duration::from_secs(3 * 86_400)).await;
    let new = issuer.key().await;
    assert_eq!(new.dates().first, first);
    let refused = issuer.withdraw(&wallet.withdraw(old.id(), first, 1, 0)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    issuer.withdraw(&wallet.withdraw(new.id(), first, 1, 0)).await.unwrap();
    let plan = Plan::read(&paths, first).unwrap();
    let stages: Vec<_> = plan.keys().iter().map(|key| plan.stage(key)).collect();
    assert_eq!(stages, [Stage::Accepted, Stage::Signs]);

    // A key that is gone is missed, and those in use stay.
    fs::remove_file(&plan.keys()[0].path).unwrap();
    told(&config.keys_status(), "no file in `keys` holds it").await;
    assert_eq!(issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner().keys.len(), 2);
    issuer.stop().await;
}
