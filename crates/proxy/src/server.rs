//! The proxy as a whole: ports, workers, shutdown.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use futures_util::future::try_join_all;
use jamul_routing::Carry;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::{self, AccessLog};
use crate::balance::Balancer;
use crate::checks;
use crate::connection;
use crate::copies::Copies;
use crate::drain::{self, Drain};
use crate::endpoint_health::EndpointHealths;
use crate::error::ProxyError;
use crate::listener;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::settings::ProxySettings;
use crate::snapshots::Snapshots;
use crate::streams::{self, PortNews, Ports};
use crate::tap::Tap;
use crate::tls::{Terminator, UpstreamTls};
use crate::worker::Worker;
use crate::working::Turns;

/// How often a worker looks for what is no longer needed.
const SWEEP_TIME: Duration = Duration::from_secs(1);

/// The data plane with its ports bound, not yet serving.
#[derive(Debug)]
pub struct Proxy {
    settings: Arc<ProxySettings>,
    snapshots: Snapshots,
    metrics: Arc<Metrics>,
    healths: Arc<EndpointHealths>,
    tap: Tap,
    tls: Arc<Terminator>,
    /// One entry per worker.
    sockets: Vec<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
}

impl Proxy {
    /// Binds all ports for all workers. Connections wait in the kernel until [`Self::run`].
    ///
    /// # Errors
    /// [`ProxyError::PortInUse`], [`ProxyError::Bind`] name the address; [`ProxyError::Tls`].
    pub fn bind(settings: ProxySettings, snapshots: Snapshots) -> Result<Self, ProxyError> {
        let workers = settings.workers.max(1);
        let http = listener::bind_all(&settings.http, workers)?;
        let https = listener::bind_all(&settings.https, workers)?;
        let sockets = http.into_iter().zip(https).map(|(http, https)| Sockets { http, https }).collect();
        let tls = Terminator::new(Arc::clone(&snapshots)).map_err(ProxyError::Tls)?;
        let metrics = Metrics::new(workers, settings.metrics.clone(), Arc::clone(&snapshots));
        let metrics = Arc::new(metrics);
        let (settings, healths, tap) = (Arc::new(settings), Arc::default(), Tap::default());
        Ok(Self { settings, snapshots, metrics, healths, tap, tls: Arc::new(tls), sockets })
    }

    /// The real addresses of the http ports, in the order of the settings.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.sockets.first().map_or_else(Vec::new, |sockets| addresses(&sockets.http))
    }

    /// The real addresses of the https ports, in the order of the settings.
    #[must_use]
    pub fn https_addresses(&self) -> Vec<SocketAddr> {
        self.sockets.first().map_or_else(Vec::new, |sockets| addresses(&sockets.https))
    }

    /// The counters; valid while and after the proxy runs.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The health of endpoints; valid while and after the proxy runs.
    #[must_use]
    pub fn endpoint_healths(&self) -> Arc<EndpointHealths> {
        Arc::clone(&self.healths)
    }

    /// Where exchanges can be watched.
    #[must_use]
    pub fn tap(&self) -> Tap {
        self.tap.clone()
    }

    /// Serves until `shutdown`, then lets exchanges in flight finish within the grace. Runs on any tokio
    /// runtime; the work is done by threads of its own.
    ///
    /// # Errors
    /// [`ProxyError::Worker`], [`ProxyError::WorkerEnded`]: the other workers have been told to stop.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), ProxyError> {
        let (log, written) = self.start_log().map_err(ProxyError::Worker)?;
        // Ours, so that the end of one worker stops the others without stopping whoever gave us the token.
        let stop = shutdown.child_token();
        let _stop_on_return = stop.clone().drop_guard();
        let mut ends = Vec::new();
        let (ports, news) = Ports::new(self.settings.stream_addresses.clone(), self.sockets.len());
        let following = ports.follow(Arc::clone(&self.snapshots));
        let carry = Carry::default();
        let workers = self.sockets.into_iter().zip(self.metrics.workers()).zip(news);
        for (index, ((sockets, metrics), ports)) in workers.enumerate() {
            let start = WorkerStart {
                settings: Arc::clone(&self.settings),
                snapshots: Arc::clone(&self.snapshots),
                metrics: Arc::clone(metrics),
                healths: Arc::clone(&self.healths),
                carry: carry.clone(),
                tls: Arc::clone(&self.tls),
                sockets,
                ports,
                log: log.clone(),
                tap: self.tap.clone(),
                stop: stop.clone(),
            };
            let (end, ended) = oneshot::channel();
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            // Sending fails only if nobody waits for the end any more.
            thread.spawn(move || drop(end.send(start.run()))).map_err(ProxyError::Worker)?;
            ends.push(async move {
                match ended.await {
                    Ok(Ok(())) => Ok(()),
                    // The thread dropped its end: it panicked.
                    Err(_) => Err(ProxyError::WorkerEnded { index }),
                    Ok(Err(error)) => Err(error),
                }
            });
        }
        drop(log);
        let checks = checks::supervise(self.snapshots, self.healths, stop.clone());
        tokio::select! {
            ended = try_join_all(ends) => drop(ended?),
            () = following => return Ok(()),
            () = async { checks.await; std::future::pending().await } => {}
        };
        // The writer ends with the last worker; an error means that it ended before.
        let _: Result<(), oneshot::error::RecvError> = written.await;
        Ok(())
    }

    /// Starts the thread that writes the access log; the receiver is told of its end.
    fn start_log(&self) -> io::Result<(Option<SyncSender<String>>, oneshot::Receiver<()>)> {
        let (end, ended) = oneshot::channel();
        if !self.settings.access_log {
            return Ok((None, ended));
        }
        let (sink, buffers) = sync_channel(access_log::QUEUE);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            access_log::write(&buffers);
            // Nobody waits if the proxy has failed already.
            let _: Result<(), ()> = end.send(());
        })?;
        Ok((Some(sink), ended))
    }
}

/// What a worker's thread is started with.
struct WorkerStart {
    settings: Arc<ProxySettings>,
    snapshots: Snapshots,
    metrics: Arc<WorkerMetrics>,
    healths: Arc<EndpointHealths>,
    carry: Carry,
    tls: Arc<Terminator>,
    sockets: Sockets,
    ports: Receiver<PortNews>,
    log: Option<SyncSender<String>>,
    tap: Tap,
    stop: CancellationToken,
}

impl WorkerStart {
    fn run(self) -> Result<(), ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .map_err(ProxyError::Worker)?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<(), ProxyError> {
        let grace = self.settings.grace;
        let worker = Rc::new(Worker {
            log: AccessLog::new(self.log, self.settings.log_format),
            tap: self.tap,
            settings: self.settings,
            snapshots: self.snapshots,
            pool: Rc::default(),
            balancer: Balancer::new(self.healths),
            carry: self.carry,
            metrics: self.metrics,
            upstream_tls: Rc::new(UpstreamTls::new().map_err(ProxyError::Tls)?),
            copies: Copies::default(),
            connections: TaskTracker::new(),
            drain: Drain::new(self.stop),
            turns: Turns::default(),
        });
        worker.pool.keep(worker.snapshots.load().globals.keepalive);
        let plain = self.sockets.http.into_iter().map(|listener| (listener, None));
        let secure = self.sockets.https.into_iter().map(|listener| (listener, Some(Arc::clone(&self.tls))));
        let accepting =
            plain.chain(secure).map(|(listener, tls)| connection::accept(Rc::clone(&worker), listener, tls));
        let streams = streams::serve(Rc::clone(&worker), self.ports);
        let serving = async {
            let accepting = async { tokio::join!(try_join_all(accepting), streams).0 };
            accepting.await.map_err(ProxyError::Worker)?;
            worker.drain.begun.cancelled().await;
            drain::finish(&worker.connections, &worker.drain, grace).await;
            Ok(())
        };
        let served = tokio::select! {
            served = serving => served,
            () = sweep(&worker) => Ok(()),
        };
        worker.log.close();
        served
    }
}

/// Closes idle connections that are old or lead to endpoints that are gone, for ever.
async fn sweep(worker: &Worker) {
    let mut ticks = tokio::time::interval(SWEEP_TIME);
    loop {
        ticks.tick().await;
        let snapshot = worker.snapshots.load_full();
        worker.pool.keep(snapshot.globals.keepalive);
        worker.pool.close_old();
        if worker.balancer.prune(&snapshot) {
            worker.pool.retain(|endpoint| worker.balancer.knows(endpoint));
        }
    }
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}
