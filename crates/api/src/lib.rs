//! Kubernetes and cert-manager object types
