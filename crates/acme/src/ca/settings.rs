//! What an operator decides about a CA.

use jiff::SignedDuration;

use crate::jose::ExternalBinding;

/// The settings of a CA; they may change between two runs on the same state.
#[derive(Clone, Debug)]
pub struct CaSettings {
    /// What all URLs begin with, for instance `https://127.0.0.1:14000`. Clients sign it, so it has to be the URL they
    /// use; a request's own idea of the host is not asked.
    pub base_url: String,
    /// What the CA calls itself in its certificates. Used when they are made, later changes have no effect.
    pub name: String,
    /// How long certificates hold, at most: clients may ask for less.
    pub validity: SignedDuration,
    /// Where the validator looks.
    pub ports: ValidationPorts,
    /// When certificates are made.
    pub finalization: Finalization,
    /// Who may have an account.
    pub registration: Registration,
}

impl CaSettings {
    /// Certificates of 90 days for anybody, proved on ports 80 and 443.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            name: "Jamul".to_owned(),
            validity: SignedDuration::from_hours(90 * 24),
            ports: ValidationPorts::default(),
            finalization: Finalization::Asynchronous,
            registration: Registration::Open,
        }
    }
}

/// The ports the validator connects to. Redirects may lead to these and to 80 and 443, nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationPorts {
    /// For http-01.
    pub http: u16,
    /// For tls-alpn-01, and for `https` redirects of http-01.
    pub https: u16,
}

impl Default for ValidationPorts {
    fn default() -> Self {
        Self { http: 80, https: 443 }
    }
}

/// When a certificate is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalization {
    /// After the answer to `finalize`, which says `processing`, as large CAs do: clients have to poll.
    Asynchronous,
    /// Before the answer, which says `valid`.
    Synchronous,
}

/// Who may register an account.
#[derive(Clone, Debug)]
pub enum Registration {
    /// Whoever reaches the CA.
    Open,
    /// Holders of one of these keys (external account binding, RFC 8555 section 7.3.4).
    Bound(Vec<ExternalBinding>),
}
