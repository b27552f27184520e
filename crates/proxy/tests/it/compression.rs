//! `use-gzip`, `enable-brotli`, `server-tokens`, `allow-backend-server-header` and the headers of all routes.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use jamul_routing::{Globals, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::annotations::{Objects, annotated};
use crate::clients::{exchange, get};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

fn globals(settings: &[(&str, &str)]) -> Arc<Globals> {
    let find =
        |key: &str| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let (globals, invalid) = Globals::compile(find);
    assert_eq!(invalid, []);
    Arc::new(globals)
}

/// Answers one connection with a chunked page whose pieces come when they are sent.
async fn page() -> (SocketAddr, mpsc::Sender<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (pieces, mut sent) = mpsc::channel(4);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: \"a\"\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        while let Some(piece) = sent.recv().await {
            let piece: &str = piece;
            stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    });
    (address, pieces)
}

fn decoded(coding: &str, body: &[u8]) -> String {
    let mut text = Vec::new();
    // A piece of a body has no end, and the decoders say so behind what they could read.
    let _ = match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
        _ => brotli::Decompressor::new(body, 4096).read_to_end(&mut text),
    };
    String::from_utf8(text).unwrap()
}

/// The data of a chunked body, as far as it is there.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        let Some(piece) = body.get(end + 2..end + 2 + length).filter(|_| length > 0) else { break };
        data.extend_from_slice(piece);
        body = body.get(end + 4 + length..).unwrap_or_default();
    }
    data
}

#[tokio::test]
async fn a_body_is_compressed_as_it_comes() {
    for (accept, coding) in [("gzip", "gzip"), ("gzip, br", "br")] {
        let (origin, pieces) = page().await;
        let mut builder = SnapshotBuilder::default().route("a.example", &[origin]);
        builder.0.globals = globals(&[("use-gzip", "true"), ("enable-brotli", "true")]);
        let stage = Stage::start(builder);
        let mut client = TcpStream::connect(stage.http).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\naccept-encoding: {accept}\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        pieces.send("<p>first</p>").await.unwrap();
        let mut response = Vec::new();
        // The first piece is readable although the second was not sent yet.
        let read = |response: &[u8]| {
            let end = response.windows(4).position(|four| four == b"\r\n\r\n")?;
            let head = String::from_utf8(response[..end].to_vec()).unwrap();
            Some((head, decoded(coding, &unchunked(&response[end + 4..]))))
        };
        while read(&response).is_none_or(|(_, text)| text != "<p>first</p>") {
            assert!(client.read_buf(&mut response).await.unwrap() > 0, "it ended early");
        }
        pieces.send("<p>second</p>").await.unwrap();
        drop(pieces);
        client.read_to_end(&mut response).await.unwrap();
        let (head, text) = read(&response).unwrap();
        assert_eq!(text, "<p>first</p><p>second</p>");
        for line in
            [format!("content-encoding: {coding}"), "etag: W/\"a\"".into(), "vary: Accept-Encoding".into()]
        {
            assert!(head.contains(&line), "{line:?} is missing in {head}");
        }
    }
}

#[tokio::test]
async fn settings_hold_from_the_next_request_on_of_a_connection_that_stays() {
    let origin = Origin::start("one").await;
    let stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let mut client = TcpStream::connect(stage.http).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a.example\r\naccept-encoding: gzip\r\n\r\n";
    let before = exchange(&mut client, request).await;
    assert!(!before.contains("server: ") && before.contains("one GET"), "{before}");
    for (settings, expected) in [
        (&[("server-tokens", "true")][..], Some("server: jamul\r")),
        (&[("allow-backend-server-header", "true")], Some("server: origin\r")),
        (&[("server-tokens", "false")], None),
    ] {
        let next = Snapshot { globals: globals(settings), ..Snapshot::clone(&stage.snapshots.load()) };
        stage.snapshots.store(Arc::new(next));
        let response = exchange(&mut client, request).await;
        match expected {
            Some(line) => assert!(response.contains(line), "{line:?} is missing in {response}"),
            None => assert!(!response.contains("server: "), "{response}"),
        }
    }
}

#[tokio::test]
async fn headers_of_all_routes_reach_both_sides() {
    let origin = Origin::start("one").await;
    let own = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let objects = Objects {
        config_maps: [
            ("ops/up".to_owned(), own(&[("X-Via", "$scheme $host")])),
            ("ops/down".to_owned(), own(&[("X-Frame-Options", "DENY")])),
        ]
        .into(),
        settings: own(&[
            ("proxy-set-headers", "ops/up"),
            ("add-headers", "ops/down"),
            ("hide-headers", "X-Origin"),
            ("proxy-add-original-uri-header", "true"),
        ]),
        ..Objects::default()
    };
    let wrong = Objects { settings: own(&[("add-headers", "ops/absent")]), ..Objects::default() };
    let builder = SnapshotBuilder::default()
        .route_with("a.example", &[origin.address], annotated(&[], &objects))
        .route_with("wrong.example", &[origin.address], annotated(&[], &wrong));
    let stage = Stage::start(builder);
    let response = get(stage.http, "a.example", "/x?y").await;
    for text in ["x-via: http a.example\n", "x-original-uri: /x?y\n", "x-frame-options: DENY\r"] {
        assert!(response.contains(text), "{text:?} is missing in {response}");
    }
    assert!(!response.contains("x-origin: one"), "{response}");
    assert_eq!(crate::clients::status(&get(stage.http, "wrong.example", "/").await), 503);
}
