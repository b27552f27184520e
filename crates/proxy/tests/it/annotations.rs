//! Annotations as clients see them: a valid, a default and a wrong value of each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jamul_routing::annotation::{Lookup, OnInvalid, Values};
use jamul_routing::annotations::{compile, ssl_redirect};
use jamul_routing::draft::HostSnippet;
use jamul_routing::path::Pattern;
use jamul_routing::route::Target;
use jamul_routing::{Authorities, CertEntry, Draft, ErrorPages, PathMatch, Route};

use crate::clients::{send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

/// Objects that annotations name.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) config_maps: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(crate) settings: BTreeMap<String, String>,
}

impl Lookup for Objects {
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.config_maps.get(name).cloned()
    }

    fn controllers_config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.config_map(name)
    }

    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.secrets.get(name).cloned()
    }

    fn authorities(&self, _secret: &str) -> Result<Authorities, String> {
        Err("no Secret at all".to_owned())
    }

    fn key_pair(&self, _secret: &str) -> Result<Option<Arc<CertEntry>>, String> {
        Err("no Secret at all".to_owned())
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.settings.get(key).cloned()
    }
}

/// A route as an Ingress with these annotations has it, without TLS.
pub(crate) fn annotated<'a>(
    pairs: &'a [(&'a str, &'a str)],
    objects: &'a Objects,
) -> impl FnOnce(&mut Route) + use<'a> {
    move |route| {
        let annotations: BTreeMap<String, String> =
            pairs.iter().map(|(key, value)| (format!("p/{key}"), (*value).to_owned())).collect();
        let mut draft = Draft::default();
        let refused = compile(&mut Values::new("p", &annotations), &mut draft, objects);
        if refused.iter().any(|(_, outcome)| *outcome == OnInvalid::Close) {
            route.target = Target::Closed;
            return;
        }
        let https = ssl_redirect::filter(draft.route.ssl_redirect, &draft.route.redirect_style, false);
        let snippet = match draft.host.snippet {
            Some(HostSnippet::Understood(filter)) => Some(filter),
            Some(HostSnippet::NotUnderstood) | None => None,
        };
        let first = draft.host.app_root.into_iter().chain(snippet);
        let before = first.chain(draft.route.early).chain(https);
        route.filters = before.chain(draft.route.filters).collect();
        route.body_limit = draft.route.body_limit;
        route.timeouts = draft.route.timeouts;
        let errors = draft.route.errors;
        if errors.backend.is_some() || !errors.statuses.is_empty() {
            let (statuses, of) = (errors.statuses, errors.of);
            route.errors = Some(Arc::new(ErrorPages { statuses, of, ..ErrorPages::default() }));
        }
    }
}

/// One exchange: annotations, request line and headers, and what must and must not be in the response.
struct Case<'a> {
    pairs: &'a [(&'a str, &'a str)],
    request: &'a str,
    status: u16,
    has: &'a [&'a str],
    lacks: &'a [&'a str],
}

async fn check(origin: SocketAddr, cases: &[Case<'_>]) {
    let objects = Objects::default();
    let mut builder = SnapshotBuilder::default();
    for (index, case) in cases.iter().enumerate() {
        builder =
            builder.route_with(&format!("c{index}.example"), &[origin], annotated(case.pairs, &objects));
    }
    let stage = Stage::start(builder);
    for (index, case) in cases.iter().enumerate() {
        let (line, headers) = case.request.split_once('\n').unwrap_or((case.request, ""));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let request =
            format!("{line} HTTP/1.1\r\nhost: c{index}.example\r\nconnection: close\r\n{headers}\r\n");
        let response = send(stage.http, &request).await;
        assert_eq!(status(&response), case.status, "{:?} {response}", case.pairs);
        for text in case.has {
            assert!(response.contains(text), "{:?}: {text:?} is missing in {response}", case.pairs);
        }
        for text in case.lacks {
            assert!(!response.contains(text), "{:?}: {text:?} is in {response}", case.pairs);
        }
    }
}

#[tokio::test]
async fn redirects() {
    let origin = Origin::start("one").await;
    let case = |pairs, request, status, has, lacks| Case { pairs, request, status, has, lacks };
    check(
        origin.address,
        &[
            case(
                &[("permanent-redirect", "https://n.example$request_uri")],
                "GET /a?b",
                301,
                &["https://n.example/a?b"],
                &[],
            ),
            case(
                &[("permanent-redirect", "/n"), ("permanent-redirect-code", "308")],
                "GET /",
                308,
                &["http://c1.example/n"],
                &[],
            ),
            case(&[("permanent-redirect", "n.example")], "GET /", 200, &["one GET /"], &[]),
            case(
                &[("temporal-redirect", "https://t.example/")],
                "GET /",
                302,
                &["location: https://t.example/"],
                &[],
            ),
            case(
                &[("permanent-redirect", "/n"), ("relative-redirects", "true")],
                "GET /",
                301,
                &["location: /n\r"],
                &[],
            ),
            case(&[("app-root", "/app")], "GET /", 302, &["location: http://c5.example/app\r"], &[]),
            case(&[("app-root", "/app")], "GET /x", 200, &["one GET /x"], &[]),
            case(&[("app-root", "app")], "GET /", 200, &["one GET /"], &[]),
            case(
                &[("force-ssl-redirect", "true")],
                "GET /a/",
                308,
                &["location: https://c8.example/a\r"],
                &[],
            ),
            case(
                &[("force-ssl-redirect", "true"), ("preserve-trailing-slash", "true")],
                "GET /a/",
                308,
                &["https://c9.example/a/\r"],
                &[],
            ),
            case(
                &[("force-ssl-redirect", "true"), ("use-port-in-redirects", "true")],
                "GET /",
                308,
                &["https://c10.example:443\r"],
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn cross_origin_requests() {
    let origin = Origin::start("one").await;
    let (on, list) = (("enable-cors", "true"), ("cors-allow-origin", "https://a.example"));
    let case = |pairs, request, status, has, lacks| Case { pairs, request, status, has, lacks };
    let allow = "access-control-allow-origin";
    check(
        origin.address,
        &[
            case(
                &[on],
                "GET /",
                200,
                &["access-control-allow-origin: *\r", "access-control-max-age: 1728000\r"],
                &[],
            ),
            case(
                &[on, list],
                "GET /\norigin: https://a.example",
                200,
                &["-allow-origin: https://a.example\r", "vary: Origin"],
                &[],
            ),
            case(&[on, list], "GET /\norigin: https://b.example", 200, &["one GET"], &[allow]),
            case(
                &[on, list],
                "OPTIONS /\norigin: https://a.example",
                204,
                &["access-control-allow-methods"],
                &["one OPTIONS"],
            ),
            case(&[on, list], "OPTIONS /\norigin: https://b.example", 200, &["one OPTIONS"], &[allow]),
            case(
                &[on, ("cors-allow-origin", "a.example")],
                "GET /\norigin: https://x",
                200,
                &["one GET"],
                &[allow],
            ),
            case(&[list], "GET /\norigin: https://a.example", 200, &["one GET"], &[allow]),
            case(
                &[on, ("denylist-source-range", "127.0.0.0/8")],
                "GET /",
                403,
                &["access-control-allow-origin: *"],
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn headers_on_their_way() {
    let origin = Origin::start("one").await;
    let case = |pairs, request, status, has, lacks| Case { pairs, request, status, has, lacks };
    check(
        origin.address,
        &[
            case(
                &[("upstream-vhost", "in.example:81")],
                "GET /",
                200,
                &["host: in.example:81\n", "x-forwarded-host: c0.example\n"],
                &[],
            ),
            case(&[("upstream-vhost", "a b")], "GET /", 200, &["host: c1.example\n"], &[]),
            case(&[("connection-proxy-header", "close")], "GET /", 200, &["connection: close\n"], &[]),
            case(&[("connection-proxy-header", "upgrade")], "GET /", 200, &[], &["connection: upgrade\n"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_rewritten_request_tells_the_prefix_that_went() {
    let origin = Origin::start("one").await;
    let objects = Objects::default();
    let pairs = [("rewrite-target", "/$2"), ("x-forwarded-prefix", "/$1")];
    let builder = SnapshotBuilder::default().route_with("a.example", &[origin.address], |route| {
        annotated(&pairs, &objects)(route);
        route.path = PathMatch::Regex(Pattern::location("/(app)(?!/admin)/(.*)").unwrap());
    });
    let stage = Stage::start(builder);
    let get = |path: &'static str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\nx-forwarded-prefix: /evil\r\n\r\n"
        );
        async move { send(stage.http, &request).await }
    };
    let response = get("/app/x?y=1").await;
    assert!(
        response.contains("one GET /x?y=1\n") && response.contains("x-forwarded-prefix: /app\n"),
        "{response}"
    );
}

#[tokio::test]
async fn passwords() {
    let origin = Origin::start("one").await;
    let hash = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
    let file = format!("fast:{{PLAIN}}open\nslow:{hash}\n").into_bytes();
    let objects = Objects {
        secrets: BTreeMap::from([("users".to_owned(), BTreeMap::from([("auth".to_owned(), file)]))]),
        ..Objects::default()
    };
    let protected = [("auth-type", "basic"), ("auth-secret", "users"), ("auth-realm", "Staff")];
    let either = [&protected[..], &[("satisfy", "any"), ("allowlist-source-range", "127.0.0.1")]].concat();
    let neither = [&protected[..], &[("satisfy", "any"), ("allowlist-source-range", "192.0.2.1")]].concat();
    let builder = SnapshotBuilder::default()
        .route_with("p.example", &[origin.address], annotated(&protected, &objects))
        .route_with("either.example", &[origin.address], annotated(&either, &objects))
        .route_with("neither.example", &[origin.address], annotated(&neither, &objects))
        .route_with("digest.example", &[origin.address], annotated(&[("auth-type", "digest")], &objects))
        .route_with("missing.example", &[origin.address], annotated(&[("auth-type", "basic")], &objects));
    let stage = Stage::start(builder);
    let ask = |host: &'static str, authorization: &'static str| async move {
        let header = match authorization {
            "" => String::new(),
            encoded => format!("authorization: Basic {encoded}\r\n"),
        };
        send(stage.http, &format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n"))
            .await
    };
    let refused = ask("p.example", "").await;
    assert!(
        status(&refused) == 401 && refused.contains("www-authenticate: Basic realm=\"Staff\"\r"),
        "{refused}"
    );
    // fast:open, slow:myPassword twice (the second time it is known), slow:wrong, nobody:open
    for (encoded, expected) in [
        ("ZmFzdDpvcGVu", 200),
        ("c2xvdzpteVBhc3N3b3Jk", 200),
        ("c2xvdzpteVBhc3N3b3Jk", 200),
        ("c2xvdzp3cm9uZw==", 401),
        ("bm9ib2R5Om9wZW4=", 401),
        ("!", 401),
    ] {
        let response = ask("p.example", encoded).await;
        assert_eq!(status(&response), expected, "{encoded} {response}");
        assert!(!response.contains("authorization:"), "the upstream has no use for it: {response}");
    }
    assert_eq!(status(&ask("either.example", "").await), 200);
    assert_eq!(status(&ask("neither.example", "").await), 401);
    assert_eq!(status(&ask("neither.example", "ZmFzdDpvcGVu").await), 200);
    for closed in ["digest.example", "missing.example"] {
        assert_eq!(status(&ask(closed, "ZmFzdDpvcGVu").await), 503, "{closed}");
    }
}
