//! Which certificates are served.

use std::sync::Arc;

use jamul_routing::{HostPattern, Snapshot};

use super::{Translator, claimants};
use crate::lookup::Missing;
use crate::tls;

impl Translator {
    /// Chooses the certificate of one host again, or forgets the host if nobody claims it any more.
    pub(super) fn choose_certificate(&mut self, pattern: &HostPattern, next: &mut Snapshot) -> bool {
        self.work.certificates += 1;
        let claimants_of = |pattern: &HostPattern| claimants(&self.claimants, &self.ingresses, pattern);
        let mut claimants = claimants_of(pattern);
        if claimants.is_empty()
            && let Some(owner) = self.other_names.get(pattern).next()
        {
            claimants = claimants_of(owner);
        }
        let chosen = tls::choose(pattern, &claimants, &mut self.certificates, &self.objects.secrets);
        let is_claimed = !claimants.is_empty();
        let state = self.hosts.entry(pattern.clone()).or_default();
        let before = std::mem::replace(&mut state.certificate, chosen);
        let chosen = &state.certificate;
        self.findings.replace(&before.diagnostics, &chosen.diagnostics);
        for secret in &chosen.secrets {
            if self.objects.secrets.get(secret).is_none() {
                self.missing.insert(Missing::Secret(secret.clone()));
            }
            self.secret_hosts.insert(secret.clone(), pattern.clone());
        }
        for secret in before.secrets.difference(&chosen.secrets) {
            self.secret_hosts.remove(secret, pattern);
            if !self.secret_hosts.contains(secret) {
                self.certificates.forget(secret);
            }
        }
        let is_changed = (&before.entry, &before.other) != (&chosen.entry, &chosen.other);
        if is_changed {
            match (&chosen.entry, &chosen.other) {
                (Some(first), Some(other)) => {
                    next.certs.insert_two(pattern.clone(), Arc::clone(first), Arc::clone(other));
                }
                (Some(entry), None) => next.certs.insert(pattern.clone(), Arc::clone(entry)),
                (None, _) => next.certs.remove(pattern),
            }
        }
        if !is_claimed && let Some(state) = self.hosts.remove(pattern) {
            self.findings.replace(&state.diagnostics, &[]);
            self.findings.replace(&state.certificate.diagnostics, &[]);
        }
        is_changed
    }

    /// Chooses the certificate for unknown names again.
    pub(super) fn choose_default(&mut self, next: &mut Snapshot) -> bool {
        let Some(secret) = &self.settings.default_secret else { return false };
        if self.objects.secrets.get(secret).is_none() {
            self.missing.insert(Missing::Secret(secret.clone()));
        }
        let (entry, diagnostics) = match tls::default(secret, &mut self.certificates, &self.objects.secrets) {
            Ok(entry) => (Some(entry), Vec::new()),
            Err(diagnostic) => (self.settings.default_certificate.clone(), vec![diagnostic]),
        };
        self.findings.replace(&self.default_diagnostics, &diagnostics);
        self.default_diagnostics = diagnostics;
        let is_changed = next.certs.find(None) != entry.as_ref();
        if is_changed {
            next.certs.set_default(entry);
        }
        is_changed
    }
}
