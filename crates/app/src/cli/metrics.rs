//! Arguments about metrics, by ingress-nginx's names.

use clap::{ArgAction, Args};
use jamul_proxy::{HostLabels, MetricsSettings, StatusLabels};

use super::values;

/// What is measured and how finely.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArgs {
    /// Tell hosts apart in metrics of requests
    #[arg(
        long,
        env = "JAMUL_METRICS_PER_HOST",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    metrics_per_host: bool,
    /// Count requests that no rule takes, too, by the host that the client wrote
    #[arg(
        long,
        env = "JAMUL_METRICS_PER_UNDEFINED_HOST",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    metrics_per_undefined_host: bool,
    /// Tell apart 2xx, 3xx, 4xx and 5xx only
    #[arg(
        long,
        env = "JAMUL_REPORT_STATUS_CLASSES",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    report_status_classes: bool,
    /// Metrics of requests that are not shown, with or without prefix; comma separated
    #[arg(long, env = "JAMUL_EXCLUDE_SOCKET_METRICS", value_delimiter = ',', value_name = "NAME")]
    exclude_socket_metrics: Vec<String>,
    /// Upper bounds of histograms of times, in seconds [default: 0.005 to 10]
    #[arg(
        long,
        env = "JAMUL_TIME_BUCKETS",
        value_delimiter = ',',
        value_parser = values::bound,
        value_name = "SECONDS"
    )]
    time_buckets: Vec<f64>,
    /// Upper bounds of histograms of lengths, in bytes [default: 10 to 100]
    #[arg(
        long,
        env = "JAMUL_LENGTH_BUCKETS",
        value_delimiter = ',',
        value_parser = values::bound,
        value_name = "BYTES"
    )]
    length_buckets: Vec<f64>,
    /// Upper bounds of the histogram of bytes sent [default: 10 to 10000000]
    #[arg(
        long,
        env = "JAMUL_SIZE_BUCKETS",
        value_delimiter = ',',
        value_parser = values::bound,
        value_name = "BYTES"
    )]
    size_buckets: Vec<f64>,
    /// Routes that metrics tell apart; of more, Ingresses are; 0: any number
    #[arg(long, env = "JAMUL_METRICS_MAX_ROUTES", default_value_t = 10_000, value_name = "N")]
    metrics_max_routes: usize,
}

impl MetricsArgs {
    /// What they mean.
    pub(crate) fn settings(&self) -> MetricsSettings {
        let usual = MetricsSettings::default();
        let bounds = |given: &[f64], usual: Vec<f64>| {
            let mut bounds = if given.is_empty() { usual } else { given.to_vec() };
            bounds.sort_by(f64::total_cmp);
            bounds.dedup();
            bounds
        };
        MetricsSettings {
            hosts: match (self.metrics_per_host, self.metrics_per_undefined_host) {
                (false, _) => HostLabels::None,
                (true, false) => HostLabels::Defined,
                (true, true) => HostLabels::Undefined,
            },
            statuses: if self.report_status_classes { StatusLabels::Classes } else { StatusLabels::Codes },
            time_buckets: bounds(&self.time_buckets, usual.time_buckets),
            length_buckets: bounds(&self.length_buckets, usual.length_buckets),
            size_buckets: bounds(&self.size_buckets, usual.size_buckets),
            excluded: self.exclude_socket_metrics.iter().cloned().collect(),
            most_routes: self.metrics_max_routes,
        }
    }
}
