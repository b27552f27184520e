//! What exchanges do about endpoints that fail, come and go.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use jamul_routing::{Condition, Conditions, Endpoint, Retry, Route, Session, SessionCookie};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{exchange, get, send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

/// An endpoint that reads a request with its body and then says `response` (nothing: it hangs up).
async fn scripted(response: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !(request.ends_with(b"\r\n\r\n") || request.ends_with(b"the end")) {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => return,
                        count => request.extend_from_slice(&buffer[..count]),
                    }
                }
                stream.write_all(response.as_bytes()).await.unwrap();
            });
        }
    });
    address
}

const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nx-origin: bad\r\n\r\n";

fn retry(words: &'static str) -> impl Fn(&mut Route) {
    move |route| {
        route.retry =
            Retry { on: Conditions::parse(words).unwrap(), tries: NonZeroU32::new(2), within: None };
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_hangs_up_or_is_unavailable_is_passed_over_if_the_route_says_so() {
    let good = Origin::start("good").await;
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (silent, unavailable) = (scripted("").await, scripted(UNAVAILABLE).await);
    for (bad, words, without) in
        [(refused, "error", 502), (silent, "error", 502), (unavailable, "error http_503", 503)]
    {
        let builder = SnapshotBuilder::default()
            .route_with("retry.example", &[bad, good.address], retry(words))
            .route_with("off.example", &[bad, good.address], retry("off"));
        let stage = Stage::start(builder);
        let mut seen = BTreeSet::new();
        for _ in 0..4 {
            assert_eq!(status(&get(stage.http, "retry.example", "/").await), 200, "{words}");
        }
        // A new stage: health would keep the bad endpoint away.
        let stage = Stage::start(SnapshotBuilder::default().route_with("off.example", &[bad], retry("off")));
        seen.insert(status(&get(stage.http, "off.example", "/").await));
        assert_eq!(seen, BTreeSet::from([without]), "{words}");
    }
}

#[tokio::test]
async fn the_last_endpoints_refusal_is_the_answer() {
    let (one, two) = (scripted(UNAVAILABLE).await, scripted(UNAVAILABLE).await);
    let stage =
        Stage::start(SnapshotBuilder::default().route_with("a.example", &[one, two], retry("http_503")));
    let response = get(stage.http, "a.example", "/").await;
    assert_eq!(status(&response), 503);
    assert!(response.contains("x-origin: bad"), "{response}");
}

#[tokio::test]
async fn a_body_is_sent_again_whole_if_the_method_may_be_repeated() {
    let good = Origin::start("good").await;
    let bad = scripted(UNAVAILABLE).await;
    let request = |method: &str| {
        let body = format!("{}the end", "x".repeat(900));
        let length = body.len();
        format!(
            "{method} / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    for (method, words, statuses) in [
        ("PUT", "http_503", BTreeSet::from([200])),
        ("POST", "http_503", BTreeSet::from([200, 503])),
        ("POST", "http_503 non_idempotent", BTreeSet::from([200])),
    ] {
        let builder = SnapshotBuilder::default();
        let stage = Stage::start(builder.route_with("a.example", &[bad, good.address], retry(words)));
        let mut seen = BTreeSet::new();
        for _ in 0..4 {
            let response = send(stage.http, &request(method)).await;
            seen.insert(status(&response));
            assert!(status(&response) == 503 || response.contains("body 907\n"), "{response}");
        }
        assert_eq!(seen, statuses, "{method} {words}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_again_and_again_is_left_alone() {
    let good = Origin::start("good").await;
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let off = |route: &mut Route| route.retry.on = Conditions::default().with(Condition::Timeout);
    let stage =
        Stage::start(SnapshotBuilder::default().route_with("a.example", &[refused, good.address], off));
    let mut failures = 0;
    for _ in 0..20 {
        failures += usize::from(status(&get(stage.http, "a.example", "/").await) == 502);
    }
    assert_eq!(failures, 1);
    assert!(!stage.healths.is_healthy(&Endpoint::Address(refused)));
    assert!(stage.healths.is_healthy(&Endpoint::Address(good.address)));
}

#[tokio::test]
async fn a_client_with_the_cookie_stays_at_its_endpoint() {
    let origins = [Origin::start("one").await, Origin::start("two").await, Origin::start("three").await];
    let addresses = origins.each_ref().map(|origin| origin.address);
    let sessions = |route: &mut Route| {
        let cookie = Arc::new(SessionCookie::default());
        route.balance.session = Some(Session::new(cookie, "default-web-80".to_owned(), "/"));
    };
    let stage = Stage::start(SnapshotBuilder::default().route_with("a.example", &addresses, sessions));
    let origin = |response: &str| {
        response.lines().find_map(|line| line.strip_prefix("x-origin: ")).unwrap().to_owned()
    };
    let first = get(stage.http, "a.example", "/").await;
    let cookie = first.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("INGRESSCOOKIE=") && attributes == " Path=/; HttpOnly", "{cookie}");
    for _ in 0..6 {
        let request =
            format!("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ncookie: {pair}\r\n\r\n");
        let response = send(stage.http, &request).await;
        assert_eq!(origin(&response), origin(&first));
        assert!(!response.contains("set-cookie"), "{response}");
    }
}

/// Rolls all endpoints three times under load: what is new is used with its Snapshot, what is gone finishes what
/// it has begun, and no client sees any of it.
#[tokio::test]
async fn rolling_endpoints_under_load_costs_no_request() {
    let mut origins = [Origin::start("one").await, Origin::start("two").await];
    let addresses = |origins: &[Arc<Origin>; 2]| origins.each_ref().map(|origin| origin.address);
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &addresses(&origins)));
    let http = stage.http;
    let load = |requests: usize| async move {
        let mut stream = TcpStream::connect(http).await.unwrap();
        for _ in 0..requests {
            let response = exchange(&mut stream, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
            assert_eq!(status(&response), 200, "{response}");
        }
    };
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(load(150))).collect();
    let held = tokio::spawn(async move { get(http, "a.example", "/held").await });
    let first = origins.clone();
    tokio::select! {
        () = first[0].held.notified() => {}
        () = first[1].held.notified() => {}
    }
    for (generation, name) in (1..).zip(["three", "four", "five"]) {
        for origin in &mut origins {
            *origin = Origin::start(name).await;
        }
        let next = SnapshotBuilder::default().route("a.example", &addresses(&origins)).0;
        stage.snapshots.store(Arc::new(jamul_routing::Snapshot { generation, ..next }));
        let response = get(http, "a.example", "/").await;
        assert!(response.contains(&format!("x-origin: {name}")), "{response}");
    }
    for client in clients {
        client.await.unwrap();
    }
    for origin in &first {
        origin.release.notify_one();
    }
    assert_eq!(status(&held.await.unwrap()), 200);
}
