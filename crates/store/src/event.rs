//! What happened to objects, as `kubectl describe` tells it: a bounded list, newest last.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jamul_api::ObjectKey;
use jiff::Timestamp;
use serde::Serialize;

/// How many different events are kept.
const LIMIT: usize = 1000;

/// Kubernetes' two types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum EventType {
    /// Something went as it should.
    Normal,
    /// Something did not.
    Warning,
}

/// Something worth telling about an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Announcement {
    /// Kind of the object.
    pub kind: String,
    /// The object.
    pub key: ObjectKey,
    /// Whether it went well.
    pub event_type: EventType,
    /// CamelCase and stable.
    pub reason: String,
    /// For humans; no key material.
    pub message: String,
}

/// An announcement, and how often it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Whether it went well.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// CamelCase and stable.
    pub reason: String,
    /// For humans.
    pub message: String,
    /// `Kind namespace/name`.
    pub object: String,
    /// How often it was announced.
    pub count: u64,
    /// The first time.
    pub first_seen: Timestamp,
    /// The last time.
    pub last_seen: Timestamp,
}

/// The list; one per store.
#[derive(Debug, Default)]
pub(crate) struct Events {
    list: Mutex<VecDeque<Event>>,
}

impl Events {
    /// Adds one, or counts it when it was made before; logs it either way.
    pub(crate) fn announce(&self, announcement: Announcement, now: Timestamp) {
        let Announcement { kind, key, event_type, reason, message } = announcement;
        let object = format!("{kind} {key}");
        match event_type {
            EventType::Normal => tracing::info!(%object, %reason, "{message}"),
            EventType::Warning => tracing::warn!(%object, %reason, "{message}"),
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let known = list.iter().position(|event| {
            event.object == object
                && event.reason == reason
                && event.message == message
                && event.event_type == event_type
        });
        let event = match known.and_then(|index| list.remove(index)) {
            Some(event) => Event { count: event.count + 1, last_seen: now, ..event },
            None => Event { event_type, reason, message, object, count: 1, first_seen: now, last_seen: now },
        };
        if list.len() >= LIMIT {
            list.pop_front();
        }
        list.push_back(event);
    }

    /// All that are kept, the most recent last.
    pub(crate) fn list(&self) -> Vec<Event> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
