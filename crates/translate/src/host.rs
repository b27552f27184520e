//! The Ingresses of one host to its routes.

mod claims;
mod handshake;
mod other_names;

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_routing::annotations::ssl_redirect;
use jamul_routing::draft::HostSnippet;
use jamul_routing::path::Pattern;
use jamul_routing::route::Target;
use jamul_routing::router::Shadowed;
use jamul_routing::{
    Alternative, Balance, Diagnostic, ErrorPages, Filter, HostPattern, HostRoutes, PathMatch, Protocol,
    Route, RouteId, Severity, UpstreamId, UpstreamTls,
};

use self::claims::{origin, root_of};
use self::handshake::HostTls;
use crate::backend::Backend;
use crate::canary::{self, Canaries};
use crate::ingress::{Age, Claim, CompiledIngress, Destination, PathKind};
use crate::wishes::Wishes;

/// What one host serves.
#[derive(Debug)]
pub(crate) struct HostTranslation {
    pub(crate) routes: Arc<HostRoutes>,
    /// The Upstreams that its routes name, and for whom.
    pub(crate) uses: Vec<Use>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What is served at other names because of this host: its aliases, and the redirect from its name with or
    /// without `www.`. A host of its own is not taken over.
    pub(crate) other_names: Vec<(HostPattern, Arc<HostRoutes>)>,
}

/// One route's use of an Upstream.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) backend: Backend,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) ingress: Age,
    pub(crate) field: String,
    pub(crate) wishes: Wishes,
}

/// Merges what `ingresses` (oldest first) claim on `pattern`: the first claim of a path and its type wins;
/// where nobody claims `/`, the oldest decides what is there.
pub(crate) fn translate(
    pattern: &HostPattern,
    ingresses: &[&CompiledIngress],
    default_backend: Option<&Backend>,
) -> HostTranslation {
    let (canaries, ingresses): (Vec<_>, Vec<_>) =
        ingresses.iter().copied().partition(|ingress| ingress.draft.canary.is_some());
    let mut host = HostBuilder {
        pattern,
        canaries: canary::of(pattern, &canaries),
        is_regex: ingresses.iter().any(|ingress| is_regex(ingress, pattern)),
        first: first(&ingresses),
        is_closed: closer(&ingresses).is_some(),
        has_tls: has_tls(&ingresses),
        default_backend,
        tls: HostTls::of(&ingresses),
        owners: BTreeMap::new(),
        routes: Vec::new(),
        shadowed: Vec::new(),
        uses: Vec::new(),
        diagnostics: Vec::new(),
    };
    host.report_closed(&ingresses);
    for ingress in &ingresses {
        for claim in ingress.hosts.get(pattern).into_iter().flatten() {
            host.claim(ingress, claim);
        }
    }
    host.root(&ingresses);
    host.reject_lone_canaries();
    host.report_unheard_checks(&ingresses);
    let passthrough = host.passthrough(&ingresses);
    let mut routes = HostRoutes::new(host.routes, host.has_tls).with_shadowed(host.shadowed);
    (routes.tls, routes.passthrough) = (host.tls.policy, passthrough);
    let routes = Arc::new(routes);
    let other_names = other_names::other_names(pattern, &ingresses, &routes);
    HostTranslation { routes, uses: host.uses, diagnostics: host.diagnostics, other_names }
}

/// Whether an Ingress makes all paths of the host regular expressions: by itself, or by a rewrite target that differs
/// from one of its paths there.
fn is_regex(ingress: &CompiledIngress, pattern: &HostPattern) -> bool {
    let draft = &ingress.draft.host;
    let differs = |target: &String| {
        // nginx has a Prefix path as `/foo/` and as `/foo`.
        let is_same = |claim: &Claim| {
            claim.path == *target && (claim.kind == PathKind::Exact || claim.path.ends_with('/'))
        };
        ingress.hosts.get(pattern).is_none_or(|claims| claims.is_empty() || !claims.iter().all(is_same))
    };
    draft.regex_mode || draft.rewrite_target.as_ref().is_some_and(differs)
}

/// What is asked first on all paths of the host.
fn first(ingresses: &[&CompiledIngress]) -> Vec<Arc<dyn Filter>> {
    let mut drafts = ingresses.iter().map(|ingress| &ingress.draft.host);
    let app_root = drafts.clone().find_map(|draft| draft.app_root.clone());
    let snippet = drafts.find_map(|draft| draft.snippet.clone());
    let snippet = snippet.and_then(|snippet| match snippet {
        HostSnippet::Understood(filter) => Some(filter),
        HostSnippet::NotUnderstood => None,
    });
    app_root.into_iter().chain(snippet).collect()
}

/// The Ingress whose `server-snippet` would count and is not understood.
fn closer<'a>(ingresses: &[&'a CompiledIngress]) -> Option<&'a CompiledIngress> {
    let first = ingresses.iter().find(|ingress| ingress.draft.host.snippet.is_some())?;
    matches!(first.draft.host.snippet, Some(HostSnippet::NotUnderstood)).then_some(*first)
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
    /// Asked before all others: `app-root` and `server-snippet`, each of the oldest Ingress that has one.
    first: Vec<Arc<dyn Filter>>,
    /// A `server-snippet` is not understood.
    is_closed: bool,
    has_tls: bool,
    /// Whom requests without another backend go to (`--default-backend-service`).
    default_backend: Option<&'a Backend>,
    tls: HostTls,
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
            self.shadowed.push(Shadowed { by, path, origin: origin(self.pattern, ingress, claim) });
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
        let is_closed = ingress.is_closed || !is_understood || self.is_closed;
        let (draft, age) = (&ingress.draft.route, &ingress.age);
        let target = match &claim.destination {
            Destination::Service(_) | Destination::Nothing if is_closed => Target::Closed,
            Destination::Nothing => match self.default_backend.cloned() {
                Some(backend) => Target::Upstream(self.hold(backend, None, age, claim.field.clone())),
                None => Target::NotFound,
            },
            Destination::Service(backend) => {
                let backend = backend.via(draft.via);
                let wishes = Wishes { policy: draft.policy.clone(), cookie: draft.session.clone() };
                Target::Upstream(self.hold_with(backend, draft.protocol, age, claim.field.clone(), wishes))
            }
        };
        let errors = if is_closed { None } else { self.error_pages(ingress) };
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
            origin: origin(self.pattern, ingress, claim),
            filters: filters(ingress, &self.tls, &self.first, self.has_tls, is_closed),
            target,
            balance,
            alternatives,
            retry: draft.retry,
            timeouts: draft.timeouts,
            pace: draft.pace,
            mirror: draft.mirror.clone(),
            body_limit: draft.body_limit,
            errors,
            upstream_tls: draft.upstream_tls.as_ref().map(|tls| upstream_tls(tls, &claim.destination)),
        }));
    }

    /// A route names an Upstream.
    fn hold(
        &mut self,
        backend: Backend,
        protocol: Option<Protocol>,
        ingress: &Age,
        field: String,
    ) -> UpstreamId {
        self.hold_with(backend, protocol, ingress, field, Wishes::default())
    }

    fn hold_with(
        &mut self,
        backend: Backend,
        protocol: Option<Protocol>,
        ingress: &Age,
        field: String,
        wishes: Wishes,
    ) -> UpstreamId {
        let id = backend.upstream_id(protocol);
        self.uses.push(Use { backend, protocol, ingress: ingress.clone(), field, wishes });
        id
    }

    /// Who writes error pages for an Ingress, and who stands in for its Services.
    fn error_pages(&mut self, ingress: &CompiledIngress) -> Option<Arc<ErrorPages>> {
        let (draft, key) = (&ingress.draft.route.errors, &ingress.age.key);
        let own = draft.backend.as_ref().map(|name| {
            let backend = Backend::first_port(ObjectKey::new(&key.namespace, name.as_str()));
            self.hold(backend, None, &ingress.age, format!("metadata.annotations[{DEFAULT_BACKEND}]"))
        });
        let writer = match (&own, draft.statuses.is_empty(), self.default_backend) {
            (Some(own), _, _) => Some(own.clone()),
            (None, false, Some(backend)) => Some(self.hold(
                backend.clone(),
                None,
                &ingress.age,
                format!("metadata.annotations[{DEFAULT_BACKEND}]"),
            )),
            (None, _, _) => None,
        };
        let is_wanted = own.is_some() || !draft.statuses.is_empty();
        let (statuses, of) = (draft.statuses.clone(), draft.of);
        is_wanted.then(|| Arc::new(ErrorPages { statuses, of, writer, stand_in: own }))
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
        let (backend, protocol) = (backend.via(ingress.draft.route.via), ingress.draft.route.protocol);
        let Some(split) = canary.draft.canary.clone() else { return Vec::new() };
        let cookie = canary::cookie(&ingress.draft.route, &canary.draft.route);
        let name = canary::upstream_name(&backend).into();
        let wishes = Wishes { policy: canary.draft.route.policy.clone(), cookie: cookie.cloned() };
        let upstream = self.hold_with(backend, protocol, &canary.age, of_canary.field.clone(), wishes);
        let balance = Balance {
            method: canary.draft.route.method.clone(),
            session: canary::session(cookie, &of_canary.destination, cookie_path),
        };
        vec![Alternative { split, upstream, name, balance }]
    }

    /// Tells those whose paths are closed by the `server-snippet` of another.
    fn report_closed(&mut self, ingresses: &[&'a CompiledIngress]) {
        let Some(closer) = closer(ingresses) else { return };
        for ingress in ingresses.iter().filter(|ingress| ingress.age.key != closer.age.key) {
            let message = format!(
                "the server-snippet of Ingress {} is not understood and may deny something on host {}; \
                 all its paths answer 503 until it is mended",
                closer.age.key, self.pattern
            );
            self.report(Severity::Error, ingress, "spec.rules", "HostClosed", message);
        }
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

    /// Certificates of clients are checked as one Ingress says; another that says otherwise is told.
    fn report_unheard_checks(&mut self, ingresses: &[&CompiledIngress]) {
        let mut saying = ingresses.iter().filter(|ingress| ingress.draft.host.client_checks.is_some());
        let Some(heard) = saying.next() else { return };
        for ingress in saying {
            if ingress.draft.host.tls.client_auth != heard.draft.host.tls.client_auth {
                let message = format!(
                    "certificates of clients of host {} are checked as Ingress {} says; what this one says has no effect; \
                     let them say the same",
                    self.pattern, heard.age.key
                );
                self.report(Severity::Warning, ingress, "auth-tls-secret", "ClientChecksConflict", message);
            }
        }
    }

    /// Where TLS of the host goes undecrypted: to the endpoints of its path `/`.
    fn passthrough(&mut self, ingresses: &[&CompiledIngress]) -> Option<UpstreamId> {
        let ingress = ingresses.iter().find(|ingress| ingress.draft.host.passthrough)?;
        let mut roots = self.routes.iter().filter(|route| route.path.text() == "/");
        let upstream = roots.find_map(|route| match &route.target {
            Target::Upstream(id) => Some(id.clone()),
            Target::NotFound | Target::Closed => None,
        });
        if upstream.is_none() {
            let message = format!("host {} has no Service at path /, so its TLS is decrypted", self.pattern);
            self.report(Severity::Warning, ingress, "ssl-passthrough", "PassthroughNowhere", message);
        }
        upstream
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

/// The annotation that names who writes error pages.
const DEFAULT_BACKEND: &str = "default-backend";

/// How TLS is spoken with the endpoints of a backend, whose Service has a name.
fn upstream_tls(tls: &UpstreamTls, destination: &Destination) -> Arc<UpstreamTls> {
    let service = match destination {
        Destination::Service(backend) => {
            format!("{}.{}.svc", backend.service.name, backend.service.namespace)
        }
        Destination::Nothing => String::new(),
    };
    Arc::new(UpstreamTls { service: service.into(), ..tls.clone() })
}

/// The handshake first, then the host's root, redirects elsewhere, the redirect to https, and the Ingress's own. A closed route keeps
/// the redirect to https only: its other filters belong to a configuration that was not understood as a whole.
fn filters(
    ingress: &CompiledIngress,
    tls: &HostTls,
    first: &[Arc<dyn Filter>],
    has_tls: bool,
    is_closed: bool,
) -> Vec<Arc<dyn Filter>> {
    let draft = &ingress.draft.route;
    let redirect = ssl_redirect::filter(draft.ssl_redirect, &draft.redirect_style, has_tls);
    let handshake = tls.only_under.iter().chain(tls.checks.as_ref().map(|checks| &checks.over_tls)).cloned();
    let in_plain = tls.checks.as_ref().map(|checks| Arc::clone(&checks.in_plain));
    if is_closed {
        return handshake.chain(redirect).chain(in_plain).collect();
    }
    let before = first.iter().chain(&draft.early).cloned();
    let after = draft.filters.iter().cloned();
    handshake.chain(before).chain(redirect).chain(in_plain).chain(after).collect()
}

fn kind_name(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Exact => "Exact",
        PathKind::Prefix => "Prefix",
    }
}
