//! `upstream-vhost`, `connection-proxy-header`: headers that the upstream gets in place of Jamul's own.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{HeaderEdit, RequestHead};
use crate::template::Template;

const VHOST: &str = "upstream-vhost";
const CONNECTION: &str = "connection-proxy-header";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                VHOST,
                "",
                Risk::Low,
                "Host header that the upstream gets; X-Forwarded-Host stays the client's. Variables may be written.",
                "app.internal.example",
            ),
            Key::route(
                CONNECTION,
                "",
                Risk::Low,
                "Connection header that the upstream gets: close or keep-alive. WebSockets end here.",
                "close",
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
        let (vhost, connection) = (values.take(VHOST), values.take(CONNECTION));
        let mut push = |header, value| draft.route.filters.push(Arc::new(Replace { header, value }));
        let connection = connection.map(parse_connection).transpose();
        if let Ok(Some(template)) = &connection {
            push(header::CONNECTION, template.clone());
        }
        if let Some(text) = vhost {
            push(header::HOST, parse_host(text)?);
        }
        connection.map(|_| ())
    }
}

/// Sets one header of the request to the upstream.
#[derive(Debug)]
struct Replace {
    header: HeaderName,
    value: Template,
}

impl Filter for Replace {
    fn name(&self) -> &'static str {
        if self.header == header::HOST { VHOST } else { CONNECTION }
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        if let Ok(value) = HeaderValue::try_from(self.value.expand(head, &[]))
            && !value.is_empty()
        {
            head.edits.push(HeaderEdit::Set(self.header.clone(), value));
        }
        Verdict::Continue
    }
}

fn parse_host(text: &str) -> Result<Template, Invalid> {
    let invalid = |expected: String| Invalid::new(VHOST, text, expected);
    let template = Template::parse(text, "").map_err(invalid)?;
    if text.contains(['/', '~']) {
        return Err(invalid("a host name with an optional port".to_owned()));
    }
    Ok(template)
}

fn parse_connection(text: &str) -> Result<Template, Invalid> {
    let invalid = |expected: String| Invalid::new(CONNECTION, text, expected);
    match text {
        "close" | "keep-alive" => Template::parse(text, URL).map_err(invalid),
        _ => Err(invalid("close or keep-alive".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, filter, head, prefix, route, scope};

    #[test]
    fn the_header_is_replaced_last() {
        for (pair, name, expected) in [
            ((VHOST, "$host.internal:8080"), header::HOST, "example.com.internal:8080"),
            ((CONNECTION, "close"), header::CONNECTION, "close"),
        ] {
            let draft = compile(&Family, &[pair]).expect("valid");
            let route = route(prefix("/"));
            let mut head = head("/");
            filter(&draft).on_request(&mut head, &mut scope(&route));
            assert_eq!(head.edits, [HeaderEdit::Set(name, HeaderValue::from_static(expected))]);
        }
    }

    #[test]
    fn other_values_are_refused() {
        for (key, value) in
            [(VHOST, "a b"), (VHOST, "a/b"), (VHOST, "a\r\nb"), (VHOST, "$x"), (CONNECTION, "upgrade")]
        {
            assert!(compile(&Family, &[(key, value)]).is_err(), "{key} {value}");
        }
    }
}
