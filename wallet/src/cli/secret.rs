//! Secrets that people type or keep in files. They are never arguments: every user of a machine sees those.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use zeroize::{Zeroize as _, Zeroizing};

use super::{output::Output, problem::Problem};

/// No passphrase, invitation or line of words is longer.
const LENGTH_MAX: u64 = 4_096;

/// The passphrase of a wallet that exists.
pub(super) fn passphrase(file: Option<&Path>, output: &Output) -> Result<Zeroizing<String>, Problem> {
    match file {
        Some(file) => first_line("passphrase", file, output),
        None => ask("Passphrase: ", "passphrase", "--passphrase-file FILE or FARTHING_PASSPHRASE_FILE"),
    }
}

/// The passphrase of a new wallet; typed, it is asked for twice.
pub(super) fn new_passphrase(file: Option<&Path>, output: &Output) -> Result<Zeroizing<String>, Problem> {
    let chosen = match file {
        Some(file) => first_line("passphrase", file, output)?,
        None => {
            let instead = "--passphrase-file FILE or FARTHING_PASSPHRASE_FILE";
            let chosen = ask("New passphrase: ", "passphrase", instead)?;
            let again = ask("Once more: ", "passphrase", instead)?;
            if *chosen != *again {
                return Err(Problem::usage("the two passphrases differ", "Run the command again; no wallet was made."));
            }
            chosen
        }
    };
    if chosen.is_empty() {
        return Err(Problem::usage("the passphrase is empty", "Choose one of several words; it guards the money."));
    }
    Ok(chosen)
}

/// The code with which an identity is registered.
pub(super) fn invitation(file: Option<&Path>, output: &Output) -> Result<Zeroizing<String>, Problem> {
    match file {
        Some(file) => first_line("invitation", file, output),
        None => ask("Invitation code: ", "invitation code", "--invitation-file FILE"),
    }
}

/// The 24 words of a wallet that is made again.
pub(super) fn words(file: Option<&Path>, output: &Output) -> Result<Zeroizing<String>, Problem> {
    match file {
        Some(file) => first_line("words", file, output),
        None => ask("The 24 words, with spaces between: ", "words", "--words-file FILE"),
    }
}

fn ask(prompt: &str, what: &str, instead: &str) -> Result<Zeroizing<String>, Problem> {
    if !io::stdin().is_terminal() {
        return Err(Problem::usage(
            format!("there is no terminal to ask for the {what}"),
            format!("Give it with {instead}; - is standard input."),
        ));
    }
    let typed = rpassword::prompt_password(prompt).map_err(|error| {
        Problem::usage(format!("cannot ask for the {what}: {error}"), format!("Give it with {instead}."))
    })?;
    Ok(Zeroizing::new(typed))
}

/// The first line of a file, or the next one of standard input, without its line end.
fn first_line(what: &str, path: &Path, output: &Output) -> Result<Zeroizing<String>, Problem> {
    let mut line = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(LENGTH_MAX).read_line(&mut line)
    } else {
        fs::File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
                output.note(format_args!("warning: others can read {}: chmod 600 it", path.display()));
            }
            io::BufReader::new(file.take(LENGTH_MAX)).read_line(&mut line)
        })
    };
    if let Err(error) = read {
        line.zeroize();
        return Err(Problem::usage(
            format!("cannot read the {what} from {}: {error}", path.display()),
            "Name a text file that you can read; its first line counts.",
        ));
    }
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}
