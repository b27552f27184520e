//! Finds the route of a request.

use std::sync::Arc;

use crate::head::RequestHead;
use crate::host::{Host, HostMap, HostPattern};
use crate::path::PathMatch;
use crate::route::Route;

/// The routes of one host, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct HostRoutes {
    /// Ordered by [`HostRoutes::new`].
    routes: Vec<Arc<Route>>,
    /// Whether plain http is redirected (the host has TLS); used by `ssl-redirect`.
    pub has_tls: bool,
}

impl HostRoutes {
    /// Orders `routes` as ingress-nginx does: Exact first, then the longest path; in regex mode the longest first.
    /// Equal matches keep their order (the oldest Ingress first); only the first of them is ever found.
    #[must_use]
    pub fn new(mut routes: Vec<Arc<Route>>, has_tls: bool) -> Self {
        routes.sort_by_key(|route| {
            let is_exact = matches!(route.path, PathMatch::Exact(_));
            (!is_exact, std::cmp::Reverse(route.path.text().len()))
        });
        Self { routes, has_tls }
    }

    /// In the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    fn find(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.path.matches(path))
    }
}

/// Host and path to route.
#[derive(Clone, Debug, Default)]
pub struct Router {
    hosts: HostMap<Arc<HostRoutes>>,
}

/// The route that was found.
#[derive(Clone, Debug)]
pub struct Match {
    /// The route.
    pub route: Arc<Route>,
    /// Whether its host has TLS.
    pub has_tls: bool,
}

impl Router {
    /// Serves `routes` for `pattern`.
    pub fn insert(&mut self, pattern: HostPattern, routes: Arc<HostRoutes>) {
        self.hosts.insert(pattern, routes);
    }

    /// Forgets the routes of `pattern`.
    pub fn remove(&mut self, pattern: &HostPattern) {
        self.hosts.remove(pattern);
    }

    /// The route for a request: its host (exact, wildcard, any), then the path. The default backend is a route of
    /// the host for any name; `None` means 404.
    #[must_use]
    pub fn find(&self, head: &RequestHead) -> Option<Match> {
        self.find_path(&head.host, &head.path)
    }

    /// [`Self::find`] for a host and a canonical path.
    #[must_use]
    pub fn find_path(&self, host: &Host, path: &str) -> Option<Match> {
        let found = match self.hosts.find(host) {
            Some(routes) => Some(routes),
            None => self.hosts.any(),
        }?;
        let route = found.find(path)?;
        Some(Match { route: Arc::clone(route), has_tls: found.has_tls })
    }

    /// The routes that serve `host`.
    #[must_use]
    pub fn host(&self, host: &Host) -> Option<&Arc<HostRoutes>> {
        self.hosts.find(host).or_else(|| self.hosts.any())
    }

    /// All hosts with their routes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Arc<HostRoutes>)> {
        self.hosts.iter()
    }
}
