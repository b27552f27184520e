//! What the Ingresses of one host say of TLS with its clients.

use std::sync::Arc;

use jamul_routing::annotations::tls_versions::only_under;
use jamul_routing::draft::ClientChecks;
use jamul_routing::{Filter, TlsPolicy};

use crate::ingress::CompiledIngress;

/// What the Ingresses of a host say of handshakes with its clients.
#[derive(Debug)]
pub(super) struct HostTls {
    /// Where it differs from what holds for all hosts.
    pub(super) policy: Option<Arc<TlsPolicy>>,
    /// Keeps away what came by a handshake of another policy.
    pub(super) only_under: Option<Arc<dyn Filter>>,
    pub(super) checks: Option<ClientChecks>,
}

impl HostTls {
    /// Each thing as the oldest Ingress says that says it.
    pub(super) fn of(ingresses: &[&CompiledIngress]) -> Self {
        let drafts = || ingresses.iter().map(|ingress| &ingress.draft.host);
        let checking = drafts().find(|draft| draft.client_checks.is_some());
        let policy = TlsPolicy {
            client_auth: checking.and_then(|draft| draft.tls.client_auth.clone()),
            versions: drafts().find_map(|draft| draft.tls.versions),
            ciphers: drafts().find_map(|draft| draft.tls.ciphers.clone()),
            preference: drafts().find_map(|draft| draft.tls.preference),
        };
        let policy = (policy != TlsPolicy::default()).then(|| Arc::new(policy));
        let only_under = policy.as_ref().map(|policy| only_under(Arc::clone(policy)));
        Self { policy, only_under, checks: checking.and_then(|draft| draft.client_checks.clone()) }
    }
}
