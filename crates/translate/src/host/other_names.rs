//! What is served at other names because of a host: its aliases, and its name with or without `www.`.

use std::sync::Arc;

use jamul_routing::annotations::other_names::{www_counterpart, www_redirect};
use jamul_routing::draft::RouteDraft;
use jamul_routing::route::Target;
use jamul_routing::{Balance, Filter, HostPattern, HostRoutes, PathMatch, Route, RouteId};

use super::claims::{origin, root_of};
use crate::ingress::CompiledIngress;

/// The names, with the routes at each. A host of its own is not taken over.
pub(super) fn other_names(
    pattern: &HostPattern,
    ingresses: &[&CompiledIngress],
    routes: &Arc<HostRoutes>,
) -> Vec<(HostPattern, Arc<HostRoutes>)> {
    let mut drafts = ingresses.iter().map(|ingress| &ingress.draft.host);
    let aliases = drafts.clone().find(|draft| !draft.aliases.is_empty()).map(|draft| &draft.aliases);
    let aliases = aliases.into_iter().flatten().filter(|alias| *alias != pattern);
    let mut names: Vec<_> = aliases.map(|alias| (alias.clone(), Arc::clone(routes))).collect();
    if let (Some(status), HostPattern::Exact(host)) = (drafts.find_map(|draft| draft.www_redirect), pattern)
        && let Some(counterpart) = www_counterpart(pattern)
    {
        let filter = www_redirect(host.clone(), status);
        names.push((
            counterpart.clone(),
            Arc::new(redirecting(&counterpart, filter, ingresses, routes.has_tls)),
        ));
    }
    names
}

/// The routes of a name that only redirects.
fn redirecting(
    name: &HostPattern,
    filter: Arc<dyn Filter>,
    ingresses: &[&CompiledIngress],
    has_tls: bool,
) -> HostRoutes {
    let origin =
        ingresses.first().map(|ingress| origin(name, ingress, &root_of(ingress))).unwrap_or_default();
    let draft = RouteDraft::default();
    let route = Route {
        id: RouteId(format!("{name} Prefix /").into()),
        path: PathMatch::Prefix("/".to_owned()),
        origin,
        filters: vec![filter],
        target: Target::NotFound,
        balance: Balance::default(),
        alternatives: Vec::new(),
        retry: draft.retry,
        timeouts: draft.timeouts,
        pace: None,
        mirror: None,
        body_limit: draft.body_limit,
        errors: None,
        upstream_tls: None,
    };
    HostRoutes::new(vec![Arc::new(route)], has_tls)
}
