//! The laws of every store, and what only a folder does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod folder;
mod laws;

use std::time::Duration;

use jamul_api::core::{ByteString, Secret};
use jamul_api::{Certificate, CertificateRequest, Object, ObjectKey};
use jamul_store::{Change, Clock, Watch};
use jiff::Timestamp;

/// Long enough for a slow machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn clock() -> Clock {
    Clock::new(|| Timestamp::from_second(1_800_000_000).unwrap())
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn certificate(name: &str, host: &str) -> Certificate {
    let mut certificate = Certificate::default();
    certificate.metadata.namespace = Some("default".to_owned());
    certificate.metadata.name = Some(name.to_owned());
    certificate.spec.secret_name = format!("{name}-tls");
    certificate.spec.dns_names = vec![host.to_owned()];
    certificate
}

fn request(name: &str) -> CertificateRequest {
    let mut request = CertificateRequest::default();
    request.metadata.namespace = Some("default".to_owned());
    request.metadata.name = Some(name.to_owned());
    request.spec.request = ByteString(b"a request".to_vec());
    request
}

fn secret(name: &str, field: &str, value: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.namespace = Some("default".to_owned());
    secret.metadata.name = Some(name.to_owned());
    secret.data = Some([(field.to_owned(), ByteString(value.as_bytes().to_vec()))].into());
    secret
}

async fn next<K: Object>(watch: &mut Watch<K>) -> Change<K> {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("a change in time").expect("an open store")
}

/// Skips changes until one is as wanted.
async fn until<K: Object>(watch: &mut Watch<K>, is_wanted: impl Fn(&Change<K>) -> bool) -> Change<K> {
    loop {
        let change = next(watch).await;
        if is_wanted(&change) {
            return change;
        }
    }
}
