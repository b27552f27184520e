//! Manifests and state as whoever only wants to look sees them. Nothing is locked or written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jamul_api::core::{Resource as _, Secret, Time};

use super::readable;
use super::source::Sources;
use super::state::State;
use crate::any::Origin;
use crate::clock::Clock;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::memory::Memory;
use crate::merge::Fresh;
use crate::place::Place;

impl Memory {
    /// What the manifests in a folder say, as of now; what is wrong with them is in
    /// [`crate::Store::diagnostics`].
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of_folder(folder: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::of_run(Some(folder), None, clock)
    }

    /// What a run on these manifests and this state has, as of now; without manifests, what the state remembers.
    /// It works beside the run.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn of_run(manifests: Option<&Path>, state: Option<&Path>, clock: Clock) -> Result<Self, StoreError> {
        let mut sources = None;
        if let Some(folder) = manifests {
            readable(folder).map_err(|source| StoreError::Manifests { path: folder.to_owned(), source })?;
            // Without a state none is left out: no folder has an empty path.
            let mut found = Sources::new(folder.to_owned(), state.unwrap_or(Path::new("")));
            found.look(clock.now());
            sources = Some(found);
        }
        let memory = Self::new(clock);
        let loaded = state.map(State::peek).transpose()?.unwrap_or_default();
        let mut origins = BTreeMap::new();
        for document in loaded.documents {
            let place = document.object.place()?;
            // A copy of what a file once said: the file is gone, and so is the object.
            let is_gone = |origin: &Origin| {
                let sources = sources.as_ref();
                let is_said = sources.is_none_or(|sources| sources.manifest(&place).is_some());
                let may_be_said = sources.is_none_or(|sources| sources.may_hold(&origin.file));
                place.kind != Secret::KIND && !is_said && !may_be_said
            };
            if document.origin.as_ref().is_some_and(is_gone) {
                continue;
            }
            document.object.put(&mut memory.world.lock());
            origins.extend(document.origin.map(|origin| (place, origin)));
        }
        memory.take(sources.as_ref(), &origins, loaded.diagnostics)
    }

    /// What single files say. One that cannot be read is a diagnostic.
    ///
    /// # Errors
    /// When an object cannot be put together.
    pub fn of_files(files: &[PathBuf], clock: Clock) -> Result<Self, StoreError> {
        let mut sources = Sources::new(PathBuf::new(), Path::new(""));
        sources.look_at_files(files, clock.now());
        Self::new(clock).take(Some(&sources), &BTreeMap::new(), Vec::new())
    }

    /// Puts what manifests say over what is there. `origins` is what they said when the state was written.
    fn take(
        self,
        sources: Option<&Sources>,
        origins: &BTreeMap<Place, Origin>,
        mut diagnostics: Vec<SourceDiagnostic>,
    ) -> Result<Self, StoreError> {
        for place in sources.iter().flat_map(|sources| sources.places()) {
            let Some(manifest) = sources.and_then(|sources| sources.manifest(place)) else { continue };
            // What was issued in place of a written Secret stays until the file says something else.
            let says_the_same = origins.get(place).is_some_and(|origin| origin.hash == manifest.origin.hash);
            if place.kind == Secret::KIND && says_the_same {
                continue;
            }
            let mut tables = self.world.lock();
            let fresh = Fresh { now: Time(self.clock.now()), version: tables.next_version() };
            if let Some(object) = manifest.object.merged(&tables, &fresh)? {
                object.put(&mut tables);
            }
        }
        diagnostics.extend(sources.map(Sources::diagnostics).unwrap_or_default());
        diagnostics.sort();
        self.diagnostics.send_replace(diagnostics);
        Ok(self)
    }
}
