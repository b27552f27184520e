//! Keys of ingress-nginx's ConfigMap. Which are honoured is one function, [`is_honoured`]: a registry of settings goes
//! there.

use jamul_routing::annotations;
use serde_json::Value;

use super::documents::Document;
use super::report::{self, Finding, Kind, Verdict};
use crate::get::columns::text;

/// What becomes of each key, if this is the controller's ConfigMap.
pub(super) fn of_config_map(document: &Document, object: &Value) -> Vec<Finding> {
    let data = || object.get("data").and_then(Value::as_object).into_iter().flatten();
    let is_named = text(object, "/metadata/name").contains("nginx");
    let is_labelled =
        object.pointer("/metadata/labels").is_some_and(|labels| labels.to_string().contains("ingress-nginx"));
    let is_settings = is_named || is_labelled || data().filter(|(key, _)| is_known(key)).count() > 1;
    if !is_settings {
        return Vec::new();
    }
    data().map(|(key, value)| of_key(document, "", key, &report::short(value))).collect()
}

/// One key; `prefix` stands before it in the report.
pub(super) fn of_key(document: &Document, prefix: &str, key: &str, value: &str) -> Finding {
    let (verdict, advice) = judge(key);
    Finding::new(document, Kind::ConfigMapKey, &format!("{prefix}{key}"), value, verdict, advice)
}

fn judge(key: &str) -> (Verdict, String) {
    if is_honoured(key) {
        return (Verdict::Honoured, "nothing to do; name the ConfigMap with --configmap".to_owned());
    }
    if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == key) {
        return (Verdict::Refused, (*why).to_owned());
    }
    if let Some((_, why)) =
        WITHOUT_EFFECT.iter().find(|(known, _)| known.split_whitespace().any(|one| one == key))
    {
        return (Verdict::WithoutEffect, format!("{why}; it can stay or go"));
    }
    if is_known(key) {
        return (Verdict::Refused, "not honoured by this version; do without it, or wait".to_owned());
    }
    (Verdict::WithoutEffect, "not known to ingress-nginx either; take it away".to_owned())
}

/// Whether a run reads this key: the defaults of the annotations of these families, and what those need.
fn is_honoured(key: &str) -> bool {
    const READ: &[&str] = &[
        "ssl-redirect",
        "force-ssl-redirect",
        "proxy-body-size",
        "proxy-connect-timeout",
        "proxy-read-timeout",
        "proxy-send-timeout",
        "whitelist-source-range",
        "denylist-source-range",
    ];
    key == "global-allowed-response-headers"
        || READ.contains(&key) && annotations::keys().any(|known| known.name == key)
}

fn is_known(key: &str) -> bool {
    let is_special = WITHOUT_EFFECT.iter().any(|(known, _)| known.split_whitespace().any(|one| one == key));
    is_special
        || KEYS.split_whitespace().any(|known| known == key)
        || REFUSED.iter().any(|(known, _)| *known == key)
}

const NO_SNIPPETS: &str = "configuration text is never taken; write what it does with annotations";
const NO_WAF: &str = "there is no web application firewall inside; put one before or behind";

/// Those that will not be honoured, and what to do.
const REFUSED: &[(&str, &str)] = &[
    ("main-snippet", NO_SNIPPETS),
    ("http-snippet", NO_SNIPPETS),
    ("server-snippet", NO_SNIPPETS),
    ("location-snippet", NO_SNIPPETS),
    ("stream-snippet", NO_SNIPPETS),
    ("global-auth-snippet", NO_SNIPPETS),
    ("allow-snippet-annotations", NO_SNIPPETS),
    ("enable-modsecurity", NO_WAF),
    ("enable-owasp-modsecurity-crs", NO_WAF),
    ("modsecurity-snippet", NO_WAF),
];

/// Those that nothing needs to be done for, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "worker-processes max-worker-connections max-worker-open-files worker-cpu-affinity reuse-port \
         enable-multi-accept enable-serial-reloads enable-aio-write lua-shared-dicts",
        "workers need no tuning; their number is --workers",
    ),
    (
        "map-hash-bucket-size server-name-hash-max-size server-name-hash-bucket-size variables-hash-max-size \
         variables-hash-bucket-size proxy-headers-hash-max-size proxy-headers-hash-bucket-size",
        "nginx's hash tables are not here",
    ),
    (
        "ssl-ecdh-curve ssl-dh-param ssl-buffer-size ssl-session-cache ssl-session-cache-size ssl-session-timeout \
         ssl-session-tickets ssl-session-ticket-key ssl-early-data ssl-ciphers proxy-ssl-location-only",
        "rustls offers safe settings only",
    ),
    (
        "client-header-buffer-size large-client-header-buffers client-body-buffer-size proxy-buffer-size \
         proxy-buffers-number proxy-busy-buffers-size proxy-buffering proxy-max-temp-file-size \
         proxy-headers-buffer-size grpc-buffer-size-kb",
        "bodies are streamed, and heads have limits of their own",
    ),
    (
        "http2-max-field-size http2-max-header-size http2-max-requests http2-push-preload nginx-status-ipv4-whitelist \
         nginx-status-ipv6-whitelist debug-connections default-type bind-address bind-address-ipv4 bind-address-ipv6 \
         disable-ipv6 disable-ipv6-dns access-log-params error-log-path error-log-level",
        "it concerns nginx itself",
    ),
    (
        "annotations-risk-level annotation-value-word-blocklist strict-validate-path-type",
        "values are parsed into types",
    ),
    ("proxy-http-version", "upstreams are asked with HTTP/1.1"),
];

/// Every other key of ingress-nginx 1.15.1.
const KEYS: &str = "
    use-forwarded-headers compute-full-forwarded-for forwarded-for-header forwarded-host-header
    forwarded-for-proxy-protocol-header enable-real-ip proxy-real-ip-cidr use-proxy-protocol
    proxy-protocol-header-timeout generate-request-id proxy-add-original-uri-header enable-underscores-in-headers
    ignore-invalid-headers proxy-set-headers add-headers hide-headers global-allowed-response-headers ssl-redirect
    force-ssl-redirect http-redirect-code no-tls-redirect-locations no-auth-locations hsts hsts-max-age
    hsts-include-subdomains hsts-preload ssl-protocols ssl-reject-handshake enable-ocsp use-http2
    http2-max-concurrent-streams custom-http-errors disable-proxy-intercept-errors limit-req-status-code
    limit-conn-status-code limit-rate limit-rate-after whitelist-source-range denylist-source-range block-cidrs
    block-user-agents block-referers global-auth-url global-auth-method global-auth-signin
    global-auth-signin-redirect-param global-auth-response-headers global-auth-request-redirect global-auth-cache-key
    global-auth-cache-duration global-auth-always-set-cookie proxy-body-size proxy-connect-timeout proxy-read-timeout
    proxy-send-timeout proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries
    proxy-request-buffering retry-non-idempotent proxy-cookie-domain proxy-cookie-path proxy-redirect-from
    proxy-redirect-to allow-cross-namespace-resources keep-alive keep-alive-requests upstream-keepalive-connections
    upstream-keepalive-timeout upstream-keepalive-requests upstream-keepalive-time client-header-timeout
    client-body-timeout proxy-stream-timeout proxy-stream-next-upstream proxy-stream-next-upstream-timeout
    proxy-stream-next-upstream-tries proxy-stream-responses worker-shutdown-timeout use-gzip gzip-level
    gzip-min-length gzip-types gzip-disable enable-brotli brotli-level brotli-min-length brotli-types
    log-format-upstream log-format-escape-json log-format-escape-none log-format-stream access-log-path
    http-access-log-path stream-access-log-path disable-access-log disable-http-access-log
    disable-stream-access-log skip-access-log-urls enable-access-log-for-default-backend enable-auth-access-log
    enable-syslog syslog-host syslog-port server-tokens allow-backend-server-header load-balance service-upstream
    upstream-vhost use-port-in-redirects relative-redirects preserve-trailing-slash enable-opentelemetry
    opentelemetry-config opentelemetry-operation-name opentelemetry-trust-incoming-span otlp-collector-host
    otlp-collector-port otel-service-name otel-sampler otel-sampler-ratio otel-sampler-parent-based
    otel-max-queuesize otel-max-export-batch-size otel-schedule-delay-millis use-geoip2
    geoip2-autoreload-in-minutes limit-conn-zone-variable";
