//! What clients do wrong, and what they are told.

use std::fmt::Debug;

use http::{Method, Request, Response};
use jamul_acme::client::{ClientError, Session};
use jamul_acme::jose::{AccountKey, KeyReference};
use jamul_acme::problem::{Problem, ProblemType};
use jamul_acme::wire::Identifier;
use jamul_acme::wire::NewOrder;
use jamul_pki::{KeyAlgorithm, PrivateKey, RequestTemplate, San};
use jiff::SignedDuration;

use crate::fixture::{BASE, World, order_for, request_by, request_for};

/// The problem a call ended with.
pub(crate) fn problem<T: Debug>(result: Result<T, ClientError>) -> Problem {
    match result.unwrap_err() {
        ClientError::Problem { problem, .. } => *problem,
        other => panic!("not a problem: {other}"),
    }
}

/// Sends what no honest client would.
#[derive(Debug)]
pub(crate) struct Forger {
    world: World,
    key: AccountKey,
    kid: String,
}

impl Forger {
    pub(crate) fn new(world: &World, session: &Session) -> Self {
        let (key, kid) = (session.key().clone(), session.account_url().to_owned());
        Self { world: world.clone(), key, kid }
    }

    pub(crate) fn nonce(&self) -> String {
        let response = self.send(Method::HEAD, "/acme/new-nonce", "", "");
        response.headers()["replay-nonce"].to_str().unwrap().to_owned()
    }

    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> Response<Vec<u8>> {
        let request = Request::builder().method(method).uri(format!("{BASE}{path}"));
        let request = request.header("content-type", content_type).body(body.as_bytes().to_vec()).unwrap();
        self.world.ca().handle(&request, self.world.now())
    }

    pub(crate) fn jws(&self, url: &str, nonce: &str, payload: &str) -> String {
        let reference = KeyReference::Kid(self.kid.clone());
        let jws = self.key.sign(url, Some(nonce), reference, payload.as_bytes()).unwrap();
        String::from_utf8(jws.to_json()).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Response<Vec<u8>> {
        self.send(Method::POST, path, "application/jose+json", body)
    }

    /// What a well-signed payload is refused with.
    pub(crate) fn refusal(&self, path: &str, payload: &str) -> Problem {
        read(&self.post(path, &self.jws(&format!("{BASE}{path}"), &self.nonce(), payload)))
    }

    /// What a header of one's own is refused with; the signature is nonsense.
    fn header_refusal(&self, header: &str) -> Problem {
        let protected = self.base64(header.as_bytes());
        let body = format!(r#"{{"protected":"{protected}","payload":"","signature":"AA"}}"#);
        read(&self.post("/acme/new-order", &body))
    }

    pub(crate) fn base64(&self, bytes: &[u8]) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The problem in an answer, after a look at what every refusal has.
fn read(response: &Response<Vec<u8>>) -> Problem {
    let problem: Problem = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(problem.status(), response.status());
    assert_eq!(response.headers()["link"], format!("<{BASE}/directory>;rel=\"index\""));
    assert_eq!(response.headers()["cache-control"], "no-store");
    problem
}

async fn forger() -> Forger {
    let world = World::new();
    let session = world.session().await;
    Forger::new(&world, &session)
}

#[tokio::test]
async fn a_nonce_is_good_once_and_the_refusal_brings_the_next() {
    let forger = forger().await;
    let (path, url) = ("/acme/new-order", format!("{BASE}/acme/new-order"));
    let nonce = forger.nonce();
    let order = r#"{"identifiers":[{"type":"dns","value":"a.localhost"}]}"#;
    assert_eq!(forger.post(path, &forger.jws(&url, &nonce, order)).status(), 201);
    let replayed = forger.post(path, &forger.jws(&url, &nonce, order));
    assert_eq!(read(&replayed).kind, ProblemType::BadNonce);
    let fresh = replayed.headers()["replay-nonce"].to_str().unwrap();
    assert_eq!(forger.post(path, &forger.jws(&url, fresh, order)).status(), 201);
}

#[tokio::test]
async fn the_client_gets_over_bad_nonces_by_itself() {
    let world = World::new();
    let session = world.session().await;
    // A restart forgets all nonces; the client still has some.
    world.restart();
    world.answers.lock().unwrap().clear();
    session.account().await.unwrap();
    let statuses: Vec<_> =
        world.answers.lock().unwrap().iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [400, 200]);
}

#[tokio::test]
async fn new_nonce_tells_get_and_head_apart() {
    let forger = forger().await;
    let get = forger.send(Method::GET, "/acme/new-nonce", "", "");
    let head = forger.send(Method::HEAD, "/acme/new-nonce", "", "");
    assert_eq!((get.status(), head.status()), (204.try_into().unwrap(), 200.try_into().unwrap()));
    for response in [get, head] {
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers().contains_key("replay-nonce"));
    }
}

#[tokio::test]
async fn envelopes_that_are_wrong_are_told_why() {
    let forger = forger().await;
    let path = "/acme/new-order";
    let body = forger.jws(&format!("{BASE}{path}"), &forger.nonce(), "{}");
    assert_eq!(read(&forger.send(Method::POST, path, "application/json", &body)).status().as_u16(), 415);
    assert_eq!(read(&forger.post(path, &"x".repeat(200_000))).status().as_u16(), 413);
    assert_eq!(read(&forger.post(path, "{}")).kind, ProblemType::Malformed);
    assert_eq!(read(&forger.post("/acme/nothing", &body)).status().as_u16(), 404);
    assert_eq!(read(&forger.send(Method::GET, path, "", "")).status().as_u16(), 405);
    assert_eq!(forger.send(Method::POST, "/directory", "", "").status(), 405);
    assert_eq!(read(&forger.send(Method::PUT, path, "", "")).status().as_u16(), 405);
    let elsewhere = forger.jws(&format!("{BASE}/acme/key-change"), &forger.nonce(), "{}");
    let refused = read(&forger.post(path, &elsewhere));
    assert_eq!((refused.status().as_u16(), refused.kind), (401, ProblemType::Unauthorized));
}

#[tokio::test]
async fn headers_that_are_wrong_are_told_why() {
    let forger = forger().await;
    let url = format!("{BASE}/acme/new-order");
    let kid = &forger.kid;
    let jwk = r#"{"kty":"RSA","e":"AQAB","n":"AQAB"}"#;
    for (header, expected) in [
        (format!(r#"{{"alg":"none","url":"{url}","kid":"{kid}"}}"#), ProblemType::BadSignatureAlgorithm),
        (format!(r#"{{"alg":"HS256","url":"{url}","kid":"{kid}"}}"#), ProblemType::BadSignatureAlgorithm),
        (format!(r#"{{"alg":"RS256","url":"{url}","kid":"{kid}"}}"#), ProblemType::BadSignatureAlgorithm),
        (format!(r#"{{"alg":"RS256","url":"{url}","jwk":{jwk}}}"#), ProblemType::BadPublicKey),
        (format!(r#"{{"alg":"RS256","url":"{url}"}}"#), ProblemType::Malformed),
        (format!(r#"{{"alg":"RS256","url":"{url}","kid":"{kid}","jwk":{jwk}}}"#), ProblemType::Malformed),
        (format!(r#"{{"alg":"ES256","url":"{url}","kid":"{kid}"}}"#), ProblemType::Malformed),
        (format!(r#"{{"alg":"ES256","url":"{url}","kid":"{kid}x"}}"#), ProblemType::AccountDoesNotExist),
        (
            format!(r#"{{"alg":"ES256","url":"{url}","kid":"{BASE}/acme/order/1"}}"#),
            ProblemType::AccountDoesNotExist,
        ),
        ("{}".to_owned(), ProblemType::Malformed),
    ] {
        let refused = forger.header_refusal(&header);
        assert_eq!(refused.kind, expected, "{header}: {refused}");
        if expected == ProblemType::BadSignatureAlgorithm {
            assert_eq!(refused.algorithms, ["ES256", "ES384", "ES512", "EdDSA", "RS256"]);
        }
    }
}

#[tokio::test]
async fn a_request_without_a_nonce_is_asked_for_one() {
    let forger = forger().await;
    let url = format!("{BASE}/acme/new-order");
    let jws = forger.key.sign(&url, None, KeyReference::Kid(forger.kid.clone()), b"{}").unwrap();
    let refused = read(&forger.post("/acme/new-order", &String::from_utf8(jws.to_json()).unwrap()));
    assert_eq!(refused.kind, ProblemType::BadNonce);
}

#[tokio::test]
async fn contacts_are_plain_mail_addresses() {
    let world = World::new();
    let session = world.session().await;
    for (contact, expected) in [
        ("tel:+1", ProblemType::UnsupportedContact),
        ("admin@example.com", ProblemType::UnsupportedContact),
        ("mailto:admin", ProblemType::InvalidContact),
        ("mailto:a@b,c@d", ProblemType::InvalidContact),
        ("mailto:a@b?subject=x", ProblemType::InvalidContact),
        ("mailto:", ProblemType::InvalidContact),
    ] {
        let refused = problem(session.update_contact(&[contact.to_owned()]).await);
        assert_eq!(refused.kind, expected, "{contact}");
    }
    let many = vec!["mailto:a@example.com".to_owned(); 11];
    assert_eq!(problem(session.update_contact(&many).await).kind, ProblemType::InvalidContact);
}

#[tokio::test]
async fn orders_the_ca_will_not_take_are_refused_name_by_name() {
    let world = World::new();
    let session = world.session().await;
    let mut names = order_for(&["a.localhost", "169.254.0.1", "169.254.169.254"]);
    let refused = problem(session.new_order(&names).await);
    assert_eq!(refused.kind, ProblemType::RejectedIdentifier);
    assert_eq!(refused.subproblems.len(), 2);
    assert_eq!(refused.subproblems[0].identifier, Some(Identifier::from_host("169.254.0.1")));
    names.identifiers.push(Identifier::Dns("under_score".to_owned()));
    assert_eq!(problem(session.new_order(&names).await).kind, ProblemType::Compound);

    let wildcard = problem(session.new_order(&order_for(&["a.*.localhost"])).await);
    assert_eq!(
        wildcard.to_string(),
        "malformed: \"a.*.localhost\" is not a DNS name: the label \"*\" must have 1 to 63 letters, digits and \
         inner hyphens"
    );
    let metadata = problem(session.new_order(&order_for(&["169.254.169.254"])).await);
    assert_eq!(metadata.kind, ProblemType::RejectedIdentifier);
    assert_eq!(problem(session.new_order(&order_for(&[])).await).kind, ProblemType::Malformed);
    let hosts: Vec<_> = (0..101).map(|index| format!("h{index}.localhost")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    assert_eq!(problem(session.new_order(&order_for(&hosts)).await).kind, ProblemType::Malformed);
    let profiled = NewOrder { profile: Some("fast".to_owned()), ..order_for(&["a.localhost"]) };
    assert_eq!(problem(session.new_order(&profiled).await).kind, ProblemType::InvalidProfile);
    let email = Forger::new(&world, &session)
        .refusal("/acme/new-order", r#"{"identifiers":[{"type":"email","value":"a@b"}]}"#);
    assert_eq!(email.kind, ProblemType::UnsupportedIdentifier);
}

#[tokio::test]
async fn validities_that_cannot_be_are_malformed() {
    let world = World::new();
    let session = world.session().await;
    let at = |hours| Some(world.now() + SignedDuration::from_hours(hours));
    for (not_before, not_after) in
        [(None, at(-1)), (None, Some(world.now())), (at(-2), None), (at(91 * 24), None), (at(5), at(4))]
    {
        let order = NewOrder { not_before, not_after, ..order_for(&["a.localhost"]) };
        assert_eq!(problem(session.new_order(&order).await).kind, ProblemType::Malformed);
    }
}

#[tokio::test]
async fn finalize_waits_for_proofs_and_works_once() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let csr = request_for(&["a.localhost"]).1;
    let early = problem(session.finalize(&order.object.finalize, &csr).await);
    assert_eq!(
        (early.status().as_u16(), early.to_string().as_str()),
        (403, "orderNotReady: the order is pending, and only a ready one can be finalized")
    );
    let order = world.ready_order(&session, &["a.localhost"]).await;
    session.finalize(&order.object.finalize, &csr).await.unwrap();
    let twice = problem(session.finalize(&order.object.finalize, &csr).await);
    assert_eq!(twice.kind, ProblemType::OrderNotReady);
    let missing = problem(session.certificate(&format!("{BASE}/acme/certificate/none")).await);
    assert_eq!(missing.status().as_u16(), 404);
}

#[tokio::test]
async fn requests_that_do_not_fit_the_order_are_bad_and_leave_it_ready() {
    let world = World::new();
    let session = world.session().await;
    let order = world.ready_order(&session, &["a.localhost", "b.localhost"]).await;
    let url = &order.object.finalize;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let both = || vec![San::Dns("a.localhost".to_owned()), San::Dns("b.localhost".to_owned())];
    let mut damaged = request_by(&key, &["a.localhost", "b.localhost"]);
    *damaged.last_mut().unwrap() ^= 1;
    let authority = RequestTemplate { sans: both(), is_ca: true, ..RequestTemplate::default() };
    let mail = San::Email("a@b.localhost".to_owned());
    let mail = RequestTemplate { sans: [both(), vec![mail]].concat(), ..RequestTemplate::default() };
    for (what, csr) in [
        ("garbage", b"garbage".to_vec()),
        ("a damaged signature", damaged),
        ("a missing name", request_by(&key, &["a.localhost"])),
        ("a surplus name", request_by(&key, &["a.localhost", "b.localhost", "c.localhost"])),
        ("the account's own key", request_by(session.key().private_key(), &["a.localhost", "b.localhost"])),
        ("a CA", authority.sign(&key).unwrap().der().to_vec()),
        ("a mail address", mail.sign(&key).unwrap().der().to_vec()),
    ] {
        let refused = problem(session.finalize(url, &csr).await);
        assert_eq!(refused.kind, ProblemType::BadCsr, "{what}: {refused}");
    }
    let surplus = problem(session.finalize(url, &request_by(&key, &["a.localhost", "c.localhost"])).await);
    assert_eq!(
        surplus.detail,
        "the names differ from the order's: missing b.localhost, not ordered c.localhost"
    );
    session.finalize(url, &request_by(&key, &["B.localhost", "a.localhost"])).await.unwrap();
}

#[tokio::test]
async fn reading_takes_no_payload_and_a_challenge_takes_an_object() {
    let world = World::new();
    let session = world.session().await;
    let order = session.new_order(&order_for(&["a.localhost"])).await.unwrap();
    let authorization = session.authorization(&order.object.authorizations[0]).await.unwrap().object;
    let forger = Forger::new(&world, &session);
    let path = |url: &str| url.strip_prefix(BASE).unwrap().to_owned();
    assert_eq!(forger.refusal(&path(&order.url), "{}").kind, ProblemType::Malformed);
    assert_eq!(forger.refusal(&path(&authorization.challenges[0].url), "[]").kind, ProblemType::Malformed);
    let revive = r#"{"status":"valid"}"#;
    assert_eq!(forger.refusal(&path(&order.object.authorizations[0]), revive).kind, ProblemType::Malformed);
    let close = r#"{"status":"revoked"}"#;
    assert_eq!(forger.refusal(&path(session.account_url()), close).kind, ProblemType::Malformed);
}

#[tokio::test]
async fn an_account_cannot_keep_endless_open_orders() {
    let world = World::new();
    let session = world.session().await;
    for index in 0..300 {
        session.new_order(&order_for(&[&format!("h{index}.localhost")])).await.unwrap();
    }
    let refused = session.new_order(&order_for(&["one-more.localhost"])).await.unwrap_err();
    assert!(refused.is_rate_limited(), "{refused}");
    assert!(refused.retry_after().is_some());
    world.wait(SignedDuration::from_hours(1));
    session.new_order(&order_for(&["one-more.localhost"])).await.unwrap();
}
