//! Copies of requests, and responses that go slowly.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jamul_routing::annotation::{Annotation, Values};
use jamul_routing::annotations::mirror;
use jamul_routing::{Draft, Pace, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::annotations::Objects;
use crate::clients::{get, send, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

/// A route whose requests are copied as these annotations say.
fn mirrored(pairs: Vec<(&'static str, String)>) -> impl FnOnce(&mut Route) {
    move |route| {
        let annotations: std::collections::BTreeMap<String, String> =
            pairs.into_iter().map(|(key, value)| (format!("p/{key}"), value)).collect();
        let mut draft = Draft::default();
        mirror::Family.compile(&mut Values::new("p", &annotations), &mut draft, &Objects::default()).unwrap();
        route.mirror = draft.route.mirror;
        route.body_limit = None;
    }
}

/// Where copies go: tells each request that is complete; answers only if it is asked to.
async fn shadow(answers: bool) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, news) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    request.extend_from_slice(&buffer[..count]);
                    let text = String::from_utf8_lossy(&request);
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
                        continue;
                    }
                    told.send(text.into_owned()).unwrap();
                    request.clear();
                    if answers {
                        stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
                    }
                }
            });
        }
    });
    (port, news)
}

async fn told(news: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(20), news.recv()).await.expect("a copy").unwrap()
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /a?b=c HTTP/1.1\r\nhost: a.example\r\nx-own: 1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn each_request_is_copied_with_its_body_and_nobody_waits_for_the_copy() {
    let origin = Origin::start("one").await;
    for answers in [true, false] {
        let (port, mut news) = shadow(answers).await;
        let target = vec![("mirror-target", format!("http://127.0.0.1:{port}/copy$request_uri"))];
        let builder = SnapshotBuilder::default().route_with("a.example", &[origin.address], mirrored(target));
        let stage = Stage::start(builder);
        let response = send(stage.http, &post("hello")).await;
        assert!(status(&response) == 200 && response.contains("body 5\n"), "{response}");
        let copy = told(&mut news).await;
        assert!(
            copy.starts_with("POST /copy/a?b=c HTTP/1.1\r\n") && copy.ends_with("\r\n\r\nhello"),
            "{copy}"
        );
        for line in ["host: 127.0.0.1\r\n", "x-own: 1\r\n", "x-forwarded-host: a.example\r\n"] {
            assert!(copy.contains(line), "{line:?} {copy}");
        }
        assert_eq!(status(&get(stage.http, "a.example", "/").await), 200);
        assert!(told(&mut news).await.starts_with("GET /copy/ HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_copy_may_have_another_host_and_no_body() {
    let (origin, (port, mut news)) = (Origin::start("one").await, shadow(true).await);
    let told_to = vec![
        ("mirror-target", format!("http://127.0.0.1:{port}$request_uri")),
        ("mirror-host", "shadow.example".to_owned()),
        ("mirror-request-body", "off".to_owned()),
    ];
    let builder = SnapshotBuilder::default().route_with("a.example", &[origin.address], mirrored(told_to));
    let stage = Stage::start(builder);
    assert!(send(stage.http, &post("hello")).await.contains("body 5\n"));
    let copy = told(&mut news).await;
    assert!(copy.contains("host: shadow.example\r\n") && copy.ends_with("\r\n\r\n"), "{copy}");
}

#[tokio::test]
async fn a_shadow_that_is_not_there_or_reads_nothing_costs_no_request() {
    let origin = Origin::start("one").await;
    // One that nobody listens at, and one that accepts and never reads.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for port in [gone, deaf.local_addr().unwrap().port()] {
        let target = vec![("mirror-target", format!("http://127.0.0.1:{port}$request_uri"))];
        let builder = SnapshotBuilder::default().route_with("a.example", &[origin.address], mirrored(target));
        let stage = Stage::start(builder);
        let long = "x".repeat(8 << 20);
        let response = send(stage.http, &post(&long)).await;
        assert!(response.contains("body 8388608\n"), "{}", &response[..200]);
    }
}

#[tokio::test]
async fn a_response_goes_as_fast_as_its_route_allows_and_whole() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin.local_addr().unwrap();
    let long = Arc::new("y".repeat(300_000));
    let body = Arc::clone(&long);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = origin.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0, "a request");
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    });
    // At once: 100,000 and a second's worth; the other 100,000 take a second.
    let pace = Pace { rate: NonZeroU64::new(100_000).unwrap(), after: 100_000 };
    let slow = |route: &mut Route| route.pace = Some(pace);
    let stage = Stage::start(SnapshotBuilder::default().route_with("a.example", &[address], slow));
    let begun = Instant::now();
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.split_once("\r\n\r\n").is_some_and(|(_, body)| body == *long));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
}
