//! What the Ingress conformance suite asks about classes, hosts, paths and default backends: from its objects to the
//! Service that a request reaches. Answers and balancing are the proxy's business.

use jamul_routing::route::Target;
use jamul_routing::{Host, Snapshot};

use crate::fixture::translator;

/// An Ingress with these rules, each `host path pathType service`, and `-` for any host.
fn ingress(name: &str, rules: &[&str]) -> String {
    let rules: String = rules
        .iter()
        .map(|rule| {
            let mut words = rule.split(' ');
            let mut next = || words.next().expect("four words");
            let (host, path, kind, service) = (next(), next(), next(), next());
            let host = if host == "-" { String::new() } else { format!("host: \"{host}\", ") };
            format!(
                "  - {{ {host}http: {{ paths: [{{ path: {path}, pathType: {kind}, \
                 backend: {{ service: {{ name: {service}, port: {{ number: 8080 }} }} }} }}] }} }}\n"
            )
        })
        .collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: default }}\n\
         spec:\n  rules:\n{rules}---\n"
    )
}

/// The Service that a GET of `host` and `path` reaches; `None` for 404.
fn reached(snapshot: &Snapshot, host: &str, path: &str) -> Option<String> {
    let found = snapshot.router.find_path(&Host::parse(host).expect("a host"), path)?;
    match &found.route.target {
        Target::Upstream(_) => Some(found.route.origin.service.to_string()),
        Target::NotFound | Target::Closed => None,
    }
}

fn check(objects: &str, cases: &[(&str, &str, Option<&str>)]) {
    let mut translator = translator(objects);
    let snapshot = translator.publish().unwrap_or_else(|| translator.snapshot());
    for (host, path, expected) in cases {
        assert_eq!(reached(&snapshot, host, path).as_deref(), *expected, "{host}{path}");
    }
}

#[test]
fn conformance_default_backend() {
    let objects = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: default-backend, namespace: default }
spec: { defaultBackend: { service: { name: echo, port: { number: 8080 } } } }
";
    let cases = [
        ("my-host", "/", Some("echo")),
        ("my-host", "/sub-path", Some("echo")),
        ("some-host", "/", Some("echo")),
        ("192.0.2.1", "/resource", Some("echo")),
        ("some-host", "/resource", Some("echo")),
        ("my-host", "/resource", Some("echo")),
    ];
    check(objects, &cases);
}

#[test]
fn conformance_host_rules() {
    let rules = ["*.foo.com / Prefix wildcard-foo-com", "foo.bar.com / Prefix foo-bar-com"];
    let cases = [
        ("foo.bar.com", "/", Some("foo-bar-com")),
        ("subdomain.bar.com", "/", None),
        ("bar.foo.com", "/", Some("wildcard-foo-com")),
        ("baz.bar.foo.com", "/", None),
        ("foo.com", "/", None),
    ];
    check(&ingress("host-rules", &rules), &cases);
}

#[test]
fn conformance_ingress_class() {
    let objects = ingress("other", &["- / Prefix echo"])
        .replace("spec:\n", "spec:\n  ingressClassName: some-invalid-class-name\n");
    check(&objects, &[("my-host", "/", None)]);
}

#[test]
fn conformance_path_rules() {
    let rules = [
        "exact-path-rules /foo Exact foo-exact",
        "prefix-path-rules /foo Prefix foo-prefix",
        "prefix-path-rules /aaa/bbb Prefix aaa-slash-bbb-prefix",
        "prefix-path-rules /aaa Prefix aaa-prefix",
        "mixed-path-rules /foo Prefix foo-prefix",
        "mixed-path-rules /foo Exact foo-exact",
        "trailing-slash-path-rules /aaa/bbb/ Prefix aaa-slash-bbb-slash-prefix",
        "trailing-slash-path-rules /foo/ Exact foo-slash-exact",
    ];
    let cases = [
        ("exact-path-rules", "/foo", Some("foo-exact")),
        ("exact-path-rules", "/foo/", None),
        ("exact-path-rules", "/FOO", None),
        ("exact-path-rules", "/bar", None),
        ("prefix-path-rules", "/foo", Some("foo-prefix")),
        ("prefix-path-rules", "/foo/", Some("foo-prefix")),
        ("prefix-path-rules", "/FOO", None),
        ("prefix-path-rules", "/aaa/bbb", Some("aaa-slash-bbb-prefix")),
        ("prefix-path-rules", "/aaa/bbb/ccc", Some("aaa-slash-bbb-prefix")),
        ("prefix-path-rules", "/aaa/ccc", Some("aaa-prefix")),
        ("prefix-path-rules", "/aaaccc", None),
        ("mixed-path-rules", "/foo", Some("foo-exact")),
        ("trailing-slash-path-rules", "/aaa/bbb/", Some("aaa-slash-bbb-slash-prefix")),
        ("trailing-slash-path-rules", "/foo", None),
    ];
    check(&ingress("path-rules", &rules), &cases);
}
