//! Keeps three things in step: what the manifests say, the tables, and the files of the state folder.
//!
//! Synchronous; whoever has the lock on the [`Ledger`] is the only writer of tables and files. A write goes
//! to its file first, so that nobody sees what a crash could take back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jamul_api::core::{Resource, Secret, Time};
use jamul_api::{Object, ObjectKey};

use super::source::{Manifest, Seen, Sources};
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

/// How long an object must be absent from all manifests to be gone: editors delete a file and make it anew,
/// or empty it and write it again, and the object must not lose its uid, its age and all that it owns by that.
const ABSENCE: Duration = Duration::from_millis(100);

/// What an object's absence from the manifests means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is gone.
    Counts,
    /// It may come back soon; noticed at that time.
    Waits(Instant),
}

/// What is written where.
#[derive(Debug)]
pub(super) struct Ledger {
    world: Arc<World>,
    clock: Clock,
    state: State,
    sources: Option<Sources>,
    /// Objects that no manifest holds any more, and since when.
    absent: BTreeMap<Place, Instant>,
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
            absent: BTreeMap::new(),
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
        // Even when there are no files: what came from files that are gone must go.
        ledger.look(Absence::Counts);
        ledger.collect_orphans()?;
        Ok(ledger)
    }

    /// Looks at all manifests again and takes what changed. Whether a folder came.
    pub(super) fn look(&mut self, absence: Absence) -> bool {
        let now = self.clock.now();
        let Some(sources) = &mut self.sources else { return false };
        let mut seen = sources.look(now);
        seen.places.extend(self.origins.keys().filter(|place| sources.manifest(place).is_none()).cloned());
        self.reconcile(&seen, absence);
        seen.has_new_folder
    }

    /// The same for what is at these paths.
    pub(super) fn look_at(&mut self, paths: &BTreeSet<PathBuf>, absence: Absence) -> bool {
        let now = self.clock.now();
        let Some(sources) = &mut self.sources else { return false };
        let mut seen = sources.look_at(paths, now);
        // What only the state remembers of a file that was broken ever since.
        let unread = self.origins.iter().filter(|(_, origin)| seen.files.contains(&origin.file));
        let unread: Vec<Place> = unread.map(|(place, _)| place.clone()).collect();
        seen.places.extend(unread);
        self.reconcile(&seen, absence);
        seen.has_new_folder
    }

    /// Forgets what has been absent for long enough; when to ask again.
    pub(super) fn settle(&mut self, now: Instant) -> Option<Instant> {
        let is_over = |since: &Instant| now.duration_since(*since) >= ABSENCE;
        let over = self.absent.iter().filter(|(_, since)| is_over(since));
        let over: BTreeSet<Place> = over.map(|(place, _)| place.clone()).collect();
        self.reconcile(&Seen { places: over, ..Seen::default() }, Absence::Counts);
        self.absent.values().min().map(|since| *since + ABSENCE)
    }

    /// Makes the objects at these places what the manifests say.
    fn reconcile(&mut self, seen: &Seen, absence: Absence) {
        let Some(sources) = &self.sources else { return };
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        for place in &seen.places {
            match (sources.manifest(place), self.origins.get(place)) {
                (Some(manifest), _) => present.push((place.clone(), manifest.clone())),
                (None, Some(origin)) if !sources.may_hold(&origin.file) => gone.push(place.clone()),
                (None, _) => {}
            }
        }
        // First, so that a place that only moved on to another owner is free.
        for place in gone {
            if let Absence::Waits(since) = absence {
                self.absent.entry(place).or_insert(since);
            } else if let Err(error) = self.forget(&place) {
                self.note_unwritten(place, &error);
            }
        }
        for (place, manifest) in present {
            self.absent.remove(&place);
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
        self.absent.remove(place);
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
            self.absent.remove(&place);
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
        let mut diagnostics = self.sources.as_ref().map(Sources::diagnostics).unwrap_or_default();
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
