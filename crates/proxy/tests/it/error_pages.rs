//! `custom-http-errors`, `default-backend`, `disable-proxy-intercept-errors`, `--default-backend-service`.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use jamul_routing::error_pages::Intercepted;
use jamul_routing::route::Target;
use jamul_routing::{Endpoint, ErrorPages, Protocol, Route, Upstream, UpstreamId};
use tokio::net::TcpListener;

use crate::annotations::{Objects, annotated};
use crate::clients::{get, send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

const WRITER: &str = "default/errors:first[http]";

/// As `translate` has it: what the annotations say, with the Service that they name.
fn paged<'a>(pairs: &'a [(&'a str, &'a str)], objects: &'a Objects) -> impl FnOnce(&mut Route) + use<'a> {
    move |route| {
        let errors = annotated(pairs, objects);
        errors(route);
        if let Some(pages) = &route.errors {
            let writer = Some(UpstreamId(WRITER.into()));
            let stand_in = writer.clone();
            route.errors = Some(Arc::new(ErrorPages { writer, stand_in, ..(**pages).clone() }));
        }
    }
}

fn with_writer(mut builder: SnapshotBuilder, endpoints: &[SocketAddr]) -> SnapshotBuilder {
    let id = UpstreamId(WRITER.into());
    let endpoints = endpoints.iter().copied().map(Endpoint::Address).collect();
    builder.0.upstreams.insert(id.clone(), {
        let policy = jamul_routing::Policy::default();
        Arc::new(Upstream { id, protocol: Protocol::Http, endpoints, policy })
    });
    builder
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_error_service_is_told_what_went_wrong_and_its_answer_is_the_clients() {
    let (origin, errors) = (Origin::start("one").await, Origin::start("errors").await);
    let objects = Objects::default();
    let pages = [("custom-http-errors", "404,503"), ("default-backend", "errors")];
    let own = [pages[0], pages[1], ("disable-proxy-intercept-errors", "true")];
    let wrong = [("custom-http-errors", "teapot"), ("default-backend", "errors")];
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[origin.address], paged(&pages, &objects))
        .route_with("own.example", &[origin.address], paged(&own, &objects))
        .route_with("wrong.example", &[origin.address], paged(&wrong, &objects))
        .route("plain.example", &[origin.address]);
    let stage = Stage::start(with_writer(builder, &[errors.address]));
    let request = "GET /status/404?q=1 HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\naccept: text/x\r\n\
                   if-none-match: x\r\n\r\n";
    let page = send(stage.http, request).await;
    assert_eq!(status(&page), 200, "the error service decides: {page}");
    for told in [
        "errors GET /\n",
        "x-code: 404\n",
        "x-format: text/x\n",
        "x-original-uri: /status/404?q=1\n",
        "x-namespace: default\n",
        "x-ingress-name: web\n",
        "x-service-name: web\n",
        "x-service-port: 80\n",
        "x-request-id: ",
        "host: a.example\n",
    ] {
        assert!(page.contains(told), "{told:?} is missing in {page}");
    }
    assert!(!page.contains("if-none-match"), "{page}");
    for (host, path, expected) in [
        ("a.example", "/status/500", 500),
        ("a.example", "/", 200),
        ("own.example", "/status/404", 404),
        ("wrong.example", "/status/404", 404),
        ("plain.example", "/status/404", 404),
    ] {
        let response = get(stage.http, host, path).await;
        assert!(status(&response) == expected && response.contains("one GET"), "{host}{path} {response}");
    }
}

#[tokio::test]
async fn a_service_without_endpoints_is_stood_in_for() {
    let errors = Origin::start("errors").await;
    let objects = Objects::default();
    let pages = [("default-backend", "errors")];
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[], paged(&pages, &objects))
        .route("plain.example", &[]);
    let stage = Stage::start(with_writer(builder, &[errors.address]));
    let request =
        "POST /x?y HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
    let page = send(stage.http, request).await;
    for told in ["errors POST /x?y\n", "x-code: 503\n", "x-original-uri: /x?y\n", "body 3\n"] {
        assert!(page.contains(told), "{told:?} is missing in {page}");
    }
    assert_eq!(status(&get(stage.http, "plain.example", "/").await), 503);
}

/// CVE-2026-24513: an error service may neither let pass what a check refused nor, by failing, open the way.
#[tokio::test]
async fn a_refusal_stays_a_refusal_whatever_the_error_service_does() {
    let (origin, errors) = (Origin::start("one").await, Origin::start("errors").await);
    let objects = Objects::default();
    let denied = [
        ("custom-http-errors", "401,403,500,503"),
        ("default-backend", "errors"),
        ("denylist-source-range", "127.0.0.0/8"),
    ];
    let builder =
        || SnapshotBuilder::default().route_with("a.example", &[origin.address], paged(&denied, &objects));
    let stage = Stage::start(with_writer(builder(), &[errors.address]));
    let page = get(stage.http, "a.example", "/").await;
    assert!(status(&page) == 403 && page.contains("x-code: 403\n") && !page.contains("one GET"), "{page}");
    for broken in [vec![], vec![closed_port().await]] {
        let stage = Stage::start(with_writer(builder(), &broken));
        let page = get(stage.http, "a.example", "/").await;
        assert!(status(&page) == 403 && page.contains("403 Forbidden"), "{page}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn an_error_service_that_fails_leaves_the_answer_and_none_at_all_a_plain_page() {
    let origin = Origin::start("one").await;
    let pages = |writer: bool| {
        move |route: &mut Route| {
            route.errors = Some(Arc::new(ErrorPages {
                statuses: vec![StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY],
                of: Intercepted::All,
                writer: writer.then(|| UpstreamId(WRITER.into())),
                stand_in: None,
            }));
        }
    };
    let gone = closed_port().await;
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[origin.address], pages(true))
        .route_with("gone.example", &[gone], pages(true))
        .route_with("none.example", &[origin.address], pages(false));
    let stage = Stage::start(with_writer(builder, &[closed_port().await]));
    let response = get(stage.http, "a.example", "/status/404").await;
    assert!(status(&response) == 404 && response.contains("one GET"), "{response}");
    assert_eq!(status(&get(stage.http, "gone.example", "/").await), 502);
    let response = get(stage.http, "none.example", "/status/404").await;
    assert!(status(&response) == 404 && response.contains("404 Not Found") && !response.contains("one GET"));
}

#[tokio::test]
async fn what_no_rule_takes_goes_to_the_default_backend_unchanged() {
    let (origin, default) = (Origin::start("one").await, Origin::start("default").await);
    let mut builder = SnapshotBuilder::default()
        .route("default.example", &[default.address])
        .route("a.example", &[origin.address]);
    let id = UpstreamId("default/default.example:80".into());
    let found = builder.0.router.find_path(&jamul_routing::Host::parse("default.example").unwrap(), "/");
    let mut route = found.unwrap().route;
    assert_eq!(route.target, Target::Upstream(id));
    route = Arc::clone(&route);
    builder.0.default_route = Some(route);
    let stage = Stage::start(builder);
    let response = get(stage.http, "unknown.example", "/x?y").await;
    assert!(
        response.contains("default GET /x?y\n") && response.contains("host: unknown.example\n"),
        "{response}"
    );
    assert!(!response.contains("x-code"), "{response}");
    assert!(get(stage.http, "a.example", "/").await.contains("one GET"));
    assert!(get(stage.http, "unknown.example", "/healthz").await.ends_with("ok\n"));
}
