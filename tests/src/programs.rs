//! The programs themselves, as processes that can be killed.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::demo::{Failure, PASSPHRASE};

/// The binary of a program of this workspace, beside the one that is running; built when it is not there.
///
/// # Errors
/// When it cannot be found or built.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let running = std::env::current_exe()?;
    let folder = running
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps") && !folder.ends_with("examples"))
        .ok_or("no folder of binaries")?;
    let path = folder.join(name);
    if !path.exists() {
        let package = if name == "farthing" { "farthing-wallet" } else { name };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo).args(["build", "--quiet", "--package", package, "--bin", name]).status()?;
        if !built.success() || !path.exists() {
            return Err(format!("{} cannot be built", path.display()).into());
        }
    }
    Ok(path)
}

/// The wallet program for one wallet directory.
pub struct Farthing {
    binary: PathBuf,
    dir: PathBuf,
    passphrase: PathBuf,
}

impl Farthing {
    /// For the wallet in `dir`, which need not exist yet. The passphrase file is written beside it.
    ///
    /// # Errors
    /// When the program or the file cannot be had.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        let passphrase = dir.with_extension("passphrase");
        std::fs::write(&passphrase, PASSPHRASE)?;
        Ok(Self { binary: program("farthing")?, dir: dir.to_owned(), passphrase })
    }

    /// A command line, ready to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--data-dir").arg(&self.dir).arg("--passphrase-file").arg(&self.passphrase).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Output, Failure> {
        Ok(self.command(arguments).output()?)
    }

    /// Runs a command with `--json` and answers its exit code and its one document.
    ///
    /// # Errors
    /// When standard output is not exactly one document.
    pub fn json(&self, arguments: &[&str]) -> Result<(i32, Value), Failure> {
        let output = self.run(&[&["--json"], arguments].concat())?;
        let document = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{arguments:?}: {error} in {:?}", String::from_utf8_lossy(&output.stdout)))?;
        Ok((output.status.code().unwrap_or(-1), document))
    }
}

/// A server process, killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts a server with a configuration file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn serve(name: &str, config: &Path) -> Result<Self, Failure> {
        let child = Command::new(program(name)?)
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// `kill -9`: nothing of it runs any more.
    ///
    /// # Errors
    /// When the system does not kill it.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
