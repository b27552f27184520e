//! What an Ingress was translated with, besides itself: recorded, so that a change of it translates the
//! Ingress again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_api::core::Namespace;
use jamul_routing::{Authorities, CertEntry, Lookup};

use crate::objects::{Objects, secret_data};
use crate::settings::Settings;
use crate::trust;

/// Something that an Ingress was translated with, there or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reference {
    /// IngressClass.
    Class(ObjectKey),
    /// Namespace, for its labels.
    Namespace(ObjectKey),
    /// ConfigMap that an annotation names.
    ConfigMap(ObjectKey),
    /// Secret that an annotation names.
    Secret(ObjectKey),
    /// Key of the controller's ConfigMap.
    Setting(String),
}

/// Something that was looked up and is not there, as far as this crate was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// Named by an annotation or by `spec.tls`.
    Secret(ObjectKey),
    /// Named by an annotation.
    ConfigMap(ObjectKey),
}

/// Reads objects for one Ingress and remembers which.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    objects: &'a Objects,
    settings: &'a Settings,
    namespace: &'a str,
    references: RefCell<BTreeSet<Reference>>,
}

impl<'a> Recorder<'a> {
    /// Reads for an Ingress in `namespace`.
    pub(crate) fn new(objects: &'a Objects, settings: &'a Settings, namespace: &'a str) -> Self {
        Self { objects, settings, namespace, references: RefCell::default() }
    }

    /// The controller of the IngressClass `name`; `None` when there is no such class.
    pub(crate) fn controller_of(&self, name: &str) -> Option<String> {
        let key = ObjectKey::new("", name);
        self.record(Reference::Class(key.clone()));
        let class = self.objects.classes.get(&key)?;
        Some(class.spec.as_ref().and_then(|spec| spec.controller.clone()).unwrap_or_default())
    }

    /// The Namespace `name`.
    pub(crate) fn namespace(&self, name: &str) -> Option<&'a Namespace> {
        let key = ObjectKey::new("", name);
        self.record(Reference::Namespace(key.clone()));
        self.objects.namespaces.get(&key).map(AsRef::as_ref)
    }

    /// Whether `name` was looked for and is not there: what names it may be right a moment later.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        let Some(key) = self.key(name) else { return false };
        let references = self.references.borrow();
        let is_lacked = |reference: Reference, is_there: bool| !is_there && references.contains(&reference);
        is_lacked(Reference::Secret(key.clone()), self.objects.secrets.get(&key).is_some())
            || is_lacked(Reference::ConfigMap(key.clone()), self.objects.config_maps.get(&key).is_some())
    }

    /// What was read.
    pub(crate) fn into_references(self) -> BTreeSet<Reference> {
        self.references.into_inner()
    }

    fn no_secret(&self) -> String {
        format!("the name of a Secret in namespace {}", self.namespace)
    }

    fn record(&self, reference: Reference) {
        self.references.borrow_mut().insert(reference);
    }

    /// `name` or `namespace/name`; other namespaces than the Ingress's own are refused unless the setting
    /// `allow-cross-namespace-resources` is `true`.
    fn key(&self, name: &str) -> Option<ObjectKey> {
        match name.split_once('/') {
            Some((namespace, name)) if namespace == self.namespace => Some(ObjectKey::new(namespace, name)),
            Some((namespace, name)) => {
                let is_allowed = self.setting("allow-cross-namespace-resources");
                let is_allowed = is_allowed.is_some_and(|word| word.trim() == "true");
                is_allowed.then(|| ObjectKey::new(namespace, name))
            }
            None => Some(ObjectKey::new(self.namespace, name)),
        }
    }
}

impl Lookup for Recorder<'_> {
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let key = self.key(name)?;
        self.record(Reference::ConfigMap(key.clone()));
        self.objects.config_maps.get(&key).map(|found| found.data.clone().unwrap_or_default())
    }

    fn controllers_config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let (namespace, name) = name.split_once('/')?;
        let key = ObjectKey::new(namespace, name);
        self.record(Reference::ConfigMap(key.clone()));
        self.objects.config_maps.get(&key).map(|found| found.data.clone().unwrap_or_default())
    }

    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let key = self.key(name)?;
        self.record(Reference::Secret(key.clone()));
        self.objects.secrets.get(&key).map(|found| secret_data(found))
    }

    fn authorities(&self, secret: &str) -> Result<Authorities, String> {
        trust::authorities(&self.secret(secret).ok_or_else(|| self.no_secret())?)
    }

    fn key_pair(&self, secret: &str) -> Result<Option<Arc<CertEntry>>, String> {
        let data = self.secret(secret).ok_or_else(|| self.no_secret())?;
        let key = self.key(secret).unwrap_or_default();
        trust::key_pair(&key.to_string(), &data)
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.record(Reference::Setting(key.to_owned()));
        let config = self.objects.config_maps.get(self.settings.config.as_ref()?)?;
        config.data.as_ref()?.get(key).cloned()
    }
}
