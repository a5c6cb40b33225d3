//! Threads of its own for something that can be killed, as a process is: its tasks end where they wait, nothing is put in
//! order, and what is on the disk stays as it is.

use std::time::Duration;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// How long what is just being computed or written may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The threads of a server or wallet.
pub struct Threads(Option<Runtime>);

impl Threads {
    /// Starts so many.
    ///
    /// # Errors
    /// When the system has none.
    pub fn start(count: usize) -> std::io::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().worker_threads(count).enable_all().build()?)))
    }

    /// Runs something on them. It ends early, with an error of the handle, when they are killed.
    ///
    /// # Panics
    /// Not: the threads are there until they are killed.
    #[allow(clippy::expect_used)]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().expect("the threads are there until they are killed").spawn(task)
    }

    /// Kills everything that runs on them, and waits until it is gone.
    pub async fn kill(mut self) {
        if let Some(runtime) = self.0.take() {
            // It blocks. A panic of it would be told by whoever opens the files next.
            let _ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await;
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
