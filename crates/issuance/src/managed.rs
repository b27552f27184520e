//! What of a Secret was written for its Certificate, so that it goes when the Certificate wants it no more, and
//! what others wrote stays.

use std::collections::BTreeSet;

use jamul_api::core::Secret;
use jamul_api::{Object, names};
use serde::{Deserialize, Serialize};

/// Field managers under which cert-manager wrote Secrets.
const CERT_MANAGERS: [&str; 2] = ["cert-manager-certificates-issuing", "cert-manager-certificates"];

/// Names of labels, annotations and data that came from a Certificate's `secretTemplate` and output options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Managed {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) labels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) annotations: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) data: BTreeSet<String>,
}

impl Managed {
    /// From our own annotation; of a Secret that cert-manager wrote, from the API server's book-keeping.
    pub(crate) fn of(secret: &Secret) -> Self {
        if let Some(text) = secret.annotation(names::MANAGED) {
            return serde_json::from_str(text).unwrap_or_default();
        }
        let mut managed = Self::default();
        let entries = secret.metadata.managed_fields.iter().flatten();
        let ours =
            entries.filter(|entry| CERT_MANAGERS.iter().any(|name| entry.manager.as_deref() == Some(name)));
        for fields in ours.filter_map(|entry| entry.fields_v1.as_ref()) {
            let fields = &fields.0;
            managed.labels.extend(field_names(&fields["f:metadata"]["f:labels"]));
            managed.annotations.extend(field_names(&fields["f:metadata"]["f:annotations"]));
            managed.data.extend(field_names(&fields["f:data"]));
        }
        managed.labels.remove(names::FAO_LABEL);
        managed.annotations.retain(|name| !name.starts_with("cert-manager.io/"));
        managed
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn field_names(fields: &serde_json::Value) -> Vec<String> {
    let names = fields.as_object().into_iter().flat_map(|fields| fields.keys());
    names.filter_map(|name| name.strip_prefix("f:")).map(str::to_owned).collect()
}
