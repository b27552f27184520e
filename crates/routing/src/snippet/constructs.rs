//! The table of what is understood; docs/snippets.md is made from it.

use super::text;

/// Where a snippet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// `configuration-snippet` and the setting `location-snippet`.
    Location,
    /// `server-snippet`, as annotation or setting, and the setting `http-snippet`.
    Server,
    /// Within an `if`.
    Condition,
}

/// One directive that is understood.
#[derive(Clone, Copy, Debug)]
pub struct Construct {
    /// nginx's name.
    pub name: &'static str,
    /// What comes behind it.
    pub form: &'static str,
    /// What it does; where that differs from nginx, how.
    pub about: &'static str,
    /// Where it may stand.
    pub contexts: &'static [Context],
    /// A snippet that is understood.
    pub example: &'static str,
    pub(super) directive: Directive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    AccessLog,
    AddHeader,
    Allow,
    Break,
    ClearHeaders,
    ClearInputHeaders,
    ConnectTimeout,
    DefaultType,
    Deny,
    HideHeader,
    If,
    InputHeaders,
    Location,
    MaxBodySize,
    ProxySetHeader,
    ReadTimeout,
    Return,
    Rewrite,
    SendTimeout,
    Set,
    SetHeaders,
    Tuning,
}

const EVERYWHERE: &[Context] = &[Context::Location, Context::Server, Context::Condition];
const OUTSIDE: &[Context] = &[Context::Location, Context::Server];

const fn tuning(name: &'static str, form: &'static str, example: &'static str) -> Construct {
    let about = "Taken without effect: it tunes buffers or connections of nginx.";
    Construct { name, form, about, contexts: OUTSIDE, example, directive: Directive::Tuning }
}

/// Everything that is understood, by name.
pub const CONSTRUCTS: &[Construct] = &[
    Construct {
        name: "access_log",
        form: "off",
        about: "Requests are not written to the access log.",
        contexts: OUTSIDE,
        example: "access_log off;",
        directive: Directive::AccessLog,
    },
    Construct {
        name: "add_header",
        form: "NAME VALUE [always]",
        about: "Adds a header to responses; without always not to errors. Headers of an outer level stay, too.",
        contexts: EVERYWHERE,
        example: "add_header X-Frame-Options DENY always;",
        directive: Directive::AddHeader,
    },
    Construct {
        name: "allow",
        form: "ADDRESS | CIDR | all",
        about: "Lets clients of these addresses pass; the first of allow and deny that holds decides.",
        contexts: OUTSIDE,
        example: "allow 10.0.0.0/8; deny all;",
        directive: Directive::Allow,
    },
    Construct {
        name: "break",
        form: "",
        about: "Ends set, if, return and rewrite of the snippet.",
        contexts: EVERYWHERE,
        example: "if ($http_x_debug) { break; } return 404;",
        directive: Directive::Break,
    },
    Construct {
        name: "client_max_body_size",
        form: "SIZE",
        about: "Largest body of a request, as proxy-body-size; in a server-snippet for the paths of its Ingress only.",
        contexts: OUTSIDE,
        example: "client_max_body_size 50m;",
        directive: Directive::MaxBodySize,
    },
    Construct {
        name: "default_type",
        form: "TYPE",
        about: "Content-Type of texts that return answers with.",
        contexts: OUTSIDE,
        example: "default_type application/json; return 200 '{\"ok\":true}';",
        directive: Directive::DefaultType,
    },
    Construct {
        name: "deny",
        form: "ADDRESS | CIDR | all",
        about: "Answers clients of these addresses with 403, whatever satisfy says.",
        contexts: OUTSIDE,
        example: "deny 192.0.2.7;",
        directive: Directive::Deny,
    },
    Construct {
        name: "if",
        form: "(CONDITION) { ... }",
        about: "CONDITION is a variable (neither empty nor 0), or a variable, one of = != ~ ~* !~ !~*, and a text or regular \
                expression (linear in time: without look-around and back-references). What several of them say adds up.",
        contexts: OUTSIDE,
        example: "if ($http_user_agent ~* \"(bot|crawler)\") { return 403; }",
        directive: Directive::If,
    },
    Construct {
        name: "location",
        form: "[= | ^~ | ~ | ~*] PATH { ... }",
        about: "In a server-snippet only, and only with return or deny all in it: answers requests for these paths. A \
                prefix without ^~ gives way to a longer path of an Ingress.",
        contexts: &[Context::Server],
        example: "location ~* ^/(\\.git|\\.env) { deny all; }",
        directive: Directive::Location,
    },
    Construct {
        name: "more_clear_headers",
        form: "NAME...",
        about: "Takes headers out of responses.",
        contexts: EVERYWHERE,
        example: "more_clear_headers Server X-Powered-By;",
        directive: Directive::ClearHeaders,
    },
    Construct {
        name: "more_clear_input_headers",
        form: "NAME...",
        about: "Takes headers out of requests, before they are checked.",
        contexts: EVERYWHERE,
        example: "more_clear_input_headers X-User;",
        directive: Directive::ClearInputHeaders,
    },
    Construct {
        name: "more_set_headers",
        form: "'NAME: VALUE'...",
        about: "Sets headers of all responses in place of those that are there; without VALUE takes them out.",
        contexts: EVERYWHERE,
        example: "more_set_headers \"Request-Id: $req_id\" 'X-Content-Type-Options: nosniff';",
        directive: Directive::SetHeaders,
    },
    Construct {
        name: "more_set_input_headers",
        form: "'NAME: VALUE'...",
        about: "Sets headers of requests, before they are checked; without VALUE takes them out.",
        contexts: EVERYWHERE,
        example: "more_set_input_headers \"X-Tenant: $arg_tenant\";",
        directive: Directive::InputHeaders,
    },
    Construct {
        name: "proxy_connect_timeout",
        form: "TIME",
        about: "As the annotation; in a server-snippet for the paths of its Ingress only.",
        contexts: OUTSIDE,
        example: "proxy_connect_timeout 10s;",
        directive: Directive::ConnectTimeout,
    },
    Construct {
        name: "proxy_hide_header",
        form: "NAME",
        about: "Takes a header out of responses.",
        contexts: OUTSIDE,
        example: "proxy_hide_header X-Powered-By;",
        directive: Directive::HideHeader,
    },
    Construct {
        name: "proxy_read_timeout",
        form: "TIME",
        about: "As the annotation; in a server-snippet for the paths of its Ingress only.",
        contexts: OUTSIDE,
        example: "proxy_read_timeout 1h;",
        directive: Directive::ReadTimeout,
    },
    Construct {
        name: "proxy_send_timeout",
        form: "TIME",
        about: "As the annotation; in a server-snippet for the paths of its Ingress only.",
        contexts: OUTSIDE,
        example: "proxy_send_timeout 5m;",
        directive: Directive::SendTimeout,
    },
    Construct {
        name: "proxy_set_header",
        form: "NAME VALUE",
        about: "Sets a header of requests to the upstream; an empty VALUE takes it out. \
                Connection and Upgrade are taken without effect: WebSockets need neither.",
        contexts: &[Context::Location],
        example: "proxy_set_header X-Real-Host $host;",
        directive: Directive::ProxySetHeader,
    },
    Construct {
        name: "return",
        form: "STATUS [TEXT | URL] | URL",
        about: "Ends the request with this answer, before all checks. 444 is answered as 403.",
        contexts: EVERYWHERE,
        example: "if ($host = old.example.com) { return 301 https://new.example.com$request_uri; }",
        directive: Directive::Return,
    },
    Construct {
        name: "rewrite",
        form: "REGEX REPLACEMENT break | redirect | permanent",
        about: "break: the upstream is asked for REPLACEMENT, which a server-snippet cannot say. last, and no flag at all, \
                are refused: they would choose another path's rules.",
        contexts: EVERYWHERE,
        example: "rewrite ^/old/(.*)$ /new/$1 permanent;",
        directive: Directive::Rewrite,
    },
    Construct {
        name: "set",
        form: "$NAME VALUE",
        about: "A variable of the snippet.",
        contexts: EVERYWHERE,
        example: "set $tenant none; if ($http_x_tenant) { set $tenant $http_x_tenant; } proxy_set_header X-T $tenant;",
        directive: Directive::Set,
    },
    tuning("client_body_buffer_size", "SIZE", "client_body_buffer_size 1m;"),
    tuning("proxy_buffer_size", "SIZE", "proxy_buffer_size 16k;"),
    tuning("proxy_buffering", "on | off", "proxy_buffering off;"),
    tuning("proxy_buffers", "NUMBER SIZE", "proxy_buffers 8 16k;"),
    tuning("proxy_busy_buffers_size", "SIZE", "proxy_busy_buffers_size 32k;"),
    tuning("proxy_http_version", "1.0 | 1.1", "proxy_http_version 1.1;"),
    tuning("proxy_max_temp_file_size", "SIZE", "proxy_max_temp_file_size 0;"),
    tuning("proxy_request_buffering", "on | off", "proxy_request_buffering off;"),
    tuning("tcp_nodelay", "on | off", "tcp_nodelay on;"),
];

/// Variables that texts may hold without `set`.
pub fn variable_names() -> impl Iterator<Item = &'static str> {
    text::names()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snippet::check;

    #[test]
    fn every_example_is_understood_where_it_may_stand() {
        for construct in CONSTRUCTS {
            for context in construct.contexts.iter().filter(|context| **context != Context::Condition) {
                let found = check(construct.example, *context);
                // An example may need what its own context does not have; the first one always has it.
                assert!(found.is_ok() || *context != construct.contexts[0], "{}: {found:?}", construct.name);
            }
        }
        let mut names: Vec<_> = CONSTRUCTS.iter().map(|construct| construct.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CONSTRUCTS.len());
    }
}
