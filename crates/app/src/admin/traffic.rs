//! `/api/traffic`: what each route has answered since the start, in numbers that a reader subtracts from each other.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily};
use serde::{Deserialize, Serialize};

/// Requests of one route since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteTraffic {
    /// `namespace/name`.
    pub(crate) ingress: String,
    /// Host, where metrics have one.
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) service: String,
    pub(crate) requests: u64,
    /// By the first digit of the status: `[1xx, 2xx, 3xx, 4xx, 5xx]`.
    pub(crate) by_class: [u64; 5],
    /// Sum of all durations.
    pub(crate) seconds: f64,
    /// `[upper bound in seconds, requests that took no longer]`, ascending.
    pub(crate) buckets: Vec<(f64, u64)>,
}

/// All routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) routes: Vec<RouteTraffic>,
}

/// Ordered by Ingress, host, path and Service.
pub(crate) fn traffic(families: &[MetricFamily]) -> Traffic {
    let mut routes = BTreeMap::<[String; 4], RouteTraffic>::new();
    let durations =
        families.iter().filter(|family| family.name() == "nginx_ingress_controller_request_duration_seconds");
    for metric in durations.flat_map(MetricFamily::get_metric) {
        let ingress = format!("{}/{}", label(metric, "namespace"), label(metric, "ingress"));
        let key = [ingress.as_str(), label(metric, "host"), label(metric, "path"), label(metric, "service")];
        let [ingress, host, path, service] = key.map(ToOwned::to_owned);
        let key = [ingress.clone(), host.clone(), path.clone(), service.clone()];
        let route = routes.entry(key).or_insert_with(|| RouteTraffic {
            ingress,
            host: Some(host).filter(|host| !host.is_empty()),
            path,
            service,
            ..RouteTraffic::default()
        });
        route.add(metric);
    }
    Traffic { routes: routes.into_values().collect() }
}

impl RouteTraffic {
    fn add(&mut self, metric: &Metric) {
        let histogram = metric.get_histogram();
        let count = histogram.get_sample_count();
        self.requests += count;
        self.seconds += histogram.get_sample_sum();
        let class = label(metric, "status").bytes().next().and_then(|digit| digit.checked_sub(b'1'));
        if let Some(total) = class.and_then(|class| self.by_class.get_mut(usize::from(class))) {
            *total += count;
        }
        let bounds = histogram.get_bucket();
        if self.buckets.is_empty() {
            self.buckets = bounds.iter().map(|bound| (bound.upper_bound(), 0)).collect();
        }
        for ((_, total), bound) in self.buckets.iter_mut().zip(bounds) {
            *total += bound.cumulative_count();
        }
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
}

#[cfg(test)]
mod tests {
    use prometheus::core::Collector as _;
    use prometheus::{HistogramOpts, HistogramVec};

    use super::*;

    #[test]
    fn answers_of_one_route_are_added_up() {
        let name = "nginx_ingress_controller_request_duration_seconds";
        let options = HistogramOpts::new(name, "Seconds").buckets(vec![0.1, 1.0]);
        let labels = ["namespace", "ingress", "path", "service", "status"];
        let histogram = HistogramVec::new(options, &labels).expect("valid options");
        for (status, took) in [("200", 0.05), ("200", 0.5), ("503", 2.0)] {
            histogram.with_label_values(&["default", "web", "/", "web", status]).observe(took);
        }
        histogram.with_label_values(&["default", "web", "/x", "web", "200"]).observe(0.05);
        let traffic = traffic(&histogram.collect());
        let paths: Vec<_> = traffic.routes.iter().map(|route| route.path.as_str()).collect();
        assert_eq!(paths, ["/", "/x"]);
        let route = traffic.routes.first().expect("two routes");
        assert_eq!((route.requests, route.by_class), (3, [0, 2, 0, 0, 1]));
        assert_eq!(route.buckets, [(0.1, 1), (1.0, 2)]);
    }
}
