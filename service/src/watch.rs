//! Files that a server looks at while it runs, so that an operator can change them without a restart.
//!
//! Files are compared by what is in them: names, times and notifications of the system tell less, and not on every file system.
//! A file that is being written shows a part of itself, and the part of a file may be a right one. So a change counts when two
//! looks in a row have seen the same, or at once when the operator says that it is complete, by SIGHUP.
//!
//! [`keep`] does all of it: it waits for changes, hands them to whoever [takes](Take) them, and tells what became of them.

use std::{
    fs::File,
    future, io,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::spawn_blocking,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{private_file, server::Health};

/// Time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long to wait before a change is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Longest file that is read. Whatever is longer is wrong for another reason.
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;

/// How often files are looked at, and when besides.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Time between two looks.
    pub every: Duration,
    /// Changes when somebody says that the files are complete now.
    pub asked: watch::Receiver<u64>,
}

impl Default for Pace {
    /// Every two seconds.
    fn default() -> Self {
        Self { every: LOOK_EVERY, asked: watch::channel(0).1 }
    }
}

impl Pace {
    /// Every two seconds, and at each SIGHUP, which then does not end the process.
    ///
    /// # Errors
    /// When the signal cannot be watched. Must be called within a tokio runtime.
    pub fn with_hangups() -> io::Result<Self> {
        let mut hangups = signal(SignalKind::hangup())?;
        let (asks, asked) = watch::channel(0u64);
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::info!("asked to look at the files now");
                asks.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        Ok(Self { asked, ..Self::default() })
    }
}

/// Waits for something to look different.
pub struct Watch<L> {
    look: fn(&[PathBuf]) -> L,
    paths: Vec<PathBuf>,
    pace: Pace,
    taken: L,
}

impl<L: Clone + PartialEq + Send + 'static> Watch<L> {
    /// Looks at these files in this way. `taken` is what was seen last, which is no news.
    pub fn new(paths: Vec<PathBuf>, look: fn(&[PathBuf]) -> L, taken: L, pace: Pace) -> Self {
        Self { look, paths, pace, taken }
    }

    /// Waits until there is something else to see than what was taken last, and takes that.
    pub async fn changed(&mut self) -> L {
        let mut before = None;
        loop {
            let is_asked = tokio::select! {
                () = asked(&mut self.pace.asked) => true,
                () = sleep(self.pace.every) => false,
            };
            let (look, paths) = (self.look, self.paths.clone());
            let Ok(seen) = spawn_blocking(move || look(&paths)).await else { continue };
            if seen == self.taken {
                before = None;
            } else if is_asked || before.as_ref() == Some(&seen) {
                self.taken = seen.clone();
                return seen;
            } else {
                before = Some(seen);
            }
        }
    }
}

async fn asked(asks: &mut watch::Receiver<u64>) {
    if asks.changed().await.is_err() {
        // Nobody is left who could ask.
        future::pending::<()>().await;
    }
}

/// What is in a file, or what the system says instead.
pub fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    read().map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Who puts what was seen in force: all of it, or nothing.
pub trait Take: Send {
    /// What is seen.
    type Seen: Clone + PartialEq + Send + Sync + 'static;

    /// What is in force at the start, in words.
    fn in_force(&self) -> String;

    /// Puts what was seen in force, if it can be. Dropping the future half-way leaves the old or the new.
    fn take(&self, seen: &Self::Seen) -> impl Future<Output = Verdict> + Send;
}

/// What became of what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in force, in words.
    InForce(String),
    /// It is not, for this reason, and what was before stays.
    Stays(String),
    /// It could not be put in force for the moment.
    NotYet(String),
}

/// Lets changes be taken, and tells what became of them, until the shutdown.
pub async fn keep<T: Take>(take: T, mut watch: Watch<T::Seen>, standing: Standing, shutdown: CancellationToken) {
    let work = async {
        standing.tell(true, &take.in_force()).await;
        loop {
            let seen = watch.changed().await;
            loop {
                match take.take(&seen).await {
                    Verdict::InForce(words) => standing.tell(true, &words).await,
                    Verdict::Stays(why) => {
                        tracing::error!("{} is not taken, what was before stays: {why}", standing.name);
                        standing.tell(false, &why).await;
                    }
                    Verdict::NotYet(why) => {
                        tracing::error!("{} cannot be taken yet: {why}", standing.name);
                        standing.tell(false, &why).await;
                        sleep(AGAIN).await;
                        continue;
                    }
                }
                break;
            }
        }
    };
    shutdown.run_until_cancelled(work).await;
}

/// What became of a watched file, for the operator and for probes.
#[derive(Clone)]
pub struct Standing {
    health: Health,
    /// The name that probes ask for.
    name: &'static str,
    /// Where it is told in words; the first word says whether the file on disk is what runs.
    told_in: PathBuf,
}

/// The first line of a standing in words when the file is in force.
const IN_FORCE: &str = "in force";
/// And when it is not.
const NOT_IN_FORCE: &str = "not in force";

impl Standing {
    /// Tells probes of this health service name, and people in this file.
    pub fn new(health: Health, name: &'static str, told_in: PathBuf) -> Self {
        Self { health, name, told_in }
    }

    async fn tell(&self, is_in_force: bool, words: &str) {
        self.health.set_serving_of(self.name, is_in_force).await;
        let head = if is_in_force { IN_FORCE } else { NOT_IN_FORCE };
        let text = format!("{head}\n{}\n", words.trim_end());
        if let Err(error) = private_file::write(&self.told_in, text.as_bytes()) {
            tracing::warn!(%error, file = %self.told_in.display(), "cannot write what became of a file");
        }
    }
}

/// Reads what [`Standing`] has written: whether the file is in force, and the words.
///
/// # Errors
/// When there is nothing to read: the server has not run with this configuration yet.
pub fn read_standing(told_in: &Path) -> io::Result<(bool, String)> {
    let text = std::fs::read_to_string(told_in)?;
    Ok((text.lines().next() == Some(IN_FORCE), text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn look(paths: &[PathBuf]) -> Vec<Result<Vec<u8>, String>> {
        paths.iter().map(|path| contents(path)).collect()
    }

    fn seen(text: &str) -> Vec<Result<Vec<u8>, String>> {
        vec![Ok(text.as_bytes().to_vec())]
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_counts_when_it_was_seen_twice() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "old").unwrap();
        let mut watch = Watch::new(vec![path.clone()], look, seen("old"), Pace::default());
        let writes = async {
            sleep(LOOK_EVERY / 2).await;
            // A part, seen once, at 2 s.
            fs::write(&path, "n").unwrap();
            sleep(LOOK_EVERY).await;
            fs::write(&path, "new").unwrap();
        };
        let (found, ()) = tokio::join!(watch.changed(), writes);
        assert_eq!(found, seen("new"));
        // It is no news any more; that it is gone is.
        fs::remove_file(&path).unwrap();
        assert!(watch.changed().await.first().unwrap().is_err());
        fs::write(&path, "new").unwrap();
        assert_eq!(watch.changed().await, seen("new"));
    }

    #[tokio::test]
    async fn who_is_asked_looks_at_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "new").unwrap();
        let (asks, asked) = watch::channel(0);
        let pace = Pace { every: Duration::from_secs(86_400), asked };
        let mut watch = Watch::new(vec![path], look, seen("old"), pace);
        asks.send(1).unwrap();
        assert_eq!(watch.changed().await, seen("new"));
    }
}
