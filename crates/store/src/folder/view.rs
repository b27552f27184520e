//! Manifests without a state: what they say, for whoever only wants to look. Nothing is locked or written.

use std::path::{Path, PathBuf};

use jamul_api::core::Time;

use super::readable;
use super::source::Sources;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::memory::Memory;
use crate::merge::Fresh;

impl Memory {
    /// What the manifests in a folder say, as of now; what is wrong with them is in
    /// [`crate::Store::diagnostics`].
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of_folder(folder: &Path, clock: Clock) -> Result<Self, StoreError> {
        readable(folder).map_err(|source| StoreError::Manifests { path: folder.to_owned(), source })?;
        // No folder has an empty path, so none is left out.
        let mut sources = Sources::new(folder.to_owned(), Path::new(""));
        sources.look(clock.now());
        Self::of_sources(&sources, clock)
    }

    /// The same for single files. One that cannot be read is a diagnostic.
    ///
    /// # Errors
    /// When an object cannot be put together.
    pub fn of_files(files: &[PathBuf], clock: Clock) -> Result<Self, StoreError> {
        let mut sources = Sources::new(PathBuf::new(), Path::new(""));
        sources.look_at_files(files, clock.now());
        Self::of_sources(&sources, clock)
    }

    fn of_sources(sources: &Sources, clock: Clock) -> Result<Self, StoreError> {
        let memory = Self::new(clock);
        for manifest in sources.places().filter_map(|place| sources.manifest(place)) {
            let mut tables = memory.world.lock();
            let fresh = Fresh { now: Time(memory.clock.now()), version: tables.next_version() };
            if let Some(object) = manifest.object.merged(&tables, &fresh)? {
                object.put(&mut tables);
            }
        }
        let mut diagnostics = sources.diagnostics();
        diagnostics.sort();
        memory.diagnostics.send_replace(diagnostics);
        Ok(memory)
    }
}
