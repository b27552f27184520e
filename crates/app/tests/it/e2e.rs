//! The built binary as a process, judged by curl.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod stage;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use tempfile::TempDir;

use stage::{Blog, PATIENCE, Process, free_addresses};

#[test]
fn demo_plays_the_story_to_the_first_verified_answer() {
    let dir = TempDir::new().unwrap();
    let demo = Process::jamul(["demo", "--once", "--dir", dir.path().to_str().unwrap()]);
    let (status, output) = demo.end(Duration::from_secs(70));
    assert!(status.success(), "{output}");
    for step in ["account ", "order ", "challenge ", "validation ", "certificate ", "-> 200", "curl --cacert"]
    {
        assert!(output.contains(step), "no {step:?} in:\n{output}");
    }
    assert!(dir.path().join("state/acme-ca/root.pem").is_file());

    // What was made can be looked at afterwards, too.
    let state = dir.path().join("state");
    let ask = |arguments: &[&str]| {
        let process = Process::jamul(arguments.iter().copied().chain(["--state", state.to_str().unwrap()]));
        process.end(Duration::from_secs(10))
    };
    let (status, walk) = ask(&["cert", "status", "example-tls"]);
    assert!(status.success(), "{walk}");
    for object in ["Ready=True", "CertificateRequest", "Order", "valid", "Secret", "exists"] {
        assert!(walk.contains(object), "no {object:?} in:\n{walk}");
    }
    let (status, certificates) = ask(&["get", "certs", "-o", "json"]);
    assert!(status.success() && certificates.contains("\"secretName\": \"example-tls\""), "{certificates}");
    let (status, secrets) = ask(&["get", "secrets"]);
    assert!(status.success() && secrets.contains("kubernetes.io/tls"), "{secrets}");
    let (status, inspection) = ask(&["cert", "inspect", "example-tls"]);
    assert!(status.success(), "{inspection}");
    for word in ["fits the certificate", "server auth", "hello.localhost", "not before 2"] {
        assert!(inspection.contains(word), "no {word:?} in:\n{inspection}");
    }
    assert!(!inspection.contains("PRIVATE KEY"), "{inspection}");
    let (status, refusal) = ask(&["cert", "renew", "example-tls"]);
    let expected = format!("error: no process runs on the state {}", state.display());
    assert!(status.code() == Some(1) && refusal.starts_with(&expected), "{refusal}");
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
    let (status, refusal) = ask(&["cert", "status", "nope"]);
    assert_eq!(status.code(), Some(1), "{refusal}");
    assert!(refusal.contains("Certificate default/nope does not exist"), "{refusal}");
}

#[test]
fn folder_becomes_https_and_a_restart_goes_on_with_the_same_certificate() {
    let blog = Blog::new(None);
    let inside = ["--acme-ca".to_owned(), blog.ca.to_string()];
    let inside = inside.each_ref().map(String::as_str);
    let root = blog.state().join("acme-ca/root.pem");

    let mut run = blog.run(&inside);
    let issued = run.until("a certificate in the Secret", || blog.certificate());
    assert_eq!(blog.until_served(&mut run, &root), "hello");

    // Plain http leads to https, and challenges that nobody expects are not answered.
    let location = blog.curl(&blog.http_url("/a?b=c"), &root, "\n%{http_code} %{redirect_url}");
    assert!(location.ends_with(&format!("\n308 {}", blog.https_url("/a?b=c"))), "{location}");

    // A file that does not parse is reported by name; what was good stays.
    blog.write("ingress.yaml", "kind: [Ingress\n");
    run.until("a diagnostic that names the file", || {
        blog.diagnostics().contains("ingress.yaml").then_some(())
    });
    assert_eq!(blog.get(&blog.https_url("/"), &root), (200, "hello".to_owned()));

    run.terminate();
    let (status, output) = run.end(PATIENCE);
    assert!(status.success(), "{output}");

    let mut again = blog.run(&inside);
    blog.until_served(&mut again, &root);
    let served = blog.curl(&blog.https_url("/"), &root, "\n%{certs}");
    let leaf = |text: &str| {
        let from = text.find("-----BEGIN").unwrap();
        text[from..].split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned()
    };
    assert_eq!(leaf(&served), leaf(&issued));
    assert_eq!(blog.certificate().unwrap(), issued);
}

#[test]
fn a_certificate_is_renewed_on_demand_and_the_running_process_explains_itself() {
    let blog = Blog::new(None);
    let inside = ["--acme-ca".to_owned(), blog.ca.to_string()];
    let inside = inside.each_ref().map(String::as_str);
    let root = blog.state().join("acme-ca/root.pem");
    let mut run = blog.run(&inside);
    blog.until_served(&mut run, &root);
    let issued = blog.certificate();

    let state = blog.state();
    let place = ["--state", state.to_str().unwrap()];
    let ask = |arguments: &[&str]| Process::jamul(arguments.iter().copied()).end(PATIENCE);
    let (status, answer) = ask(&[&["cert", "renew", "example-tls"], &place[..]].concat());
    assert!(status.success(), "{answer}");
    assert_eq!(answer, "Manually triggered issuance of Certificate default/example-tls\n");
    run.until("another certificate", || blog.certificate().filter(|now| Some(now) != issued.as_ref()));
    assert_eq!(blog.get(&blog.https_url("/"), &root), (200, "hello".to_owned()));
    let (status, refusal) = ask(&[&["cert", "renew", "nope"], &place[..]].concat());
    assert!(
        status.code() == Some(1) && refusal == "error: Certificate default/nope does not exist\n",
        "{refusal}"
    );

    let admin = format!("http://{}", blog.admin());
    let (status, metrics) = blog.get(&format!("{admin}/metrics"), &root);
    for series in [
        r#"certmanager_certificate_ready_status{condition="True","#,
        r#"certmanager_http_acme_client_request_count{action="authorize_order","#,
        "certmanager_http_acme_client_request_duration_seconds_sum{",
        r#"certmanager_controller_sync_call_count{controller="orders"}"#,
        r#"jamul_certificate_issuances_total{result="issued"} 2"#,
    ] {
        assert!(status == 200 && metrics.contains(series), "no {series:?} in:\n{metrics}");
    }
    let (status, told) = ask(&["explain", &blog.https_url("/a"), "--admin", &admin]);
    assert!(status.success(), "{told}");
    for line in [
        "path         Prefix /\n",
        "service      default/hello:80",
        "certificate  Secret default/example-tls",
    ] {
        assert!(told.contains(line), "no {line:?} in:\n{told}");
    }
    let (_, from_folder) = ask(&[
        "explain",
        &blog.https_url("/a"),
        "--manifests",
        blog.manifests().to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
    ]);
    assert_eq!(from_folder, told);

    run.terminate();
    let (status, output) = run.end(PATIENCE);
    assert!(status.success(), "{output}");
    assert!(!state.join("control.sock").exists());
}

#[test]
fn requests_can_be_watched_as_they_are_answered() {
    let blog = Blog::new(None);
    let mut run = blog.run(&[]);
    run.until("it is ready", || blog.is_ready().then_some(()));
    let admin = format!("http://{}", blog.admin());
    let mut tap = Process::jamul(["tap", "--admin", &admin, "--status", "3xx"]);
    let root = blog.state();
    let seen = tap.hears("a request", |seen| {
        blog.curl(&blog.http_url("/a?token=secret"), &root, "");
        seen.contains('\n')
    });
    let expected = format!("GET {}:{}/a?... 308 ", Blog::HOST, blog.http_port());
    assert!(seen.contains(&expected), "no {expected:?} in:\n{seen}");
    assert!(
        seen.contains("[example.localhost Prefix /] answered by ssl-redirect") && !seen.contains("secret"),
        "{seen}"
    );
    tap.terminate();
    let (status, output) = tap.end(PATIENCE);
    assert!(status.success(), "{output}");

    let mut top = Process::jamul(["top", "--admin", &admin, "--interval", "100ms"]);
    let tables = top.hears("two tables", |seen| seen.matches("INGRESS").count() > 1);
    assert!(tables.contains("default/hello"), "{tables}");
    top.terminate();
    let (status, output) = top.end(PATIENCE);
    assert!(status.success(), "{output}");

    let page = blog.ask("/").unwrap();
    assert!(page.contains("script-src 'self'") && page.contains("/dashboard/app.js"), "{page}");
    for file in ["/dashboard/app.js", "/dashboard/style.css"] {
        assert!(blog.ask(file).unwrap().starts_with("HTTP/1.1 200"), "{file}");
    }

    run.terminate();
    let (status, output) = run.end(PATIENCE);
    assert!(status.success(), "{output}");
    let (status, refusal) = Process::jamul(["top", "--admin", &admin]).end(PATIENCE);
    let expected =
        format!("error: no running process at {admin}; start one, or name its admin port with --admin URL");
    assert!(status.code() == Some(1) && refusal.starts_with(&expected), "{refusal}");
}

#[test]
fn kill_while_an_order_is_under_way_costs_no_second_order() {
    let blog = Blog::new(None);
    let inside = ["--acme-ca".to_owned(), blog.ca.to_string()];
    let inside = inside.each_ref().map(String::as_str);
    let names = |kind: &str| blog.objects(kind);

    let mut run = blog.run(&inside);
    let orders = run.until("an Order", || Some(names(ORDERS)).filter(|orders| !orders.is_empty()));
    // SIGKILL: nothing can be written any more.
    drop(run);
    let was_issued = blog.certificate();

    let mut again = blog.run(&inside);
    again.until("a certificate in the Secret", || blog.certificate());
    blog.until_served(&mut again, &blog.state().join("acme-ca/root.pem"));
    assert_eq!(names(ORDERS), orders, "issued before the kill: {was_issued:?}");
    assert_eq!(names(REQUESTS).len(), 1);
}

const ORDERS: &str = "orders.acme.cert-manager.io";
const REQUESTS: &str = "certificaterequests.cert-manager.io";

#[test]
fn an_acme_server_that_cannot_be_reached_is_named_by_cert_status() {
    let [away] = free_addresses();
    let blog = Blog::new(Some(&format!("https://{away}/directory")));
    let mut run = blog.run(&[]);
    let expected = format!(
        "Issuer local-ca: no answer from https://{away}/directory: cannot reach https://{away}/directory: cannot connect to \
         {away}: Connection refused (os error 111)"
    );
    let mut last = None;
    run.until("the reason", || {
        last = blog.waits_for("example-tls");
        last.as_ref().filter(|why| why.contains("refused")).map(|_| ())
    });
    assert_eq!(last.as_deref(), Some(expected.as_str()));
}

#[test]
fn a_ca_that_refuses_the_name_is_quoted_by_cert_status() {
    let blog = Blog::new(None);
    let inside = ["--acme-ca".to_owned(), blog.ca.to_string()];
    let ingress = blog.read("ingress.yaml").replace(Blog::HOST, "example.123");
    blog.write("ingress.yaml", &ingress);
    let mut run = blog.run(&inside.each_ref().map(String::as_str));
    let mut last = String::new();
    run.until("the reason", || {
        last = blog.waits_for("example-tls")?;
        last.contains("DNS name").then_some(())
    });
    let expected = "\"example.123\" is not a DNS name: its last label is a number; an address is an identifier of type ip";
    assert!(last.starts_with("Order example-tls-1-") && last.contains(expected), "{last}");
    // The Certificate hears of it after the Order.
    let state = blog.state();
    let arguments = ["cert", "status", "example-tls", "--state", state.to_str().unwrap()];
    run.until("the next attempt", || {
        let (_, walk) = Process::jamul(arguments).end(PATIENCE);
        let is_next = |line: &str| line.starts_with("next attempt: 2") && line.ends_with("after 1 failed");
        walk.lines().any(is_next).then_some(())
    });
}

#[test]
fn second_process_on_the_same_state_is_refused() {
    let (first, mut second) = (Blog::new(None), Blog::new(None));
    let mut run = first.run(&[]);
    run.until("the state is locked", || first.is_ready().then_some(()));
    second.share_state_of(&first);
    let state = first.state();
    let why = "is in use by another process; stop it or use another one";
    refused(second.run(&[]), &format!("the state folder {} {why}", state.display()));
}

#[test]
fn port_in_use_is_refused_by_its_address() {
    let blog = Blog::new(None);
    let taken = TcpListener::bind(("127.0.0.1", blog.http_port())).unwrap();
    let why = "is in use already; stop what listens there or choose another port: Address already in use (os error 98)";
    refused(blog.run(&[]), &format!("{} {why}", taken.local_addr().unwrap()));
}

#[test]
fn missing_manifests_folder_is_refused() {
    let blog = Blog::new(None);
    fs::remove_dir_all(blog.manifests()).unwrap();
    let why = "create it or name another one: No such file or directory (os error 2)";
    refused(
        blog.run(&[]),
        &format!("could not read the manifests folder {}; {why}", blog.manifests().display()),
    );
}

#[test]
fn state_that_cannot_be_a_folder_is_refused() {
    let blog = Blog::new(None);
    // Not by permissions: the superuser, as whom tests may run, has all of them.
    fs::write(blog.state(), "").unwrap();
    let why = "of the state folder; it must be writable for this user: File exists (os error 17)";
    refused(blog.run(&[]), &format!("could not use {} {why}", blog.state().display()));
}

/// Ends with exit status 1 and one line of standard error that says `why`, and nothing else.
fn refused(process: Process, why: &str) {
    let (status, output) = process.end(PATIENCE);
    assert_eq!(status.code(), Some(1), "{output}");
    let errors: Vec<&str> = output.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors, [format!("error: {why}")], "{output}");
}
