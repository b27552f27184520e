//! Clients behind proxies that say for whom they ask.

use jamul_routing::edge::{Believed, Chain, Peers, Trust};
use jamul_routing::{Filter, HeaderEdit, RequestHead, Scope, Verdict};

use crate::clients::send;
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage, filtered};

const SENT: &str = "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\
    x-forwarded-for: 192.0.2.1, 127.0.0.9\r\nx-forwarded-proto: https\r\n\
    x-forwarded-host: shop.example:8443\r\nx-forwarded-port: 8443\r\n\r\n";

/// Tells the upstream what filters see of the client.
#[derive(Debug)]
struct Witness;

impl Filter for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        let seen = format!("{} {} {}", head.client, head.is_tls, head.public_host());
        let name = "x-seen".parse().unwrap();
        head.edits.push(HeaderEdit::Set(name, seen.parse().unwrap()));
        Verdict::Continue
    }
}

/// What the upstream of a proxy that has this trust gets.
async fn seen(trust: Trust) -> String {
    let origin = Origin::start("one").await;
    let builder = SnapshotBuilder::default().route_with("a.example", &[origin.address], filtered(Witness));
    let stage = Stage::start(builder.edge(|edge| edge.trust = trust));
    send(stage.http, SENT).await
}

fn loopback() -> Peers {
    Peers::Of(vec!["127.0.0.0/8".parse().unwrap()])
}

fn assert_holds(response: &str, lines: &[&str]) {
    for line in lines {
        assert!(response.contains(&format!("{line}\n")), "{line:?} is missing in {response}");
    }
}

#[tokio::test]
async fn a_believed_proxy_says_address_scheme_host_and_port_to_filters_and_upstreams() {
    let trust = Trust { believed: Believed::Everything, peers: loopback(), ..Trust::default() };
    assert_holds(
        &seen(trust).await,
        &[
            "x-seen: 192.0.2.1 true shop.example",
            "host: shop.example:8443",
            "x-real-ip: 192.0.2.1",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: shop.example:8443",
            "x-forwarded-port: 8443",
            "x-forwarded-proto: https",
            "x-forwarded-scheme: https",
            "x-scheme: https",
            "x-original-forwarded-for: 192.0.2.1, 127.0.0.9",
            "x-original-forwarded-host: shop.example:8443",
        ],
    );
}

#[tokio::test]
async fn the_whole_way_is_told_if_asked_for() {
    let (believed, chain) = (Believed::Everything, Chain::Full);
    let response = seen(Trust { believed, chain, peers: loopback(), ..Trust::default() }).await;
    assert_holds(&response, &["x-real-ip: 192.0.2.1", "x-forwarded-for: 192.0.2.1, 127.0.0.9, 127.0.0.1"]);
}

#[tokio::test]
async fn only_the_address_is_believed_with_enable_real_ip() {
    let trust = Trust { believed: Believed::Address, peers: loopback(), ..Trust::default() };
    assert_holds(
        &seen(trust).await,
        &["x-seen: 192.0.2.1 false a.example", "host: a.example", "x-forwarded-proto: http"],
    );
}

#[tokio::test]
async fn others_are_not_believed_whatever_is_on() {
    let strangers = Peers::Of(vec!["192.0.2.0/24".parse().unwrap()]);
    let trust = Trust { believed: Believed::Everything, peers: strangers, ..Trust::default() };
    assert_holds(
        &seen(trust).await,
        &[
            "x-seen: 127.0.0.1 false a.example",
            "host: a.example",
            "x-real-ip: 127.0.0.1",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: http",
        ],
    );
}
