//! Disks that fail in the middle of an acceptance.

use std::{io::ErrorKind, time::Duration};

use farthing_proto::v1::ErrorReason;
use farthing_redeemer::{error::RunError, ledger::PAYMENTS};
use farthing_store::{
    Options,
    failpoints::{FailAction, FailPoint},
};
use tonic::Code;

use crate::{
    wallet::Wallet,
    world::{Running, World},
};

/// Long enough for every test: after the first checkpoint nothing but the test writes.
const QUIET: Duration = Duration::from_secs(3_600);

impl World {
    /// A redeemer that has signed its first checkpoint, and signs no other.
    async fn start_quietly(&mut self) -> Running {
        self.checkpoint_interval = QUIET;
        let running = self.start().await;
        let size = running.handles.store.log_size(PAYMENTS).await.unwrap();
        running.checkpoint_over(size).await;
        running
    }
}

#[tokio::test]
async fn what_may_or_may_not_be_written_is_found_out_by_the_next_start() {
    for point in [FailPoint::BeforeAppend, FailPoint::AfterAppendBeforeSync, FailPoint::AfterIndexBeforeAck] {
        let mut world = World::new().await;
        let running = world.start_quietly().await;
        let facts = running.facts().await;
        let alice = Wallet::new("alice@bank.example");
        let coin = world.mint().coin(&alice.keys, 1_000);
        let swap = alice.swap(&facts, std::slice::from_ref(&coin), None);
        world.store.failpoints.arm(point, 1, FailAction::Error(ErrorKind::Other));
        let refused = running.submit(&swap).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::Unavailable, ErrorReason::StoreUnavailable));
        assert!(refused.is_transient() && refused.retry_after.is_some());
        // It does not go on with a disk that cannot be trusted.
        assert!(matches!(running.end().await, Err(RunError::StoreFailed)));

        world.store = Options::default();
        let running = world.start().await;
        let accepted = running.submit(&swap).await.unwrap();
        let refused = running.submit(&alice.swap(&facts, &[coin], None)).await.unwrap_err();
        assert_eq!(refused.number("log_index"), Some(accepted.log_index));
        assert_eq!(running.handles.store.log_size(PAYMENTS).await.unwrap(), 3);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_resumes() {
    let mut world = World::new().await;
    let running = world.start_quietly().await;
    let facts = running.facts().await;
    let alice = Wallet::new("alice@bank.example");
    let swap = alice.swap(&facts, &[world.mint().coin(&alice.keys, 1_000)], None);
    world.store.failpoints.arm(FailPoint::MidAppend, 1, FailAction::Error(ErrorKind::StorageFull));
    let refused = running.submit(&swap).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::Unavailable, ErrorReason::StoreUnavailable));
    running.submit(&swap).await.unwrap();
    running.stop().await;
}
