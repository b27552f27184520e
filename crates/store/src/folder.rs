//! A folder as a store: manifests that a user writes, and a state folder that is the database.

mod document;
mod ledger;
mod news;
mod source;
mod state;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jamul_api::{Object, ObjectKey};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::clock::Clock;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::event::{Announcement, Event, Events};
use crate::tables::World;
use ledger::{Absence, Ledger};
use news::{Due, News};
use source::Sources;
use state::State;

/// The shortest time between two looks at everything.
const SHORTEST_RESCAN: Duration = Duration::from_millis(10);

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
        let ear = Arc::<Ear>::default();
        let watcher = notified(manifests, Arc::clone(&ear));
        if let Err(error) = &watcher {
            tracing::warn!(%error, folder = %manifests.display(), "no file notification: changes come late");
        }
        let mut ticks = interval(self.shared.rescan.max(SHORTEST_RESCAN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settles: Option<Instant> = None;
        loop {
            let next = [settles, ear.news().next()].into_iter().flatten().min();
            let due = tokio::select! {
                () = &mut shutdown => return,
                // The first tick is now: what changed between opening and watching is seen.
                _ = ticks.tick() => Due::Everything,
                () = ear.heard.notified() => ear.news().take(Instant::now()),
                () = until(next) => ear.news().take(Instant::now()),
            };
            let now = Instant::now();
            let look = self.blocking(move |ledger| {
                let has_new_folder = match due {
                    Due::Everything => ledger.look(Absence::Waits(now)),
                    Due::Paths(paths) => ledger.look_at(&paths, Absence::Waits(now)),
                };
                Ok((has_new_folder, ledger.settle(now)))
            });
            match look.await {
                Ok((has_new_folder, next)) => {
                    settles = next;
                    if has_new_folder {
                        ear.news().folder_came(now);
                    }
                }
                Err(error) => tracing::debug!(%error, "no look at the manifests"),
            }
        }
    }

    /// Looks at the manifests once, now; what is not there is gone.
    pub async fn rescan(&self) {
        let work = self.blocking(|ledger| {
            ledger.look(Absence::Counts);
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

/// Where file notification leaves its news.
#[derive(Debug, Default)]
struct Ear {
    news: Mutex<News>,
    heard: Notify,
}

impl Ear {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells `ear` of all that happens below `folder`, until what it returns is dropped.
fn notified(folder: &Path, ear: Arc<Ear>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if ear.news().hear(event, Instant::now()) {
            ear.heard.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next.into()).await,
        None => std::future::pending().await,
    }
}
