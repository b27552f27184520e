//! A Deployment that is rolled under load: endpoints come, finish what they have begun, and go, and no client of any
//! protocol sees any of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jamul_routing::{CertTable, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clients::{exchange, status, tls};
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

/// A pod as Kubernetes ends it: told to stop, it closes its port, finishes what it has, closes idle connections.
struct Pod {
    address: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Pod {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let address = listener.local_addr().unwrap();
        let pod = Self { address, stop: stop.clone(), connections: connections.clone() };
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let (stream, _) = accepted.unwrap();
                let stop = stop.clone();
                let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let mut connection = Box::pin(connection.with_upgrades());
                connections.spawn(async move {
                    tokio::select! {
                        _ = &mut connection => return,
                        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
        });
        pod
    }

    /// Ends when the last connection has ended, but those that became another protocol.
    async fn end(self) {
        self.stop.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn answer(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.headers().contains_key("upgrade") {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let head = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        return head.body(Full::default()).unwrap();
    }
    let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    Response::new(Full::from(format!("body {length}")))
}

/// A Snapshot that leads to the pods.
fn snapshot(pods: &[Pod], certs: &CertTable, generation: u64) -> Snapshot {
    let addresses: Vec<SocketAddr> = pods.iter().map(|pod| pod.address).collect();
    // A client's connection that ends by itself is not what is looked for here.
    let builder = SnapshotBuilder::default()
        .route("a.example", &addresses)
        .edge(|edge| edge.limits.requests = u32::MAX);
    Snapshot { generation, certs: certs.clone(), ..builder.0 }
}

/// What clients have done, and whether they go on.
#[derive(Default)]
struct Load {
    http1: AtomicUsize,
    http2: AtomicUsize,
    tunnel: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    fn count(&self, of: &AtomicUsize) {
        of.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets every client do something more.
    async fn proceed(&self) {
        let counts = || [&self.http1, &self.http2, &self.tunnel].map(|count| count.load(Ordering::SeqCst));
        let before = counts();
        let all_went_on = async {
            while counts().iter().zip(before).any(|(now, before)| *now < before + 5) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all_went_on).await.expect("every client goes on");
    }
}

/// Asks over HTTP/1.1 until told to stop, a PUT with a body now and then.
async fn load_http1(http: SocketAddr, load: Arc<Load>) {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let mut count = 0;
    while load.goes_on() {
        let request = match count % 4 {
            0 => "PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello",
            _ => "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
        };
        let response = exchange(&mut stream, request).await;
        assert_eq!(status(&response), 200, "{response}");
        count += 1;
        load.count(&load.http1);
    }
}

/// The same over HTTP/2, several at a time.
async fn load_http2(https: SocketAddr, root: rustls_pki_types::CertificateDer<'static>, load: Arc<Load>) {
    let io = TokioIo::new(tls(https, "a.example", &root, "h2").await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    while load.goes_on() {
        let answers = (0..8).map(|_| {
            let mut sender = sender.clone();
            async move {
                let request = Request::get("https://a.example/").body(Empty::<Bytes>::new()).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body 0");
            }
        });
        futures_util::future::join_all(answers).await;
        load.count(&load.http2);
    }
}

/// A WebSocket (as far as a proxy is concerned) that is open from the first pod to the end.
async fn load_tunnel(http: SocketAddr, load: Arc<Load>) {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let request = "GET /ws HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    assert_eq!(status(&exchange(&mut stream, request).await), 101);
    while load.goes_on() {
        stream.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
        load.count(&load.tunnel);
    }
}

#[tokio::test]
async fn rolling_a_deployment_under_load_costs_no_request_of_any_protocol() {
    let (entry, root) = certificate("a.example");
    let certs = CertTable::new(Some(entry));
    let mut pods = vec![Pod::start().await, Pod::start().await, Pod::start().await];
    let stage = Stage::start_with(SnapshotBuilder(snapshot(&pods, &certs, 1)), |settings| {
        settings.access_log = false;
        settings.workers = 2;
    });
    let load: Arc<Load> = Arc::default();
    let clients = vec![
        tokio::spawn(load_http1(stage.http, Arc::clone(&load))),
        tokio::spawn(load_http1(stage.http, Arc::clone(&load))),
        tokio::spawn(load_http2(stage.https, root, Arc::clone(&load))),
        tokio::spawn(load_tunnel(stage.http, Arc::clone(&load))),
    ];
    load.proceed().await;
    for generation in (2..).step_by(2).take(10) {
        pods.push(Pod::start().await);
        stage.snapshots.store(Arc::new(snapshot(&pods, &certs, generation)));
        load.proceed().await;
        let old = pods.remove(0);
        // As in Kubernetes, whichever hears of it first: the pod, which closes its port, or we.
        if generation % 4 == 0 {
            old.stop.cancel();
            load.proceed().await;
        }
        stage.snapshots.store(Arc::new(snapshot(&pods, &certs, generation + 1)));
        old.end().await;
        load.proceed().await;
    }
    load.is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no client saw an error");
    }
}
