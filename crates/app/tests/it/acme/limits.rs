//! Our client and a CA that says no: limits, certificates that were replaced already, answers that are not ACME.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use jamul_api::core::ByteString;

use super::ca::Ca;
use crate::e2e::stage::{Blog, PATIENCE};

#[test]
fn a_limit_keeps_the_order_pending_and_is_told_with_its_end() {
    let blog = Blog::new(None);
    fs::remove_file(blog.manifests().join("ingress.yaml")).unwrap();
    // As large public CAs do, this one issues five times for the same names; these do not replace each other.
    let names: Vec<String> = (1..=6).map(|number| format!("same-{number}")).collect();
    let mut text = String::new();
    for name in &names {
        write!(
            text,
            "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: {name}}}\nspec:\n  \
             secretName: {name}\n  dnsNames: [example.localhost]\n  issuerRef: {{name: local-ca}}\n"
        )
        .unwrap();
    }
    blog.write("certificates.yaml", &text);
    let ca = Ca::looking_at((Ipv4Addr::LOCALHOST, blog.http_port()).into(), &["--rate-limits"]);
    let root = ByteString(fs::read(ca.root()).unwrap());
    let root = serde_json::to_value(root).unwrap();
    let issuer = blog.read("issuer.yaml").replace(&format!("https://{}/directory", blog.ca), &ca.directory());
    blog.write("issuer.yaml", &issuer.replace("    email:", &format!("    caBundle: {root}\n    email:")));
    let mut run = blog.run(&[]);
    let issued = |name: &&String| blog.secret(name, "tls.crt").is_some();
    run.until_within(Duration::from_secs(60), "five certificates", || {
        (names.iter().filter(issued).count() == 5).then_some(())
    });
    let limited = names.iter().find(|name| !issued(name)).unwrap();
    let mut told = String::new();
    run.until("the limit", || {
        told = blog.waits_for(limited)?;
        told.contains("rateLimited").then_some(())
    });
    assert!(told.starts_with("Order ") && told.contains("the next attempt is at 2"), "{told}");
    let order = blog
        .objects("orders.acme.cert-manager.io")
        .into_iter()
        .find(|name| name.starts_with(limited.as_str()));
    let file = blog.state().join(format!("objects/orders.acme.cert-manager.io/default/{}", order.unwrap()));
    let order = fs::read_to_string(file).unwrap();
    assert!(!order.contains("state: errored") && !order.contains("failureTime"), "{order}");
}

#[test]
fn a_certificate_that_was_replaced_already_is_renewed_all_the_same() {
    let blog = Blog::new(None);
    let ca = blog.ca.to_string();
    let secret = blog.state().join("objects/secrets/default/example-tls.yaml");
    let mut run = blog.run(&["--acme-ca", &ca]);
    let first = run.until("a certificate", || blog.certificate());
    let backup = fs::read_to_string(&secret).unwrap();
    blog.renew(&mut run, "example-tls");
    let second = run.until("another certificate", || blog.certificate().filter(|now| *now != first));
    run.terminate();
    run.end(PATIENCE);

    // The state of a backup: what it holds was replaced, which the CA remembers.
    fs::write(&secret, backup).unwrap();
    let mut again = blog.run(&["--acme-ca", &ca, "--log-level", "info"]);
    again.until("it is ready", || blog.is_ready().then_some(()));
    blog.renew(&mut again, "example-tls");
    let third = again
        .until("a third certificate", || blog.certificate().filter(|now| *now != first && *now != second));
    assert!(third.contains("BEGIN CERTIFICATE"));
    assert!(again.output().contains("ordering without `replaces`"), "{}", again.output());
}

#[test]
fn a_ca_that_answers_html_is_told_and_asked_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _client_is_gone = page(stream);
        }
    });
    let server = format!("http://{address}/directory");
    let blog = Blog::new(Some(&server));
    let mut run = blog.run(&[]);
    let mut told = String::new();
    run.until("the reason", || {
        told = blog.waits_for("example-tls")?;
        told.contains("not ACME").then_some(())
    });
    assert!(told.starts_with("Issuer local-ca: ") && told.contains(&server), "{told}");

    // The page goes away, and the CA is there: nobody has to say so.
    blog.write(
        "issuer.yaml",
        &blog.read("issuer.yaml").replace(&server, &format!("https://{}/directory", blog.ca)),
    );
    drop(run);
    let mut run = blog.run(&["--acme-ca", &blog.ca.to_string()]);
    run.until("a certificate", || blog.certificate());
}

fn page(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let body = "<html><body>Sign in to the network</body></html>";
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close"
    );
    write!(stream, "{head}\r\n\r\n{body}")
}
