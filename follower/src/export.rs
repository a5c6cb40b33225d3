//! A copy as files (C2SP tlog-tiles): any web server can serve it, and any tool for such logs can read it.

use std::{path::Path, sync::Arc};

use farthing_ledger::{tile::TilePath, view::TreeView};

use crate::{
    copy::{Copy, CopyError},
    error::RunError,
    log::Log,
};

/// Writes `LOG/checkpoint` and `LOG/tile/…` for both logs, as far as their last verified checkpoints go. Full tiles that are
/// there stay: they never change. Returns what to tell the operator.
///
/// # Errors
/// [`RunError::Copy`]; [`RunError::Io`].
pub async fn export(copy: &Copy, dir: &Path) -> Result<String, RunError> {
    let books = copy.books().await?;
    let mut report = String::new();
    for log in Log::ALL {
        let folder = dir.join(log.name().0);
        let size = books.side(log).checkpoint;
        let Some(note) = copy.checkpoint(log, size).await?.filter(|_| size > 0) else { continue };
        let view = TreeView::new(copy.store().clone(), log.name(), Arc::new(copy.edge(log).await?));
        let mut written = 0usize;
        for path in TilePath::all(size) {
            let file = folder.join(path.to_string());
            if file.exists() {
                continue;
            }
            write(&file, &view.tile(path).await.map_err(CopyError::from)?)?;
            written += 1;
        }
        // Last: whoever reads it finds the tiles that it needs.
        write(&folder.join("checkpoint"), note.as_bytes())?;
        report.push_str(&format!("{}: {size} entries, {written} new tiles\n", folder.display()));
    }
    Ok(report)
}

/// In one step, so that a web server never serves half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let fault = RunError::io(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("new");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&fresh, bytes))
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(fault)
}
