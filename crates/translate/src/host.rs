//! The Ingresses of one host to its routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_routing::draft::SslRedirect;
use jamul_routing::path::Pattern;
use jamul_routing::route::Target;
use jamul_routing::router::Shadowed;
use jamul_routing::{
    Alternative, Balance, Diagnostic, Filter, HostPattern, HostRoutes, Origin, PathMatch, Protocol, Route,
    RouteId, Severity,
};

use crate::backend::Backend;
use crate::canary::{self, Canaries};
use crate::ingress::{Claim, CompiledIngress, Destination, PathKind};

/// What one host serves.
#[derive(Debug)]
pub(crate) struct HostTranslation {
    pub(crate) routes: Arc<HostRoutes>,
    /// The Upstreams that its routes name, and for whom.
    pub(crate) uses: Vec<Use>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// One route's use of an Upstream.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) backend: Backend,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) ingress: ObjectKey,
    pub(crate) field: String,
}

/// Merges what `ingresses` (oldest first) claim on `pattern`: the first claim of a path and its type wins;
/// where nobody claims `/`, the oldest decides what is there.
pub(crate) fn translate(pattern: &HostPattern, ingresses: &[&CompiledIngress]) -> HostTranslation {
    let (canaries, ingresses): (Vec<_>, Vec<_>) =
        ingresses.iter().copied().partition(|ingress| ingress.draft.canary.is_some());
    let mut host = HostBuilder {
        pattern,
        canaries: canary::of(pattern, &canaries),
        is_regex: ingresses.iter().any(|ingress| ingress.draft.host.regex_mode),
        has_tls: has_tls(&ingresses),
        owners: BTreeMap::new(),
        routes: Vec::new(),
        shadowed: Vec::new(),
        uses: Vec::new(),
        diagnostics: Vec::new(),
    };
    for ingress in &ingresses {
        for claim in ingress.hosts.get(pattern).into_iter().flatten() {
            host.claim(ingress, claim);
        }
    }
    host.root(&ingresses);
    host.reject_lone_canaries();
    let routes = Arc::new(HostRoutes::new(host.routes, host.has_tls).with_shadowed(host.shadowed));
    HostTranslation { routes, uses: host.uses, diagnostics: host.diagnostics }
}

/// A host has TLS as soon as one of its Ingresses has a `spec.tls`, whether or not its certificate can be
/// used.
fn has_tls(ingresses: &[&CompiledIngress]) -> bool {
    ingresses.iter().any(|ingress| !ingress.tls.is_empty())
}

#[derive(Debug)]
struct HostBuilder<'a> {
    pattern: &'a HostPattern,
    /// Variants that no route has taken up yet.
    canaries: Canaries<'a>,
    is_regex: bool,
    has_tls: bool,
    /// Who claimed a path first.
    owners: BTreeMap<(PathKind, String), &'a ObjectKey>,
    routes: Vec<Arc<Route>>,
    /// Claims that came too late.
    shadowed: Vec<Shadowed>,
    uses: Vec<Use>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> HostBuilder<'a> {
    fn claim(&mut self, ingress: &'a CompiledIngress, claim: &Claim) {
        let place = (claim.kind, claim.path.clone());
        if let Some(owner) = self.owners.get(&place) {
            let message = format!(
                "{} path {:?} of host {} is already served by Ingress {owner}; this one has no effect; \
                 take one of them away",
                kind_name(claim.kind),
                claim.path,
                self.pattern
            );
            self.report(Severity::Warning, ingress, &claim.field, "PathConflict", message);
            let (by, path) = (self.route_id(claim), claim.path.clone());
            self.shadowed.push(Shadowed { by, path, origin: origin(ingress, claim) });
            return;
        }
        self.owners.insert(place, &ingress.age.key);
        self.add(ingress, claim);
    }

    /// What is at `/` where no rule says so: the default backend of the oldest Ingress of the host; for any
    /// host, of the oldest Ingress without rules.
    fn root(&mut self, ingresses: &[&'a CompiledIngress]) {
        if *self.pattern == HostPattern::Any {
            for ingress in ingresses.iter().filter(|ingress| !ingress.has_rules) {
                self.claim(ingress, &root_of(ingress));
            }
        } else if let Some(oldest) = ingresses.first()
            && !self.owners.contains_key(&(PathKind::Prefix, "/".to_owned()))
        {
            self.add(oldest, &root_of(oldest));
        }
    }

    fn add(&mut self, ingress: &CompiledIngress, claim: &Claim) {
        let id = self.route_id(claim);
        let (path, is_understood) = self.path(ingress, claim);
        let is_closed = ingress.is_closed || !is_understood;
        let draft = &ingress.draft.route;
        let key = &ingress.age.key;
        let target = match &claim.destination {
            Destination::Service(_) | Destination::Nothing if is_closed => Target::Closed,
            Destination::Nothing => Target::NotFound,
            Destination::Service(backend) => {
                self.uses.push(Use {
                    backend: backend.clone(),
                    protocol: draft.protocol,
                    ingress: key.clone(),
                    field: claim.field.clone(),
                });
                Target::Upstream(backend.upstream_id(draft.protocol))
            }
        };
        let cookie_path = if self.is_regex { "/" } else { claim.path.as_str() };
        let balance = Balance {
            method: draft.method.clone(),
            session: canary::session(draft.session.as_ref(), &claim.destination, cookie_path),
        };
        let alternatives = match &target {
            Target::Upstream(_) => self.alternatives(ingress, claim, cookie_path),
            Target::NotFound | Target::Closed => Vec::new(),
        };
        self.routes.push(Arc::new(Route {
            id,
            path,
            origin: origin(ingress, claim),
            filters: filters(ingress, self.has_tls, is_closed),
            target,
            balance,
            alternatives,
            retry: draft.retry,
            timeouts: draft.timeouts,
            body_limit: draft.body_limit,
        }));
    }

    /// The canaries of one path. As in ingress-nginx the oldest is the only one.
    fn alternatives(
        &mut self,
        ingress: &CompiledIngress,
        claim: &Claim,
        cookie_path: &str,
    ) -> Vec<Alternative> {
        let mut offered =
            self.canaries.remove(&(claim.kind, claim.path.clone())).unwrap_or_default().into_iter();
        let Some((canary, of_canary)) = offered.next() else { return Vec::new() };
        for (late, of_late) in offered {
            let message = format!(
                "Ingress {} is the canary of this path already; this one has no effect; take one of them away",
                canary.age.key
            );
            self.report(Severity::Warning, late, &of_late.field, "CanaryConflict", message);
        }
        let Destination::Service(backend) = &of_canary.destination else { return Vec::new() };
        let protocol = ingress.draft.route.protocol;
        let Some(split) = canary.draft.canary.clone() else { return Vec::new() };
        self.uses.push(Use {
            backend: backend.clone(),
            protocol,
            ingress: canary.age.key.clone(),
            field: of_canary.field.clone(),
        });
        let cookie = canary::cookie(&ingress.draft.route, &canary.draft.route);
        let balance = Balance {
            method: canary.draft.route.method.clone(),
            session: canary::session(cookie, &of_canary.destination, cookie_path),
        };
        vec![Alternative { split, upstream: backend.upstream_id(protocol), balance }]
    }

    fn reject_lone_canaries(&mut self) {
        for (ingress, claim) in std::mem::take(&mut self.canaries).into_values().flatten() {
            let message = format!(
                "no other Ingress serves {} path {:?} of host {}, so this canary is a variant of nothing; \
                 it is not served",
                kind_name(claim.kind),
                claim.path,
                self.pattern
            );
            self.report(Severity::Warning, ingress, &claim.field, "CanaryAlone", message);
        }
    }

    fn route_id(&self, claim: &Claim) -> RouteId {
        RouteId(format!("{} {} {}", self.pattern, kind_name(claim.kind), claim.path).into())
    }

    /// How the path matches, and whether it could be understood; if not, it is taken literally (and closed).
    fn path(&mut self, ingress: &CompiledIngress, claim: &Claim) -> (PathMatch, bool) {
        if !self.is_regex {
            let path = match claim.kind {
                PathKind::Exact => PathMatch::Exact(claim.path.clone()),
                PathKind::Prefix => PathMatch::Prefix(claim.path.clone()),
            };
            return (path, true);
        }
        match Pattern::location(&claim.path) {
            Ok(pattern) => (PathMatch::Regex(pattern), true),
            Err(error) => {
                let message = format!(
                    "path {:?} is no regular expression ({error}), and host {} is in regex mode; \
                     the path answers 503 until it is mended",
                    claim.path, self.pattern
                );
                self.report(Severity::Error, ingress, &claim.field, "InvalidPath", message);
                (PathMatch::Prefix(claim.path.clone()), false)
            }
        }
    }

    fn report(
        &mut self,
        severity: Severity,
        ingress: &CompiledIngress,
        field: &str,
        reason: &'static str,
        message: String,
    ) {
        let (object, field) = (format!("Ingress {}", ingress.age.key), field.to_owned());
        self.diagnostics.push(Diagnostic { severity, object, field, reason, message });
    }
}

/// Whose claim it is, and where it leads.
fn origin(ingress: &CompiledIngress, claim: &Claim) -> Origin {
    let key = &ingress.age.key;
    let mut origin = Origin {
        namespace: key.namespace.as_str().into(),
        ingress: key.name.as_str().into(),
        ..Origin::default()
    };
    if let Destination::Service(backend) = &claim.destination {
        origin.service = backend.service.name.as_str().into();
        origin.port = backend.port.to_string().into();
    }
    origin
}

/// The redirect to https first, then the Ingress's own. A closed route keeps the redirect only: its other
/// filters belong to a configuration that was not understood as a whole.
fn filters(ingress: &CompiledIngress, has_tls: bool, is_closed: bool) -> Vec<Arc<dyn Filter>> {
    let policy: SslRedirect = ingress.draft.route.ssl_redirect;
    let redirect = jamul_routing::annotations::ssl_redirect::filter(policy, has_tls);
    let own = if is_closed { &[][..] } else { &ingress.draft.route.filters };
    redirect.into_iter().chain(own.iter().cloned()).collect()
}

/// The implicit `/` of an Ingress.
fn root_of(ingress: &CompiledIngress) -> Claim {
    Claim {
        kind: PathKind::Prefix,
        path: "/".to_owned(),
        destination: ingress.default_backend.clone().unwrap_or(Destination::Nothing),
        field: "spec.defaultBackend".to_owned(),
    }
}

fn kind_name(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Exact => "Exact",
        PathKind::Prefix => "Prefix",
    }
}
