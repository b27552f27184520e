//! `mirror-target`, `mirror-host`, `mirror-request-body`: a copy of each request to somewhere else. Nobody waits for it,
//! and what comes back is thrown away.
//!
//! ```yaml
//! nginx.ingress.kubernetes.io/mirror-target: https://shadow.example$request_uri
//! ```

use std::sync::Arc;

use http::HeaderValue;

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::host::Host;
use crate::mirror::{Mirror, MirrorBody};
use crate::template::Template;

const TARGET: &str = "mirror-target";
const HOST: &str = "mirror-host";
const BODY: &str = "mirror-request-body";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                TARGET,
                "",
                Risk::High,
                "URL that each request is copied to; variables may be written. Nobody waits for it.",
                "https://shadow.example$request_uri",
            ),
            Key::route(HOST, "host of the URL", Risk::High, "Host header of the copies.", "shadow.example"),
            Key::route(
                BODY,
                "on",
                Risk::Low,
                "Whether the copies have the request's body: on or off.",
                "off",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (target, host, body) = (values.take(TARGET), values.take(HOST), values.take(BODY));
        let body = match body {
            None | Some("on") => MirrorBody::Copied,
            Some("off") => MirrorBody::Left,
            Some(other) => return Err(Invalid::new(BODY, other, "on or off")),
        };
        let host = host.map(parse_host).transpose()?;
        if let Some(text) = target {
            draft.route.mirror = Some(Arc::new(Mirror { target: parse_target(text)?, host, body }));
        }
        Ok(())
    }
}

fn parse_target(text: &str) -> Result<Template, Invalid> {
    let expected = "a URL such as https://shadow.example$request_uri";
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    // Whom copies go to is not for clients to say.
    let authority = rest.map(|rest| rest.split(['/', '$', '?']).next().unwrap_or_default());
    let is_host =
        authority.is_some_and(|authority| !authority.is_empty() && Host::parse(authority).is_some());
    if !is_host {
        return Err(Invalid::new(TARGET, text, expected));
    }
    Template::parse(text, URL).map_err(|expected| Invalid::new(TARGET, text, expected))
}

fn parse_host(text: &str) -> Result<HeaderValue, Invalid> {
    let value = HeaderValue::from_str(text).ok().filter(|_| Host::parse(text).is_some());
    value.ok_or_else(|| Invalid::new(HOST, text, "a host name with an optional port"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head};

    fn mirror(pairs: &[(&str, &str)]) -> Result<Option<Arc<Mirror>>, &'static str> {
        compile(&Family, pairs).map(|draft| draft.route.mirror).map_err(|invalid| invalid.key)
    }

    #[test]
    fn a_target_is_filled_from_the_request() {
        let told = [(TARGET, "http://shadow.example:8080$request_uri"), (HOST, "a.example"), (BODY, "off")];
        let mirror = mirror(&told).expect("valid").expect("a mirror");
        assert_eq!(mirror.url(&head("/a?b=c")), "http://shadow.example:8080/a?b=c");
        assert_eq!(mirror.host, Some(HeaderValue::from_static("a.example")));
        assert_eq!(mirror.body, MirrorBody::Left);
    }

    #[test]
    fn without_a_target_there_is_no_mirror() {
        assert_eq!(mirror(&[(HOST, "a.example"), (BODY, "on")]), Ok(None));
    }

    #[test]
    fn other_values_and_hosts_that_clients_choose_are_refused() {
        for (key, value) in [
            (TARGET, "shadow.example"),
            (TARGET, "http://$host/"),
            (TARGET, "http://a b/"),
            (TARGET, "http://a/$nothing"),
            (HOST, "a/b"),
            (BODY, "false"),
        ] {
            assert_eq!(mirror(&[(TARGET, "http://a/"), (key, value)]), Err(key), "{value}");
        }
    }
}
