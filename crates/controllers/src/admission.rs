//! Webhooks: a question of an API server, and the answer of `translate` or `issuance`.

use jamul_api::admission::{AdmissionRequest, AdmissionReview, Decision};
use jamul_api::core::Ingress;
use jamul_api::names;
use jamul_issuance::admission::{self, Approval, Judgement};
use jamul_store::{ApiFailure, Right, ServedKind, Store};

use crate::context::Context;

/// The answer to an `AdmissionReview` that came to `path`; `None` where there is no such webhook. What is not understood
/// is refused: who configures the webhook decides by its failure policy what that means.
///
/// # Errors
/// Why `review` is no question.
pub async fn answer(context: &Context, path: &str, review: &[u8]) -> Result<Option<AdmissionReview>, String> {
    let ask = |review: &[u8]| -> Result<AdmissionRequest, String> {
        let review: AdmissionReview = serde_json::from_slice(review).map_err(|error| error.to_string())?;
        review.request.ok_or_else(|| "it has no request".to_owned())
    };
    let (question, decision) = match path {
        "/networking/v1/ingresses" => {
            let question = ask(review)?;
            let decision = ingress(context, &question);
            (question, decision)
        }
        "/validate" => {
            let question = ask(review)?;
            let decision = match admission::validate(&question) {
                Judgement::Decided(decision) => decision,
                Judgement::IfApproved(approval) => approve(&context.store, &approval).await,
            };
            (question, decision)
        }
        "/mutate" => {
            let question = ask(review)?;
            let decision = admission::mutate(&question);
            (question, decision)
        }
        _ => return Ok(None),
    };
    Ok(Some(AdmissionReview::answer(question.uid, decision)))
}

fn ingress(context: &Context, question: &AdmissionRequest) -> Decision {
    let is_ingress = question.kind.group == "networking.k8s.io" && question.kind.kind == "Ingress";
    let is_leaving =
        question.object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    if !is_ingress || is_leaving || !matches!(question.operation.as_str(), "CREATE" | "UPDATE") {
        return Decision::default();
    }
    let mut ingress: Ingress = match serde_json::from_value(question.object.clone()) {
        Ok(ingress) => ingress,
        Err(error) => return Decision::refuse(400, "BadRequest", format!("this is no Ingress: {error}")),
    };
    // With a generated name there is none yet.
    ingress.metadata.namespace = Some(question.namespace.clone());
    let admission = context.admit(&ingress);
    if admission.refusals.is_empty() {
        return Decision { warnings: admission.warnings, ..Decision::default() };
    }
    Decision::refuse(400, "BadRequest", admission.refusals.join("\n"))
}

async fn approve(store: &Store, approval: &Approval) -> Decision {
    match is_approver(store, approval).await {
        Ok(Some(true)) => Decision::default(),
        Ok(Some(false)) => approval.forbidden(),
        Ok(None) => approval.unknown(),
        Err(failure) => {
            Decision::refuse(500, "InternalError", format!("rights could not be asked for: {failure}"))
        }
    }
}

/// `None` when nobody serves that kind of issuers.
async fn is_approver(store: &Store, approval: &Approval) -> Result<Option<bool>, ApiFailure> {
    let cluster = match store {
        Store::Cluster(cluster) => cluster,
        // Whoever can write there is its owner.
        Store::Folder(_) | Store::Memory(_) => return Ok(Some(true)),
    };
    let (group, kind) = (approval.issuer.group(), approval.issuer.kind());
    let ours = |plural: &str, is_namespaced| ServedKind { plural: plural.to_owned(), is_namespaced };
    let served = match (group, kind) {
        (names::CERT_MANAGER_GROUP, "Issuer") => Some(ours("issuers", true)),
        (names::CERT_MANAGER_GROUP, "ClusterIssuer") => Some(ours("clusterissuers", false)),
        _ => cluster.served(group, kind).await?,
    };
    let Some(served) = served else { return Ok(None) };
    for name in &approval.signers(&served.plural, served.is_namespaced) {
        let right = Right {
            user: &approval.author,
            verb: "approve",
            group: names::CERT_MANAGER_GROUP,
            resource: "signers",
            name,
        };
        if cluster.has_right(&right).await? {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}
