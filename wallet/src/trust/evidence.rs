//! The proof that a log has shown two truths: both checkpoints, with the signatures of the log.

use std::path::{Path, PathBuf};

use farthing_ledger::note::SignedNote;

use crate::{error::WalletError, file, scan::Log};

/// The file for the evidence of this number.
fn name(log: Log, number: u32) -> String {
    let log = match log {
        Log::Issuance => "issuance",
        Log::Payments => "payments",
    };
    if number == 1 { format!("evidence-{log}.txt") } else { format!("evidence-{log}-{number}.txt") }
}

/// Writes both checkpoints into a new file in the wallet's directory and answers where it is. There is nothing secret in it.
pub(super) fn keep(dir: &Path, log: Log, last: &SignedNote, fresh: &SignedNote) -> Result<PathBuf, WalletError> {
    let paths = (1..=u32::MAX).map(|number| dir.join(name(log, number)));
    let path = paths.into_iter().find(|path| !path.exists()).unwrap_or_else(|| dir.join(name(log, 1)));
    let text = format!(
        "Two checkpoints of one log. The second does not continue the first: entries that this wallet has seen were taken \
         away or changed, or this wallet was shown another log than others. Both are signed by the log. Everybody who has \
         the log's key can check them: show them to the operators, to witnesses and to other users.\n\n\
         ---- seen first ----\n{last}---- seen later ----\n{fresh}---- end ----\n"
    );
    file::write(&path, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn evidence_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let note: SignedNote = "text\n\n\u{2014} log.example AAAAAAA=\n".parse().unwrap();
        let mut paths: Vec<_> = (0..3).map(|_| keep(dir.path(), Log::Payments, &note, &note).unwrap()).collect();
        paths.push(keep(dir.path(), Log::Issuance, &note, &note).unwrap());
        let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        let expected =
            ["evidence-payments.txt", "evidence-payments-2.txt", "evidence-payments-3.txt", "evidence-issuance.txt"];
        assert_eq!(names, expected);
        assert!(std::fs::read_to_string(&paths[0]).unwrap().contains(&note.to_string()));
    }
}
