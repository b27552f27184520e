//! `custom-http-errors`, `disable-proxy-intercept-errors`, `default-backend`: another service writes the answers to what
//! went wrong.
//!
//! What a check refuses stays refused: the error service then writes the page, but the status and the headers of the
//! refusal stay, whatever it answers (CVE-2026-24513).

use http::StatusCode;

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::error_pages::Intercepted;

const CODES: &str = "custom-http-errors";
const OWN_ONLY: &str = "disable-proxy-intercept-errors";
const BACKEND: &str = "default-backend";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                CODES,
                "",
                Risk::Low,
                "Comma list of statuses, 400 to 599, whose answers are replaced by what default-backend, or else \
                 --default-backend-service, answers to a request for / with the headers X-Code, X-Format, \
                 X-Original-URI, X-Namespace, X-Ingress-Name, X-Service-Name, X-Service-Port and X-Request-ID. The \
                 refusal of a check keeps its status.",
                "404,503",
            ),
            Key::route(
                OWN_ONLY,
                "false",
                Risk::Low,
                "true: custom-http-errors is about answers of the proxy itself, not about those of the upstream.",
                "true",
            ),
            Key::route(
                BACKEND,
                "",
                Risk::Low,
                "Service of the same namespace that answers, at its first port, for custom-http-errors, and in place \
                 of a Service without endpoints.",
                "errors",
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
        let errors = &mut draft.route.errors;
        let (own, setting) = (values.take(CODES).map(parse_codes), lookup.setting(CODES));
        let setting = setting.map_or(Ok(Vec::new()), |codes| parse_codes(&codes));
        let codes = match own {
            Some(Ok(codes)) => Ok(codes),
            Some(Err(invalid)) => {
                errors.statuses = setting.unwrap_or_default();
                Err(invalid)
            }
            None => setting,
        };
        let own_only = values.take_bool_or_setting(OWN_ONLY, lookup);
        if matches!(own_only, Ok(Some(true))) {
            errors.of = Intercepted::Own;
        }
        if let Some(name) = values.take(BACKEND) {
            errors.backend = Some(parse_service(name)?);
        }
        errors.statuses = codes?;
        own_only.map(|_| ())
    }
}

fn parse_codes(text: &str) -> Result<Vec<StatusCode>, Invalid> {
    let parse = |item: &str| {
        let code = item.parse::<u16>().ok().filter(|code| (400..600).contains(code));
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        status.ok_or_else(|| Invalid::new(CODES, text, "a comma list of statuses from 400 to 599"))
    };
    items(text).map(parse).collect()
}

/// A name of a Service (RFC 1035 label).
fn parse_service(name: &str) -> Result<String, Invalid> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = name.len() <= 63 && name.bytes().all(allowed);
    let expected = "the name of a Service in the namespace of the Ingress";
    if is_name { Ok(name.to_owned()) } else { Err(Invalid::new(BACKEND, name, expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_pages::{Author, ErrorPages};
    use crate::fixtures::{Objects, compile, compile_with};

    fn codes(draft: &Draft) -> Vec<u16> {
        draft.route.errors.statuses.iter().map(StatusCode::as_u16).collect()
    }

    #[test]
    fn the_annotation_takes_the_place_of_the_setting() {
        let settings = [(CODES.to_owned(), "500, 502".to_owned())].into();
        let objects = Objects { settings, ..Objects::default() };
        let of = |pairs| compile_with(&Family, pairs, &objects).map(|draft| codes(&draft));
        assert_eq!(of(&[]), Ok(vec![500, 502]));
        assert_eq!(of(&[(CODES, "404,503")]), Ok(vec![404, 503]));
        let draft = compile(&Family, &[(BACKEND, "errors"), (OWN_ONLY, "true")]).expect("valid");
        assert_eq!(draft.route.errors.backend.as_deref(), Some("errors"));
        let of = draft.route.errors.of;
        let pages = ErrorPages { statuses: vec![StatusCode::NOT_FOUND], of, ..ErrorPages::default() };
        assert!(pages.replaces(StatusCode::NOT_FOUND, Author::Own));
        assert!(!pages.replaces(StatusCode::NOT_FOUND, Author::Upstream));
        assert!(!pages.replaces(StatusCode::BAD_GATEWAY, Author::Own));
    }

    #[test]
    fn other_statuses_and_names_are_refused() {
        for (key, value) in [
            (CODES, "200"),
            (CODES, "404;503"),
            (CODES, "600"),
            (OWN_ONLY, "on"),
            (BACKEND, "other/errors"),
            (BACKEND, "errors;"),
        ] {
            assert_eq!(compile(&Family, &[(key, value)]).expect_err(value).key, key);
        }
    }
}
