//! Exchanges over https.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jamul_proxy::{ServerTls, plain};
use jamul_routing::{CertEntry, CertTable, Globals, HostPattern, Protocol, Upstream};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clients::{exchange, get, status, tls};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

pub(crate) fn certificate(name: &str) -> (Arc<CertEntry>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let mut fingerprint = [0; 32];
    fingerprint.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    let entry = CertEntry {
        fingerprint,
        chain: vec![der.to_vec()],
        key: made.signing_key.serialize_der(),
        source: name.into(),
        not_after: i64::MAX,
    };
    (Arc::new(entry), der)
}

#[tokio::test]
async fn the_certificate_follows_the_server_name() {
    let origin = Origin::start("one").await;
    let (exact, exact_root) = certificate("a.example");
    let (wildcard, wildcard_root) = certificate("*.b.example");
    let (default, default_root) = certificate("other.example");
    let mut builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    builder.0.certs = CertTable::new(Some(default));
    builder.0.certs.insert(HostPattern::parse("a.example").unwrap(), exact);
    builder.0.certs.insert(HostPattern::parse("*.b.example").unwrap(), wildcard);
    let stage = Stage::start(builder);
    tls(stage.https, "x.b.example", &wildcard_root, "http/1.1").await;
    tls(stage.https, "other.example", &default_root, "http/1.1").await;
    let mut stream = tls(stage.https, "a.example", &exact_root, "http/1.1").await;
    let response = exchange(&mut stream, "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    assert_eq!(status(&response), 200);
    for line in [
        "x-forwarded-proto: https\n",
        "x-forwarded-port: 443\n",
        "strict-transport-security: max-age=31536000; includeSubDomains\r\n",
    ] {
        assert!(response.contains(line), "{line:?} is missing in {response}");
    }
}

#[tokio::test]
async fn strict_transport_security_follows_the_settings_of_the_newest_snapshot() {
    let origin = Origin::start("one").await;
    let (default, root) = certificate("a.example");
    let build = |hsts: &str| {
        let mut builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
        builder.0.certs = CertTable::new(Some(Arc::clone(&default)));
        let (globals, invalid) = Globals::compile(|key| (key == "hsts").then(|| hsts.to_owned()));
        assert_eq!(invalid, []);
        builder.0.globals = Arc::new(globals);
        builder
    };
    let stage = Stage::start(build("true"));
    let mut stream = tls(stage.https, "a.example", &root, "http/1.1").await;
    let request = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
    assert!(exchange(&mut stream, request).await.contains("strict-transport-security: max-age="));
    stage.snapshots.store(Arc::new(build("false").0));
    assert!(
        !exchange(&mut stream, request).await.contains("strict-transport-security"),
        "on the same connection"
    );
}

#[tokio::test]
async fn http2_is_chosen_by_alpn_and_forwarded_as_http1() {
    let origin = Origin::start("one").await;
    let (default, root) = certificate("a.example");
    let mut builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    builder.0.certs = CertTable::new(Some(default));
    let stage = Stage::start(builder);
    let io = TokioIo::new(tls(stage.https, "a.example", &root, "h2").await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let exchanges = (0..20).map(|_| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get("https://a.example/x")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Empty::<Bytes>::new())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
            response.into_body().collect().await.unwrap().to_bytes()
        }
    });
    for body in futures_util::future::join_all(exchanges).await {
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.starts_with("one GET /x\n") && text.contains("host: a.example\n"), "{text}");
        assert!(text.contains("cookie: a=1; b=2\n"), "{text}");
    }
}

#[tokio::test]
async fn an_https_upstream_is_spoken_to_by_tls_whatever_its_certificate() {
    let (entry, _) = certificate("unrelated.example");
    let server_tls = ServerTls::from_der(entry.chain.clone(), entry.key.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler: plain::Handler = Arc::new(|_| Box::pin(async { http::Response::new(b"over TLS".to_vec()) }));
    tokio::spawn(plain::serve(listener, Some(server_tls), handler, CancellationToken::new()));
    let mut builder = SnapshotBuilder::default().route("a.example", &[address]);
    for (id, upstream) in builder.0.upstreams.clone().iter() {
        let over_tls = Upstream { protocol: Protocol::Https, ..(**upstream).clone() };
        builder.0.upstreams.insert(id.clone(), Arc::new(over_tls));
    }
    let stage = Stage::start(builder);
    let response = get(stage.http, "a.example", "/").await;
    assert!(status(&response) == 200 && response.ends_with("over TLS"), "{response}");
}
