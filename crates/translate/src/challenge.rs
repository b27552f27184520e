//! Challenges to HTTP-01 answers.

use jamul_api::Challenge;
use jamul_api::acme::State;
use jamul_routing::{Challenges, Host};

/// The answers of all HTTP-01 Challenges that are under way (RFC 8555 section 8.3). A Challenge is answered
/// before it counts as presented, so that who presents it may look at the answer first.
pub(crate) fn translate<'a>(challenges: impl Iterator<Item = &'a Challenge>) -> Challenges {
    let mut answers = Challenges::default();
    for challenge in challenges {
        let spec = &challenge.spec;
        let is_over = challenge.status.state.is_some_and(State::is_final);
        if spec.type_ != "HTTP-01" || is_over || spec.token.is_empty() || spec.key.is_empty() {
            continue;
        }
        if let Some(host) = Host::parse(&spec.dns_name) {
            answers.insert(host, spec.token.clone(), spec.key.clone());
        }
    }
    answers
}
