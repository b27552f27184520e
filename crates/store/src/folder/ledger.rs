//! Keeps three things in step: what the manifests say, the tables, and the files of the state folder.
//!
//! Synchronous; whoever has the lock on the [`Ledger`] is the only writer of tables and files. A write goes
//! to its file first, so that nobody sees what a crash could take back.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::core::{Resource, Secret, Time};
use jamul_api::{Object, ObjectKey};

use super::source::{Manifest, Sources, Wanted};
use super::state::{Durability, Loaded, State};
use crate::any::Origin;
use crate::clock::Clock;
use crate::diagnostic::{Severity, SourceDiagnostic};
use crate::error::StoreError;
use crate::kind::{Kind, Role};
use crate::memory::not_found;
use crate::merge::{self, Fresh, Writer};
use crate::place::Place;
use crate::tables::World;

/// What is written where.
#[derive(Debug)]
pub(super) struct Ledger {
    world: Arc<World>,
    clock: Clock,
    state: State,
    sources: Option<Sources>,
    /// What the manifests say, as of the last look.
    wanted: Wanted,
    /// Of every object that came from a manifest: which file, and what it said when it was last taken.
    origins: BTreeMap<Place, Origin>,
    /// Of the state folder, found when it was loaded.
    loaded: Vec<SourceDiagnostic>,
    /// Copies that could not be written.
    unwritten: BTreeMap<Place, SourceDiagnostic>,
    /// Secrets of manifests in whose place the controllers have issued others.
    replaced: BTreeMap<Place, SourceDiagnostic>,
}

impl Ledger {
    /// Loads the state, then reads the manifests over it, then collects what nobody owns any more.
    pub(super) fn open(
        world: Arc<World>,
        clock: Clock,
        state: State,
        sources: Option<Sources>,
    ) -> Result<Self, StoreError> {
        let Loaded { documents, diagnostics } = state.load()?;
        let mut ledger = Self {
            world,
            clock,
            state,
            sources,
            wanted: Wanted::default(),
            origins: BTreeMap::new(),
            loaded: diagnostics,
            unwritten: BTreeMap::new(),
            replaced: BTreeMap::new(),
        };
        for document in documents {
            let place = document.object.place()?;
            // A file that a user put there has no uid yet.
            let object = if document.object.is_adopted() {
                document.object
            } else {
                let fresh = ledger.fresh();
                let adopted = document.object.merged(&ledger.world.lock(), &fresh)?;
                let object = adopted.unwrap_or(document.object);
                ledger.state.write(&*object, document.origin.as_ref(), Durability::Synced)?;
                object
            };
            object.put(&mut ledger.world.lock());
            ledger.origins.extend(document.origin.map(|origin| (place, origin)));
        }
        let now = ledger.clock.now();
        if let Some(sources) = &mut ledger.sources {
            sources.scan(now);
        }
        // Even when there are no files: what came from files that are gone must go.
        ledger.reconcile();
        ledger.collect_orphans()?;
        Ok(ledger)
    }

    /// Looks at the manifests again and takes what changed.
    pub(super) fn rescan(&mut self) {
        let now = self.clock.now();
        if self.sources.as_mut().is_some_and(|sources| sources.scan(now)) {
            self.reconcile();
        }
    }

    /// Makes the objects what the manifests say.
    fn reconcile(&mut self) {
        let Some(sources) = &self.sources else { return };
        let wanted = sources.wanted();
        let gone: Vec<Place> = self
            .origins
            .iter()
            .filter(|(place, origin)| !wanted.objects.contains_key(place) && !sources.may_hold(&origin.file))
            .map(|(place, _)| place.clone())
            .collect();
        for place in gone {
            if let Err(error) = self.forget(&place) {
                self.note_unwritten(place, &error);
            }
        }
        let before = std::mem::replace(&mut self.wanted, wanted);
        let changed: Vec<(Place, Manifest)> = self
            .wanted
            .objects
            .iter()
            .filter(|(place, manifest)| {
                !before.objects.get(place).is_some_and(|before| Arc::ptr_eq(&before.object, &manifest.object))
            })
            .map(|(place, manifest)| (place.clone(), manifest.clone()))
            .collect();
        for (place, manifest) in changed {
            self.unwritten.remove(&place);
            if let Err(error) = self.take(&place, &manifest) {
                self.note_unwritten(place.clone(), &error);
            }
            self.note_replaced(&place);
        }
    }

    /// Takes what a manifest says over what is there.
    fn take(&mut self, place: &Place, manifest: &Manifest) -> Result<(), StoreError> {
        let known = self.origins.insert(place.clone(), manifest.origin.clone());
        let current = manifest.object.current(&self.world.lock());
        // What the controllers issued in place of a written Secret stays until the file says something else.
        let says_the_same = known.as_ref().is_some_and(|known| known.hash == manifest.origin.hash);
        if place.kind == Secret::KIND && says_the_same && current.is_some() {
            return Ok(());
        }
        let fresh = self.fresh();
        let merged = manifest.object.merged(&self.world.lock(), &fresh)?;
        let is_remembered = Kind::named(place.kind).is_some_and(|kind| kind.role == Role::Remembered);
        let is_kept = is_remembered || self.state.has(place);
        let is_noted = known.as_ref() == Some(&manifest.origin) && self.state.has(place);
        let written = match merged.clone().or(current) {
            Some(object) if is_kept && (merged.is_some() || !is_noted) => {
                self.state.write(&*object, Some(&manifest.origin), Durability::Lazy)
            }
            Some(_) | None => Ok(()),
        };
        // Even when its copy could not be written: what a user wrote is served.
        if let Some(object) = merged {
            object.put(&mut self.world.lock());
        }
        written
    }

    /// An object's manifest is gone: so is the object, unless the controllers have issued it since.
    fn forget(&mut self, place: &Place) -> Result<(), StoreError> {
        let Some(origin) = self.origins.remove(place) else { return Ok(()) };
        self.replaced.remove(place);
        let secret = self.world.lock().get::<Secret>(&place.key).filter(|_| place.kind == Secret::KIND);
        if let Some(secret) = secret
            && merge::content_hash(&*secret)? != origin.hash
        {
            return self.state.write(&*secret, None, Durability::Synced);
        }
        self.delete(place.clone()).map(|_| ())
    }

    pub(super) fn apply<K: Object>(&mut self, wanted: &K) -> Result<Arc<K>, StoreError> {
        let place = Place::checked(wanted)?;
        let fresh = self.fresh();
        let existing = self.world.lock().get::<K>(&place.key);
        match (merge::apply(existing.as_deref(), wanted, Writer::Controller, &fresh)?, existing) {
            (Some(object), _) => self.keep(&place, object),
            (None, Some(existing)) => Ok(existing),
            (None, None) => Err(not_found::<K>(&place.key)),
        }
    }

    pub(super) fn set_status<K: Object>(&mut self, reported: &K) -> Result<Arc<K>, StoreError> {
        let place = Place::of(reported);
        let fresh = self.fresh();
        let existing = self.world.lock().get::<K>(&place.key);
        let existing = existing.ok_or_else(|| not_found::<K>(&place.key))?;
        match merge::status(&*existing, reported, &fresh)? {
            Some(object) => self.keep(&place, object),
            None => Ok(existing),
        }
    }

    fn keep<K: Object>(&mut self, place: &Place, object: K) -> Result<Arc<K>, StoreError> {
        let object = Arc::new(object);
        self.state.write(&*object, self.origins.get(place), Durability::Synced)?;
        self.unwritten.remove(place);
        self.world.lock().put(Arc::clone(&object));
        self.note_replaced(place);
        Ok(object)
    }

    /// Deletes an object and what it controls. Whether it was there.
    pub(super) fn delete(&mut self, place: Place) -> Result<bool, StoreError> {
        let mut doomed = vec![place];
        let mut was_there = None;
        while let Some(place) = doomed.pop() {
            self.state.remove(&place)?;
            self.origins.remove(&place);
            self.unwritten.remove(&place);
            self.replaced.remove(&place);
            let mut tables = self.world.lock();
            let uid = tables.remove(&place);
            was_there.get_or_insert(uid.is_some());
            doomed.extend(uid.iter().flat_map(|uid| tables.controlled_by(uid)));
        }
        Ok(was_there.unwrap_or(false))
    }

    pub(super) fn delete_of<K: Object>(&mut self, key: &ObjectKey) -> Result<bool, StoreError> {
        if self.world.lock().get::<K>(key).is_none() {
            return Ok(false);
        }
        self.delete(Place { kind: K::KIND, key: key.clone() })
    }

    /// Deletes what is controlled by objects that are gone: deleted while nothing ran.
    fn collect_orphans(&mut self) -> Result<(), StoreError> {
        loop {
            let orphans = self.world.lock().orphans(|kind| Kind::named(kind).is_some());
            if orphans.is_empty() {
                return Ok(());
            }
            for orphan in orphans {
                self.delete(orphan)?;
            }
        }
    }

    /// What a user must mend, ordered.
    pub(super) fn diagnostics(&self) -> Vec<SourceDiagnostic> {
        let mut diagnostics = self.wanted.diagnostics.clone();
        diagnostics.extend(self.loaded.iter().cloned());
        diagnostics.extend(self.unwritten.values().cloned());
        diagnostics.extend(self.replaced.values().cloned());
        diagnostics.sort();
        diagnostics
    }

    fn fresh(&self) -> Fresh {
        Fresh { now: Time(self.clock.now()), version: self.world.lock().next_version() }
    }

    /// Notes whether a Secret of a manifest is another one now.
    fn note_replaced(&mut self, place: &Place) {
        self.replaced.remove(place);
        let Some(origin) = self.origins.get(place).filter(|_| place.kind == Secret::KIND) else { return };
        let secret = self.world.lock().get::<Secret>(&place.key);
        if secret.is_some_and(|secret| merge::content_hash(&*secret).is_ok_and(|hash| hash != origin.hash)) {
            self.replaced.insert(place.clone(), replaced(place, origin));
        }
    }

    fn note_unwritten(&mut self, place: Place, error: &StoreError) {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        let diagnostic = SourceDiagnostic {
            severity: Severity::Error,
            object: place.to_string(),
            field: String::new(),
            reason: "StateNotWritten",
            message: format!("{error}{source}"),
        };
        self.unwritten.insert(place, diagnostic);
    }
}

fn replaced(place: &Place, origin: &Origin) -> SourceDiagnostic {
    SourceDiagnostic {
        severity: Severity::Info,
        object: place.to_string(),
        field: String::new(),
        reason: "SecretReplaced",
        message: format!(
            "{place} of {} was replaced by an issued one, which is used until that file changes",
            origin.file
        ),
    }
}
