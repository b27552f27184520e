//! A record until its exchange is over.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::access_log::AccessLog;
use crate::metrics::WorkerMetrics;
use crate::record::ExchangeRecord;
use crate::tap::Tap;

/// A record that is still being written: when it is dropped, the exchange is over and counted.
#[derive(Debug)]
pub(crate) struct OpenRecord {
    pub(crate) record: Box<ExchangeRecord>,
    metrics: Arc<WorkerMetrics>,
    log: Rc<AccessLog>,
    tap: Tap,
}

impl OpenRecord {
    /// Opens `record`.
    pub(crate) fn new(
        record: ExchangeRecord,
        metrics: &Arc<WorkerMetrics>,
        log: &Rc<AccessLog>,
        tap: &Tap,
    ) -> Self {
        metrics.exchange_begun();
        Self { record: Box::new(record), metrics: Arc::clone(metrics), log: Rc::clone(log), tap: tap.clone() }
    }

    /// The client was given so many bytes more.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.record.sent += bytes;
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let now = Instant::now();
        self.metrics.exchange_finished(&self.record, now);
        self.log.exchange_finished(&self.record, now);
        self.tap.exchange_finished(&self.record, now);
    }
}
