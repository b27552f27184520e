//! What was asked, and the answer in one sentence.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, anyhow};
use http::{HeaderMap, Method, header};
use jamul_routing::challenges::HTTP01_PREFIX;
use jamul_routing::path::{BadPath, normalize};
use jamul_routing::route::Target;
use jamul_routing::{Carry, Host, Match, RequestHead, Route, Scope, Snapshot, Verdict};
use url::Url;

/// A GET request for a URL.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) url: Url,
    pub(super) host: Host,
    /// Canonical.
    pub(super) path: String,
}

impl Asked {
    /// Reads `https://host/path`, or without a scheme `host/path`.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let expected = || format!("{text:?} is no URL; expected one such as https://example.com/path");
        let url = Url::parse(&full).with_context(expected)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(anyhow!("{text:?} begins with {}; expected http or https", url.scheme()));
        }
        let host = url.host_str().and_then(Host::parse).with_context(expected)?;
        let path = normalize(url.path()).map_err(|bad| anyhow!("{text:?}: {}", path_fault(bad)))?;
        Ok(Self { url, host, path })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What the client gets, as far as it can be said without asking anybody.
    pub(super) fn answer(&self, snapshot: &Snapshot, found: Option<&Match>) -> String {
        if !self.is_tls() && snapshot.challenges.find(&self.host, &self.path).is_some() {
            return "200: the answer to an ACME challenge, given before any routing".to_owned();
        }
        let Some(Match { route, .. }) = found else {
            return "404 of the default backend: no rule takes this host and path".to_owned();
        };
        if let Some(location) = self.redirect(route) {
            return location;
        }
        match &route.target {
            Target::NotFound => "404: no backend is named for it".to_owned(),
            Target::Closed => {
                "503: closed, because a setting of its Ingress could not be understood".to_owned()
            }
            Target::Upstream(id) => match snapshot.upstreams.get(id).map_or(0, |found| found.endpoints.len())
            {
                0 => "503: its Service has no ready endpoint".to_owned(),
                1 => "the answer of its Service's only endpoint".to_owned(),
                count => format!("the answer of one of its Service's {count} endpoints"),
            },
        }
    }

    /// The redirect to https, by the filter that makes it.
    fn redirect(&self, route: &Route) -> Option<String> {
        if self.is_tls() || self.path.starts_with(HTTP01_PREFIX) {
            return None;
        }
        let filter = route.filters.iter().find(|filter| filter.name() == "ssl-redirect")?;
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut head = RequestHead {
            method: Method::GET,
            host: self.host.clone(),
            path: self.path.clone(),
            target: format!("{}{query}", self.url.path()),
            headers: HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_tls: false,
            forwarded: None,
            tls: None,
            edits: Vec::new(),
        };
        let carry = Carry::default();
        match filter.on_request(&mut head, &mut Scope::new(route, 443, &carry, 0)) {
            Verdict::Reply(reply) => {
                let location =
                    reply.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
                Some(format!("{} to {}", reply.status.as_u16(), location.unwrap_or("https")))
            }
            Verdict::Continue | Verdict::Ask(_) | Verdict::Work(_) => None,
        }
    }
}

fn path_fault(bad: BadPath) -> &'static str {
    match bad {
        BadPath::NotAbsolute => "the path does not begin with /; such a request is answered with 400",
        BadPath::AboveRoot => "the path climbs above the root; such a request is answered with 400",
        BadPath::BadEscape => "the path has a % that escapes nothing; such a request is answered with 400",
        BadPath::HiddenDots => {
            "the path hides . or .. from some and shows it to others; such a request is answered with 400"
        }
        BadPath::Control => "the path holds a control character; such a request is answered with 400",
    }
}
