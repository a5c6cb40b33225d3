//! Files and directories that only their owner may read.

use std::{io, path::Path};

use farthing_service::private_file;

use crate::error::WalletError;

/// Writes a file of mode 0600, replacing an older one in one durable step: after a crash there is the old one or the new
/// one, whole.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), WalletError> {
    private_file::write(path, contents).map_err(|source| failed(path, source))
}

/// Makes a directory of mode 0700 with its parents, durably. One that exists stays as it is.
pub(crate) fn create_dir(path: &Path) -> Result<(), WalletError> {
    private_file::create_dir(path).map_err(|source| failed(path, source))
}

/// An I/O error with its place; a full disk has its own name.
pub(crate) fn failed(path: &Path, source: io::Error) -> WalletError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WalletError::DiskFull,
        _ => WalletError::File { path: path.to_path_buf(), source },
    }
}
