//! Explanations of a small world, against what the router finds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use jamul_routing::path::normalize;
use jamul_store::{Clock, Memory};
use jiff::Timestamp;

use super::*;

const WORLD: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: old
  creationTimestamp: 2025-01-01T00:00:00Z
  annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8m, nginx.ingress.kubernetes.io/nonsense: x}
spec:
  tls: [{hosts: [web.example], secretName: web-tls}]
  rules:
    - host: web.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
          - {path: /api, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: young, creationTimestamp: 2026-01-01T00:00:00Z}
spec:
  rules:
    - host: web.example
      http: {paths: [{path: /api, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
    - host: '*.example'
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: ExternalName, externalName: localhost, ports: [{port: 80}]}
";

fn told(url: &str) -> Explanation {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("world.yaml"), WORLD).unwrap();
    let store = open(folder.path());
    let translator = translation::translate(&store, jamul_translate::Settings::folder());
    let (snapshot, diagnostics) = (translator.snapshot(), translator.diagnostics());
    let known = Known {
        snapshot: &snapshot,
        store: &store,
        diagnostics: &diagnostics,
        annotations_prefix: names::NGINX_PREFIX,
        healths: &jamul_proxy::EndpointHealths::default(),
    };
    let explanation = explain(url, &known).unwrap();
    // What it says is what the proxy would find.
    let asked = Asked::parse(url).unwrap();
    let found = snapshot.router.find_path(&asked.host, &normalize(asked.url.path()).unwrap());
    assert_eq!(
        explanation.route.as_ref().map(|route| route.path.clone()),
        found.map(|found| found.route.path.text().to_owned())
    );
    explanation
}

fn open(folder: &Path) -> Store {
    let clock = Clock::new(Timestamp::now);
    Store::Memory(Memory::of_run(Some(folder), None, clock).unwrap())
}

#[test]
fn the_winner_is_named_with_all_that_its_answer_depends_on() {
    let told = told("https://web.example/a//b?c=d");
    let route = told.route.unwrap();
    assert_eq!((told.host.as_deref(), told.path.as_str()), (Some("web.example"), "/a/b"));
    assert_eq!((route.path.as_str(), route.path_type.as_str()), ("/", "Prefix"));
    assert_eq!(
        (route.ingress.as_deref(), route.service.as_deref()),
        (Some("default/old"), Some("default/web:80"))
    );
    assert_eq!(route.endpoints.first().map(|endpoint| endpoint.address.as_str()), Some("localhost:80"));
    assert_eq!(route.body_limit, Some(8 << 20));
    assert_eq!(told.answer, "the answer of its Service's only endpoint");
    let annotations: Vec<_> =
        told.annotations.iter().map(|found| (found.name.as_str(), found.value.as_str())).collect();
    assert_eq!(annotations, [("nginx.ingress.kubernetes.io/proxy-body-size", "8m")]);
    // Its Secret is missing, which is said, and the default one is served.
    assert_eq!(told.certificate.unwrap().secret, None);
    assert!(told.diagnostics.iter().any(|line| line.contains("SecretMissing")), "{:?}", told.diagnostics);
    assert!(told.diagnostics.iter().any(|line| line.contains("UnknownAnnotation")), "{:?}", told.diagnostics);
}

#[test]
fn the_nearest_losers_come_with_their_reasons() {
    let told = told("http://web.example/api/x");
    assert_eq!(told.answer, "308 to https://web.example/api/x");
    let losers: Vec<_> = told
        .losers
        .iter()
        .map(|loser| (loser.ingress.as_deref().unwrap_or_default(), loser.host.as_str(), loser.path.as_str()))
        .collect();
    let expected = [
        ("default/young", "web.example", "/api"),
        ("default/old", "web.example", "/"),
        ("default/young", "*.example", "/"),
    ];
    assert_eq!(losers, expected);
    assert!(told.losers[0].why.contains("younger Ingress"), "{:?}", told.losers);
    assert!(told.losers[1].why.contains("longer path"), "{:?}", told.losers);
    assert!(told.losers[2].why.contains("more exact host"), "{:?}", told.losers);
}

#[test]
fn an_upstream_without_endpoints_and_a_host_that_nobody_serves_are_said_to_be_so() {
    assert_eq!(told("https://web.example/api").answer, "503: its Service has no ready endpoint");
    let unknown = told("https://nobody.test/");
    assert_eq!((unknown.host, unknown.route), (None, None));
    assert_eq!(unknown.answer, "404 of the default backend: no rule takes this host and path");
}

#[test]
fn what_is_no_url_is_refused_with_what_was_expected() {
    let refused = |url: &str| Asked::parse(url).unwrap_err().to_string();
    assert_eq!(refused("ftp://x/"), "\"ftp://x/\" begins with ftp; expected http or https");
    assert!(refused("https://a b/").contains("expected one such as https://example.com/path"));
    assert!(Asked::parse("web.example/x").unwrap().is_tls());
}
