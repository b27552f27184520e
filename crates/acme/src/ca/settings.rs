//! What an operator decides about a CA.

use jamul_pki::San;
use jiff::SignedDuration;

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
    /// Whether CAA records are heeded.
    pub caa: CaaPolicy,
    /// How much one account may ask for.
    pub limits: Option<RateLimits>,
    /// The only names, with those below them, and addresses that the root shall be able to vouch for; none = no
    /// constraint. Used when the root is made: one that exists keeps what it has.
    pub permitted: Vec<San>,
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
            caa: CaaPolicy::Ignored,
            limits: None,
            permitted: Vec::new(),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Whoever reaches the CA.
    Open,
    /// Holders of a key that [`super::create_external_key`] made (external account binding, RFC 8555 section 7.3.4).
    Bound,
}

/// Whether CAA records are heeded (RFC 8659).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaaPolicy {
    /// They are not looked at, as suits names that only a private network knows.
    Ignored,
    /// Before a name is proved and before a certificate is made.
    Heeded {
        /// The domains that stand for this CA in `issue` and `issuewild`.
        identities: Vec<String>,
    },
}

/// What one account may ask for, each within a time that slides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// New orders. Renewals by renewal information are free (RFC 9773 section 5).
    pub orders: Quota,
    /// Failed authorizations of one name.
    pub failures: Quota,
    /// Certificates for exactly the same names.
    pub duplicates: Quota,
}

/// A number within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: usize,
    /// In how long.
    pub within: SignedDuration,
}

impl Default for RateLimits {
    /// The numbers of a large public CA.
    fn default() -> Self {
        let hours = SignedDuration::from_hours;
        Self {
            orders: Quota { count: 300, within: hours(3) },
            failures: Quota { count: 5, within: hours(1) },
            duplicates: Quota { count: 5, within: hours(7 * 24) },
        }
    }
}
