//! The settings `block-cidrs`, `block-user-agents`, `block-referers`: who is answered 403 everywhere.
//!
//! No annotation belongs to them. They are read with each Ingress all the same, so that what cannot be understood closes
//! what it should have protected.

use std::sync::Arc;

use http::{HeaderName, StatusCode, header};
use ipnet::IpNet;

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Values};
use crate::annotations::source_range::parse_ranges;
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const CIDRS: &str = "block-cidrs";
const USER_AGENTS: &str = "block-user-agents";
const REFERERS: &str = "block-referers";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn compile(
        &self,
        _values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let read = |key| lookup.setting(key).filter(|list| !list.trim().is_empty());
        let ranges = read(CIDRS).map(|list| parse_ranges(CIDRS, &list)).transpose()?.unwrap_or_default();
        let mut texts = Vec::new();
        for (key, name) in [(USER_AGENTS, header::USER_AGENT), (REFERERS, header::REFERER)] {
            if let Some(list) = read(key) {
                texts.push((name, parse_texts(key, &list)?));
            }
        }
        if !ranges.is_empty() || !texts.is_empty() {
            draft.route.filters.push(Arc::new(BlockLists { ranges, texts }));
        }
        Ok(())
    }
}

/// Answers 403.
#[derive(Debug)]
struct BlockLists {
    ranges: Vec<IpNet>,
    texts: Vec<(HeaderName, Vec<Blocked>)>,
}

/// What a header must not be.
#[derive(Debug)]
enum Blocked {
    /// Exactly this, without case.
    Text(String),
    /// `~` and `~*`.
    Pattern(regex::Regex),
}

impl Filter for BlockLists {
    fn name(&self) -> &'static str {
        CIDRS
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        let client = head.client.to_canonical();
        let is_blocked = self.ranges.iter().any(|range| range.contains(&client))
            || self.texts.iter().any(|(name, blocked)| {
                let value = head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
                value.is_some_and(|value| blocked.iter().any(|blocked| blocked.takes(&value)))
            });
        if is_blocked { Verdict::Reply(Reply::status(StatusCode::FORBIDDEN)) } else { Verdict::Continue }
    }
}

impl Blocked {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => text.eq_ignore_ascii_case(value),
            Self::Pattern(pattern) => pattern.is_match(value),
        }
    }
}

fn parse_texts(key: &'static str, list: &str) -> Result<Vec<Blocked>, Invalid> {
    let expected = "a comma list of texts, or of regular expressions behind ~ or ~*";
    let parse = |item: &str| {
        let (pattern, is_caseless) = match item.strip_prefix("~*") {
            Some(pattern) => (Some(pattern), true),
            None => (item.strip_prefix('~'), false),
        };
        let Some(pattern) = pattern else { return Ok(Blocked::Text(item.to_owned())) };
        let built = regex::RegexBuilder::new(pattern.trim())
            .case_insensitive(is_caseless)
            .size_limit(MAX_PATTERN)
            .build();
        built.map(Blocked::Pattern).map_err(|_| Invalid::new(key, item, expected))
    };
    items(list).map(parse).collect()
}

/// Bytes that a compiled regular expression may take.
const MAX_PATTERN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::fixtures::{Objects, compile_with, filter, head, prefix, reply, route, scope};

    fn objects(pairs: &[(&str, &str)]) -> Objects {
        let settings = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Objects { settings, ..Objects::default() }
    }

    #[test]
    fn the_blocked_are_answered_403_and_others_pass() {
        let settings =
            [(CIDRS, "198.51.100.0/24"), (USER_AGENTS, "curl/8, ~*^badbot"), (REFERERS, "~spam\\.example")];
        let filter = filter(&compile_with(&Family, &[], &objects(&settings)).expect("valid"));
        let route = route(prefix("/"));
        for (client, agent, referer, is_blocked) in [
            ("192.0.2.1", "curl/8.1", "https://good.example/", false),
            ("198.51.100.7", "x", "x", true),
            ("192.0.2.1", "CURL/8", "x", true),
            ("192.0.2.1", "BadBot/1", "x", true),
            ("192.0.2.1", "x", "http://spam.example/", true),
            ("192.0.2.1", "x", "http://SPAM.example/", false),
        ] {
            let mut head = head("/");
            head.client = client.parse().expect("an address");
            head.headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            head.headers.insert(header::REFERER, HeaderValue::from_static(referer));
            let found = reply(filter.on_request(&mut head, &mut scope(&route))).is_some();
            assert_eq!(found, is_blocked, "{client} {agent} {referer}");
        }
    }

    #[test]
    fn without_settings_there_is_nothing_and_bad_ones_close() {
        assert!(compile_with(&Family, &[], &objects(&[])).expect("valid").route.filters.is_empty());
        for (key, value) in [(CIDRS, "10.0.0.0/99"), (USER_AGENTS, "~("), (REFERERS, "~*[")] {
            let invalid = compile_with(&Family, &[], &objects(&[(key, value)])).expect_err(value);
            assert_eq!(invalid.key, key);
        }
    }
}
