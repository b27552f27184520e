//! What is measured and how finely.

use std::collections::BTreeSet;

/// What is measured and how finely: ingress-nginx's flags and their defaults.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// What the label `host` says.
    pub hosts: HostLabels,
    /// What the label `status` says.
    pub statuses: StatusLabels,
    /// Upper bounds in seconds (`--time-buckets`), ascending.
    pub time_buckets: Vec<f64>,
    /// Upper bounds in bytes of `request_size` and `response_size` (`--length-buckets`), ascending.
    pub length_buckets: Vec<f64>,
    /// Upper bounds in bytes of `bytes_sent` (`--size-buckets`), ascending.
    pub size_buckets: Vec<f64>,
    /// Names of metrics of requests that are not shown, with or without prefix (`--exclude-socket-metrics`).
    pub excluded: BTreeSet<String>,
    /// How many routes are told apart; the requests of those beyond are counted for their Ingress, and of twice as
    /// many, together. 0: any number (`--metrics-max-routes`).
    pub most_routes: usize,
}

/// `--metrics-per-host` and `--metrics-per-undefined-host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostLabels {
    /// There is no such label.
    None,
    /// The host of the rule; requests that no rule takes are not counted.
    #[default]
    Defined,
    /// And for requests that no rule takes, the host that the client wrote. Clients decide how many there are, up to a
    /// thousand; the rest have none.
    Undefined,
}

/// `--report-status-classes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusLabels {
    /// `200`
    #[default]
    Codes,
    /// `2xx`
    Classes,
}

/// Hosts without a rule that a worker tells apart.
pub(super) const MOST_HOSTS: usize = 1000;

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            hosts: HostLabels::default(),
            statuses: StatusLabels::default(),
            time_buckets: vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            length_buckets: (1..=10).map(|tens| f64::from(tens * 10)).collect(),
            size_buckets: (1..=7).map(|power| 10_f64.powi(power)).collect(),
            excluded: BTreeSet::new(),
            most_routes: 10_000,
        }
    }
}

impl MetricsSettings {
    /// Whether the metric of requests with this name (without prefix) is shown.
    pub(crate) fn shows(&self, name: &str) -> bool {
        !self
            .excluded
            .iter()
            .any(|excluded| excluded.strip_prefix(super::families::PREFIX).unwrap_or(excluded) == name)
    }
}
