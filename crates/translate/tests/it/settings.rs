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

#[test]
fn what_no_rule_takes_leads_to_the_default_backend() {
    let objects_of_default = "
apiVersion: v1
kind: Service
metadata: { name: default-http, namespace: ops }
spec: { ports: [{ name: http, port: 8080 }, { name: other, port: 9090 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: default-http-1, namespace: ops, labels: { kubernetes.io/service-name: default-http } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: other, port: 9090 }]
endpoints: [{ addresses: [10.0.0.7] }]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: a, namespace: default }
spec: { rules: [{ host: a.example, http: { paths: [{ path: /x, pathType: Prefix, backend: { resource: { kind: B, name: b } } }] } }] }
";
    let default_backend = Some(jamul_api::ObjectKey::new("ops", "default-http"));
    let mut translator = Translator::new(Settings { default_backend, ..Settings::folder() });
    let missing = translator.publish().expect("the flag alone makes a route");
    assert!(missing.default_route.is_some());
    assert_eq!(
        translator.diagnostics().first().map(|found| found.object.as_str()),
        Some("Flag --default-backend-service")
    );
    for change in objects(objects_of_default) {
        translator.apply(change);
    }
    let snapshot = translator.publish().expect("a change");
    let route = snapshot.default_route.as_ref().expect("a default route");
    let jamul_routing::route::Target::Upstream(id) = &route.target else { panic!("{:?}", route.target) };
    let endpoints = snapshot.upstreams.get(id).expect("its upstream").endpoints.clone();
    assert_eq!(endpoints, [jamul_routing::Endpoint::Address("10.0.0.7:8080".parse().expect("an address"))]);
    for path in ["/", "/x"] {
        let host = jamul_routing::Host::parse("a.example").expect("a host");
        let found = snapshot.router.find_path(&host, path).expect("a route");
        assert_eq!(found.route.target, route.target, "{path}");
    }
    assert!(translator.diagnostics().is_empty(), "{:?}", translator.diagnostics());
}
