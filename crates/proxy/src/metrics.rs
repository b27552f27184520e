//! Metrics of the data plane, under ingress-nginx's names. Each worker counts for itself; a scrape adds up, and drops
//! what was counted for routes that are gone.

pub mod families;
mod routes;
mod series;
mod settings;

pub use settings::{HostLabels, MetricsSettings, StatusLabels};

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::record::ExchangeRecord;
use crate::snapshots::Snapshots;
use families::{counter, family, gauge, label};
use routes::Routes;
use series::{Buckets, Series};

/// The counters of all workers.
#[derive(Debug)]
pub struct Metrics {
    settings: Arc<MetricsSettings>,
    snapshots: Snapshots,
    workers: Vec<Arc<WorkerMetrics>>,
}

/// The counters of one worker: written by it alone, read by a scrape.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    settings: Arc<MetricsSettings>,
    accepted: AtomicU64,
    active: AtomicI64,
    requests: AtomicU64,
    under_way: AtomicI64,
    /// Never contended but by a scrape.
    routes: Mutex<Routes>,
}

/// A connection counts as active until this is dropped.
#[derive(Debug)]
pub(crate) struct ActiveConnection(Arc<WorkerMetrics>);

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WorkerMetrics {
    fn new(settings: Arc<MetricsSettings>) -> Self {
        Self {
            settings,
            accepted: AtomicU64::new(0),
            active: AtomicI64::new(0),
            requests: AtomicU64::new(0),
            under_way: AtomicI64::new(0),
            routes: Mutex::default(),
        }
    }

    /// Counts a connection.
    pub(crate) fn connection_opened(self: &Arc<Self>) -> ActiveConnection {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveConnection(Arc::clone(self))
    }

    /// An exchange begins.
    pub(crate) fn exchange_begun(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an exchange that is over.
    pub(crate) fn exchange_finished(&self, record: &ExchangeRecord, now: Instant) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = routes.series(record, &self.settings) {
            series.observe(record, &self.settings, now);
        }
    }
}

impl Metrics {
    /// Counters for so many workers that serve `snapshots`.
    pub(crate) fn new(workers: usize, settings: MetricsSettings, snapshots: Snapshots) -> Self {
        let settings = Arc::new(settings);
        let worker = || Arc::new(WorkerMetrics::new(Arc::clone(&settings)));
        Self { workers: (0..workers).map(|_| worker()).collect(), snapshots, settings }
    }

    /// Those of each worker.
    pub(crate) fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.workers
    }

    /// The sums over all workers, for an encoder.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        let mut families = self.process_families();
        families.extend(self.request_families());
        families
    }

    /// Whether the metric of this name (with its prefix) is to be shown to scrapers.
    #[must_use]
    pub fn shows(&self, name: &str) -> bool {
        self.settings.shows(name.strip_prefix(families::PREFIX).unwrap_or(name))
    }

    fn process_families(&self) -> Vec<MetricFamily> {
        let sum = |value: fn(&WorkerMetrics) -> i64| -> f64 {
            self.workers.iter().map(|worker| value(worker)).sum::<i64>().max(0) as f64
        };
        let sum_of = |value: fn(&WorkerMetrics) -> u64| -> f64 {
            self.workers.iter().map(|worker| value(worker)).sum::<u64>() as f64
        };
        let accepted = sum_of(|worker| worker.accepted.load(Ordering::Relaxed));
        let requests = sum_of(|worker| worker.requests.load(Ordering::Relaxed));
        let active = sum(|worker| worker.active.load(Ordering::Relaxed));
        let writing = sum(|worker| worker.under_way.load(Ordering::Relaxed));
        let state = |state: &str, value| gauge(vec![label("state", state)], value);
        let now = [
            state("active", active),
            // The head of a request is read in one go, or too briefly to be counted.
            state("reading", 0.0),
            state("writing", writing),
            state("waiting", (active - writing).max(0.0)),
        ];
        let since_start = ["accepted", "handled"].map(|state| counter(vec![label("state", state)], accepted));
        vec![
            family(
                "nginx_process_connections_total",
                "total number of connections with state {accepted, handled}",
                MetricType::COUNTER,
                since_start.to_vec(),
            ),
            family(
                "nginx_process_connections",
                "current number of client connections with state {active, reading, writing, waiting}",
                MetricType::GAUGE,
                now.to_vec(),
            ),
            family(
                "nginx_process_requests_total",
                "total number of client requests",
                MetricType::COUNTER,
                vec![counter(Vec::new(), requests)],
            ),
        ]
    }

    fn request_families(&self) -> Vec<MetricFamily> {
        let snapshot = self.snapshots.load_full();
        let mut total = Routes::default();
        for worker in &self.workers {
            let mut routes = worker.routes.lock().unwrap_or_else(PoisonError::into_inner);
            routes.prune(&snapshot);
            total.add(&routes);
        }
        let settings = &*self.settings;
        let histogram = |name: &str, help: &str, bounds: &[f64], of: fn(&Series) -> &Buckets| {
            let metrics: Vec<Metric> = total
                .iter(settings)
                .filter_map(|(labels, series)| of(series).metric(bounds, labels))
                .collect();
            family(name, help, MetricType::HISTOGRAM, metrics)
        };
        let (times, lengths) = (&settings.time_buckets, &settings.length_buckets);
        let requests =
            total.iter(settings).map(|(labels, series)| counter(labels, series.requests as f64)).collect();
        let families = [
            family("requests", "The total number of client requests", MetricType::COUNTER, requests),
            histogram(
                "request_duration_seconds",
                "The request processing time in seconds",
                times,
                |series| &series.request_time,
            ),
            histogram(
                "connect_duration_seconds",
                "The time spent on establishing a connection with the upstream server",
                times,
                |series| &series.connect_time,
            ),
            histogram(
                "header_duration_seconds",
                "The time spent on receiving first header from the upstream server",
                times,
                |series| &series.header_time,
            ),
            histogram(
                "response_duration_seconds",
                "The time spent on receiving the response from the upstream server",
                times,
                |series| &series.response_time,
            ),
            histogram(
                "request_size",
                "The request length (including request line, header, and request body)",
                lengths,
                |series| &series.request_length,
            ),
            histogram(
                "response_size",
                "The response length (including status line, header, and response body)",
                lengths,
                |series| &series.response_length,
            ),
            histogram(
                "bytes_sent",
                "DEPRECATED The number of bytes sent to a client",
                &settings.size_buckets,
                |series| &series.bytes_sent,
            ),
        ];
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}
