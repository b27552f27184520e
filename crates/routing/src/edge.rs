//! How clients are met: who is believed about them, how long they may take, and how much they may have.
//!
//! All of it is read from the controller's ConfigMap. What a connection may have is decided when it is accepted; who is
//! believed, with each request.

mod trust;

use std::time::Duration;

use crate::setting_reader::{SettingReader, parse_buffers, parse_span};

pub use trust::{Believed, Chain, Peer, Peers, Trust};

/// How clients are met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Who is believed about clients.
    pub trust: Trust,
    /// How long a connection may take to send its PROXY protocol header; `None` = there is none
    /// (`use-proxy-protocol`, `proxy-protocol-header-timeout`).
    pub proxy_protocol: Option<Duration>,
    /// Waits towards clients.
    pub waits: Waits,
    /// Limits towards clients.
    pub limits: Limits,
    /// Which headers of clients are passed on.
    pub names: HeaderNames,
    /// Which versions of HTTP are spoken.
    pub versions: Versions,
    /// How TCP and UDP services are relayed.
    pub relaying: Relaying,
}

/// Waits towards clients; defaults as nginx has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For a TLS handshake, and for the whole head of a request: 60 s (`client-header-timeout`).
    pub header: Duration,
    /// Between two reads of a request body: 60 s (`client-body-timeout`).
    pub body: Duration,
    /// Between two writes to a client: 60 s (nginx's `send_timeout`, which ingress-nginx does not let anybody set).
    pub send: Duration,
    /// For the next request on a connection: 75 s (`keep-alive`).
    pub keep_alive: Duration,
}

/// Limits towards clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest head of a request: 32 KiB (`large-client-header-buffers`, all of them).
    pub header_bytes: usize,
    /// Longest request target, and longest header with its name: 8 KiB (`large-client-header-buffers`, one of them).
    pub line_bytes: usize,
    /// Streams that a client may have open on one HTTP/2 connection: 128 (`http2-max-concurrent-streams`).
    pub h2_streams: u32,
    /// Connections of one worker: 16384 (`max-worker-connections`).
    pub connections: usize,
    /// Requests on one connection: 1000 (`keep-alive-requests`).
    pub requests: u32,
}

/// Which headers of clients are passed on; names that HTTP does not allow never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// Names with `_` too (`enable-underscores-in-headers`). An upstream's CGI may take them for others.
    pub allows_underscores: bool,
    /// Only names of letters, digits and hyphens (`ignore-invalid-headers`).
    pub drops_unusual: bool,
}

/// Which versions of HTTP are spoken besides HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// HTTP/2 to clients that offer it in their TLS handshake (`use-http2`).
    pub has_http2: bool,
    /// HTTP/2 on the http port to clients that begin with it (RFC 9113 section 3.3; `enable-h2c`, our own).
    pub has_h2c: bool,
}

/// How TCP and UDP services are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relaying {
    /// Longest silence on both sides: 600 s (`proxy-stream-timeout`).
    pub idle: Duration,
    /// Datagrams that answer one of a client: 1; a session ends after the last (`proxy-stream-responses`). 0 = none is
    /// waited for.
    pub responses: u32,
    /// Endpoints that are tried for a connection: 3, 0 = all (`proxy-stream-next-upstream-tries`; one, if
    /// `proxy-stream-next-upstream` is off).
    pub tries: u32,
    /// Longest time for all tries: 600 s (`proxy-stream-next-upstream-timeout`); `None` = any.
    pub tries_within: Option<Duration>,
}

const STREAM_TIMEOUT: &str = "proxy-stream-timeout";
const STREAM_RESPONSES: &str = "proxy-stream-responses";
const STREAM_NEXT: &str = "proxy-stream-next-upstream";
const STREAM_TRIES: &str = "proxy-stream-next-upstream-tries";
const STREAM_TRIES_WITHIN: &str = "proxy-stream-next-upstream-timeout";
const USE_PROXY_PROTOCOL: &str = "use-proxy-protocol";
const PROXY_PROTOCOL_WAIT: &str = "proxy-protocol-header-timeout";
const HEADER_TIMEOUT: &str = "client-header-timeout";
const BODY_TIMEOUT: &str = "client-body-timeout";
const KEEP_ALIVE: &str = "keep-alive";
const KEEP_ALIVE_REQUESTS: &str = "keep-alive-requests";
const HEADER_BUFFERS: &str = "large-client-header-buffers";
const H2_STREAMS: &str = "http2-max-concurrent-streams";
const CONNECTIONS: &str = "max-worker-connections";
const UNDERSCORES: &str = "enable-underscores-in-headers";
const IGNORE_INVALID: &str = "ignore-invalid-headers";
const USE_HTTP2: &str = "use-http2";
const ENABLE_H2C: &str = "enable-h2c";
/// `proxy-protocol-header-timeout`, if it is not set.
const DEFAULT_PROXY_PROTOCOL_WAIT: Duration = Duration::from_secs(5);

impl Edge {
    /// Reads all of it by `settings`.
    pub(crate) fn read(settings: &mut SettingReader<'_>) -> Self {
        let wait = settings.span(PROXY_PROTOCOL_WAIT).unwrap_or(DEFAULT_PROXY_PROTOCOL_WAIT);
        let is_wanted = settings.boolean(USE_PROXY_PROTOCOL).unwrap_or_default();
        let (waits, limits) = (Waits::read(settings), Limits::read(settings));
        Self {
            trust: Trust::read(settings),
            proxy_protocol: is_wanted.then_some(wait),
            waits,
            limits: if waits.keep_alive.is_zero() { Limits { requests: 1, ..limits } } else { limits },
            names: HeaderNames::read(settings),
            versions: Versions::read(settings),
            relaying: Relaying::read(settings),
        }
    }
}

impl Waits {
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let default = Self::default();
        Self {
            header: settings.span(HEADER_TIMEOUT).unwrap_or(default.header),
            body: settings.span(BODY_TIMEOUT).unwrap_or(default.body),
            send: default.send,
            keep_alive: settings
                .value(KEEP_ALIVE, parse_span, "seconds, or 0 for one request on each connection")
                .unwrap_or(default.keep_alive),
        }
    }
}

impl Default for Waits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { header: minute, body: minute, send: minute, keep_alive: Duration::from_secs(75) }
    }
}

impl Limits {
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let default = Self::default();
        let buffers = settings.value(HEADER_BUFFERS, parse_buffers, "number and size, such as 4 8k");
        let connections = settings.number(CONNECTIONS, 0).filter(|number| *number > 0);
        Self {
            header_bytes: buffers.map_or(default.header_bytes, |(number, size)| number as usize * size),
            line_bytes: buffers.map_or(default.line_bytes, |(_, size)| size),
            h2_streams: settings.number(H2_STREAMS, 1).unwrap_or(default.h2_streams),
            connections: connections.map_or(default.connections, |number| number as usize),
            requests: settings.number(KEEP_ALIVE_REQUESTS, 1).unwrap_or(default.requests),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            line_bytes: 8 * 1024,
            h2_streams: 128,
            connections: 16_384,
            requests: 1000,
        }
    }
}

impl HeaderNames {
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let default = Self::default();
        Self {
            allows_underscores: settings.boolean(UNDERSCORES).unwrap_or(default.allows_underscores),
            drops_unusual: settings.boolean(IGNORE_INVALID).unwrap_or(default.drops_unusual),
        }
    }

    /// Whether a header of this name is passed on.
    #[must_use]
    pub fn allow(self, name: &str) -> bool {
        !self.drops_unusual
            || name.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'_' && self.allows_underscores)
            })
    }
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self { allows_underscores: false, drops_unusual: true }
    }
}

impl Versions {
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let default = Self::default();
        Self {
            has_http2: settings.boolean(USE_HTTP2).unwrap_or(default.has_http2),
            has_h2c: settings.boolean(ENABLE_H2C).unwrap_or(default.has_h2c),
        }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self { has_http2: true, has_h2c: false }
    }
}

impl Relaying {
    fn read(settings: &mut SettingReader<'_>) -> Self {
        let default = Self::default();
        let tries = settings.number(STREAM_TRIES, 0).unwrap_or(default.tries);
        let within = settings.value(STREAM_TRIES_WITHIN, parse_span, "a span such as 600s, or 0 for any");
        Self {
            idle: settings.span(STREAM_TIMEOUT).unwrap_or(default.idle),
            responses: settings.number(STREAM_RESPONSES, 0).unwrap_or(default.responses),
            tries: if settings.boolean(STREAM_NEXT).unwrap_or(true) { tries } else { 1 },
            tries_within: within.map_or(default.tries_within, |span| (!span.is_zero()).then_some(span)),
        }
    }
}

impl Default for Relaying {
    fn default() -> Self {
        let idle = Duration::from_secs(600);
        Self { idle, responses: 1, tries: 3, tries_within: Some(idle) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Edge, Vec<&'static str>) {
        let find =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let mut settings = SettingReader::new(&find);
        let edge = Edge::read(&mut settings);
        (edge, settings.invalid.into_iter().map(|invalid| invalid.key).collect())
    }

    #[test]
    fn without_settings_clients_are_met_as_by_ingress_nginx() {
        assert_eq!(read(&[]), (Edge::default(), Vec::new()));
    }

    #[test]
    fn waits_and_limits_are_what_the_settings_say() {
        let (edge, invalid) = read(&[
            (HEADER_TIMEOUT, "10"),
            (BODY_TIMEOUT, "20s"),
            (KEEP_ALIVE, "0"),
            (HEADER_BUFFERS, "2 16k"),
            (H2_STREAMS, "7"),
            (CONNECTIONS, "100"),
            (USE_PROXY_PROTOCOL, "true"),
            (PROXY_PROTOCOL_WAIT, "3s"),
        ]);
        assert_eq!(invalid, [""; 0]);
        assert_eq!((edge.waits.header.as_secs(), edge.waits.body.as_secs()), (10, 20));
        assert_eq!((edge.limits.header_bytes, edge.limits.line_bytes), (32 * 1024, 16 * 1024));
        assert_eq!((edge.limits.h2_streams, edge.limits.connections), (7, 100));
        // No waiting for a second request: there is one.
        assert_eq!(edge.limits.requests, 1);
        assert_eq!(edge.proxy_protocol, Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_wrong_keeps_its_default_and_is_told() {
        let wrong = [
            (HEADER_TIMEOUT, "0"),
            (HEADER_BUFFERS, "8k"),
            (H2_STREAMS, "0"),
            (KEEP_ALIVE_REQUESTS, "none"),
            (USE_HTTP2, "yes"),
        ];
        let (edge, invalid) = read(&wrong);
        assert_eq!(edge, Edge::default());
        assert_eq!(invalid.len(), wrong.len());
    }

    #[test]
    fn headers_with_unusual_names_are_dropped_unless_allowed() {
        let names =
            |underscores, unusual| HeaderNames { allows_underscores: underscores, drops_unusual: unusual };
        for (rule, name, expected) in [
            (names(false, true), "x-real-ip", true),
            (names(false, true), "x_real_ip", false),
            (names(false, true), "x.y", false),
            (names(true, true), "x_real_ip", true),
            (names(true, true), "x.y", false),
            (names(false, false), "x.y", true),
        ] {
            assert_eq!(rule.allow(name), expected, "{rule:?} {name}");
        }
    }
}
