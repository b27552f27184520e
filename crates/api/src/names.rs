//! Names of annotations, labels, finalizers and field managers, as ingress-nginx, cert-manager and Kubernetes spell them.

/// Names the class of an Ingress where `spec.ingressClassName` is not set.
pub const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
/// Default prefix of ingress-nginx's annotations (`--annotations-prefix`).
pub const NGINX_PREFIX: &str = "nginx.ingress.kubernetes.io";
/// Asks ingress-shim for a Certificate by a default issuer.
pub const TLS_ACME: &str = "kubernetes.io/tls-acme";
/// The Service that an EndpointSlice belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// On an Ingress: the Issuer that signs for it.
pub const ISSUER: &str = "cert-manager.io/issuer";
/// On an Ingress: the ClusterIssuer that signs for it.
pub const CLUSTER_ISSUER: &str = "cert-manager.io/cluster-issuer";
/// On an Ingress or Secret: kind of the issuer.
pub const ISSUER_KIND: &str = "cert-manager.io/issuer-kind";
/// On an Ingress or Secret: group of the issuer.
pub const ISSUER_GROUP: &str = "cert-manager.io/issuer-group";
/// On a Secret: name of the issuer that signed it.
pub const ISSUER_NAME: &str = "cert-manager.io/issuer-name";
/// On Secrets and CertificateRequests: the Certificate they belong to.
pub const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";
/// On a CertificateRequest: the revision of its Certificate.
pub const CERTIFICATE_REVISION: &str = "cert-manager.io/certificate-revision";
/// On a CertificateRequest: the Secret that holds its private key.
pub const PRIVATE_KEY_SECRET_NAME: &str = "cert-manager.io/private-key-secret-name";
/// On an Ingress or Secret: common name.
pub const COMMON_NAME: &str = "cert-manager.io/common-name";
/// On an Ingress or Secret: DNS names, comma separated.
pub const ALT_NAMES: &str = "cert-manager.io/alt-names";
/// On an Ingress or Secret: IP addresses, comma separated.
pub const IP_SANS: &str = "cert-manager.io/ip-sans";
/// On a Secret: URIs, comma separated.
pub const URI_SANS: &str = "cert-manager.io/uri-sans";
/// On an Ingress: `spec.duration` of its Certificates.
pub const DURATION: &str = "cert-manager.io/duration";
/// On an Ingress: `spec.renewBefore` of its Certificates.
pub const RENEW_BEFORE: &str = "cert-manager.io/renew-before";
/// Label on Secrets that belong to a Certificate.
pub const FAO_LABEL: &str = "controller.cert-manager.io/fao";
/// Label on the Secret that holds the key of an issuance under way.
pub const NEXT_PRIVATE_KEY_LABEL: &str = "cert-manager.io/next-private-key";

/// Ours, on a Certificate or an Ingress: issuers to ask when the first refuses or does not answer, as
/// `name,ClusterIssuer/name`.
pub const FALLBACK_ISSUERS: &str = "jamul.dev/fallback-issuers";
/// Ours, on a Secret: what was written for the options of its Certificate.
pub const MANAGED: &str = "jamul.dev/managed";
/// Ours, on a Secret: a hash of what its keystores were made from.
pub const KEYSTORES: &str = "jamul.dev/keystores";
/// On a Certificate: serve a certificate of our own until the issuer answers.
pub const TEMPORARY_CERTIFICATE: &str = "cert-manager.io/issue-temporary-certificate";

/// On an [injectable](crate::injectable): the Certificate whose CA its clients trust, as `namespace/name`.
pub const INJECT_CA_FROM: &str = "cert-manager.io/inject-ca-from";
/// The same by a Secret, which has to allow it ([`ALLOW_DIRECT_INJECTION`]).
pub const INJECT_CA_FROM_SECRET: &str = "cert-manager.io/inject-ca-from-secret";
/// The same by the CA of the API server: `true`.
pub const INJECT_API_SERVER_CA: &str = "cert-manager.io/inject-apiserver-ca";
/// On a Secret: its `ca.crt` may be shown to everybody: `true`.
pub const ALLOW_DIRECT_INJECTION: &str = "cert-manager.io/allow-direct-injection";

/// Data key of a certificate chain in a `kubernetes.io/tls` Secret.
pub const TLS_CRT: &str = "tls.crt";
/// Data key of a private key in a `kubernetes.io/tls` Secret.
pub const TLS_KEY: &str = "tls.key";
/// Data key of the CA certificate beside them.
pub const CA_CRT: &str = "ca.crt";
/// The Secret type that has these keys.
pub const TLS_SECRET_TYPE: &str = "kubernetes.io/tls";

/// API group of Certificate, CertificateRequest, Issuer and ClusterIssuer.
pub const CERT_MANAGER_GROUP: &str = "cert-manager.io";

/// On an ACME Issuer: any text; when it changes, the account gets another key. On the Secret of the key: the text of the
/// last change.
pub const ACCOUNT_KEY_ROLLOVER: &str = "jamul.dev/account-key-rollover";

/// On an ACME Issuer: `deactivated` closes its account for good.
pub const ACCOUNT: &str = "jamul.dev/account";
