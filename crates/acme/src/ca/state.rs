//! The CA's folder: one file per object, each replaced as a whole, so that a crash leaves the old or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A folder held by this process alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Keeps other processes out as long as it is open.
    _lock: File,
}

/// The objects kept as JSON, each kind in a folder of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Accounts,
    Orders,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Accounts, Self::Orders];

    fn folder(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Orders => "orders",
        }
    }
}

impl Folder {
    /// Opens the folder at `path`, creating it for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        for kind in Kind::ALL {
            let folder = path.join(kind.folder());
            let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            created.map_err(StateError::at("create", &folder))?;
        }
        let lock = path.join("ca.lock");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&lock);
        let file = file.map_err(StateError::at("open", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(fs::TryLockError::WouldBlock) => Err(StateError::Busy { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(StateError::at("lock", &lock)(source)),
        }
    }

    /// The text of the file `name`, `None` if there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, StateError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::at("read", &path)(error)),
        }
    }

    /// Writes a file that only its owner may read; on return it is on disk.
    pub(super) fn write_secret(&self, name: &str, text: &str) -> Result<(), StateError> {
        self.replace(name, text, 0o600)
    }

    /// Writes a file that everybody may read; on return it is on disk.
    pub(super) fn write_public(&self, name: &str, text: &str) -> Result<(), StateError> {
        self.replace(name, text, 0o644)
    }

    /// Stores `object` under `id`, which is one of ours and so a file name.
    pub(super) fn put(&self, kind: Kind, id: &str, object: &impl Serialize) -> Result<(), StateError> {
        self.write_secret(&format!("{}/{id}.json", kind.folder()), &json!(object).to_string())
    }

    /// Forgets the object `id`.
    pub(super) fn remove(&self, kind: Kind, id: &str) -> Result<(), StateError> {
        let path = self.path.join(kind.folder()).join(format!("{id}.json"));
        fs::remove_file(&path).map_err(StateError::at("remove", &path))
    }

    /// Reads every object of a kind.
    pub(super) fn load<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<T>, StateError> {
        let folder = self.path.join(kind.folder());
        let mut objects = Vec::new();
        for entry in fs::read_dir(&folder).map_err(StateError::at("list", &folder))? {
            let path = entry.map_err(StateError::at("list", &folder))?.path();
            // A write that a crash cut short leaves its temporary file; it is overwritten or ignored.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(StateError::at("read", &path))?;
            let object = serde_json::from_slice(&text);
            objects.push(object.map_err(|source| StateError::Content { path: path.clone(), source })?);
        }
        Ok(objects)
    }

    fn replace(&self, name: &str, text: &str, mode: u32) -> Result<(), StateError> {
        let path = self.path.join(name);
        let temporary = path.with_extension("tmp");
        let mut open = OpenOptions::new();
        open.write(true).create(true).truncate(true).mode(mode);
        let mut file = open.open(&temporary).map_err(StateError::at("create", &temporary))?;
        file.write_all(text.as_bytes()).map_err(StateError::at("write", &temporary))?;
        file.sync_all().map_err(StateError::at("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(StateError::at("replace", &path))?;
        // The rename is durable only with its folder.
        let folder = path.parent().unwrap_or(&self.path);
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(StateError::at("write", folder))
    }
}

/// The CA's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what we write.
    #[error("{} is damaged: restore it, or remove it to forget that object", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where its text ends to make sense.
        #[source]
        source: serde_json::Error,
    },
    /// Another process works in the folder.
    #[error("another process uses the CA in {}: stop it, or choose another state folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
}

impl StateError {
    fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }
}
