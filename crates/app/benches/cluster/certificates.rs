//! Many Certificates of a CA issuer at once.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::lab::Lab;

const NAMESPACE: &str = "bench-certificates";

pub(crate) async fn measure(lab: &Lab, count: usize) -> Result<()> {
    lab.namespace(NAMESPACE).await?;
    let run = lab.run(NAMESPACE)?;
    let base = format!("/apis/cert-manager.io/v1/namespaces/{NAMESPACE}");
    let issuer = |name: &str, spec: Value| json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": name }, "spec": spec });
    lab.create(&format!("{base}/issuers"), vec![issuer("own", json!({ "selfSigned": {} }))]).await?;
    let ca = json!({ "metadata": { "name": "ca" }, "spec": { "secretName": "ca", "isCA": true, "commonName": "ca",
        "privateKey": { "algorithm": "ECDSA" }, "issuerRef": { "name": "own" } } });
    let kind = |mut certificate: Value| {
        certificate["apiVersion"] = "cert-manager.io/v1".into();
        certificate["kind"] = "Certificate".into();
        certificate
    };
    lab.create(&format!("{base}/certificates"), vec![kind(ca)]).await?;
    lab.create(&format!("{base}/issuers"), vec![issuer("ca", json!({ "ca": { "secretName": "ca" } }))])
        .await?;
    let path = format!("{base}/certificates");
    lab.until("the CA", async || (ready(&lab.get(&path).await.ok()?) == 1).then_some(())).await?;

    let (writes, cpu) = (lab.writes().await?, run.cpu()?);
    let certificates = (0..count).map(|number| {
        kind(json!({ "metadata": { "name": format!("web-{number}") }, "spec": {
            "secretName": format!("web-{number}"), "dnsNames": [format!("web-{number}.example.com")],
            "privateKey": { "algorithm": "ECDSA" }, "issuerRef": { "name": "ca" } } }))
    });
    let began = Instant::now();
    lab.create(&path, certificates.collect()).await?;
    let created = began.elapsed();
    lab.until("all are ready", async || (ready(&lab.get(&path).await.ok()?) == count + 1).then_some(()))
        .await?;
    let took = began.elapsed();
    let cpu = run.cpu()?.saturating_sub(cpu);
    let memory = run.memory()?;
    // Events are written after what they tell of.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let after = lab.writes().await?;
    let each = |resource: &str| {
        let [before, after] = [&writes, &after].map(|writes| writes.get(resource).copied().unwrap_or(0));
        after.saturating_sub(before) as f64 / count as f64
    };
    let ours = each("certificates") - 1.0;
    let [requests, secrets, events] = ["certificaterequests", "secrets", "events"].map(each);
    println!(
        "{count} Certificates: {:.1}/s ({:.1} s, of which {:.1} s to create them); per certificate {:.1} ms CPU, {:.1} writes \
         (Certificate {ours:.1}, CertificateRequest {requests:.1}, Secret {secrets:.1}, Event {events:.1}); {memory:.0} MiB",
        count as f64 / took.as_secs_f64(),
        took.as_secs_f64(),
        created.as_secs_f64(),
        cpu.as_secs_f64() * 1000.0 / count as f64,
        ours + requests + secrets + events,
    );
    run.stop().map(|_| ())
}

/// How many are.
fn ready(list: &Value) -> usize {
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    let is_ready = |item: &&Value| {
        let conditions = item.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    items.filter(is_ready).count()
}
