//! Objects that say how somebody is called and whose certificate to trust then: the part of each that holds a CA bundle,
//! and nothing else of it. What is applied from here touches nothing else either.

use serde::{Deserialize, Serialize};

use crate::core::{ByteString, ClusterResourceScope, ObjectMeta};
use crate::object::{Object, resource};

/// An object with places for CA bundles.
pub trait Injectable: Object {
    /// What is in each place.
    fn bundles(&self) -> Vec<Option<&ByteString>>;

    /// The same places with other bundles, one for each, and nothing but the name beside them.
    #[must_use]
    fn with_bundles(&self, bundles: Vec<ByteString>) -> Self;
}

/// How a webhook is called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientConfig {
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<ByteString>,
}

/// One webhook of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamedWebhook {
    /// Unique in its configuration.
    pub name: String,
    /// How it is called.
    pub client_config: ClientConfig,
}

/// Webhooks that may refuse objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidatingWebhookConfiguration {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// By name.
    pub webhooks: Vec<NamedWebhook>,
}

/// Webhooks that may change objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MutatingWebhookConfiguration {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// By name.
    pub webhooks: Vec<NamedWebhook>,
}

/// A kind of objects; what converts between its versions may be a webhook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomResourceDefinition {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// Without versions and schemas.
    pub spec: DefinitionSpec,
}

/// Part of [`CustomResourceDefinition`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefinitionSpec {
    /// Between versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
}

/// Part of [`CustomResourceDefinition`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conversion {
    /// Who converts, unless nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<ConversionWebhook>,
}

/// Part of [`CustomResourceDefinition`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConversionWebhook {
    /// How it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_config: Option<ClientConfig>,
}

/// A group of the API that another server answers for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiService {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// Who answers.
    pub spec: ApiServiceSpec,
}

/// Part of [`ApiService`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiServiceSpec {
    /// Where it is; not set where the API server itself answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<serde_json::Value>,
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<ByteString>,
}

macro_rules! webhooks {
    ($kind:ident, $plural:literal) => {
        resource!($kind, "admissionregistration.k8s.io", $plural, ClusterResourceScope);
        impl Injectable for $kind {
            fn bundles(&self) -> Vec<Option<&ByteString>> {
                self.webhooks.iter().map(|webhook| webhook.client_config.ca_bundle.as_ref()).collect()
            }

            fn with_bundles(&self, bundles: Vec<ByteString>) -> Self {
                let webhooks = self.webhooks.iter().zip(bundles).map(|(webhook, bundle)| NamedWebhook {
                    name: webhook.name.clone(),
                    client_config: ClientConfig { ca_bundle: Some(bundle) },
                });
                Self { metadata: named(&self.metadata), webhooks: webhooks.collect() }
            }
        }
    };
}
webhooks!(ValidatingWebhookConfiguration, "validatingwebhookconfigurations");
webhooks!(MutatingWebhookConfiguration, "mutatingwebhookconfigurations");

resource!(
    CustomResourceDefinition,
    "apiextensions.k8s.io",
    "customresourcedefinitions",
    ClusterResourceScope
);
impl Injectable for CustomResourceDefinition {
    fn bundles(&self) -> Vec<Option<&ByteString>> {
        let webhook = self.spec.conversion.iter().filter_map(|conversion| conversion.webhook.as_ref());
        let called = webhook.filter_map(|webhook| webhook.client_config.as_ref());
        called.map(|called| called.ca_bundle.as_ref()).collect()
    }

    fn with_bundles(&self, bundles: Vec<ByteString>) -> Self {
        let webhook = bundles.into_iter().next().map(|bundle| ConversionWebhook {
            client_config: Some(ClientConfig { ca_bundle: Some(bundle) }),
        });
        let conversion = webhook.map(|webhook| Conversion { webhook: Some(webhook) });
        Self { metadata: named(&self.metadata), spec: DefinitionSpec { conversion } }
    }
}

impl crate::core::Resource for ApiService {
    const API_VERSION: &'static str = "apiregistration.k8s.io/v1";
    const GROUP: &'static str = "apiregistration.k8s.io";
    const KIND: &'static str = "APIService";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "apiservices";
    type Scope = ClusterResourceScope;
}
impl crate::core::Metadata for ApiService {
    type Ty = ObjectMeta;
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
impl Injectable for ApiService {
    fn bundles(&self) -> Vec<Option<&ByteString>> {
        self.spec.service.iter().map(|_| self.spec.ca_bundle.as_ref()).collect()
    }

    fn with_bundles(&self, bundles: Vec<ByteString>) -> Self {
        let spec = ApiServiceSpec { service: None, ca_bundle: bundles.into_iter().next() };
        Self { metadata: named(&self.metadata), spec }
    }
}

macro_rules! of_the_cluster {
    ($($kind:ty),*) => { $(impl Object for $kind { const NAMESPACED: bool = false; })* };
}
of_the_cluster!(
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    CustomResourceDefinition,
    ApiService
);

fn named(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta { name: metadata.name.clone(), ..ObjectMeta::default() }
}
