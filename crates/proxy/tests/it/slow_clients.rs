//! Clients that take their time, or more than their share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jamul_routing::CertTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{exchange, send, status, tls};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);
const GET: &str = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";

/// What is read until the proxy ends the connection, and how long that took.
async fn ended(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, Duration) {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LONG / 2, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection stays open");
    (String::from_utf8_lossy(&rest).into_owned(), begun.elapsed())
}

/// Reads until there is a frame with this head.
async fn seen(stream: &mut (impl tokio::io::AsyncRead + Unpin), head: [u8; 9]) {
    let reading = async {
        let mut frames = Vec::new();
        while !frames.windows(9).any(|bytes| bytes == head) {
            assert!(stream.read_buf(&mut frames).await.unwrap() > 0, "ended without {head:?}");
        }
    };
    tokio::time::timeout(LONG / 2, reading).await.expect("the frame comes");
}

/// A connection whose first exchange is over. Where there is little time for a head, an honest one may be late on a busy
/// machine: then another connection is tried.
async fn used(address: SocketAddr) -> TcpStream {
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut begin = [0; 12];
        if stream.write_all(GET.as_bytes()).await.is_ok() && stream.read_exact(&mut begin).await.is_ok() {
            assert_eq!(&begin, b"HTTP/1.1 200");
            return stream;
        }
    }
    panic!("no head was in time");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_ends_the_connection() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]).edge(|edge| {
        edge.waits.header = SHORT;
        edge.waits.keep_alive = LONG;
    });
    let stage = Stage::start(builder);
    // However steadily its bytes come, and whether it is the first or another on its connection.
    for mut stream in [TcpStream::connect(stage.http).await.unwrap(), used(stage.http).await] {
        let dripping = async {
            let mut drip = tokio::time::interval(SHORT / 10);
            while stream.write_all(b"G").await.is_ok() && drip.tick().await.elapsed() < LONG {}
        };
        tokio::time::timeout(LONG / 2, dripping).await.expect("the connection ends");
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn silence_between_requests_ends_the_connection_and_an_exchange_is_no_silence() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]).edge(|edge| {
        edge.waits.header = LONG;
        edge.waits.keep_alive = SHORT;
    });
    let stage = Stage::start(builder);
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    assert_eq!(status(&exchange(&mut stream, GET).await), 200);
    assert_eq!(ended(&mut stream).await.0, "");

    let mut held = TcpStream::connect(stage.http).await.unwrap();
    held.write_all(GET.replace("GET /", "GET /held").as_bytes()).await.unwrap();
    origin.held.notified().await;
    tokio::time::sleep(SHORT * 3).await;
    origin.release.notify_one();
    let (response, _) = ended(&mut held).await;
    assert_eq!(status(&response), 200, "{response}");
}

#[tokio::test]
async fn a_connection_has_as_many_requests_as_it_may() {
    let origin = Origin::start("one").await;
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default()
        .route("a.example", &[origin.address])
        .edge(|edge| edge.limits.requests = 2);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    assert!(!exchange(&mut stream, GET).await.contains("connection: close"));
    stream.write_all(GET.as_bytes()).await.unwrap();
    let (last, _) = ended(&mut stream).await;
    assert!(last.contains("connection: close"), "{last}");

    // Preface, settings, two requests: then clients are told to go elsewhere.
    let mut secure = tls(stage.https, "a.example", &root, "h2").await;
    secure.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    for stream in [1, 3] {
        secure.write_all(&crate::frames::get(stream)).await.unwrap();
    }
    let _ = secure.flush().await;
    // GOAWAY, 8 bytes, of the connection.
    seen(&mut secure, [0, 0, 8, 7, 0, 0, 0, 0, 0]).await;
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_ended() {
    let origin = Origin::start("one").await;
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default()
        .route("a.example", &[origin.address])
        .edge(|edge| edge.waits.keep_alive = SHORT);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let mut secure = tls(stage.https, "a.example", &root, "h2").await;
    secure.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let _ = secure.flush().await;
    ended(&mut secure).await;
}

#[tokio::test]
async fn a_stream_whose_client_opens_no_window_is_reset() {
    let origin = Origin::start("one").await;
    let (default, root) = certificate("a.example");
    let mut builder =
        SnapshotBuilder::default().route("a.example", &[origin.address]).edge(|edge| edge.waits.send = SHORT);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let mut secure = tls(stage.https, "a.example", &root, "h2").await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    secure.write_all(settings).await.unwrap();
    secure.write_all(&crate::frames::get(1)).await.unwrap();
    let _ = secure.flush().await;
    // RST_STREAM, 4 bytes, of stream 1.
    seen(&mut secure, [0, 0, 4, 3, 0, 0, 0, 0, 1]).await;
}

#[tokio::test]
async fn a_body_of_announced_length_that_only_drips_is_refused() {
    let origin = Origin::start("one").await;
    let builder =
        SnapshotBuilder::default().route("a.example", &[origin.address]).edge(|edge| edge.waits.body = SHORT);
    let stage = Stage::start(builder);
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
    let (mut from, mut to) = stream.split();
    let dripping = async {
        let mut drip = tokio::time::interval(SHORT / 4);
        while to.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    };
    let answered = async {
        let mut response = Vec::new();
        let _ = from.read_to_end(&mut response).await;
        String::from_utf8(response).unwrap()
    };
    let ended = async {
        tokio::select! {
            response = answered => response,
            () = dripping => String::new(),
        }
    };
    let response = tokio::time::timeout(LONG / 2, ended).await.expect("the exchange ends");
    assert!(response.is_empty() || status(&response) == 408, "{response}");
}

#[tokio::test]
async fn long_targets_and_headers_are_refused_each_with_its_status() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let head = |path: &str, field: &str| {
        format!("GET /{path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\nx-long: {field}\r\n\r\n")
    };
    let (fits, long) = ("x".repeat(8000), "x".repeat(9000));
    assert_eq!(status(&send(stage.http, &head(&fits, &fits)).await), 200);
    assert_eq!(status(&send(stage.http, &head(&long, "")).await), 414);
    assert_eq!(status(&send(stage.http, &head("", &long)).await), 400);
    assert_eq!(status(&send(stage.http, &head("", &"x".repeat(40_000))).await), 431);
}
