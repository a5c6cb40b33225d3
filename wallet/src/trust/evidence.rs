//! The proof that a log has shown two truths: both checkpoints, with the signatures of the log.

use std::path::{Path, PathBuf};

use farthing_ledger::note::SignedNote;

use crate::{error::WalletError, file, scan::Log};

/// Writes both checkpoints into a file in the wallet's directory and answers where it is. There is nothing secret in it.
pub(super) fn keep(dir: &Path, log: Log, last: &SignedNote, fresh: &SignedNote) -> Result<PathBuf, WalletError> {
    let name = match log {
        Log::Issuance => "evidence-issuance.txt",
        Log::Payments => "evidence-payments.txt",
    };
    let path = dir.join(name);
    let text = format!(
        "Two checkpoints of one log. The second does not continue the first: entries that this wallet has seen were taken \
         away or changed, or this wallet was shown another log than others. Both are signed by the log. Everybody who has \
         the log's key can check them: show them to the operators, to witnesses and to other users.\n\n\
         ---- seen first ----\n{last}---- seen later ----\n{fresh}---- end ----\n"
    );
    file::write(&path, text.as_bytes())?;
    Ok(path)
}
