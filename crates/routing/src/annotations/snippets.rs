//! `configuration-snippet`, `server-snippet`, and the settings `location-snippet`, `server-snippet`, `http-snippet`:
//! nginx configuration, as far as the grammar of [`crate::snippet`] goes (docs/snippets.md).
//!
//! What is not understood closes: the paths of the Ingress; for a `server-snippet` all paths of its hosts, because it would
//! have held for them; for a setting all paths. Annotations are taken only if the settings `allow-snippet-annotations` and
//! `annotations-risk-level` say so, as in ingress-nginx; an Ingress that carries one nevertheless closes itself only.

use std::sync::Arc;

use http::StatusCode;

use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::annotations::access_log;
use crate::draft::{Draft, HostSnippet, RouteDraft};
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::snippet::{Access, Context, Program, SETTINGS, Snippet, parse};

const CONFIGURATION: &str = "configuration-snippet";
const SERVER: &str = "server-snippet";
const ALLOWED: &str = "allow-snippet-annotations";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                CONFIGURATION,
                "",
                Risk::Critical,
                "nginx configuration of these paths, as far as docs/snippets.md lists it; needs the settings \
                 allow-snippet-annotations: \"true\" and annotations-risk-level: Critical.",
                "more_set_headers \"X-Frame-Options: DENY\";",
            )
            .if_invalid(OnInvalid::Close),
            Key::route(
                SERVER,
                "",
                Risk::Critical,
                "The same for all paths of the host; that of the oldest Ingress counts. Not understood, it closes the \
                 host.",
                "location ~ ^/\\.git { deny all; }",
            )
            .of_host()
            .if_invalid(OnInvalid::Close),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (configuration, server) = (values.take(CONFIGURATION), values.take(SERVER));
        let mut snippets = Vec::new();
        for (key, context) in SETTINGS {
            if let Some(text) = lookup.setting(key).filter(|text| !text.trim().is_empty()) {
                snippets.push((key, read(key, &text, context)?));
            }
        }
        if let Some(text) = configuration {
            allowed(CONFIGURATION, text, lookup)?;
            snippets.push((CONFIGURATION, read(CONFIGURATION, text, Context::Location)?));
        }
        if let Some(text) = server {
            allowed(SERVER, text, lookup)?;
            let snippet = read(SERVER, text, Context::Server)
                .inspect_err(|_| draft.host.snippet = Some(HostSnippet::NotUnderstood))?;
            tune(&snippet, &mut draft.route);
            draft.host.snippet = Some(HostSnippet::Understood(Arc::new(Run::of_host(snippet))));
        }
        let quiet = |filter: &Arc<dyn Filter>| filter.name() == access_log::ACCESS_LOG;
        let mut early = draft.route.early.iter().take_while(|filter| quiet(filter)).count();
        for (name, snippet) in snippets {
            tune(&snippet, &mut draft.route);
            let Snippet { program, access, is_logged, .. } = snippet;
            if !access.is_empty() {
                draft.route.filters.push(Arc::new(Guard { name, access }));
            }
            if !program.is_empty() || is_logged.is_some() {
                let run = Run { name, program, access: Vec::new(), is_logged };
                draft.route.early.insert(early, Arc::new(run));
                early += 1;
            }
        }
        Ok(())
    }
}

/// Reads a snippet; the refusal names construct and line.
pub(super) fn read(key: &'static str, text: &str, context: Context) -> Result<Snippet, Invalid> {
    parse(text, context).map_err(|refusal| {
        let expected = format!("what docs/snippets.md lists; {refusal}");
        Invalid::new(key, text.lines().next().unwrap_or_default(), expected)
    })
}

/// Whether the controller takes snippets from annotations; `key` carries one.
pub(super) fn allowed(key: &'static str, text: &str, lookup: &dyn Lookup) -> Result<(), Invalid> {
    let is_allowed = lookup.setting(ALLOWED).map(|word| parse_bool(ALLOWED, word.trim()));
    match is_allowed {
        Some(Ok(true)) => Ok(()),
        Some(Ok(false) | Err(_)) | None => Err(Invalid::new(
            key,
            text.lines().next().unwrap_or_default(),
            "no value while the setting allow-snippet-annotations is not \"true\"; annotations such as custom-headers, \
             denylist-source-range or permanent-redirect may say the same",
        )),
    }
}

fn tune(snippet: &Snippet, route: &mut RouteDraft) {
    route.body_limit = snippet.body_limit.unwrap_or(route.body_limit);
    let timeouts = &mut route.timeouts;
    timeouts.connect = snippet.connect.unwrap_or(timeouts.connect);
    timeouts.read = snippet.read.unwrap_or(timeouts.read);
    timeouts.send = snippet.send.unwrap_or(timeouts.send);
}

/// Does what a snippet says.
#[derive(Debug)]
struct Run {
    name: &'static str,
    program: Program,
    /// Of a host: its checks come first.
    access: Vec<Access>,
    is_logged: Option<bool>,
}

impl Run {
    fn of_host(snippet: Snippet) -> Self {
        let Snippet { program, access, is_logged, .. } = snippet;
        Self { name: SERVER, program, access, is_logged }
    }
}

impl Filter for Run {
    fn name(&self) -> &'static str {
        self.name
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        scope.is_logged = self.is_logged.unwrap_or(scope.is_logged);
        match self.program.run(head, scope) {
            Verdict::Continue if Access::denies(&self.access, head.client) => forbidden(),
            verdict => verdict,
        }
    }
}

/// Does what `allow` and `deny` of a snippet say.
#[derive(Debug)]
struct Guard {
    name: &'static str,
    access: Vec<Access>,
}

impl Filter for Guard {
    fn name(&self) -> &'static str {
        self.name
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        if Access::denies(&self.access, head.client) { forbidden() } else { Verdict::Continue }
    }
}

fn forbidden() -> Verdict {
    Verdict::Reply(Reply::status(StatusCode::FORBIDDEN))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::fixtures::{Objects, compile_with, head, prefix, route, scope};
    use crate::head::ResponseHead;

    fn objects() -> Objects {
        Objects { settings: [(ALLOWED.to_owned(), "true".to_owned())].into(), ..Objects::default() }
    }

    /// Status and location of the reply, target, headers for the upstream, headers of a 200.
    fn run(
        snippet: &str,
        target: &str,
        header: (&'static str, &str),
    ) -> (Option<(u16, String)>, RequestHead, HeaderMap) {
        let draft = match compile_with(&Family, &[(CONFIGURATION, snippet)], &objects()) {
            Ok(draft) => draft,
            Err(invalid) => panic!("{invalid}"),
        };
        let (route, mut head) = (route(prefix("/")), head(target));
        head.headers.insert(header.0, header.1.parse().expect("a value"));
        let mut scope = scope(&route);
        let mut replied = None;
        for filter in draft.route.early.iter().chain(&draft.route.filters) {
            if let Verdict::Reply(reply) = filter.on_request(&mut head, &mut scope) {
                let location = reply.headers.get("location").and_then(|value| value.to_str().ok());
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                replied = Some((reply.status.as_u16(), location.map_or(body, str::to_owned)));
                break;
            }
        }
        let mut response = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
        response.headers.insert("x-powered-by", "php".parse().expect("a value"));
        for edit in scope.response_edits {
            edit.apply(&mut response.headers, response.status);
        }
        for edit in std::mem::take(&mut head.edits) {
            edit.apply(&mut head.headers, StatusCode::OK);
        }
        (replied, head, response.headers)
    }

    #[test]
    fn headers_are_set_added_and_taken() {
        let snippet = "
            more_set_headers \"X-Host: $host\" 'X-Powered-By: none';
            add_header X-Path $uri always; # and so on
            proxy_set_header X-Tenant ${http_x_tenant}-1;
            proxy_set_header X-Gone '';
            proxy_set_header Connection $http_connection;
            more_clear_input_headers X-Tenant;";
        let (replied, head, response) = run(snippet, "/a?b", ("x-tenant", "t"));
        assert_eq!(replied, None);
        let of = |headers: &HeaderMap, name: &str| {
            headers.get(name).map(|value| value.to_str().unwrap_or("").to_owned())
        };
        assert_eq!(of(&response, "x-host").as_deref(), Some("example.com"));
        assert_eq!(of(&response, "x-powered-by").as_deref(), Some("none"));
        assert_eq!(of(&response, "x-path").as_deref(), Some("/a"));
        assert_eq!(of(&head.headers, "x-tenant").as_deref(), Some("t-1"));
    }

    #[test]
    fn conditions_returns_and_rewrites_follow_nginx() {
        let none = ("x-none", "1");
        for (snippet, target, header, expected) in [
            (
                "if ($http_user_agent ~* \"(bot|crawler)\") { return 403; }",
                "/",
                ("user-agent", "A Bot"),
                Some((403, "403 Forbidden\n")),
            ),
            ("if ($http_user_agent ~* bot) { return 403; }", "/", ("user-agent", "curl"), None),
            (
                "if ($http_x_a != yes) { return 418 \"no $http_x_a\"; }",
                "/",
                ("x-a", "b"),
                Some((418, "no b")),
            ),
            ("if ($arg_x = '') { return 404; }", "/?x=1", none, None),
            (
                "if ($arg_x) { return 301 /new$is_args$args; }",
                "/?x=1",
                none,
                Some((301, "http://example.com/new?x=1")),
            ),
            ("if ($arg_x) { return 404; }", "/?x=0", none, None),
            (
                "set $m ''; if ($http_x_a) { set $m \"${m}a\"; } if ($arg_b) { set $m \"${m}b\"; } if ($m = ab) { return 409; }",
                "/?b=1",
                ("x-a", "1"),
                Some((409, "409 Conflict\n")),
            ),
            (
                "if ($request_uri ~ ^/old/(\\d+)) { return 302 https://n.example/$1; }",
                "/old/42/x",
                none,
                Some((302, "https://n.example/42")),
            ),
            (
                "rewrite ^/old/(.*)$ /new/$1 permanent;",
                "/old/a%20b?q",
                none,
                Some((301, "http://example.com/new/a%20b?q")),
            ),
            ("rewrite ^/x https://y.example/? ;", "/x?q", none, Some((302, "https://y.example/"))),
            ("break; return 404;", "/", none, None),
            ("return 444;", "/", none, Some((403, "403 Forbidden\n"))),
            ("return https://$host$request_uri;", "/a", none, Some((302, "https://example.com/a"))),
            ("deny 192.0.2.1; allow all;", "/", none, Some((403, "403 Forbidden\n"))),
            ("allow 192.0.2.0/24; deny all;", "/", none, None),
        ] {
            let (replied, _, _) = run(snippet, target, header);
            let replied = replied.as_ref().map(|(status, text)| (*status, text.as_str()));
            assert_eq!(replied, expected, "{snippet}");
        }
        let (_, head, _) = run("rewrite ^/a/(.*)$ /b/$1 break;", "/a/x%3F?q=1", none);
        assert_eq!(head.target, "/b/x%3F?q=1");
    }

    #[test]
    fn a_server_snippet_answers_for_paths_of_its_own() {
        let snippet = "location ~* ^/\\.git { deny all; } location = /x { return 200 ok; } location /long { return 204; }";
        let draft = compile_with(&Family, &[(SERVER, snippet)], &objects()).expect("valid");
        let Some(HostSnippet::Understood(filter)) = draft.host.snippet else { panic!("understood") };
        for (target, expected) in [
            ("/.GIT/config", Some(403)),
            ("/x", Some(200)),
            ("/xy", None),
            ("/long/er", Some(204)),
            ("/%2egit", Some(403)),
        ] {
            let route = route(prefix("/"));
            let verdict = filter.on_request(&mut head(target), &mut scope(&route));
            let status = match verdict {
                Verdict::Reply(reply) => Some(reply.status.as_u16()),
                Verdict::Continue | Verdict::Ask(_) | Verdict::Work(_) => None,
            };
            assert_eq!(status, expected, "{target}");
        }
        let longer = route(prefix("/long/er/path"));
        assert!(matches!(
            filter.on_request(&mut head("/long/er/path"), &mut scope(&longer)),
            Verdict::Continue
        ));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (snippet, line, word) in [
            ("# c\nproxy_pass http://x;", 2, "proxy_pass"),
            ("access_by_lua_block { os.execute('x') }", 1, "access_by_lua_block"),
            ("if (-f $request_filename) { return 403; }", 1, "-f"),
            ("more_set_headers \"X: $undefined\";", 1, "$undefined"),
            ("more_set_headers \"Content-Length: 1\";", 1, "Content-Length"),
            ("return 403", 1, "\";\""),
            ("if ($host = a) { return 403;", 1, "\"}\""),
            ("}\ndeny all;", 1, "\"}\""),
            ("if ($host ~ \"(\") { return 403; }", 1, "regular expression"),
            ("rewrite ^ /x last;", 1, "last"),
            ("deny everyone;", 1, "deny"),
            ("if ($host = a) { deny all; }", 1, "deny"),
            ("add_header X \"a\nb\";", 1, "'\\n'"),
            ("set $request_uri x;", 1, "$request_uri"),
            ("load_module /x.so;", 1, "load_module"),
        ] {
            let invalid = compile_with(&Family, &[(CONFIGURATION, snippet)], &objects()).expect_err(snippet);
            let text = invalid.to_string();
            assert!(text.contains(&format!("line {line}: ")) && text.contains(word), "{text}");
        }
        let bad = crate::fixtures::annotations(&[(SERVER, "lua_code 1;")]);
        let mut draft = Draft::default();
        let found = Family.compile(&mut Values::new("p", &bad), &mut draft, &objects());
        assert!(found.is_err() && matches!(draft.host.snippet, Some(HostSnippet::NotUnderstood)));
    }

    #[test]
    fn annotations_need_leave_and_settings_do_not() {
        let refused = compile_with(&Family, &[(CONFIGURATION, "deny all;")], &Objects::default());
        assert!(refused.is_err_and(|invalid| invalid.expected.contains(ALLOWED)));
        for (key, text, is_valid) in [
            ("location-snippet", "deny all;", true),
            ("http-snippet", "add_header A b;", true),
            (SERVER, "proxy_pass x;", false),
        ] {
            let settings = [(key.to_owned(), text.to_owned())].into();
            let found = compile_with(&Family, &[], &Objects { settings, ..Objects::default() });
            assert_eq!(found.is_ok(), is_valid, "{key}");
        }
    }
}
