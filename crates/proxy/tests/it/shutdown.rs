//! Beginning and end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jamul_proxy::{Proxy, ProxyError, ProxySettings};
use jamul_routing::Snapshot;
use tokio::net::TcpStream;

use crate::clients::{exchange, get, status};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};

#[tokio::test]
async fn an_exchange_in_flight_is_finished_before_the_proxy_ends() {
    let origin = Origin::start("one").await;
    let mut stage = Stage::start(SnapshotBuilder::default().route("a.example", &[origin.address]));
    let mut stream = TcpStream::connect(stage.http).await.unwrap();
    let idle = TcpStream::connect(stage.http).await.unwrap();
    let finishing = async {
        let response = exchange(&mut stream, "GET /held HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
        assert_eq!(status(&response), 200, "{response}");
    };
    let stopping = async {
        origin.held.notified().await;
        stage.shutdown.cancel();
        // Closed at once: no exchange is in flight on it.
        idle.readable().await.unwrap();
        origin.release.notify_one();
    };
    tokio::join!(finishing, stopping);
    (&mut stage.running).await.unwrap().unwrap();
    assert!(TcpStream::connect(stage.http).await.is_err());
}

#[tokio::test]
async fn an_exchange_that_outlives_the_grace_is_cut() {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route("a.example", &[origin.address]);
    // With the access log, whose last line is written after the worker's runtime has ended.
    let mut stage = Stage::start_with(builder, |settings| settings.grace = Duration::from_millis(20));
    let address = stage.http;
    let client = tokio::spawn(async move { get(address, "a.example", "/held").await });
    origin.held.notified().await;
    stage.shutdown.cancel();
    (&mut stage.running).await.unwrap().unwrap();
    assert_eq!(client.await.unwrap(), "");
}

#[test]
fn a_port_in_use_is_named_even_if_it_could_be_shared() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ProxySettings { http: vec![taken], workers: 2, ..Default::default() };
    let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let first = Proxy::bind(settings.clone(), Arc::clone(&snapshots)).unwrap();
    assert_eq!(first.http_addresses(), [taken]);
    match Proxy::bind(settings, snapshots) {
        Err(ProxyError::PortInUse { address, .. }) => assert_eq!(address, taken),
        other => panic!("{other:?}"),
    }
}
