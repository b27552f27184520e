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
    /// Folders that were walked through, as they are named below the root.
    folders: BTreeSet<PathBuf>,
    /// Which files hold an object; the first one wins it.
    holders: BTreeMap<Place, BTreeSet<String>>,
    /// Objects that more than one file holds.
    contested: BTreeSet<Place>,
    /// Files with diagnostics.
    ailing: BTreeSet<String>,
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

/// What a look at files found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Objects that may be different now, or come, or gone.
    pub(super) places: BTreeSet<Place>,
    /// Files that say something else now, or are gone.
    pub(super) files: BTreeSet<String>,
    /// Whether a folder came, in which more may have happened than anybody was told of.
    pub(super) has_new_folder: bool,
}

impl Sources {
    /// Nothing is read yet.
    pub(super) fn new(root: PathBuf, state: &Path) -> Self {
        Self {
            root,
            left_out: state.canonicalize().ok(),
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            holders: BTreeMap::new(),
            contested: BTreeSet::new(),
            ailing: BTreeSet::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Looks at all files and reads those that changed.
    pub(super) fn look(&mut self, now: Timestamp) -> Seen {
        let mut walk = Walk::default();
        walk.seen.extend(self.left_out.clone());
        walk.folder(&self.root, "", 0);
        let mut seen = Seen::default();
        // What is below a folder that cannot be read is not known to be gone.
        let is_gone = |path: &&String| {
            !walk.files.contains_key(*path)
                && !walk.unreadable.iter().any(|(folder, _)| Path::new(path).starts_with(folder))
        };
        let gone: Vec<String> = self.files.keys().filter(is_gone).cloned().collect();
        for path in &gone {
            self.remove(path, &mut seen);
        }
        for (path, full) in &walk.files {
            self.refresh(path, full, now, &mut seen);
        }
        let diagnostics = walk
            .unreadable
            .iter()
            .map(|(folder, error)| unreadable(&self.root.join(folder).display().to_string(), error));
        self.diagnostics = diagnostics.collect();
        self.folders = walk.folders;
        seen
    }

    /// Looks at what is at these paths now; where that is or was a folder, at everything.
    pub(super) fn look_at(&mut self, paths: &BTreeSet<PathBuf>, now: Timestamp) -> Seen {
        let mut seen = Seen::default();
        for full in paths {
            let has_new_folder = full.is_dir();
            if has_new_folder || self.folders.contains(full) {
                return Seen { has_new_folder, ..self.look(now) }.and(seen);
            }
            let Some(path) = self.manifest_path(full) else { continue };
            if full.exists() {
                self.refresh(&path, full, now, &mut seen);
            } else {
                self.remove(&path, &mut seen);
            }
        }
        seen
    }

    /// Reads these files, wherever they are.
    pub(super) fn look_at_files(&mut self, files: &[PathBuf], now: Timestamp) {
        let mut seen = Seen::default();
        for full in files {
            self.refresh(&full.display().to_string(), full, now, &mut seen);
        }
    }

    /// What the files say of one object: the first path in order wins it.
    pub(super) fn manifest(&self, place: &Place) -> Option<&Manifest> {
        let winner = self.holders.get(place)?.first()?;
        self.files.get(winner)?.objects.get(place)
    }

    /// Every object that a file says something of.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.holders.keys()
    }

    /// What is wrong with files and folders, in no order.
    pub(super) fn diagnostics(&self) -> Vec<SourceDiagnostic> {
        let mut diagnostics = self.diagnostics.clone();
        let ailing = self.ailing.iter().filter_map(|path| self.files.get(path));
        diagnostics.extend(ailing.flat_map(|file| file.diagnostics.iter().cloned()));
        for place in &self.contested {
            let mut holders = self.holders.get(place).into_iter().flatten();
            let Some(winner) = holders.next() else { continue };
            diagnostics.extend(holders.map(|loser| duplicate(place, winner, loser)));
        }
        diagnostics
    }

    /// Whether an object that this file once held may still be meant: the file is there, but broken.
    pub(super) fn may_hold(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| file.is_broken)
            || self.diagnostics.iter().any(|folder| self.root.join(path).starts_with(folder.object.as_str()))
    }

    /// How a walk would name this file, if it would read it.
    fn manifest_path(&self, full: &Path) -> Option<String> {
        let path = full.strip_prefix(&self.root).ok()?.to_str()?;
        let is_read = is_manifest(path) && !path.split('/').any(is_hidden);
        let is_left_out = || {
            let folder = full.parent().and_then(|folder| folder.canonicalize().ok());
            self.left_out.as_ref().is_some_and(|out| folder.is_some_and(|folder| folder.starts_with(out)))
        };
        (is_read && !is_left_out()).then(|| path.to_owned())
    }

    fn refresh(&mut self, path: &str, full: &Path, now: Timestamp, seen: &mut Seen) {
        let file = self.files.entry(path.to_owned()).or_default();
        let before: Vec<Place> = file.objects.keys().cloned().collect();
        if !file.refresh(path, full, now) {
            return;
        }
        let after: Vec<Place> = file.objects.keys().cloned().collect();
        if file.diagnostics.is_empty() {
            self.ailing.remove(path);
        } else {
            self.ailing.insert(path.to_owned());
        }
        seen.files.insert(path.to_owned());
        for place in before {
            self.let_go(path, &place);
            seen.places.insert(place);
        }
        for place in after {
            self.hold(path, &place);
            seen.places.insert(place);
        }
    }

    fn remove(&mut self, path: &str, seen: &mut Seen) {
        let Some(file) = self.files.remove(path) else { return };
        self.ailing.remove(path);
        seen.files.insert(path.to_owned());
        for place in file.objects.into_keys() {
            self.let_go(path, &place);
            seen.places.insert(place);
        }
    }

    fn hold(&mut self, path: &str, place: &Place) {
        let holders = self.holders.entry(place.clone()).or_default();
        holders.insert(path.to_owned());
        if holders.len() > 1 {
            self.contested.insert(place.clone());
        }
    }

    fn let_go(&mut self, path: &str, place: &Place) {
        let Some(holders) = self.holders.get_mut(place) else { return };
        holders.remove(path);
        if holders.len() < 2 {
            self.contested.remove(place);
        }
        if holders.is_empty() {
            self.holders.remove(place);
        }
    }
}

impl Seen {
    /// Both.
    fn and(mut self, other: Self) -> Self {
        self.places.extend(other.places);
        self.files.extend(other.files);
        self.has_new_folder |= other.has_new_folder;
        self
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
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, PathBuf>,
    folders: BTreeSet<PathBuf>,
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
        self.folders.insert(folder.to_owned());
        let mut entries: Vec<fs::DirEntry> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else { continue };
            if is_hidden(name) {
                continue;
            }
            let shown = if shown.is_empty() { name.to_owned() } else { format!("{shown}/{name}") };
            // What the listing tells of a file need not be asked again; a link has to be followed.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if !is_file && path.is_dir() {
                self.folder(&path, &shown, depth + 1);
            } else if is_manifest(name) {
                self.files.insert(shown, path);
            }
        }
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
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
