//! Computations that filters want done, such as checking a password: on threads of their own, one at a time for each
//! worker.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jamul_routing::{Answer, Work};
use tokio::sync::Semaphore;

/// From the wish to the answer.
const WAIT: Duration = Duration::from_secs(20);

/// A worker's turns at computing. What one costs is chosen by whoever wrote the hashes, and how many come by whoever
/// guesses passwords: neither may take the machine, so more than one wait.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// Does `work` off the worker's thread; an answer without a status if there was no time for it.
    pub(crate) async fn run(&self, work: Work) -> Answer {
        let turns = Arc::clone(&self.0);
        let worked = tokio::time::timeout(WAIT, async {
            let turn = turns.acquire_owned().await.ok()?;
            let worked = tokio::task::spawn_blocking(move || {
                // Held until the end, also when nobody waits any more.
                let _turn = turn;
                work.run()
            });
            worked.await.ok()
        });
        let nothing = Answer { status: None, headers: HeaderMap::new() };
        worked.await.ok().flatten().unwrap_or(nothing)
    }
}
