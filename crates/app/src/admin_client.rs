//! Asks the admin port of a running process.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

/// Until connected, and until the head of an answer is there.
const WAIT: Duration = Duration::from_secs(10);
/// Largest answer that is read whole.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// Speaks to one admin port.
#[derive(Clone, Debug)]
pub(crate) struct AdminClient {
    base: Url,
    authority: String,
}

impl AdminClient {
    /// Speaks to the process whose admin port is at `url`, such as `http://127.0.0.1:10254`.
    ///
    /// # Errors
    /// `url` is no http URL.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let expected = || format!("--admin is {url:?}; expected a URL such as http://127.0.0.1:10254");
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = Url::parse(&full).with_context(expected)?;
        let host = base.host_str().with_context(expected)?;
        if base.scheme() != "http" {
            bail!("{}", expected());
        }
        let authority = format!("{host}:{}", base.port_or_known_default().unwrap_or(80));
        Ok(Self { base, authority })
    }

    /// The JSON at `path?name=value...`; blocks.
    ///
    /// # Errors
    /// The process cannot be reached, refuses, or does not answer with what is asked for.
    pub(crate) fn ask<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<T> {
        let mut target = self.base.clone();
        target.set_path(path);
        if !query.is_empty() {
            target.query_pairs_mut().extend_pairs(query);
        }
        let answer = block_on(self.json(&target))?;
        serde_json::from_value(answer).with_context(|| format!("{self} is of another version"))
    }

    /// The JSON at `path`.
    ///
    /// # Errors
    /// The process cannot be reached, refuses, or does not answer with what is asked for.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let mut target = self.base.clone();
        target.set_path(path);
        let answer = self.json(&target).await?;
        serde_json::from_value(answer).with_context(|| format!("{self} is of another version"))
    }

    /// The answer at `path?name=value...` while it comes in.
    ///
    /// # Errors
    /// The process cannot be reached, or refuses.
    pub(crate) async fn open(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Stream> {
        let mut target = self.base.clone();
        target.set_path(path);
        target.query_pairs_mut().extend_pairs(query);
        let (answer, connection) = self.send(&target).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            let body = timeout(WAIT, Limited::new(answer.into_body(), MAX_BODY).collect()).await;
            let why = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
            bail!("{self} refuses with {status}: {}", String::from_utf8_lossy(&why).trim());
        }
        Ok(Stream { body: answer.into_body(), _connection: connection })
    }

    async fn json(&self, target: &Url) -> anyhow::Result<Value> {
        let (answer, _connection) = self.send(target).await?;
        let status = answer.status();
        let body = timeout(WAIT, Limited::new(answer.into_body(), MAX_BODY).collect());
        let body = body.await.with_context(|| format!("{self} does not finish its answer"))?;
        let body = body.map_err(|error| anyhow::anyhow!("{self} broke off its answer: {error}"))?.to_bytes();
        if status != StatusCode::OK {
            bail!("{self}: {}", String::from_utf8_lossy(&body).trim());
        }
        serde_json::from_slice(&body).with_context(|| format!("{self} did not answer with JSON"))
    }

    /// The answer's head, and the task that brings in its body as long as it is kept.
    async fn send(&self, target: &Url) -> anyhow::Result<(Response<Incoming>, JoinSet<()>)> {
        let unreachable =
            || format!("no running process at {self}; start one, or name its admin port with --admin URL");
        let connected = timeout(WAIT, TcpStream::connect(&self.authority)).await.with_context(unreachable)?;
        let stream = connected.with_context(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut connection_task = JoinSet::new();
        connection_task.spawn(async move {
            // Its error is told by whichever of head and body is waited for.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the admin connection ended early");
            }
        });
        let target = target
            .query()
            .map_or_else(|| target.path().to_owned(), |query| format!("{}?{query}", target.path()));
        let request = Request::get(target).header(header::HOST, &self.authority);
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = timeout(WAIT, sender.send_request(request)).await;
        let answer = answer.with_context(|| format!("{self} does not answer"))?.with_context(unreachable)?;
        Ok((answer, connection_task))
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) body: Incoming,
    /// Brings in the body as long as this is kept.
    _connection: JoinSet<()>,
}

impl std::fmt::Display for AdminClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// Runs `work` on a runtime of its own.
///
/// # Errors
/// Those of `work`; or there can be no runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
