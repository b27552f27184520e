//! Announcements as Events of the cluster: the first is written at once, its repetitions are counted and written from
//! time to time. Events are for people: what cannot be written is dropped, and nothing waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::event::{Announcement, EventType};
use crate::kind::Kind;

use super::api::Api;
use super::replica::Replica;

/// How many announcements may wait for a slow API server.
const QUEUE: usize = 4096;
/// How many are written side by side.
const SIDE_BY_SIDE: usize = 16;
/// How many different ones are remembered so that repetitions are counted.
const REMEMBERED: usize = 4096;
/// How often counts are written.
const COUNTS_EVERY: Duration = Duration::from_secs(10);
/// The API server's limit for a message, in bytes.
const LONGEST_MESSAGE: usize = 1024;
const COMPONENT: &str = "jamul";

/// The way in for announcements.
#[derive(Debug)]
pub(super) struct Recorder {
    queue: mpsc::Sender<Announcement>,
    /// Taken by the one that runs.
    waiting: Mutex<Option<mpsc::Receiver<Announcement>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { queue, waiting: Mutex::new(Some(waiting)) }
    }
}

impl Recorder {
    /// Has it written, soon.
    pub(super) fn announce(&self, announcement: Announcement) {
        if self.queue.try_send(announcement).is_err() {
            tracing::debug!("an event was not written: too many wait");
        }
    }

    /// Writes until the store is gone.
    pub(super) fn run(
        &self,
        api: Api,
        replica: Weak<Replica>,
        instance: String,
        clock: Clock,
    ) -> impl Future<Output = ()> + use<> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let Some(waiting) = waiting else { return };
            Scribe { api, replica, instance, clock, known: HashMap::new(), order: VecDeque::new() }
                .run(waiting)
                .await;
        }
    }
}

/// Repetitions are the same in all of this.
type Identity = Arc<Announcement>;

/// An Event that was written.
#[derive(Debug)]
struct Written {
    namespace: String,
    name: String,
    count: u64,
    last: Timestamp,
    /// What the API server does not know yet.
    is_counted: bool,
}

struct Scribe {
    api: Api,
    replica: Weak<Replica>,
    instance: String,
    clock: Clock,
    known: HashMap<Identity, Written>,
    /// Oldest first.
    order: VecDeque<Identity>,
}

impl Scribe {
    async fn run(mut self, mut waiting: mpsc::Receiver<Announcement>) {
        let mut counts = interval(COUNTS_EVERY);
        counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                taken = waiting.recv_many(&mut batch, SIDE_BY_SIDE) => {
                    if taken == 0 {
                        return;
                    }
                    self.write(std::mem::take(&mut batch)).await;
                }
                _ = counts.tick() => self.write_counts().await,
            }
        }
    }

    /// Writes what is new, counts what is not.
    async fn write(&mut self, batch: Vec<Announcement>) {
        let now = self.clock.now();
        let mut fresh = Vec::new();
        for announcement in batch {
            if let Some(written) = self.known.get_mut(&announcement) {
                written.count += 1;
                written.last = now;
                written.is_counted = false;
            } else if let Some(event) = self.event(&announcement, now) {
                self.remember(announcement, &event, now);
                fresh.push(event);
            }
        }
        let api = &self.api;
        join_all(fresh.iter().map(|event| async move {
            let namespace = text(event, "/metadata/namespace");
            let body = serde_json::to_vec(event).unwrap_or_default();
            let request = events(namespace).create(&PostParams::default(), body);
            let written = match request {
                Ok(request) => api.ask::<Value>(request).await.map(|_| ()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = written {
                tracing::debug!(reason = text(event, "/reason"), "an event was not written: {error}");
            }
        }))
        .await;
    }

    fn remember(&mut self, announcement: Announcement, event: &Value, now: Timestamp) {
        while self.order.len() >= REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        let identity = Arc::new(announcement);
        let written = Written {
            namespace: text(event, "/metadata/namespace").to_owned(),
            name: text(event, "/metadata/name").to_owned(),
            count: 1,
            last: now,
            is_counted: true,
        };
        self.known.insert(Arc::clone(&identity), written);
        self.order.push_back(identity);
    }

    async fn write_counts(&mut self) {
        let mut forgotten = Vec::new();
        for (identity, written) in self.known.iter_mut().filter(|(_, written)| !written.is_counted) {
            written.is_counted = true;
            let patch =
                Patch::Merge(json!({ "count": written.count, "lastTimestamp": seconds(written.last) }));
            let request = events(&written.namespace).patch(&written.name, &PatchParams::default(), &patch);
            let Ok(request) = request else { continue };
            // After an hour the API server forgets it; then the next repetition is a first one.
            if let Err(error) = self.api.ask::<Value>(request).await
                && error.code() == Some(404)
            {
                forgotten.push(Arc::clone(identity));
            }
        }
        for identity in forgotten {
            self.known.remove(&identity);
            self.order.retain(|known| *known != identity);
        }
    }

    /// The Event for the first announcement; none for a kind that we do not know.
    fn event(&self, announcement: &Announcement, now: Timestamp) -> Option<Value> {
        let Announcement { kind, key, event_type, reason, message } = announcement;
        let uid = self.replica.upgrade()?.world.lock().uid(kind, key);
        // Events of objects without a namespace are in `default`, where kubectl looks for them.
        let namespace = if key.namespace.is_empty() { "default" } else { &key.namespace };
        let nanoseconds = now.as_nanosecond();
        let serial = self.known.len();
        Some(json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "namespace": namespace, "name": format!("{}.{nanoseconds:x}{serial:x}", key.name) },
            "involvedObject": {
                "apiVersion": Kind::named(kind)?.api_version, "kind": kind, "namespace": key.namespace,
                "name": key.name, "uid": uid,
            },
            "type": match event_type { EventType::Normal => "Normal", EventType::Warning => "Warning" },
            "reason": reason, "message": shortened(message),
            "count": 1, "firstTimestamp": seconds(now), "lastTimestamp": seconds(now),
            "source": { "component": COMPONENT },
            "reportingComponent": COMPONENT, "reportingInstance": self.instance,
        }))
    }
}

fn events(namespace: &str) -> Request {
    Request::new(format!("/api/v1/namespaces/{namespace}/events"))
}

fn text<'event>(event: &'event Value, pointer: &str) -> &'event str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `metav1.Time` has no fractions.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn shortened(message: &str) -> &str {
    message.get(..message.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or(message)
}
