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
        reply(checks.in_plain.on_request(&mut request, &mut scope(&route))).map(|reply| reply.status.as_u16())
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
