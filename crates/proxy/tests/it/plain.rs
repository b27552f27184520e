//! The small server.

use std::sync::Arc;

use http::{Request, Response};
use jamul_proxy::{ServerTls, plain};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::clients::{exchange, send, status, tls};

fn echo() -> plain::Handler {
    Arc::new(|request: Request<Vec<u8>>| {
        Box::pin(async move {
            let mut text = format!("{} {} ", request.method(), request.uri()).into_bytes();
            text.extend(request.into_body());
            Response::new(text)
        })
    })
}

#[tokio::test]
async fn whole_requests_are_answered_with_and_without_tls_until_shutdown() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let root = made.cert.der().clone();
    let server_tls = ServerTls::from_der(vec![root.to_vec()], made.signing_key.serialize_der()).unwrap();
    let (plain_port, tls_port) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (plain_address, tls_address) = (plain_port.local_addr().unwrap(), tls_port.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(plain::serve(plain_port, None, echo(), shutdown.clone()));
    let serving_tls = tokio::spawn(plain::serve(tls_port, Some(server_tls), echo(), shutdown.clone()));

    let request = "POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi";
    let mut stream = TcpStream::connect(plain_address).await.unwrap();
    assert!(exchange(&mut stream, request).await.ends_with("\r\n\r\nPOST /x hi"));
    let mut stream = tls(tls_address, "localhost", &root, "http/1.1").await;
    assert!(exchange(&mut stream, request).await.ends_with("\r\n\r\nPOST /x hi"));
    let large = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 1024 * 1024 + 1);
    assert_eq!(status(&send(plain_address, &format!("{large}{}", "x".repeat(1024 * 1024 + 1))).await), 413);

    shutdown.cancel();
    serving.await.unwrap();
    serving_tls.await.unwrap();
    assert!(TcpStream::connect(plain_address).await.is_err());
}

#[tokio::test]
async fn all_addresses_of_both_families_are_listened_on_side_by_side() {
    // A machine without IPv6 has nothing to take.
    let Ok(six) = plain::listen("[::]:0".parse().unwrap()) else { return };
    let port = six.local_addr().unwrap().port();
    plain::listen(std::net::SocketAddr::from(([0, 0, 0, 0], port))).expect("the same port of IPv4");
}
