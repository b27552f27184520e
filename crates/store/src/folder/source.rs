//! The manifests folder: which files there are, which of them changed, what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::document::{Documents, read_json, read_yaml};
use crate::any::{AnyObject, Origin};
use crate::diagnostic::{Severity, SourceDiagnostic};
use crate::place::Place;

/// A file larger than this is no manifest.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;
/// How deep folders are followed.
const DEPTH_LIMIT: usize = 32;
/// A file that changed this recently may change again without a different time stamp.
const SETTLED: SignedDuration = SignedDuration::from_secs(2);

/// The manifests folder as it was last read.
#[derive(Debug)]
pub(super) struct Sources {
    root: PathBuf,
    /// Folders that are not read although they are below: the state folder.
    left_out: Option<PathBuf>,
    /// By path from the root, so in the order in which the first one wins.
    files: BTreeMap<String, SourceFile>,
    /// Of folders that could not be read.
    diagnostics: Vec<SourceDiagnostic>,
}

/// One file.
#[derive(Debug, Default)]
struct SourceFile {
    stamp: Option<Stamp>,
    digest: Option<[u8; 32]>,
    objects: BTreeMap<Place, Manifest>,
    diagnostics: Vec<SourceDiagnostic>,
    /// Whether something in it could not be read, so that what is missing may only be broken.
    is_broken: bool,
}

/// What tells that a file is the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

/// An object as a file says it.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) object: Arc<dyn AnyObject>,
    pub(super) origin: Origin,
}

/// What all files say together.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) objects: BTreeMap<Place, Manifest>,
    pub(super) diagnostics: Vec<SourceDiagnostic>,
}

impl Sources {
    /// Nothing is read yet.
    pub(super) fn new(root: PathBuf, state: &Path) -> Self {
        Self { root, left_out: state.canonicalize().ok(), files: BTreeMap::new(), diagnostics: Vec::new() }
    }

    /// Looks at all files and reads those that changed. Whether anything is different now.
    pub(super) fn scan(&mut self, now: Timestamp) -> bool {
        let mut walk = Walk { files: BTreeMap::new(), unreadable: Vec::new(), seen: BTreeSet::new() };
        walk.seen.extend(self.left_out.clone());
        walk.folder(&self.root, "", 0);
        let before = self.files.len();
        // What is below a folder that cannot be read is not known to be gone.
        self.files.retain(|path, _| {
            walk.files.contains_key(path)
                || walk.unreadable.iter().any(|(folder, _)| Path::new(path).starts_with(folder))
        });
        let mut is_different = self.files.len() != before;
        for (path, full) in walk.files {
            let file = self.files.entry(path.clone()).or_default();
            is_different |= file.refresh(&path, &full, now);
        }
        let diagnostics: Vec<_> = walk
            .unreadable
            .iter()
            .map(|(folder, error)| unreadable(&self.root.join(folder).display().to_string(), error))
            .collect();
        is_different |= diagnostics != self.diagnostics;
        self.diagnostics = diagnostics;
        is_different
    }

    /// Reads these files, wherever they are.
    pub(super) fn scan_files(&mut self, files: &[PathBuf], now: Timestamp) {
        for full in files {
            let path = full.display().to_string();
            self.files.entry(path.clone()).or_default().refresh(&path, full, now);
        }
    }

    /// What the files say: the first path in order wins an object.
    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted { diagnostics: self.diagnostics.clone(), ..Wanted::default() };
        for (path, file) in &self.files {
            wanted.diagnostics.extend(file.diagnostics.iter().cloned());
            for (place, manifest) in &file.objects {
                match wanted.objects.get(place) {
                    None => {
                        wanted.objects.insert(place.clone(), manifest.clone());
                    }
                    Some(winner) => {
                        wanted.diagnostics.push(duplicate(place, &winner.origin.file, path));
                    }
                }
            }
        }
        wanted
    }

    /// Whether an object that this file once held may still be meant: the file is there, but broken.
    pub(super) fn may_hold(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| file.is_broken)
            || self.diagnostics.iter().any(|folder| self.root.join(path).starts_with(folder.object.as_str()))
    }
}

impl SourceFile {
    /// Reads the file again if it may have changed. Whether anything is different now.
    fn refresh(&mut self, path: &str, full: &Path, now: Timestamp) -> bool {
        let stamp = stamp(full);
        if self.digest.is_some() && self.stamp.is_some() && self.stamp == stamp.as_ref().ok().copied() {
            return false;
        }
        let bytes = match stamp.and_then(|stamp| Ok((stamp, read(full, stamp.length)?))) {
            Ok((stamp, bytes)) => {
                self.stamp = Some(stamp).filter(|stamp| is_settled(stamp.modified, now));
                bytes
            }
            Err(error) => {
                let diagnostics = vec![unreadable(path, &error)];
                let is_different = diagnostics != self.diagnostics;
                *self = Self {
                    diagnostics,
                    is_broken: true,
                    objects: std::mem::take(&mut self.objects),
                    ..Self::default()
                };
                return is_different;
            }
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if self.digest == Some(digest) {
            return false;
        }
        self.digest = Some(digest);
        self.take(path, &bytes);
        true
    }

    /// Takes a new content. What it broke stays as it last was.
    fn take(&mut self, path: &str, bytes: &[u8]) {
        let documents = match std::str::from_utf8(bytes) {
            Ok(text) if path.ends_with(".json") => read_json(path, text),
            Ok(text) => read_yaml(path, text),
            Err(error) => Documents {
                objects: Vec::new(),
                diagnostics: vec![SourceDiagnostic {
                    severity: Severity::Error,
                    object: path.to_owned(),
                    field: format!("byte {}", error.valid_up_to()),
                    reason: "BrokenFile",
                    message: format!("{path}: not UTF-8; its last good objects stay until it is mended"),
                }],
            },
        };
        self.diagnostics = documents.diagnostics;
        self.is_broken = self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let mut last_good = std::mem::take(&mut self.objects);
        for object in documents.objects {
            let (Ok(place), Ok(hash)) = (object.place(), object.content_hash()) else { continue };
            if self.objects.contains_key(&place) {
                self.diagnostics.push(duplicate(&place, path, path));
                continue;
            }
            last_good.remove(&place);
            let origin = Origin { file: path.to_owned(), hash };
            self.objects.insert(place, Manifest { object, origin });
        }
        if self.is_broken {
            self.objects.append(&mut last_good);
        }
    }
}

/// A walk through the folder. Hidden files and folders are left out, as a shell's `**/*` leaves them out; so
/// editors' swap files and the doubled folders of a mounted ConfigMap are no manifests.
struct Walk {
    files: BTreeMap<String, PathBuf>,
    unreadable: Vec<(String, io::Error)>,
    /// Folders by their real path, so that links in circles end.
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, shown: &str, depth: usize) {
        let entries = folder.canonicalize().and_then(|real| {
            if depth > DEPTH_LIMIT || !self.seen.insert(real) {
                Ok(None)
            } else {
                fs::read_dir(folder).map(Some)
            }
        });
        let entries = match entries {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(error) => {
                self.unreadable.push((shown.to_owned(), error));
                return;
            }
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            let shown = if shown.is_empty() { name.to_owned() } else { format!("{shown}/{name}") };
            if path.is_dir() {
                self.folder(&path, &shown, depth + 1);
            } else if [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
                self.files.insert(shown, path);
            }
        }
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > FILE_LIMIT {
        return Err(io::Error::other(format!("{} bytes, more than {FILE_LIMIT}", metadata.len())));
    }
    Ok(Stamp { modified: metadata.modified()?, length: metadata.len() })
}

fn read(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    fs::File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_settled(modified: SystemTime, now: Timestamp) -> bool {
    Timestamp::try_from(modified).is_ok_and(|modified| now.duration_since(modified) > SETTLED)
}

fn unreadable(path: &str, error: &io::Error) -> SourceDiagnostic {
    SourceDiagnostic {
        severity: Severity::Error,
        object: path.to_owned(),
        field: String::new(),
        reason: "UnreadableFile",
        message: format!("{path}: {error}; its last good objects stay until it can be read"),
    }
}

fn duplicate(place: &Place, winner: &str, loser: &str) -> SourceDiagnostic {
    SourceDiagnostic {
        severity: Severity::Warning,
        object: place.to_string(),
        field: String::new(),
        reason: "DuplicateObject",
        message: format!("{place} is in {winner} and again in {loser}: {winner} counts; remove one of them"),
    }
}
