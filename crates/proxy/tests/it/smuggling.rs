//! Bytes that two parties could read differently: none of them reaches an upstream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{get, send, status};
use crate::stage::{SnapshotBuilder, Stage};

/// An origin that answers each head with 200 and keeps every byte that it was sent.
struct Recorder {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&recorder.seen);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let mut unanswered = Vec::new();
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        seen.lock().unwrap().extend_from_slice(&buffer[..count]);
                        unanswered.extend_from_slice(&buffer[..count]);
                        if unanswered.windows(4).any(|end| end == b"\r\n\r\n") {
                            unanswered.clear();
                            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        recorder
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).to_ascii_lowercase()
    }
}

async fn stage() -> (Recorder, Stage) {
    let recorder = Recorder::start().await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[recorder.address]));
    (recorder, stage)
}

/// What follows each attack on the same connection: it must not be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[tokio::test]
async fn an_ambiguous_head_is_400_and_nothing_of_it_goes_on() {
    let (recorder, stage) = stage().await;
    for head in [
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0, 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length : 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a.example\n\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\rContent-Length: 44\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\n X: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n",
        "GET /\tx HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ] {
        let response = send(stage.http, &format!("{head}{SMUGGLED}")).await;
        assert_eq!(status(&response), 400, "{head:?}: {response:?}");
        assert_eq!(response.matches("HTTP/1.1 ").count(), 1, "{head:?}: {response:?}");
        assert_eq!(recorder.seen(), "", "{head:?}");
    }
}

#[tokio::test]
async fn an_ambiguous_chunk_ends_the_connection() {
    let (recorder, stage) = stage().await;
    for chunks in [
        "1\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "0\n\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
        let response = send(stage.http, &format!("{head}{chunks}{SMUGGLED}")).await;
        assert!(response.matches("HTTP/1.1 ").count() <= 1, "{chunks:?}: {response:?}");
        assert!(!recorder.seen().contains("/smuggled"), "{chunks:?}");
    }
}

#[tokio::test]
async fn what_is_right_goes_through_and_keeps_its_connection() {
    let (recorder, stage) = stage().await;
    let chunked = "POST /one HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n\n\n\n\r\n0\r\n\r\n";
    let sized = "POST /two HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\n\n\n";
    let absolute = "GET http://a.example/three HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n";
    let response = send(stage.http, &format!("{chunked}{sized}{absolute}")).await;
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 3, "{response}");
    let seen = recorder.seen();
    assert!(seen.contains("get /three http/1.1\r\n") && seen.contains("host: a.example\r\n"), "{seen}");
}

#[tokio::test]
async fn what_follows_a_refused_upgrade_is_a_request() {
    let (recorder, stage) = stage().await;
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    // The origin answers 200: no tunnel, so the line ends of the second request are looked at.
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    stream.write_all(b"GET /smuggled HTTP/1.1\nHost: a.example\n\n").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&rest));
    assert!(!recorder.seen().contains("/smuggled"));
    assert_eq!(status(&get(stage.http, "a.example", "/after").await), 200);
}
