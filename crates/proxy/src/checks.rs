//! Active health checks (`jamul.dev/health-check-path`): one thread for all workers, started when an upstream first asks
//! for it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, Uri, header};
use jamul_routing::{Check, Endpoint, Observation, Snapshot};
use tokio::task::{AbortHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::dial::{self, Dialled};
use crate::endpoint_health::{EndpointHealth, EndpointHealths};
use crate::pool::PoolKey;
use crate::request_body::RequestBody;
use crate::snapshots::Snapshots;
use crate::tls::UpstreamTls;
use crate::wire::{Version, Wire};

/// How often is looked whether there is more or less to check.
const LOOK: Duration = Duration::from_secs(1);
const USER_AGENT: HeaderValue = HeaderValue::from_static("jamul-health-check");

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    endpoint: Endpoint,
    wire: Wire,
    check: Check,
}

/// A subject that is being checked, until this is dropped.
#[derive(Debug)]
struct Checking {
    task: AbortHandle,
    health: Arc<EndpointHealth>,
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever is not checked any more is thought to be well.
        self.health.observe(Observation::ProbePassed);
    }
}

/// Starts checking as soon as an upstream of the current Snapshot asks for it; ends at `stop`.
pub(crate) async fn supervise(snapshots: Snapshots, healths: Arc<EndpointHealths>, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        if !snapshots.load().checked.is_empty() {
            break;
        }
    }
    let until = stop.clone();
    let started = thread::Builder::new().name("checks".to_owned()).spawn(move || {
        if let Err(error) = run(&snapshots, &healths, &until) {
            tracing::error!(error = &error as &dyn std::error::Error, "endpoints are not checked");
        }
    });
    if let Err(error) = started {
        tracing::error!(error = &error as &dyn std::error::Error, "endpoints are not checked");
    }
    stop.cancelled().await;
}

fn run(snapshots: &Snapshots, healths: &EndpointHealths, stop: &CancellationToken) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let tls = Rc::new(UpstreamTls::new().map_err(io::Error::other)?);
    runtime.block_on(async {
        let mut checking = HashMap::new();
        let mut seen = None;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let snapshot = snapshots.load_full();
            if seen.replace(snapshot.generation) != Some(snapshot.generation) {
                follow(&mut checking, &snapshot, healths, &tls);
            }
        }
    });
    Ok(())
}

/// Begins what is new and ends what is gone.
fn follow(
    checking: &mut HashMap<Subject, Checking>,
    snapshot: &Snapshot,
    healths: &EndpointHealths,
    tls: &Rc<UpstreamTls>,
) {
    let wanted = subjects(snapshot);
    checking.retain(|subject, _| {
        wanted.get(&(subject.endpoint.clone(), subject.check.path.clone())) == Some(subject)
    });
    for subject in wanted.into_values() {
        if checking.contains_key(&subject) {
            continue;
        }
        let health = healths.of(&subject.endpoint);
        let watched = watch(subject.clone(), Arc::clone(&health), Rc::clone(tls));
        let task = spawn_local(watched).abort_handle();
        checking.insert(subject, Checking { task, health });
    }
}

/// Each endpoint once for each path, whichever upstreams it belongs to.
fn subjects(snapshot: &Snapshot) -> BTreeMap<(Endpoint, String), Subject> {
    let upstreams = snapshot.checked.iter().filter_map(|id| snapshot.upstreams.get(id));
    let subjects = upstreams.flat_map(|upstream| {
        let check = upstream.policy.check.as_ref();
        let wire = Wire::new(upstream.protocol, false);
        check.into_iter().flat_map(move |check| {
            upstream.endpoints.iter().map(move |endpoint| {
                let (endpoint, check) = (endpoint.clone(), check.clone());
                ((endpoint.clone(), check.path.clone()), Subject { endpoint, wire, check })
            })
        })
    });
    subjects.collect()
}

/// Checks for ever.
async fn watch(subject: Subject, health: Arc<EndpointHealth>, tls: Rc<UpstreamTls>) {
    let check = &subject.check;
    let (mut passes, mut failures) = (0, 0);
    loop {
        let asked = tokio::time::timeout(check.timeout, ask(&subject, &tls)).await;
        let is_well = matches!(&asked, Ok(Ok(status)) if check.statuses.contains(&status.as_u16()));
        (passes, failures) = if is_well { (passes + 1, 0) } else { (0, failures + 1) };
        if passes == check.passes.get() {
            health.observe(Observation::ProbePassed);
        }
        if failures == check.failures.get() {
            tracing::warn!(endpoint = %subject.endpoint, path = check.path, ?asked, "an endpoint fails its checks");
            health.observe(Observation::ProbeFailed);
        }
        tokio::time::sleep(check.interval).await;
    }
}

async fn ask(subject: &Subject, tls: &UpstreamTls) -> io::Result<StatusCode> {
    let (endpoint, wire, check) = (subject.endpoint.clone(), subject.wire, &subject.check);
    let host = check.host.clone().unwrap_or_else(|| endpoint.to_string());
    let mut request = Request::new(RequestBody::Empty);
    let uri = match wire.version() {
        Version::Http1 => {
            let value = HeaderValue::try_from(&host).map_err(io::Error::other)?;
            request.headers_mut().insert(header::HOST, value);
            Uri::try_from(&check.path)
        }
        Version::Http2 => Uri::try_from(format!("{}://{host}{}", wire.scheme(), check.path)),
    };
    *request.uri_mut() = uri.map_err(io::Error::other)?;
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    let response = match dial::connect(&PoolKey { endpoint, wire, tls: None }, tls).await? {
        Dialled::Http1(mut sender) => sender.send_request(request).await,
        Dialled::Http2(mut sender) => sender.send_request(request).await,
    };
    Ok(response.map_err(io::Error::other)?.status())
}
