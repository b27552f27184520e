//! Who may approve or deny a CertificateRequest: whoever has the verb `approve` on the signer, a resource that only
//! RBAC knows.

use jamul_api::admission::{AdmissionRequest, Decision, UserInfo};
use jamul_api::condition;
use jamul_api::issuer::IssuerRef;
use serde_json::Value;

use super::problem::{problem, refusal};
use super::question::typed;

/// An attempt to approve or deny, to be allowed if its author has the right.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// Who wants to.
    pub author: UserInfo,
    /// Of the request.
    pub issuer: IssuerRef,
    /// Of the request.
    pub namespace: String,
}

impl Approval {
    /// Names of the resource `signers.cert-manager.io` of which the author must have one, for an issuer of the resource
    /// `plural`.
    #[must_use]
    pub fn signers(&self, plural: &str, is_namespaced: bool) -> [String; 2] {
        let Self { issuer, namespace, .. } = self;
        let kind = format!("{plural}.{}", issuer.group());
        let name = if is_namespaced { format!("{namespace}.{}", issuer.name) } else { issuer.name.clone() };
        [format!("{kind}/*"), format!("{kind}/{name}")]
    }

    /// The answer when there is no such kind of issuers.
    #[must_use]
    pub fn unknown(&self) -> Decision {
        let message = format!("Forbidden: referenced signer resource does not exist: {}", self.signer());
        refusal(&[problem("spec.issuerRef", message)]).unwrap_or_default()
    }

    /// The answer when the author has not the right.
    #[must_use]
    pub fn forbidden(&self) -> Decision {
        let message = format!(
            "Forbidden: user {:?} does not have permissions to set approved/denied conditions for issuer {}",
            self.author.username,
            self.signer()
        );
        refusal(&[problem("status.conditions", message)]).unwrap_or_default()
    }

    /// As Go writes the reference.
    fn signer(&self) -> String {
        let IssuerRef { name, kind, group } = &self.issuer;
        format!("{{{name} {kind} {group}}}")
    }
}

/// The attempt that a question is, if it is one.
pub(super) fn of(question: &AdmissionRequest) -> Option<Approval> {
    let request = typed(&question.object)?;
    let has = |object: &Value, type_: &str| {
        typed(object)
            .and_then(|request| request.status)
            .is_some_and(|status| condition::find(&status.conditions, type_).is_some())
    };
    let is_set = |type_: &&str| has(&question.object, type_) && !has(&question.old_object, type_);
    ["Approved", "Denied"].iter().any(is_set).then(|| Approval {
        author: question.user_info.clone(),
        issuer: request.spec.issuer_ref,
        namespace: question.namespace.clone(),
    })
}
