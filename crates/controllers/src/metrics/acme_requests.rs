//! Requests to ACME servers: how many, for what, with which end, and how long they took.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use jamul_acme::client::Operation;
use jamul_acme::{BoxFuture, Transport, TransportError};
use prometheus::core::Collector;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType, Quantile, Summary};
use prometheus::{Error, IntCounterVec, Opts};
use tokio::time::Instant;

const LABELS: [&str; 5] = ["scheme", "host", "action", "method", "status"];
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// How many of the last requests with the same labels quantiles are taken of.
const REMEMBERED: usize = 500;
/// Older ones count no more, as with Go's summaries.
const MOST_AGE: Duration = Duration::from_secs(600);
/// What the label `status` says where no answer came.
const NO_ANSWER: &str = "999";

/// What is counted.
#[derive(Debug)]
pub(crate) struct AcmeRequests {
    counts: IntCounterVec,
    durations: Mutex<BTreeMap<[String; 5], Durations>>,
}

/// Of requests with the same labels.
#[derive(Debug, Default)]
struct Durations {
    count: u64,
    sum: f64,
    last: VecDeque<(Instant, f64)>,
}

impl AcmeRequests {
    pub(super) fn new() -> Result<Self, Error> {
        let help = "The number of requests made by the ACME client.";
        let counts = Opts::new("certmanager_http_acme_client_request_count", help);
        Ok(Self { counts: IntCounterVec::new(counts, &LABELS)?, durations: Mutex::default() })
    }

    pub(super) fn counts(&self) -> Box<dyn Collector> {
        Box::new(self.counts.clone())
    }

    fn count(&self, labels: [String; 5], took: Duration, now: Instant) {
        self.counts.with_label_values(&labels.each_ref().map(String::as_str)).inc();
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let of_these = durations.entry(labels).or_default();
        of_these.count += 1;
        of_these.sum += took.as_secs_f64();
        of_these.last.push_back((now, took.as_secs_f64()));
        if of_these.last.len() > REMEMBERED {
            of_these.last.pop_front();
        }
    }

    /// The summary, once there was a request; NaN for quantiles of labels that were not seen for long, as Go's client
    /// writes it.
    pub(super) fn durations(&self) -> Option<MetricFamily> {
        let now = Instant::now();
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = durations.iter_mut().map(|(labels, durations)| {
            durations.last.retain(|(at, _)| now.duration_since(*at) <= MOST_AGE);
            let pairs = LABELS.iter().zip(labels).map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.clone());
                pair
            });
            let mut metric = Metric::from_label(pairs.collect());
            metric.set_summary(summary(durations));
            metric
        });
        let metrics: Vec<Metric> = metrics.collect();
        if metrics.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name("certmanager_http_acme_client_request_duration_seconds".to_owned());
        family.set_help("The HTTP request latencies in seconds for the ACME client.".to_owned());
        family.set_field_type(MetricType::SUMMARY);
        family.set_metric(metrics);
        Some(family)
    }
}

fn summary(durations: &Durations) -> Summary {
    let mut sorted: Vec<f64> = durations.last.iter().map(|(_, seconds)| *seconds).collect();
    sorted.sort_by(f64::total_cmp);
    let quantiles = QUANTILES.map(|rank| {
        let index = (rank * sorted.len() as f64).ceil() as usize;
        let mut quantile = Quantile::default();
        quantile.set_quantile(rank);
        quantile.set_value(sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN));
        quantile
    });
    let mut summary = Summary::default();
    summary.set_sample_count(durations.count);
    summary.set_sample_sum(durations.sum);
    summary.set_quantile(quantiles.into());
    summary
}

/// Counts what goes through another transport.
#[derive(Debug)]
pub(crate) struct CountedTransport {
    inner: Arc<dyn Transport>,
    requests: Arc<AcmeRequests>,
}

impl CountedTransport {
    pub(crate) fn new(inner: Arc<dyn Transport>, requests: Arc<AcmeRequests>) -> Self {
        Self { inner, requests }
    }
}

impl Transport for CountedTransport {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().clone();
            let method = request.method().to_string();
            let operation = request.extensions().get::<Operation>().copied();
            let began = Instant::now();
            let answer = self.inner.send(request).await;
            let status =
                answer.as_ref().map_or(NO_ANSWER.to_owned(), |answer| answer.status().as_str().to_owned());
            let labels = [
                url.scheme_str().unwrap_or_default().to_owned(),
                url.authority().map(|authority| authority.to_string()).unwrap_or_default(),
                operation.map_or("", Operation::name).to_owned(),
                method,
                status,
            ];
            let now = Instant::now();
            self.requests.count(labels, now.duration_since(began), now);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_acme::{AccountKey, Client};
    use jamul_pki::{KeyAlgorithm, PrivateKey};
    use prometheus::TextEncoder;

    use super::*;

    /// Has a directory and refuses everything else; one path is not reachable.
    #[derive(Debug)]
    struct Scripted;

    impl Transport for Scripted {
        fn send(
            &self,
            request: Request<Vec<u8>>,
        ) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
            let url = request.uri().to_string();
            let answer = match request.uri().path() {
                "/directory" => Ok(DIRECTORY),
                _ => Err(TransportError { url, source: "nobody listens".into() }),
            };
            Box::pin(async move { answer.map(|body| Response::new(body.as_bytes().to_vec())) })
        }
    }

    const DIRECTORY: &str = r#"{"newNonce":"https://ca.test:14000/nonce","newAccount":"https://ca.test:14000/account",
        "newOrder":"https://ca.test:14000/order","revokeCert":"https://ca.test:14000/revoke"}"#;

    #[tokio::test]
    async fn requests_are_counted_by_what_they_are_for_and_how_they_ended() {
        let requests = Arc::new(AcmeRequests::new().unwrap());
        let transport = Arc::new(CountedTransport::new(Arc::new(Scripted), Arc::clone(&requests)));
        let client = Client::discover(transport, "https://ca.test:14000/directory").await.unwrap();
        let key = AccountKey::new(PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()).unwrap();
        client.register(&key, &[], true, None).await.unwrap_err();
        let families: Vec<_> = requests.counts().collect().into_iter().chain(requests.durations()).collect();
        let text = TextEncoder::new().encode_to_string(&families).unwrap();
        let of = |action: &str, method: &str, status: &str| {
            format!(
                r#"action="{action}",host="ca.test:14000",method="{method}",scheme="https",status="{status}""#
            )
        };
        let count = |labels: String| format!("certmanager_http_acme_client_request_count{{{labels}}} 1");
        for line in [count(of("discover", "GET", "200")), count(of("register_account", "HEAD", "999"))] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let summary = "certmanager_http_acme_client_request_duration_seconds";
        assert_eq!(text.matches(&format!("{summary}_count{{")).count(), 2, "{text}");
        assert_eq!(text.matches(r#"quantile="0.99""#).count(), 2, "{text}");
    }
}
