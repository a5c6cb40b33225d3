//! What went wrong, in words: a reason for programs, a message for people, and what to do next.

use farthing_proto::v1::ErrorReason;
use farthing_service::status::Failure;

use super::{exit::Exit, printable::printable, show::Money};

/// Why a command ended without doing what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// How the process ends.
    pub(super) exit: Exit,
    /// For programs: a reason of `farthing.v1.ErrorReason` or one of this program's own, such as `USAGE`.
    pub(super) reason: &'static str,
    /// What happened.
    pub(super) message: String,
    /// What to do about it.
    pub(super) next: String,
    /// Amounts that belong to the message, minor units, until the currency is known to write them in.
    amounts: Vec<(String, u64)>,
}

/// Numbers in a refusal, and what they are.
const AMOUNTS: [(&str, &str); 4] =
    [("needed", "needed"), ("available", "available"), ("left", "still possible"), ("minimum", "at least")];

impl Problem {
    /// A problem of this program's own.
    pub(super) fn new(exit: Exit, reason: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, reason, message: message.into(), next: next.into(), amounts: Vec::new() }
    }

    /// A mistake in the command.
    pub(super) fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message, next)
    }

    /// Whether [`Problem::tell_amounts`] would add something.
    pub(super) fn names_amounts(&self) -> bool {
        !self.amounts.is_empty()
    }

    /// Adds the amounts to the message.
    pub(super) fn tell_amounts(&mut self, money: &Money) {
        let amounts = self.amounts.drain(..).map(|(what, amount)| format!("{what}: {}", money.text(amount)));
        let amounts: Vec<String> = amounts.collect();
        self.message += &format!(" ({})", amounts.join(", "));
    }

    /// Something that cannot be read or written.
    pub(super) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            Exit::Fault,
            "FILE",
            format!("cannot {what} {}: {error}", path.display()),
            "Check that the path is right and that you may use it.",
        )
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let message = match failure.message.as_str() {
            "" => format!("the call was refused: {}", failure.reason.as_reason()),
            message => message.to_owned(),
        };
        let text = |key: &str| failure.metadata.get(key).map(|text| printable(text));
        let amounts = AMOUNTS.iter().filter_map(|(key, what)| Some(((*what).to_owned(), failure.number(key)?)));
        let restricted = text("purpose").zip(failure.number("restricted"));
        Self {
            exit: failure.reason.into(),
            reason: failure.reason.as_reason(),
            message,
            next: text("pay_with").map_or_else(
                || next(failure.reason).to_owned(),
                |purpose| format!("Add --purpose {purpose} to pay with that. If the payee may not receive it, it comes back after its month."),
            ),
            amounts: amounts.chain(restricted.map(|(purpose, sum)| (format!("of purpose {purpose}"), sum))).collect(),
        }
    }
}

/// What to do about a refusal.
const fn next(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::MalformedRequest => "Correct the value; `farthing help COMMAND` says what is expected.",
        ErrorReason::RequestIdReused => {
            "Use a new request id for a new operation; `farthing history` shows what the old one did."
        }
        ErrorReason::ProofInvalid => {
            "Nothing was paid. Keep the wallet's files as they are and report this: it is a fault of the wallet or of a server."
        }
        ErrorReason::AlreadySpent => {
            "Is there another copy of this wallet? Use only one of them. `farthing history` shows what this one did."
        }
        ErrorReason::PeriodMoved | ErrorReason::PolicyMoved => "The rules changed on the way. Run the command again.",
        ErrorReason::KeyExpired => {
            "The issuer does not take this money or this registration any more: ask the issuer how to exchange it."
        }
        ErrorReason::InsufficientBalance => {
            "`farthing balance` shows what can be spent, `farthing withdraw AMOUNT` takes more from the account, \
             `farthing receive` claims what others paid you."
        }
        ErrorReason::IdentityTaken => {
            "Somebody, perhaps you with another wallet, is registered under this identity. Ask the issuer."
        }
        ErrorReason::RegistrationWaits => {
            "`farthing info` shows from when on. `farthing receive` finishes the registration then; a daemon does so by itself."
        }
        ErrorReason::WalletRevoked => {
            "Pay or redeem what is left in this wallet, and use the new one. Did you not report it lost? Ask the issuer."
        }
        ErrorReason::GrantOutstanding => "Run `farthing renew` again when that time is over.",
        ErrorReason::GrantRefused => "Run `farthing renew` again: it asks the issuer for another leave to renew.",
        ErrorReason::NotInvited => "Ask the issuer for an invitation for exactly this identity; each works once.",
        ErrorReason::Overloaded => "The server has too much to do. Wait a little and run the command again.",
        ErrorReason::StoreUnavailable | ErrorReason::PeerUnreachable | ErrorReason::TimedOut => {
            "Check the network and the addresses in `farthing info`. Nothing is lost: what was begun is finished by the \
             next command that reaches the servers, and `farthing history` tells what became of it."
        }
        ErrorReason::CapExceeded => {
            "`farthing info` shows the caps and what is left of them. Try a smaller amount, or wait until the cap is renewed."
        }
        ErrorReason::LiabilitiesExceeded => {
            "Nothing was redeemed, your money is still in the wallet. More would have come back than was ever issued: tell the \
             issuer, this has to be looked into."
        }
        ErrorReason::LogContradiction => {
            "Keep the evidence file and show it to the operators, to witnesses and to other users: whoever runs the log has \
             signed both. Do not delete the wallet. When the log is again as it was seen first, `farthing trust --go-on` goes \
             on; if the later one turns out to be right, `farthing restore` makes the wallet again in another directory."
        }
        ErrorReason::CheckpointUnknown => {
            "The server has not signed or the witnesses have not cosigned it yet. Wait a little and run the command again."
        }
        ErrorReason::AccountUnknown => "Ask the issuer to open an account for your identity.",
        ErrorReason::IdentityUnknown => {
            "Check the spelling. Whom you pay may also register later: `farthing pay --unregistered` gives you a link for the payee. \
             A link is good in a wallet of the identity that was paid."
        }
        ErrorReason::NotRegistered => {
            "Register first: `farthing register IDENTITY`, with the invitation code that the issuer gave you."
        }
        ErrorReason::TokenInvalid => "Stop the daemon and start it again: it writes a new token file.",
        ErrorReason::MethodUnknown => {
            "The daemon or a server is of another version: use the same version on both sides."
        }
        ErrorReason::EntryUnknown => {
            "`farthing history` shows your own payments and their ids. About a link to a payment, ask its payer."
        }
        ErrorReason::Internal | ErrorReason::Unspecified => {
            "Run the command again with `--log debug` and report what it says. What was begun is not lost."
        }
    }
}

#[cfg(test)]
mod tests {
    use farthing_service::status::Refusal;
    use tonic::Status;

    use super::*;

    #[test]
    fn the_amounts_of_a_refusal_are_told_in_the_currency() {
        let refusal =
            Refusal::new(ErrorReason::InsufficientBalance, "too little").with("available", 5).with("needed", 7);
        let mut problem = Problem::from(Failure::from(Status::from(refusal)));
        assert!(problem.names_amounts());
        problem.tell_amounts(&Money::new(None));
        assert_eq!(problem.message, "too little (needed: 7 minor units, available: 5 minor units)");
        assert_eq!((problem.exit, problem.reason), (Exit::Insufficient, "INSUFFICIENT_BALANCE"));
        assert!(!problem.names_amounts());
    }

    #[test]
    fn money_that_could_be_paid_with_is_pointed_out() {
        let refusal =
            Refusal::new(ErrorReason::InsufficientBalance, "too little").with("needed", 7).with("available", 0);
        let refusal = refusal.with("purpose", "meal").with("restricted", 12).with("pay_with", "meal");
        let mut problem = Problem::from(Failure::from(Status::from(refusal)));
        problem.tell_amounts(&Money::new(None));
        assert_eq!(
            problem.message,
            "too little (needed: 7 minor units, available: 0, of purpose meal: 12 minor units)"
        );
        assert!(problem.next.starts_with("Add --purpose meal "), "{}", problem.next);
    }

    #[test]
    fn every_reason_says_what_to_do() {
        for reason in (0..).map_while(|number| ErrorReason::try_from(number).ok()) {
            let problem = Problem::from(Failure::from(Status::from(Refusal::new(reason, ""))));
            assert!(problem.next.ends_with('.') && problem.next.len() > 20, "{reason:?}");
            assert!(!problem.message.is_empty());
        }
    }
}
