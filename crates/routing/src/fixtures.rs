//! Builders for tests: a request to `example.com`, a route, objects to look up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::annotation::{Annotation, Invalid, Lookup, Values};
use crate::balance::Balance;
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::host::Host;
use crate::path::{PathMatch, Pattern, normalize};
use crate::retry::Retry;
use crate::route::{Origin, Route, RouteId, Target};
use crate::tls::CertEntry;
use crate::tls_policy::Authorities;
use crate::upstream::Timeouts;

/// A plain http `GET target` from 192.0.2.1 to `example.com`.
pub(crate) fn head(target: &str) -> RequestHead {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    RequestHead {
        method: Method::GET,
        host: Host::parse("example.com").expect("a valid host"),
        path: normalize(path).expect("a valid path"),
        target: target.to_owned(),
        headers: HeaderMap::new(),
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        is_tls: false,
        forwarded: None,
        tls: None,
        edits: Vec::new(),
    }
}

/// A route of `path` to nowhere.
pub(crate) fn route(path: PathMatch) -> Route {
    Route {
        id: RouteId(path.to_string().into()),
        path,
        origin: Origin::default(),
        filters: Vec::new(),
        target: Target::NotFound,
        balance: Balance::default(),
        alternatives: Vec::new(),
        retry: Retry::default(),
        timeouts: Timeouts::default(),
        pace: None,
        mirror: None,
        body_limit: None,
        errors: None,
        upstream_tls: None,
    }
}

pub(crate) fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.to_owned())
}

pub(crate) fn regex(path: &str) -> PathMatch {
    PathMatch::Regex(Pattern::location(path).expect("a regular expression"))
}

/// What the request meets; the https port is 443.
pub(crate) fn scope(route: &Route) -> Scope<'_> {
    // A test's own counters; leaked, so that a scope needs no other owner.
    Scope::new(route, 443, Box::leak(Box::default()), 0)
}

/// The reply of a verdict.
pub(crate) fn reply(verdict: Verdict) -> Option<Reply> {
    match verdict {
        Verdict::Reply(reply) => Some(reply),
        Verdict::Continue | Verdict::Ask(_) | Verdict::Work(_) => None,
    }
}

/// The `Location` of a verdict's reply, with its status.
pub(crate) fn location(verdict: Verdict) -> Option<(u16, String)> {
    let reply = reply(verdict)?;
    let location = reply.headers.get(http::header::LOCATION)?.to_str().ok()?;
    Some((reply.status.as_u16(), location.to_owned()))
}

/// What `family` makes of `pairs`.
pub(crate) fn compile(family: &dyn Annotation, pairs: &[(&str, &str)]) -> Result<Draft, Invalid> {
    compile_with(family, pairs, &Objects::default())
}

pub(crate) fn compile_with(
    family: &dyn Annotation,
    pairs: &[(&str, &str)],
    objects: &Objects,
) -> Result<Draft, Invalid> {
    let annotations = annotations(pairs);
    let mut draft = Draft::default();
    let mut values = Values::new("p", &annotations);
    let result = family.compile(&mut values, &mut draft, objects);
    assert_eq!(values.unknown(), Vec::<&str>::new(), "a family takes all its keys, also when it fails");
    result.map(|()| draft)
}

/// The only filter of a draft.
pub(crate) fn filter(draft: &Draft) -> Arc<dyn Filter> {
    assert_eq!(draft.route.filters.len(), 1);
    Arc::clone(draft.route.filters.first().expect("one filter"))
}

pub(crate) fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (format!("p/{key}"), (*value).to_owned())).collect()
}

/// Objects that exist.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) config_maps: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(crate) settings: BTreeMap<String, String>,
}

impl Lookup for Objects {
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.config_maps.get(name).cloned()
    }

    fn controllers_config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.config_map(name)
    }

    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.secrets.get(name).cloned()
    }

    fn authorities(&self, secret: &str) -> Result<Authorities, String> {
        let root = self.secrets.get(secret).and_then(|data| data.get("ca.crt")).cloned();
        let root = root.ok_or_else(|| "a Secret with ca.crt".to_owned())?;
        Ok(Authorities { roots: vec![root], lists: Vec::new() })
    }

    fn key_pair(&self, secret: &str) -> Result<Option<Arc<CertEntry>>, String> {
        self.authorities(secret).map(|_| None)
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.settings.get(key).cloned()
    }
}
