//! Clients: bytes over TCP for http/1.1, hyper for HTTP/2, rustls for TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `request` and reads until the proxy closes the connection.
pub(crate) async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    // A reset after the response is the peer's right when it has not read all of the request.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

/// GET `path` of `host` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, host: &str, path: &str) -> String {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
}

/// Sends `request` and reads one response that has a content-length.
pub(crate) async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    loop {
        if let Some((head, body)) = response.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return response;
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the connection ended within {response:?}");
        response.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
}

pub(crate) fn status(response: &str) -> u16 {
    response
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status in {response:?}"))
}

/// A TLS connection that trusts `root` and offers `protocol`.
pub(crate) async fn tls(
    address: SocketAddr,
    name: &str,
    root: &CertificateDer<'static>,
    protocol: &str,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}
