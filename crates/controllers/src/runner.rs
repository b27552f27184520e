//! Runs one loop: keys come in by changes and by time, each is reconciled, failures back off.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jamul_api::{Object, ObjectKey};
use jamul_store::{Change, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::schedule::Schedule;

/// How many keys one loop works on at a time, where nobody says otherwise.
const CONCURRENCY: usize = 20;
/// How long one key is worked on.
const WORK_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How many keys may wait to be taken in by a loop.
const INBOX: usize = 1024;
/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Why a key could not be reconciled; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Retry {
    /// The store refused.
    #[error("cannot write to the store")]
    Store(#[from] StoreError),
    /// A private key could not be made.
    #[error("cannot make a private key")]
    Key(#[source] jamul_pki::KeyError),
    /// The plan could not be made.
    #[error("cannot plan")]
    Plan(#[from] jamul_issuance::PlanError),
    /// An ACME server is away or asks to wait.
    #[error("{message}")]
    Later {
        /// What happened.
        message: String,
        /// How long the server asked to wait.
        after: Option<Duration>,
    },
}

/// First and longest wait after a failure, and how much is done at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) first: SignedDuration,
    pub(crate) longest: SignedDuration,
    /// How many keys are worked on at a time.
    pub(crate) concurrency: usize,
}

/// cert-manager's limits for `certificates-*`.
pub(crate) const FAST: Limits = Limits {
    first: SignedDuration::from_secs(1),
    longest: SignedDuration::from_secs(30),
    concurrency: CONCURRENCY,
};
/// Ours for everything that speaks to an ACME server; upstream starts at 5 s.
pub(crate) const REMOTE: Limits = Limits {
    first: SignedDuration::from_secs(1),
    longest: SignedDuration::from_mins(30),
    concurrency: CONCURRENCY,
};

/// A way in for keys.
pub(crate) type Inbox = mpsc::Sender<ObjectKey>;

/// Reconciles keys until the store ends. `reconcile` returns when to look at the key again, if time matters.
pub(crate) async fn run<F, T>(
    name: &'static str,
    context: &Context,
    limits: Limits,
    triggers: impl FnOnce(Inbox) -> T,
    mut reconcile: impl FnMut(ObjectKey) -> F,
) where
    F: Future<Output = Result<Option<Timestamp>, Retry>>,
    T: Future<Output = ()>,
{
    let clock = context.clock;
    let (inbox, mut keys) = mpsc::channel(INBOX);
    let triggers = triggers(inbox);
    tokio::pin!(triggers);
    let mut schedule = Schedule::default();
    let mut failures: HashMap<ObjectKey, i32> = HashMap::new();
    let mut working = FuturesUnordered::new();
    loop {
        let now = clock();
        while let Some(key) = schedule.take(now, limits.concurrency) {
            context.metrics.called(name);
            let work = reconcile(key.clone());
            working.push(async move { (key, within(WORK_LIMIT, work).await) });
        }
        let sleep = until(schedule.next(limits.concurrency), now);
        tokio::select! {
            () = &mut triggers => return,
            key = keys.recv() => {
                let Some(key) = key else { return };
                schedule.add(key, now);
            }
            Some((key, result)) = working.next() => {
                let again = match result {
                    Ok(wake) => {
                        schedule.done(&key);
                        failures.remove(&key);
                        wake
                    }
                    Err(retry) => {
                        context.metrics.failed(name);
                        schedule.failed(&key);
                        Some(after_failure(name, &key, &retry, &mut failures, limits, clock()))
                    }
                };
                if let Some(again) = again {
                    schedule.add(key, again);
                }
            }
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// What is not done in time is given up and tried again: every step leaves objects from which to go on.
async fn within<F>(limit: Duration, work: F) -> F::Output
where
    F: Future<Output = Result<Option<Timestamp>, Retry>>,
{
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Retry::Later { message: format!("not done within {} s", limit.as_secs()), after: None })
    })
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let Some(next) = next else { return LONGEST_SLEEP };
    let wait = next.duration_since(now);
    Duration::try_from(wait).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
}

fn after_failure(
    name: &str,
    key: &ObjectKey,
    retry: &Retry,
    failures: &mut HashMap<ObjectKey, i32>,
    limits: Limits,
    now: Timestamp,
) -> Timestamp {
    let count = failures.entry(key.clone()).or_default();
    *count = count.saturating_add(1);
    let doublings = u32::try_from((*count - 1).clamp(0, 20)).unwrap_or(0);
    let backoff =
        limits.first.checked_mul(2_i32.pow(doublings)).unwrap_or(limits.longest).min(limits.longest);
    let asked = match retry {
        Retry::Later { after: Some(after), .. } => SignedDuration::try_from(*after).unwrap_or(limits.longest),
        Retry::Later { after: None, .. } | Retry::Store(_) | Retry::Plan(_) | Retry::Key(_) => {
            SignedDuration::ZERO
        }
    };
    let wait = backoff.max(asked);
    let chain = chain(retry);
    tracing::warn!(controller = name, object = %key, retry_in = %wait, "{chain}");
    now.checked_add(wait).unwrap_or(now)
}

/// An error with all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Sends the keys that each change of kind `K` concerns.
pub(crate) async fn trigger<K: Object>(
    store: &Store,
    inbox: &Inbox,
    mut keys_of: impl FnMut(&K, bool) -> Vec<ObjectKey>,
) {
    let mut watch = store.watch::<K>();
    while let Some(change) = watch.next().await {
        let (objects, deleted): (Vec<Arc<K>>, bool) = match change {
            Change::Restarted(objects) => (objects, false),
            Change::Applied(object) => (vec![object], false),
            Change::Deleted(object) => (vec![object], true),
        };
        for object in objects {
            for key in keys_of(&object, deleted) {
                if inbox.send(key).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The key of the controller of that kind, if there is one.
pub(crate) fn owner_key<K: Object>(kind: &str, object: &K) -> Option<ObjectKey> {
    let owners = object.metadata().owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true) && owner.kind == kind)?;
    Some(ObjectKey::new(object.metadata().namespace.clone().unwrap_or_default(), owner.name.clone()))
}
