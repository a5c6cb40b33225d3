//! A wallet's directory for a test, and the programs run on it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use farthing_service::dev_certs::DevCertificates;
use serde_json::Value;
use tempfile::TempDir;

/// The passphrase of the wallets made here.
pub(crate) const PASSPHRASE: &str = "six words that nobody guesses here";

/// A directory with a passphrase file, an authority, and addresses at which nobody answers.
pub(crate) struct Home {
    dir: TempDir,
    issuer: String,
    redeemer: String,
}

/// How a program ended.
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) code: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Home {
    /// A home without a wallet.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        DevCertificates::open(&dir.path().join("certificates")).unwrap();
        let home = Self { dir, issuer: nobody(), redeemer: nobody() };
        home.secret("passphrase", PASSPHRASE);
        home
    }

    /// A home with a wallet.
    pub(crate) fn with_wallet() -> Self {
        let home = Self::new();
        let made = home.init(&[]);
        assert_eq!(made.code, 0, "{}", made.err);
        home
    }

    /// Makes the wallet.
    pub(crate) fn init(&self, more: &[&str]) -> Ended {
        let ca = self.path("certificates/ca.pem");
        let ca = ca.to_str().unwrap();
        let arguments = ["init", "--issuer", &self.issuer, "--redeemer", &self.redeemer, "--ca", ca];
        self.farthing(&[&arguments, more].concat())
    }

    /// Where something of this home is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The wallet's directory.
    pub(crate) fn wallet(&self) -> PathBuf {
        self.path("wallet")
    }

    /// Writes a file that only its owner reads.
    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        writeln!(file, "{text}").unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A program on this wallet, with the passphrase at hand.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in ["RUST_LOG", "NO_COLOR", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        command.env("HOME", self.dir.path());
        command.env("FARTHING_DIR", self.wallet()).env("FARTHING_PASSPHRASE_FILE", self.path("passphrase"));
        command
    }

    /// Runs `farthing` to its end.
    pub(crate) fn farthing(&self, arguments: &[&str]) -> Ended {
        ended(self.command(env!("CARGO_BIN_EXE_farthing"), arguments).output().unwrap())
    }

    /// Runs `farthing` without a passphrase at hand.
    pub(crate) fn farthing_without_passphrase(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(env!("CARGO_BIN_EXE_farthing"), arguments);
        ended(command.env_remove("FARTHING_PASSPHRASE_FILE").output().unwrap())
    }

    /// Starts a daemon and waits until it is ready.
    pub(crate) fn daemon(&self, program: &str, arguments: &[&str]) -> Daemon {
        let mut child = self.command(program, arguments).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let daemon = Daemon { child, line };
        assert!(!daemon.line.is_empty(), "the daemon did not start");
        daemon
    }
}

/// A running daemon, killed when the test ends before it.
pub(crate) struct Daemon {
    child: Child,
    /// The first line of its standard output.
    pub(crate) line: String,
}

impl Daemon {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits. The exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code().unwrap()
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already in the tests that pass.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Its output, which is exactly one document.
    pub(crate) fn document(&self) -> Value {
        let line = self.out.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {:?} {}", self.out, self.err));
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(line).unwrap()
    }

    /// The reason in the document of an error.
    pub(crate) fn reason(&self) -> String {
        let document = self.document();
        let error = &document["error"];
        for field in ["reason", "message", "next"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        }
        assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
        error["reason"].as_str().unwrap().to_owned()
    }
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// The permissions of a file or directory.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}
