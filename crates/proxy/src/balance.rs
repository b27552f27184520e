//! Which endpoint is tried next: round robin, per worker and upstream.

use std::cell::RefCell;
use std::collections::HashMap;

use jamul_routing::{Endpoint, Upstream, UpstreamId};

/// Where each upstream's round stands. Outlives Snapshots, so that a reload does not send everybody to the
/// first endpoint.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    next: RefCell<HashMap<UpstreamId, usize, foldhash::fast::RandomState>>,
}

/// Upstreams to remember; beyond it all rounds start anew, which only costs evenness for a moment.
const MAX_UPSTREAMS: usize = 100_000;

impl Rounds {
    /// The endpoints of `upstream` in the order in which this exchange tries them.
    pub(crate) fn order<'a>(&self, upstream: &'a Upstream) -> impl Iterator<Item = &'a Endpoint> + use<'a> {
        let count = upstream.endpoints.len().max(1);
        let mut next = self.next.borrow_mut();
        let start = match next.get_mut(&upstream.id) {
            Some(turn) => {
                *turn = turn.wrapping_add(1);
                *turn
            }
            None => {
                if next.len() >= MAX_UPSTREAMS {
                    next.clear();
                }
                // Workers start at different endpoints.
                let start = fastrand::usize(..count);
                next.insert(upstream.id.clone(), start);
                start
            }
        };
        let first = start % count;
        let all = upstream.endpoints.as_slice();
        let (later, sooner) = all.split_at_checked(first).unwrap_or((&[], all));
        sooner.iter().chain(later)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn each_exchange_starts_at_the_next_endpoint_and_tries_all() {
        let endpoints: Vec<_> =
            (1..=3).map(|port| Endpoint::Address(([127, 0, 0, 1], port).into())).collect();
        let id = UpstreamId("default/web:80".into());
        let upstream = Upstream { id, protocol: jamul_routing::Protocol::Http, endpoints: endpoints.clone() };
        let rounds = Rounds::default();
        let firsts: Vec<_> = (0..3).map(|_| rounds.order(&upstream).next().unwrap().clone()).collect();
        let mut sorted = firsts;
        sorted.sort();
        assert_eq!(sorted, endpoints);
        assert_eq!(rounds.order(&upstream).count(), 3);
    }

    #[test]
    fn an_upstream_without_endpoints_has_an_empty_order() {
        let id = UpstreamId("default/web:80".into());
        let upstream = Upstream { id, protocol: jamul_routing::Protocol::Http, endpoints: Vec::new() };
        assert_eq!(Rounds::default().order(&upstream).count(), 0);
    }
}
