//! Our client against CAs of other projects, as unkind as they can be.

use std::time::Duration;

use jamul_pki::Certificate;
use serde_json::json;

use super::pebble::{Pebble, dns};
use crate::e2e::stage::Blog;

const SOLVER: &str = "    solvers: [{http01: {ingress: {class: nginx}}}]\n";

#[test]
fn pebble_that_refuses_half_of_the_nonces_and_takes_its_time_issues_and_renews() {
    let blog = Blog::new(None);
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let pebble = pebble.with("PEBBLE_WFE_NONCEREJECT", "50").with("PEBBLE_VA_SLEEPTIME", "3");
    let pebble = pebble.with("PEBBLE_AUTHZREUSE", "50");
    let Some((_dns, address)) = dns("127.0.0.1") else { return };
    let _pebble = pebble.start(address);
    blog.write("issuer.yaml", &pebble.issuer(SOLVER));
    let mut run = blog.run(&[]);
    let mut last = run.until_within(PATIENT, "a certificate", || blog.certificate());
    assert_eq!(blog.until_served(&mut run, &pebble.root(&blog, 0)), "hello");
    for _ in 0..3 {
        blog.renew(&mut run, "example-tls");
        last = run
            .until_within(PATIENT, "another certificate", || blog.certificate().filter(|now| *now != last));
    }
}

#[test]
fn a_wrong_key_of_an_external_account_is_told_and_the_right_one_mends_it() {
    let blog = Blog::new(None);
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let key = "dGhpcnR5LXR3byBvY3RldHMgYXJlIHRoZSBsZWFzdC4";
    let pebble = pebble
        .with("PEBBLE_VA_NOSLEEP", "1")
        .set("externalAccountBindingRequired", json!(true))
        .set("externalAccountMACKeys", json!({"kid": key}));
    let Some((_dns, address)) = dns("127.0.0.1") else { return };
    let _pebble = pebble.start(address);
    let binding = "    externalAccountBinding: {keyID: kid, keySecretRef: {name: eab, key: secret}}\n";
    blog.write("issuer.yaml", &pebble.issuer(&format!("{binding}{SOLVER}")));
    let secret = |key: &str| {
        let text =
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: eab}}\nstringData: {{secret: {key}}}\n");
        blog.write("eab.yaml", &text);
    };
    secret("YW5vdGhlciBrZXkgd2l0aCB0aGlydHktdHdvIG9jdGU");
    let mut run = blog.run(&[]);
    let mut told = String::new();
    run.until("the refusal", || {
        told = blog.waits_for("example-tls")?;
        told.contains("external account binding").then_some(())
    });
    assert!(told.starts_with("Issuer local-ca: ") && told.contains("403"), "{told}");
    secret(key);
    run.until("a certificate", || blog.certificate());
}

#[test]
fn the_preferred_chain_and_the_profile_of_an_issuer_are_what_comes() {
    let blog = Blog::new(None);
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let six_days = Duration::from_secs(6 * 24 * 60 * 60);
    let profile = |seconds: u64| json!({"description": "a profile", "validityPeriod": seconds});
    let pebble = pebble
        .with("PEBBLE_VA_NOSLEEP", "1")
        .with("PEBBLE_ALTERNATE_ROOTS", "2")
        .with("PEBBLE_CHAIN_LENGTH", "2")
        .set("profiles", json!({"classic": profile(7_776_000), "short": profile(six_days.as_secs())}));
    let Some((_dns, address)) = dns("127.0.0.1") else { return };
    let _pebble = pebble.start(address);
    let roots = [0, 1, 2].map(|number| {
        let pem = std::fs::read_to_string(pebble.root(&blog, number)).unwrap();
        Certificate::from_pem(&pem).unwrap().issuer_common_name().unwrap().to_owned()
    });
    let wanted = &roots[2];
    let chosen = format!("    preferredChain: {wanted:?}\n    profile: short\n{SOLVER}");
    blog.write("issuer.yaml", &pebble.issuer(&chosen));
    let mut run = blog.run(&[]);
    let chain = run.until("a certificate", || blog.certificate());
    let chain = Certificate::chain_from_pem(&chain).unwrap();
    assert_eq!(chain.last().unwrap().issuer_common_name(), Some(wanted.as_str()), "of {roots:?}");
    let life = chain[0].not_after().duration_since(chain[0].not_before());
    assert!(life.unsigned_abs().abs_diff(six_days) < Duration::from_secs(2), "{life:#}");

    // A profile that the CA does not have is told by the names of those it has.
    let wrong = pebble.issuer(&format!("    profile: nope\n{SOLVER}"));
    blog.write("issuer.yaml", &wrong);
    let ingress = blog.read("ingress.yaml").replace("secretName: example-tls", "secretName: other-tls");
    blog.write("ingress.yaml", &ingress);
    let mut told = String::new();
    run.until("the refusal", || {
        told = blog.waits_for("other-tls")?;
        told.contains("nope").then_some(())
    });
}

#[test]
fn a_dns_that_leads_elsewhere_is_told_by_what_the_ca_saw() {
    let blog = Blog::new(None);
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let pebble = pebble.with("PEBBLE_VA_NOSLEEP", "1");
    // Nobody listens there on the port of this run.
    let Some((_dns, address)) = dns("127.0.0.9") else { return };
    let _pebble = pebble.start(address);
    blog.write("issuer.yaml", &pebble.issuer(SOLVER));
    let mut run = blog.run(&[]);
    let mut told = String::new();
    run.until("the refusal", || {
        told = blog.waits_for("example-tls")?;
        told.contains("127.0.0.9").then_some(())
    });
    assert!(told.contains("connection refused"), "{told}");
}

/// For a CA that sleeps.
const PATIENT: Duration = Duration::from_secs(60);
