//! Finds the route of a request.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::head::RequestHead;
use crate::host::{Host, HostMap, HostPattern};
use crate::path::PathMatch;
use crate::route::{Origin, Route, RouteId};
use crate::tls_policy::TlsPolicy;
use crate::upstream::UpstreamId;

/// The routes of one host, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct HostRoutes {
    /// Ordered by [`HostRoutes::new`].
    routes: Vec<Arc<Route>>,
    /// Whether plain http is redirected (the host has TLS); used by `ssl-redirect`.
    pub has_tls: bool,
    shadowed: Vec<Shadowed>,
    /// How TLS is spoken with its clients; `None` = as with those of all hosts.
    pub tls: Option<Arc<TlsPolicy>>,
    /// Where its TLS goes undecrypted.
    pub passthrough: Option<UpstreamId>,
}

/// A rule without effect: an older Ingress has its place.
#[derive(Clone, Debug)]
pub struct Shadowed {
    /// The route that has it.
    pub by: RouteId,
    /// As written.
    pub path: String,
    /// Whose rule it is.
    pub origin: Origin,
}

impl HostRoutes {
    /// Orders `routes` as ingress-nginx does: Exact first, then the longest path, among equally long ones
    /// (which only regular expressions can both match) the lexicographically last. Equal matches keep their
    /// order (the oldest Ingress first); only the first of them is ever found.
    #[must_use]
    pub fn new(mut routes: Vec<Arc<Route>>, has_tls: bool) -> Self {
        routes.sort_by_cached_key(|route| {
            let is_exact = matches!(route.path, PathMatch::Exact(_));
            let text = route.path.text().to_owned();
            (!is_exact, Reverse(text.len()), Reverse(text))
        });
        Self { routes, has_tls, shadowed: Vec::new(), tls: None, passthrough: None }
    }

    /// The same, with the rules that have no effect; only [`Router::explain`] reads them.
    #[must_use]
    pub fn with_shadowed(self, shadowed: Vec<Shadowed>) -> Self {
        Self { shadowed, ..self }
    }

    /// The rules that have no effect.
    #[must_use]
    pub fn shadowed(&self) -> &[Shadowed] {
        &self.shadowed
    }

    /// In the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route that takes `path`.
    pub(crate) fn first(&self, path: &str) -> Option<&Arc<Route>> {
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

    /// The route for a request: its host (exact, wildcard, any), then the path. The default backend is a
    /// route of the host for any name; `None` means 404.
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
        let route = found.first(path)?;
        Some(Match { route: Arc::clone(route), has_tls: found.has_tls })
    }

    /// The routes that serve `host`.
    #[must_use]
    pub fn host(&self, host: &Host) -> Option<&Arc<HostRoutes>> {
        self.hosts.find(host).or_else(|| self.hosts.any())
    }

    /// The routes that serve a TLS client which asked for `name`, or for none.
    #[must_use]
    pub fn served(&self, name: Option<&Host>) -> Option<&Arc<HostRoutes>> {
        name.and_then(|name| self.own(name)).or_else(|| self.hosts.any())
    }

    /// The routes of `host` itself: not those for any host.
    #[must_use]
    pub fn own(&self, host: &Host) -> Option<&Arc<HostRoutes>> {
        self.hosts.find(host)
    }

    /// The routes of exactly this pattern.
    #[must_use]
    pub fn pattern(&self, pattern: &HostPattern) -> Option<&Arc<HostRoutes>> {
        self.hosts.get(pattern)
    }

    /// The hosts whose patterns take `host`; the first is the one that [`Self::find`] searches.
    pub(crate) fn takers(&self, host: &Host) -> impl Iterator<Item = (&HostPattern, &Arc<HostRoutes>)> {
        self.hosts.takers(host)
    }

    /// The hosts whose wildcards would take `host` if they stood for several labels.
    pub(crate) fn wider(&self, host: &Host) -> impl Iterator<Item = (&HostPattern, &Arc<HostRoutes>)> {
        self.hosts.wider(host)
    }

    /// All hosts with their routes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Arc<HostRoutes>)> {
        self.hosts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{prefix, regex, route};

    fn found(paths: Vec<PathMatch>, path: &str) -> Option<String> {
        let routes = paths.into_iter().map(|path| Arc::new(route(path))).collect();
        let mut router = Router::default();
        router.insert(HostPattern::Any, Arc::new(HostRoutes::new(routes, false)));
        let host = Host::parse("example.com").expect("a valid host");
        router.find_path(&host, path).map(|found| found.route.path.to_string())
    }

    #[test]
    fn exact_beats_prefix_of_the_same_and_of_a_longer_path() {
        let paths = || vec![prefix("/"), prefix("/foo"), PathMatch::Exact("/foo".to_owned())];
        assert_eq!(found(paths(), "/foo").as_deref(), Some("Exact /foo"));
        assert_eq!(found(paths(), "/foo/").as_deref(), Some("Prefix /foo"));
        assert_eq!(found(paths(), "/foobar").as_deref(), Some("Prefix /"));
    }

    #[test]
    fn the_longest_prefix_wins() {
        let paths = || vec![prefix("/a"), prefix("/a/b"), prefix("/a/b/c")];
        assert_eq!(found(paths(), "/a/b/x").as_deref(), Some("Prefix /a/b"));
        assert_eq!(found(paths(), "/a/b/c/d").as_deref(), Some("Prefix /a/b/c"));
        assert_eq!(found(paths(), "/x"), None);
    }

    #[test]
    fn in_regex_mode_the_longest_text_is_tried_first_and_ties_from_the_end_of_the_alphabet() {
        let paths = || vec![regex("/f.."), regex("/foo"), regex("/foo/(.*)")];
        assert_eq!(found(paths(), "/foo/x").as_deref(), Some("Regex /foo/(.*)"));
        assert_eq!(found(paths(), "/foobar").as_deref(), Some("Regex /foo"));
        assert_eq!(found(paths(), "/FAR").as_deref(), Some("Regex /f.."));
    }

    #[test]
    fn of_equal_routes_the_first_is_found() {
        let (mut first, second) = (route(prefix("/")), route(prefix("/")));
        first.id = crate::route::RouteId("oldest".into());
        let routes = HostRoutes::new(vec![Arc::new(first), Arc::new(second)], true);
        assert_eq!(routes.first("/x").map(|route| route.id.0.to_string()).as_deref(), Some("oldest"));
    }

    #[test]
    fn a_known_host_without_the_path_does_not_fall_to_the_host_for_any_name() {
        let mut router = Router::default();
        let any = HostRoutes::new(vec![Arc::new(route(prefix("/")))], false);
        let known = HostRoutes::new(vec![Arc::new(route(prefix("/foo")))], true);
        router.insert(HostPattern::Any, Arc::new(any));
        router.insert(HostPattern::parse("example.com").expect("valid"), Arc::new(known));
        let (known, other) = (Host::parse("example.com"), Host::parse("other.example"));
        let find = |host: &Host, path| router.find_path(host, path).map(|found| found.has_tls);
        assert_eq!(known.as_ref().and_then(|host| find(host, "/bar")), None);
        assert_eq!(known.as_ref().and_then(|host| find(host, "/foo")), Some(true));
        assert_eq!(other.as_ref().and_then(|host| find(host, "/bar")), Some(false));
    }
}
