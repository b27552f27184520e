//! A folder as a store: manifests that a user writes, and a state folder that is the database.

mod document;
mod ledger;
mod source;
mod state;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jamul_api::{Object, ObjectKey};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Clock;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::event::{Announcement, Event, Events};
use crate::tables::World;
use ledger::Ledger;
use source::Sources;
use state::State;

/// How long a change may go on before the files are read: editors and `cp` write in several steps.
const QUIET: Duration = Duration::from_millis(10);

/// Where the folder is and how it is kept in view.
#[derive(Clone, Debug)]
pub struct FolderSettings {
    /// The user's manifests, never written; without it the state alone is the world.
    pub manifests: Option<PathBuf>,
    /// The state folder; created when missing.
    pub state: PathBuf,
    /// How often everything is looked at again, besides file notification; see [`Self::RESCAN`].
    pub rescan: Duration,
    /// What time it is.
    pub clock: Clock,
}

impl FolderSettings {
    /// A good value for `rescan`.
    pub const RESCAN: Duration = Duration::from_secs(30);
}

/// A folder as a store. Clones are handles to the same objects; the state folder stays locked until the last
/// one is gone.
#[derive(Clone, Debug)]
pub struct Folder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Arc<World>,
    events: Events,
    clock: Clock,
    manifests: Option<PathBuf>,
    rescan: Duration,
    ledger: Mutex<Ledger>,
    diagnostics: watch::Sender<Vec<SourceDiagnostic>>,
}

impl Folder {
    /// Locks and loads the state folder, then reads all manifests: afterwards every object is there. Blocks
    /// on files.
    ///
    /// # Errors
    /// When the manifests folder is missing, another process has the state folder, or it cannot be written.
    /// Broken files are no errors but [`crate::Store::diagnostics`].
    pub fn open(settings: FolderSettings) -> Result<Self, StoreError> {
        let FolderSettings { manifests, state, rescan, clock } = settings;
        if let Some(path) = &manifests {
            readable(path).map_err(|source| StoreError::Manifests { path: path.clone(), source })?;
        }
        let locked = State::open(&state)?;
        let sources = manifests.clone().map(|root| Sources::new(root, &state));
        let world = Arc::<World>::default();
        let ledger = Ledger::open(Arc::clone(&world), clock.clone(), locked, sources)?;
        let diagnostics = watch::Sender::new(ledger.diagnostics());
        let ledger = Mutex::new(ledger);
        let events = Events::default();
        let shared = Shared { world, events, clock, manifests, rescan, ledger, diagnostics };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Keeps the manifests in view until `shutdown` resolves: by file notification, and by looking at all of
    /// them from time to time, which also covers file systems that notify nobody.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let Some(manifests) = &self.shared.manifests else { return shutdown.await };
        let (wake, mut woken) = mpsc::channel(1);
        let watcher = notified(manifests, wake.clone());
        if let Err(error) = &watcher {
            tracing::warn!(%error, folder = %manifests.display(), "no file notification: changes come late");
        }
        let mut ticks = interval(self.shared.rescan.max(QUIET));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                // The first tick is now: what changed between opening and watching is seen.
                _ = ticks.tick() => {}
                // Never `None`: `wake` lives as long as this loop.
                _ = woken.recv() => sleep(QUIET).await,
            }
            self.rescan().await;
        }
    }

    /// Looks at the manifests once, now.
    pub async fn rescan(&self) {
        let work = self.blocking(|ledger| {
            ledger.rescan();
            Ok(())
        });
        if let Err(error) = work.await {
            tracing::debug!(%error, "no look at the manifests");
        }
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.shared.world
    }

    pub(crate) async fn apply<K: Object>(&self, object: K) -> Result<Arc<K>, StoreError> {
        self.blocking(move |ledger| ledger.apply(&object)).await
    }

    pub(crate) async fn set_status<K: Object>(&self, object: K) -> Result<Arc<K>, StoreError> {
        self.blocking(move |ledger| ledger.set_status(&object)).await
    }

    pub(crate) async fn delete<K: Object>(&self, key: ObjectKey) -> Result<bool, StoreError> {
        self.blocking(move |ledger| ledger.delete_of::<K>(&key)).await
    }

    pub(crate) fn announce(&self, announcement: Announcement) {
        self.shared.events.announce(announcement, self.shared.clock.now());
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.shared.events.list()
    }

    pub(crate) fn watch_diagnostics(&self) -> watch::Receiver<Vec<SourceDiagnostic>> {
        self.shared.diagnostics.subscribe()
    }

    /// Does something with files where it may block; it is finished even when nobody waits for it any more.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Ledger) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = spawn_blocking(move || {
            let mut ledger = shared.ledger();
            let result = work(&mut ledger);
            shared.report(&ledger);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopping),
            },
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait for diagnostics, if they differ.
    fn report(&self, ledger: &Ledger) {
        let diagnostics = ledger.diagnostics();
        self.diagnostics.send_if_modified(|before| {
            let differs = *before != diagnostics;
            *before = diagnostics;
            differs
        });
    }
}

fn readable(folder: &Path) -> io::Result<()> {
    std::fs::read_dir(folder).map(|_| ())
}

/// Wakes whenever something below `folder` changes, until what it returns is dropped.
fn notified(folder: &Path, wake: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading is no change, else reading would wake the reader. An error means that something was missed.
        let is_change = event.map_or(true, |event| match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) => false,
            EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => true,
        });
        if is_change {
            // A full channel means that somebody is woken already.
            let _ = wake.try_send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}
