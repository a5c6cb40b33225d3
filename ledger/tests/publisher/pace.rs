//! When checkpoints are signed, in a time that only passes when nothing else is left to do.

use std::{sync::Arc, time::Duration};

use farthing_ledger::history;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{LOG, World, append};

const INTERVAL: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn there_is_one_checkpoint_in_an_interval_and_none_without_entries() {
    let world = World::new();
    let store = world.store();
    let publisher = Arc::new(world.open(&store).await.unwrap());
    let mut sizes = publisher.published().watch();
    let shutdown = CancellationToken::new();
    let keeping = tokio::spawn(publisher.clone().keep(INTERVAL, shutdown.clone()));
    let mut last = None::<Instant>;
    for number in 0..5 {
        append(&store, [number]).await;
        sizes.wait_for(|size| *size > number).await.unwrap();
        assert!(last.is_none_or(|last| last.elapsed() >= INTERVAL), "{number}: {:?}", last.map(|last| last.elapsed()));
        last = Some(Instant::now());
    }
    tokio::time::sleep(100 * INTERVAL).await;
    assert_eq!(history::list(&store, LOG, 0, 100).await.unwrap().len(), 5);
    shutdown.cancel();
    keeping.await.unwrap();
}
