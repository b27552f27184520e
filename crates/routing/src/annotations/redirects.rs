//! `permanent-redirect`, `temporal-redirect`, `relative-redirects`: the route is somewhere else.
//!
//! As nginx's `return`, they come before the redirect to https and before all access checks: nothing of the route is
//! told but where it went.

use std::sync::Arc;

use http::StatusCode;

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::template::{Template, http_host, scheme};

const PERMANENT: &str = "permanent-redirect";
const PERMANENT_CODE: &str = "permanent-redirect-code";
const TEMPORAL: &str = "temporal-redirect";
const TEMPORAL_CODE: &str = "temporal-redirect-code";
const RELATIVE: &str = "relative-redirects";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                PERMANENT,
                "",
                Risk::Medium,
                "Answers with a redirect to this URL; path and query are not appended, variables such as \
                 $request_uri may be written.",
                "https://new.example.com$request_uri",
            ),
            Key::route(PERMANENT_CODE, "301", Risk::Low, "Its status, 300 to 308.", "308"),
            Key::route(
                TEMPORAL,
                "",
                Risk::Medium,
                "As permanent-redirect, over which it wins; the URL begins with http:// or https://.",
                "https://other.example.com/",
            ),
            Key::route(TEMPORAL_CODE, "302", Risk::Low, "Its status, 300 to 307.", "307"),
            Key::route(
                RELATIVE,
                "false",
                Risk::Low,
                "A redirect to a path stays a path, instead of being completed with scheme and host.",
                "true",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let permanent = values.take(PERMANENT).map(|text| parse_target(PERMANENT, text)).transpose();
        let temporal = values.take(TEMPORAL).map(|text| parse_target(TEMPORAL, text)).transpose();
        let codes = (
            parse_code(PERMANENT_CODE, values.take(PERMANENT_CODE), StatusCode::MOVED_PERMANENTLY, 308),
            parse_code(TEMPORAL_CODE, values.take(TEMPORAL_CODE), StatusCode::FOUND, 307),
        );
        let relative = values.take_bool_or_setting(RELATIVE, lookup);
        let is_relative = matches!(relative, Ok(Some(true)));
        let chosen = match (&temporal, &permanent) {
            (Ok(Some(template)), _) => Some((TEMPORAL, template, codes.1.unwrap_or(StatusCode::FOUND))),
            (Ok(None) | Err(_), Ok(Some(template))) => Some((
                PERMANENT,
                template,
                codes.0.as_ref().map_or(StatusCode::MOVED_PERMANENTLY, |code| *code),
            )),
            (Ok(None) | Err(_), Ok(None) | Err(_)) => None,
        };
        let chosen = chosen.map(|(name, template, status)| {
            let template = template.clone();
            let completion = if is_relative { Completion::Relative } else { Completion::Absolute };
            Redirect { name, template, status, completion }
        });
        draft.route.early.extend(chosen.map(|redirect| Arc::new(redirect) as Arc<dyn Filter>));
        permanent?;
        temporal?;
        relative?;
        Ok(())
    }
}

/// Answers with a redirect, whatever is asked.
#[derive(Debug)]
struct Redirect {
    name: &'static str,
    template: Template,
    status: StatusCode,
    completion: Completion,
}

/// What a path becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completion {
    /// It gets the scheme and host of the request.
    Absolute,
    /// It stays as it is.
    Relative,
}

impl Filter for Redirect {
    fn name(&self) -> &'static str {
        self.name
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        let mut location = self.template.expand(head, &[]);
        if location.starts_with('/') && self.completion == Completion::Absolute {
            location = format!("{}://{}{location}", scheme(head), http_host(head));
        }
        Verdict::Reply(Reply::redirect_to(self.status, &location))
    }
}

fn parse_target(key: &'static str, text: &str) -> Result<Template, Invalid> {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_variable = text.starts_with("$scheme://") || text.starts_with("$request_uri");
    let expected = match key {
        TEMPORAL => "a URL that begins with http:// or https://",
        _ => "a URL that begins with http:// or https://, or a path that begins with /",
    };
    if !(is_url || is_variable || (is_path && key == PERMANENT)) {
        return Err(Invalid::new(key, text, expected));
    }
    Template::parse(text, URL).map_err(|expected| Invalid::new(key, text, expected))
}

fn parse_code(
    key: &'static str,
    text: Option<&str>,
    default: StatusCode,
    last: u16,
) -> Result<StatusCode, Invalid> {
    let Some(text) = text else { return Ok(default) };
    let code = text.parse::<u16>().ok().filter(|code| (300..=last).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    status.ok_or_else(|| Invalid::new(key, text, format!("a status from 300 to {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head, location, prefix, route, scope};

    fn redirected(pairs: &[(&str, &str)]) -> Option<(u16, String)> {
        let draft = match compile(&Family, pairs) {
            Ok(draft) => draft,
            Err(invalid) => panic!("{invalid}"),
        };
        let route = route(prefix("/"));
        let filter = draft.route.early.first()?;
        location(filter.on_request(&mut head("/a/?b=c"), &mut scope(&route)))
    }

    #[test]
    fn the_target_is_taken_literally_and_temporal_wins() {
        for (pairs, expected) in [
            (&[(PERMANENT, "https://x.example/y")][..], (301, "https://x.example/y")),
            (
                &[(PERMANENT, "https://x.example$request_uri"), (PERMANENT_CODE, "308")],
                (308, "https://x.example/a/?b=c"),
            ),
            (&[(PERMANENT, "/new")], (301, "http://example.com/new")),
            (&[(PERMANENT, "/new"), (RELATIVE, "true")], (301, "/new")),
            (&[(PERMANENT, "/new"), (TEMPORAL, "https://t.example/")], (302, "https://t.example/")),
            (&[(TEMPORAL, "https://t.example/"), (TEMPORAL_CODE, "307")], (307, "https://t.example/")),
        ] {
            assert_eq!(redirected(pairs), Some((expected.0, expected.1.to_owned())), "{pairs:?}");
        }
        assert_eq!(redirected(&[(PERMANENT_CODE, "308")]), None);
    }

    #[test]
    fn targets_that_are_none_are_refused() {
        for (key, value) in [
            (PERMANENT, "x.example"),
            (PERMANENT, "//evil.example"),
            (PERMANENT, "javascript:alert"),
            (PERMANENT, "https://x.example/;}"),
            (PERMANENT, "https://x.example/\r\nset-cookie: a"),
            (TEMPORAL, "/path"),
        ] {
            let invalid = compile(&Family, &[(key, value)]).expect_err(value);
            assert_eq!(invalid.key, key);
        }
    }
}
