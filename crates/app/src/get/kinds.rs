//! The kinds that can be asked for, by all the names that kubectl knows for them.

use jamul_api::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Namespace, Secret, Service,
};
use jamul_api::object::plural_and_group;
use jamul_api::{Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Object, Order};
use jamul_store::Store;
use jiff::Timestamp;
use serde_json::Value;

use super::columns::{self, Row, text};
use crate::output;

/// A kind, its names, and how its objects are shown.
pub(crate) struct KnownKind {
    /// As in manifests.
    pub(crate) kind: &'static str,
    /// Whether its objects live in namespaces.
    pub(crate) is_namespaced: bool,
    /// All objects as documents, ordered by key.
    pub(crate) list: fn(&Store) -> anyhow::Result<Vec<Value>>,
    /// `<plural>[.<group>]`
    plural: fn() -> String,
    /// kubectl's short names.
    short: &'static [&'static str],
    /// Heads of the columns between NAME and AGE.
    header: &'static [&'static str],
    row: fn(&Value) -> Row,
}

impl KnownKind {
    const fn of<K: Object>(
        short: &'static [&'static str],
        header: &'static [&'static str],
        row: fn(&Value) -> Row,
    ) -> Self {
        Self {
            kind: K::KIND,
            is_namespaced: K::NAMESPACED,
            list: documents::<K>,
            plural: plural_and_group::<K>,
            short,
            header,
            row,
        }
    }

    /// The kind with this name: kind, plural, plural with group, or short name, in any case.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase();
        KINDS.iter().find(|kind| {
            let full = (kind.plural)();
            let plural = full.split_once('.').map_or(full.as_str(), |(plural, _)| plural);
            let is_short = kind.short.contains(&name.as_str());
            kind.kind.eq_ignore_ascii_case(&name) || full == name || plural == name || is_short
        })
    }

    /// All kinds, for people.
    pub(crate) fn names() -> String {
        KINDS.iter().map(|kind| kind.kind).collect::<Vec<_>>().join(", ")
    }

    /// `objects` as a table.
    pub(crate) fn table(&self, objects: &[Value], with_namespace: bool, now: Timestamp) -> String {
        let namespace = with_namespace.then_some("NAMESPACE");
        let header: Vec<&str> =
            namespace.into_iter().chain(["NAME"]).chain(self.header.iter().copied()).chain(["AGE"]).collect();
        let mut table = output::table(&header);
        for object in objects {
            let namespace = with_namespace.then(|| text(object, "/metadata/namespace").to_owned());
            let name = text(object, "/metadata/name").to_owned();
            let age = columns::age(text(object, "/metadata/creationTimestamp"), now);
            table.add_row(namespace.into_iter().chain([name]).chain((self.row)(object)).chain([age]));
        }
        output::text(&table)
    }
}

/// All objects of a kind, with `apiVersion` and `kind`.
fn documents<K: Object>(store: &Store) -> anyhow::Result<Vec<Value>> {
    let document = |object: &K| {
        let mut document = serde_json::to_value(object)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("apiVersion".to_owned(), K::API_VERSION.into());
            fields.insert("kind".to_owned(), K::KIND.into());
        }
        Ok(document)
    };
    store.list::<K>().iter().map(|object| document(object)).collect()
}

static KINDS: &[KnownKind] = &[
    KnownKind::of::<Ingress>(&["ing"], &["CLASS", "HOSTS", "ADDRESS", "PORTS"], columns::ingress),
    KnownKind::of::<IngressClass>(&["ingclass"], &["CONTROLLER"], columns::ingress_class),
    KnownKind::of::<Service>(&["svc"], &["TYPE", "CLUSTER-IP", "EXTERNAL-NAME", "PORTS"], columns::service),
    KnownKind::of::<EndpointSlice>(&["eps"], &["ADDRESSTYPE", "PORTS", "ENDPOINTS"], columns::endpoint_slice),
    KnownKind::of::<Endpoints>(&["ep"], &["ENDPOINTS"], columns::endpoints),
    KnownKind::of::<Secret>(&[], &["TYPE", "DATA"], columns::secret),
    KnownKind::of::<ConfigMap>(&["cm"], &["DATA"], columns::config_map),
    KnownKind::of::<Namespace>(&["ns"], &["LABELS"], columns::namespace),
    KnownKind::of::<Certificate>(
        &["cert", "certs"],
        &["READY", "SECRET", "ISSUER", "STATUS"],
        columns::certificate,
    ),
    KnownKind::of::<CertificateRequest>(
        &["cr", "crs"],
        &["APPROVED", "DENIED", "READY", "ISSUER", "STATUS"],
        columns::request,
    ),
    KnownKind::of::<Issuer>(&["iss"], &["READY", "STATUS"], columns::issuer),
    KnownKind::of::<ClusterIssuer>(&["ciss"], &["READY", "STATUS"], columns::issuer),
    KnownKind::of::<Order>(&[], &["STATE", "ISSUER", "REASON"], columns::order),
    KnownKind::of::<Challenge>(&[], &["STATE", "DOMAIN", "REASON"], columns::challenge),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_kind_is_known_by_all_the_names_that_kubectl_takes() {
        for (name, kind) in [
            ("ing", "Ingress"),
            ("Ingresses", "Ingress"),
            ("ingresses.networking.k8s.io", "Ingress"),
            ("svc", "Service"),
            ("secrets", "Secret"),
            ("cert", "Certificate"),
            ("certificates.cert-manager.io", "Certificate"),
            ("cr", "CertificateRequest"),
            ("clusterissuers", "ClusterIssuer"),
            ("challenges.acme.cert-manager.io", "Challenge"),
            ("endpointslices", "EndpointSlice"),
        ] {
            assert_eq!(KnownKind::named(name).map(|kind| kind.kind), Some(kind), "{name}");
        }
        assert!(KnownKind::named("pods").is_none());
    }

    #[test]
    fn no_name_means_two_kinds() {
        let mut names = BTreeSet::new();
        for kind in KINDS {
            let own = [kind.kind.to_ascii_lowercase(), (kind.plural)()];
            let own: BTreeSet<String> =
                own.into_iter().chain(kind.short.iter().map(|name| (*name).to_owned())).collect();
            assert!(own.into_iter().all(|name| names.insert(name)), "{}", kind.kind);
        }
    }
}
