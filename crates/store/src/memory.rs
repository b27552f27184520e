//! A store that forgets: for tests, and for what needs no files.

use std::sync::Arc;

use jamul_api::core::Time;
use jamul_api::{Object, ObjectKey};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::event::Events;
use crate::merge::{self, Fresh, Writer};
use crate::place::Place;
use crate::tables::World;

/// A store that forgets. Clones are handles to the same objects.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) world: Arc<World>,
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Clock,
    /// Of the manifests that were read into it, if any.
    pub(crate) diagnostics: Arc<watch::Sender<Vec<SourceDiagnostic>>>,
}

impl Memory {
    /// An empty store; `clock` says when objects were created.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { world: Arc::default(), events: Arc::default(), clock, diagnostics: Arc::default() }
    }

    pub(crate) fn apply<K: Object>(&self, wanted: &K) -> Result<Arc<K>, StoreError> {
        Place::checked(wanted)?;
        let mut tables = self.world.lock();
        let existing = tables.get::<K>(&wanted.key());
        let fresh = Fresh { now: Time(self.clock.now()), version: tables.next_version() };
        match (merge::apply(existing.as_deref(), wanted, Writer::Controller, &fresh)?, existing) {
            (Some(object), _) => {
                let object = Arc::new(object);
                tables.put(Arc::clone(&object));
                Ok(object)
            }
            (None, Some(existing)) => Ok(existing),
            (None, None) => Err(not_found::<K>(&wanted.key())),
        }
    }

    pub(crate) fn set_status<K: Object>(&self, reported: &K) -> Result<Arc<K>, StoreError> {
        let mut tables = self.world.lock();
        let key = reported.key();
        let existing = tables.get::<K>(&key).ok_or_else(|| not_found::<K>(&key))?;
        let fresh = Fresh { now: Time(self.clock.now()), version: tables.next_version() };
        let Some(object) = merge::status(&*existing, reported, &fresh)? else { return Ok(existing) };
        let object = Arc::new(object);
        tables.put(Arc::clone(&object));
        Ok(object)
    }

    /// Deletes an object and what it controls.
    pub(crate) fn delete<K: Object>(&self, key: &ObjectKey) -> bool {
        let mut tables = self.world.lock();
        let mut doomed = vec![Place { kind: K::KIND, key: key.clone() }];
        let mut is_first = None;
        while let Some(place) = doomed.pop() {
            let uid = tables.remove(&place);
            is_first.get_or_insert(uid.is_some());
            doomed.extend(uid.iter().flat_map(|uid| tables.controlled_by(uid)));
        }
        is_first.unwrap_or(false)
    }
}

pub(crate) fn not_found<K: Object>(key: &ObjectKey) -> StoreError {
    StoreError::NotFound { kind: K::KIND, key: key.to_string() }
}
