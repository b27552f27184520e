//! Work the CA does after it answered: validations and issuing. What waits here is on record, so a restart finds it again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::records::{AuthorizationId, OrderId};

/// One piece of work: give it to `Ca::perform`.
#[derive(Clone, Debug)]
pub struct Job(pub(super) Work);

#[derive(Clone, Debug)]
pub(super) enum Work {
    Validate(AuthorizationId),
    Issue(OrderId),
}

/// The work that waits. Its length is bounded by the orders that may be open.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    waiting: Mutex<VecDeque<Job>>,
    added: Notify,
}

impl Jobs {
    pub(super) fn add_validation(&self, id: AuthorizationId) {
        self.add(Job(Work::Validate(id)));
    }

    pub(super) fn add_issuing(&self, id: OrderId) {
        self.add(Job(Work::Issue(id)));
    }

    pub(super) fn add(&self, job: Job) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        self.added.notify_one();
    }

    pub(super) fn take(&self) -> Option<Job> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for work. Nothing is lost when the future is dropped.
    pub(super) async fn next(&self) -> Job {
        loop {
            if let Some(job) = self.take() {
                return job;
            }
            self.added.notified().await;
        }
    }
}
