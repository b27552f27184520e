//! A release of the chart with the rights that it gives itself: its webhooks and CA bundles. No pods: the binary runs
//! beside, as the release's account and with its Deployment's arguments.

use jamul_api::core::ByteString;

use super::lab::Lab;
use crate::chart::CHART;
use crate::e2e::stage::Process;

const ADDRESS: &str = "10.10.0.44";

/// A release `edge` in namespace `ingress` of a lab of its own.
struct Release {
    lab: Lab,
}

impl Release {
    fn install() -> Option<Self> {
        let lab = Lab::own()?;
        let install = ["helm", "install", "edge", CHART, "--namespace", "ingress", "--create-namespace"];
        let output = lab.inside(&install).arg("--take-ownership").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let release = Self { lab };
        for service in ["edge-jamul-controller-admission", "edge-jamul-webhook"] {
            release.apply(&format!(
                "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {service}-1, namespace: \
                 ingress, labels: {{kubernetes.io/service-name: {service}}}}}, addressType: IPv4, ports: [{{name: \
                 https-webhook, port: 8443}}], endpoints: [{{addresses: [{ADDRESS}]}}]}}"
            ));
        }
        Some(release)
    }

    /// What the Deployment would run.
    fn run(&self) -> Process {
        let path = "jsonpath={.spec.template.spec.containers[0].args}";
        let deployment = ["-n", "ingress", "get", "deployment", "edge-jamul-controller", "-o", path];
        let arguments: Vec<String> = serde_json::from_str(&self.lab.kubectl(&deployment, "")).unwrap();
        let inside = ["--as", "ingress/edge-jamul", env!("CARGO_BIN_EXE_jamul")];
        let mut command = self.lab.inside(&inside);
        command.args(arguments.iter().map(|argument| argument.replace("$(POD_NAMESPACE)", "ingress")));
        command.args(["--bind-address", ADDRESS]).env("POD_NAME", "a").env("POD_NAMESPACE", "ingress");
        Process::start(command)
    }

    fn apply(&self, text: &str) {
        self.lab.kubectl(&["apply", "-f", "-"], text);
    }

    /// What is said when this is applied; `Err` when it is refused.
    fn try_apply(&self, more: &[&str], text: &str) -> Result<String, String> {
        let (output, said) = self.lab.try_kubectl(&[&["apply", "-f", "-"], more].concat(), text);
        match output {
            Some(output) => Ok(format!("{output}{said}")),
            None => Err(said),
        }
    }

    fn get(&self, kind: &str, path: &str) -> String {
        self.lab.kubectl(&["get", kind, "-o", &format!("jsonpath={path}")], "")
    }
}

fn ingress(name: &str, annotations: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: {name}, annotations: {{{annotations}}}}}, \
         spec: {{ingressClassName: nginx, rules: [{{host: a.example.com, http: {{paths: [{{path: /, pathType: Prefix, \
         backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}}}"
    )
}

#[test]
fn a_release_refuses_what_could_not_be_served_in_ingress_nginxs_words() {
    let Some(release) = Release::install() else { return };
    let down = release.try_apply(&[], &ingress("first", "")).unwrap_err();
    assert!(down.contains(r#"failed calling webhook "validate.nginx.ingress.kubernetes.io""#), "{down}");

    let mut run = release.run();
    run.until("an Ingress is taken", || release.try_apply(&[], &ingress("first", "")).ok());
    let refused = |annotations: &str| release.try_apply(&[], &ingress("second", annotations)).unwrap_err();
    let denied = r#"admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: "#;
    let taken = r#"host "a.example.com" and path "/" is already defined in ingress default/first"#;
    run.until("the first is known", || refused("").contains(&format!("{denied}{taken}\n")).then_some(()));
    assert!(refused("").starts_with("Error from server (BadRequest): "), "{}", refused(""));
    let snippet = refused(
        "nginx.ingress.kubernetes.io/server-snippet: 'a b;', nginx.ingress.kubernetes.io/canary: 'true'",
    );
    assert!(snippet.contains("annotation cannot be used. Snippet directives are disabled"), "{snippet}");
    let warned = release.try_apply(&[], &ingress("first", "nginx.ingress.kubernetes.io/app-rot: /a"));
    assert!(
        warned.as_ref().is_ok_and(|said| said.contains("Warning: ") && said.contains("app-root")),
        "{warned:?}"
    );

    // What was there stays as it is while nobody answers, and the policy decides about the rest.
    run.terminate();
    run.end(crate::e2e::stage::PATIENCE);
    let ignore = r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#;
    let patch =
        ["patch", "validatingwebhookconfiguration", "edge-jamul-admission", "--type=json", "-p", ignore];
    release.lab.kubectl(&patch, "");
    let taken = release.try_apply(&[], &ingress("second", ""));
    assert!(taken.is_ok(), "{taken:?}");
}

/// A request as `cmctl check api` makes it.
fn request(name: &str, csr: &[u8]) -> String {
    let csr = serde_json::to_value(ByteString(csr.to_vec())).unwrap();
    format!(
        "{{apiVersion: cert-manager.io/v1, kind: CertificateRequest, metadata: {{name: {name}, namespace: default}}, \
         spec: {{request: {csr}, issuerRef: {{name: own, kind: Issuer, group: cert-manager.io}}}}}}"
    )
}

#[test]
fn a_release_answers_what_cmctl_asks_and_lets_only_approvers_approve() {
    let Some(release) = Release::install() else { return };
    let mut run = release.run();
    let key = rcgen::KeyPair::generate().unwrap();
    let csr =
        rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap().serialize_request(&key).unwrap();
    let good = request("check", csr.pem().unwrap().as_bytes());
    let dry = ["--dry-run=server", "-o", "jsonpath={.spec.username}"];
    let author = run.until("the API is ready", || release.try_apply(&dry, &good).ok());
    assert!(author.starts_with("admin"), "{author}");
    let garbage = release.try_apply(&dry, &request("check", b"garbage")).unwrap_err();
    let denied =
        r#"admission webhook "webhook.cert-manager.io" denied the request: spec.request: Invalid value"#;
    assert!(garbage.contains(denied), "{garbage}");
    let wrong = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: wrong}, spec: {}}";
    let wrong = release.try_apply(&[], wrong).unwrap_err();
    assert!(wrong.contains("spec: Required value: at least one issuer must be configured"), "{wrong}");

    // Of an issuer of another group nobody here approves; mallory may write its status but is no approver.
    let foreign =
        good.replace("name: check", "name: foreign").replace("group: cert-manager.io", "group: example.com");
    release.apply(&foreign.replace("kind: Issuer", "kind: Other"));
    release.apply(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: writer}, rules: [{apiGroups: \
         [cert-manager.io], resources: [certificaterequests, certificaterequests/status], verbs: ['*']}]}\n---\n\
         {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: writer}, roleRef: \
         {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writer}, subjects: [{kind: User, name: \
         mallory, apiGroup: rbac.authorization.k8s.io}]}\n---\n\
         {apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: own}, spec: {selfSigned: {}}}",
    );
    let approve = |name: &str| {
        let patch = r#"{"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "a", "message": "b"}]}}"#;
        let target =
            ["patch", "certificaterequest", name, "--subresource=status", "--type=merge", "-p", patch];
        release.lab.try_kubectl(&[target.as_slice(), &["--as=mallory"]].concat(), "").1
    };
    let unknown = approve("foreign");
    assert!(
        unknown.contains("referenced signer resource does not exist: {own Other example.com}"),
        "{unknown}"
    );
    let theirs =
        good.replace("name: check", "name: theirs").replace("kind: Issuer, ", "kind: ClusterIssuer, ");
    release.apply(&theirs);
    // Ours are approved by the release itself, by the right that its chart gives.
    run.until("approved", || {
        let path = "{.status.conditions[?(@.type==\"Approved\")].reason}";
        (release.get("certificaterequest/theirs", path) == "cert-manager.io").then_some(())
    });
    let again = approve("theirs");
    assert!(again.contains("'Approved' condition may not be modified once set"), "{again}");
}

#[test]
fn a_release_fills_in_the_ca_bundles_of_whoever_asks() {
    let Some(release) = Release::install() else { return };
    let mut run = release.run();
    let ca = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: own}, spec: {selfSigned: {}}}\n---\n\
              {apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: ca}, spec: {secretName: ca, isCA: \
              true, commonName: ca, privateKey: {algorithm: ECDSA}, issuerRef: {name: own}}}";
    run.until("the API is ready", || release.try_apply(&[], ca).ok());
    let from = "cert-manager.io/inject-ca-from: default/ca";
    let client = "clientConfig: {url: 'https://127.0.0.1:1/'}";
    release.apply(&format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {{name: asks, \
         annotations: {{{from}}}}}, webhooks: [{{name: a.example.com, admissionReviewVersions: [v1], sideEffects: None, \
         {client}}}]}}\n---\n\
         {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {{name: asks, \
         annotations: {{cert-manager.io/inject-apiserver-ca: 'true'}}}}, webhooks: [{{name: a.example.com, \
         admissionReviewVersions: [v1], sideEffects: None, {client}}}]}}\n---\n\
         {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: asks.example.com, \
         annotations: {{{from}}}}}, spec: {{group: example.com, scope: Namespaced, names: {{plural: asks, kind: Ask}}, \
         conversion: {{strategy: Webhook, webhook: {{conversionReviewVersions: [v1], {client}}}}}, versions: [{{name: \
         v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]}}}}\n---\n\
         {{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {{name: v1.other.example.com, annotations: \
         {{{from}}}}}, spec: {{group: other.example.com, version: v1, groupPriorityMinimum: 100, versionPriority: 100, \
         service: {{name: other, namespace: default}}}}}}"
    ));
    let bundles = [
        ("mutatingwebhookconfiguration/asks", "{.webhooks[0].clientConfig.caBundle}"),
        ("customresourcedefinition/asks.example.com", "{.spec.conversion.webhook.clientConfig.caBundle}"),
        ("apiservice/v1.other.example.com", "{.spec.caBundle}"),
    ];
    for (target, path) in bundles {
        run.until(target, || {
            let wanted = release.get("secret", "{.items[?(@.metadata.name==\"ca\")].data.ca\\.crt}");
            (!wanted.is_empty() && release.get(target, path) == wanted).then_some(())
        });
    }
    run.until("the API server's CA", || {
        let bundle =
            release.get("validatingwebhookconfiguration/asks", "{.webhooks[0].clientConfig.caBundle}");
        (!bundle.is_empty()).then_some(())
    });
}
