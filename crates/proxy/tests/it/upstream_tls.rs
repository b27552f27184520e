//! TLS towards endpoints: whom we believe, what we show, and TLS that passes through.

use std::net::SocketAddr;
use std::sync::Arc;

use jamul_proxy::{Passthrough, ServerTls, plain};
use jamul_routing::{
    Authorities, CertEntry, CertTable, HostPattern, HostRoutes, Protocol, Upstream, UpstreamTls, Verification,
};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clients::{exchange, get, status, tls};
use crate::openssl::Files;
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

/// Answers each request with the name that it was called by and how many certificates it was shown.
async fn endpoint(entry: &CertEntry, clients: &CertificateDer<'static>) -> SocketAddr {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build().unwrap();
    let chain = entry.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(entry.key.clone()));
    // As openssl it does not look at its own certificate.
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key));
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(shown));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let session = stream.get_ref().1;
                let shown = session.peer_certificates().map_or(0, <[_]>::len);
                let text = format!("name {:?} shown {shown}", session.server_name());
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

fn over_tls(
    builder: SnapshotBuilder,
    host: &str,
    address: SocketAddr,
    policy: Option<UpstreamTls>,
) -> SnapshotBuilder {
    let policy = policy.map(Arc::new);
    let mut builder = builder.route_with(host, &[address], |route| route.upstream_tls = policy);
    for (id, upstream) in builder.0.upstreams.clone().iter() {
        let over_tls = Upstream { protocol: Protocol::Https, ..(**upstream).clone() };
        builder.0.upstreams.insert(id.clone(), Arc::new(over_tls));
    }
    builder
}

fn believing(root: &[u8], depth: u8) -> Option<Verification> {
    Some(Verification { authorities: Authorities { roots: vec![root.to_vec()], lists: Vec::new() }, depth })
}

#[tokio::test]
async fn endpoints_are_verified_named_and_shown_a_certificate_as_the_route_says() {
    let (entry, root) = certificate("back.example");
    let (ours, our_root) = certificate("jamul.example");
    let address = endpoint(&entry, &our_root).await;
    let policy = || UpstreamTls {
        verify: believing(&root, 1),
        name: Some("back.example".into()),
        service: "web.default.svc".into(),
        ..UpstreamTls::default()
    };
    let builder = SnapshotBuilder::default();
    let builder = over_tls(builder, "anybody.example", address, None);
    let builder = over_tls(builder, "known.example", address, Some(policy()));
    let sending = UpstreamTls { sends_name: true, certificate: Some(ours), ..policy() };
    let builder = over_tls(builder, "sending.example", address, Some(sending));
    let builder = over_tls(builder, "service.example", address, Some(UpstreamTls { name: None, ..policy() }));
    let stranger = UpstreamTls { verify: believing(&our_root, 1), ..policy() };
    let stage = Stage::start(over_tls(builder, "stranger.example", address, Some(stranger)));
    // Twice, so that a connection that is kept for one is there when another might take it.
    for _ in 0..2 {
        for (host, expected) in [
            ("anybody.example", Some("name None shown 0")),
            ("known.example", Some("name None shown 0")),
            ("sending.example", Some("name Some(\"back.example\") shown 1")),
            ("service.example", None),
            ("stranger.example", None),
        ] {
            let response = get(stage.http, host, "/").await;
            match expected {
                Some(expected) => assert!(response.ends_with(expected), "{host}: {response}"),
                None => assert_eq!(status(&response), 502, "{host}: {response}"),
            }
        }
    }
}

#[tokio::test]
async fn old_endpoint_certificates_are_believed_as_by_openssl() {
    let files = Files::new("endpoint");
    files.ca("ca");
    files.leaf("ca", "back.example", "");
    let key = std::fs::read_to_string(files.path("back.example.key")).unwrap();
    let key = jamul_pki::PrivateKey::from_pem(&key).unwrap();
    let entry = CertEntry {
        fingerprint: [1; 32],
        chain: vec![files.der("back.example")],
        key: key.pkcs8_der().to_vec(),
        source: "back".into(),
        not_after: i64::MAX,
    };
    let address = endpoint(&entry, &certificate("nobody.example").1).await;
    let policy = |name: &str| UpstreamTls {
        verify: believing(&files.der("ca"), 1),
        name: Some(name.into()),
        ..UpstreamTls::default()
    };
    let builder = over_tls(SnapshotBuilder::default(), "a.example", address, Some(policy("back.example")));
    let stage = Stage::start(over_tls(builder, "b.example", address, Some(policy("other.example"))));
    assert_eq!(status(&get(stage.http, "a.example", "/").await), 200, "version 1, a common name only");
    assert_eq!(status(&get(stage.http, "b.example", "/").await), 502);
}

#[tokio::test]
async fn tls_of_a_host_passes_through_and_that_of_others_is_decrypted() {
    let (entry, root) = certificate("through.example");
    let (default, default_root) = certificate("here.example");
    let own = ServerTls::from_der(entry.chain.clone(), entry.key.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler: plain::Handler = Arc::new(|_| Box::pin(async { http::Response::new(vec![b'x'; 300_000]) }));
    tokio::spawn(plain::serve(listener, Some(own), handler, CancellationToken::new()));
    let origin = crate::origin::Origin::start("decrypted").await;
    let builder = SnapshotBuilder::default().route("here.example", &[origin.address]);
    let mut builder = builder.route("through.example", &[address]);
    builder.0.certs = CertTable::new(Some(default));
    let pattern = HostPattern::parse("through.example").unwrap();
    let upstream = jamul_routing::UpstreamId("default/through.example:80".into());
    let (_, routes) = builder.0.router.iter().find(|(at, _)| **at == pattern).unwrap();
    let mut routes = HostRoutes::new(routes.routes().to_vec(), false);
    routes.passthrough = Some(upstream.clone());
    builder.0.router.insert(pattern, Arc::new(routes));
    let stage = Stage::start_with(builder, |settings| {
        settings.access_log = false;
        settings.passthrough = Passthrough::On;
    });
    let request = |host: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let mut stream = tls(stage.https, "through.example", &root, "http/1.1").await;
    let response = exchange(&mut stream, &request("through.example")).await;
    assert!(status(&response) == 200 && response.len() > 300_000, "{} octets", response.len());
    let mut stream = tls(stage.https, "here.example", &default_root, "http/1.1").await;
    assert!(exchange(&mut stream, &request("here.example")).await.contains("decrypted GET /"));
    let mut next = (**stage.snapshots.load()).clone();
    next.upstreams.remove(&upstream);
    stage.snapshots.store(Arc::new(next));
    let mut stream = tokio::net::TcpStream::connect(stage.https).await.unwrap();
    stream.write_all(&hello("through.example")).await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"", "without an endpoint the connection ends, and nobody else answers");
}

/// The first octets of a client that asks for `name`.
fn hello(name: &str) -> Vec<u8> {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
