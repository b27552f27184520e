//! Shutdown of a worker: stop accepting, let exchanges finish, then close.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The two moments that connections wait for.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    /// Finish what is in flight, start nothing new.
    pub(crate) begun: CancellationToken,
    /// The grace is over: close.
    pub(crate) over: CancellationToken,
}

impl Drain {
    /// Draining begins with `shutdown`.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { begun: shutdown, over: CancellationToken::new() }
    }
}

/// Waits for the connections to finish for at most `grace`, then closes what is left.
pub(crate) async fn finish(connections: &TaskTracker, drain: &Drain, grace: Duration) {
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(connections = connections.len(), "closing connections whose exchanges outlived the grace");
    drain.over.cancel();
    connections.wait().await;
}
