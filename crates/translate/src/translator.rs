//! The incremental state: what is known, who depends on what, and the last Snapshot.

mod certificates;
mod wholes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_api::core::ConfigMap;
use jamul_routing::{CertTable, Diagnostic, HostPattern, HostRoutes, Snapshot, UpstreamId};

use crate::change::ObjectChange;
use crate::findings::{Finding, Findings};
use crate::index::Index;
use crate::ingress::{Age, CompiledIngress};
use crate::lookup::{Missing, Reference};
use crate::objects::{Difference, Objects};
use crate::settings::Settings;
use crate::stream::StreamState;
use crate::tls::{Certificates, HostCertificate};
use crate::upstreams::Upstreams;
use crate::{default_backend, host, ingress};

/// Keeps a Snapshot up to date: changes go in by [`Self::apply`], and [`Self::publish`] translates again what
/// depends on them, and nothing else. Changes that are applied together are published together, so a route
/// never appears without its endpoints and its certificate.
#[derive(Debug)]
pub struct Translator {
    settings: Settings,
    missing: BTreeSet<Missing>,
    objects: Objects,
    /// Every Ingress that is there, also those of others (which claim nothing).
    ingresses: HashMap<ObjectKey, CompiledIngress>,
    /// Host to the Ingresses that claim something there, the oldest first.
    claimants: Index<HostPattern, Age>,
    /// What Ingresses were translated with, to these Ingresses.
    references: Index<Reference, ObjectKey>,
    hosts: HashMap<HostPattern, HostState>,
    /// A name to the hosts that want to be served there too, the first of which is.
    other_names: Index<HostPattern, HostPattern>,
    /// Secret to the hosts whose certificate was looked for in it.
    secret_hosts: Index<ObjectKey, HostPattern>,
    certificates: Certificates,
    upstreams: Upstreams,
    findings: Findings,
    /// What is wrong with the controller's ConfigMap.
    settings_diagnostics: Vec<Diagnostic>,
    streams: StreamState,
    /// What is wrong with the Secret of `--default-ssl-certificate`.
    default_diagnostics: Vec<Diagnostic>,
    dirty: Dirty,
    snapshot: Arc<Snapshot>,
    work: Work,
}

/// How much was translated so far; proves that a change costs only what depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Ingresses compiled.
    pub ingresses: u64,
    /// Hosts whose routes were made.
    pub hosts: u64,
    /// Hosts whose certificate was chosen.
    pub certificates: u64,
    /// Upstreams whose endpoints were collected.
    pub upstreams: u64,
}

/// What one host is made of, besides its routes (which the Snapshot has).
#[derive(Debug, Default)]
struct HostState {
    /// With repetitions: one for each route.
    upstreams: Vec<UpstreamId>,
    diagnostics: Vec<Diagnostic>,
    certificate: HostCertificate,
    /// What is served at other names because of it.
    other_names: Vec<(HostPattern, Arc<HostRoutes>)>,
}

/// What must be translated again.
#[derive(Debug, Default, PartialEq)]
struct Dirty {
    ingresses: BTreeSet<ObjectKey>,
    hosts: BTreeSet<HostPattern>,
    /// Hosts whose certificate must be chosen again.
    certificates: BTreeSet<HostPattern>,
    upstreams: BTreeSet<UpstreamId>,
    challenges: bool,
    /// The controller's ConfigMap.
    globals: bool,
    /// TCP and UDP services.
    streams: bool,
    default_certificate: bool,
}

impl Translator {
    /// Knows of nothing yet; its Snapshot has generation 0 and the default certificate only.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let certs = CertTable::new(settings.default_certificate.clone());
        let (mut upstreams, mut dirty) = (Upstreams::default(), Dirty::default());
        if let Some(backend) = default_backend::backend(&settings) {
            dirty.upstreams.insert(upstreams.hold_default(backend));
            dirty.globals = true;
        }
        // If one is named that is not there, somebody should know.
        dirty.streams = !settings.streams.is_empty();
        dirty.default_certificate = settings.default_secret.is_some();
        Self {
            settings,
            missing: BTreeSet::new(),
            objects: Objects::default(),
            ingresses: HashMap::new(),
            claimants: Index::default(),
            references: Index::default(),
            hosts: HashMap::new(),
            other_names: Index::default(),
            secret_hosts: Index::default(),
            certificates: Certificates::default(),
            upstreams,
            findings: Findings::default(),
            settings_diagnostics: Vec::new(),
            streams: StreamState::default(),
            default_diagnostics: Vec::new(),
            dirty,
            snapshot: Arc::new(Snapshot { certs, ..Snapshot::default() }),
            work: Work::default(),
        }
    }

    /// Takes news. Nothing is translated before [`Self::publish`].
    pub fn apply(&mut self, change: ObjectChange) {
        match change {
            ObjectChange::Ingress(change) => {
                let differences = self.objects.ingresses.apply(change);
                self.dirty.ingresses.extend(differences.iter().map(Difference::key));
            }
            ObjectChange::IngressClass(change) => {
                for difference in self.objects.classes.apply(change) {
                    self.touch_reference(&Reference::Class(difference.key()));
                }
            }
            ObjectChange::Namespace(change) => {
                for difference in self.objects.namespaces.apply(change) {
                    self.touch_reference(&Reference::Namespace(difference.key()));
                }
            }
            ObjectChange::Service(change) => {
                for difference in self.objects.services.apply(change) {
                    self.touch_service(&difference.key());
                }
            }
            ObjectChange::EndpointSlice(change) => {
                for service in self.objects.apply_slices(change) {
                    self.touch_service(&service);
                }
            }
            ObjectChange::Endpoints(change) => {
                for difference in self.objects.endpoints.apply(change) {
                    self.touch_service(&difference.key());
                }
            }
            ObjectChange::Secret(change) => {
                for difference in self.objects.secrets.apply(change) {
                    let key = difference.key();
                    self.certificates.forget(&key);
                    self.dirty.default_certificate |= self.settings.default_secret.as_ref() == Some(&key);
                    self.dirty.certificates.extend(self.secret_hosts.get(&key).cloned());
                    self.touch_reference(&Reference::Secret(key));
                }
            }
            ObjectChange::ConfigMap(change) => {
                for difference in self.objects.config_maps.apply(change) {
                    self.touch_config_map(&difference);
                }
            }
            ObjectChange::Challenge(change) => {
                self.dirty.challenges |= !self.objects.challenges.apply(change).is_empty();
            }
        }
    }

    /// Translates what is due and yields the next Snapshot; `None` if it would be the same as the last one.
    pub fn publish(&mut self) -> Option<Arc<Snapshot>> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty == Dirty::default() {
            return None;
        }
        let mut next = Snapshot::clone(&self.snapshot);
        let mut hosts = dirty.hosts;
        for key in &dirty.ingresses {
            self.compile(key, &mut hosts);
        }
        let mut is_changed = false;
        let mut upstreams = dirty.upstreams;
        let mut names = BTreeSet::new();
        for pattern in &hosts {
            is_changed |= self.translate_host(pattern, &mut next, &mut upstreams, &mut names);
        }
        for name in &names {
            is_changed |= self.serve_other_name(name, &mut next);
        }
        let hosts: BTreeSet<HostPattern> = hosts.union(&names).cloned().collect();
        for pattern in hosts.iter().chain(dirty.certificates.difference(&hosts)) {
            is_changed |= self.choose_certificate(pattern, &mut next);
        }
        for id in &upstreams {
            self.work.upstreams += 1;
            let findings = &mut self.findings;
            is_changed |= self.upstreams.translate(id, &self.objects, &self.settings, &mut next, findings);
        }
        if dirty.challenges {
            is_changed |= self.translate_challenges(&mut next);
        }
        if dirty.default_certificate {
            is_changed |= self.choose_default(&mut next);
        }
        if dirty.globals {
            is_changed |= self.translate_globals(&mut next);
            next.default_route = default_backend::translate(&self.objects, &self.settings);
            is_changed |= next.default_route.is_some();
        }
        if dirty.streams {
            is_changed |= self.translate_streams(&mut next);
        }
        if !is_changed {
            return None;
        }
        next.generation += 1;
        self.snapshot = Arc::new(next);
        Some(Arc::clone(&self.snapshot))
    }

    /// What users should mend, as of the last [`Self::publish`]; sorted, the least severe first.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.findings.iter().cloned().collect()
    }

    /// What became of Diagnostics since this was last asked, in order; with it, whoever keeps them needs not
    /// look at all of them after each change.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        self.findings.take_news()
    }

    /// The last Snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// How much was translated so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// What was looked up in vain since the last call. Whoever reads objects only on demand can get it now.
    pub fn take_missing(&mut self) -> BTreeSet<Missing> {
        std::mem::take(&mut self.missing)
    }

    /// What was told.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What the command line says.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Value of a key of the controller's ConfigMap.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let config = self.objects.config_maps.get(self.settings.config.as_ref()?)?;
        config.data.as_ref()?.get(name).cloned()
    }

    /// Who claims something on a host beside `candidate`, the oldest first.
    pub(crate) fn rivals(&self, pattern: &HostPattern, candidate: &CompiledIngress) -> Vec<&CompiledIngress> {
        let mut claimants = claimants(&self.claimants, &self.ingresses, pattern);
        claimants.retain(|claimant| claimant.age.key != candidate.age.key);
        claimants
    }

    fn touch_service(&mut self, service: &ObjectKey) {
        self.dirty.upstreams.extend(self.upstreams.of_service(service).cloned());
        self.dirty.streams |= self.streams.uses(service);
    }

    fn touch_reference(&mut self, reference: &Reference) {
        self.dirty.ingresses.extend(self.references.get(reference).cloned());
    }

    fn touch_config_map(&mut self, difference: &Difference<ConfigMap>) {
        let key = difference.key();
        if self.settings.config.as_ref() == Some(&key) {
            self.dirty.globals = true;
            for setting in differing_keys(difference) {
                self.touch_reference(&Reference::Setting(setting));
            }
        }
        self.dirty.streams |= self.settings.streams.iter().any(|(_, named)| *named == key);
        self.touch_reference(&Reference::ConfigMap(key));
    }

    /// Compiles one Ingress again; the hosts it claimed or claims are due.
    fn compile(&mut self, key: &ObjectKey, hosts: &mut BTreeSet<HostPattern>) {
        self.work.ingresses += 1;
        if let Some(before) = self.ingresses.remove(key) {
            for pattern in before.hosts.keys() {
                self.claimants.remove(pattern, &before.age);
            }
            for reference in &before.references {
                self.references.remove(reference, key);
            }
            self.findings.replace(&before.diagnostics, &[]);
            hosts.extend(before.hosts.into_keys());
        }
        let Some(object) = self.objects.ingresses.get(key) else { return };
        let compiled = ingress::compile(object, &self.objects, &self.settings);
        for reference in &compiled.references {
            match reference {
                Reference::Secret(key) if self.objects.secrets.get(key).is_none() => {
                    self.missing.insert(Missing::Secret(key.clone()));
                }
                Reference::ConfigMap(key) if self.objects.config_maps.get(key).is_none() => {
                    self.missing.insert(Missing::ConfigMap(key.clone()));
                }
                Reference::Secret(_)
                | Reference::ConfigMap(_)
                | Reference::Class(_)
                | Reference::Namespace(_)
                | Reference::Setting(_) => {}
            }
        }
        for pattern in compiled.hosts.keys() {
            self.claimants.insert(pattern.clone(), compiled.age.clone());
            hosts.insert(pattern.clone());
        }
        for reference in &compiled.references {
            self.references.insert(reference.clone(), key.clone());
        }
        self.findings.replace(&[], &compiled.diagnostics);
        self.ingresses.insert(key.clone(), compiled);
    }

    /// Makes the routes of one host again; Upstreams that come or go are due. Yields whether anything is
    /// different.
    fn translate_host(
        &mut self,
        pattern: &HostPattern,
        next: &mut Snapshot,
        upstreams: &mut BTreeSet<UpstreamId>,
        names: &mut BTreeSet<HostPattern>,
    ) -> bool {
        self.work.hosts += 1;
        let mut before = None;
        if let Some(state) = self.hosts.get_mut(pattern) {
            before = Some(std::mem::take(&mut state.upstreams));
            for (name, _) in std::mem::take(&mut state.other_names) {
                self.other_names.remove(&name, pattern);
                names.insert(name);
            }
        }
        for id in before.iter().flatten() {
            self.upstreams.release(id, pattern);
            upstreams.insert(id.clone());
        }
        let claimants = claimants(&self.claimants, &self.ingresses, pattern);
        if claimants.is_empty() {
            next.router.remove(pattern);
            // Another host may want to be served here now.
            names.insert(pattern.clone());
            return before.is_some();
        }
        let default_backend = default_backend::backend(&self.settings);
        let translation = host::translate(pattern, &claimants, default_backend.as_ref());
        next.router.insert(pattern.clone(), translation.routes);
        let state = self.hosts.entry(pattern.clone()).or_default();
        self.findings.replace(&state.diagnostics, &translation.diagnostics);
        state.diagnostics = translation.diagnostics;
        for (name, _) in &translation.other_names {
            self.other_names.insert(name.clone(), pattern.clone());
            names.insert(name.clone());
        }
        state.other_names = translation.other_names;
        for used in translation.uses {
            let id = self.upstreams.hold(used, pattern);
            upstreams.insert(id.clone());
            state.upstreams.push(id);
        }
        true
    }

    /// Serves at a name that is no host of its own what the first host that wants so has there, if any does. Yields
    /// whether anything is different.
    fn serve_other_name(&self, name: &HostPattern, next: &mut Snapshot) -> bool {
        if self.claimants.contains(name) {
            return false;
        }
        let owner = self.other_names.get(name).next().and_then(|owner| self.hosts.get(owner));
        let served = owner.and_then(|owner| owner.other_names.iter().find(|(other, _)| other == name));
        match served {
            Some((_, routes)) => next.router.insert(name.clone(), Arc::clone(routes)),
            None => next.router.remove(name),
        }
        true
    }
}

/// The Ingresses that claim something on a host, the oldest first.
fn claimants<'a>(
    index: &Index<HostPattern, Age>,
    ingresses: &'a HashMap<ObjectKey, CompiledIngress>,
    pattern: &HostPattern,
) -> Vec<&'a CompiledIngress> {
    index.get(pattern).filter_map(|age| ingresses.get(&age.key)).collect()
}

/// The data keys whose values differ.
fn differing_keys(difference: &Difference<ConfigMap>) -> BTreeSet<String> {
    let empty = BTreeMap::new();
    let data = |config: &Option<Arc<ConfigMap>>| config.as_ref().and_then(|config| config.data.clone());
    let (before, after) = (data(&difference.before), data(&difference.after));
    let (before, after) = (before.as_ref().unwrap_or(&empty), after.as_ref().unwrap_or(&empty));
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}
