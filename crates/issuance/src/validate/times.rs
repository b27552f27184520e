//! How long, and when a renewal begins.

use jamul_api::certificate::{CertificateRenewal, CertificateSpec};
use jiff::SignedDuration;

use super::found::Found;
use crate::{duration, windows};

/// The shortest lifetime that may be asked for.
const SHORTEST_DURATION: SignedDuration = SignedDuration::from_hours(1);
/// The shortest time before the end at which a renewal may begin.
const SHORTEST_RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn times(found: &mut Found, spec: &CertificateSpec) {
    let mut read = |field: &str, value: &Option<String>| {
        let text = value.as_deref()?;
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                found.add(field, format!("Invalid value: {error}"));
                None
            }
        }
    };
    let wanted = read("spec.duration", &spec.duration);
    let before = read("spec.renewBefore", &spec.renew_before);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    if wanted.is_some_and(|duration| duration < SHORTEST_DURATION) {
        let message = "certificate duration must be greater than or equal to 1h0m0s";
        found.add("spec.duration", format!("Invalid value: {:?}: {message}", text(&spec.duration)));
    }
    let lifetime = wanted.unwrap_or(crate::issuers::ca::DEFAULT_DURATION);
    if before.is_some() && spec.renew_before_percentage.is_some() {
        let message = "Invalid value: renewBefore and renewBeforePercentage are mutually exclusive";
        found.add("spec.renewBeforePercentage", message);
    }
    if let Some(before) = before {
        let value = text(&spec.renew_before);
        if before < SHORTEST_RENEW_BEFORE {
            let message = "certificate renewBefore must be greater than or equal to 5m0s";
            found.add("spec.renewBefore", format!("Invalid value: {value:?}: {message}"));
        } else if before >= lifetime {
            let duration = spec.duration.as_deref().unwrap_or("2160h");
            let message = format!("certificate duration {duration} must be greater than renewBefore");
            found.add("spec.renewBefore", format!("Invalid value: {value:?}: {message}"));
        }
    }
    if let Some(percent) = spec.renew_before_percentage
        && (!(1..100).contains(&percent) || lifetime * percent / 100 < SHORTEST_RENEW_BEFORE)
    {
        let message = "expected 1 to 99 percent of the lifetime, and no less than 5m0s";
        found.add("spec.renewBeforePercentage", format!("Invalid value: {percent}: {message}"));
    }
}

pub(super) fn renewal(found: &mut Found, renewal: Option<&CertificateRenewal>) {
    let Some(renewal) = renewal else { return };
    let field = "spec.renewal";
    match renewal.policy.as_str() {
        "" | "RenewBefore" => {}
        "Disabled" if renewal.windows.is_empty() => {}
        "Disabled" => {
            let message =
                "Forbidden: windows cannot be set when the policy is Disabled: nothing is renewed in them";
            found.add(format!("{field}.windows"), message);
        }
        policy => {
            let message =
                format!("Unsupported value: {policy:?}: supported values: \"RenewBefore\", \"Disabled\"");
            found.add(format!("{field}.policy"), message);
        }
    }
    for problem in windows::problems(&renewal.windows) {
        found.add(format!("{field}.windows[{}].{}", problem.index, problem.field), problem.message);
    }
}
