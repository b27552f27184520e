//! TCP and UDP services.

use jamul_api::ObjectKey;
use jamul_routing::streams::{Preamble, Transport};
use jamul_translate::{Settings, Translator};

use crate::fixture::{deleted, objects};

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: dns, namespace: kube-system }
spec: { ports: [{ name: udp, port: 53, targetPort: 1053, protocol: UDP }, { name: tcp, port: 53, targetPort: 2053 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: dns-1, namespace: kube-system, labels: { kubernetes.io/service-name: dns } }
addressType: IPv4
ports: [{ name: udp, port: 1053, protocol: UDP }, { name: tcp, port: 2053, protocol: TCP }]
endpoints: [{ addresses: [10.0.0.7] }, { addresses: [10.0.0.8] }]
";

fn translator(yaml: &str) -> Translator {
    let mut translator = Translator::new(Settings {
        streams: vec![
            (Transport::Tcp, ObjectKey::new("ingress-nginx", "tcp")),
            (Transport::Udp, ObjectKey::new("ingress-nginx", "udp")),
        ],
        taken_ports: vec![80, 443, 10254],
        ..Settings::folder()
    });
    for change in objects(yaml) {
        translator.apply(change);
    }
    translator.publish();
    translator
}

fn config(name: &str, lines: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name}, namespace: ingress-nginx }}\ndata:\n{lines}"
    )
}

/// A line for each port that is open.
fn ports(translator: &Translator) -> Vec<String> {
    let snapshot = translator.snapshot();
    let line = |(port, service): (&_, &std::sync::Arc<jamul_routing::StreamService>)| {
        let endpoints: Vec<String> = service.endpoints.iter().map(ToString::to_string).collect();
        format!("{port} -> {} [{}]", service.backend, endpoints.join(" "))
    };
    snapshot.streams.iter().map(line).collect()
}

#[test]
fn lines_lead_to_the_endpoints_of_their_transport() {
    let tcp =
        config("tcp", "  \"53\": kube-system/dns:53:PROXY:PROXY\n  \"54\": kube-system/dns:tcp::proxy\n");
    let udp = config("udp", "  \"53\": kube-system/dns:53\n");
    let translator = translator(&[SERVICES, &tcp, &udp].concat());
    assert_eq!(
        ports(&translator),
        [
            "TCP port 53 -> kube-system/dns:53 [10.0.0.7:2053 10.0.0.8:2053]",
            "TCP port 54 -> kube-system/dns:tcp [10.0.0.7:2053 10.0.0.8:2053]",
            "UDP port 53 -> kube-system/dns:53 [10.0.0.7:1053 10.0.0.8:1053]",
        ]
    );
    assert_eq!(translator.diagnostics(), []);
    let preambles: Vec<_> =
        translator.snapshot().streams.values().map(|service| (service.receives, service.sends)).collect();
    let (none, proxy) = (Preamble::Nothing, Preamble::ProxyProtocol);
    assert_eq!(preambles, [(proxy, proxy), (none, proxy), (none, none)]);
}

#[test]
fn a_wrong_line_is_told_and_costs_the_others_nothing() {
    let lines = "  web: kube-system/dns:53\n  \"0\": kube-system/dns:53\n  \"443\": kube-system/dns:53\n  \
                 \"1\": dns:53\n  \"2\": kube-system/dns\n  \"3\": kube-system/dns:53:proxies\n  \
                 \"4\": kube-system/dns:53:PROXY:PROXY:PROXY\n  \"5\": kube-system/nobody:53\n  \
                 \"6\": kube-system/dns:54\n  \"7\": kube-system/dns:53\n";
    let udp = config("udp", "  \"53\": kube-system/dns:53:PROXY\n");
    let translator = translator(&[SERVICES, &config("tcp", lines), &udp].concat());
    let told: Vec<String> = translator.diagnostics().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 10, "{told:#?}");
    for expected in [
        "data[443]: port 443 is one of Jamul's own",
        "data[web]: \"web\" is no port; expected a number from 1 to 65535",
        "data[1]: \"dns:53\" is no service; expected NAMESPACE/SERVICE:PORT",
        "data[5]: there is no Service kube-system/nobody",
        "data[6]: Service kube-system/dns has no port",
        "data[53]: \"kube-system/dns:53:PROXY\": datagrams have no PROXY protocol",
    ] {
        assert!(told.iter().any(|line| line.contains(expected)), "{expected:?} is missing in {told:#?}");
    }
    let open = ports(&translator);
    assert_eq!(open.len(), 3, "{open:?}");
    assert!(open[2].starts_with("TCP port 7 -> kube-system/dns:53 [10.0.0.7:2053"), "{open:?}");
}

#[test]
fn ports_follow_their_config_map_and_their_service() {
    let mut translator = translator("");
    let missing: Vec<_> = translator.diagnostics().iter().map(|diagnostic| diagnostic.reason).collect();
    assert_eq!(missing, ["ConfigMapMissing"; 2]);
    let tcp = objects(&config("tcp", "  \"53\": kube-system/dns:53\n"));
    tcp.iter().for_each(|change| translator.apply(change.clone()));
    assert!(translator.publish().is_some());
    assert_eq!(ports(&translator), ["TCP port 53 -> kube-system/dns:53 []"]);
    objects(SERVICES).into_iter().for_each(|change| translator.apply(change));
    assert!(translator.publish().is_some());
    assert_eq!(ports(&translator), ["TCP port 53 -> kube-system/dns:53 [10.0.0.7:2053 10.0.0.8:2053]"]);
    tcp.iter().for_each(|change| translator.apply(deleted(change)));
    assert!(translator.publish().is_some());
    assert_eq!(ports(&translator), [""; 0]);
}
