//! How long to wait before the issuer is asked again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest pause: an issuer that comes back after hours is found within half a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double from failure to failure.
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Backoff {
    /// It worked: the next pause is short again.
    pub(crate) fn reset(&mut self) {
        self.next = SHORTEST;
    }

    /// Waits. False when the shutdown came first.
    pub(crate) async fn pause(&mut self, shutdown: &CancellationToken) -> bool {
        let pause = self.next;
        self.next = (self.next * 2).min(LONGEST);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }
}
