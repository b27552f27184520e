//! What file notification told and nobody has looked at yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, Result};

/// A file that is being written is looked at when it is closed; if it stays open, after this long a silence.
const WRITING: Duration = Duration::from_millis(100);
/// After a folder came: what happened in it before it was watched is told by nobody.
const FOLDER: Duration = Duration::from_millis(100);
/// More paths than that, and all files are looked at.
const PATHS: usize = 1024;

/// Paths by when they may be looked at.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Closed, renamed or removed: now.
    settled: BTreeSet<PathBuf>,
    /// Somebody is writing there: then.
    writing: BTreeMap<PathBuf, Instant>,
    /// Everything: then.
    everything: Option<Instant>,
}

/// What to look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Everything,
    /// These paths; perhaps none.
    Paths(BTreeSet<PathBuf>),
}

impl News {
    /// Takes in an event. Whether there is something new to look at, now or later.
    pub(super) fn hear(&mut self, event: Result<Event>, now: Instant) -> bool {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            // Something was missed.
            Ok(_) | Err(_) => {
                self.everything = Some(now);
                return true;
            }
        };
        match event.kind {
            // Reading is no change, else reading would wake the reader.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return false,
            EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => {
                self.writing.extend(event.paths.into_iter().map(|path| (path, now + WRITING)));
            }
            EventKind::Access(_)
            | EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => {
                for path in event.paths {
                    self.writing.remove(&path);
                    self.settled.insert(path);
                }
            }
        }
        if self.settled.len() + self.writing.len() > PATHS {
            *self = Self { everything: Some(now), ..Self::default() };
        }
        true
    }

    /// A folder came at that time.
    pub(super) fn folder_came(&mut self, now: Instant) {
        self.everything.get_or_insert(now + FOLDER);
    }

    /// Takes out what may be looked at.
    pub(super) fn take(&mut self, now: Instant) -> Due {
        if self.everything.is_some_and(|at| at <= now) {
            *self = Self::default();
            return Due::Everything;
        }
        let mut paths = std::mem::take(&mut self.settled);
        paths.extend(self.writing.extract_if(.., |_, at| *at <= now).map(|(path, _)| path));
        Due::Paths(paths)
    }

    /// When there is something to take that is not there yet.
    pub(super) fn next(&self) -> Option<Instant> {
        self.writing.values().copied().chain(self.everything).min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use notify::event::{DataChange, Flag, RemoveKind, RenameMode};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Result<Event> {
        Ok(Event::new(kind).add_path(path.into()))
    }

    fn paths<const N: usize>(paths: [&str; N]) -> Due {
        Due::Paths(paths.into_iter().map(PathBuf::from).collect())
    }

    const CREATED: EventKind = EventKind::Create(CreateKind::File);
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    #[test]
    fn a_file_is_looked_at_when_it_is_closed_and_not_before() {
        let (mut news, now) = (News::default(), Instant::now());
        for kind in [CREATED, WRITTEN] {
            assert!(news.hear(event(kind, "a"), now));
            assert_eq!(news.take(now), paths([]));
        }
        news.hear(event(CLOSED, "a"), now);
        assert_eq!(news.take(now), paths(["a"]));
        assert_eq!((news.take(now), news.next()), (paths([]), None));
    }

    #[test]
    fn a_file_that_stays_open_is_looked_at_after_a_silence() {
        let (mut news, start) = (News::default(), Instant::now());
        let later = start + WRITING / 2;
        news.hear(event(CREATED, "a"), start);
        news.hear(event(WRITTEN, "a"), later);
        assert_eq!(news.take(start + WRITING), paths([]));
        assert_eq!(news.next(), Some(later + WRITING));
        assert_eq!(news.take(later + WRITING), paths(["a"]));
    }

    #[test]
    fn renames_and_removals_are_looked_at_at_once() {
        let (mut news, now) = (News::default(), Instant::now());
        news.hear(event(EventKind::Modify(ModifyKind::Name(RenameMode::To)), "a"), now);
        news.hear(event(EventKind::Remove(RemoveKind::File), "b"), now);
        assert_eq!(news.take(now), paths(["a", "b"]));
    }

    #[test]
    fn reading_is_no_news() {
        let mut news = News::default();
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert!(!news.hear(event(read, "a"), Instant::now()));
    }

    #[test]
    fn what_was_missed_or_is_too_much_means_everything() {
        let (mut news, now) = (News::default(), Instant::now());
        news.hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), now);
        assert_eq!(news.take(now), Due::Everything);
        for number in 0..=PATHS {
            news.hear(event(CLOSED, &number.to_string()), now);
        }
        assert_eq!(news.take(now), Due::Everything);
        assert_eq!(news.take(now), paths([]));
    }

    #[test]
    fn after_a_folder_came_everything_is_looked_at_once_more() {
        let (mut news, now) = (News::default(), Instant::now());
        news.folder_came(now);
        assert_eq!(news.take(now), paths([]));
        assert_eq!(news.take(news.next().unwrap()), Due::Everything);
    }
}
