//! A server that runs in this process, on threads of its own.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{demo::Failure, threads::Threads};

/// Threads of a server: enough that one that computes does not hold the others up.
const THREADS: usize = 2;

/// A server that has started, until it ends.
pub(super) struct Started<H, S> {
    pub(super) handles: H,
    pub(super) serving: S,
}

/// A running server.
pub(super) struct Running<H> {
    pub(super) handles: H,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
    threads: Threads,
}

impl<H: Send + 'static> Running<H> {
    /// Starts a server with what ends it in order.
    pub(super) async fn start<F, S>(begin: impl FnOnce(CancellationToken) -> F) -> Result<Self, Failure>
    where
        F: Future<Output = Result<Started<H, S>, Failure>> + Send + 'static,
        S: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (shutdown, threads) = (CancellationToken::new(), Threads::start(THREADS)?);
        let Started { handles, serving } = threads.spawn(begin(shutdown.clone())).await??;
        let task = threads.spawn(serving);
        Ok(Self { handles, shutdown, task, threads })
    }

    /// Ends it in order.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let ended = self.task.await?;
        drop(self.handles);
        self.threads.kill().await;
        ended
    }

    /// Ends it where it stands.
    pub(super) async fn kill(self) {
        drop((self.handles, self.task));
        self.threads.kill().await;
    }
}
