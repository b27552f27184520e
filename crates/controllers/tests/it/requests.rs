//! CertificateRequests that somebody else approves, denies, signs or makes.

use std::sync::Arc;

use jamul_api::condition::{self, Condition};
use jamul_api::core::{ByteString, Time};
use jamul_api::issuer::IssuerRef;
use jamul_api::request::CertificateRequestSpec;
use jamul_api::{Certificate, CertificateRequest, Object, names};
use jamul_pki::{KeyAlgorithm, PrivateKey, RequestTemplate, San};
use jiff::Timestamp;
use serde_json::json;

use crate::stage::{Authority, Stage, World, certificate, issuer, metadata};

fn has(request: &CertificateRequest, type_: &str) -> Option<Condition> {
    condition::find(&request.status.as_ref()?.conditions, type_).cloned()
}

/// Sets a condition as `cmctl` and external controllers do: in the status, beside what is there.
async fn set(stage: &Stage, name: &str, conditions: &[Condition], chain: Option<String>) {
    let request = stage.until::<CertificateRequest, _>(name, |request| Some(request.clone())).await;
    let mut status = request.status.clone().unwrap_or_default();
    for condition in conditions {
        condition::set(&mut status.conditions, condition.clone(), &Time(Timestamp::now()));
    }
    status.certificate = chain.map(|chain| ByteString(chain.into_bytes()));
    stage.store.set_status(&CertificateRequest { status: Some(status), ..request }).await.unwrap();
}

#[tokio::test]
async fn an_external_controller_issues_through_the_request_that_it_finds_approved() {
    let stage = Stage::new("*", Arc::new(World::default()));
    let external = IssuerRef {
        name: "step".to_owned(),
        kind: "StepIssuer".to_owned(),
        group: "certmanager.step.sm".to_owned(),
    };
    let mut wanted = certificate("web", "");
    wanted.spec.issuer_ref = external.clone();
    stage.put(wanted).await;
    stage
        .play(async {
            let request = stage
                .until::<CertificateRequest, _>("web-1", |request| {
                    has(request, "Approved").is_some_and(|found| found.is_true()).then(|| request.clone())
                })
                .await;
            assert_eq!(request.spec.issuer_ref, external, "as it was written");
            assert!(has(&request, "Ready").is_none(), "it is not ours to judge");
            let chain =
                Authority::new().sign(&String::from_utf8_lossy(&request.spec.request.0)).to_pem().unwrap();
            set(&stage, "web-1", &[Condition::new("Ready", true, "Issued", "")], Some(chain)).await;
            stage.certificate("web", "Ready", true).await;
            let secret = stage.secret("web");
            assert_eq!(secret.annotation(names::ISSUER_GROUP), Some("certmanager.step.sm"));
            assert_eq!(secret.annotation(names::ISSUER_KIND), Some("StepIssuer"));
        })
        .await;
}

#[tokio::test]
async fn without_the_approver_requests_wait_until_they_are_approved_or_denied_as_by_cmctl() {
    let stage = Stage::new("*,-certificaterequests-approver", Arc::new(World::default()));
    stage.put(issuer("own", &json!({ "selfSigned": {} }))).await;
    stage.put(certificate("web", "own")).await;
    stage.put(certificate("api", "own")).await;
    stage
        .play(async {
            let message = "manually approved by a person";
            for name in ["web-1", "api-1"] {
                stage.until::<CertificateRequest, _>(name, |_| Some(())).await;
            }
            let approved = Condition::new("Approved", true, "KubectlCertManager", message);
            set(&stage, "web-1", &[approved], None).await;
            stage.certificate("web", "Ready", true).await;
            let denied = Condition::new("Denied", true, "KubectlCertManager", "not in this house");
            set(&stage, "api-1", &[denied], None).await;
            let failed = stage.certificate("api", "Issuing", false).await;
            assert!(failed.message.contains("not in this house"), "{failed:?}");
            assert!(stage.reasons().contains(&"WaitingForApproval".to_owned()), "{:?}", stage.reasons());
        })
        .await;
}

#[tokio::test]
async fn a_request_that_was_given_directly_is_signed_without_any_certificate() {
    let stage = Stage::new("*", Arc::new(World::default()));
    let authority = Authority::new();
    stage.put(authority.secret("pair")).await;
    stage.put(issuer("ca", &json!({ "ca": { "secretName": "pair" } }))).await;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let template =
        RequestTemplate { sans: vec![San::Dns("pod.localhost".to_owned())], ..RequestTemplate::default() };
    let pem = template.sign(&key).unwrap().to_pem().unwrap();
    stage
        .put(CertificateRequest {
            metadata: metadata("pod"),
            spec: CertificateRequestSpec {
                request: ByteString(pem.into_bytes()),
                issuer_ref: IssuerRef { name: "ca".to_owned(), ..IssuerRef::default() },
                duration: Some("1h".to_owned()),
                usages: vec!["client auth".to_owned()],
                ..CertificateRequestSpec::default()
            },
            status: None,
        })
        .await;
    stage
        .play(async {
            let status = stage
                .until::<CertificateRequest, _>("pod", |request| {
                    request.status.clone().filter(|status| status.certificate.is_some())
                })
                .await;
            let pem = String::from_utf8(status.certificate.unwrap().0).unwrap();
            let leaf = jamul_pki::Certificate::from_pem(&pem).unwrap();
            assert!(leaf.is_issued_by(&authority.certificate) && *leaf.public_key() == key.public_key());
            assert!(status.ca.is_some());
            assert!(stage.store.list::<Certificate>().is_empty());
        })
        .await;
}
