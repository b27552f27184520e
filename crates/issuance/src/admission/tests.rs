#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jamul_api::admission::{AdmissionRequest, GroupVersionKind, UserInfo};
use jamul_api::condition::Condition;
use serde_json::{Value, json};

use super::*;
use crate::testing;

fn question(group: &str, kind: &str, old: Value, new: Value) -> AdmissionRequest {
    AdmissionRequest {
        kind: GroupVersionKind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() },
        operation: if old.is_null() { "CREATE" } else { "UPDATE" }.to_owned(),
        namespace: "shop".to_owned(),
        user_info: UserInfo {
            username: "ann".to_owned(),
            groups: vec!["system:authenticated".to_owned()],
            ..UserInfo::default()
        },
        object: new,
        old_object: old,
        ..AdmissionRequest::default()
    }
}

/// Empty when it may be written.
fn message(judgement: Judgement) -> String {
    match judgement {
        Judgement::Decided(decision) => decision.refused.map(|refusal| refusal.message).unwrap_or_default(),
        Judgement::IfApproved(approval) => approval.forbidden().refused.unwrap().message,
    }
}

fn request() -> Value {
    let certificate = testing::certificate(&["web.example"]);
    serde_json::to_value(testing::request(&certificate, &testing::key())).unwrap()
}

fn of_request(old: Value, new: Value) -> String {
    message(validate(&question("cert-manager.io", "CertificateRequest", old, new)))
}

#[test]
fn a_certificate_is_refused_by_field_and_several_problems_stand_in_brackets() {
    let mut certificate = testing::certificate(&["web.example"]);
    let check = |certificate: &jamul_api::Certificate, old: Value| {
        let new = serde_json::to_value(certificate).unwrap();
        message(validate(&question("cert-manager.io", "Certificate", old, new)))
    };
    assert_eq!(check(&certificate, Value::Null), "");
    certificate.spec.secret_name.clear();
    assert_eq!(check(&certificate, Value::Null), "spec.secretName: Required value: must be specified");
    certificate.spec.issuer_ref.name.clear();
    assert!(
        check(&certificate, Value::Null).starts_with("[spec.secretName: Required value: must be specified, ")
    );
    let as_it_was = serde_json::to_value(&certificate).unwrap();
    assert_eq!(check(&certificate, as_it_was), "", "its status must not be stuck");
}

#[test]
fn a_new_request_names_its_author_and_cannot_name_another() {
    let asked = question("cert-manager.io", "CertificateRequest", Value::Null, request());
    let patch: Value = serde_json::from_slice(&mutate(&asked).patch.unwrap().0).unwrap();
    assert_eq!(patch[0], json!({ "op": "add", "path": "/spec/username", "value": "ann" }));
    assert_eq!(message(validate(&asked)), "");
    let mut forged = request();
    forged["spec"]["username"] = json!("bob");
    assert_eq!(
        of_request(Value::Null, forged),
        "spec.username: Forbidden: username identity must be that of the requester"
    );
    let mut garbage = request();
    garbage["spec"]["request"] = json!("Z2FyYmFnZQ==");
    assert!(of_request(Value::Null, garbage).starts_with("spec.request: Invalid value: "));
}

#[test]
fn a_request_stays_as_it_was_made() {
    let (old, mut new) = (request(), request());
    new["spec"] = old["spec"].clone();
    new["spec"]["duration"] = json!("1h");
    assert_eq!(of_request(old.clone(), new), "spec: Forbidden: cannot change spec after creation");
    let mut new = old.clone();
    new["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": "other", "note": "a" });
    assert_eq!(
        of_request(old, new),
        "metadata.annotations.cert-manager.io/certificate-name: Forbidden: cannot change cert-manager annotation \
         after creation"
    );
}

#[test]
fn approving_is_a_right_and_is_done_once() {
    let with = |object: &Value, conditions: &[Condition]| {
        let mut object = object.clone();
        object["status"] = json!({ "conditions": conditions });
        object
    };
    let (old, yes) = (request(), Condition::new("Approved", true, "a", ""));
    let approved = with(&old, std::slice::from_ref(&yes));
    let Judgement::IfApproved(approval) =
        validate(&question("cert-manager.io", "CertificateRequest", old.clone(), approved.clone()))
    else {
        panic!("expected a question of rights");
    };
    assert_eq!(
        approval.signers("issuers", true),
        ["issuers.cert-manager.io/*", "issuers.cert-manager.io/shop.ca"]
    );
    assert_eq!(approval.signers("clusterissuers", false)[1], "clusterissuers.cert-manager.io/ca");
    assert_eq!(
        message(Judgement::IfApproved(approval)),
        "status.conditions: Forbidden: user \"ann\" does not have permissions to set approved/denied conditions for \
         issuer {ca  }"
    );
    assert_eq!(of_request(approved.clone(), approved.clone()), "", "it is said already");
    assert!(of_request(approved.clone(), old.clone()).contains("'Approved' condition may not be modified"));
    let both = with(&old, &[yes, Condition::new("Denied", true, "a", "")]);
    assert!(of_request(approved, both).contains("cannot coexist"));
    let no = with(&old, &[Condition::new("Denied", false, "a", "")]);
    assert!(of_request(old, no).contains("\"Denied\" condition must be true"));
}

#[test]
fn an_issuer_has_one_type_and_each_solver_one_way() {
    let check = |spec: Value| {
        message(validate(&question("cert-manager.io", "ClusterIssuer", Value::Null, json!({ "spec": spec }))))
    };
    assert_eq!(check(json!({})), "spec: Required value: at least one issuer must be configured");
    assert_eq!(
        check(json!({ "selfSigned": {}, "vault": {} })),
        "spec.vault: Forbidden: may not specify more than one issuer type"
    );
    assert_eq!(check(json!({ "vault": { "server": "https://vault" } })), "");
    let acme = |solver: Value| {
        check(
            json!({ "acme": { "server": "https://ca", "privateKeySecretRef": { "name": "a" }, "solvers": [solver] } }),
        )
    };
    assert_eq!(acme(json!({ "http01": { "ingress": {} } })), "");
    assert_eq!(acme(json!({})), "spec.acme.solvers[0]: Required value: no solver type configured");
    assert_eq!(
        acme(json!({ "dns01": { "cloudflare": {}, "route53": {}, "cnameStrategy": "Follow" } })),
        "spec.acme.solvers[0].dns01.route53: Forbidden: may not specify more than one provider type"
    );
    assert_eq!(
        check(json!({ "acme": { "server": "https://ca" } })),
        "spec.acme.privateKeySecretRef.name: Required value: private key secret name is a required field"
    );
}

#[test]
fn orders_and_challenges_do_not_become_others() {
    let group = "acme.cert-manager.io";
    let order = |url: &str| json!({ "spec": { "request": "YQ==" }, "status": { "url": url } });
    let check = |old: Value, new: Value| message(validate(&question(group, "Order", old, new)));
    assert_eq!(check(order(""), order("https://ca/1")), "");
    assert_eq!(
        check(order("https://ca/1"), order("https://ca/2")),
        "status.url: Forbidden: field is immutable once set"
    );
    let challenge = |token: &str| json!({ "spec": { "token": token } });
    let asked = question(group, "Challenge", challenge("a"), challenge("b"));
    assert_eq!(message(validate(&asked)), "spec: Forbidden: challenge spec is immutable after creation");
    let mut leaving = asked;
    leaving.object["metadata"] = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
    assert_eq!(message(validate(&leaving)), "");
}
