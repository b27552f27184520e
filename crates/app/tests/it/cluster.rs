//! The built binary on a real API server (the lab of `cargo xtask test`), with Pebble as the CA and curl on a second host.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cert_managers;
mod commands;
mod lab;
mod release;

use crate::e2e::stage::PATIENCE;

use cert_managers::CertManagers;
use lab::{Ca, Lab, Site};

#[test]
fn the_blog_applied_to_a_cluster_becomes_https() {
    let Some(lab) = Lab::shared() else { return };
    let Some(ca) = Ca::start(&lab, "10.10.0.20", "10.10.0.11", 0) else { return };
    let site = Site::new(&lab, "blog", "blog.example.com");
    let upstream = site.upstream("10.10.0.12:3000");
    site.apply_blog(&ca);

    let mut run = site.run("a", "10.10.0.11", &["--publish-status-address=10.10.0.100"]);
    run.until("an answer over https, outside", || site.answer("10.10.0.11", &ca));
    run.until("an address in the status", || (site.status() == "10.10.0.100").then_some(()));
    let reasons = site.get("events", "{.items[*].reason}");
    for reason in
        ["CreateCertificate", "Issuing", "OrderCreated", "Presented", "DomainVerified", "CertificateIssued"]
    {
        assert!(reasons.contains(reason), "no {reason} in {reasons}");
    }

    // Whoever serves it takes its address back at the end, and a restart issues nothing again.
    run.terminate();
    run.end(PATIENCE);
    assert_eq!(site.status(), "");
    let mut run = site.run("b", "10.10.0.11", &[]);
    run.until("an answer over https, outside", || site.answer("10.10.0.11", &ca));
    assert_eq!(site.get("certificaterequests", "{.items[*].metadata.name}"), "example-tls-1");
    drop(upstream);
}

#[test]
fn the_next_leader_goes_on_with_the_order_of_one_that_was_killed() {
    let Some(lab) = Lab::shared() else { return };
    // The name leads to the second replica, and the CA takes its time to look.
    let Some(ca) = Ca::start(&lab, "10.10.0.30", "10.10.0.32", 8) else { return };
    let site = Site::new(&lab, "leader", "leader.example.com");
    let upstream = site.upstream("10.10.0.33:3000");
    let quick = ["--election-ttl=3s", "--leader-election-lease-duration=3s"];
    let mut first = site.run("a", "10.10.0.31", &quick);
    first.until("the first replica leads", || (site.holder() == "a").then_some(()));
    let mut second = site.run("b", "10.10.0.32", &quick);
    second.until("the second is ready", || site.is_ready("10.10.0.32"));
    site.apply_blog(&ca);
    let order = first.until("an order at the CA", || {
        let is_presented = site.get("challenges", "{.items[*].status.presented}") == "true";
        is_presented.then(|| site.get("orders", "{.items[*].status.url}"))
    });
    drop(first);

    second.until("an answer over https from the second", || site.answer("10.10.0.32", &ca));
    assert_eq!(site.holder(), "b");
    assert_eq!(site.get("orders", "{.items[*].status.url}"), order);
    drop(upstream);
}

#[test]
fn while_another_holds_cert_managers_lease_certificates_are_only_observed() {
    let Some(lab) = Lab::shared() else { return };
    let site = Site::new(&lab, "observed", "observed.example.com");
    site.apply(
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: cert-manager-controller}, spec: \
         {holderIdentity: cert-manager-7d, leaseDurationSeconds: 3600, renewTime: '2026-01-01T00:00:00.000000Z'}}\n\
         ---\n{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: own}, spec: {selfSigned: {}}}\n",
    );
    let mut run = site.run("a", "10.10.0.41", &["--leader-election-lease-duration=4s"]);
    run.until("it says so", || run_says(&site, "CertificatesObserved"));
    assert_eq!(site.get("issuers", "{.items[*].status.conditions}"), "");
    site.kubectl(&["delete", "lease", "cert-manager-controller"], "");
    run.until("issuers are looked after", || {
        site.get("issuers", "{.items[*].status.conditions[*].status}").contains("True").then_some(())
    });
    assert!(run_says(&site, "CertificatesObserved").is_none());
}

fn run_says(site: &Site<'_>, reason: &str) -> Option<()> {
    site.admin("10.10.0.41", "/api/diagnostics").contains(reason).then_some(())
}

/// Longer than an API server waits for its database before it says that it is not ready.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

#[test]
fn namespaces_are_chosen_by_their_labels_on_a_cluster() {
    let Some(lab) = Lab::own() else { return };
    let site = Site::new(&lab, "chosen", "chosen.example.com");
    let upstream = site.upstream("10.10.0.54:3000");
    site.apply_routes();
    let mut run = site.run_everywhere("a", "10.10.0.53", &["--watch-namespace-selector=team=a"]);
    run.until("the replica is ready", || site.is_ready("10.10.0.53"));
    assert_eq!(site.plain_answer("10.10.0.53", "/"), None);
    site.kubectl(&["label", "namespace", "chosen", "team=a"], "");
    run.until("an answer", || site.plain_answer("10.10.0.53", "/"));
    site.kubectl(&["label", "namespace", "chosen", "team-"], "");
    run.until("no answer", || site.plain_answer("10.10.0.53", "/").is_none().then_some(()));
    drop(upstream);
}

#[test]
fn traffic_goes_on_without_an_api_server_and_changes_are_made_up_for() {
    let Some(lab) = Lab::own() else { return };
    let site = Site::new(&lab, "survival", "survival.example.com");
    let upstream = site.upstream("10.10.0.52:3000");
    site.apply_routes();
    let mut run = site.run("a", "10.10.0.51", &[]);
    run.until("an answer", || site.plain_answer("10.10.0.51", "/"));

    lab.script("stop", &["kube-apiserver"]);
    for _ in 0..20 {
        assert!(site.plain_answer("10.10.0.51", "/").is_some(), "{}", run.output());
    }
    assert!(site.is_ready("10.10.0.51").is_some());
    lab.script("up", &["api"]);
    site.kubectl(&["delete", "ingress", "hello"], "");
    run.until("the deletion is seen", || site.plain_answer("10.10.0.51", "/").is_none().then_some(()));

    // Nor without a database.
    site.apply_routes();
    run.until("an answer", || site.plain_answer("10.10.0.51", "/"));
    lab.signal("etcd", "STOP");
    let paused = std::time::Instant::now();
    while paused.elapsed() < PAUSE {
        assert!(site.plain_answer("10.10.0.51", "/").is_some(), "{}", run.output());
    }
    lab.signal("etcd", "CONT");
    run.until("another deletion is seen", || {
        lab.try_kubectl(&["--namespace", "survival", "delete", "ingress", "--all"], "");
        site.plain_answer("10.10.0.51", "/").is_none().then_some(())
    });
    drop(upstream);
}

#[test]
fn what_cert_manager_made_is_taken_over_and_nothing_is_issued_again() {
    let Some(lab) = Lab::shared() else { return };
    let site = Site::new(&lab, "takeover", "takeover.example.com");
    let made = CertManagers::new("takeover.example.com");
    // As its controllers write them, in their names.
    let by = |manager: &str, text: &str| {
        let arguments = ["apply", "--server-side", "--field-manager", manager, "-f", "-"];
        site.kubectl(&arguments, text);
    };
    by("kubectl", &made.issuer());
    by("cert-manager-certificates-trigger", &made.certificate());
    let uid = site.get("certificates", "{.items[*].metadata.uid}");
    by("cert-manager-certificates-issuing", &made.secret());
    by("cert-manager-certificates-request-manager", &made.request(&uid));
    let status = |kind: &str, name: &str, status: &str| {
        site.kubectl(&["patch", kind, name, "--subresource", "status", "--type", "merge", "-p", status], "");
    };
    status("certificates", "web", &made.certificate_status());
    status("certificaterequests", "web-1", &made.request_status());
    let version = || site.get("secrets/web-tls", "{.metadata.resourceVersion}");
    let before = version();

    // Its lease has run out long ago. That a new Certificate is issued shows that the others were looked at.
    let mut run = site.run("a", "10.10.0.43", &["--leader-election-lease-duration=4s"]);
    site.apply(&made.another());
    run.until("another certificate", || {
        let ready = site.get("certificates/another", "{.status.conditions[?(@.type==\"Ready\")].status}");
        (ready == "True").then_some(())
    });
    assert_eq!(version(), before, "{}", run.output());
    assert_eq!(site.get("certificaterequests", "{.items[*].metadata.name}"), "another-1 web-1");
    assert_eq!(site.get("certificates/web", "{.status.revision}"), "1");
}
