//! Kinds of issuers and their readiness.

use jamul_api::condition::{self, Condition};
use jamul_api::core::Time;
use jamul_api::issuer::{AcmeIssuer, IssuerSpec, IssuerStatus};
use jiff::Timestamp;

use crate::note::Note;

/// How an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// By an ACME server.
    Acme,
    /// With a key pair in a Secret.
    Ca,
    /// With the certificate's own key.
    SelfSigned,
    /// By HashiCorp Vault, or OpenBao.
    Vault,
}

/// Which of the kinds a spec is.
///
/// # Errors
/// None or several are set, or one that Jamul does not sign for.
pub fn validate(spec: &IssuerSpec) -> Result<IssuerKind, Note> {
    let acme = spec.acme.as_ref().map(|_| IssuerKind::Acme);
    let ca = spec.ca.as_ref().map(|_| IssuerKind::Ca);
    let self_signed = spec.self_signed.as_ref().map(|_| IssuerKind::SelfSigned);
    let vault = spec.vault.as_ref().map(|_| IssuerKind::Vault);
    let found: Vec<IssuerKind> = [acme, ca, self_signed, vault].into_iter().flatten().collect();
    let foreign: Vec<&str> = spec.other.keys().map(String::as_str).collect();
    match (found.as_slice(), foreign.as_slice()) {
        ([kind], []) => {
            if let Some(acme) = &spec.acme {
                complete(acme)?;
            }
            Ok(*kind)
        }
        ([], ["venafi"]) => Err(Note::warning("InvalidConfig", NO_VENAFI)),
        ([], []) => Err(Note::warning("IssuerTypeMissing", format!("spec has no issuer type; {EXPECTED}"))),
        ([], foreign) => Err(Note::warning("IssuerTypeMissing", format!("spec has {foreign:?}; {EXPECTED}"))),
        (_, _) => Err(Note::warning("InvalidConfig", format!("spec has several issuer types; {EXPECTED}"))),
    }
}

const EXPECTED: &str = "expected exactly one of acme, ca, selfSigned, vault";
const NO_VENAFI: &str = "spec.venafi (Venafi TPP, CyberArk Certificate Manager and NGTS) is not supported here and signs \
                         nothing; expected one of acme, ca, selfSigned, vault, or an external issuer named by group and kind";

/// What an acme issuer cannot do without.
fn complete(acme: &AcmeIssuer) -> Result<(), Note> {
    if acme.server.is_empty() {
        let message = "spec.acme.server is empty; expected the URL of an ACME directory";
        return Err(Note::warning("InvalidConfig", message));
    }
    if acme.private_key_secret_ref.name.is_empty() {
        let message =
            "spec.acme.privateKeySecretRef.name is empty; expected the name of the account key's Secret";
        return Err(Note::warning("InvalidConfig", message));
    }
    Ok(())
}

/// `status` with the Ready condition set.
#[must_use]
pub fn with_ready(
    status: Option<&IssuerStatus>,
    is_ready: bool,
    note: &Note,
    generation: Option<i64>,
    now: Timestamp,
) -> IssuerStatus {
    let mut status = status.cloned().unwrap_or_default();
    let mut ready = Condition::new("Ready", is_ready, note.reason.clone(), note.message.clone());
    ready.observed_generation = generation;
    condition::set(&mut status.conditions, ready, &Time(now));
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(spec: &str) -> Result<IssuerKind, (String, String)> {
        let spec: IssuerSpec = serde_json::from_str(spec).expect("a spec");
        validate(&spec).map_err(|note| (note.reason, note.message))
    }

    #[test]
    fn each_type_is_known_by_its_field() {
        assert_eq!(judged(r#"{"vault":{"server":"https://vault"}}"#), Ok(IssuerKind::Vault));
        assert_eq!(judged(r#"{"selfSigned":{}}"#), Ok(IssuerKind::SelfSigned));
        let several = judged(r#"{"selfSigned":{},"ca":{"secretName":"a"}}"#).expect_err("two");
        assert!(several.0 == "InvalidConfig" && several.1.contains("several issuer types"), "{several:?}");
    }

    #[test]
    fn what_nobody_here_signs_for_is_refused_with_what_there_is_instead() {
        let venafi = judged(r#"{"venafi":{"zone":"a","ngts":{}}}"#).expect_err("venafi");
        assert!(venafi.0 == "InvalidConfig" && venafi.1.contains("external issuer"), "{venafi:?}");
        let (reason, message) = judged(r#"{"stepca":{}}"#).expect_err("unknown");
        assert!(reason == "IssuerTypeMissing" && message.contains("stepca"), "{message}");
        assert_eq!(judged("{}").expect_err("nothing").0, "IssuerTypeMissing");
        let (_, message) = judged(r#"{"acme":{}}"#).expect_err("no server");
        assert!(message.contains("spec.acme.server"), "{message}");
    }
}
