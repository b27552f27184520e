//! The state of the CA on disk: one file to which every change is appended before it is answered.
//!
//! A line is a JSON list of the records that changed together, so a change of several objects is there whole or not at
//! all. Reading the file from the beginning, the last record of an object counts. A crash can only tear the last line,
//! which nobody was told about; it is cut off. Opening the file, and growing too much, rewrites it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::files;
use super::records::Record;

/// The open file. There is one per folder: `Ca::open` holds a lock.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines: where the next one begins.
    length: u64,
    /// The length right after the last rewrite.
    rewritten_at: u64,
    /// A failed write could not be taken back. Appending would hide a torn line in the middle.
    is_broken: bool,
}

impl Journal {
    /// Opens or creates the journal in `folder` and returns its records, oldest first.
    ///
    /// # Errors
    /// [`JournalError`]; a file of which more than the last line is unreadable is not touched.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Record>), JournalError> {
        let path = folder.join(FILE_NAME);
        let file = files::open_private(&path).map_err(|source| failed("open", &path, source))?;
        let contents = fs::read(&path).map_err(|source| failed("read", &path, source))?;
        let (records, length) = read(&contents, &path)?;
        let mut journal = Self { path, file, length, rewritten_at: length, is_broken: false };
        if length < contents.len() as u64 {
            tracing::warn!(path = %journal.path.display(), "cutting off a line that a crash left unfinished");
            journal.cut_off()?;
        }
        if length == 0 {
            journal.write_line(HEADER.as_bytes())?;
            files::sync_folder_of(&journal.path).map_err(|source| failed("create", &journal.path, source))?;
        }
        Ok((journal, records))
    }

    /// Makes `records` durable, all or none. When this returns, a crash does not lose them.
    ///
    /// # Errors
    /// [`JournalError`]; the file then is as before.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let line =
            serde_json::to_vec(records).map_err(|source| failed("encode", &self.path, source.into()))?;
        self.write_line(&line)
    }

    /// Whether most of the file is history.
    pub(super) fn is_overgrown(&self) -> bool {
        self.length > self.rewritten_at.saturating_mul(2).max(LEAST_REWRITE)
    }

    /// Replaces the history by `records`, which say the same.
    ///
    /// # Errors
    /// [`JournalError`]; the file then is as before.
    pub(super) fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> Result<(), JournalError> {
        let mut contents = format!("{HEADER}\n").into_bytes();
        for record in records {
            serde_json::to_writer(&mut contents, &[record])
                .map_err(|source| failed("encode", &self.path, source.into()))?;
            contents.push(b'\n');
        }
        files::replace(&self.path, &contents, files::PRIVATE)
            .and_then(|()| files::open_private(&self.path))
            .map(|file| self.file = file)
            .map_err(|source| failed("rewrite", &self.path, source))?;
        self.length = contents.len() as u64;
        self.rewritten_at = self.length;
        self.is_broken = false;
        Ok(())
    }

    fn write_line(&mut self, line: &[u8]) -> Result<(), JournalError> {
        if self.is_broken {
            let reason = "an earlier write failed and could not be taken back; restart the CA";
            return Err(failed("append to", &self.path, io::Error::other(reason)));
        }
        let line = [line, b"\n"].concat();
        if let Err(source) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            self.is_broken = self.cut_off().is_err();
            return Err(failed("append to", &self.path, source));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn cut_off(&self) -> Result<(), JournalError> {
        self.file
            .set_len(self.length)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| failed("truncate", &self.path, source))
    }
}

/// The records and the length of what is whole.
fn read(contents: &[u8], path: &Path) -> Result<(Vec<Record>, u64), JournalError> {
    let mut records = Vec::new();
    let mut length = 0;
    let mut lines = contents.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        match read_line(index, line) {
            Ok(more) => records.extend(more),
            Err(_) if lines.peek().is_none() => break,
            Err(reason) => {
                return Err(JournalError::Corrupt { path: path.to_owned(), line: index + 1, reason });
            }
        }
        length += line.len() as u64;
    }
    Ok((records, length))
}

fn read_line(index: usize, line: &[u8]) -> Result<Vec<Record>, String> {
    let Some(line) = line.strip_suffix(b"\n") else { return Err("it has no end".to_owned()) };
    if index > 0 {
        return serde_json::from_slice(line).map_err(|error| error.to_string());
    }
    match line == HEADER.as_bytes() {
        true => Ok(Vec::new()),
        false => Err(format!("it is not {HEADER}")),
    }
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds something that this program did not write.
    #[error(
        "{path} is damaged in line {line}: {reason}; restore it from a backup, or move it away to start anew"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { operation, path: path.to_owned(), source }
}

const FILE_NAME: &str = "journal.jsonl";

/// The first line: another version of the format has another number.
const HEADER: &str = r#"{"journal":"acme-ca","version":1}"#;

/// A file smaller than this is not worth rewriting.
const LEAST_REWRITE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::ca::records::fixtures;

    fn reopened(folder: &Path) -> Vec<Record> {
        Journal::open(folder).unwrap().1
    }

    #[test]
    fn what_was_appended_is_read_again_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, records) = Journal::open(folder.path()).unwrap();
        assert_eq!(records, []);
        let (one, two) = (fixtures::account("one"), fixtures::account("two"));
        journal.append(std::slice::from_ref(&one)).unwrap();
        journal.append(std::slice::from_ref(&two)).unwrap();
        drop(journal);
        assert_eq!(reopened(folder.path()), [one.clone(), two.clone()]);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let (one, two) = (fixtures::account("one"), fixtures::account("two"));
        journal.append(std::slice::from_ref(&one)).unwrap();
        let whole = journal.length as usize;
        journal.append(std::slice::from_ref(&two)).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let contents = fs::read(&path).unwrap();
        for end in whole..contents.len() {
            fs::write(&path, &contents[..end]).unwrap();
            assert_eq!(reopened(folder.path()), std::slice::from_ref(&one), "torn at {end}");
            assert_eq!(fs::metadata(&path).unwrap().len() as usize, whole);
        }
    }

    #[test]
    fn damage_before_the_last_line_is_an_error_and_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let contents = format!("{HEADER}\n[garbage\n[]\n");
        fs::write(&path, &contents).unwrap();
        let error = Journal::open(folder.path()).unwrap_err();
        assert!(matches!(error, JournalError::Corrupt { line: 2, .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), contents);
    }

    #[test]
    fn a_rewrite_keeps_the_records_and_the_file_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        for _ in 0..10 {
            journal.append(&[fixtures::account("one")]).unwrap();
        }
        journal.rewrite([fixtures::account("one")].into_iter()).unwrap();
        journal.append(&[fixtures::account("two")]).unwrap();
        assert_eq!(reopened(folder.path()), [fixtures::account("one"), fixtures::account("two")]);
        assert_eq!(fs::metadata(&journal.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
