//! The settings `add-headers`, `proxy-set-headers`, `hide-headers`, `proxy-add-original-uri-header`: headers of all routes.
//!
//! No annotation belongs to them; they are read with each Ingress. Values of `proxy-set-headers` may hold the variables of
//! docs/snippets.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crate::alphabet::{header_name, items};
use crate::annotation::{Annotation, Invalid, Key, Lookup, Values, parse_bool};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{HeaderEdit, RequestHead, ResponseHead};
use crate::snippet::{Scene, Text};

const ADD: &str = "add-headers";
const SET: &str = "proxy-set-headers";
const HIDE: &str = "hide-headers";
const ORIGINAL_URI: &str = "proxy-add-original-uri-header";

const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

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
        let filter = HeadersOfAll::compile(lookup)?;
        if !filter.is_empty() {
            draft.route.filters.push(Arc::new(filter));
        }
        Ok(())
    }
}

/// Changes headers of requests to upstreams and of responses.
#[derive(Debug)]
struct HeadersOfAll {
    added: Vec<(HeaderName, HeaderValue)>,
    hidden: Vec<HeaderName>,
    set: Vec<(HeaderName, Text)>,
    original_uri: bool,
}

impl HeadersOfAll {
    fn compile(lookup: &dyn Lookup) -> Result<Self, Invalid> {
        let read = |key: &str| lookup.setting(key).filter(|text| !text.trim().is_empty());
        let map = |key: &'static str| -> Result<BTreeMap<String, String>, Invalid> {
            let Some(name) = read(key) else { return Ok(BTreeMap::new()) };
            let expected = "NAMESPACE/NAME of a ConfigMap that is there";
            lookup.controllers_config_map(name.trim()).ok_or_else(|| Invalid::new(key, name, expected))
        };
        let added = map(ADD)?.into_iter().map(|(name, value)| {
            let header = changeable(ADD, &name)?;
            let invalid = |_| Invalid::new(ADD, name, "values of printable ASCII on one line");
            Ok((header, HeaderValue::from_str(value.trim()).map_err(invalid)?))
        });
        let set = map(SET)?.into_iter().map(|(name, value)| {
            let is_host = name.eq_ignore_ascii_case("host");
            let header = if is_host { header::HOST } else { changeable(SET, &name)? };
            let invalid = |what| Invalid::new(SET, name, format!("values of docs/snippets.md, not {what}"));
            Ok((header, Text::parse(value.trim(), &[]).map_err(invalid)?))
        });
        let hidden = read(HIDE).unwrap_or_default();
        let hidden = items(&hidden).map(|name| changeable(HIDE, name)).collect::<Result<_, _>>()?;
        let original = read(ORIGINAL_URI).map(|word| parse_bool(ORIGINAL_URI, word.trim())).transpose();
        let (added, set) = (added.collect::<Result<_, _>>()?, set.collect::<Result<_, _>>()?);
        Ok(Self { added, hidden, set, original_uri: original?.unwrap_or(false) })
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.hidden.is_empty() && self.set.is_empty() && !self.original_uri
    }
}

fn changeable(key: &'static str, name: &str) -> Result<HeaderName, Invalid> {
    header_name(name).ok_or_else(|| Invalid::new(key, name, "names of headers that frame no messages"))
}

impl Filter for HeadersOfAll {
    fn name(&self) -> &'static str {
        ADD
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let mut edits = Vec::new();
        if self.original_uri {
            let target = HeaderValue::from_str(&head.target).ok();
            edits.extend(target.map(|target| HeaderEdit::Set(X_ORIGINAL_URI, target)));
        }
        let scene = Scene { head, scope, captures: &[], own: &[] };
        for (name, text) in &self.set {
            let value = HeaderValue::from_str(&text.expand(&scene)).ok().filter(|value| !value.is_empty());
            edits.push(match value {
                Some(value) => HeaderEdit::Set(name.clone(), value),
                None => HeaderEdit::Remove(name.clone()),
            });
        }
        // What the route says itself comes after it.
        edits.append(&mut head.edits);
        head.edits = edits;
        Verdict::Continue
    }

    fn on_response(&self, head: &mut ResponseHead, _scope: &mut Scope<'_>) {
        for name in &self.hidden {
            head.headers.remove(name);
        }
        for (name, value) in &self.added {
            head.headers.insert(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::fixtures::{Objects, compile_with, filter, head, prefix, route, scope};

    fn objects(settings: &[(&str, &str)], data: &[(&str, &str)]) -> Objects {
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let config_maps = BTreeMap::from([("ops/headers".to_owned(), own(data))]);
        Objects { config_maps, settings: own(settings), ..Objects::default() }
    }

    #[test]
    fn headers_of_all_routes_are_set_added_and_hidden() {
        let settings =
            [(ADD, "ops/headers"), (SET, "ops/headers"), (HIDE, "X-Powered-By,x-b"), (ORIGINAL_URI, "true")];
        let found = objects(&settings, &[("X-Host", "$host")]);
        let draft = compile_with(&Family, &[], &found).expect("valid");
        let (route, mut request) = (route(prefix("/")), head("/a?b"));
        filter(&draft).on_request(&mut request, &mut scope(&route));
        for edit in request.edits {
            edit.apply(&mut request.headers, StatusCode::OK);
        }
        assert_eq!(request.headers.get("x-host"), Some(&HeaderValue::from_static("example.com")));
        assert_eq!(request.headers.get("x-original-uri"), Some(&HeaderValue::from_static("/a?b")));
        let mut response = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
        response.headers.insert("x-powered-by", HeaderValue::from_static("php"));
        filter(&draft).on_response(&mut response, &mut scope(&route));
        assert!(!response.headers.contains_key("x-powered-by"));
        assert_eq!(
            response.headers.get("x-host"),
            Some(&HeaderValue::from_static("$host")),
            "taken literally"
        );
        assert!(compile_with(&Family, &[], &Objects::default()).expect("valid").route.filters.is_empty());
    }

    #[test]
    fn what_is_missing_or_frames_messages_is_refused() {
        for (settings, data, key) in [
            ([(ADD, "ops/absent")], ("A", "b"), ADD),
            ([(ADD, "ops/headers")], ("Content-Length", "1"), ADD),
            ([(ADD, "ops/headers")], ("A", "b\r\nc: d"), ADD),
            ([(SET, "ops/headers")], ("A", "$nothing"), SET),
            ([(HIDE, "a b")], ("A", "b"), HIDE),
        ] {
            let found = objects(&settings, &[data]);
            assert_eq!(
                compile_with(&Family, &[], &found).expect_err("refused").key,
                key,
                "{settings:?} {data:?}"
            );
        }
    }
}
