//! HTTP/2 to origins: gRPC, trailers, shared connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jamul_routing::{CertTable, Protocol, Upstream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clients::{get, status, tls};
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

type AnyBody = BoxBody<Bytes, Infallible>;

/// An origin that speaks HTTP/2 by prior knowledge and answers as gRPC servers do.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), connections: Arc::new(AtomicUsize::new(0)) };
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service_fn(answer)));
            }
        });
        server
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// `/echo` sends each frame back as it comes; then the trailers of the request, and `grpc-status: 0`.
async fn answer(request: Request<Incoming>) -> Result<Response<AnyBody>, std::io::Error> {
    match request.uri().path() {
        "/reset" => return Err(std::io::Error::other("on purpose")),
        "/held" => std::future::pending().await,
        _ => {}
    }
    let (frames, received) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let seen = format!("{} te={:?}", request.uri(), request.headers().get("te"));
    trailers.insert("x-seen", HeaderValue::try_from(seen).unwrap());
    let mut body = request.into_body();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(data) => drop(frames.send(Ok(Frame::data(data))).await),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap()),
            }
        }
        let _ = frames.send(Ok(Frame::trailers(trailers))).await;
    });
    let stream = futures_util::stream::unfold(received, |mut received| async {
        received.recv().await.map(|frame| (frame, received))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(stream)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// A proxy for `a.example` with its only upstream spoken to by `protocol`, and an HTTP/2 client of it.
async fn stage(endpoints: &[SocketAddr], protocol: Protocol) -> (Stage, SendRequest<AnyBody>) {
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default()
        .route_with("a.example", endpoints, |route| route.timeouts.read = Duration::from_millis(300));
    builder.0.certs = CertTable::new(Some(default));
    for (id, upstream) in builder.0.upstreams.clone().iter() {
        builder.0.upstreams.insert(id.clone(), Arc::new(Upstream { protocol, ..(**upstream).clone() }));
    }
    let stage = Stage::start(builder);
    let io = TokioIo::new(tls(stage.https, "a.example", &root, "h2").await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    (stage, sender)
}

fn call(
    path: &str,
    body: impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
) -> Request<AnyBody> {
    Request::post(format!("https://a.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(BodyExt::boxed(body))
        .unwrap()
}

fn message(text: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(text.as_bytes()))
}

fn grpc_status(head: &HeaderMap) -> Option<&str> {
    head.get("grpc-status").and_then(|status| status.to_str().ok())
}

#[tokio::test]
async fn calls_share_one_connection_and_keep_their_trailers() {
    let server = Server::start().await;
    let (_stage, sender) = stage(&[server.address], Protocol::Grpc).await;
    let ask = |text| {
        let mut sender = sender.clone();
        async move {
            let response = sender.send_request(call("/echo", message(text))).await.unwrap();
            assert_eq!(response.status(), 200);
            let collected = response.into_body().collect().await.unwrap();
            let trailers = collected.trailers().unwrap().clone();
            assert_eq!(grpc_status(&trailers), Some("0"));
            assert_eq!(trailers["x-seen"], "http://a.example/echo te=Some(\"trailers\")");
            assert_eq!(collected.to_bytes(), text);
        }
    };
    ask("first").await;
    join_all(["a", "b", "c"].into_iter().cycle().take(60).map(ask)).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn messages_pass_both_ways_while_the_call_is_open() {
    let server = Server::start().await;
    let (_stage, mut sender) = stage(&[server.address], Protocol::Grpc).await;
    let (frames, received) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(4);
    let stream = futures_util::stream::unfold(received, |mut received| async {
        received.recv().await.map(|frame| (frame, received))
    });
    let response = sender.send_request(call("/echo", StreamBody::new(stream))).await.unwrap();
    let mut body = response.into_body();
    for text in ["one", "two", "three"] {
        frames.send(Ok(Frame::data(Bytes::from_static(text.as_bytes())))).await.unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), text);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-client", HeaderValue::from_static("passes"));
    trailers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    frames.send(Ok(Frame::trailers(trailers))).await.unwrap();
    drop(frames);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["x-client"], "passes");
    assert!(!trailers.contains_key("x-forwarded-for"));
}

#[tokio::test]
async fn a_refusal_of_ours_is_one_that_a_grpc_client_reads() {
    let (_stage, mut sender) = stage(&[], Protocol::Grpc).await;
    let response = sender.send_request(call("/echo", message("x"))).await.unwrap();
    assert_eq!((response.status().as_u16(), grpc_status(response.headers())), (200, Some("14")));
    assert_eq!(response.headers()["grpc-message"], "503 Service Unavailable");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    let plain = Request::get("https://a.example/").body(BodyExt::boxed(message(""))).unwrap();
    assert_eq!(sender.send_request(plain).await.unwrap().status(), 503);
}

#[tokio::test]
async fn a_stream_that_is_reset_or_silent_does_not_harm_the_others() {
    let server = Server::start().await;
    let (_stage, mut sender) = stage(&[server.address], Protocol::Grpc).await;
    let reset = sender.send_request(call("/reset", message("x"))).await.unwrap();
    assert_eq!(grpc_status(reset.headers()), Some("14"));
    let echoed = sender.send_request(call("/echo", message("x"))).await.unwrap();
    assert_eq!(echoed.into_body().collect().await.unwrap().to_bytes(), "x");
    assert_eq!(server.connections(), 1);
    let silent = sender.send_request(call("/held", message("x"))).await.unwrap();
    assert_eq!(silent.headers()["grpc-message"], "504 Gateway Timeout");
    // Nobody else waits for a connection that did not answer.
    let echoed = sender.send_request(call("/echo", message("x"))).await.unwrap();
    assert_eq!(echoed.into_body().collect().await.unwrap().to_bytes(), "x");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_http1_client_reaches_an_http2_origin() {
    let server = Server::start().await;
    let (stage, _sender) = stage(&[server.address], Protocol::Grpc).await;
    let response = get(stage.http, "a.example", "/echo").await;
    assert_eq!(status(&response), 200, "{response}");
}
