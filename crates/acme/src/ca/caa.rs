//! Whether the owner of a name lets this CA issue for it: CAA records (RFC 8659), with the parameters of RFC 8657.

use super::prober::{CaaRecord, Prober};
use crate::problem::{Problem, ProblemType};
use crate::wire::{ChallengeType, Identifier};

/// Who wants to issue, and how the name was proved.
#[derive(Debug)]
pub(super) struct Issuance<'a> {
    /// The domains that stand for the CA.
    pub(super) identities: &'a [String],
    /// The URL of the account.
    pub(super) account: &'a str,
    /// `None` when it was proved in several ways.
    pub(super) method: Option<&'a ChallengeType>,
}

/// Climbs from the name towards the root of the DNS; the first records found decide (RFC 8659 section 3).
///
/// # Errors
/// `caa` when the records forbid it, `dns` when they cannot be had: no answer is no permission.
pub(super) async fn check(
    identifier: &Identifier,
    issuance: &Issuance<'_>,
    view: &dyn Prober,
) -> Result<(), Problem> {
    let Identifier::Dns(name) = identifier.without_star() else { return Ok(()) };
    let mut climbed = Some(name.as_str());
    while let Some(domain) = climbed {
        let doing = || format!("asking for CAA at {domain}");
        let records = view.caa(domain).await.map_err(|error| error.seen(&doing()))?;
        if !records.is_empty() {
            return judge(&records, identifier.is_wildcard(), issuance)
                .map_err(|why| Problem::new(ProblemType::Caa, format!("the CAA records of {domain} {why}")));
        }
        climbed = domain.split_once('.').map(|(_, parent)| parent);
    }
    Ok(())
}

fn judge(records: &[CaaRecord], is_wildcard: bool, issuance: &Issuance<'_>) -> Result<(), String> {
    let is = |record: &CaaRecord, tag: &str| record.tag.eq_ignore_ascii_case(tag);
    let is_known = |record: &CaaRecord| {
        ["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"]
            .into_iter()
            .any(|tag| is(record, tag))
    };
    if let Some(unknown) = records.iter().find(|record| record.is_critical && !is_known(record)) {
        return Err(format!("have the critical property {:?}, which is not known here", unknown.tag));
    }
    let of = |tag: &'static str| records.iter().filter(move |record| is(record, tag)).collect::<Vec<_>>();
    let (issue, issue_wild) = (of("issue"), of("issuewild"));
    let relevant = if is_wildcard && !issue_wild.is_empty() { issue_wild } else { issue };
    if relevant.is_empty() || relevant.iter().any(|record| permits(&record.value, issuance)) {
        return Ok(());
    }
    let found: Vec<&str> = relevant.iter().map(|record| record.value.as_str()).collect();
    Err(format!("permit {found:?} and not {:?}", issuance.identities))
}

/// `domain; name=value; name=value` (RFC 8659 section 4.2).
fn permits(value: &str, issuance: &Issuance<'_>) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let domain = parts.next().unwrap_or_default();
    if !issuance.identities.iter().any(|identity| identity.eq_ignore_ascii_case(domain)) {
        return false;
    }
    parts.filter(|part| !part.is_empty()).all(|parameter| match parameter.split_once('=') {
        Some((name, account)) if name.trim().eq_ignore_ascii_case("accounturi") => {
            account.trim() == issuance.account
        }
        Some((name, methods)) if name.trim().eq_ignore_ascii_case("validationmethods") => {
            let proved = issuance.method.map(ToString::to_string);
            methods.split(',').any(|method| Some(method.trim()) == proved.as_deref())
        }
        // Others are for other CAs to know; what is no parameter at all permits nothing.
        Some(_) => true,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(records: &[(bool, &str, &str)], is_wildcard: bool) -> Result<(), String> {
        let records: Vec<_> = records
            .iter()
            .map(|(is_critical, tag, value)| CaaRecord {
                is_critical: *is_critical,
                tag: (*tag).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        let identities = ["ca.test".to_owned()];
        let issuance = Issuance {
            identities: &identities,
            account: "https://ca.test/acme/account/1",
            method: Some(&ChallengeType::Dns01),
        };
        judge(&records, is_wildcard, &issuance)
    }

    #[test]
    fn only_who_is_named_may_issue() {
        for (value, is_permitted) in [
            ("ca.test", true),
            ("CA.test", true),
            ("other.test", false),
            (";", false),
            ("", false),
            ("ca.test; accounturi=https://ca.test/acme/account/1", true),
            ("ca.test; accounturi=https://ca.test/acme/account/2", false),
            ("ca.test; validationmethods=http-01,dns-01", true),
            ("ca.test; validationmethods=http-01", false),
            ("ca.test; something=else", true),
            ("ca.test; nonsense", false),
        ] {
            assert_eq!(judged(&[(false, "issue", value)], false).is_ok(), is_permitted, "{value:?}");
        }
        let two = [(false, "issue", "other.test"), (false, "issue", "ca.test")];
        assert_eq!(judged(&two, false), Ok(()));
    }

    #[test]
    fn wildcards_have_a_property_of_their_own() {
        let records = [(false, "issue", "ca.test"), (false, "issuewild", ";")];
        assert_eq!(judged(&records, false), Ok(()));
        assert!(judged(&records, true).is_err());
        assert_eq!(judged(&[(false, "issue", "ca.test")], true), Ok(()));
    }

    #[test]
    fn a_critical_property_that_nobody_knows_forbids() {
        assert_eq!(judged(&[(false, "tbs", "x")], false), Ok(()));
        let why = judged(&[(true, "tbs", "x"), (false, "issue", "ca.test")], false);
        assert_eq!(why, Err("have the critical property \"tbs\", which is not known here".to_owned()));
        assert_eq!(judged(&[(true, "iodef", "mailto:a@b")], false), Ok(()));
    }
}
