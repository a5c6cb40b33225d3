//! What a daemon does by itself: it finishes what was begun, and looks for payments.

use std::{path::PathBuf, time::Duration};

use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::endpoint::{Endpoint, EndpointCurrency};
use crate::wallet::Wallet;

/// About how often the daemon tries to finish what is unfinished.
const FINISH_EVERY: Duration = Duration::from_secs(30);

/// Goes on until `shutdown` is cancelled. Writes the currency into the endpoint's file once the wallet knows it.
pub(super) async fn tend(
    wallet: Wallet,
    receive_every: Option<Duration>,
    data_dir: PathBuf,
    mut endpoint: Endpoint,
    shutdown: CancellationToken,
) {
    let work = async {
        let mut finish_at = Instant::now();
        let mut receive_at = receive_every.map(|every| Instant::now() + jittered(every));
        loop {
            let next = receive_at.map_or(finish_at, |receive_at| receive_at.min(finish_at));
            sleep_until(next).await;
            if Instant::now() >= finish_at {
                finish(&wallet).await;
                tell_currency(&wallet, &data_dir, &mut endpoint).await;
                finish_at = Instant::now() + jittered(FINISH_EVERY);
            }
            if let (Some(every), Some(at)) = (receive_every, receive_at)
                && Instant::now() >= at
            {
                receive(&wallet).await;
                receive_at = Some(Instant::now() + jittered(every));
            }
        }
    };
    // Dropping the work half-way abandons nothing: what the wallet has begun it ends by itself.
    shutdown.run_until_cancelled(work).await;
}

async fn finish(wallet: &Wallet) {
    if !wallet.has_unfinished().await {
        return;
    }
    match wallet.resume().await {
        Ok(resumed) => {
            for operation in resumed {
                tracing::info!(kind = ?operation.kind, state = ?operation.state, "went on with an unfinished operation");
            }
        }
        Err(error) => tracing::warn!("cannot finish what was begun: {error}"),
    }
}

async fn tell_currency(wallet: &Wallet, data_dir: &std::path::Path, endpoint: &mut Endpoint) {
    if endpoint.currency.is_some() {
        return;
    }
    // Without it nothing is lost: callers ask the daemon.
    let Ok(currency) = wallet.currency().await else { return };
    endpoint.currency = Some(EndpointCurrency::from(&currency));
    if let Err(error) = endpoint.write(data_dir) {
        tracing::warn!("{error}");
    }
}

async fn receive(wallet: &Wallet) {
    match wallet.receive().await {
        Ok(report) => {
            tracing::info!(claimed = report.claimed.len(), pending = report.pending.len(), "looked for payments");
            if let Some(delay) = report.delay {
                tracing::warn!("not all payments are claimed yet: {delay}");
            }
        }
        Err(error) => tracing::warn!("cannot look for payments: {error}"),
    }
}

/// Between four and six fifths of the time: a wallet that asks by the clock is known by it.
fn jittered(time: Duration) -> Duration {
    let thousandths = 800 + UnwrapErr(SysRng).next_u32() % 401;
    time.saturating_mul(thousandths) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_kept_about_and_never_quite() {
        let times: Vec<_> = (0..64).map(|_| jittered(Duration::from_secs(100))).collect();
        assert!(times.iter().all(|time| (80_000..=120_000).contains(&time.as_millis())));
        assert!(times.iter().any(|time| Some(time) != times.first()));
    }
}
