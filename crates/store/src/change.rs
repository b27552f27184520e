//! What a watcher is told, and the bounded queue through which it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// How many changes wait for a slow watcher before they are folded into one restart.
const QUEUE_LIMIT: usize = 1024;

/// News from a store about one kind, in kube-runtime's vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<K> {
    /// The whole set: whatever is not in it is gone.
    Restarted(Vec<Arc<K>>),
    /// An object is new or different.
    Applied(Arc<K>),
    /// An object is gone; this is how it last was.
    Deleted(Arc<K>),
}

/// What one watcher has not seen yet. It begins with a restart, and whoever falls too far behind gets
/// another.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    backlog: Mutex<Backlog<K>>,
    wake: Notify,
}

#[derive(Debug)]
enum Backlog<K> {
    /// The whole set is due, whatever changes until it is taken.
    Restart,
    Changes(VecDeque<Change<K>>),
}

impl<K> Queue<K> {
    pub(crate) fn new() -> Self {
        Self { backlog: Mutex::new(Backlog::Restart), wake: Notify::new() }
    }

    /// Adds a change; when there are too many, the next thing that the watcher sees is the whole set.
    pub(crate) fn push(&self, change: Change<K>) {
        {
            let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *backlog {
                Backlog::Restart => {}
                Backlog::Changes(changes) if changes.len() < QUEUE_LIMIT => changes.push_back(change),
                Backlog::Changes(_) => *backlog = Backlog::Restart,
            }
        }
        self.wake.notify_one();
    }

    /// The next change; `whole_set` is asked when a restart is due.
    pub(crate) fn pop(&self, whole_set: impl FnOnce() -> Vec<Arc<K>>) -> Option<Change<K>> {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *backlog {
            Backlog::Restart => {
                *backlog = Backlog::Changes(VecDeque::new());
                Some(Change::Restarted(whole_set()))
            }
            Backlog::Changes(changes) => changes.pop_front(),
        }
    }

    /// Resolves once something was pushed (or the store closed) since the last time.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Lets the watcher look again, because the store is closing.
    pub(crate) fn close(&self) {
        self.wake.notify_one();
    }
}
