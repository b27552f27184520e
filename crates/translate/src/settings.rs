//! What the command line decides about translation.

use std::sync::Arc;

use jamul_api::{ObjectKey, names};
use jamul_routing::CertEntry;
use jamul_routing::streams::Transport;

use crate::selector::Selector;

/// What the command line decides about translation; the flag is named where there is one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--ingress-class`: the class that `kubernetes.io/ingress.class` must name.
    pub ingress_class: String,
    /// `--controller-class`: the `spec.controller` of IngressClasses that are ours.
    pub controller_class: String,
    /// `--ingress-class-by-name`: `ingressClassName` may also be [`Self::ingress_class`] itself, whatever the
    /// IngressClass says and whether or not there is one. On in a folder.
    pub ingress_class_by_name: bool,
    /// `--watch-ingress-without-class`: Ingresses that name no class are ours. On in a folder.
    pub watch_without_class: bool,
    /// Which namespaces' Ingresses are ours.
    pub watched: Watched,
    /// `--disable-catch-all`: rules without a host, and Ingresses without rules, are not served.
    pub disable_catch_all: bool,
    /// `--disable-svc-external-name`: Services of type ExternalName have no endpoints.
    pub disable_external_names: bool,
    /// `--annotations-prefix`, without `/`.
    pub annotations_prefix: String,
    /// Port of the https listener as clients reach it.
    pub https_port: u16,
    /// Whether a Service of type ExternalName may name this machine. On in a folder only.
    pub loopback_external_names: bool,
    /// `--enable-ssl-passthrough`: TLS of hosts may go to their endpoints undecrypted.
    pub ssl_passthrough: bool,
    /// `--default-ssl-certificate`: the Secret that comes before [`Self::default_certificate`].
    pub default_secret: Option<ObjectKey>,
    /// Served to unknown names, and where a host's own certificate cannot be used.
    pub default_certificate: Option<Arc<CertEntry>>,
    /// `--configmap`: the controller's ConfigMap.
    pub config: Option<ObjectKey>,
    /// `--default-backend-service`: who answers what no rule takes, and writes error pages.
    pub default_backend: Option<ObjectKey>,
    /// `--tcp-services-configmap`, `--udp-services-configmap`: what other ports carry.
    pub streams: Vec<(Transport, ObjectKey)>,
    /// TCP ports of Jamul's own, which no TCP service may have.
    pub taken_ports: Vec<u16>,
}

/// Which namespaces' Ingresses are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watched {
    /// Those of all.
    #[default]
    All,
    /// `--watch-namespace`
    Namespace(String),
    /// `--watch-namespace-selector`: those whose Namespace has these labels.
    Selector(Selector),
}

impl Default for Settings {
    /// As in a cluster, without flags.
    fn default() -> Self {
        Self {
            ingress_class: "nginx".to_owned(),
            controller_class: "k8s.io/ingress-nginx".to_owned(),
            ingress_class_by_name: false,
            watch_without_class: false,
            watched: Watched::All,
            disable_catch_all: false,
            disable_external_names: false,
            annotations_prefix: names::NGINX_PREFIX.to_owned(),
            https_port: 443,
            loopback_external_names: false,
            ssl_passthrough: false,
            default_secret: None,
            default_certificate: None,
            config: None,
            default_backend: None,
            streams: Vec::new(),
            taken_ports: Vec::new(),
        }
    }
}

impl Settings {
    /// As for a folder, which has one controller and is its user's own machine.
    #[must_use]
    pub fn folder() -> Self {
        Self {
            ingress_class_by_name: true,
            watch_without_class: true,
            loopback_external_names: true,
            ..Self::default()
        }
    }
}
