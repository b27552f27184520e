//! How often an exchange tries, and after what (`proxy-next-upstream*`).

use std::time::Instant;

use http::{Method, Request, StatusCode};
use jamul_routing::{Condition, Retry};
use smallvec::SmallVec;

use crate::forward;
use crate::request_body::{Keep, Replay, RequestBody};

/// The attempts of one exchange.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    /// How many may still follow the current one.
    left: usize,
    /// Whether the request may be repeated after an endpoint may have acted on it.
    repeats: bool,
    /// Endpoints that failed.
    tried: SmallVec<[usize; 4]>,
    began: Instant,
}

impl Attempts {
    /// Before the first attempt at an upstream of so many endpoints.
    pub(crate) fn new(retry: Retry, method: &Method, endpoints: usize) -> Self {
        let left = retry.attempts(endpoints).saturating_sub(1);
        let repeats = retry.repeats(method);
        Self { retry, left, repeats, tried: SmallVec::new(), began: Instant::now() }
    }

    /// Whether the body may be needed again.
    pub(crate) fn keep(&self) -> Keep {
        if self.repeats { Keep::Yes } else { Keep::No }
    }

    /// The indices of the endpoints that failed.
    pub(crate) fn tried(&self) -> &[usize] {
        &self.tried
    }

    /// A copy of the request's head if it may be sent again. An idle connection may turn out to be closed, so a
    /// request that may be repeated has one even if there is no other endpoint.
    pub(crate) fn spare(&self, request: &Request<RequestBody>) -> Option<Request<()>> {
        self.repeats.then(|| forward::copy(request))
    }

    /// The request once more if an answer with this status is worth another endpoint.
    pub(crate) fn refuses(
        &self,
        status: StatusCode,
        spare: Option<Request<()>>,
        replay: &Replay,
    ) -> Option<Request<RequestBody>> {
        let condition = Condition::of_status(status)?;
        if self.goes_on_after(condition) { forward::whole(spare?, replay) } else { None }
    }

    /// Whether there is another attempt after what happened.
    pub(crate) fn goes_on_after(&self, condition: Condition) -> bool {
        let is_in_time = self.retry.within.is_none_or(|within| self.began.elapsed() < within);
        self.left > 0 && is_in_time && self.retry.on.contains(condition)
    }

    /// The endpoint at `index` failed; another attempt begins.
    pub(crate) fn next(&mut self, index: usize) {
        self.left = self.left.saturating_sub(1);
        self.tried.push(index);
    }
}
