//! `init` and `register`: a wallet begins.

use std::{fs, path::Path};

use farthing_ecash::identity::Identity;
use farthing_proto::v1;
use farthing_service::{
    channel::{self, Deadlines},
    tls::ClientTls,
};
use serde_json::json;

use super::{Session, receipt};
use crate::{
    cli::{
        args::{Init, Register, Trust},
        backend::{Asks, wallet_problem},
        exit::Exit,
        output::Output,
        problem::Problem,
        secret, show,
    },
    config::{Connection, ServerAddress},
    error::WalletError,
    wallet::{Options, Wallet},
};

/// The copy of the certificate authorities in the wallet's directory.
pub(super) const CA_FILE: &str = "ca.pem";

/// Words in a row on a terminal.
const WORDS_PER_ROW: usize = 4;

/// Makes a wallet.
pub(super) async fn init(arguments: &Init, session: &Session<'_>) -> Result<Exit, Problem> {
    let Session { global, output, dir, .. } = session;
    if Wallet::exists(dir) {
        return Err(wallet_problem(&WalletError::WalletExists { dir: dir.clone() }));
    }
    let authorities = check_connection(&arguments.issuer, &arguments.redeemer, &arguments.ca)?;
    let options = options(&arguments.trust)?;
    let passphrase = secret::new_passphrase(global.passphrase_file.as_deref(), output)?;
    let words = arguments.words_file.as_deref().map(|file| secret::words(Some(file), output)).transpose()?;

    let fail = |error: WalletError| wallet_problem(&error);
    crate::file::create_dir(dir).map_err(fail)?;
    let ca = dir.join(CA_FILE);
    crate::file::write(&ca, &authorities).map_err(fail)?;
    let server = |url: &str| ServerAddress { url: url.to_owned(), ca: ca.clone() };
    let ledgers = arguments.trust.ledger.iter().map(|url| server(url)).collect();
    let connection = Connection { issuer: server(&arguments.issuer), redeemer: server(&arguments.redeemer), ledgers };
    let known = words.as_ref().map(|words| words.as_str());
    let made =
        session.during("making the wallet", Wallet::create_with(dir, &passphrase, &connection, known, options)).await;
    let (wallet, made_words) = made.map_err(fail)?;
    wallet.close().await;

    let place = dir.display();
    if words.is_some() {
        let text = format!("The wallet is in {place}. Its secrets are those of the 24 words.\n");
        output.result(&text, &json!({ "data_dir": place.to_string(), "words": null }))?;
    } else {
        let words: Vec<&str> = made_words.split_whitespace().collect();
        let text = if output.is_terminal() { rows(&words, output) } else { words.join(" ") + "\n" };
        output.result(&text, &json!({ "data_dir": place.to_string(), "words": words }))?;
        output.note(format_args!(
            "The wallet is in {place}. Write the 24 words down and keep them where nobody finds them: they make the \
             wallet's secrets again, and they are not shown again."
        ));
    }
    output.note("Next: `farthing register IDENTITY`, with the invitation code that the issuer gave you.");
    Ok(Exit::Done)
}

/// Registers the wallet.
pub(super) async fn register(arguments: &Register, session: &Session<'_>) -> Result<Exit, Problem> {
    let identity = identity(&arguments.identity)?;
    let answer = session.with_wallet("registering", Asks::Servers, async |wallet| {
        let invitation = secret::invitation(arguments.invitation_file.as_deref(), session.output)?;
        let request = v1::WalletServiceRegisterRequest {
            identity: identity.as_str().to_owned(),
            invitation: invitation.trim().to_owned(),
        };
        wallet.register(request).await
    });
    session.show(&show::registered(&answer.await?))
}

/// Whom a wallet that is made trusts.
pub(super) fn options(trust: &Trust) -> Result<Options, Problem> {
    let text = trust.trust.as_deref().map(receipt::read).transpose()?;
    if let Some(text) = &text {
        receipt::policy(text)?;
    }
    Ok(Options { trust: text, ..Options::default() })
}

/// An identity as it was typed.
pub(super) fn identity(text: &str) -> Result<Identity, Problem> {
    Identity::parse(text)
        .map_err(|error| Problem::usage(error.to_string(), "Give an identity such as bob@bank.example."))
}

/// Refuses addresses and authorities with which no server could be reached. Answers the file's contents.
pub(super) fn check_connection(issuer: &str, redeemer: &str, ca: &Path) -> Result<Vec<u8>, Problem> {
    let wrong = |text: String| Problem::usage(text, "Ask the issuer for the addresses and the file of the authority.");
    let tls = ClientTls::load(ca, None).map_err(|error| wrong(error.to_string()))?;
    for address in [issuer, redeemer] {
        channel::open(address, &tls, Deadlines::default()).map_err(|error| wrong(error.to_string()))?;
    }
    read(ca)
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| Problem::file("read", path, &error))
}

/// The words numbered, in rows.
fn rows(words: &[&str], output: &Output) -> String {
    let numbered: Vec<String> = words.iter().zip(1..).map(|(word, number)| format!("{number:>2} {word:<10}")).collect();
    let rows = numbered.chunks(WORDS_PER_ROW).map(|row| output.bold(row.join(" ").trim_end()) + "\n");
    rows.collect()
}
