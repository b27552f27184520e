//! What is counted for one set of labels.

use std::time::Instant;

use prometheus::proto::{Bucket, Histogram, LabelPair, Metric};

use super::settings::MetricsSettings;
use crate::record::ExchangeRecord;

/// What is counted for one set of labels.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Exchanges.
    pub(super) requests: u64,
    /// From the first byte of the request to the last of the response.
    pub(super) request_time: Buckets,
    /// Of the attempt that was answered: until connected, until its head, until its end.
    pub(super) connect_time: Buckets,
    pub(super) header_time: Buckets,
    pub(super) response_time: Buckets,
    pub(super) request_length: Buckets,
    pub(super) response_length: Buckets,
    pub(super) bytes_sent: Buckets,
}

/// A histogram, without its bounds.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    counts: Box<[u64]>,
    count: u64,
    sum: f64,
}

impl Series {
    /// Nothing yet.
    pub(super) fn new(settings: &MetricsSettings) -> Self {
        let buckets = |bounds: &[f64]| Buckets { counts: vec![0; bounds.len()].into(), count: 0, sum: 0.0 };
        let time = || buckets(&settings.time_buckets);
        let length = || buckets(&settings.length_buckets);
        Self {
            requests: 0,
            request_time: time(),
            connect_time: time(),
            header_time: time(),
            response_time: time(),
            request_length: length(),
            response_length: length(),
            bytes_sent: buckets(&settings.size_buckets),
        }
    }

    /// One exchange more, which ended at `now`.
    pub(super) fn observe(&mut self, record: &ExchangeRecord, settings: &MetricsSettings, now: Instant) {
        let (times, lengths) = (&settings.time_buckets, &settings.length_buckets);
        self.requests += 1;
        self.request_time.observe(times, now.duration_since(record.started).as_secs_f64());
        if let Some(timing) = record.upstream.as_ref().and_then(|upstream| upstream.timing) {
            self.connect_time.observe(times, timing.connect.as_secs_f64());
            self.header_time.observe(times, timing.header.as_secs_f64());
            self.response_time.observe(times, now.duration_since(timing.began).as_secs_f64());
        }
        self.request_length.observe(lengths, record.request_length() as f64);
        let sent = (record.head_sent + record.sent) as f64;
        self.response_length.observe(lengths, sent);
        self.bytes_sent.observe(&settings.size_buckets, sent);
    }

    /// And what another worker counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.request_time.add(&other.request_time);
        self.connect_time.add(&other.connect_time);
        self.header_time.add(&other.header_time);
        self.response_time.add(&other.response_time);
        self.request_length.add(&other.request_length);
        self.response_length.add(&other.response_length);
        self.bytes_sent.add(&other.bytes_sent);
    }
}

impl Buckets {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.count += 1;
        self.sum += value;
        if let Some((count, _)) = self.counts.iter_mut().zip(bounds).find(|(_, bound)| value <= **bound) {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// As Prometheus has it; `None` if nothing was observed.
    pub(super) fn metric(&self, bounds: &[f64], labels: Vec<LabelPair>) -> Option<Metric> {
        if self.count == 0 {
            return None;
        }
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
        Some(metric)
    }
}
