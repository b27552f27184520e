//! The keys of the controller's ConfigMap, and how far each is supported.

use crate::annotation::Support;

/// Keys that are treated alike.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// How far they are supported.
    pub support: Support,
    /// What they do; why nothing is lost, or what is; what to do instead.
    pub about: &'static str,
    /// Their names.
    pub keys: &'static [&'static str],
}

/// Every key of ingress-nginx.
pub const SETTINGS: &[Group] = &[
    Group {
        support: Support::Honoured,
        about: "Defaults of the annotations of the same names.",
        keys: &[
            "custom-http-errors",
            "denylist-source-range",
            "disable-proxy-intercept-errors",
            "force-ssl-redirect",
            "limit-rate",
            "limit-rate-after",
            "load-balance",
            "preserve-trailing-slash",
            "proxy-body-size",
            "proxy-connect-timeout",
            "proxy-cookie-domain",
            "proxy-cookie-path",
            "proxy-next-upstream",
            "proxy-next-upstream-timeout",
            "proxy-next-upstream-tries",
            "proxy-read-timeout",
            "proxy-redirect-from",
            "proxy-redirect-to",
            "proxy-send-timeout",
            "relative-redirects",
            "retry-non-idempotent",
            "service-upstream",
            "ssl-redirect",
            "use-port-in-redirects",
            "whitelist-source-range",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "External authentication of all routes that do not say enable-global-auth: \"false\".",
        keys: &[
            "global-auth-always-set-cookie",
            "global-auth-method",
            "global-auth-request-redirect",
            "global-auth-response-headers",
            "global-auth-signin",
            "global-auth-signin-redirect-param",
            "global-auth-url",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "Addresses, browsers and referring pages that are answered with 403 on every route.",
        keys: &["block-cidrs", "block-referers", "block-user-agents"],
    },
    Group {
        support: Support::Honoured,
        about: "Strict-Transport-Security of answers by https.",
        keys: &["hsts", "hsts-include-subdomains", "hsts-max-age", "hsts-preload"],
    },
    Group {
        support: Support::Honoured,
        about: "TLS 1.2 and 1.3 with clients: versions, suites of TLS 1.2 with ephemeral keys and authenticated encryption, \
                sessions. Tickets are on unless ssl-session-tickets is false; their keys change every few hours, or \
                follow from ssl-session-ticket-key, which replicas share.",
        keys: &[
            "ssl-ciphers",
            "ssl-protocols",
            "ssl-reject-handshake",
            "ssl-session-cache",
            "ssl-session-cache-size",
            "ssl-session-ticket-key",
            "ssl-session-tickets",
            "ssl-session-timeout",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "Redirects to https and other names, and which rules they and authentication leave alone.",
        keys: &["http-redirect-code", "no-auth-locations", "no-tls-redirect-locations"],
    },
    Group {
        support: Support::Honoured,
        about: "Status of what limit-connections, limit-rps and limit-rpm refuse.",
        keys: &["limit-conn-status-code", "limit-req-status-code"],
    },
    Group {
        support: Support::Honoured,
        about: "Annotations that are not taken; whoever carries one is closed.",
        keys: &["allow-snippet-annotations", "annotation-value-word-blocklist", "annotations-risk-level"],
    },
    Group {
        support: Support::Honoured,
        about: "nginx configuration of all routes, as far as docs/snippets.md lists it; what is not understood closes them.",
        keys: &["http-snippet", "location-snippet", "server-snippet"],
    },
    Group {
        support: Support::Honoured,
        about: "Headers of requests and responses of all routes; what cannot be understood closes them.",
        keys: &["add-headers", "hide-headers", "proxy-add-original-uri-header", "proxy-set-headers"],
    },
    Group {
        support: Support::Honoured,
        about: "Whose Server header responses carry; server-tokens: ours, which names no version.",
        keys: &["allow-backend-server-header", "server-tokens"],
    },
    Group {
        support: Support::Honoured,
        about: "Compression of what upstreams answer with 200, 403 or 404, unless it is encoded already or no-transform. ETags \
                become weak, and Vary names Accept-Encoding.",
        keys: &[
            "brotli-level",
            "brotli-min-length",
            "brotli-types",
            "enable-brotli",
            "gzip-level",
            "gzip-min-length",
            "gzip-types",
            "use-gzip",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "What is written to the access log on standard output, and how. A format with a variable that is not known \
                is refused by its name, and the default one stays.",
        keys: &[
            "disable-access-log",
            "disable-http-access-log",
            "log-format-escape-json",
            "log-format-escape-none",
            "log-format-upstream",
            "skip-access-log-urls",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "How many connections to endpoints a worker keeps, how long, and for how many requests.",
        keys: &[
            "upstream-keepalive-connections",
            "upstream-keepalive-requests",
            "upstream-keepalive-time",
            "upstream-keepalive-timeout",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "true: annotations may name Secrets and ConfigMaps of other namespaces.",
        keys: &["allow-cross-namespace-resources"],
    },
    Group {
        support: Support::Honoured,
        about: "Names of headers that custom-headers may set.",
        keys: &["global-allowed-response-headers"],
    },
    Group {
        support: Support::Honoured,
        about: "Who is believed about clients (docs/clients.md).",
        keys: &[
            "compute-full-forwarded-for",
            "enable-real-ip",
            "forwarded-for-header",
            "forwarded-host-header",
            "proxy-protocol-header-timeout",
            "proxy-real-ip-cidr",
            "use-forwarded-headers",
            "use-proxy-protocol",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "How long clients may take, how much they may have, and HTTP/2 in the clear (enable-h2c, our own; docs/clients.md).",
        keys: &[
            "client-body-timeout",
            "client-header-timeout",
            "enable-h2c",
            "enable-underscores-in-headers",
            "http2-max-concurrent-streams",
            "ignore-invalid-headers",
            "keep-alive",
            "keep-alive-requests",
            "large-client-header-buffers",
            "max-worker-connections",
        ],
    },
    Group {
        support: Support::Honoured,
        about: "How the services of --tcp-services-configmap and --udp-services-configmap are relayed (docs/clients.md).",
        keys: &[
            "proxy-stream-next-upstream",
            "proxy-stream-next-upstream-timeout",
            "proxy-stream-next-upstream-tries",
            "proxy-stream-responses",
            "proxy-stream-timeout",
        ],
    },
    Group {
        support: Support::WithoutEffect,
        about: "Jamul always does what their defaults say; another value is not followed yet.",
        keys: &[
            "enable-access-log-for-default-backend",
            "enable-auth-access-log",
            "enable-ocsp",
            "enable-opentelemetry",
            "forwarded-for-proxy-protocol-header",
            "generate-request-id",
            "use-http2",
            "global-auth-cache-duration",
            "global-auth-cache-key",
            "proxy-http-version",
            "proxy-request-buffering",
            "strict-validate-path-type",
            "use-geoip2",
            "worker-shutdown-timeout",
        ],
    },
    Group {
        support: Support::WithoutEffect,
        about: "They tune what belongs to a key above that is not followed yet.",
        keys: &[
            "geoip2-autoreload-in-minutes",
            "gzip-disable",
            "opentelemetry-config",
            "opentelemetry-operation-name",
            "opentelemetry-trust-incoming-span",
            "otel-max-export-batch-size",
            "otel-max-queuesize",
            "otel-sampler",
            "otel-sampler-parent-based",
            "otel-sampler-ratio",
            "otel-schedule-delay-millis",
            "otel-service-name",
            "otlp-collector-host",
            "otlp-collector-port",
        ],
    },
    Group {
        support: Support::WithoutEffect,
        about: "They tune nginx: its processes, buffers, tables and files, which are not here.",
        keys: &[
            "access-log-params",
            "access-log-path",
            "client-body-buffer-size",
            "client-header-buffer-size",
            "debug-connections",
            "default-type",
            "disable-ipv6-dns",
            "disable-stream-access-log",
            "enable-aio-write",
            "enable-multi-accept",
            "enable-serial-reloads",
            "error-log-level",
            "error-log-path",
            "grpc-buffer-size-kb",
            "http-access-log-path",
            "http2-max-field-size",
            "http2-max-header-size",
            "http2-max-requests",
            "limit-conn-zone-variable",
            "log-format-stream",
            "lua-shared-dicts",
            "map-hash-bucket-size",
            "max-worker-open-files",
            "nginx-status-ipv4-whitelist",
            "nginx-status-ipv6-whitelist",
            "proxy-buffer-size",
            "proxy-buffering",
            "proxy-buffers-number",
            "proxy-busy-buffers-size",
            "proxy-headers-hash-bucket-size",
            "proxy-headers-hash-max-size",
            "proxy-max-temp-file-size",
            "proxy-ssl-location-only",
            "reuse-port",
            "server-name-hash-bucket-size",
            "server-name-hash-max-size",
            "ssl-buffer-size",
            "ssl-dh-param",
            "ssl-early-data",
            "ssl-ecdh-curve",
            "stream-access-log-path",
            "variables-hash-bucket-size",
            "variables-hash-max-size",
            "worker-cpu-affinity",
            "worker-processes",
        ],
    },
    Group {
        support: Support::WithoutEffect,
        about: "Addresses and log transport are flags or the platform's business: --bind-address, standard output.",
        keys: &[
            "bind-address",
            "bind-address-ipv4",
            "bind-address-ipv6",
            "disable-ipv6",
            "enable-syslog",
            "syslog-host",
            "syslog-port",
        ],
    },
    Group {
        support: Support::Refused,
        about: "There is no ModSecurity in Jamul: put a web application firewall before it or behind it.",
        keys: &["enable-modsecurity", "enable-owasp-modsecurity-crs", "modsecurity-snippet"],
    },
    Group {
        support: Support::Refused,
        about: "Raw nginx configuration is never run.",
        keys: &["global-auth-snippet", "main-snippet", "stream-snippet"],
    },
];

/// The group of a key; `None` if ingress-nginx has no such key.
#[must_use]
pub fn group(key: &str) -> Option<&'static Group> {
    SETTINGS.iter().find(|group| group.keys.contains(&key))
}

/// The known key that `name` was probably meant to be.
#[must_use]
pub fn did_you_mean(name: &str) -> Option<&'static str> {
    let keys = SETTINGS.iter().flat_map(|group| group.keys);
    let distances = keys.map(|key| (strsim::damerau_levenshtein(name, key), *key));
    let (distance, closest) = distances.min()?;
    (distance <= 3 && distance < name.len()).then_some(closest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_unique_and_groups_say_why() {
        let all: Vec<&str> = SETTINGS.iter().flat_map(|group| group.keys).copied().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(SETTINGS.iter().all(|group| group.about.ends_with('.')));
        assert_eq!(did_you_mean("proxy-bodysize"), Some("proxy-body-size"));
        assert_eq!(did_you_mean("something-else"), None);
    }
}
