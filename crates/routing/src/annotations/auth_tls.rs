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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::annotations::compile;
    use crate::fixtures::{Objects, annotations, head, location, prefix, reply, route, scope};
    use crate::tls_policy::{Distrust, TlsPeer};

    fn objects() -> Objects {
        let secret = BTreeMap::from([("ca.crt".to_owned(), b"a root".to_vec())]);
        Objects { secrets: BTreeMap::from([("default/ca".to_owned(), secret)]), ..Objects::default() }
    }

    fn compiled(pairs: &[(&str, &str)]) -> (Draft, Vec<(&'static str, OnInvalid)>) {
        let annotations = annotations(pairs);
        let mut draft = Draft::default();
        let refused = compile(&mut Values::new("p", &annotations), &mut draft, &objects());
        (draft, refused.into_iter().map(|(invalid, outcome)| (invalid.key, outcome)).collect())
    }

    fn shown(verified: Result<(), &str>, is_of_issuer: bool) -> ClientCertificate {
        let value = |text: &str| HeaderValue::from_str(text).expect("ASCII");
        ClientCertificate {
            verified: verified.map_err(|reason| Distrust { reason: reason.to_owned(), is_of_issuer }),
            subject: value("CN=jane,O=Acme"),
            issuer: value("CN=Acme CA"),
            escaped_pem: value("-----BEGIN%20"),
        }
    }

    /// The status of a reply, or what the upstream is told.
    fn asked(pairs: &[(&str, &str)], certificate: Option<ClientCertificate>) -> Result<Vec<String>, u16> {
        let (draft, refused) = compiled(pairs);
        assert_eq!(refused, []);
        let checks = draft.host.client_checks.expect("the host checks");
        let route = route(prefix("/"));
        let mut request = head("/");
        request.is_tls = true;
        request.tls = Some(Arc::new(TlsPeer { policy: Arc::default(), certificate }));
        let plain = checks.in_plain.on_request(&mut request, &mut scope(&route));
        assert!(matches!(plain, Verdict::Continue), "it is for plain http");
        let verdict = checks.over_tls.on_request(&mut request, &mut scope(&route));
        if let Some(reply) = reply(verdict) {
            return Err(reply.status.as_u16());
        }
        let told =
            request.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
        Ok(told.collect())
    }

    const ON: (&str, &str) = (SECRET, "default/ca");

    #[test]
    fn each_mode_lets_in_whom_it_says_and_tells_the_upstream() {
        let (expired, unknown) = (shown(Err("certificate has expired"), false), shown(Err("who"), true));
        for (mode, none, good, bad, foreign) in [
            ("on", Err(400), "SUCCESS", Err(400), Err(400)),
            ("optional", Ok("NONE"), "SUCCESS", Err(400), Err(400)),
            ("optional_no_ca", Ok("NONE"), "SUCCESS", Err(400), Ok("FAILED:who")),
        ] {
            let pairs = [ON, (VERIFY, mode)];
            let verify = |certificate| {
                asked(&pairs, certificate).map(|told| {
                    let line = told.iter().find_map(|line| line.strip_prefix("ssl-client-verify: "));
                    line.expect("verify is told").to_owned()
                })
            };
            assert_eq!(verify(None), none.map(str::to_owned), "{mode}");
            assert_eq!(verify(Some(shown(Ok(()), false))), Ok(good.to_owned()), "{mode}");
            assert_eq!(verify(Some(expired.clone())), bad, "{mode}");
            assert_eq!(verify(Some(unknown.clone())), foreign.map(str::to_owned), "{mode}");
        }
        assert_eq!(asked(&[ON, (VERIFY, "off")], None), Ok(vec!["ssl-client-verify: NONE".to_owned()]));
        assert!(compiled(&[ON, (VERIFY, "off")]).0.host.tls.client_auth.is_none(), "nobody is asked");
    }

    #[test]
    fn the_certificate_is_passed_where_it_is_asked_for() {
        let told = asked(&[ON, (PASS, "true")], Some(shown(Ok(()), false))).expect("let in");
        let mut expected = vec![
            "ssl-client-verify: SUCCESS",
            "ssl-client-subject-dn: CN=jane,O=Acme",
            "ssl-client-issuer-dn: CN=Acme CA",
        ];
        let without = asked(&[ON], Some(shown(Ok(()), false))).expect("let in");
        assert_eq!(without, expected);
        expected.push("ssl-client-cert: -----BEGIN%20");
        assert_eq!(told, expected);
    }

    #[test]
    fn the_subject_must_match() {
        let asked = |pattern| asked(&[ON, (MATCH_CN, pattern)], Some(shown(Ok(()), false))).map(|_| ());
        assert_eq!(asked("CN=(jane|john),"), Ok(()));
        assert_eq!(asked("CN=john"), Err(403));
    }

    #[test]
    fn plain_http_is_no_way_around() {
        let refused = |mode| {
            let checks = compiled(&[ON, (VERIFY, mode)]).0.host.client_checks.expect("the host checks");
            let route = route(prefix("/"));
            let mut request = head("/");
            let verdict = checks.over_tls.on_request(&mut request, &mut scope(&route));
            assert!(matches!(verdict, Verdict::Continue));
            reply(checks.in_plain.on_request(&mut request, &mut scope(&route)))
                .map(|reply| reply.status.as_u16())
        };
        assert_eq!((refused("on"), refused("optional")), (Some(400), None));
    }

    #[test]
    fn a_secret_or_pattern_that_cannot_be_used_closes_the_host_and_lesser_mistakes_are_strict() {
        for pairs in
            [[(SECRET, "default/other"), (VERIFY, "off")], [ON, (MATCH_CN, "jane")], [ON, (MATCH_CN, "CN=(")]]
        {
            let (draft, refused) = compiled(&pairs);
            assert_eq!(refused.first().map(|(_, outcome)| *outcome), Some(OnInvalid::CloseHost), "{pairs:?}");
            let checks = draft.host.client_checks.expect("the host checks");
            let route = route(prefix("/"));
            for filter in [checks.over_tls, checks.in_plain] {
                let verdict = filter.on_request(&mut head("/"), &mut scope(&route));
                assert_eq!(reply(verdict).map(|reply| reply.status.as_u16()), Some(403));
            }
        }
        for pair in [(VERIFY, "maybe"), (DEPTH, "-1"), (ERROR_PAGE, "/error"), (PASS, "on")] {
            let (draft, refused) = compiled(&[ON, pair]);
            assert_eq!(refused, [(pair.0, OnInvalid::UseDefault)]);
            assert_eq!(draft.host.tls.client_auth.map(|auth| auth.depth), Some(1));
        }
    }

    #[test]
    fn the_error_page_is_a_redirect() {
        let checks = compiled(&[ON, (ERROR_PAGE, "https://x.example/?from=$host")]).0.host.client_checks;
        let route = route(prefix("/"));
        let mut request = head("/");
        request.is_tls = true;
        let verdict = checks.expect("checks").over_tls.on_request(&mut request, &mut scope(&route));
        assert_eq!(location(verdict), Some((302, "https://x.example/?from=example.com".to_owned())));
    }
}
