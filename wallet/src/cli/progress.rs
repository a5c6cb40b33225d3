//! Tells people that something takes long, what it is, and how far it has got.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use crate::wallet::Progress;

/// What is done by then does not take long.
const PATIENCE: Duration = Duration::from_millis(400);

const TICK: Duration = Duration::from_millis(120);

/// A progress bar on standard error. It stays hidden where nobody looks at it and for what is done soon.
#[derive(Clone)]
pub(super) struct Meter {
    bar: ProgressBar,
    shown: bool,
}

impl Meter {
    pub(super) fn new(output: &Output) -> Self {
        Self { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()), shown: output.shows_progress() }
    }

    /// Where the wallet tells how much of the payment log it has looked through.
    pub(super) fn progress(&self) -> Progress {
        let bar = self.bar.clone();
        Arc::new(move |done, total| {
            if bar.length() != Some(total) {
                bar.set_length(total);
                set_style(&bar, "{msg} [{bar:30}] {pos} of {len} log entries ({elapsed})");
            }
            bar.set_position(done);
        })
    }

    /// Where the wallet tells how much of both logs it has looked through to restore itself: that may take minutes, so the
    /// rate and the remaining time are shown.
    pub(super) fn restoring(&self) -> Progress {
        let bar = self.bar.clone();
        let begun = std::sync::atomic::AtomicBool::new(false);
        Arc::new(move |done, total| {
            if bar.length() != Some(total) {
                bar.set_length(total);
                set_style(&bar, "{msg} [{bar:30}] {human_pos} of {human_len} log entries, {per_sec}, {eta} left");
            }
            // What an earlier run has done says nothing of the speed of this one.
            if !begun.swap(true, std::sync::atomic::Ordering::Relaxed) {
                bar.set_position(done);
                bar.reset_eta();
            }
            bar.set_position(done);
        })
    }

    /// Hides the bar while a question is asked.
    pub(super) fn pause<T>(&self, question: impl FnOnce() -> T) -> T {
        self.bar.suspend(question)
    }

    /// Waits for the work, and shows what it is and how long it takes while it lasts.
    pub(super) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        if !self.shown {
            return work.await;
        }
        let mut work = pin!(work);
        self.bar.reset_elapsed();
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
            return done;
        }
        if self.bar.length().is_none() {
            set_style(&self.bar, "{spinner} {msg} ({elapsed})");
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
        let done = work.await;
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        done
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    // The templates are right, and without a style there still is a bar.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
