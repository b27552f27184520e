//! The built binary as a process, judged by programs that are not ours: curl, Pebble, certbot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod stage;

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use jamul_api::core::ByteString;
use tempfile::TempDir;

use stage::{Blog, PATIENCE, Process, free_addresses, listens, peer};

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

/// What `cert status` says that the blog's certificate waits for.
fn waits_for(blog: &Blog) -> Option<String> {
    let state = blog.state();
    let arguments = ["cert", "status", "example-tls", "--state", state.to_str().unwrap()];
    let (_, walk) = Process::jamul(arguments).end(PATIENCE);
    walk.lines().find_map(|line| line.strip_prefix("waits for: ")).map(ToOwned::to_owned)
}

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
        last = waits_for(&blog);
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
        last = waits_for(&blog)?;
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

#[test]
fn blog_folder_gets_its_certificate_from_pebble() {
    let (Some(pebble), Some(dns)) = (peer("JAMUL_PEBBLE"), peer("JAMUL_CHALLTESTSRV")) else { return };
    let [directory, management, dns_server, dns_management, unused] = free_addresses();
    let blog = Blog::new(Some(&format!("https://{directory}/dir")));

    // Pebble's own certificate, which the Issuer trusts by its caBundle.
    let dir = TempDir::new().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (own_file, key_file, config) =
        (dir.path().join("cert.pem"), dir.path().join("key.pem"), dir.path().join("config"));
    fs::write(&own_file, own.cert.pem()).unwrap();
    fs::write(&key_file, own.signing_key.serialize_pem()).unwrap();
    let settings = serde_json::json!({"pebble": {
        "listenAddress": directory.to_string(),
        "managementListenAddress": management.to_string(),
        "certificate": own_file,
        "privateKey": key_file,
        "httpPort": blog.http_port(),
        "tlsPort": unused.port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
        "retryAfter": {"authz": 1, "order": 1},
        "keyAlgorithm": "ecdsa",
    }});
    fs::write(&config, settings.to_string()).unwrap();
    let bundle = serde_json::to_value(ByteString(own.cert.pem().into_bytes())).unwrap();
    let issuer =
        blog.read("issuer.yaml").replace("    email:", &format!("    caBundle: {bundle}\n    email:"));
    blog.write("issuer.yaml", &issuer);

    let mut command = Command::new(dns);
    command.arg("-dnsserver").arg(dns_server.to_string()).arg("-management").arg(dns_management.to_string());
    command.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
    // Nothing but DNS is wanted of it.
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
    let mut dns = Process::start(command);
    dns.until("the DNS answers", || listens(dns_management).then_some(()));
    let mut command = Command::new(pebble);
    command.arg("-config").arg(&config).arg("-dnsserver").arg(dns_server.to_string());
    command.env("PEBBLE_VA_NOSLEEP", "1");
    let mut pebble = Process::start(command);
    pebble.until("Pebble listens", || (listens(directory) && listens(management)).then_some(()));

    let mut run = blog.run(&[]);
    run.until("a certificate in the Secret", || blog.certificate());
    let root = dir.path().join("root.pem");
    fs::write(&root, blog.curl(&format!("https://{management}/roots/0"), &own_file, "")).unwrap();
    assert_eq!(blog.until_served(&mut run, &root), "hello");
}
