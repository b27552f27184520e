//! The only file that names `k8s_openapi`: the subset of Kubernetes' own types that Jamul uses.

pub use k8s_openapi::ByteString;
pub use k8s_openapi::api::core::v1::{
    ConfigMap, EndpointAddress, EndpointSubset, Endpoints, LoadBalancerIngress, LoadBalancerStatus,
    Namespace, Secret, Service, ServicePort, ServiceSpec, ServiceStatus,
};
pub use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
pub use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressClass, IngressClassSpec,
    IngressLoadBalancerIngress, IngressLoadBalancerStatus, IngressRule, IngressServiceBackend, IngressSpec,
    IngressStatus, IngressTLS, ServiceBackendPort,
};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
pub use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
pub use k8s_openapi::{ClusterResourceScope, Metadata, NamespaceResourceScope, Resource};
