//! Clients behind load balancers.

use std::time::Duration;

use jamul_routing::edge::Peers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

const WAIT: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

async fn stage(trusted: Peers, wait: Duration) -> Stage {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]).edge(|edge| {
        edge.proxy_protocol = Some(wait);
        edge.trust.peers = trusted;
    });
    Stage::start(builder)
}

/// What comes back after `header` and a request; empty if the connection is closed without an answer.
async fn after(stage: &Stage, header: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    stream.write_all(&[header, REQUEST].concat()).await.unwrap();
    let mut response = Vec::new();
    // Closed with bytes unread: a reset.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

/// Version 2: `command`, `family`, addresses and ports.
fn version2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
    header.extend(addresses);
    header
}

#[tokio::test]
async fn the_client_is_who_a_trusted_peer_says() {
    let stage = stage(Peers::WhoeverConnects, WAIT).await;
    let ipv4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb];
    let mut ipv6 = [0; 36];
    ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ipv6[15] = 9;
    let with_extra = [&ipv4[..], &[0x02, 0, 3], b"sni"].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 80\r\n".to_vec(), "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN whatever this says\r\n".to_vec(), "127.0.0.1"),
        (version2(0x21, 0x11, &ipv4), "192.0.2.7"),
        (version2(0x21, 0x11, &with_extra), "192.0.2.7"),
        (version2(0x21, 0x21, &ipv6), "2001:db8::9"),
        (version2(0x20, 0x00, &[]), "127.0.0.1"),
    ] {
        let response = after(&stage, &header).await;
        let expected = format!("x-real-ip: {client}\n");
        assert!(response.contains(&expected), "{:?}: {response}", String::from_utf8_lossy(&header));
    }
}

#[tokio::test]
async fn a_load_balancer_that_was_reached_on_443_makes_the_request_one_by_https() {
    let stage = stage(Peers::WhoeverConnects, WAIT).await;
    for (port, scheme) in [(443, "https"), (80, "http")] {
        let header = format!("PROXY TCP4 192.0.2.1 10.0.0.1 5000 {port}\r\n");
        let response = after(&stage, header.as_bytes()).await;
        let expected = format!("x-forwarded-port: {port}\nx-forwarded-proto: {scheme}\n");
        assert!(response.contains(&expected), "{response}");
    }
}

#[tokio::test]
async fn an_untrusted_peer_stays_who_it_is() {
    let stage = stage(Peers::Of(vec!["192.0.2.0/24".parse().unwrap()]), WAIT).await;
    let response = after(&stage, b"PROXY TCP4 198.51.100.1 10.0.0.1 5000 80\r\n").await;
    assert!(response.contains("x-real-ip: 127.0.0.1\n"), "{response}");
}

#[tokio::test]
async fn a_connection_without_a_header_gets_no_answer() {
    let stage = stage(Peers::WhoeverConnects, Duration::from_millis(200)).await;
    let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    let huge = version2(0x21, 0x11, &[0; 5000]);
    for header in [
        b"".as_slice(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 5000\r\n",
        b"PROXY TCP4 a b 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\n",
        &endless,
        &huge,
        &version2(0x31, 0x11, &[0; 12]),
        &version2(0x21, 0x11, &[0; 4]),
    ] {
        assert_eq!(after(&stage, header).await, "", "{:?}", String::from_utf8_lossy(header));
    }
    let mut silent = TcpStream::connect(stage.http).await.unwrap();
    silent.write_all(b"PROXY TCP4").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty());
}
