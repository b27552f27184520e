//! One certificate from its request to its Secret: where it stands and what it waits for.

use jamul_api::certificate::RenewalInfoStatus;
use jamul_api::condition::{self, Condition};
use jamul_api::core::Secret;
use jamul_api::{
    Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Object, ObjectKey, Order,
};
use jamul_issuance::policy;
use jamul_store::Store;
use serde::Serialize;

use crate::{admin, output};

/// Where a Certificate stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertStatus {
    namespace: String,
    name: String,
    ready: bool,
    /// What it waits for or why it failed, from the object nearest to the cause; `null` when it is ready.
    waits_for: Option<String>,
    /// After failures.
    next_attempt: Option<String>,
    failed_attempts: i32,
    renewal_time: Option<String>,
    /// What the ACME server suggests: a window, or why it suggests nothing.
    suggested_renewal: Option<String>,
    /// From the Certificate to its Secret.
    steps: Vec<StepView>,
}

/// One object on the way.
#[derive(Clone, Debug, Serialize)]
struct StepView {
    kind: &'static str,
    name: String,
    state: String,
    reason: String,
    message: String,
}

/// Walks from `certificate` to its Secret.
pub(super) fn of(store: &Store, certificate: &Certificate) -> CertStatus {
    let key = certificate.key();
    let conditions =
        certificate.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = condition::find(conditions, "Ready");
    let mut steps: Vec<StepView> = ["Issuing", "Ready"]
        .iter()
        .filter_map(|type_| condition::find(conditions, type_))
        .map(|found| StepView::condition("Certificate", &key.name, Some(found)))
        .collect();
    if steps.is_empty() {
        steps.push(StepView::condition("Certificate", &key.name, None));
    }
    steps.push(issuer(store, certificate));
    let request = newest::<CertificateRequest, _>(store, certificate);
    let order = request.as_deref().and_then(|request| newest::<Order, _>(store, request));
    if let Some(request) = &request {
        let conditions =
            request.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let decisive = ["Denied", "InvalidRequest", "Ready"].iter();
        let found = decisive.filter_map(|type_| condition::find(conditions, type_)).next();
        steps.push(StepView::condition("CertificateRequest", &request.key().name, found));
    }
    if let Some(order) = &order {
        steps.push(self::order(order));
        let challenges = store.list::<Challenge>();
        let own = challenges.iter().filter(|challenge| challenge.is_controlled_by(&**order));
        steps.extend(own.map(|found| challenge(found)));
    }
    steps.push(secret(store, certificate));
    let is_ready = ready.is_some_and(Condition::is_true);
    let status = certificate.status.as_ref();
    CertStatus {
        namespace: key.namespace,
        name: key.name,
        ready: is_ready,
        waits_for: if is_ready { None } else { waits_for(&steps) },
        next_attempt: admin::api::next_attempt(certificate).map(|time| time.to_string()),
        failed_attempts: status.and_then(|status| status.failed_issuance_attempts).unwrap_or(0),
        renewal_time: status.and_then(|status| status.renewal_time.as_ref()).map(|time| time.0.to_string()),
        suggested_renewal: status.and_then(|status| status.acme.as_ref()?.ari.as_ref()).and_then(suggested),
        steps,
    }
}

fn suggested(ari: &RenewalInfoStatus) -> Option<String> {
    if !ari.last_error.is_empty() {
        return Some(format!("unknown ({})", ari.last_error));
    }
    let window = ari.suggested_window.as_ref()?;
    let next = ari.next_check.as_ref().map(|next| format!(", asked again at {}", next.0));
    Some(format!("from {} to {}{}", window.start.0, window.end.0, next.unwrap_or_default()))
}

impl CertStatus {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut table = output::table(&["OBJECT", "NAME", "STATE", "REASON"]);
        for step in &self.steps {
            let why = match (step.reason.as_str(), step.message.as_str()) {
                (reason, "") => reason.to_owned(),
                ("", message) => message.to_owned(),
                (reason, message) => format!("{reason}: {message}"),
            };
            table.add_row([step.kind, &step.name, &step.state, &why]);
        }
        let mut lines = vec![output::text(&table)];
        lines.extend(self.waits_for.as_ref().map(|cause| format!("waits for: {cause}")));
        lines.extend(
            self.next_attempt
                .as_ref()
                .map(|time| format!("next attempt: {time}, after {} failed", self.failed_attempts)),
        );
        if self.ready {
            lines.extend(self.renewal_time.as_ref().map(|time| format!("renewal: {time}")));
            let suggested = self.suggested_renewal.as_ref();
            lines.extend(suggested.map(|window| format!("suggested by the CA: {window}")));
        }
        lines.join("\n")
    }
}

impl StepView {
    fn condition(kind: &'static str, name: &str, found: Option<&Condition>) -> Self {
        let state =
            found.map_or("no condition yet".to_owned(), |found| format!("{}={}", found.type_, found.status));
        Self {
            kind,
            name: name.to_owned(),
            state,
            reason: found.map(|found| found.reason.clone()).unwrap_or_default(),
            message: found.map(|found| found.message.clone()).unwrap_or_default(),
        }
    }

    fn is_well(&self) -> bool {
        matches!(self.state.as_str(), "Ready=True" | "valid" | "exists")
    }
}

/// The last object on the way that is not well says it best: it is nearest to the cause.
fn waits_for(steps: &[StepView]) -> Option<String> {
    let is_cause = |step: &&StepView| !step.is_well() && step.kind != "Secret" && !step.message.is_empty();
    // An issuer that is not ready stops everything behind it.
    let issuer = steps.iter().find(|step| step.kind.ends_with("Issuer")).filter(is_cause);
    let cause = issuer.or_else(|| steps.iter().rev().find(is_cause))?;
    Some(format!("{} {}: {}", cause.kind, cause.name, cause.message))
}

fn issuer(store: &Store, certificate: &Certificate) -> StepView {
    let reference = &certificate.spec.issuer_ref;
    let (kind, conditions) = if reference.kind() == "ClusterIssuer" {
        let found = store.get::<ClusterIssuer>(&ObjectKey::new("", &*reference.name));
        ("ClusterIssuer", found.map(|found| found.status.clone().unwrap_or_default().conditions))
    } else {
        let key = ObjectKey::new(certificate.key().namespace, &*reference.name);
        ("Issuer", store.get::<Issuer>(&key).map(|found| found.status.clone().unwrap_or_default().conditions))
    };
    match conditions {
        Some(conditions) => StepView::condition(kind, &reference.name, condition::find(&conditions, "Ready")),
        None => StepView {
            kind,
            name: reference.name.clone(),
            state: "missing".to_owned(),
            reason: "NotFound".to_owned(),
            message: format!("there is no {kind} {:?}; make one of this name", reference.name),
        },
    }
}

fn order(order: &Order) -> StepView {
    let status = order.status.clone().unwrap_or_default();
    StepView {
        kind: "Order",
        name: order.key().name,
        state: state(status.state),
        reason: String::new(),
        message: status.reason,
    }
}

fn challenge(challenge: &Challenge) -> StepView {
    StepView {
        kind: "Challenge",
        name: challenge.key().name,
        state: state(challenge.status.state),
        reason: format!("{} for {}", challenge.spec.type_, challenge.spec.dns_name),
        message: challenge.status.reason.clone(),
    }
}

fn state(state: Option<jamul_api::acme::State>) -> String {
    state
        .and_then(|state| serde_json::to_value(state).ok()?.as_str().map(ToOwned::to_owned))
        .unwrap_or("new".to_owned())
}

/// The Secret, and whether what is in it will do.
fn secret(store: &Store, certificate: &Certificate) -> StepView {
    let key = ObjectKey::new(certificate.key().namespace, &*certificate.spec.secret_name);
    let found = store.get::<Secret>(&key);
    let (state, reason, message) = match policy::key_pair(certificate, found.as_deref()) {
        Ok(pair) => {
            let until = pair.validity().map(|(_, not_after)| format!("valid until {not_after}"));
            ("exists", String::new(), until.unwrap_or_default())
        }
        Err(violation) if found.is_none() => ("missing", violation.reason.to_owned(), String::new()),
        Err(violation) => ("unusable", violation.reason.to_owned(), violation.message),
    };
    StepView { kind: "Secret", name: key.name, state: state.to_owned(), reason, message }
}

/// The newest object of a kind that `owner` controls.
fn newest<K: Object, O: Object>(store: &Store, owner: &O) -> Option<std::sync::Arc<K>> {
    let own = store.list::<K>().into_iter().filter(|object| object.is_controlled_by(owner));
    own.max_by_key(|object| {
        let created = object.metadata().creation_timestamp.as_ref().map(|time| time.0);
        let name = object.key().name;
        // Names of one owner's objects end in the revision, whose digits count.
        (created, name.len(), name)
    })
}
