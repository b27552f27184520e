//! All objects of the CA: in memory to be found, in the journal to last.

mod objects;

use std::path::Path;

use jiff::Timestamp;

pub(super) use objects::Objects;

use super::journal::{Journal, JournalError};
use super::records::Record;

/// The objects. What is read here is on disk, and what is committed here stays.
#[derive(Debug)]
pub(super) struct Ledger {
    journal: Journal,
    objects: Objects,
}

impl Ledger {
    /// Reads the state in `folder`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn open(folder: &Path, now: Timestamp) -> Result<Self, JournalError> {
        let (journal, records) = Journal::open(folder)?;
        let read = records.len();
        let objects: Objects = records.into_iter().collect();
        let mut ledger = Self { journal, objects };
        let live = ledger.objects.kept(now).count();
        if read > live.saturating_mul(2).saturating_add(HISTORY_WORTH_DROPPING) {
            ledger.drop_history(now)?;
        }
        Ok(ledger)
    }

    /// The objects as they are.
    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Makes a change of several objects durable, and then visible.
    ///
    /// # Errors
    /// [`JournalError`]; nothing has changed then.
    pub(super) fn commit(&mut self, records: Vec<Record>, now: Timestamp) -> Result<(), JournalError> {
        self.journal.append(&records)?;
        self.objects.extend(records);
        if self.journal.is_overgrown()
            && let Err(error) = self.drop_history(now)
        {
            // The change itself is safe; only the file stays long.
            tracing::warn!(%error, "cannot shorten the journal");
        }
        Ok(())
    }

    fn drop_history(&mut self, now: Timestamp) -> Result<(), JournalError> {
        self.journal.rewrite(self.objects.kept(now))?;
        self.objects = self.objects.kept(now).collect();
        Ok(())
    }
}

/// Fewer outdated records than this are read in no time.
const HISTORY_WORTH_DROPPING: usize = 1_000;
