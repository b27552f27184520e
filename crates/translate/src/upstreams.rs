//! The Upstreams that routes name, each as long as somebody does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_routing::{Diagnostic, HostPattern, Policy, Protocol, Severity, Snapshot, UpstreamId};

use crate::backend::{self, Backend, Fault};
use crate::canary;
use crate::findings::Findings;
use crate::host::Use;
use crate::index::Index;
use crate::ingress::{Age, Destination};
use crate::objects::Objects;
use crate::settings::Settings;
use crate::wishes::Wishes;

/// The Upstreams of the Snapshot and who names them.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    upstreams: HashMap<UpstreamId, UpstreamState>,
    /// Service to its Upstreams: one for each port and protocol that is used.
    of_service: Index<ObjectKey, UpstreamId>,
}

#[derive(Debug)]
struct UpstreamState {
    backend: Backend,
    protocol: Option<Protocol>,
    /// Host to the Ingresses that use it there, with the field that says so, and what they wish; without a host, the
    /// flag `--default-backend-service`. Gone when empty.
    users: BTreeMap<Option<HostPattern>, BTreeMap<(Age, String), Wishes>>,
    /// Whoever is sent nowhere, and why.
    diagnostics: Vec<Diagnostic>,
}

impl Upstreams {
    /// The Upstreams of a Service.
    pub(crate) fn of_service(&self, service: &ObjectKey) -> impl Iterator<Item = &UpstreamId> {
        self.of_service.get(service)
    }

    /// A route of `pattern` names an Upstream.
    pub(crate) fn hold(&mut self, used: Use, pattern: &HostPattern) -> UpstreamId {
        self.hold_for(used, Some(pattern.clone()))
    }

    /// The flag `--default-backend-service` names an Upstream, for as long as the process runs.
    pub(crate) fn hold_default(&mut self, backend: Backend) -> UpstreamId {
        let ingress = Age::unknown(backend.service.clone());
        let (field, wishes) = (String::new(), Wishes::default());
        self.hold_for(Use { backend, protocol: None, ingress, field, wishes }, None)
    }

    fn hold_for(&mut self, used: Use, user: Option<HostPattern>) -> UpstreamId {
        let id = used.backend.upstream_id(used.protocol);
        self.of_service.insert(used.backend.service.clone(), id.clone());
        let (backend, protocol) = (used.backend, used.protocol);
        let new = || UpstreamState { backend, protocol, users: BTreeMap::new(), diagnostics: Vec::new() };
        let state = self.upstreams.entry(id.clone()).or_insert_with(new);
        state.users.entry(user).or_default().insert((used.ingress, used.field), used.wishes);
        id
    }

    /// No route of `pattern` names it any more.
    pub(crate) fn release(&mut self, id: &UpstreamId, pattern: &HostPattern) {
        if let Some(state) = self.upstreams.get_mut(id) {
            state.users.remove(&Some(pattern.clone()));
        }
    }

    /// Collects the endpoints of one Upstream again, or drops it if nobody names it; yields whether it is
    /// different.
    pub(crate) fn translate(
        &mut self,
        id: &UpstreamId,
        objects: &Objects,
        settings: &Settings,
        next: &mut Snapshot,
        findings: &mut Findings,
    ) -> bool {
        let Some(state) = self.upstreams.get_mut(id) else { return false };
        if state.users.is_empty() {
            findings.replace(&state.diagnostics, &[]);
            self.of_service.remove(&state.backend.service, id);
            self.upstreams.remove(id);
            set_checked(id, Checked::No, next);
            return next.upstreams.remove(id).is_some();
        }
        let (mut upstream, fault) = backend::translate(&state.backend, state.protocol, objects, settings);
        upstream.policy = state.policy();
        let diagnostics = fault.map(|fault| state.sent_nowhere(&fault)).unwrap_or_default();
        findings.replace(&state.diagnostics, &diagnostics);
        state.diagnostics = diagnostics;
        let is_same = next.upstreams.get(id).is_some_and(|before| **before == upstream);
        if !is_same {
            let is_checked = upstream.policy.check.is_some();
            set_checked(id, if is_checked { Checked::Yes } else { Checked::No }, next);
            next.upstreams.insert(id.clone(), Arc::new(upstream));
        }
        !is_same
    }
}

/// Whether the endpoints of an Upstream are probed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checked {
    Yes,
    No,
}

fn set_checked(id: &UpstreamId, checked: Checked, next: &mut Snapshot) {
    if next.checked.contains(id) == (checked == Checked::Yes) {
        return;
    }
    let mut all: BTreeSet<UpstreamId> = (*next.checked).clone();
    match checked {
        Checked::Yes => drop(all.insert(id.clone())),
        Checked::No => drop(all.remove(id)),
    }
    next.checked = Arc::new(all);
}

impl UpstreamState {
    /// Of each wish that of the oldest Ingress that has it.
    fn policy(&self) -> Policy {
        let mut wishes: Vec<_> = self.users.values().flatten().collect();
        wishes.sort_by_key(|(user, _)| *user);
        let wishes = || wishes.iter().map(|(_, wishes)| wishes);
        let cookie = wishes().find_map(|wishes| wishes.cookie.as_ref());
        Policy {
            session: canary::session(cookie, &Destination::Service(self.backend.clone()), "/"),
            cap: wishes().find_map(|wishes| wishes.policy.cap),
            slow_start: wishes().find_map(|wishes| wishes.policy.slow_start),
            check: wishes().find_map(|wishes| wishes.policy.check.clone()),
        }
    }

    /// What is told of each Ingress and the field of it that names the backend.
    fn sent_nowhere(&self, fault: &Fault) -> Vec<Diagnostic> {
        let users = self.users.iter().flat_map(|(host, users)| users.keys().map(move |user| (host, user)));
        let users = users.map(|(host, (age, field))| Diagnostic {
            severity: Severity::Warning,
            object: match host {
                Some(_) => format!("Ingress {}", age.key),
                None => "Flag --default-backend-service".to_owned(),
            },
            field: field.clone(),
            reason: fault.reason,
            message: fault.message.clone(),
        });
        users.collect()
    }
}
