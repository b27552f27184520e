//! Start with many Ingresses, and how soon a new one is live.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::lab::{ADDRESS, Lab};

const NAMESPACE: &str = "bench-routes";
/// How many are added one by one.
const ROUNDS: usize = 50;

pub(crate) async fn measure(lab: &Lab, size: usize) -> Result<()> {
    lab.namespace(NAMESPACE).await?;
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] } });
    lab.create(&format!("/api/v1/namespaces/{NAMESPACE}/services"), vec![service]).await?;
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses");
    lab.create(&path, (0..size).map(|number| ingress(&format!("app-{number}"))).collect()).await?;

    let began = Instant::now();
    let run = lab.run(NAMESPACE)?;
    lab.until("ready", async || (answer(10254, "x", "/readyz") == Some(200)).then_some(())).await?;
    let ready = began.elapsed();
    let idle = run.memory()?;
    let cpu = run.cpu()?;
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("new-{round}");
        lab.create(&path, vec![ingress(&name)]).await?;
        let began = Instant::now();
        // Without endpoints the answer of a route is 503, and of no route 404.
        while answer(80, &format!("{name}.example.com"), "/") != Some(503) {
            if began.elapsed() > Duration::from_secs(60) {
                anyhow::bail!("{name} is not served");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        waits.push(began.elapsed());
    }
    let spent = run.cpu()?.saturating_sub(cpu);
    waits.sort();
    let at = |part: usize| waits.get(part).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    println!(
        "{size} Ingresses: ready after {:.2} s, {idle:.0} MiB; a new one is live after p50 {:.1} ms, p90 {:.1} ms, at most {:.1} \
         ms; {:.1} ms CPU each (with the requests that look)",
        ready.as_secs_f64(),
        at(ROUNDS / 2),
        at(ROUNDS * 9 / 10),
        at(ROUNDS - 1),
        spent.as_secs_f64() * 1000.0 / ROUNDS as f64,
    );
    run.stop().map(|_| ())
}

fn ingress(name: &str) -> Value {
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name }, "spec": {
        "ingressClassName": "nginx", "rules": [{ "host": format!("{name}.example.com"),
        "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }] } })
}

/// Status of an answer, if there is one.
fn answer(port: u16, host: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((ADDRESS, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(head.get(9..)?).ok()?.parse().ok()
}
