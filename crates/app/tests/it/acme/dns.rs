//! DNS-01 with BIND: our client's updates, and what our CA sees of lego's.

use std::net::SocketAddr;

use jamul_pki::Certificate;

use super::ca::Ca;
use super::host::Host;
use super::named::{Named, SECRET};
use super::pebble::Pebble;
use crate::e2e::stage::{Blog, Process, free_addresses, peer};

/// A folder with one Certificate, for `names`, whose issuer updates the name server at `address`.
fn folder(pebble: &Pebble, blog: &Blog, names: &str, solver: &str) {
    std::fs::remove_file(blog.manifests().join("ingress.yaml")).unwrap();
    blog.write("issuer.yaml", &pebble.issuer(&format!("    solvers: [{{dns01: {solver}}}]\n")));
    let certificate = format!(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: example-tls}}\nspec:\n  \
         secretName: example-tls\n  dnsNames: {names}\n  issuerRef: {{name: local-ca}}\n"
    );
    blog.write("certificate.yaml", &certificate);
}

fn tsig(blog: &Blog, secret: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: tsig}}\nstringData: {{secret: \"{secret}\"}}\n"
    );
    blog.write("tsig.yaml", &text);
}

fn names_of(chain: &str) -> Vec<String> {
    let mut names: Vec<String> =
        Certificate::from_pem(chain).unwrap().dns_names().map(ToOwned::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_wildcard_and_its_domain_are_proved_by_two_records_at_one_name() {
    let blog = Blog::new(None);
    let [address] = free_addresses();
    let Some(named) = Named::new(address, &[("example.test", "")]) else { return };
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let pebble = pebble.with("PEBBLE_VA_NOSLEEP", "1");
    let _named = named.start();
    let _pebble = pebble.start(address);
    let reference = "tsigSecretSecretRef: {name: tsig, key: secret}";
    let solver = format!("{{rfc2136: {{nameserver: \"{address}\", tsigKeyName: md5, {reference}}}}}");
    folder(&pebble, &blog, "[example.test, \"*.example.test\"]", &solver);

    tsig(&blog, "d3JvbmcgYnV0IGFsc28gb2Ygc2l4dGVlbiBvY3RldHM=");
    let resolver = format!("--dns01-recursive-nameservers={address}");
    let mut run = blog.run(&[&resolver, "--dns01-recursive-nameservers-only"]);
    let mut told = String::new();
    run.until("the refusal", || {
        told = blog.waits_for("example-tls")?;
        told.contains("refuses to update").then_some(())
    });
    assert!(told.contains("BadSig"), "{told}");

    tsig(&blog, SECRET);
    let chain = run.until("a certificate", || blog.certificate());
    assert_eq!(names_of(&chain), ["*.example.test", "example.test"]);
    run.until("the records are gone", || {
        named.texts("_acme-challenge.example.test").is_empty().then_some(())
    });
}

#[test]
fn an_alias_is_followed_and_the_zones_own_name_servers_see_the_record_before_the_ca_looks() {
    let host = Host::new();
    let blog = Blog::new(None);
    let address: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let zones = [("example.test", "_acme-challenge.www CNAME www.dyn.test.\n"), ("dyn.test", "")];
    let Some(named) = Named::new(address, &zones) else { return };
    let Some(pebble) = Pebble::new(blog.http_port()) else { return };
    let pebble = pebble.with("PEBBLE_VA_NOSLEEP", "1");
    let _named = Named::started(host.inside(&named.command()));
    let _pebble = Pebble::started(host.inside(&pebble.command(address)));
    let key =
        "tsigKeyName: sha256, tsigAlgorithm: HMACSHA256, tsigSecretSecretRef: {name: tsig, key: secret}";
    let solver =
        format!("{{cnameStrategy: Follow, rfc2136: {{nameserver: ns.dyn.test, protocol: TCP, {key}}}}}");
    folder(&pebble, &blog, "[www.example.test]", &solver);
    tsig(&blog, SECRET);
    let mut run = Process::start(host.inside(&blog.command(&[])));
    let chain = run.until("a certificate", || blog.certificate());
    assert_eq!(names_of(&chain), ["www.example.test"]);
    assert!(named.folder().join("dyn.test.jnl").exists(), "only the zone of the alias was changed");
    assert!(!named.folder().join("example.test.jnl").exists());
}

#[test]
fn our_ca_sees_the_records_that_lego_writes() {
    let Some(lego) = peer("JAMUL_LEGO") else { return };
    let [address] = free_addresses();
    let Some(named) = Named::new(address, &[("example.test", "")]) else { return };
    let _named = named.start();
    // Two views, as if from two places.
    let ca = Ca::start(&["--dns", &address.to_string(), "--dns", &address.to_string()]);
    let mut command = ca.command(&lego);
    command.args(["--server", &ca.directory(), "--accept-tos", "--email", "admin@example.com", "--path"]);
    command.arg(ca.client()).args(["--domains", "*.example.test", "--domains", "example.test"]);
    command.args(["--dns", "rfc2136", "--dns.disable-cp", "--dns.resolvers", &address.to_string(), "run"]);
    command.env("RFC2136_NAMESERVER", address.to_string()).env("RFC2136_TSIG_KEY", "sha512");
    command.env("RFC2136_TSIG_ALGORITHM", "hmac-sha512.").env("RFC2136_TSIG_SECRET", SECRET);
    command.env("RFC2136_POLLING_INTERVAL", "1").env("RFC2136_SEQUENCE_INTERVAL", "1");
    ca.run(command);
    let chain = ca.client().join("certificates/_.example.test.crt");
    ca.accepts(&chain, &["*.example.test", "example.test"]);
}
