//! An origin that says what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Answers each request with its head and body as text; `/held` waits for [`Origin::release`], `/status/NNN` is
/// answered with this status.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    name: &'static str,
    connections: AtomicUsize,
    pub(crate) held: Notify,
    pub(crate) release: Notify,
}

impl Origin {
    pub(crate) async fn start(name: &'static str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            name,
            connections: AtomicUsize::new(0),
            held: Notify::new(),
            release: Notify::new(),
        });
        let serving = Arc::clone(&origin);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let origin = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let origin = Arc::clone(&origin);
                    async move { Ok::<_, Infallible>(origin.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        origin
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.headers().get("upgrade").is_some_and(|protocol| protocol == "echo") {
            return switch(&mut request);
        }
        let mut text = format!("{} {} {}\n", self.name, request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let path = request.uri().path().to_owned();
        if path == "/held" {
            self.held.notify_one();
            self.release.notified().await;
        }
        if let Ok(body) = request.into_body().collect().await {
            text.push_str(&format!("body {}\n", body.to_bytes().len()));
        }
        // `/status/NNN` asks for this status.
        let wanted = path.strip_prefix("/status/").map_or(200, |code| code.parse().unwrap());
        Response::builder()
            .status(wanted)
            .header("server", "origin")
            .header("keep-alive", "timeout=5")
            .header("x-origin", self.name)
            .body(Full::from(text))
            .unwrap()
    }
}

fn switch(request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Full::default())
        .unwrap()
}
