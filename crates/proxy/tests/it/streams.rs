//! TCP and UDP services.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jamul_routing::streams::{Preamble, StreamPort, StreamService, Streams, Transport};
use jamul_routing::{Endpoint, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::stage::{SnapshotBuilder, Stage};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Says its name first, then what it hears.
async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(name.as_bytes()).await?;
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// Answers each datagram with its name and the datagram.
async fn echo_datagrams(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut datagram = [0; 2048];
        loop {
            let (length, client) = socket.recv_from(&mut datagram).await.unwrap();
            let answer = [name.as_bytes(), &datagram[..length]].concat();
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    address
}

/// A port that nobody has.
fn free(transport: Transport) -> StreamPort {
    let number = match transport {
        Transport::Tcp => std::net::TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr(),
        Transport::Udp => std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap().local_addr(),
    };
    StreamPort { transport, number: number.unwrap().port() }
}

fn service(endpoints: &[SocketAddr]) -> StreamService {
    StreamService {
        backend: "default/echo:7".into(),
        endpoints: endpoints.iter().copied().map(Endpoint::Address).collect(),
        receives: Preamble::Nothing,
        sends: Preamble::Nothing,
    }
}

fn start(services: &[(StreamPort, StreamService)]) -> Stage {
    start_with(SnapshotBuilder::default(), services)
}

fn start_with(mut builder: SnapshotBuilder, services: &[(StreamPort, StreamService)]) -> Stage {
    builder.0.streams = streams(services);
    Stage::start_with(builder, |settings| {
        settings.access_log = false;
        settings.stream_addresses = vec![LOOPBACK];
        settings.workers = 2;
    })
}

fn streams(services: &[(StreamPort, StreamService)]) -> Arc<Streams> {
    Arc::new(services.iter().map(|(port, service)| (*port, Arc::new(service.clone()))).collect())
}

/// Another Snapshot with these services only.
fn change(stage: &Stage, services: &[(StreamPort, StreamService)]) {
    let before = stage.snapshots.load_full();
    stage.snapshots.store(Arc::new(Snapshot { streams: streams(services), ..(*before).clone() }));
}

/// A connection to a port that will open.
async fn connect(port: StreamPort) -> TcpStream {
    let opened = async {
        loop {
            match TcpStream::connect((LOOPBACK, port.number)).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), opened).await.expect("the port opens")
}

/// Waits until nobody accepts connections to the port.
async fn closed(port: StreamPort) {
    let closed = async {
        while TcpStream::connect((LOOPBACK, port.number)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the port closes");
}

async fn said(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Asks until there is an answer: datagrams to a port that is not open yet are lost.
async fn ask(socket: &UdpSocket, port: StreamPort, question: &str) -> String {
    let mut answer = [0; 2048];
    for _ in 0..100 {
        socket.send_to(question.as_bytes(), (LOOPBACK, port.number)).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_millis(100), socket.recv_from(&mut answer)).await;
        if let Ok(Ok((length, _))) = answered {
            return String::from_utf8(answer[..length].to_vec()).unwrap();
        }
    }
    panic!("no answer to {question:?}");
}

#[tokio::test]
async fn bytes_pass_both_ways_and_either_side_may_end_first() {
    let port = free(Transport::Tcp);
    let _stage = start(&[(port, service(&[echo("one ").await]))]);
    let mut stream = connect(port).await;
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "one hello");
}

#[tokio::test]
async fn endpoints_take_turns_and_one_that_refuses_is_passed_over() {
    let port = free(Transport::Tcp);
    let refusing = free(Transport::Tcp);
    let endpoints = [echo("one ").await, SocketAddr::new(LOOPBACK, refusing.number), echo("two ").await];
    let _stage = start(&[(port, service(&endpoints))]);
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..20 {
        names.insert(said(&mut connect(port).await, 4).await);
    }
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["one ", "two "]);
}

#[tokio::test]
async fn ports_open_change_and_close_without_cutting_what_is_established() {
    let (first, second) = (free(Transport::Tcp), free(Transport::Tcp));
    let (one, two) = (service(&[echo("one ").await]), service(&[echo("two ").await]));
    let stage = start(&[(first, one.clone())]);
    let mut old = connect(first).await;
    assert_eq!(said(&mut old, 4).await, "one ");

    change(&stage, &[(first, two.clone()), (second, one)]);
    assert_eq!(said(&mut connect(second).await, 4).await, "one ");
    assert_eq!(said(&mut connect(first).await, 4).await, "two ");

    change(&stage, &[(second, two)]);
    closed(first).await;
    old.write_all(b"still here").await.unwrap();
    assert_eq!(said(&mut old, 10).await, "still here");
    assert_eq!(said(&mut connect(second).await, 4).await, "two ");
}

#[tokio::test]
async fn a_port_that_is_taken_is_opened_as_soon_as_it_is_free() {
    let taken = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = StreamPort { transport: Transport::Tcp, number: taken.local_addr().unwrap().port() };
    let other = free(Transport::Tcp);
    let backend = service(&[echo("one ").await]);
    let _stage = start(&[(port, backend.clone()), (other, backend)]);
    assert_eq!(said(&mut connect(other).await, 4).await, "one ");
    drop(taken);
    assert_eq!(said(&mut connect(port).await, 4).await, "one ");
}

#[tokio::test]
async fn the_proxy_protocol_is_taken_from_clients_and_told_to_services() {
    let port = free(Transport::Tcp);
    let both = StreamService {
        receives: Preamble::ProxyProtocol,
        sends: Preamble::ProxyProtocol,
        ..service(&[echo("one ").await])
    };
    let plain = StreamService { receives: Preamble::Nothing, ..both.clone() };
    let only = free(Transport::Tcp);
    let _stage = start(&[(port, both), (only, plain)]);
    let header = "PROXY TCP4 192.0.2.1 198.51.100.1 5000 25\r\n";
    let mut stream = connect(port).await;
    stream.write_all(header.as_bytes()).await.unwrap();
    assert_eq!(said(&mut stream, 4 + header.len()).await, format!("one {header}"));

    let mut stream = connect(only).await;
    let told =
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", stream.local_addr().unwrap().port(), only.number);
    assert_eq!(said(&mut stream, 4 + told.len()).await, format!("one {told}"));

    let mut without = connect(port).await;
    without.write_all(b"EHLO mail.example.com\r\n").await.unwrap();
    let mut nothing = Vec::new();
    let _ = without.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let port = free(Transport::Tcp);
    let builder = SnapshotBuilder::default().edge(|edge| edge.relaying.idle = Duration::from_millis(50));
    let _stage = start_with(builder, &[(port, service(&[echo("one ").await]))]);
    let mut all = String::new();
    connect(port).await.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "one ");
}

#[tokio::test]
async fn a_service_without_endpoints_takes_no_bytes() {
    let port = free(Transport::Tcp);
    let _stage = start(&[(port, service(&[]))]);
    let mut all = Vec::new();
    let _ = connect(port).await.read_to_end(&mut all).await;
    assert!(all.is_empty());
}

#[tokio::test]
async fn datagrams_are_answered_session_by_session_and_ports_change_while_running() {
    let port = free(Transport::Udp);
    let stage = start(&[(port, service(&[echo_datagrams("one ").await]))]);
    let clients =
        [UdpSocket::bind((LOOPBACK, 0)).await.unwrap(), UdpSocket::bind((LOOPBACK, 0)).await.unwrap()];
    assert_eq!(ask(&clients[0], port, "a").await, "one a");
    assert_eq!(ask(&clients[1], port, "b").await, "one b");
    // The session ended with its answer, so the next datagram goes where the service is now.
    change(&stage, &[(port, service(&[echo_datagrams("two ").await]))]);
    assert_eq!(ask(&clients[0], port, "c").await, "two c");
}

#[tokio::test]
async fn a_session_of_many_answers_stays_with_its_endpoint_until_it_is_silent() {
    let port = free(Transport::Udp);
    let builder = SnapshotBuilder::default().edge(|edge| {
        edge.relaying.responses = 1000;
        edge.relaying.idle = Duration::from_millis(300);
    });
    let stage = start_with(builder, &[(port, service(&[echo_datagrams("one ").await]))]);
    let client = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    assert_eq!(ask(&client, port, "a").await, "one a");
    change(&stage, &[(port, service(&[echo_datagrams("two ").await]))]);
    assert_eq!(ask(&client, port, "b").await, "one b");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(ask(&client, port, "c").await, "two c");
}
