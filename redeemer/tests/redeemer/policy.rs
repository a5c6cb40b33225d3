//! The policy: its epochs, and files that are wrong.

use farthing_ecash::amount::Currency;
use farthing_redeemer::{error::RunError, policy};

use crate::{
    mint::{Mint, TODAY},
    world::{POLICY, World},
};

#[tokio::test]
async fn a_changed_file_is_a_new_epoch_and_an_old_one_never_comes_back() {
    let mut world = World::new().await;
    let mut seen = Vec::new();
    let changed = format!("{POLICY}\n# changed\n");
    for file in [POLICY, POLICY, &changed, &changed, POLICY] {
        world.policy = file.to_owned();
        let running = world.start().await;
        let facts = running.facts().await;
        assert_eq!(facts.policy.file(), file.as_bytes());
        seen.push((facts.header.epoch, running.handles.log.today()));
        running.stop().await;
    }
    let epochs: Vec<_> = seen.iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs, [1, 1, 2, 2, 3]);
}

#[tokio::test]
async fn the_currency_is_the_keys() {
    let mut world = World::new().await;
    world.mints = vec![Mint::new(&Currency::new("USD", 2).unwrap(), TODAY - 1, TODAY + 1)];
    let refused = world.redeemer().await.err().unwrap();
    assert!(matches!(refused, RunError::Currency { .. }));
    assert_eq!(refused.to_string(), "the policy is in EUR (2), but the issuing keys are in USD (2)");
}

#[test]
fn a_wrong_file_names_all_its_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.toml");
    std::fs::write(&path, POLICY.replace("minimum", "minimun").replace("\"5.00\"", "\"5.001\"")).unwrap();
    let refused = policy::load(&path).err().unwrap();
    let RunError::Policy { rendered } = &refused else { panic!("{refused}") };
    assert!(rendered.contains("unknown key `minimun`") && rendered.contains("5.001"), "{rendered}");
    assert!(matches!(policy::load(&dir.path().join("none")).err().unwrap(), RunError::File { .. }));
}
