//! `auth-tls-*`: certificates of clients (RFC 8446 section 4.3.2), per host.
//!
//! As in ingress-nginx the handshake comes to its end whatever the client shows, and the request is answered: 400 without
//! a certificate that is believed, 403 on all paths of the host while the Secret cannot be used. Where ingress-nginx lets
//! plain http pass without looking, so that only its redirect protects, a route that requires a certificate requires it
//! there too.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use regex::Regex;

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values};
use crate::draft::{ClientChecks, Draft};
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{HeaderEdit, Reply, RequestHead};
use crate::template::Template;
use crate::tls_policy::{ClientAuth, ClientCertificate};

const SECRET: &str = "auth-tls-secret";
const VERIFY: &str = "auth-tls-verify-client";
const DEPTH: &str = "auth-tls-verify-depth";
const ERROR_PAGE: &str = "auth-tls-error-page";
const PASS: &str = "auth-tls-pass-certificate-to-upstream";
const MATCH_CN: &str = "auth-tls-match-cn";

/// What upstreams are told; a client's own headers of these names never reach them.
const TOLD_CERTIFICATE: HeaderName = HeaderName::from_static("ssl-client-cert");
const TOLD_VERIFY: HeaderName = HeaderName::from_static("ssl-client-verify");
const TOLD_SUBJECT: HeaderName = HeaderName::from_static("ssl-client-subject-dn");
const TOLD_ISSUER: HeaderName = HeaderName::from_static("ssl-client-issuer-dn");

/// ingress-nginx's.
const DEFAULT_DEPTH: u8 = 1;
/// A larger pattern is a mistake.
const PATTERN_SIZE: usize = 1024 * 1024;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            Key::route(
                SECRET,
                "",
                Risk::Medium,
                "Secret of the Ingress's namespace whose ca.crt vouches for certificates of clients; a ca.crl in it lists \
                 revoked ones. While it cannot be used all paths of the host answer 403.",
                "default/clients",
            )
            .of_host()
            .if_invalid(OnInvalid::CloseHost),
            Key::route(
                VERIFY,
                "on",
                Risk::Medium,
                "on: without a certificate that is believed the answer is 400. optional: one is not needed. \
                 optional_no_ca: nor must its issuer be known; upstreams are told. off: none is asked for.",
                "optional",
            )
            .of_host(),
            Key::route(
                DEPTH,
                "1",
                Risk::Low,
                "How many certificates may stand between that of a client and its root.",
                "2",
            )
            .of_host(),
            Key::route(
                ERROR_PAGE,
                "",
                Risk::High,
                "URL that clients are redirected to with 302 instead of the answer 400.",
                "https://example.org/certificates",
            )
            .of_host(),
            Key::route(
                PASS,
                "false",
                Risk::Low,
                "Upstreams get the certificate as ssl-client-cert: PEM, percent-encoded.",
                "true",
            )
            .of_host(),
            Key::route(
                MATCH_CN,
                "",
                Risk::High,
                "Regular expression, beginning with CN=, that must match somewhere in the subject, else 403.",
                "CN=jane",
            )
            .of_host()
            .if_invalid(OnInvalid::CloseHost),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let (secret, verify, depth) = (values.take(SECRET), values.take(VERIFY), values.take(DEPTH));
        let (page, pass, pattern) = (values.take(ERROR_PAGE), values.take_bool(PASS), values.take(MATCH_CN));
        // As in ingress-nginx the others mean nothing without it.
        let Some(secret) = secret else { return pass.map(|_| ()) };
        let mut minor = Ok(());
        let mut or_default = |invalid: Invalid| minor = minor.clone().and(Err(invalid));
        let mode = verify.map_or(Ok(Mode::Required), parse_mode).unwrap_or_else(|invalid| {
            or_default(invalid);
            Mode::Required
        });
        let depth = depth.map_or(Ok(DEFAULT_DEPTH), parse_depth).unwrap_or_else(|invalid| {
            or_default(invalid);
            DEFAULT_DEPTH
        });
        let error_page = page.map(parse_page).transpose().unwrap_or_else(|invalid| {
            or_default(invalid);
            None
        });
        let passes_certificate = pass.unwrap_or_else(|invalid| {
            or_default(invalid);
            None
        });
        let authorities =
            lookup.authorities(secret).map_err(|expected| Invalid::new(SECRET, secret, expected));
        let subject = pattern.map(parse_pattern).transpose();
        let (authorities, subject) = match (authorities, subject) {
            (Ok(authorities), Ok(subject)) => (authorities, subject),
            (Err(invalid), _) | (_, Err(invalid)) => {
                draft.host.client_checks =
                    Some(ClientChecks { over_tls: Arc::new(Denied), in_plain: Arc::new(Denied) });
                return Err(invalid);
            }
        };
        draft.host.tls.client_auth = (mode != Mode::Off).then_some(ClientAuth { authorities, depth });
        let rules = Arc::new(Rules {
            mode,
            subject,
            error_page,
            passes_certificate: passes_certificate == Some(true),
        });
        draft.host.client_checks = Some(ClientChecks {
            over_tls: Arc::new(Check { rules: Arc::clone(&rules), carrier: Carrier::Tls }),
            in_plain: Arc::new(Check { rules, carrier: Carrier::Plain }),
        });
        minor
    }
}

/// Who may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Required,
    Optional,
    OptionalNoCa,
    Off,
}

fn parse_mode(word: &str) -> Result<Mode, Invalid> {
    match word {
        "on" => Ok(Mode::Required),
        "optional" => Ok(Mode::Optional),
        "optional_no_ca" => Ok(Mode::OptionalNoCa),
        "off" => Ok(Mode::Off),
        _ => Err(Invalid::new(VERIFY, word, "on, optional, optional_no_ca or off")),
    }
}

fn parse_depth(text: &str) -> Result<u8, Invalid> {
    text.parse().map_err(|_| Invalid::new(DEPTH, text, "a number such as 1"))
}

fn parse_page(text: &str) -> Result<Template, Invalid> {
    let invalid = |expected: String| Invalid::new(ERROR_PAGE, text, expected);
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Err(invalid("a URL that begins with https:// or http://".to_owned()));
    }
    Template::parse(text, URL).map_err(invalid)
}

fn parse_pattern(text: &str) -> Result<Regex, Invalid> {
    let invalid = |expected: String| Invalid::new(MATCH_CN, text, expected);
    if !text.starts_with("CN=") {
        return Err(invalid("a regular expression that begins with CN=".to_owned()));
    }
    let built = regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    built.map_err(|error| invalid(format!("a regular expression ({error})")))
}

#[derive(Debug)]
struct Rules {
    mode: Mode,
    /// What the subject must match.
    subject: Option<Regex>,
    error_page: Option<Template>,
    passes_certificate: bool,
}

impl Rules {
    /// What the upstream is told of the verification, or why the client is refused.
    fn verify(&self, shown: Option<&ClientCertificate>) -> Result<String, &'static str> {
        match (self.mode, shown.map(|shown| &shown.verified)) {
            (Mode::Off, _) | (Mode::Optional | Mode::OptionalNoCa, None) => Ok("NONE".to_owned()),
            (Mode::Required, None) => Err("No required SSL certificate was sent"),
            (Mode::Required | Mode::Optional | Mode::OptionalNoCa, Some(Ok(()))) => Ok("SUCCESS".to_owned()),
            (Mode::OptionalNoCa, Some(Err(distrust))) if distrust.is_of_issuer => {
                Ok(format!("FAILED:{}", distrust.reason))
            }
            (Mode::Required | Mode::Optional | Mode::OptionalNoCa, Some(Err(_))) => {
                Err("The SSL certificate error")
            }
        }
    }

    fn refuse(&self, head: &RequestHead, why: &str) -> Verdict {
        Verdict::Reply(match &self.error_page {
            Some(page) => Reply::redirect_to(StatusCode::FOUND, &page.expand(head, &[])),
            None => Reply::text(StatusCode::BAD_REQUEST, format!("400 Bad Request\n{why}\n")),
        })
    }

    /// Subrequests get the headers, and the upstream the edits: no `Connection` of the client takes those away.
    fn tell(&self, shown: Option<&ClientCertificate>, verified: &str, head: &mut RequestHead) {
        let mut tell = |name: HeaderName, value: HeaderValue| {
            if !value.is_empty() {
                head.headers.insert(name.clone(), value.clone());
                head.edits.push(HeaderEdit::Set(name, value));
            }
        };
        if let Ok(verified) = HeaderValue::from_str(verified) {
            tell(TOLD_VERIFY, verified);
        }
        let Some(shown) = shown else { return };
        tell(TOLD_SUBJECT, shown.subject.clone());
        tell(TOLD_ISSUER, shown.issuer.clone());
        if self.passes_certificate {
            tell(TOLD_CERTIFICATE, shown.escaped_pem.clone());
        }
    }
}

/// How the requests came that a [`Check`] looks at. Before anything else is said over TLS; in plain http after the
/// redirect to https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Tls,
    Plain,
}

/// Looks at the certificate of the connection.
#[derive(Debug)]
struct Check {
    rules: Arc<Rules>,
    carrier: Carrier,
}

impl Filter for Check {
    fn name(&self) -> &'static str {
        SECRET
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        let carrier = if head.is_tls { Carrier::Tls } else { Carrier::Plain };
        if carrier != self.carrier {
            return Verdict::Continue;
        }
        // A proxy in front that says http speaks of another connection than the one with the certificate.
        let peer = head.tls.clone().filter(|_| carrier == Carrier::Tls);
        let shown = peer.as_ref().and_then(|peer| peer.certificate.as_ref());
        let verified = match self.rules.verify(shown) {
            Ok(verified) => verified,
            Err(why) => return self.rules.refuse(head, why),
        };
        let subject = shown.and_then(|shown| shown.subject.to_str().ok()).unwrap_or_default();
        if self.rules.subject.as_ref().is_some_and(|pattern| !pattern.is_match(subject)) {
            return Verdict::Reply(Reply::text(StatusCode::FORBIDDEN, "client certificate unauthorized\n"));
        }
        self.rules.tell(shown, &verified, head);
        Verdict::Continue
    }
}

/// The Secret cannot be used: nobody can be told from anybody.
#[derive(Debug)]
struct Denied;

impl Filter for Denied {
    fn name(&self) -> &'static str {
        SECRET
    }

    fn on_request(&self, _head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        Verdict::Reply(Reply::status(StatusCode::FORBIDDEN))
    }
}

#[cfg(test)]
mod tests;
