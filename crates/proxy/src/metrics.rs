//! Metrics of the data plane, under ingress-nginx's names. Each worker counts for itself; a scrape adds up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{Method, StatusCode};
use jamul_routing::{Route, RouteId};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::record::ExchangeRecord;

const PREFIX: &str = "nginx_ingress_controller_";
/// Upper bounds in seconds (ingress-nginx's `--time-buckets`).
const TIME_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds in bytes (ingress-nginx's `--size-buckets`).
const SIZE_BUCKETS: [f64; 7] = [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The counters of all workers.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
}

/// The counters of one worker: written by it alone, read by a scrape.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    accepted: AtomicU64,
    active: AtomicI64,
    requests: AtomicU64,
    /// Never contended but by a scrape.
    routes: Mutex<HashMap<RouteId, RouteSeries, foldhash::fast::RandomState>>,
}

/// What is counted per route. Outlives the route's Snapshots; its labels are those of the first exchange.
#[derive(Clone, Debug)]
struct RouteSeries {
    route: Arc<Route>,
    by_answer: HashMap<(StatusCode, &'static str), Series, foldhash::fast::RandomState>,
}

#[derive(Clone, Debug, Default)]
struct Series {
    duration: Buckets<11>,
    request_size: Buckets<7>,
    response_size: Buckets<7>,
}

#[derive(Clone, Copy, Debug)]
struct Buckets<const N: usize> {
    counts: [u64; N],
    count: u64,
    sum: f64,
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
    /// Counts a connection.
    pub(crate) fn connection_opened(self: &Arc<Self>) -> ActiveConnection {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveConnection(Arc::clone(self))
    }

    /// Counts an exchange. Those without a route count as requests of the process only, as in ingress-nginx.
    pub(crate) fn exchange_finished(&self, record: &ExchangeRecord, now: Instant) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let Some(route) = &record.route else { return };
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if !routes.contains_key(&route.id) {
            let new = RouteSeries { route: Arc::clone(route), by_answer: HashMap::default() };
            routes.insert(route.id.clone(), new);
        }
        let Some(of_route) = routes.get_mut(&route.id) else { return };
        let series = of_route.by_answer.entry((record.status, method_label(&record.method))).or_default();
        series.duration.observe(&TIME_BUCKETS, now.duration_since(record.started).as_secs_f64());
        series.request_size.observe(&SIZE_BUCKETS, record.request_length() as f64);
        series.response_size.observe(&SIZE_BUCKETS, record.sent as f64);
    }
}

impl Metrics {
    /// Counters for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Arc::default()).collect() }
    }

    /// Those of each worker.
    pub(crate) fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.workers
    }

    /// The sums over all workers, for an encoder.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        let accepted: u64 = self.workers.iter().map(|worker| worker.accepted.load(Ordering::Relaxed)).sum();
        let active: i64 = self.workers.iter().map(|worker| worker.active.load(Ordering::Relaxed)).sum();
        let requests: u64 = self.workers.iter().map(|worker| worker.requests.load(Ordering::Relaxed)).sum();
        let connections =
            ["accepted", "handled"].map(|state| counter(vec![label("state", state)], accepted)).to_vec();
        let mut families = vec![
            family(
                "nginx_process_connections_total",
                "Connections since the start",
                MetricType::COUNTER,
                connections,
            ),
            family(
                "nginx_process_connections",
                "Connections now",
                MetricType::GAUGE,
                vec![gauge(vec![label("state", "active")], active as f64)],
            ),
            family(
                "nginx_process_requests_total",
                "Requests since the start",
                MetricType::COUNTER,
                vec![counter(Vec::new(), requests)],
            ),
        ];
        families.extend(self.route_families());
        families
    }

    fn route_families(&self) -> Vec<MetricFamily> {
        let mut totals: HashMap<RouteId, RouteSeries> = HashMap::new();
        for worker in &self.workers {
            let routes = worker.routes.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, series) in routes.iter() {
                match totals.entry(id.clone()) {
                    Entry::Occupied(mut total) => total.get_mut().add(series),
                    Entry::Vacant(free) => {
                        free.insert(series.clone());
                    }
                }
            }
        }
        let (mut count, mut duration, mut request, mut response) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for total in totals.values() {
            for (&(status, method), series) in &total.by_answer {
                let labels = labels(&total.route, status, method);
                count.push(counter(labels.clone(), series.duration.count));
                duration.push(series.duration.metric(&TIME_BUCKETS, labels.clone()));
                request.push(series.request_size.metric(&SIZE_BUCKETS, labels.clone()));
                response.push(series.response_size.metric(&SIZE_BUCKETS, labels));
            }
        }
        let families = [
            family("requests", "Requests", MetricType::COUNTER, count),
            family("request_duration_seconds", "Time per request", MetricType::HISTOGRAM, duration),
            family("request_size", "Bytes per request", MetricType::HISTOGRAM, request),
            family("response_size", "Bytes per response body", MetricType::HISTOGRAM, response),
        ];
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

impl RouteSeries {
    fn add(&mut self, other: &Self) {
        for (answer, series) in &other.by_answer {
            let total = self.by_answer.entry(*answer).or_default();
            total.duration.add(&series.duration);
            total.request_size.add(&series.request_size);
            total.response_size.add(&series.response_size);
        }
    }
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self { counts: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Buckets<N> {
    fn observe(&mut self, bounds: &[f64; N], value: f64) {
        self.count += 1;
        self.sum += value;
        if let Some((count, _)) = self.counts.iter_mut().zip(bounds).find(|(_, bound)| value <= **bound) {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }

    fn metric(&self, bounds: &[f64; N], labels: Vec<LabelPair>) -> Metric {
        let mut cumulative = 0;
        let buckets = self.counts.iter().zip(bounds).map(|(count, bound)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum);
        let mut metric = Metric::from_label(labels);
        metric.set_histogram(histogram);
        metric
    }
}

fn labels(route: &Route, status: StatusCode, method: &str) -> Vec<LabelPair> {
    vec![
        label("canary", ""),
        label("ingress", &route.origin.ingress),
        label("method", method),
        label("namespace", &route.origin.namespace),
        label("path", route.path.text()),
        label("service", &route.origin.service),
        label("status", status.as_str()),
    ]
}

/// Clients may invent methods; labels may not grow with them.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn counter(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("{PREFIX}{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
