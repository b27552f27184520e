//! What endpoints bear, whether they are well, and how connections to them are kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jamul_routing::{Cap, Check, Endpoint, Globals, Keepalive, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{exchange, get, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

fn capped(queue: u32, wait: Duration) -> Policy {
    let cap = Cap { requests: 1.try_into().unwrap(), queue, wait };
    Policy { cap: Some(cap), ..Policy::default() }
}

#[tokio::test]
async fn what_an_endpoint_cannot_bear_waits_and_what_the_queue_cannot_is_refused() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    // Two workers: the cap is of the endpoint, not of each.
    let stage =
        Stage::start_with(builder.policy("a.example", capped(1, Duration::from_secs(60))), |settings| {
            settings.access_log = false;
            settings.workers = 2;
        });
    let http = stage.http;
    let held = tokio::spawn(async move { get(http, "a.example", "/held").await });
    origin.held.notified().await;
    // Of two more, one waits and one is refused, whichever comes first.
    let mut others: Vec<_> =
        (0..2).map(|_| tokio::spawn(async move { get(http, "a.example", "/").await })).collect();
    let (first, _, rest) = futures_util::future::select_all(others.drain(..)).await;
    assert_eq!(status(&first.unwrap()), 503);
    origin.release.notify_one();
    assert_eq!(status(&held.await.unwrap()), 200);
    for waited in rest {
        assert_eq!(status(&waited.await.unwrap()), 200);
    }
}

#[tokio::test]
async fn who_waits_for_too_long_is_refused() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    let stage = Stage::start(builder.policy("a.example", capped(1, Duration::from_millis(10))));
    let http = stage.http;
    let held = tokio::spawn(async move { get(http, "a.example", "/held").await });
    origin.held.notified().await;
    assert_eq!(status(&get(http, "a.example", "/").await), 503);
    origin.release.notify_one();
    assert_eq!(status(&held.await.unwrap()), 200);
}

/// Answers 200 or 500 as `is_well` says to a check, and always 200 to others.
async fn patient(is_well: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let is_well = Arc::clone(&is_well);
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => request.extend_from_slice(&buffer[..count]),
                    }
                }
                let text = String::from_utf8(request).unwrap();
                let is_check =
                    text.starts_with("GET /healthz ") && text.contains("user-agent: jamul-health-check");
                let is_good = !is_check || is_well.load(Ordering::SeqCst);
                let line = if is_good { "200 OK" } else { "500 Internal Server Error" };
                let head = "content-length: 0\r\nx-origin: patient\r\nconnection: close";
                let _ = stream.write_all(format!("HTTP/1.1 {line}\r\n{head}\r\n\r\n").as_bytes()).await;
            });
        }
    });
    address
}

/// Asks until `is_done`, for at most half a minute.
async fn until(mut is_done: impl AsyncFnMut() -> bool) {
    let asking = async { while !is_done().await {} };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("in time");
}

#[tokio::test]
async fn an_endpoint_that_fails_its_checks_gets_no_requests_until_it_passes_one() {
    let (is_well, good) = (Arc::new(AtomicBool::new(false)), Origin::start("good").await);
    let patient = patient(Arc::clone(&is_well)).await;
    let check = Check {
        path: "/healthz".to_owned(),
        host: None,
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
        failures: 2.try_into().unwrap(),
        passes: 1.try_into().unwrap(),
        statuses: 200..=399,
    };
    let builder = SnapshotBuilder::default().route("a.example", &[patient, good.address]);
    let policy = Policy { check: Some(check), ..Policy::default() };
    let stage = Stage::start(builder.policy("a.example", policy));
    let ask = async || get(stage.http, "a.example", "/").await;
    until(async || {
        assert_eq!(status(&ask().await), 200);
        !stage.healths.is_healthy(&Endpoint::Address(patient))
    })
    .await;
    for _ in 0..6 {
        assert!(ask().await.contains("x-origin: good"));
    }
    is_well.store(true, Ordering::SeqCst);
    until(async || ask().await.contains("x-origin: patient")).await;
    assert!(stage.healths.is_healthy(&Endpoint::Address(patient)));
}

/// Connections that the origin sees of `requests` requests, one after the other.
async fn connections(keepalive: Keepalive, requests: usize) -> usize {
    let origin = Origin::start("one").await;
    let mut builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    builder.0.globals = Arc::new(Globals { keepalive, ..Globals::default() });
    let stage = Stage::start(builder);
    let mut client = TcpStream::connect(stage.http).await.unwrap();
    for _ in 0..requests {
        let response = exchange(&mut client, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
        assert_eq!(status(&response), 200);
    }
    origin.connections()
}

#[tokio::test]
async fn connections_to_endpoints_are_kept_as_the_settings_say() {
    let usual = Keepalive::default();
    assert_eq!(connections(usual, 6).await, 1);
    assert_eq!(connections(Keepalive { requests: 2, ..usual }, 6).await, 3);
    assert_eq!(connections(Keepalive { connections: 0, ..usual }, 3).await, 3);
    assert_eq!(connections(Keepalive { age: Duration::ZERO, ..usual }, 3).await, 3);
    assert_eq!(connections(Keepalive { idle: Duration::ZERO, ..usual }, 3).await, 3);
}
