use std::collections::HashMap;

use super::*;
use crate::ca::prober::fixtures::Nothing;
use crate::ca::prober::{AlpnAnswer, AlpnTarget, CaaRecord, ProbeAnswer, ProbeError};
use crate::transport::BoxFuture;

/// Answers from a table; anything else cannot be connected to.
#[derive(Debug, Default)]
struct Site(HashMap<String, ProbeAnswer>);

impl Site {
    fn file(self, url: &str, body: &str) -> Self {
        self.with(url, 200, None, body)
    }

    fn redirect(self, url: &str, status: u16, location: &str) -> Self {
        self.with(url, status, Some(location), "")
    }

    fn with(mut self, url: &str, status: u16, location: Option<&str>, body: &str) -> Self {
        let answer =
            ProbeAnswer { status, location: location.map(str::to_owned), body: body.as_bytes().to_vec() };
        self.0.insert(url.to_owned(), answer);
        self
    }
}

impl Prober for Site {
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
        let answer = self.0.get(url.as_str()).cloned();
        Box::pin(async move { answer.ok_or_else(|| ProbeError::Connect("refused".to_owned())) })
    }

    fn alpn<'a>(&'a self, target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
        Nothing.alpn(target)
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
        Nothing.txt(name)
    }

    fn caa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
        Nothing.caa(name)
    }
}

const PORTS: ValidationPorts = ValidationPorts { http: 5002, https: 5003 };
const FIRST: &str = "http://a.localhost:5002/.well-known/acme-challenge/tok";
const PROOF: &str = "tok.thumb";

async fn validate(site: Site) -> Result<(), Problem> {
    prove(&Identifier::from_host("a.localhost"), "tok", PROOF, PORTS, &site).await
}

async fn refusal(site: Site) -> (ProblemType, String) {
    let problem = validate(site).await.expect_err("the proof must be refused");
    (problem.kind, problem.detail)
}

#[tokio::test]
async fn the_exact_file_proves_the_name_and_line_ends_are_forgiven() {
    assert_eq!(validate(Site::default().file(FIRST, PROOF)).await, Ok(()));
    assert_eq!(validate(Site::default().file(FIRST, "tok.thumb\r\n  ")).await, Ok(()));
}

#[tokio::test]
async fn another_file_is_shown_to_the_user() {
    let (kind, detail) = refusal(Site::default().file(FIRST, "tok.other")).await;
    assert_eq!(kind, ProblemType::IncorrectResponse);
    assert_eq!(detail, format!("fetching {FIRST}: the file should be \"tok.thumb\" and is \"tok.other\""));
    let (kind, _) = refusal(Site::default().file(FIRST, &format!("{PROOF}{}", " ".repeat(200)))).await;
    assert_eq!(kind, ProblemType::IncorrectResponse);
}

#[tokio::test]
async fn only_status_200_counts() {
    let (kind, detail) = refusal(Site::default().with(FIRST, 404, None, PROOF)).await;
    assert_eq!(kind, ProblemType::IncorrectResponse);
    assert!(detail.ends_with("it answered 404 instead of 200"), "{detail}");
}

#[tokio::test]
async fn nobody_listening_is_a_connection_problem() {
    assert_eq!(refusal(Site::default()).await.0, ProblemType::Connection);
}

#[tokio::test]
async fn redirects_are_followed_to_known_ports() {
    let site = Site::default()
        .redirect(FIRST, 308, "https://a.localhost/x")
        .redirect("https://a.localhost/x", 301, "/y")
        .redirect("https://a.localhost/y", 302, "http://b.localhost:5002/z")
        .file("http://b.localhost:5002/z", PROOF);
    assert_eq!(validate(site).await, Ok(()));
}

#[tokio::test]
async fn redirects_that_lead_astray_are_refused() {
    for (status, location) in [
        (303, "https://a.localhost/x"),
        (302, "http://a.localhost:22/"),
        (302, "ftp://a.localhost/"),
        (302, "http://169.254.169.254/latest/"),
        (302, "http://a.localhost.well-known/acme-challenge/tok"),
        (302, FIRST),
    ] {
        let (kind, detail) = refusal(Site::default().redirect(FIRST, status, location)).await;
        assert_eq!(kind, ProblemType::IncorrectResponse, "{location}: {detail}");
    }
}

#[tokio::test]
async fn an_endless_chain_of_redirects_ends() {
    let mut site = Site::default().redirect(FIRST, 302, "http://a.localhost/0");
    for step in 0..20 {
        let (here, next) = (format!("http://a.localhost/{step}"), format!("/{}", step + 1));
        site = site.redirect(&here, 302, &next);
    }
    assert!(refusal(site).await.1.contains("more than 10 redirects"));
}

#[test]
fn addresses_are_asked_in_brackets() {
    let url = first_url(&Identifier::from_host("::1"), "t", ValidationPorts::default());
    let url = url.map(String::from);
    assert_eq!(url, Ok("http://[::1]/.well-known/acme-challenge/t".to_owned()));
}
