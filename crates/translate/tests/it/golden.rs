//! Every `tests/golden/<name>.yaml` translates to what `<name>.snapshot` says; `JAMUL_BLESS` rewrites the
//! latter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jamul_routing::annotation::full_name;
use jamul_routing::route::Target;
use jamul_routing::{Balance, Endpoint, HostRoutes, Policy, Retry, Route, Snapshot};
use jamul_translate::Translator;

use crate::fixture;

#[test]
fn golden_files_are_what_their_objects_translate_to() {
    let mut stale = Vec::new();
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "there are fixtures");
    for path in fixtures {
        let yaml = fs::read_to_string(&path).expect("a readable fixture");
        let mut translator = fixture::translator(&yaml);
        translator.publish();
        let now = render(&translator);
        let golden = path.with_extension("snapshot");
        if std::env::var_os("JAMUL_BLESS").is_some() {
            fs::write(&golden, &now).expect("a writable golden file");
        } else if fs::read_to_string(&golden).unwrap_or_default() != now {
            stale.push(format!("{}:\n{now}", golden.display()));
        }
    }
    assert!(stale.is_empty(), "run `cargo xtask bless` and look at the difference\n{}", stale.join("\n"));
}

/// The law of the incremental state: how it came to be does not matter.
#[test]
fn objects_told_one_by_one_backwards_and_again_give_the_golden_snapshot() {
    for path in fixtures() {
        let yaml = fs::read_to_string(&path).expect("a readable fixture");
        let mut at_once = fixture::translator(&yaml);
        at_once.publish();
        let mut one_by_one = fixture::translator("");
        let mut objects = fixture::objects(&yaml);
        objects.reverse();
        for object in &objects {
            one_by_one.apply(object.clone());
            one_by_one.publish();
        }
        assert_eq!(render(&one_by_one), render(&at_once), "backwards: {}", path.display());
        for object in &objects {
            one_by_one.apply(fixture::deleted(object));
            one_by_one.publish();
            one_by_one.apply(object.clone());
            one_by_one.publish();
            assert_eq!(render(&one_by_one), render(&at_once), "deleted and made again: {}", path.display());
        }
        for object in &objects {
            one_by_one.apply(fixture::deleted(object));
            one_by_one.publish();
        }
        assert_eq!(render(&one_by_one), "", "all deleted: {}", path.display());
        assert!(one_by_one.snapshot().upstreams.is_empty(), "all deleted: {}", path.display());
    }
}

#[test]
fn every_annotation_has_a_golden_file() {
    let all: Vec<String> =
        fixtures().iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
    for key in jamul_routing::annotations::keys() {
        let line = format!("{}:", full_name("nginx.ingress.kubernetes.io", key.name));
        assert!(all.iter().any(|text| text.contains(&line)), "no fixture in tests/golden sets {}", key.name);
    }
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).expect("the folder of fixtures");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn render(translator: &Translator) -> String {
    let snapshot = translator.snapshot();
    let mut text = String::new();
    let hosts: BTreeMap<_, _> = snapshot.router.iter().collect();
    for (pattern, routes) in hosts {
        let tls = if routes.has_tls { " (tls)" } else { "" };
        writeln!(text, "host {pattern}{tls}").unwrap();
        if let Some(policy) = &routes.tls {
            writeln!(text, "  {policy:?}").unwrap();
        }
        if let Some(upstream) = &routes.passthrough {
            writeln!(text, "  TLS passes through to {}", upstream.0).unwrap();
        }
        render_routes(&mut text, routes, &snapshot);
    }
    let upstreams: BTreeMap<_, _> = snapshot.upstreams.iter().collect();
    for (id, upstream) in upstreams.iter().filter(|(_, upstream)| upstream.policy != Policy::default()) {
        assert_eq!(snapshot.checked.contains(*id), upstream.policy.check.is_some());
        writeln!(text, "upstream {}", id.0).unwrap();
        render_policy(&mut text, &upstream.policy);
    }
    let certificates: BTreeMap<_, _> = snapshot.certs.iter().collect();
    for (pattern, entry) in certificates {
        writeln!(text, "certificate {pattern}: Secret {}", entry.source).unwrap();
    }
    for diagnostic in translator.diagnostics() {
        writeln!(text, "{diagnostic}").unwrap();
    }
    text
}

fn render_routes(text: &mut String, routes: &HostRoutes, snapshot: &Snapshot) {
    for route in routes.routes() {
        writeln!(text, "  {} -> {}", route.path, target(route, snapshot)).unwrap();
        writeln!(text, "    of {}/{}", route.origin.namespace, route.origin.ingress).unwrap();
        for filter in &route.filters {
            writeln!(text, "    filter {}", filter.name()).unwrap();
        }
        if route.timeouts != jamul_routing::Timeouts::default() {
            writeln!(text, "    {:?}", route.timeouts).unwrap();
        }
        if route.balance != Balance::default() {
            writeln!(text, "    {}", balance(&route.balance)).unwrap();
        }
        for alternative in &route.alternatives {
            let (id, split) = (&alternative.upstream.0, &alternative.split);
            writeln!(text, "    canary {id}: {split:?}, {}", balance(&alternative.balance)).unwrap();
        }
        if let Some(pace) = &route.pace {
            writeln!(text, "    {pace:?}").unwrap();
        }
        if let Some(mirror) = &route.mirror {
            writeln!(text, "    {mirror:?}").unwrap();
        }
        if route.retry != Retry::default() {
            writeln!(text, "    {:?}", route.retry).unwrap();
        }
        if let Some(errors) = &route.errors {
            writeln!(text, "    {errors:?}").unwrap();
        }
        if let Some(tls) = &route.upstream_tls {
            writeln!(text, "    {tls:?}").unwrap();
        }
        if route.body_limit != Some(jamul_routing::draft::DEFAULT_BODY_LIMIT) {
            writeln!(text, "    body limit {:?}", route.body_limit).unwrap();
        }
    }
}

fn render_policy(text: &mut String, policy: &Policy) {
    let session = policy.session.as_ref().map(|session| format!("session {}", session.cookie.name));
    let parts = [
        session,
        policy.cap.map(|cap| format!("{cap:?}")),
        policy.slow_start.map(|span| format!("slow start {span:?}")),
        policy.check.as_ref().map(|check| format!("{check:?}")),
    ];
    for part in parts.into_iter().flatten() {
        writeln!(text, "    {part}").unwrap();
    }
}

fn balance(balance: &Balance) -> String {
    let session =
        balance.session.as_ref().map(|session| format!("; path {} {:?}", session.path, session.cookie));
    format!("balance {:?}{}", balance.method, session.unwrap_or_default())
}

fn target(route: &Route, snapshot: &Snapshot) -> String {
    match &route.target {
        Target::Upstream(id) => {
            let upstream = snapshot.upstreams.get(id).expect("every upstream that a route names is there");
            let endpoints: Vec<String> = upstream.endpoints.iter().map(endpoint).collect();
            format!("{} {:?} [{}]", id.0, upstream.protocol, endpoints.join(", "))
        }
        Target::NotFound => "not found".to_owned(),
        Target::Closed => "closed".to_owned(),
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Name(name, port) => format!("{name}:{port}"),
    }
}
