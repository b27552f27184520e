//! How the CA looks at proofs: by which method, and who has to see them.

mod dns01;
mod http01;
mod tls_alpn01;

use super::prober::Prober;
use super::settings::ValidationPorts;
use crate::problem::{Problem, ProblemType};
use crate::wire::{ChallengeType, Identifier};

/// What the validator has to find.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) identifier: Identifier,
    /// The URL of the account.
    pub(super) account: String,
    pub(super) method: ChallengeType,
    pub(super) token: String,
    /// The key authorization (RFC 8555 section 8.1).
    pub(super) content: String,
}

/// Looks from every view: all have to see the proof, so that who deceives one network or name server gains nothing.
///
/// # Errors
/// The problem that the client is shown: the first view's if that one does not see it.
pub(super) async fn prove(
    proof: &Proof,
    ports: ValidationPorts,
    views: &[&dyn Prober],
) -> Result<(), Problem> {
    if views.is_empty() {
        return Err(Problem::new(ProblemType::ServerInternal, "the CA has nowhere to look from"));
    }
    let looks = views.iter().map(|view| look(proof, ports, *view));
    for (number, seen) in futures_util::future::join_all(looks).await.into_iter().enumerate() {
        seen.map_err(|mut problem| {
            if number > 0 {
                problem.detail = format!("seen from another place ({}): {}", number + 1, problem.detail);
            }
            problem
        })?;
    }
    Ok(())
}

async fn look(proof: &Proof, ports: ValidationPorts, view: &dyn Prober) -> Result<(), Problem> {
    let Proof { identifier, method, token, content, account: _ } = proof;
    match method {
        ChallengeType::Http01 => http01::prove(identifier, token, content, ports, view).await,
        ChallengeType::TlsAlpn01 => tls_alpn01::prove(identifier, content, ports, view).await,
        ChallengeType::Dns01 => dns01::prove(identifier, content, view).await,
        ChallengeType::Other(kind) => {
            Err(Problem::new(ProblemType::Malformed, format!("challenges of type {kind:?} are not known")))
        }
    }
}
