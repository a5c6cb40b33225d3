//! What a daemon does by itself: it finishes what was begun, looks for payments, renews the registration, moves money to the
//! newest issuing key, takes back what nobody has claimed, and makes one coin of several while there is nothing else to do.

use std::{path::PathBuf, sync::Arc, time::Duration};

use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    DaemonSettings,
    endpoint::{Endpoint, EndpointCurrency},
    rest::Rest,
};
use crate::{
    report::RenewOutcome,
    wallet::{Receiving, Wallet},
};

/// About how often the daemon tries to finish what is unfinished.
const FINISH_EVERY: Duration = Duration::from_secs(30);

/// A day.
const ROLL_OVER_DAY: Duration = Duration::from_secs(86_400);

/// About how long a daemon does not look for payments after it has renewed the registration.
const APART: Duration = Duration::from_secs(3_600);

/// The mean time to the next refund: a payment that nobody claimed comes back within days of its month, no two of a wallet
/// together, and not at once when all wallets' payments of a month expire.
const REFUND_MEAN: Duration = Duration::from_secs(12 * 3_600);

/// Goes on until `shutdown` is cancelled. Writes the currency into the endpoint's file once the wallet knows it.
pub(super) async fn tend(
    wallet: Wallet,
    settings: DaemonSettings,
    data_dir: PathBuf,
    mut endpoint: Endpoint,
    shutdown: CancellationToken,
) {
    let receive_every = settings.receive_every;
    let work = async {
        let mut finish_at = Instant::now();
        let mut rest = Rest::new(wallet.cursor().await, finish_at);
        let mut receive_at = receive_every.map(|every| Instant::now() + jittered(every));
        loop {
            let next = receive_at.map_or(finish_at, |receive_at| receive_at.min(finish_at));
            sleep_until(next).await;
            if Instant::now() >= finish_at {
                finish(&wallet).await;
                if renew(&wallet).await {
                    receive_at = receive_at.map(|at| at.max(Instant::now() + jittered(APART)));
                } else {
                    roll_over(&wallet).await;
                    refund(&wallet).await;
                    if settings.consolidate {
                        consolidate(&wallet, &mut rest).await;
                    }
                }
                tell_currency(&wallet, &data_dir, &mut endpoint).await;
                finish_at = Instant::now() + jittered(FINISH_EVERY);
            }
            if let (Some(every), Some(at)) = (receive_every, receive_at)
                && Instant::now() >= at
            {
                let renewed = receive(&wallet, settings.join).await;
                receive_at = Some(Instant::now() + jittered(if renewed { every.max(APART) } else { every }));
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

/// Moves money from older keys, at a time that chance decides.
async fn roll_over(wallet: &Wallet) {
    let Some(days_left) = wallet.aging_days().await else { return };
    if !is_time(days_left, UnwrapErr(SysRng).next_u32()) {
        return;
    }
    match wallet.roll_over().await {
        Ok(true) => tracing::info!("moved money to the newest issuing key"),
        Ok(false) => {}
        Err(error) => tracing::warn!("cannot move money to the newest issuing key: {error}"),
    }
}

/// Makes one coin of several, at a time that chance decides.
async fn consolidate(wallet: &Wallet, rest: &mut Rest) {
    let is_time = rest.is_time(wallet.cursor().await, Instant::now(), UnwrapErr(SysRng).next_u32());
    if !is_time || !wallet.has_many_coins().await {
        return;
    }
    match wallet.consolidate().await {
        Ok(true) => tracing::info!("made one coin of several"),
        Ok(false) => {}
        Err(error) => tracing::warn!("cannot make one coin of several: {error}"),
    }
}

/// Renews the registration, at a time that chance decides: the issuer is told whose wallet it is, and nothing else that the
/// wallet does is to stand beside that. Says whether it has.
async fn renew(wallet: &Wallet) -> bool {
    let Some(days_left) = wallet.renewal_days().await else { return false };
    // Also when it is late and the issuer refuses, it is not asked at each look.
    if !is_time(days_left.max(1), UnwrapErr(SysRng).next_u32()) {
        return false;
    }
    match wallet.renew_if_due().await {
        Ok(RenewOutcome::Renewed(_)) => {
            tracing::info!("renewed the registration");
            return true;
        }
        Ok(RenewOutcome::Pending { delay }) => tracing::warn!("the registration is not renewed yet: {delay}"),
        Ok(RenewOutcome::NotDue { .. }) => {}
        Err(error) => tracing::warn!("cannot renew the registration: {error}"),
    }
    false
}

/// Whether to move some money, or to renew, at this look. Right after a rotation that tells who has moved and who has not, so
/// looks are many and chance is small: on the average five days pass, or an eighth of the time that is left. No memory is
/// needed for that, so it outlives restarts.
fn is_time(days_left: u32, chance: u32) -> bool {
    comes((days_left * ROLL_OVER_DAY / 8).min(5 * ROLL_OVER_DAY), chance)
}

/// Whether this look, of those that are [`FINISH_EVERY`] apart, is one of those that come once in `mean`.
pub(super) fn comes(mean: Duration, chance: u32) -> bool {
    u64::from(chance).saturating_mul(mean.as_secs()) / (u64::from(u32::MAX) + 1) < FINISH_EVERY.as_secs()
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

/// Looks for payments. Says whether that has renewed or registered the wallet instead.
async fn receive(wallet: &Wallet, join: bool) -> bool {
    let receiving = Receiving { join, renew_later: true, ..Receiving::default() };
    match wallet.receive_with(receiving, Arc::new(|_, _| {})).await {
        Ok(report) => {
            tracing::info!(claimed = report.claimed.len(), pending = report.pending.len(), "looked for payments");
            if let Some(delay) = report.delay {
                tracing::warn!("not all payments are claimed yet: {delay}");
            }
            return report.renewed;
        }
        Err(error) => tracing::warn!("cannot look for payments: {error}"),
    }
    false
}

/// Takes back at most one payment, at a time that chance decides.
async fn refund(wallet: &Wallet) {
    if !comes(REFUND_MEAN, UnwrapErr(SysRng).next_u32()) || !wallet.has_refundable().await {
        return;
    }
    match wallet.refund_any().await {
        Ok(report) => {
            tracing::info!(refunded = report.refunded.len(), pending = report.pending.len(), "took payments back");
            if let Some(delay) = report.delay {
                tracing::warn!("a payment is not taken back yet: {delay}");
            }
        }
        Err(error) => tracing::warn!("cannot take payments back: {error}"),
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
    fn money_moves_at_once_at_the_end_and_seldom_at_the_beginning() {
        let share = |days_left| (0..=u32::MAX).step_by(1 << 12).filter(|chance| is_time(days_left, *chance)).count();
        let all = (0..=u32::MAX).step_by(1 << 12).count();
        assert_eq!(share(0), all);
        // Two looks a minute: about one in 14,400 of them.
        assert!((40..=110).contains(&share(45)), "{}", share(45));
        assert!(share(8) > share(45));
    }

    #[test]
    fn the_time_is_kept_about_and_never_quite() {
        let times: Vec<_> = (0..64).map(|_| jittered(Duration::from_secs(100))).collect();
        assert!(times.iter().all(|time| (80_000..=120_000).contains(&time.as_millis())));
        assert!(times.iter().any(|time| Some(time) != times.first()));
    }

    #[test]
    fn a_refund_comes_twice_a_day_on_the_average() {
        let chances = (0..=u32::MAX).step_by(1 << 12);
        let all = chances.clone().count();
        let first = chances.filter(|chance| comes(REFUND_MEAN, *chance)).count();
        // Two looks a minute: one of 1,440.
        assert!((all / 1_442..=all / 1_438).contains(&first), "{first} of {all}");
    }
}
