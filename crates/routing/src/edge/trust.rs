//! Who is believed about clients: proxies in front, which say in headers for whom they ask.
//!
//! ingress-nginx believes `X-Forwarded-Proto`, `-Host` and `-Port` of everybody as soon as `use-forwarded-headers` is
//! on, and asks `proxy-real-ip-cidr` about the address only. Here one list decides about all of them.

use std::net::{IpAddr, SocketAddr};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::alphabet::items;
use crate::annotations::source_range::parse_ranges;
use crate::head::Forwarded;
use crate::host::Host;
use crate::setting_reader::SettingReader;

/// Who is believed about clients, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Proxies that may say who the client is (`proxy-real-ip-cidr`).
    pub peers: Peers,
    /// What of their headers is believed.
    pub believed: Believed,
    /// The header with the client's address, and those of proxies on the way (`forwarded-for-header`).
    pub address_header: HeaderName,
    /// The header with the host that the client asked for (`forwarded-host-header`).
    pub host_header: HeaderName,
    /// What upstreams are told of proxies on the way.
    pub chain: Chain,
}

/// A set of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Whoever connects to us: nobody said whom to believe. Clients that a PROXY protocol header names are not among
    /// them, since those connect to somebody else.
    WhoeverConnects,
    /// Those with such an address, connected to us or named by a PROXY protocol header.
    Of(Vec<IpNet>),
}

/// What of forwarding headers is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Believed {
    /// Nothing: they are replaced.
    #[default]
    Nothing,
    /// The client's address (`enable-real-ip`).
    Address,
    /// The address, scheme, host and port (`use-forwarded-headers`).
    Everything,
}

/// What upstreams find in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// The client's address alone.
    #[default]
    Client,
    /// What a believed proxy sent, and the proxy (`compute-full-forwarded-for`).
    Full,
}

const FORWARDED_HEADERS: &str = "use-forwarded-headers";
const REAL_IP: &str = "enable-real-ip";
const FULL: &str = "compute-full-forwarded-for";
const PEERS: &str = "proxy-real-ip-cidr";
const ADDRESS_HEADER: &str = "forwarded-for-header";
const HOST_HEADER: &str = "forwarded-host-header";
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Proxies on the way that are looked at; who names more is not believed about the rest.
const MAX_HOPS: usize = 32;

impl Default for Trust {
    fn default() -> Self {
        Self {
            peers: Peers::WhoeverConnects,
            believed: Believed::Nothing,
            address_header: X_FORWARDED_FOR,
            host_header: X_FORWARDED_HOST,
            chain: Chain::Client,
        }
    }
}

impl Trust {
    pub(super) fn read(settings: &mut SettingReader<'_>) -> Self {
        let all = settings.boolean(FORWARDED_HEADERS).unwrap_or_default();
        let address = settings.boolean(REAL_IP).unwrap_or_default();
        let is_full = settings.boolean(FULL).unwrap_or_default();
        let name = |text: &str| HeaderName::try_from(text).ok();
        let mut header = |key, default| {
            settings.value(key, name, "the name of a header, such as CF-Connecting-IP").unwrap_or(default)
        };
        let (address_header, host_header) =
            (header(ADDRESS_HEADER, X_FORWARDED_FOR), header(HOST_HEADER, X_FORWARDED_HOST));
        Self {
            peers: Peers::read(settings),
            believed: match (all, address) {
                (true, _) => Believed::Everything,
                (false, true) => Believed::Address,
                (false, false) => Believed::Nothing,
            },
            address_header,
            host_header,
            chain: if all && is_full { Chain::Full } else { Chain::Client },
        }
    }

    /// The address of the client for whom `peer` asks: the last in the header that no believed proxy has, as nginx's
    /// `real_ip_recursive` finds it.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap, peer: Peer) -> IpAddr {
        if self.believed == Believed::Nothing || !self.peers.hold(peer) {
            return peer.address;
        }
        let values = headers.get_all(&self.address_header).iter().rev();
        let named = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
        let mut client = peer.address;
        for text in named.take(MAX_HOPS) {
            let Some(address) = parse_address(text.trim()) else { return client };
            client = address;
            if !self.peers.hold(Peer { address, ..peer }) {
                return client;
            }
        }
        client
    }

    /// What is believed of a request of `peer`, besides the address; `None` = nothing.
    #[must_use]
    pub fn forwarded(&self, headers: &HeaderMap, peer: Peer) -> Option<Forwarded> {
        if self.believed != Believed::Everything || !self.peers.hold(peer) {
            return None;
        }
        let host = first(headers, &self.host_header).and_then(|text| {
            let value = HeaderValue::from_str(text).ok()?;
            Some((Host::parse(text)?, value))
        });
        let port =
            first(headers, &X_FORWARDED_PORT).filter(|text| text.parse::<u16>().is_ok_and(|port| port > 0));
        Some(Forwarded {
            is_tls: first(headers, &X_FORWARDED_PROTO).and_then(is_tls),
            host,
            port: port.and_then(|text| HeaderValue::from_str(text).ok()),
        })
    }

    /// The addresses that a believed `peer` sent, for upstreams to see in front of the peer's.
    #[must_use]
    pub fn chain_of<'a>(&self, headers: &'a HeaderMap, peer: Peer) -> Option<&'a HeaderValue> {
        if self.chain == Chain::Client || !self.peers.hold(peer) {
            return None;
        }
        headers.get(&self.address_header).filter(|value| !value.is_empty())
    }
}

/// Whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether a PROXY protocol header says so; else it has connected to us.
    pub is_told: bool,
}

impl Peers {
    /// Everybody unless said otherwise, as ingress-nginx; nobody if what is said is wrong.
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let Some(list) = settings.text(PEERS) else { return Self::WhoeverConnects };
        match parse_ranges(PEERS, &list) {
            Ok(ranges) => Self::Of(ranges),
            Err(mut invalid) => {
                invalid.expected.push_str("; until then nobody is believed");
                settings.invalid.push(invalid);
                Self::Of(Vec::new())
            }
        }
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn hold(&self, peer: Peer) -> bool {
        match self {
            Self::WhoeverConnects => !peer.is_told,
            Self::Of(ranges) => {
                let address = peer.address.to_canonical();
                ranges.iter().any(|range| range.contains(&address))
            }
        }
    }
}

/// The first item of a header that is a list.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| items(value.to_str().ok()?).next())
}

fn is_tls(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// An address, with a port or without.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    Some(address.ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: Peer = Peer { address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), is_told: false };

    fn trust(pairs: &[(&str, &str)]) -> Trust {
        let find =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        Trust::read(&mut SettingReader::new(&find))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    fn client(trust: &Trust, peer: Peer, value: &str) -> String {
        trust.client(&headers(&[("x-forwarded-for", value)]), peer).to_string()
    }

    #[test]
    fn nobody_is_believed_unless_asked_for() {
        assert_eq!(client(&trust(&[]), PROXY, "192.0.2.1"), "10.0.0.1");
        let trust = trust(&[(PEERS, "10.0.0.0/8")]);
        assert_eq!(client(&trust, PROXY, "192.0.2.1"), "10.0.0.1");
        assert_eq!(trust.forwarded(&headers(&[("x-forwarded-proto", "https")]), PROXY), None);
    }

    #[test]
    fn the_client_is_the_last_that_no_believed_proxy_has() {
        let trust = trust(&[(REAL_IP, "true"), (PEERS, "10.0.0.0/8, 2001:db8::/32")]);
        for (value, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1", "192.0.2.1"),
            ("1.1.1.1, 192.0.2.1, 10.9.9.9,2001:db8::5", "192.0.2.1"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("192.0.2.1:5000", "192.0.2.1"),
            ("[2001:db9::1]:5000", "2001:db9::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.3.3.3", "10.3.3.3"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(&trust, PROXY, value), expected, "{value}");
        }
        let stranger = Peer { address: "198.51.100.1".parse().expect("an address"), is_told: false };
        assert_eq!(client(&trust, stranger, "192.0.2.1"), "198.51.100.1");
        let mut both = headers(&[("x-forwarded-for", "1.1.1.1")]);
        both.append(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
        assert_eq!(trust.client(&both, PROXY).to_string(), "192.0.2.1");
    }

    #[test]
    fn whoever_connects_is_believed_without_a_list_but_not_who_is_told() {
        let trust = trust(&[(FORWARDED_HEADERS, "true")]);
        assert_eq!(client(&trust, PROXY, "192.0.2.1, 198.51.100.1"), "192.0.2.1");
        let told = Peer { is_told: true, ..PROXY };
        assert_eq!(client(&trust, told, "192.0.2.1"), "10.0.0.1");
        assert_eq!(trust.forwarded(&HeaderMap::new(), told), None);
    }

    #[test]
    fn a_list_that_is_wrong_lets_nobody_be_believed() {
        let find = |key: &str| match key {
            PEERS => Some("10.0.0.0/8, lb.example.com".to_owned()),
            FORWARDED_HEADERS => Some("true".to_owned()),
            _ => None,
        };
        let mut settings = SettingReader::new(&find);
        let trust = Trust::read(&mut settings);
        assert_eq!(client(&trust, PROXY, "192.0.2.1"), "10.0.0.1");
        let told = settings.invalid.first().expect("it is told").to_string();
        assert!(told.contains("lb.example.com") && told.contains("nobody is believed"), "{told}");
    }

    #[test]
    fn scheme_host_and_port_of_a_believed_proxy_count_if_they_make_sense() {
        let trust = trust(&[(FORWARDED_HEADERS, "true"), (PEERS, "10.0.0.0/8")]);
        let all = headers(&[
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "shop.example:8443, inner.example"),
            ("x-forwarded-port", "8443"),
        ]);
        let forwarded = trust.forwarded(&all, PROXY).expect("believed");
        assert_eq!((forwarded.is_tls, forwarded.port), (Some(true), Some(HeaderValue::from_static("8443"))));
        let (host, written) = forwarded.host.expect("a host");
        assert_eq!((host.as_str(), written.as_bytes()), ("shop.example", b"shop.example:8443".as_slice()));
        let odd = headers(&[
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-port", "0"),
        ]);
        assert_eq!(trust.forwarded(&odd, PROXY), Some(Forwarded::default()));
    }
}
