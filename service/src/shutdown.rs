//! Signals that end a program.

use std::{io, process};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a program that a second signal ended before it was ready: 128 and the number of SIGINT.
const IMPATIENT: i32 = 130;

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once; whatever is durable then is
/// found at the next start.
///
/// # Errors
/// When the signals cannot be watched. Must be called within a tokio runtime.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop; a second signal stops at once");
        shutdown.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        process::exit(IMPATIENT);
    });
    Ok(token)
}
