//! `STATE/control.sock`: how commands ask the process that owns a state to write to it. One line of JSON in, one
//! out; who may open the socket (mode 0600) may ask.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jamul_api::condition::{self, Condition};
use jamul_api::core::Time;
use jamul_api::{Certificate, Object as _, ObjectKey};
use jamul_store::{Store, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

const SOCKET: &str = "control.sock";
/// For a whole conversation.
const WAIT: Duration = Duration::from_secs(10);
/// Longest line.
const LIMIT: u64 = 1024 * 1024;
/// Pause after an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// Issue one Certificate anew.
    Renew(#[serde(with = "key")] ObjectKey),
    /// Issue all Certificates of a namespace anew.
    RenewAll {
        /// Which.
        namespace: String,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// The Certificates whose issuance was triggered.
    Renewed(Vec<String>),
    /// Why nothing was done.
    Refused(String),
}

/// The listening end; the socket is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in `state`, in the place of a socket that a killed process left. Only whoever holds the lock on
    /// the state may call this.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(SOCKET);
        let cannot = || format!("cannot make {}", path.display());
        let listener = bind(state).with_context(cannot)?;
        Ok(Self { listener, path })
    }

    /// Answers until `shutdown`.
    pub(crate) async fn serve(&self, store: &Store, shutdown: CancellationToken) {
        loop {
            // One at a time: who asks is a person or a script, and each question has a time limit.
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    if let Ok(Err(error)) = tokio::time::timeout(WAIT, converse(stream, store)).await {
                        tracing::debug!(%error, "a question to the control socket broke off");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already is as good.
        _ = fs::remove_file(&self.path);
    }
}

/// Binds in a folder that only we can enter, so that the socket is never open to others, then moves it to its
/// place, over what may be there.
fn bind(state: &Path) -> io::Result<UnixListener> {
    let private = state.join(".control");
    match DirBuilder::new().mode(0o700).create(&private) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let new = private.join(SOCKET);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(Short::of(&private)?.path())?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, state.join(SOCKET))?;
    fs::remove_dir(&private)?;
    Ok(listener)
}

/// A path to the socket of a folder that is short enough for a socket's address (108 bytes), however long the
/// folder's own is.
struct Short(File);

impl Short {
    fn of(folder: &Path) -> io::Result<Self> {
        File::open(folder).map(Self)
    }

    /// Valid as long as this lives.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.0.as_raw_fd()))
    }
}

async fn converse(mut stream: UnixStream, store: &Store) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(LIMIT)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(order) => obey(&order, store, Timestamp::now()).await,
        Err(error) => Answer::Refused(format!("not understood: {error}")),
    };
    let mut answer = serde_json::to_string(&answer)?;
    answer.push('\n');
    writer.write_all(answer.as_bytes()).await?;
    writer.shutdown().await?;
    Ok(())
}

/// Does what is asked.
pub(crate) async fn obey(order: &Order, store: &Store, now: Timestamp) -> Answer {
    let keys = match order {
        Order::Renew(key) => vec![key.clone()],
        Order::RenewAll { namespace } => {
            let all = store.list::<Certificate>();
            all.iter().map(|found| found.key()).filter(|key| key.namespace == *namespace).collect()
        }
    };
    let mut renewed = Vec::new();
    for key in keys {
        if let Err(why) = trigger(&key, store, now).await {
            return Answer::Refused(why);
        }
        renewed.push(key.to_string());
    }
    Answer::Renewed(renewed)
}

/// Has one Certificate issued anew; its controller may write to it at the same time.
async fn trigger(key: &ObjectKey, store: &Store, now: Timestamp) -> Result<(), String> {
    let mut tries = 0;
    loop {
        let certificate = store.get::<Certificate>(key);
        let certificate = certificate.ok_or_else(|| format!("Certificate {key} does not exist"))?;
        tries += 1;
        match store.set_status(&triggered(&certificate, now)).await {
            Err(StoreError::Conflict { .. }) if tries < MOST_TRIES => {}
            Err(error) => return Err(error.to_string()),
            Ok(_) => return Ok(()),
        }
    }
}

/// To write to a Certificate that somebody else writes to.
const MOST_TRIES: u32 = 10;

/// `certificate` with the condition that cmctl sets to have it issued anew.
fn triggered(certificate: &Certificate, now: Timestamp) -> Certificate {
    let mut certificate = certificate.clone();
    let message = "Certificate re-issuance manually triggered";
    let mut condition = Condition::new("Issuing", true, "ManuallyTriggered", message);
    condition.observed_generation = certificate.metadata.generation;
    let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let status = certificate.status.get_or_insert_default();
    condition::set(&mut status.conditions, condition, &now);
    certificate
}

/// Asks the process that runs on `state`; blocks.
///
/// # Errors
/// There is none, or it does not answer.
pub(crate) fn ask(state: &Path, order: &Order) -> anyhow::Result<Answer> {
    let absent = || {
        format!("no process runs on the state {}; start `jamul run` on it, then ask again", state.display())
    };
    let folder = Short::of(state).with_context(absent)?;
    let mut stream = StdStream::connect(folder.path()).with_context(absent)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).context("the running process does not listen")?;
    let mut answer = String::new();
    BufReader::new(stream.take(LIMIT))
        .read_line(&mut answer)
        .context("the running process does not answer")?;
    if answer.is_empty() {
        bail!("the running process broke off without an answer");
    }
    serde_json::from_str(&answer).context("the running process answers in another version's words")
}

/// A key as `{"namespace":..,"name":..}`.
mod key {
    use jamul_api::ObjectKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Key {
        namespace: String,
        name: String,
    }

    pub(super) fn serialize<S: Serializer>(key: &ObjectKey, serializer: S) -> Result<S::Ok, S::Error> {
        Key { namespace: key.namespace.clone(), name: key.name.clone() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectKey, D::Error> {
        Key::deserialize(deserializer).map(|key| ObjectKey::new(key.namespace, key.name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_store::{Clock, Memory};

    use super::*;

    fn certificate(name: &str) -> Certificate {
        let mut certificate = Certificate::default();
        certificate.metadata.namespace = Some("default".to_owned());
        certificate.metadata.name = Some(name.to_owned());
        certificate
    }

    async fn store(names: &[&str]) -> Store {
        let store = Store::Memory(Memory::new(Clock::new(Timestamp::now)));
        for name in names {
            store.apply(certificate(name)).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn renewing_sets_the_condition_that_cmctl_sets() {
        let store = store(&["web", "other"]).await;
        let order = Order::Renew(ObjectKey::new("default", "web"));
        let answer = obey(&order, &store, Timestamp::now()).await;
        assert_eq!(answer, Answer::Renewed(vec!["default/web".to_owned()]));
        let reason = |name: &str| {
            let found = store.get::<Certificate>(&ObjectKey::new("default", name)).unwrap();
            let status = found.status.clone().unwrap_or_default();
            condition::find(&status.conditions, "Issuing")
                .filter(|found| found.is_true())
                .map(|c| c.reason.clone())
        };
        assert_eq!(reason("web").as_deref(), Some("ManuallyTriggered"));
        assert_eq!(reason("other"), None);
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_there_is_refused_by_name() {
        let order = Order::Renew(ObjectKey::new("default", "nope"));
        let answer = obey(&order, &store(&[]).await, Timestamp::now()).await;
        assert_eq!(answer, Answer::Refused("Certificate default/nope does not exist".to_owned()));
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_takes_a_stale_ones_place_and_goes_with_the_process() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than a socket's address may be.
        let state = dir.path().join("s".repeat(120));
        fs::create_dir(&state).unwrap();
        fs::write(state.join(SOCKET), "stale").unwrap();
        let control = Control::open(&state).unwrap();
        let mode = fs::metadata(state.join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let (store, shutdown) = (store(&["a", "b"]).await, CancellationToken::new());
        let folder = state.clone();
        let asked = tokio::task::spawn_blocking(move || {
            ask(&folder, &Order::RenewAll { namespace: "default".to_owned() })
        });
        let answer = tokio::select! {
            () = control.serve(&store, shutdown) => unreachable!("nobody shut it down"),
            answer = asked => answer.unwrap().unwrap(),
        };
        assert_eq!(answer, Answer::Renewed(vec!["default/a".to_owned(), "default/b".to_owned()]));
        drop(control);
        assert!(!state.join(SOCKET).exists());
        let refusal = ask(&state, &Order::Renew(ObjectKey::new("default", "a"))).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!(
                "no process runs on the state {}; start `jamul run` on it, then ask again",
                state.display()
            )
        );
    }
}
