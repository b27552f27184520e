//! Whom to ask: the issuer of the spec, and those that `jamul.dev/fallback-issuers` names after it.

use jamul_api::issuer::IssuerRef;
use jamul_api::{Certificate, Object, names};
use jiff::SignedDuration;

/// How long an issuer may leave a request unanswered while there is another that could be asked.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// The issuers of a Certificate in the order in which they are asked; the first is `spec.issuerRef`.
#[must_use]
pub fn issuers(certificate: &Certificate) -> Vec<IssuerRef> {
    let mut issuers = vec![certificate.spec.issuer_ref.clone()];
    for text in certificate.annotation(names::FALLBACK_ISSUERS).unwrap_or_default().split(',') {
        let (kind, name) = text.trim().split_once('/').unwrap_or(("Issuer", text.trim()));
        let issuer = IssuerRef { name: name.to_owned(), kind: kind.to_owned(), group: String::new() };
        if !name.is_empty() && !issuers.iter().any(|known| known.same(&issuer)) {
            issuers.push(issuer);
        }
    }
    issuers
}

/// Whether `issuer` is one of those that may sign for the Certificate.
#[must_use]
pub fn may_sign(certificate: &Certificate, issuer: &IssuerRef) -> bool {
    issuers(certificate).iter().any(|known| known.same(issuer))
}

/// Who is asked after so many failures in a row: each in turn, then the first again.
pub(crate) fn next(certificate: &Certificate, failures: i32) -> IssuerRef {
    let issuers = issuers(certificate);
    let turn = usize::try_from(failures.max(0)).unwrap_or(0) % issuers.len();
    issuers.into_iter().nth(turn).unwrap_or_else(|| certificate.spec.issuer_ref.clone())
}

/// How many rounds were lost: a round is lost when nobody is left to ask. `None` while there is somebody.
pub(crate) fn rounds(certificate: &Certificate, failures: i32) -> Option<i32> {
    let count = i32::try_from(issuers(certificate).len()).unwrap_or(1).max(1);
    (failures % count == 0).then_some(failures / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn issuers_are_asked_in_turn_and_each_once_a_round() {
        let mut certificate = testing::certificate(&["web.example"]);
        let text = " b , ClusterIssuer/c,ca,, b".to_owned();
        certificate.metadata.annotations = Some([(names::FALLBACK_ISSUERS.to_owned(), text)].into());
        let asked = [0, 1, 2, 3, 4].map(|failures| {
            let issuer = next(&certificate, failures);
            format!("{}/{}", issuer.kind(), issuer.name)
        });
        assert_eq!(asked, ["Issuer/ca", "Issuer/b", "ClusterIssuer/c", "Issuer/ca", "Issuer/b"]);
        assert_eq!(
            [1, 2, 3, 4, 6].map(|failures| rounds(&certificate, failures)),
            [None, None, Some(1), None, Some(2)]
        );
        let other = IssuerRef { name: "c".to_owned(), ..IssuerRef::default() };
        assert!(!may_sign(&certificate, &other), "an Issuer of that name is somebody else");
    }

    #[test]
    fn without_the_annotation_every_failure_is_a_lost_round() {
        let certificate = testing::certificate(&["web.example"]);
        assert_eq!((next(&certificate, 7).name.as_str(), rounds(&certificate, 7)), ("ca", Some(7)));
    }
}
