//! dns-01 (RFC 8555 section 8.4): a TXT record below the name.

use sha2::{Digest as _, Sha256};

use crate::ca::prober::Prober;
use crate::encoding;
use crate::problem::{Problem, ProblemType};
use crate::wire::Identifier;

/// Looks whether one of the TXT records of `identifier` is the digest of `content`. Others may stand beside it.
///
/// # Errors
/// The problem that the client is shown.
pub(super) async fn prove(identifier: &Identifier, content: &str, view: &dyn Prober) -> Result<(), Problem> {
    let Identifier::Dns(name) = identifier else {
        let detail = format!("{identifier} has no place in the DNS");
        return Err(Problem::new(ProblemType::UnsupportedIdentifier, detail));
    };
    let name = format!("_acme-challenge.{}", name.strip_prefix("*.").unwrap_or(name));
    let found = view.txt(&name).await.map_err(|error| error.seen(&format!("asking for TXT at {name}")))?;
    let expected = encoding::encode(Sha256::digest(content));
    if found.contains(&expected) {
        return Ok(());
    }
    if found.is_empty() {
        let detail = format!("there is no TXT record at {name}");
        return Err(Problem::new(ProblemType::Unauthorized, detail));
    }
    let shown: Vec<String> =
        found.iter().take(MOST_SHOWN).map(|text| text.chars().take(100).collect()).collect();
    let detail = format!("no TXT record at {name} is {expected:?}; there are {shown:?}");
    Err(Problem::new(ProblemType::IncorrectResponse, detail))
}

/// A zone may have many records; a message has not.
const MOST_SHOWN: usize = 5;
