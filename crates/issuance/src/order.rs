//! What to do with an Order, and the Challenges below it.

use std::sync::Arc;

use jamul_api::acme::{AcmeAuthorization, AcmeChallenge, ChallengeSpec, State};
use jamul_api::core::ObjectMeta;
use jamul_api::issuer::Solver;
use jamul_api::{Challenge, Object, Order};

use crate::fnv;

/// The next thing to do for an Order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderAction {
    /// newOrder (RFC 8555 section 7.4); the URL is stored before anything else.
    Create,
    /// GET each authorization.
    FetchAuthorizations,
    /// Challenges are missing for these.
    CreateChallenges(Vec<(AcmeAuthorization, AcmeChallenge, Solver)>),
    /// Challenges are under way.
    Wait,
    /// All challenges are final: GET the order.
    Refresh,
    /// POST the stored request.
    Finalize,
    /// GET the certificate, or wait for it.
    Download,
    /// It cannot be done.
    Fail(String),
    /// It is final.
    Rest,
}

/// Decides from an Order and the Challenges that it controls.
#[must_use]
pub fn next(order: &Order, challenges: &[Arc<Challenge>], solvers: &[Solver]) -> OrderAction {
    let status = order.status.clone().unwrap_or_default();
    match status.state {
        Some(State::Valid | State::Invalid | State::Expired | State::Errored) => return OrderAction::Rest,
        Some(State::Ready) => return OrderAction::Finalize,
        Some(State::Processing) => return OrderAction::Download,
        Some(State::Pending) | None => {}
    }
    if status.url.is_empty() {
        return OrderAction::Create;
    }
    if status.authorizations.iter().any(|authorization| authorization.identifier.is_empty()) {
        return OrderAction::FetchAuthorizations;
    }
    let mut missing = Vec::new();
    for authorization in &status.authorizations {
        if authorization.initial_state == Some(State::Valid) {
            continue;
        }
        let exists = challenges.iter().any(|challenge| challenge.spec.authorization_url == authorization.url);
        if exists {
            continue;
        }
        match solver_for(authorization, order, solvers) {
            Some((challenge, solver)) => {
                missing.push((authorization.clone(), challenge.clone(), solver.clone()));
            }
            None => return OrderAction::Fail(no_solver(authorization)),
        }
    }
    if !missing.is_empty() {
        return OrderAction::CreateChallenges(missing);
    }
    let failed = challenges.iter().find(|challenge| {
        matches!(challenge.status.state, Some(State::Invalid | State::Expired | State::Errored))
    });
    let all_final = challenges.iter().all(|challenge| challenge.status.state.is_some_and(State::is_final));
    if failed.is_some() || all_final { OrderAction::Refresh } else { OrderAction::Wait }
}

fn no_solver(authorization: &AcmeAuthorization) -> String {
    let offered: Vec<_> = authorization.challenges.iter().map(|challenge| challenge.type_.as_str()).collect();
    format!(
        "no solver of the issuer can prove {:?}: the CA offers {offered:?}; expected an entry of \
         spec.acme.solvers with http01 or dns01 whose selector takes this name (wildcards need dns01)",
        authorization.identifier
    )
}

/// The solver for an authorization, among those whose challenge the CA offers: dnsNames match, then the longest dnsZone,
/// then more labels, then list order.
fn solver_for<'a>(
    authorization: &'a AcmeAuthorization,
    order: &Order,
    solvers: &'a [Solver],
) -> Option<(&'a AcmeChallenge, &'a Solver)> {
    let mut best: Option<((bool, usize, usize), &AcmeChallenge, &Solver)> = None;
    for solver in solvers {
        let Some(wanted) = challenge_type(solver) else { continue };
        // What is served under a name says nothing about the names below it (RFC 8555 section 8.3), whatever a CA offers.
        if authorization.wildcard && wanted != "dns-01" {
            continue;
        }
        let offered = authorization.challenges.iter().find(|challenge| challenge.type_ == wanted);
        let (Some(offered), Some(score)) = (offered, score(solver, authorization, order)) else { continue };
        if best.is_none_or(|(found, ..)| score > found) {
            best = Some((score, offered, solver));
        }
    }
    best.map(|(_, offered, solver)| (offered, solver))
}

/// What a solver solves, in ACME's words; `None` if it names nothing.
#[must_use]
pub fn challenge_type(solver: &Solver) -> Option<&'static str> {
    match (&solver.dns01, &solver.http01) {
        (Some(_), _) => Some("dns-01"),
        (None, Some(_)) => Some("http-01"),
        (None, None) => None,
    }
}

fn score(solver: &Solver, authorization: &AcmeAuthorization, order: &Order) -> Option<(bool, usize, usize)> {
    let Some(selector) = &solver.selector else { return Some((false, 0, 0)) };
    let name = &authorization.identifier;
    let whole = if authorization.wildcard { format!("*.{name}") } else { name.clone() };
    let has_labels =
        selector.match_labels.iter().all(|(label, value)| order.label(label) == Some(value.as_str()));
    let names_match = selector.dns_names.is_empty() || selector.dns_names.contains(&whole);
    let zone = selector.dns_zones.iter().filter(|zone| {
        name == zone.as_str() || name.strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
    });
    let zone = zone.map(|zone| zone.split('.').count()).max();
    let zones_match = selector.dns_zones.is_empty() || zone.is_some();
    (has_labels && names_match && zones_match)
        .then(|| (!selector.dns_names.is_empty(), zone.unwrap_or(0), selector.match_labels.len()))
}

/// The Challenge object for one authorization; its name follows from the order and the token. `answer` is the key
/// authorization, of DNS-01 its digest.
#[must_use]
pub fn challenge_for(
    order: &Order,
    authorization: &AcmeAuthorization,
    challenge: &AcmeChallenge,
    solver: &Solver,
    answer: String,
) -> Challenge {
    let base: String = order.metadata.name.as_deref().unwrap_or_default().chars().take(52).collect();
    let text = format!("{} {}", authorization.url, challenge.token);
    let hash = fnv::hash(&text);
    Challenge {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", base.trim_end_matches('-'))),
            namespace: order.metadata.namespace.clone(),
            owner_references: Some(vec![order.owner_reference()]),
            ..ObjectMeta::default()
        },
        spec: ChallengeSpec {
            url: challenge.url.clone(),
            authorization_url: authorization.url.clone(),
            dns_name: authorization.identifier.clone(),
            wildcard: authorization.wildcard,
            type_: challenge.type_.to_uppercase(),
            token: challenge.token.clone(),
            key: answer,
            solver: solver.clone(),
            issuer_ref: order.spec.issuer_ref.clone(),
        },
        status: Default::default(),
    }
}

#[cfg(test)]
mod tests;
