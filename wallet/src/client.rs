//! Talking to the servers: calls that are sent again when that is safe, and a clear end when it is not.
//!
//! **Every call has a connection of its own.** On a shared one the redeemer would see that this claim, that payment and the
//! redemption into a known account come from one wallet, whatever the proofs hide. Session tickets are off for the same
//! reason.

pub(crate) mod issuer;
pub(crate) mod ledger;
pub(crate) mod redeemer;

use std::{fmt, future::Future, time::Duration};

use farthing_proto::v1::ErrorReason;
use farthing_service::{
    channel::{self, Deadlines},
    status::Failure,
    tls::ClientTls,
};
use tonic::{Status, transport::Channel};

use crate::{
    config::ServerAddress,
    error::{Server, WalletError},
    wallet::Options,
};

/// First pause before a call is sent again; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest pause, also when a server asks for a longer one: the wallet's owner is waiting.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A call that brought no answer.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) server: Server,
    pub(crate) failure: Failure,
    /// Whether a call may have been carried out all the same: this one, or the same one sent before it.
    pub(crate) uncertain: bool,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, failure, .. } = self;
        if is_refusal(failure.reason) {
            write!(f, "the {server} refuses: {}", failure.message)
        } else {
            write!(f, "the {server} has not answered: {}", failure.message)
        }
    }
}

impl CallError {
    /// The failure of something that only reads, as an error for the owner.
    pub(crate) fn into_error(self) -> WalletError {
        let Self { server, failure, .. } = self;
        if is_refusal(failure.reason) {
            refusal(server, &failure)
        } else {
            WalletError::Unreachable { server, what: failure.message }
        }
    }
}

/// Whether the reason is a considered answer: the request was not carried out, and sending it again changes nothing.
fn is_refusal(reason: ErrorReason) -> bool {
    !matches!(
        reason,
        ErrorReason::Unspecified
            | ErrorReason::Internal
            | ErrorReason::MethodUnknown
            | ErrorReason::TimedOut
            | ErrorReason::Overloaded
            | ErrorReason::StoreUnavailable
            | ErrorReason::PeerUnreachable
            | ErrorReason::CheckpointUnknown
    )
}

/// A refusal as an error for the owner.
pub(crate) fn refusal(server: Server, failure: &Failure) -> WalletError {
    use farthing_ecash::{amount::Amount, calendar::Day};
    let amount = |key| failure.number(key).map(Amount::new);
    let day = |key| u32::try_from(failure.number(key)?).ok().map(Day::new);
    if let (ErrorReason::RegistrationWaits, Some(from)) = (failure.reason, day("from_day")) {
        return WalletError::RegistrationWaits { from };
    }
    if let (ErrorReason::GrantOutstanding, Some(last)) = (failure.reason, day("last_day")) {
        return WalletError::GrantOutstanding { from: Day::new(last.get().saturating_add(1)) };
    }
    match failure.reason {
        ErrorReason::InsufficientBalance => WalletError::AccountTooLow { available: amount("available") },
        ErrorReason::CapExceeded => WalletError::CapExceeded {
            cap: failure.metadata.get("cap").cloned().unwrap_or_else(|| "of the period".to_owned()),
            left: amount("left"),
        },
        ErrorReason::IdentityTaken => WalletError::IdentityTaken,
        ErrorReason::WalletRevoked => WalletError::WalletRevoked,
        ErrorReason::NotInvited => WalletError::NotInvited,
        ErrorReason::AccountUnknown => WalletError::AccountUnknown,
        ErrorReason::KeyExpired => WalletError::KeyExpired,
        reason => WalletError::Refused { server, reason, message: failure.message.clone() },
    }
}

/// One server.
pub(crate) struct Client {
    server: Server,
    address: ServerAddress,
    deadlines: Deadlines,
    attempts_max: u32,
}

impl Client {
    pub(crate) fn new(server: Server, address: &ServerAddress, options: &Options) -> Self {
        Self {
            server,
            address: address.clone(),
            deadlines: options.deadlines,
            attempts_max: options.attempts_max.max(1),
        }
    }

    pub(crate) fn server(&self) -> Server {
        self.server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address.url
    }

    /// How long to wait for the next message of a stream.
    pub(crate) fn patience(&self) -> Duration {
        self.deadlines.call
    }

    /// A new connection, made when it is first used.
    fn channel(&self) -> Result<Channel, WalletError> {
        let wrong = |what: String| WalletError::Connection { server: self.server, what };
        let tls = ClientTls::load(&self.address.ca, None).map_err(|error| wrong(error.to_string()))?;
        channel::open(&self.address.url, &tls, self.deadlines).map_err(|error| wrong(error.to_string()))
    }

    /// Calls until there is an answer, a refusal, or no hope for the moment. Calls must be such that sending them again
    /// does nothing twice.
    pub(crate) async fn call<T, F>(&self, mut attempt: impl FnMut(Channel) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let channel = self.channel().map_err(|error| self.not_sent(&error))?;
        let mut uncertain = false;
        let mut pause = PAUSE;
        let mut turn = 0;
        loop {
            turn += 1;
            let failure = match attempt(channel.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(status) => Failure::from(status),
            };
            // An overloaded server turned the call away at the door.
            uncertain |= !is_refusal(failure.reason) && failure.reason != ErrorReason::Overloaded;
            if !failure.is_transient() || turn >= self.attempts_max {
                return Err(CallError { server: self.server, failure, uncertain });
            }
            tracing::debug!(server = %self.server, reason = failure.reason.as_reason(), turn, "sent again");
            tokio::time::sleep(jitter(failure.retry_after.unwrap_or(pause).min(PAUSE_MAX))).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// The connection could not even be set up.
    fn not_sent(&self, error: &WalletError) -> CallError {
        let mut failure = Failure::from(Status::unavailable(error.to_string()));
        failure.reason = ErrorReason::PeerUnreachable;
        CallError { server: self.server, failure, uncertain: false }
    }
}

/// Between half and all of the pause, so that many wallets do not come back at once.
fn jitter(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness there is no jitter.
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte.first().copied().unwrap_or(255)));
    pause / 2 + pause / 2 * share / 255
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use farthing_service::{dev_certs::DevCertificates, status::Refusal};

    use super::*;

    fn client() -> (tempfile::TempDir, Client) {
        let dir = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(dir.path()).unwrap();
        let address = ServerAddress { url: "https://localhost:1".to_owned(), ca: certificates.authority() };
        (dir, Client::new(Server::Redeemer, &address, &Options::default()))
    }

    async fn outcome(reasons: &[ErrorReason]) -> (Result<(), CallError>, u32) {
        let (_dir, client) = client();
        let calls = AtomicU32::new(0);
        let result = client
            .call(|_| {
                let call = calls.fetch_add(1, Ordering::Relaxed) as usize;
                let refused = reasons.get(call).map(|reason| Status::from(Refusal::new(*reason, "no")));
                async move { refused.map_or(Ok(()), Err) }
            })
            .await;
        (result, calls.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_sent_again() {
        use ErrorReason::{AlreadySpent, Internal, Overloaded, StoreUnavailable};
        let (result, calls) = outcome(&[Overloaded, StoreUnavailable]).await;
        assert!(result.is_ok() && calls == 3);
        for (reasons, uncertain, expected) in [
            (vec![AlreadySpent], false, 1),
            (vec![Overloaded, AlreadySpent], false, 2),
            (vec![StoreUnavailable, AlreadySpent], true, 2),
            (vec![Internal], true, 1),
            (vec![Overloaded; 9], false, 4),
            (vec![StoreUnavailable; 9], true, 4),
        ] {
            let (result, calls) = outcome(&reasons).await;
            assert_eq!((result.unwrap_err().uncertain, calls), (uncertain, expected), "{reasons:?}");
        }
    }

    #[test]
    fn pauses_are_at_least_half_and_at_most_whole() {
        for _ in 0..100 {
            let pause = jitter(PAUSE);
            assert!(pause >= PAUSE / 2 && pause <= PAUSE);
        }
    }
}
