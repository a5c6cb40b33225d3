//! `restore`: a wallet comes back from its 24 words.

use super::{
    Session,
    init::{self, CA_FILE},
};
use crate::{
    cli::{
        args::Restore,
        backend::{open_wallet, wallet_problem},
        exit::Exit,
        problem::Problem,
        secret,
        show::{self, Money},
    },
    config::{Connection, ServerAddress},
    error::WalletError,
    wallet::Wallet,
};

/// Makes a wallet from its words, or goes on with one, and looks through the logs.
pub(super) async fn restore(arguments: &Restore, session: &Session<'_>) -> Result<Exit, Problem> {
    let Session { global, output, dir, meter, .. } = session;
    let identity = arguments.identity.as_deref().map(init::identity).transpose()?;
    let wallet = if Wallet::exists(dir) {
        let wallet = open_wallet(dir, global, output).await?;
        if !wallet.is_restoring().await && identity.is_none() {
            wallet.close().await;
            return Err(wallet_problem(&WalletError::WalletExists { dir: dir.clone() }));
        }
        wallet
    } else {
        make(arguments, session).await?
    };
    output.note("If this stops, run `farthing restore` again: it goes on where it stopped.");
    let restored =
        session.during("restoring from the logs", wallet.restore(identity.as_ref(), meter.restoring())).await;
    let currency = wallet.known_currency().await;
    wallet.close().await;
    let report = restored.map_err(|error| wallet_problem(&error))?;
    session.show(&show::restored(&report, &Money::new(currency)))
}

async fn make(arguments: &Restore, session: &Session<'_>) -> Result<Wallet, Problem> {
    let Session { global, output, dir, .. } = session;
    let (Some(issuer), Some(redeemer), Some(ca)) = (&arguments.issuer, &arguments.redeemer, &arguments.ca) else {
        return Err(Problem::usage(
            "there is no wallet yet, so where are its servers?",
            "Give --issuer, --redeemer and --ca, as for `farthing init`.",
        ));
    };
    let authorities = init::check_connection(issuer, redeemer, ca)?;
    let options = init::options(&arguments.trust)?;
    let passphrase = secret::new_passphrase(global.passphrase_file.as_deref(), output)?;
    let words = secret::words(arguments.words_file.as_deref(), output)?;
    let fail = |error: WalletError| wallet_problem(&error);
    crate::file::create_dir(dir).map_err(fail)?;
    let ca = dir.join(CA_FILE);
    crate::file::write(&ca, &authorities).map_err(fail)?;
    let server = |url: &str| ServerAddress { url: url.to_owned(), ca: ca.clone() };
    let ledgers = arguments.trust.ledger.iter().map(|url| server(url)).collect();
    let connection = Connection { issuer: server(issuer), redeemer: server(redeemer), ledgers };
    let made = Wallet::create_from_words(dir, &passphrase, &connection, &words, options);
    session.during("making the wallet", made).await.map_err(fail)
}
