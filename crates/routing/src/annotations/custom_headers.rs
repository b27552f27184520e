//! `custom-headers`: response headers from a ConfigMap.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::alphabet::{header_name, items};
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope};
use crate::head::ResponseHead;

const CUSTOM_HEADERS: &str = "custom-headers";

/// The setting that lists which names may be set: whoever runs the controller decides, not who writes an
/// Ingress.
const ALLOWED: &str = "global-allowed-response-headers";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[Key {
            name: CUSTOM_HEADERS,
            default: "",
            risk: Risk::Medium,
            scope: KeyScope::Route,
            summary: "ConfigMap whose entries are set as response headers; the setting \
                      global-allowed-response-headers must list each name.",
            example: "my-headers",
            on_invalid: OnInvalid::Close,
        }]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let Some(name) = values.take(CUSTOM_HEADERS) else { return Ok(()) };
        let invalid = |expected: String| Invalid::new(CUSTOM_HEADERS, name, expected);
        let data = lookup
            .config_map(name)
            .ok_or_else(|| invalid("the name of a ConfigMap in the namespace of the Ingress".to_owned()))?;
        let allowed = lookup.setting(ALLOWED).unwrap_or_default();
        let headers = read_headers(&data, &allowed).map_err(invalid)?;
        draft.route.filters.push(Arc::new(CustomHeaders { headers }));
        Ok(())
    }
}

/// Sets response headers, replacing those of the upstream.
#[derive(Debug)]
struct CustomHeaders {
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Filter for CustomHeaders {
    fn name(&self) -> &'static str {
        CUSTOM_HEADERS
    }

    fn on_response(&self, head: &mut ResponseHead, _scope: &mut Scope<'_>) {
        for (name, value) in &self.headers {
            head.headers.insert(name, value.clone());
        }
    }
}

fn read_headers(
    data: &BTreeMap<String, String>,
    allowed: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let read = |(name, value): (&String, &String)| {
        let header = header_name(name).ok_or_else(|| format!("a ConfigMap of header names, not {name:?}"))?;
        if !items(allowed).any(|item| item.eq_ignore_ascii_case(name)) {
            return Err(format!("only headers that the setting {ALLOWED} lists; add {name:?} there"));
        }
        let value = HeaderValue::from_str(value.trim())
            .map_err(|_| format!("a value of printable ASCII on one line for header {name:?}"))?;
        Ok((header, value))
    };
    data.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::fixtures::{Objects, compile_with, filter, prefix, route, scope};

    fn objects(data: &[(&str, &str)], allowed: &str) -> Objects {
        let data = data.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Objects {
            config_maps: BTreeMap::from([("h".to_owned(), data)]),
            settings: BTreeMap::from([(ALLOWED.to_owned(), allowed.to_owned())]),
            ..Objects::default()
        }
    }

    #[test]
    fn listed_headers_replace_those_of_the_upstream() {
        let objects = objects(&[("X-Frame-Options", "DENY")], "x-frame-options, X-Other");
        let draft = compile_with(&Family, &[(CUSTOM_HEADERS, "h")], &objects).expect("valid");
        let mut headers = HeaderMap::new();
        headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
        let mut head = ResponseHead { status: StatusCode::OK, headers };
        let route = route(prefix("/"));
        filter(&draft).on_response(&mut head, &mut scope(&route));
        let values: Vec<_> = head.headers.get_all("x-frame-options").iter().collect();
        assert_eq!(values, ["DENY"]);
    }

    #[test]
    fn unlisted_framing_and_split_headers_and_a_missing_config_map_are_refused() {
        for (data, allowed) in [
            (("X-A", "1"), "X-B"),
            (("X-A", "1"), ""),
            (("Content-Length", "1"), "Content-Length"),
            (("X-A", "1\r\nX-B: 2"), "X-A"),
        ] {
            let objects = objects(&[data], allowed);
            assert!(compile_with(&Family, &[(CUSTOM_HEADERS, "h")], &objects).is_err(), "{data:?} {allowed}");
        }
        let objects = objects(&[], "");
        assert!(compile_with(&Family, &[(CUSTOM_HEADERS, "missing")], &objects).is_err());
    }
}
