use super::*;
use crate::fixtures::{Objects, compile, compile_with, filter, head, location, prefix, reply, route, scope};

const URL_PAIR: (&str, &str) = (AUTH_URL, "http://auth.example/check");

fn answer(status: Option<u16>, headers: &[(&'static str, &'static str)]) -> Answer {
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Answer { status, headers: headers.collect() }
}

fn answered(pairs: &[(&str, &str)], answer: &Answer, head: &mut RequestHead) -> Verdict {
    let route = route(prefix("/"));
    filter(&compile(&Family, pairs).expect("valid")).on_answer(answer, head, &mut scope(&route))
}

#[test]
fn the_service_is_asked_with_the_head_of_the_request() {
    let mut request = head("/a?b=c");
    request.headers.insert(header::COOKIE, HeaderValue::from_static("session=1"));
    request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
    request.headers.insert("x-original-url", HeaderValue::from_static("http://spoofed/"));
    let route = route(prefix("/"));
    let draft = compile(&Family, &[URL_PAIR, (AUTH_METHOD, "POST")]).expect("valid");
    let verdict = filter(&draft).on_request(&mut request, &mut scope(&route));
    let Verdict::Ask(question) = verdict else { panic!("asks, not {verdict:?}") };
    assert_eq!((question.method, question.url.as_str()), (Method::POST, URL_PAIR.1));
    let value = |name: &str| question.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(value("cookie"), Some("session=1"));
    assert_eq!(value("content-length"), None);
    assert_eq!(value("x-original-url"), Some("http://example.com/a?b=c"));
    assert_eq!(value("x-original-method"), Some("GET"));
    assert_eq!(value("x-real-ip"), Some("192.0.2.1"));
}

#[test]
fn success_copies_headers_and_removes_what_the_client_claimed() {
    let pairs = [URL_PAIR, (RESPONSE_HEADERS, "X-User, X-Groups")];
    let mut request = head("/");
    request.headers.insert("x-user", HeaderValue::from_static("admin"));
    request.headers.insert("x-groups", HeaderValue::from_static("root"));
    let verdict = answered(&pairs, &answer(Some(204), &[("x-user", "jane"), ("x-other", "1")]), &mut request);
    assert!(matches!(verdict, Verdict::Continue));
    assert_eq!(request.headers.get("x-user"), Some(&HeaderValue::from_static("jane")));
    assert_eq!(request.headers.get("x-groups"), None);
    assert_eq!(request.headers.get("x-other"), None);
}

#[test]
fn refusals_are_returned_and_all_else_is_500() {
    for (status, expected) in
        [(Some(401), 401), (Some(403), 403), (Some(302), 500), (Some(503), 500), (None, 500)]
    {
        let verdict =
            answered(&[URL_PAIR], &answer(status, &[("www-authenticate", "Basic")]), &mut head("/"));
        let reply = reply(verdict).expect("a reply");
        assert_eq!(reply.status.as_u16(), expected);
        assert_eq!(reply.headers.contains_key("www-authenticate"), expected != 500);
    }
}

#[test]
fn without_a_session_the_client_is_sent_to_sign_in_and_knows_the_way_back() {
    let unauthorized = answer(Some(401), &[("set-cookie", "csrf=1")]);
    for (signin, expected) in [
        ("https://$host/start", "https://example.com/start?rd=http://example.com%2Fa%3Fb%3Dc"),
        ("https://id.example/?x=y", "https://id.example/?x=y&rd=http://example.com%2Fa%3Fb%3Dc"),
        ("https://id.example/?rd=$escaped_request_uri", "https://id.example/?rd=%2Fa%3Fb%3Dc"),
    ] {
        let verdict = answered(&[URL_PAIR, (SIGNIN, signin)], &unauthorized, &mut head("/a?b=c"));
        assert_eq!(location(verdict), Some((302, expected.to_owned())));
    }
}

#[test]
fn cookies_of_the_answer_reach_the_client_with_errors_only_if_asked() {
    for (always, expected) in [("false", [1, 0]), ("true", [1, 1])] {
        let draft = compile(&Family, &[URL_PAIR, (ALWAYS_COOKIE, always)]).expect("valid");
        let route = route(prefix("/"));
        let counts = [StatusCode::OK, StatusCode::NOT_FOUND].map(|status| {
            let mut scope = scope(&route);
            filter(&draft).on_answer(
                &answer(Some(200), &[("set-cookie", "a=1")]),
                &mut head("/"),
                &mut scope,
            );
            let mut headers = HeaderMap::new();
            for edit in scope.response_edits {
                edit.apply(&mut headers, status);
            }
            headers.len()
        });
        assert_eq!(counts, expected, "{always}");
    }
}

#[test]
fn the_settings_ask_for_all_routes_that_do_not_opt_out() {
    let mut objects = Objects::default();
    objects.settings.insert("global-auth-url".to_owned(), "http://global.example/".to_owned());
    let count =
        |pairs: &[(&str, &str)]| compile_with(&Family, pairs, &objects).expect("valid").route.filters.len();
    assert_eq!(count(&[]), 1);
    assert_eq!(count(&[(GLOBAL, "false")]), 0);
    assert_eq!(count(&[(GLOBAL, "false"), URL_PAIR]), 1);
    assert!(compile_with(&Family, &[(GLOBAL, "no")], &objects).is_err(), "closes");
}

#[test]
fn headers_of_a_config_map_are_told_and_bad_ones_refused() {
    let mut objects = Objects::default();
    let map = |value: &str| std::collections::BTreeMap::from([("X-Token".to_owned(), value.to_owned())]);
    objects.config_maps.insert("good".to_owned(), map("t"));
    objects.config_maps.insert("split".to_owned(), map("t\r\nX-Admin: 1"));
    objects.config_maps.insert("variable".to_owned(), map("$http_cookie"));
    let draft = compile_with(&Family, &[URL_PAIR, (SET_HEADERS, "good")], &objects).expect("valid");
    let route = route(prefix("/"));
    let Verdict::Ask(question) = filter(&draft).on_request(&mut head("/"), &mut scope(&route)) else {
        panic!("asks")
    };
    assert_eq!(question.headers.get("x-token"), Some(&HeaderValue::from_static("t")));
    for name in ["split", "variable", "missing"] {
        assert!(compile_with(&Family, &[URL_PAIR, (SET_HEADERS, name)], &objects).is_err(), "{name}");
    }
}

#[test]
fn rules_for_challenges_are_not_asked_about() {
    let route = route(prefix("/.well-known/acme-challenge/token"));
    let draft = compile(&Family, &[URL_PAIR]).expect("valid");
    let verdict =
        filter(&draft).on_request(&mut head("/.well-known/acme-challenge/token"), &mut scope(&route));
    assert!(matches!(verdict, Verdict::Continue));
}

#[test]
fn bad_values_are_refused() {
    for (key, value) in [
        (AUTH_URL, "auth.example/check"),
        (AUTH_URL, "http://"),
        (AUTH_URL, "http://a..b/"),
        (AUTH_URL, "http://a/\r\nx"),
        (AUTH_URL, "http://a/$http_cookie"),
        (AUTH_METHOD, "get"),
        (AUTH_METHOD, "CONNECT"),
        (RESPONSE_HEADERS, "X-User,Transfer-Encoding"),
        (SIGNIN, "javascript:alert"),
        (SIGNIN_PARAMETER, "a&b"),
        (REQUEST_REDIRECT, "a;b"),
        (ALWAYS_COOKIE, "yes"),
    ] {
        let invalid = compile(&Family, &[(key, value)]).expect_err(value);
        assert_eq!(invalid.key, key);
    }
}
