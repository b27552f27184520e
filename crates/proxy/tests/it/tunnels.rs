//! HTTP/2 in the clear, and WebSockets over HTTP/2 to upstreams that speak HTTP/1.1.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jamul_routing::CertTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{get, status, tls};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

type Sender = SendRequest<Empty<Bytes>>;

async fn http2<T>(io: T) -> hyper::Result<Sender>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// An upstream that speaks WebSocket's handshake, then echoes; and its address.
async fn websocket_origin() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
                let is_whole = head.starts_with("get /chat http/1.1\r\n")
                    && head.contains("upgrade: websocket")
                    && head.contains("connection: upgrade")
                    && key.is_some_and(|key| key.len() == 24 && key.ends_with("=="));
                let answer: &[u8] = match is_whole {
                    true => {
                        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                              sec-websocket-accept: x\r\nsec-websocket-protocol: chat\r\n\r\n"
                    }
                    false => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                };
                stream.write_all(answer).await?;
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

fn connect(protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "https://a.example/chat".parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(hyper::ext::Protocol::from_static(protocol));
    request
}

#[tokio::test]
async fn a_websocket_over_http2_reaches_an_upstream_of_http1() {
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default().route("a.example", &[websocket_origin().await]);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let mut sender = http2(tls(stage.https, "a.example", &root, "h2").await).await.unwrap();
    sender.ready().await.unwrap();
    let mut response = sender.send_request(connect("websocket")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for gone in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    let mut tunnel = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    tunnel.write_all(b"\x82\x05hello").await.unwrap();
    let mut echoed = [0; 7];
    tunnel.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"\x82\x05hello");
}

#[tokio::test]
async fn an_upstream_that_does_not_switch_gives_no_tunnel() {
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default().route("a.example", &[websocket_origin().await]);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let mut sender = http2(tls(stage.https, "a.example", &root, "h2").await).await.unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(connect("other")).await.unwrap();
    assert_eq!(response.status(), 502);
}

#[tokio::test]
async fn http2_in_the_clear_is_spoken_if_it_is_enabled_beside_http1() {
    let origin = Origin::start("one").await;
    let route = || SnapshotBuilder::default().route("a.example", &[origin.address]);
    let stage = Stage::start(route().edge(|edge| edge.versions.has_h2c = true));
    assert_eq!(status(&get(stage.http, "a.example", "/").await), 200);
    let request = || Request::builder().uri("http://a.example/x").body(Empty::new()).unwrap();
    let mut sender = http2(TcpStream::connect(stage.http).await.unwrap()).await.unwrap();
    let response = sender.send_request(request()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"one GET /x\n"), "{body:?}");

    let without = Stage::start(route());
    let mut sender = http2(TcpStream::connect(without.http).await.unwrap()).await.unwrap();
    assert!(sender.send_request(request()).await.is_err());
}
