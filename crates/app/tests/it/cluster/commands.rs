//! Commands that look at a cluster, or write to one.

use super::lab::{Lab, Site};

const MADE: &str = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: own}, spec: {selfSigned: {}}}\n---\n\
     {apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: web}, spec: {secretName: web-tls, dnsNames: \
     [commands.example.com], privateKey: {algorithm: ECDSA}, issuerRef: {name: own}}}\n---\n\
     {apiVersion: v1, kind: ConfigMap, metadata: {name: notes}, data: {a: b}}";

#[test]
fn commands_read_a_cluster_and_renew_on_it() {
    let Some(lab) = Lab::shared() else { return };
    let site = Site::new(&lab, "commands", "commands.example.com");
    let upstream = site.upstream("10.10.0.57:3000");
    site.apply_routes();
    site.apply(MADE);
    let mut run = site.run("a", "10.10.0.56", &[]);
    let of = |arguments: &[&str]| site.command(&[arguments, &["-n", "commands"]].concat());
    run.until("the certificate", || of(&["cert", "list"]).1.contains("True").then_some(()));
    let (code, status) = of(&["cert", "status", "web"]);
    assert!(code == Some(0) && status.contains("CertificateRequest  web-1"), "{status}");
    let (code, inspected) = of(&["cert", "inspect", "web"]);
    assert!(code == Some(0) && inspected.contains("commands.example.com"), "{inspected}");
    let (_, found) = of(&["get", "cm", "notes", "-o", "json"]);
    assert!(found.contains("\"a\": \"b\""), "{found}");
    let (code, told) = site.command(&["explain", "http://commands.example.com/"]);
    assert!(code == Some(0) && told.contains("commands/hello"), "{told}");
    let (_, checked) = of(&["check"]);
    assert!(!checked.starts_with("error: "), "{checked}");
    let kubeconfig = std::env::var("JAMUL_LAB_KUBECONFIG").unwrap();
    let (_, report) = site.command(&["migrate", "--kubeconfig", &kubeconfig]);
    assert!(report.contains("Issuer commands/own"), "{report}");

    let (code, renewed) = of(&["cert", "renew", "web"]);
    assert!(code == Some(0) && renewed.contains("commands/web"), "{renewed}");
    run.until("the next revision", || {
        (site.get("certificate/web", "{.status.revision}") == "2").then_some(())
    });
    let (code, missing) = of(&["cert", "renew", "nope"]);
    assert!(code == Some(1) && missing.contains("Certificate commands/nope does not exist"), "{missing}");
    let (code, lost) = site.command(&["get", "ingress", "--context", "nowhere"]);
    assert!(code == Some(1) && lost.starts_with("error: --context nowhere cannot be used"), "{lost}");
    drop(upstream);
}
