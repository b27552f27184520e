//! When the configuration last changed. ingress-nginx counts reloads; here a Snapshot is published, which cannot fail.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// When the configuration last changed, in seconds since 1970; 0 before it was first there.
#[derive(Debug, Default)]
pub(crate) struct Reloads(AtomicI64);

impl Reloads {
    /// Notes each publication until `shutdown`.
    pub(crate) async fn follow(&self, mut published: watch::Receiver<u64>, shutdown: CancellationToken) {
        loop {
            if *published.borrow_and_update() > 0 {
                self.0.store(Timestamp::now().as_second(), Ordering::Relaxed);
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = published.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The last one.
    pub(super) fn last(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
