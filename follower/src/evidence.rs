//! What shows to others that a log is not as it must be: the finding, the checkpoints that the log has signed, and the entry.

use std::path::{Path, PathBuf};

use farthing_service::private_file;

use crate::finding::{Finding, Place};

/// One file of evidence: what it is, and its bytes.
pub(crate) type Exhibit<'e> = (&'static str, &'e [u8]);

/// Writes the exhibits and the finding into a folder, as `LOG-entry-INDEX-WHAT` or `LOG-checkpoint-SIZE-WHAT`. What is there
/// already stays: the first evidence counts. A disk that does not take it must not hide the finding, so that is only told.
pub(crate) fn keep(dir: &Path, finding: &Finding, exhibits: &[Exhibit<'_>]) {
    let text = format!("{finding}\n");
    let finding_text: Exhibit<'_> = ("finding", text.as_bytes());
    let all = exhibits.iter().chain([&finding_text]);
    let mut written = private_file::create_dir(dir);
    for (what, bytes) in all {
        let path = file(dir, finding, what);
        if written.is_ok() && !path.exists() {
            written = private_file::write(&path, bytes);
        }
    }
    match written {
        Ok(()) => tracing::error!(finding = %text.trim_end(), "evidence is kept in {}", dir.display()),
        Err(error) => tracing::error!(%error, finding = %text.trim_end(), "the evidence cannot be written"),
    }
}

/// An exhibit that was kept, as text; empty when it is not there.
pub(crate) fn read(dir: &Path, finding: &Finding, what: &str) -> String {
    std::fs::read_to_string(file(dir, finding, what)).unwrap_or_default()
}

fn file(dir: &Path, finding: &Finding, what: &str) -> PathBuf {
    let log = finding.log;
    dir.join(match finding.place {
        Place::Entry(index) => format!("{log}-entry-{index}-{what}"),
        Place::Checkpoint(size) => format!("{log}-checkpoint-{size}-{what}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{finding::Wrong, log::Log};

    #[test]
    fn the_first_evidence_counts_and_can_be_shown() {
        let dir = tempfile::tempdir().unwrap();
        let finding = Finding::checkpoint(Log::Payments, 7, Wrong::SplitView);
        for text in ["first", "second"] {
            keep(dir.path(), &finding, &[("seen", text.as_bytes())]);
        }
        assert_eq!(read(dir.path(), &finding, "seen"), "first");
        assert_eq!(read(dir.path(), &finding, "shown"), "");
    }
}
