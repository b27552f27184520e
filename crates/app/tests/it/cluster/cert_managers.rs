//! Objects as cert-manager 1.21 makes them, for one name and an issuer of type `ca`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

/// A certificate that was issued before.
pub(crate) struct CertManagers {
    host: String,
    ca: [String; 2],
    chain: String,
    key: String,
    request: String,
}

impl CertManagers {
    pub(crate) fn new(host: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "company CA");
        let ca = parameters.self_signed(&ca_key).unwrap();
        let pair = [ca.pem(), ca_key.serialize_pem()];
        let issuer = Issuer::new(parameters, ca_key);
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
        // Its requests name nobody unless the Certificate does.
        parameters.distinguished_name = DistinguishedName::new();
        let chain = parameters.signed_by(&key, &issuer).unwrap().pem();
        let request = parameters.serialize_request(&key).unwrap().pem().unwrap();
        Self { host: host.to_owned(), ca: pair, chain, key: key.serialize_pem(), request }
    }

    pub(crate) fn issuer(&self) -> String {
        let [certificate, key] = self.ca.each_ref().map(|pem| STANDARD.encode(pem));
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: company}}, type: kubernetes.io/tls, \
             data: {{tls.crt: {certificate}, tls.key: {key}}}}}\n---\n\
             {{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {{name: company}}, \
             spec: {{ca: {{secretName: company}}}}}}\n"
        )
    }

    pub(crate) fn certificate(&self) -> String {
        certificate("web", &self.host)
    }

    /// One that was not issued yet.
    pub(crate) fn another(&self) -> String {
        certificate("another", &format!("another.{}", self.host))
    }

    pub(crate) fn secret(&self) -> String {
        let [ca, _] = self.ca.each_ref().map(|pem| STANDARD.encode(pem));
        format!(
            r#"
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata:
  name: web-tls
  labels: {{controller.cert-manager.io/fao: "true"}}
  annotations:
    cert-manager.io/alt-names: {host}
    cert-manager.io/certificate-name: web
    cert-manager.io/common-name: ""
    cert-manager.io/ip-sans: ""
    cert-manager.io/issuer-group: ""
    cert-manager.io/issuer-kind: Issuer
    cert-manager.io/issuer-name: company
    cert-manager.io/uri-sans: ""
data:
  ca.crt: {ca}
  tls.crt: {chain}
  tls.key: {key}
"#,
            host = self.host,
            chain = STANDARD.encode(&self.chain),
            key = STANDARD.encode(&self.key),
        )
    }

    pub(crate) fn request(&self, certificate_uid: &str) -> String {
        format!(
            r#"
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata:
  name: web-1
  annotations:
    cert-manager.io/certificate-name: web
    cert-manager.io/certificate-revision: "1"
    cert-manager.io/private-key-secret-name: web-x7k2p
  ownerReferences:
    - {{apiVersion: cert-manager.io/v1, kind: Certificate, name: web, uid: {certificate_uid},
       controller: true, blockOwnerDeletion: true}}
spec:
  request: {request}
  issuerRef: {{name: company, kind: Issuer}}
  username: system:serviceaccount:cert-manager:cert-manager
  uid: 4d0f2f9e-0d5c-4b53-9a4e-2f9a0f0f7a10
  groups: ["system:serviceaccounts", "system:authenticated"]
"#,
            request = STANDARD.encode(&self.request),
        )
    }

    #[expect(clippy::unused_self, reason = "reads as one set of objects")]
    pub(crate) fn certificate_status(&self) -> String {
        r#"{"status": {"revision": 1, "notBefore": "2026-11-01T00:00:00Z", "notAfter": "2027-01-30T00:00:00Z",
            "renewalTime": "2026-12-31T00:00:00Z", "conditions": [{"type": "Ready", "status": "True",
            "reason": "Ready", "message": "Certificate is up to date and has not expired",
            "lastTransitionTime": "2026-11-01T00:00:00Z", "observedGeneration": 1}]}}"#
            .to_owned()
    }

    pub(crate) fn request_status(&self) -> String {
        let (chain, ca) = (STANDARD.encode(&self.chain), STANDARD.encode(&self.ca[0]));
        format!(
            r#"{{"status": {{"certificate": "{chain}", "ca": "{ca}", "conditions": [
            {{"type": "Approved", "status": "True", "reason": "cert-manager.io", "message":
              "Certificate request has been approved by cert-manager.io", "lastTransitionTime": "2026-11-01T00:00:00Z"}},
            {{"type": "Ready", "status": "True", "reason": "Issued", "message":
              "Certificate fetched from issuer successfully", "lastTransitionTime": "2026-11-01T00:00:00Z"}}]}}}}"#
        )
    }
}

fn certificate(name: &str, host: &str) -> String {
    format!(
        "{{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {{name: {name}}}, spec: \
         {{secretName: {name}-tls, dnsNames: [{host}], privateKey: {{algorithm: ECDSA}}, issuerRef: {{name: company}}}}}}\n"
    )
}
