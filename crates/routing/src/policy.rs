//! What holds for all requests to an upstream, whichever route they come by.
//!
//! ingress-nginx keeps one backend for each port of a Service, and settings of the Ingress that came first hold for all
//! that lead there. Here that is so for what is a property of the endpoints (how much they bear, whether they are
//! well) and for sessions: a session that one Ingress begins is kept by another that leads to the same Service. How the
//! endpoint of a request without a session is chosen stays the route's own ([`crate::Balance`]): there the Ingress
//! that is read gets what it says, whoever was first.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::session::Session;

/// What holds for all requests to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Sessions that some route to it begins.
    pub session: Option<Session>,
    /// How much its endpoints bear.
    pub cap: Option<Cap>,
    /// How long a new endpoint takes to get its whole share.
    pub slow_start: Option<Duration>,
    /// How endpoints are probed.
    pub check: Option<Check>,
}

/// How many requests an endpoint may have under way, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// At one endpoint.
    pub requests: NonZeroU32,
    /// How many may wait for one that is free; those beyond are answered with 503 at once.
    pub queue: u32,
    /// For how long.
    pub wait: Duration,
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// Path that is asked for.
    pub path: String,
    /// `Host` of the question; `None`: the endpoint's address.
    pub host: Option<String>,
    /// Between two checks of one endpoint.
    pub interval: Duration,
    /// For the answer.
    pub timeout: Duration,
    /// After so many failures in a row the endpoint is put aside.
    pub failures: NonZeroU32,
    /// After so many successes in a row it is back.
    pub passes: NonZeroU32,
    /// Which statuses are a success.
    pub statuses: RangeInclusive<u16>,
}
