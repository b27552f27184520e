//! A change costs only what depends on it.

use std::collections::HashSet;
use std::sync::Arc;

use jamul_api::Challenge;
use jamul_api::core::{ConfigMap, EndpointSlice, Ingress, IngressClass, Secret};
use jamul_routing::route::Target;
use jamul_routing::{Host, HostRoutes, Snapshot, Upstream, UpstreamId};
use jamul_translate::{Change, ObjectChange, Translator, Work};

use crate::fixture::{object, objects, translator};

fn ingress(name: &str, host: &str, service: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {name}, namespace: default }}
spec:
  tls: [{{ hosts: [{host}], secretName: {name}-tls }}]
  rules:
    - host: {host}
      http:
        paths:
          - {{ path: /, pathType: Prefix, backend: {{ service: {{ name: {service}, port: {{ number: 80 }} }} }} }}
---
"
    )
}

fn service(name: &str, address: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: default }}
spec: {{ ports: [{{ port: 80 }}] }}
---
{}---
",
        slice(name, address)
    )
}

fn slice(service: &str, address: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: {service}-1, namespace: default, labels: {{ kubernetes.io/service-name: {service} }} }}
addressType: IPv4
ports: [{{ port: 8080 }}]
endpoints: [{{ addresses: [{address}] }}]
"
    )
}

/// Two hosts, two Services.
fn two() -> Translator {
    let yaml = [
        ingress("a", "a.example.com", "one"),
        ingress("b", "b.example.com", "two"),
        service("one", "10.0.0.1"),
        service("two", "10.0.0.2"),
    ];
    let mut translator = translator(&yaml.concat());
    translator.publish().expect("a first Snapshot");
    translator
}

fn routes<'a>(snapshot: &'a Snapshot, host: &str) -> &'a Arc<HostRoutes> {
    snapshot.router.host(&Host::parse(host).expect("a host")).expect("the host has routes")
}

fn upstream_names(snapshot: &Snapshot) -> HashSet<UpstreamId> {
    snapshot.upstreams.keys().cloned().collect()
}

fn named_by_routes(snapshot: &Snapshot) -> HashSet<UpstreamId> {
    let routes = snapshot.router.iter().flat_map(|(_, routes)| routes.routes());
    let named = routes.filter_map(|route| match &route.target {
        Target::Upstream(id) => Some(id.clone()),
        Target::NotFound | Target::Closed => None,
    });
    named.collect()
}

fn spent(before: Work, after: Work) -> Work {
    Work {
        ingresses: after.ingresses - before.ingresses,
        hosts: after.hosts - before.hosts,
        certificates: after.certificates - before.certificates,
        upstreams: after.upstreams - before.upstreams,
    }
}

#[test]
fn a_changed_slice_touches_one_upstream_and_no_route() {
    let mut translator = two();
    let (before, work) = (translator.snapshot(), translator.work());
    let slice = object::<EndpointSlice>(&slice("one", "10.0.0.9"));
    translator.apply(ObjectChange::EndpointSlice(Change::Applied(slice)));
    let after = translator.publish().expect("another Snapshot");
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(spent(work, translator.work()), Work { upstreams: 1, ..Work::default() });
    for host in ["a.example.com", "b.example.com"] {
        assert!(Arc::ptr_eq(routes(&before, host), routes(&after, host)), "{host}");
    }
    let same = |(id, upstream): &(&UpstreamId, &Arc<Upstream>)| {
        before.upstreams.get(*id).is_some_and(|before| Arc::ptr_eq(before, upstream))
    };
    assert_eq!(after.upstreams.iter().filter(|pair| !same(pair)).count(), 1);
}

#[test]
fn a_changed_ingress_touches_its_own_hosts_only() {
    let mut translator = two();
    let (before, work) = (translator.snapshot(), translator.work());
    let changed = ingress("a", "c.example.com", "two");
    translator
        .apply(ObjectChange::Ingress(Change::Applied(object::<Ingress>(changed.trim_end_matches("---\n")))));
    let after = translator.publish().expect("another Snapshot");
    let expected = Work { ingresses: 1, hosts: 2, certificates: 2, upstreams: 2 };
    assert_eq!(spent(work, translator.work()), expected);
    assert!(Arc::ptr_eq(routes(&before, "b.example.com"), routes(&after, "b.example.com")));
    assert!(after.router.host(&Host::parse("a.example.com").expect("a host")).is_none());
    assert_eq!(upstream_names(&after), named_by_routes(&after), "the first Service is named by nobody now");
    assert_eq!(after.upstreams.len(), 1);
}

#[test]
fn a_changed_secret_touches_the_certificate_of_its_hosts_only() {
    let mut translator = two();
    let work = translator.work();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: a-tls, namespace: default }\n";
    translator.apply(ObjectChange::Secret(Change::Applied(object::<Secret>(secret))));
    assert!(translator.publish().is_none(), "it holds no certificate: still the default one");
    assert_eq!(spent(work, translator.work()), Work { certificates: 1, ..Work::default() });
    assert!(translator.diagnostics().iter().any(|diagnostic| diagnostic.reason == "SecretInvalid"));
}

#[test]
fn what_nobody_names_costs_nothing() {
    let mut translator = two();
    let work = translator.work();
    for change in objects(&service("three", "10.0.0.3")) {
        translator.apply(change);
    }
    assert!(translator.publish().is_none());
    assert_eq!(translator.work(), work);
}

#[test]
fn a_route_comes_together_with_its_endpoints() {
    let mut translator = translator(&ingress("a", "a.example.com", "one"));
    let first = translator.publish().expect("a Snapshot");
    assert_eq!(upstream_names(&first), named_by_routes(&first));
    assert!(first.upstreams.values().all(|upstream| upstream.endpoints.is_empty()));
    for change in objects(&service("one", "10.0.0.1")) {
        translator.apply(change);
    }
    let second = translator.publish().expect("a Snapshot with endpoints");
    assert!(second.upstreams.values().all(|upstream| upstream.endpoints.len() == 1));
    assert!(translator.diagnostics().iter().all(|diagnostic| diagnostic.reason != "ServiceMissing"));
}

#[test]
fn a_restart_forgets_what_is_not_listed_any_more() {
    let mut translator = two();
    translator.apply(ObjectChange::Ingress(Change::Restarted(Vec::new())));
    let after = translator.publish().expect("another Snapshot");
    assert_eq!(after.router.iter().count(), 0);
    assert!(after.upstreams.is_empty());
    assert_eq!(translator.diagnostics(), []);
}

#[test]
fn the_same_again_is_no_change() {
    let mut translator = two();
    let again = ingress("a", "a.example.com", "one");
    translator
        .apply(ObjectChange::Ingress(Change::Applied(object::<Ingress>(again.trim_end_matches("---\n")))));
    assert!(translator.publish().is_none());
}

#[test]
fn a_changed_config_map_touches_the_ingresses_that_name_it() {
    let named = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: named
  namespace: default
  annotations: { nginx.ingress.kubernetes.io/custom-headers: headers }
spec: { rules: [{ host: n.example.com }] }
---
";
    let yaml = [named.to_owned(), ingress("a", "a.example.com", "one")];
    let mut translator = translator(&yaml.concat());
    let first = translator.publish().expect("a first Snapshot");
    assert_eq!(routes(&first, "n.example.com").routes()[0].target, Target::Closed, "there is no ConfigMap");
    let work = translator.work();
    let headers = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: headers, namespace: default }\n";
    translator.apply(ObjectChange::ConfigMap(Change::Applied(object::<ConfigMap>(headers))));
    let second = translator.publish().expect("another Snapshot");
    assert_eq!(routes(&second, "n.example.com").routes()[0].target, Target::NotFound);
    let spent = spent(work, translator.work());
    assert_eq!(spent, Work { ingresses: 1, hosts: 1, certificates: 1, upstreams: 0 });
}

#[test]
fn an_ingress_becomes_ours_with_its_class() {
    let mut translator = translator(
        &ingress("a", "a.example.com", "one").replace("spec:\n", "spec:\n  ingressClassName: internal\n"),
    );
    assert!(translator.publish().is_none(), "not ours");
    let class = "apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: internal }
spec: { controller: k8s.io/ingress-nginx }
";
    let class = object::<IngressClass>(class);
    translator.apply(ObjectChange::IngressClass(Change::Applied(Arc::clone(&class))));
    let ours = translator.publish().expect("a Snapshot");
    assert_eq!(ours.router.iter().count(), 1);
    translator.apply(ObjectChange::IngressClass(Change::Deleted(class)));
    let not_ours = translator.publish().expect("a Snapshot");
    assert_eq!(not_ours.router.iter().count(), 0);
}

#[test]
fn a_challenge_is_answered_until_it_is_over() {
    let yaml = |state: &str| {
        format!(
            "apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {{ name: c, namespace: default }}
spec: {{ type: HTTP-01, dnsName: A.example.com, token: t, key: t.thumbprint }}
status: {{ state: {state} }}
"
        )
    };
    let host = Host::parse("a.example.com").expect("a host");
    let path = "/.well-known/acme-challenge/t";
    let mut translator = two();
    let before = translator.snapshot();
    translator.apply(ObjectChange::Challenge(Change::Applied(object::<Challenge>(&yaml("pending")))));
    let pending = translator.publish().expect("a Snapshot with an answer");
    assert_eq!(pending.challenges.find(&host, path), Some("t.thumbprint"));
    assert!(Arc::ptr_eq(routes(&before, "a.example.com"), routes(&pending, "a.example.com")));
    translator.apply(ObjectChange::Challenge(Change::Applied(object::<Challenge>(&yaml("valid")))));
    let over = translator.publish().expect("a Snapshot without it");
    assert!(over.challenges.is_empty());
}
