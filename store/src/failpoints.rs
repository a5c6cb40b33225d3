//! Named points of the write path where a test stops the process or injects an I/O error. Without the feature
//! `failpoints` they cost nothing.

#[cfg(feature = "failpoints")]
use std::collections::HashMap;
use std::io;
#[cfg(feature = "failpoints")]
use std::io::Write;
#[cfg(feature = "failpoints")]
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// A point of the write path, or of pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// Decided, nothing written.
    BeforeAppend,
    /// Half of the journal record is written.
    MidAppend,
    /// The record is written, the disk not synchronised.
    AfterAppendBeforeSync,
    /// Durable in the journal, not in the index.
    AfterSyncBeforeIndex,
    /// In journal and index, not answered.
    AfterIndexBeforeAck,
    /// A part of a pruned segment is written.
    MidPrune,
    /// The pruned segment is durable beside the one it replaces.
    BeforePruneRename,
    /// It has the name of the one it replaces, which may not be durable.
    AfterPruneRename,
}

/// What happens at a point.
#[cfg(feature = "failpoints")]
#[derive(Clone, Copy, Debug)]
pub enum FailAction {
    /// Prints `parked at <point>` as a line on standard output and waits for ever, to be killed.
    Park,
    /// The point fails with an I/O error of this kind.
    Error(io::ErrorKind),
}

#[cfg(feature = "failpoints")]
#[derive(Debug)]
enum Armed {
    Act(FailAction),
    Hold { reached: mpsc::Sender<()>, released: mpsc::Receiver<()> },
}

/// Holds the writer at a point until this is dropped.
#[cfg(feature = "failpoints")]
#[derive(Debug)]
pub struct Hold {
    reached: mpsc::Receiver<()>,
    _release: mpsc::Sender<()>,
}

#[cfg(feature = "failpoints")]
impl Hold {
    /// Blocks until the writer stands at the point; at once if it never will.
    pub fn wait(&self) {
        // An error means that the store is gone.
        let _ = self.reached.recv();
    }
}

/// The armed points of one store. Without the feature `failpoints`: nothing.
#[derive(Clone, Debug, Default)]
pub struct FailPoints {
    #[cfg(feature = "failpoints")]
    armed: Arc<Mutex<HashMap<FailPoint, (u32, Armed)>>>,
}

impl FailPoint {
    /// All points, in the order in which a commit passes them.
    #[cfg(feature = "failpoints")]
    pub const ALL: [Self; 5] = [
        Self::BeforeAppend,
        Self::MidAppend,
        Self::AfterAppendBeforeSync,
        Self::AfterSyncBeforeIndex,
        Self::AfterIndexBeforeAck,
    ];

    /// All points that pruning a segment passes, in order.
    #[cfg(feature = "failpoints")]
    pub const PRUNING: [Self; 3] = [Self::MidPrune, Self::BeforePruneRename, Self::AfterPruneRename];

    /// The point's name, as in the environment variable of [`FailPoints::from_env`].
    #[cfg(feature = "failpoints")]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeAppend => "before-append",
            Self::MidAppend => "mid-append",
            Self::AfterAppendBeforeSync => "after-append-before-sync",
            Self::AfterSyncBeforeIndex => "after-sync-before-index",
            Self::AfterIndexBeforeAck => "after-index-before-ack",
            Self::MidPrune => "mid-prune",
            Self::BeforePruneRename => "before-prune-rename",
            Self::AfterPruneRename => "after-prune-rename",
        }
    }
}

#[cfg(feature = "failpoints")]
impl FailPoints {
    /// Reads `FARTHING_STORE_PARK`, for example `after-sync-before-index:5`: park when the point is reached for the
    /// fifth time. Without the variable, or with one that names no point, nothing is armed.
    pub fn from_env() -> Self {
        let points = Self::default();
        let setting = std::env::var("FARTHING_STORE_PARK").unwrap_or_default();
        if let Some((name, count)) = setting.split_once(':')
            && let Some(point) = FailPoint::ALL.into_iter().chain(FailPoint::PRUNING).find(|point| point.name() == name)
            && let Ok(count) = count.parse()
        {
            points.arm(point, count, FailAction::Park);
        }
        points
    }

    /// Makes `point` act when it is reached for the `count`-th time from now (1 = the next time).
    pub fn arm(&self, point: FailPoint, count: u32, action: FailAction) {
        self.insert(point, count, Armed::Act(action));
    }

    /// Holds the writer at `point` when it is reached for the `count`-th time from now.
    pub fn hold(&self, point: FailPoint, count: u32) -> Hold {
        let (reach, reached) = mpsc::channel();
        let (release, released) = mpsc::channel();
        self.insert(point, count, Armed::Hold { reached: reach, released });
        Hold { reached, _release: release }
    }

    fn insert(&self, point: FailPoint, count: u32, armed: Armed) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).insert(point, (count, armed));
    }

    pub(crate) fn hit(&self, point: FailPoint) -> io::Result<()> {
        let armed = {
            let mut points = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
            match points.get_mut(&point) {
                Some((count, _)) if *count > 1 => {
                    *count -= 1;
                    None
                }
                _ => points.remove(&point).map(|(_, armed)| armed),
            }
        };
        let action = match armed {
            None => return Ok(()),
            Some(Armed::Hold { reached, released }) => {
                // Errors mean that nobody waits any more.
                let _ = reached.send(());
                let _ = released.recv();
                return Ok(());
            }
            Some(Armed::Act(action)) => action,
        };
        match action {
            FailAction::Error(kind) => Err(io::Error::new(kind, format!("injected at {}", point.name()))),
            FailAction::Park => {
                let mut out = io::stdout().lock();
                writeln!(out, "parked at {}", point.name())?;
                out.flush()?;
                drop(out);
                loop {
                    std::thread::park();
                }
            }
        }
    }
}

#[cfg(not(feature = "failpoints"))]
impl FailPoints {
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(crate) fn hit(&self, _point: FailPoint) -> io::Result<()> {
        Ok(())
    }
}
