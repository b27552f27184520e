//! The state folder: one file per object, written whole or not at all.
//!
//! `STATE/objects/<plural>[.<group>]/<namespace or _cluster>/<name>.yaml`, readable for its owner only, and
//! `STATE/lock`, which the one process that uses the folder holds.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::any::{AnyObject, Document, Origin};
use crate::diagnostic::{Severity, SourceDiagnostic};
use crate::error::StoreError;
use crate::kind::{KINDS, Kind};
use crate::place::Place;

/// Where objects without a namespace are; no namespace can have this name.
const CLUSTER: &str = "_cluster";
/// What a file that cannot be read is renamed to.
const ASIDE: &str = ".unreadable";

/// An opened and locked state folder.
#[derive(Debug)]
pub(super) struct State {
    root: PathBuf,
    /// Held as long as this lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// How much a write matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Survives a loss of power: keys and certificates.
    Synced,
    /// Can be made again from the manifests.
    Lazy,
}

/// What was in the folder.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) documents: Vec<Document>,
    pub(super) diagnostics: Vec<SourceDiagnostic>,
}

impl State {
    /// Creates the folder if need be, and locks it.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::State { path: root.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(root.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Reads all objects of a folder that somebody else may be using: nothing is locked or set aside. What
    /// cannot be read is a diagnostic.
    pub(super) fn peek(root: &Path) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        for kind in &KINDS {
            for namespace in entries(&root.join("objects").join((kind.plural)()))? {
                let files = entries(&namespace)?;
                let names = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "yaml");
                for file in files.into_iter().filter(names) {
                    match read(root, kind, &file) {
                        Ok(document) => loaded.documents.push(document),
                        Err(why) => loaded.diagnostics.push(set_aside(&file, &why)),
                    }
                }
            }
        }
        Ok(loaded)
    }

    /// Reads all objects; what cannot be read is set aside under another name.
    pub(super) fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        for kind in &KINDS {
            for namespace in entries(&self.root.join("objects").join((kind.plural)()))? {
                for file in entries(&namespace)? {
                    self.load_file(kind, &file, &mut loaded)?;
                }
            }
        }
        Ok(loaded)
    }

    fn load_file(&self, kind: &Kind, file: &Path, loaded: &mut Loaded) -> Result<(), StoreError> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') && name.ends_with(".tmp") {
            return fs::remove_file(file).map_err(|source| state(file, source));
        }
        if !name.ends_with(".yaml") {
            if name.contains(ASIDE) {
                loaded.diagnostics.push(set_aside(file, "it was set aside when it could not be read"));
            }
            return Ok(());
        }
        match read(&self.root, kind, file) {
            Ok(document) => loaded.documents.push(document),
            Err(why) => {
                let aside = free_name(file);
                fs::rename(file, &aside).map_err(|source| state(file, source))?;
                loaded.diagnostics.push(set_aside(&aside, &why));
            }
        }
        Ok(())
    }

    /// Whether there is a file for this object.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.path(place).exists()
    }

    /// Writes an object, with where it came from, beside its place and then renames it there.
    pub(super) fn write(
        &self,
        object: &dyn AnyObject,
        origin: Option<&Origin>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let place = object.place()?;
        let mut document = object.document()?;
        if let Some(origin) = origin {
            origin.note(&mut document);
        }
        let text = serde_saphyr::to_string(&Value::Object(document)).map_err(|source| StoreError::Yaml {
            kind: place.kind,
            key: place.key.to_string(),
            source,
        })?;
        let path = self.path(&place);
        write_whole(&path, text.as_bytes(), durability).map_err(|source| state(&path, source))
    }

    /// Removes the file of an object, if there is one.
    pub(super) fn remove(&self, place: &Place) -> Result<(), StoreError> {
        let path = self.path(place);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(state(&path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, place: &Place) -> PathBuf {
        path(&self.root, place)
    }
}

/// Reads the file of one object.
fn read(root: &Path, kind: &Kind, file: &Path) -> Result<Document, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let options = serde_saphyr::options! { with_snippet: false };
    let document = (kind.read)(&text, options).map_err(|error| match error.location() {
        // The parser quotes values, and what is kept here is mostly keys.
        Some(at) => format!("not a {} from line {}, column {} on", kind.name, at.line(), at.column()),
        None => format!("not a {}", kind.name),
    })?;
    let place = document.object.place().map_err(|error| error.to_string())?;
    let expected = path(root, &place);
    if expected == file { Ok(document) } else { Err(format!("it holds {place}")) }
}

/// Where the file of an object is.
fn path(root: &Path, place: &Place) -> PathBuf {
    let plural = Kind::named(place.kind).map(|kind| (kind.plural)()).unwrap_or_default();
    let namespace = if place.key.namespace.is_empty() { CLUSTER } else { &place.key.namespace };
    root.join("objects").join(plural).join(namespace).join(format!("{}.yaml", place.key.name))
}

/// What is in a folder, in order; nothing when there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(state(folder, error)),
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|source| state(folder, source))?;
    paths.sort();
    Ok(paths)
}

fn write_whole(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join(format!(".{name}.tmp"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    fs::rename(&beside, path)?;
    if durability == Durability::Synced {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A name beside `file` that nothing has yet: what was set aside before stays too.
fn free_name(file: &Path) -> PathBuf {
    let name = |count: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(ASIDE);
        if count > 0 {
            name.push(format!(".{count}"));
        }
        PathBuf::from(name)
    };
    (0..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
}

fn set_aside(file: &Path, why: &str) -> SourceDiagnostic {
    let why = why.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    SourceDiagnostic {
        severity: Severity::Error,
        object: file.display().to_string(),
        field: String::new(),
        reason: "UnreadableState",
        message: format!(
            "{}: {why}; mend it and rename it to end in .yaml while nothing runs, or delete it",
            file.display()
        ),
    }
}

fn state(path: &Path, source: io::Error) -> StoreError {
    StoreError::State { path: path.to_owned(), source }
}
