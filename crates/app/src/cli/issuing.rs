//! Arguments about certificates.

use clap::{ArgAction, Args};
use jamul_controllers::Enabled;
use jiff::SignedDuration;

use super::values;

/// Arguments about certificates: cert-manager's names and defaults.
#[derive(Clone, Debug, Args)]
pub(crate) struct IssuingArgs {
    /// Controllers of cert-manager that run, such as *,-certificaterequests-approver: requests are approved by somebody else
    #[arg(
        long,
        env = "JAMUL_CONTROLLERS",
        default_value = "*",
        value_parser = Enabled::parse,
        allow_hyphen_values = true,
        value_name = "LIST"
    )]
    pub(crate) controllers: Enabled,
    /// Let Secrets go with their Certificates
    #[arg(
        long,
        env = "JAMUL_ENABLE_CERTIFICATE_OWNER_REF",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) enable_certificate_owner_ref: bool,
    /// How many challenges are worked on at a time; those that fail get half of the places
    #[arg(
        long,
        env = "JAMUL_MAX_CONCURRENT_CHALLENGES",
        default_value_t = 60,
        value_parser = values::workers,
        value_name = "N"
    )]
    pub(crate) max_concurrent_challenges: usize,
    /// First wait after a CA could not verify a name, whichever Certificate asks for it; doubled with each further failure
    #[arg(
        long,
        env = "JAMUL_DOMAIN_MINIMUM_BACKOFF_DURATION",
        default_value = "1m",
        value_parser = values::go_duration,
        value_name = "SPAN"
    )]
    pub(crate) domain_minimum_backoff_duration: SignedDuration,
    /// Longest wait of a name that a CA cannot verify
    #[arg(
        long,
        env = "JAMUL_DOMAIN_MAXIMUM_BACKOFF_DURATION",
        default_value = "1h",
        value_parser = values::go_duration,
        value_name = "SPAN"
    )]
    pub(crate) domain_maximum_backoff_duration: SignedDuration,
}

impl Default for IssuingArgs {
    fn default() -> Self {
        Self {
            controllers: Enabled::default(),
            enable_certificate_owner_ref: false,
            max_concurrent_challenges: 60,
            domain_minimum_backoff_duration: SignedDuration::from_mins(1),
            domain_maximum_backoff_duration: SignedDuration::from_hours(1),
        }
    }
}
