//! File systems made for one test, and taken away whatever happens.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Runs a program; `None` if it is missing or fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// True for root, who may mount.
pub(crate) fn is_root() -> bool {
    run("id", &["-u"]).as_deref() == Some("0")
}

/// A mounted file system. Unmounted, and its loop device detached, when dropped.
pub(crate) struct Mount {
    pub(crate) dir: PathBuf,
    device: Option<String>,
    _home: TempDir,
}

impl Mount {
    /// A tmpfs of this size, for example `1m`.
    pub(crate) fn tmpfs(size: &str) -> Option<Self> {
        let mount = Self { dir: PathBuf::new(), device: None, _home: tempfile::tempdir().ok()? };
        mount.attach("tmpfs", &["-t", "tmpfs", "-o", &format!("size={size}")])
    }

    /// The ext4 file system in this image.
    pub(crate) fn image(image: &Path) -> Option<Self> {
        let device = run("losetup", &["-f", "--show", image.to_str()?])?;
        let mount = Self { dir: PathBuf::new(), device: Some(device.clone()), _home: tempfile::tempdir().ok()? };
        mount.attach(&device, &["-t", "ext4"])
    }

    fn attach(mut self, what: &str, arguments: &[&str]) -> Option<Self> {
        let dir = self._home.path().to_path_buf();
        run("mount", &[arguments, &[what, dir.to_str()?]].concat())?;
        self.dir = dir;
        Some(self)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.to_str().filter(|dir| !dir.is_empty())
            && run("umount", &[dir]).is_none()
        {
            // Somebody still has a file open: out of sight at least, and gone with the last of them.
            let _ = run("umount", &["-l", dir]);
        }
        if let Some(device) = &self.device {
            let _ = run("losetup", &["-d", device]);
        }
    }
}
