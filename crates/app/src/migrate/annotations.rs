//! Annotations of Ingresses: what is honoured comes from the registry, the rest from ingress-nginx's own list.

use jamul_api::names;
use jamul_routing::Diagnostic;
use jamul_routing::annotation::Support;
use jamul_routing::annotations;
use serde_json::Value;

use super::documents::Document;
use super::report::{self, Finding, Kind, Verdict};

/// What becomes of each annotation of `object` that one of the two controllers would have read.
pub(super) fn of_ingress(document: &Document, object: &Value, wrong: &[Diagnostic]) -> Vec<Finding> {
    let written = object.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let name = document.object();
    let findings = written.filter_map(|(key, value)| {
        let (verdict, advice) =
            judge(key, wrong.iter().find(|found| found.object == name && found.field == *key))?;
        Some(Finding::new(document, Kind::Annotation, key, &report::short(value), verdict, advice))
    });
    findings.collect()
}

/// `None` for annotations that are none of the two controllers' business.
fn judge(key: &str, wrong: Option<&Diagnostic>) -> Option<(Verdict, String)> {
    if let Some(name) = key.strip_prefix(names::NGINX_PREFIX).and_then(|rest| rest.strip_prefix('/')) {
        return Some(match wrong {
            Some(wrong) => (Verdict::Refused, wrong.message.clone()),
            None => of_nginx(name),
        });
    }
    if key == names::INGRESS_CLASS || key == names::TLS_ACME {
        return Some((Verdict::Honoured, NOTHING.to_owned()));
    }
    if let Some(name) = key.strip_prefix("acme.cert-manager.io/") {
        let _: &str = name;
        let advice = "HTTP-01 is answered by the proxy itself, so no solver Ingress needs it";
        return Some((Verdict::WithoutEffect, advice.to_owned()));
    }
    let name = key.strip_prefix("cert-manager.io/")?;
    Some(if CERT_MANAGER.contains(&name) {
        (Verdict::Honoured, NOTHING.to_owned())
    } else {
        (Verdict::Refused, "not read from an Ingress; write a Certificate with this setting".to_owned())
    })
}

/// An annotation of ingress-nginx, without prefix.
fn of_nginx(name: &str) -> (Verdict, String) {
    match annotations::supported().find(|(key, _)| key.name == name) {
        Some((_, Support::Honoured)) => (Verdict::Honoured, NOTHING.to_owned()),
        Some((key, Support::WithoutEffect)) => {
            (Verdict::WithoutEffect, format!("{} It can stay or go.", key.summary))
        }
        Some((key, Support::Refused)) => (Verdict::Refused, format!("{} {}", key.summary, way_out(name))),
        None if NGINX.split_whitespace().any(|known| known == name) => (
            Verdict::Refused,
            "not honoured by this version; take it away, or wait with this Ingress".to_owned(),
        ),
        None => match annotations::did_you_mean(name) {
            Some(near) => {
                (Verdict::Refused, format!("not known to ingress-nginx either; did you mean {near}?"))
            }
            None => (Verdict::WithoutEffect, "not known to ingress-nginx either; take it away".to_owned()),
        },
    }
}

/// What to do about an annotation that is refused.
fn way_out(name: &str) -> &'static str {
    match name {
        "auth-snippet" => "Put its headers into a ConfigMap that auth-proxy-set-headers names.",
        "stream-snippet" => "Leave what it does to a proxy in front, and take it away here.",
        _ => "Put a web application firewall before or behind, and take it away here.",
    }
}

const NOTHING: &str = "nothing to do";

/// Those of cert-manager that are read from an Ingress, without prefix.
const CERT_MANAGER: &[&str] = &[
    "issuer",
    "cluster-issuer",
    "issuer-kind",
    "issuer-group",
    "common-name",
    "alt-names",
    "ip-sans",
    "duration",
    "renew-before",
    "usages",
    "revision-history-limit",
    "private-key-algorithm",
    "private-key-encoding",
    "private-key-rotation-policy",
    "private-key-size",
];

/// Every annotation of ingress-nginx 1.15.1, without prefix.
const NGINX: &str = "
    ssl-redirect force-ssl-redirect preserve-trailing-slash use-port-in-redirects rewrite-target use-regex app-root
    x-forwarded-prefix permanent-redirect permanent-redirect-code temporal-redirect temporal-redirect-code
    from-to-www-redirect relative-redirects server-alias ssl-passthrough ssl-ciphers ssl-prefer-server-ciphers
    auth-tls-secret auth-tls-verify-client auth-tls-verify-depth auth-tls-error-page
    auth-tls-pass-certificate-to-upstream auth-tls-match-cn backend-protocol proxy-http-version proxy-ssl-secret
    proxy-ssl-verify proxy-ssl-verify-depth proxy-ssl-name proxy-ssl-server-name proxy-ssl-protocols proxy-ssl-ciphers
    service-upstream upstream-vhost connection-proxy-header fastcgi-index fastcgi-params-configmap load-balance
    upstream-hash-by upstream-hash-by-subset upstream-hash-by-subset-size affinity affinity-mode
    affinity-canary-behavior session-cookie-name session-cookie-path session-cookie-domain session-cookie-expires
    session-cookie-max-age session-cookie-secure session-cookie-samesite session-cookie-conditional-samesite-none
    session-cookie-change-on-failure canary canary-by-header canary-by-header-value canary-by-header-pattern
    canary-by-cookie canary-weight canary-weight-total mirror-target mirror-request-body mirror-host auth-type
    auth-secret auth-secret-type auth-realm auth-url auth-method auth-signin auth-signin-redirect-param
    auth-response-headers auth-request-redirect auth-cache-key auth-cache-duration auth-proxy-set-headers
    auth-always-set-cookie auth-keepalive auth-keepalive-requests auth-keepalive-timeout auth-keepalive-share-vars
    auth-snippet enable-global-auth satisfy allowlist-source-range whitelist-source-range denylist-source-range
    limit-connections limit-rps limit-rpm limit-burst-multiplier limit-allowlist limit-whitelist limit-rate
    limit-rate-after proxy-connect-timeout proxy-read-timeout proxy-send-timeout proxy-next-upstream
    proxy-next-upstream-timeout proxy-next-upstream-tries proxy-body-size proxy-buffer-size proxy-buffers-number
    proxy-busy-buffers-size proxy-buffering proxy-request-buffering proxy-max-temp-file-size client-body-buffer-size
    proxy-cookie-domain proxy-cookie-path proxy-redirect-from proxy-redirect-to custom-headers custom-http-errors
    disable-proxy-intercept-errors default-backend enable-cors cors-allow-origin cors-allow-methods cors-allow-headers
    cors-allow-credentials cors-expose-headers cors-max-age enable-access-log enable-rewrite-log http2-push-preload
    enable-opentelemetry opentelemetry-trust-incoming-span opentelemetry-operation-name enable-modsecurity
    enable-owasp-core-rules modsecurity-transaction-id modsecurity-snippet configuration-snippet server-snippet
    stream-snippet";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_is_whole() {
        let all: BTreeSet<&str> = NGINX.split_whitespace().collect();
        assert_eq!(all.len(), 138);
    }

    #[test]
    fn the_registry_decides() {
        for (key, support) in annotations::supported() {
            let expected = match support {
                Support::Honoured => Verdict::Honoured,
                Support::WithoutEffect => Verdict::WithoutEffect,
                Support::Refused => Verdict::Refused,
            };
            assert_eq!(of_nginx(key.name).0, expected, "{}", key.name);
        }
    }

    #[test]
    fn what_is_refused_comes_with_what_to_write_instead() {
        let (verdict, advice) = of_nginx("auth-snippet");
        assert!(verdict == Verdict::Refused && advice.contains("auth-proxy-set-headers"), "{advice}");
        assert_eq!(
            of_nginx("ssl-redirct").1,
            "not known to ingress-nginx either; did you mean ssl-redirect?"
        );
        assert_eq!(judge("example.com/owner", None), None);
    }
}
