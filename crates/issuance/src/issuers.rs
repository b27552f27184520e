//! Signers: each answers a request with a chain, a wait or a refusal.

pub mod acme;
pub mod ca;
pub mod self_signed;
pub mod vault;

/// What an issuer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Signed.
    Issued {
        /// PEM, leaf first.
        chain: String,
        /// PEM of the CA.
        ca: Option<String>,
    },
    /// Not yet; try again when something changes.
    Pending(crate::Note),
    /// Never.
    Refused(crate::Note),
}
