//! `server-alias`, `from-to-www-redirect`: more names of a host.

use std::sync::Arc;

use http::StatusCode;

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::host::{Host, HostPattern};
use crate::template::scheme;

const ALIAS: &str = "server-alias";
const WWW: &str = "from-to-www-redirect";
/// The setting with the status of redirects to another scheme or name.
const CODE: &str = "http-redirect-code";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                ALIAS,
                "",
                Risk::High,
                "Comma list of more names of the host, wildcards too; those that are hosts of their own are not taken. \
                 Regular expressions (~) are refused: write a wildcard.",
                "www.example.org,*.example.net",
            )
            .of_host(),
            Key::route(
                WWW,
                "false",
                Risk::Low,
                "Redirects www.NAME to NAME with 308, or NAME to www.NAME where the rule is for that, unless it is a \
                 host of its own.",
                "true",
            )
            .of_host(),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (aliases, www) = (values.take(ALIAS), values.take_bool(WWW));
        if matches!(www, Ok(Some(true))) {
            draft.host.www_redirect = Some(redirect_status(lookup));
        }
        if let Some(text) = aliases {
            draft.host.aliases = parse_aliases(text)?;
        }
        www.map(|_| ())
    }
}

/// The status of redirects to https and to other names: the setting `http-redirect-code`, else 308.
pub(super) fn redirect_status(lookup: &dyn Lookup) -> StatusCode {
    let known = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let setting = lookup.setting(CODE);
    let code = setting.and_then(|text| text.trim().parse::<u16>().ok());
    let found = code.and_then(|code| known.into_iter().find(|status| status.as_u16() == code));
    found.unwrap_or(StatusCode::PERMANENT_REDIRECT)
}

fn parse_aliases(text: &str) -> Result<Vec<HostPattern>, Invalid> {
    let parse = |name: &str| match HostPattern::parse(name) {
        Some(pattern) if pattern != HostPattern::Any && !name.contains(':') => Ok(pattern),
        Some(_) | None => Err(Invalid::new(
            ALIAS,
            text,
            "a comma list of DNS names such as www.example.org or *.example.net",
        )),
    };
    let mut aliases = items(text).map(parse).collect::<Result<Vec<_>, _>>()?;
    aliases.sort();
    aliases.dedup();
    Ok(aliases)
}

/// The other name of a host: with `www.` if it has none, else without. Wildcards have none.
#[must_use]
pub fn www_counterpart(pattern: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(host) = pattern else { return None };
    match host.as_str().strip_prefix("www.") {
        Some(name) => HostPattern::parse(name),
        None => HostPattern::parse(&format!("www.{host}")),
    }
}

/// What answers at the other name of `host`.
#[must_use]
pub fn www_redirect(host: Host, status: StatusCode) -> Arc<dyn Filter> {
    Arc::new(WwwRedirect { host, status })
}

#[derive(Debug)]
struct WwwRedirect {
    host: Host,
    status: StatusCode,
}

impl Filter for WwwRedirect {
    fn name(&self) -> &'static str {
        WWW
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let (scheme, host) = (scheme(head), &self.host);
        // ingress-nginx always names a port; the usual ones mean the same when they are left away.
        let port = match (head.is_tls, scope.https_port) {
            (true, port) if port != 443 => format!(":{port}"),
            (true | false, _) => String::new(),
        };
        let target = head.target.strip_suffix('/').unwrap_or(&head.target);
        Verdict::Reply(Reply::redirect_to(self.status, &format!("{scheme}://{host}{port}{target}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head, location, prefix, route, scope};

    #[test]
    fn aliases_are_names_and_wildcards() {
        let draft = compile(&Family, &[(ALIAS, "b.example, *.c.example,b.example")]).expect("valid");
        let names: Vec<_> = draft.host.aliases.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["*.c.example", "b.example"]);
        for value in ["~^www", "a b", "a.example:80", "a.example;}"] {
            assert!(compile(&Family, &[(ALIAS, value)]).is_err(), "{value}");
        }
    }

    #[test]
    fn the_other_name_loses_or_gets_its_www() {
        let counterpart = |text: &str| {
            www_counterpart(&HostPattern::parse(text).expect("a host")).map(|pattern| pattern.to_string())
        };
        assert_eq!(counterpart("a.example").as_deref(), Some("www.a.example"));
        assert_eq!(counterpart("www.a.example").as_deref(), Some("a.example"));
        assert_eq!(counterpart("*.a.example"), None);
        let filter = www_redirect(Host::parse("a.example").expect("a host"), StatusCode::PERMANENT_REDIRECT);
        let route = route(prefix("/"));
        let verdict = filter.on_request(&mut head("/x/?y"), &mut scope(&route));
        assert_eq!(location(verdict), Some((308, "http://a.example/x/?y".to_owned())));
    }
}
