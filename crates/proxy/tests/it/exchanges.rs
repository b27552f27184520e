//! Exchanges over plain http.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use jamul_routing::route::Target;
use jamul_routing::{Filter, Reply, RequestHead, ResponseHead, Route, Scope, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{exchange, get, send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage, filtered};

#[tokio::test]
async fn a_request_reaches_its_origin_with_the_headers_of_ingress_nginx() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let response = send(
        stage.http,
        "GET /p%20q?x=1 HTTP/1.1\r\nHost: A.example:8080\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
         Proxy: evil\r\n\
         X_Real_IP: evil\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    )
    .await;
    assert_eq!(status(&response), 200, "{response}");
    let expected = [
        "one GET /p%20q?x=1\n",
        "host: A.example:8080\n",
        "x-real-ip: 127.0.0.1\n",
        "x-forwarded-for: 127.0.0.1\n",
        "x-forwarded-host: A.example:8080\n",
        "x-forwarded-proto: http\n",
        "x-forwarded-scheme: http\n",
        "x-scheme: http\n",
        "x-original-forwarded-for: 192.0.2.1\n",
    ];
    for line in expected {
        assert!(response.contains(line), "{line:?} is missing in {response}");
    }
    for gone in ["x-hop", "evil", "server: origin", "keep-alive:", "strict-transport-security"] {
        assert!(!response.contains(gone), "{gone:?} is in {response}");
    }
    let id = response.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn failures_have_the_status_of_ingress_nginx() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let builder = SnapshotBuilder::default()
        .route("empty.example", &[])
        .route("refused.example", &[refused])
        .route_with("closed.example", &[], |route| route.target = Target::Closed);
    let stage = Stage::start(builder);
    for (host, expected) in
        [("nobody.example", 404), ("empty.example", 503), ("closed.example", 503), ("refused.example", 502)]
    {
        assert_eq!(status(&get(stage.http, host, "/").await), expected, "{host}");
    }
    assert_eq!(status(&get(stage.http, "nobody.example", "/healthz").await), 200);
    assert_eq!(status(&get(stage.http, "closed.example", "/..").await), 400);
    assert_eq!(status(&send(stage.http, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await), 400);
    let twice = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&send(stage.http, twice).await), 400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_announced_or_not() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let announced = "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1025\r\n\r\n";
    assert_eq!(status(&send(stage.http, announced).await), 413);
    assert_eq!(origin.connections(), 0);
    let chunk = format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(1025));
    let chunked = format!("POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    assert_eq!(status(&send(stage.http, &chunked).await), 413);
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    let fits =
        format!("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1024\r\n\r\n{}", "x".repeat(1024));
    assert!(exchange(&mut stream, &fits).await.contains("body 1024\n"));
}

#[tokio::test]
async fn a_silent_upstream_is_504_after_the_read_timeout() {
    let origin = Origin::start("one").await;
    let hasty = |route: &mut Route| route.timeouts.read = Duration::from_millis(50);
    let stage = Stage::start(SnapshotBuilder::default().route_with("a.example", &[origin.address], hasty));
    assert_eq!(status(&get(stage.http, "a.example", "/held").await), 504);
}

#[tokio::test]
async fn connections_to_clients_and_origins_are_used_again() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    for _ in 0..5 {
        let response = exchange(&mut stream, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
        assert_eq!(status(&response), 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_request_is_sent_again_when_an_idle_connection_turns_out_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage =
        Stage::start(SnapshotBuilder::default().route("a.example", &[listener.local_addr().unwrap()]));
    let origin = tokio::spawn(async move {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let mut buffer = [0; 4096];
        // Answers once, then closes at the next request, like an origin whose idle timeout has just come.
        let (mut first, _) = listener.accept().await.unwrap();
        assert!(first.read(&mut buffer).await.unwrap() > 0);
        first.write_all(answer.as_bytes()).await.unwrap();
        assert!(first.read(&mut buffer).await.unwrap() > 0);
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        assert!(second.read(&mut buffer).await.unwrap() > 0);
        second.write_all(answer.as_bytes()).await.unwrap();
        second
    });
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    for _ in 0..2 {
        let response = exchange(&mut stream, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
        assert_eq!(status(&response), 200, "{response}");
    }
    origin.await.unwrap();
}

#[tokio::test]
async fn the_next_endpoint_is_tried_when_one_refuses() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[refused, origin.address]));
    for _ in 0..4 {
        assert_eq!(status(&get(stage.http, "a.example", "/").await), 200);
    }
}

#[tokio::test]
async fn a_new_snapshot_is_seen_by_the_next_request_of_a_connection() {
    let (one, two) = (Origin::start("one").await, Origin::start("two").await);
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[one.address]));
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
    assert!(exchange(&mut stream, request).await.contains("one GET /"));
    stage.snapshots.store(Arc::new(SnapshotBuilder::default().route("a.example", &[two.address]).0));
    assert!(exchange(&mut stream, request).await.contains("two GET /"));
}

#[derive(Debug)]
struct Elsewhere;

impl Filter for Elsewhere {
    fn name(&self) -> &'static str {
        "elsewhere"
    }

    fn on_request(&self, _head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        Verdict::Reply(Reply::redirect(StatusCode::FOUND, HeaderValue::from_static("https://b.example/")))
    }

    fn on_response(&self, head: &mut ResponseHead, _scope: &mut Scope<'_>) {
        head.headers.insert("x-filter", HeaderValue::from_static("seen"));
    }
}

#[tokio::test]
async fn a_challenge_is_answered_before_any_redirect() {
    let builder = SnapshotBuilder::default().route_with("a.example", &[], filtered(Elsewhere)).challenge(
        "a.example",
        "token",
        "token.thumbprint",
    );
    let stage = Stage::start(builder);
    let challenge = get(stage.http, "a.example", "/.well-known/acme-challenge/token").await;
    assert_eq!(status(&challenge), 200);
    assert!(challenge.ends_with("\r\n\r\ntoken.thumbprint"), "{challenge}");
    for path in ["/.well-known/acme-challenge/other", "/"] {
        let response = get(stage.http, "a.example", path).await;
        assert_eq!(status(&response), 302, "{response}");
        assert!(response.contains("x-filter: seen"), "{response}");
    }
}

#[derive(Debug)]
struct Broken;

impl Filter for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn on_request(&self, _head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        panic!("a bug, on purpose");
    }
}

#[tokio::test]
async fn a_panic_ends_its_exchange_only() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default()
        .route_with("broken.example", &[origin.address], filtered(Broken))
        .route("a.example", &[origin.address]);
    let stage = Stage::start(builder);
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    assert_eq!(status(&exchange(&mut stream, "GET / HTTP/1.1\r\nhost: broken.example\r\n\r\n").await), 500);
    assert_eq!(status(&exchange(&mut stream, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await), 200);
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_both_ways() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    let request = "GET /ws HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    let response = exchange(&mut stream, request).await;
    assert_eq!(status(&response), 101, "{response}");
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
}

#[tokio::test]
async fn exchanges_are_counted_under_the_names_of_ingress_nginx() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    get(stage.http, "a.example", "/").await;
    let families = stage.metrics.gather();
    let requests =
        families.iter().find(|family| family.name() == "nginx_ingress_controller_requests").unwrap();
    let metric = &requests.get_metric()[0];
    assert!((metric.get_counter().get_value() - 1.0).abs() < f64::EPSILON);
    let labels: Vec<_> = metric.get_label().iter().map(|label| (label.name(), label.value())).collect();
    assert!(labels.contains(&("ingress", "web")) && labels.contains(&("status", "200")), "{labels:?}");
}

#[tokio::test]
async fn paths_are_what_docs_say_also_through_the_proxy() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/paths.md");
    let page = std::fs::read_to_string(page).unwrap();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (asked, canonical, sent) = (cells[1], cells[2], cells[3]);
        let response = get(stage.http, "a.example", asked).await;
        if canonical == "400" {
            assert_eq!(status(&response), 400, "{asked}: {response}");
        } else {
            assert!(response.contains(&format!("one GET {sent}\n")), "{asked}: {response}");
        }
    }
}

#[derive(Debug)]
struct Escaping;

impl Filter for Escaping {
    fn name(&self) -> &'static str {
        "escaping"
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        head.target = head.path.replace("/public", "/base/");
        Verdict::Continue
    }
}

#[tokio::test]
async fn a_rewrite_cannot_be_made_to_climb() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route_with(
        "a.example",
        &[origin.address],
        filtered(Escaping),
    ));
    assert_eq!(status(&get(stage.http, "a.example", "/public../secret").await), 400);
    assert!(get(stage.http, "a.example", "/public/x").await.contains("one GET /base//x\n"));
}
