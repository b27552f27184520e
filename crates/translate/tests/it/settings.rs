//! What differs between a folder and a cluster.

use jamul_translate::{Settings, Translator};

use crate::fixture::objects;

fn reasons(settings: Settings, yaml: &str) -> Vec<&'static str> {
    let mut translator = Translator::new(settings);
    for change in objects(yaml) {
        translator.apply(change);
    }
    translator.publish();
    translator.diagnostics().iter().map(|diagnostic| diagnostic.reason).collect()
}

fn ingress(class: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: a, namespace: default }}
spec:
{class}  defaultBackend: {{ service: {{ name: local, port: {{ number: 3000 }} }} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: local, namespace: default }}
spec: {{ type: ExternalName, externalName: localhost }}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{ name: public }}
spec: {{ controller: k8s.io/ingress-nginx }}
"
    )
}

#[test]
fn a_folder_serves_ingresses_without_a_class_and_names_of_this_machine() {
    assert_eq!(reasons(Settings::folder(), &ingress("")), [""; 0]);
    assert_eq!(reasons(Settings::folder(), &ingress("  ingressClassName: nginx\n")), [""; 0]);
}

#[test]
fn a_cluster_serves_neither_unless_asked() {
    assert_eq!(reasons(Settings::default(), &ingress("")), ["OtherClass"]);
    assert_eq!(reasons(Settings::default(), &ingress("  ingressClassName: nginx\n")), ["OtherClass"]);
    let public = ingress("  ingressClassName: public\n");
    assert_eq!(reasons(Settings::default(), &public), ["ExternalNameRefused"]);
}
