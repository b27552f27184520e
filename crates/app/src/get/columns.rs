//! What a table says about an object of each kind, as kubectl's columns.

use jiff::Timestamp;
use serde_json::Value;

/// The cells between name and age.
pub(super) type Row = Vec<String>;

pub(super) fn ingress(object: &Value) -> Row {
    let class = match text(object, "/spec/ingressClassName") {
        "" => object.pointer("/metadata/annotations/kubernetes.io~1ingress.class"),
        _ => object.pointer("/spec/ingressClassName"),
    };
    let class = class.and_then(Value::as_str).unwrap_or("<none>");
    let hosts: Vec<&str> = items(object, "/spec/rules").map(|rule| text(rule, "/host")).collect();
    let hosts = if hosts.iter().all(|host| host.is_empty()) { "*".to_owned() } else { hosts.join(",") };
    let addresses: Vec<&str> = items(object, "/status/loadBalancer/ingress")
        .map(|address| match text(address, "/ip") {
            "" => text(address, "/hostname"),
            ip => ip,
        })
        .collect();
    let has_tls = items(object, "/spec/tls").next().is_some();
    let ports = if has_tls { "80, 443" } else { "80" };
    vec![class.to_owned(), hosts, addresses.join(","), ports.to_owned()]
}

pub(super) fn ingress_class(object: &Value) -> Row {
    vec![text(object, "/spec/controller").to_owned()]
}

pub(super) fn service(object: &Value) -> Row {
    let ports = items(object, "/spec/ports").map(|port| {
        let protocol = match text(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        format!("{}/{protocol}", number(port, "/port"))
    });
    let type_ = match text(object, "/spec/type") {
        "" => "ClusterIP",
        type_ => type_,
    };
    vec![
        type_.to_owned(),
        none(text(object, "/spec/clusterIP")),
        none(text(object, "/spec/externalName")),
        none(&ports.collect::<Vec<_>>().join(",")),
    ]
}

pub(super) fn endpoint_slice(object: &Value) -> Row {
    let ports: Vec<String> = items(object, "/ports").map(|port| number(port, "/port")).collect();
    let addresses: Vec<&str> = items(object, "/endpoints")
        .flat_map(|endpoint| items(endpoint, "/addresses"))
        .filter_map(Value::as_str)
        .collect();
    vec![text(object, "/addressType").to_owned(), none(&ports.join(",")), none(&addresses.join(","))]
}

pub(super) fn endpoints(object: &Value) -> Row {
    let addresses = items(object, "/subsets").flat_map(|subset| {
        let ports: Vec<String> = items(subset, "/ports").map(|port| number(port, "/port")).collect();
        let addresses = items(subset, "/addresses").map(|address| text(address, "/ip").to_owned());
        let pairs = addresses
            .flat_map(move |address| ports.clone().into_iter().map(move |port| format!("{address}:{port}")));
        pairs.collect::<Vec<_>>()
    });
    vec![none(&addresses.collect::<Vec<_>>().join(","))]
}

/// How many values, never which.
pub(super) fn secret(object: &Value) -> Row {
    let type_ = match text(object, "/type") {
        "" => "Opaque",
        type_ => type_,
    };
    vec![type_.to_owned(), count(object, "/data")]
}

pub(super) fn config_map(object: &Value) -> Row {
    vec![count(object, "/data")]
}

pub(super) fn namespace(object: &Value) -> Row {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    vec![none(&labels.join(","))]
}

pub(super) fn certificate(object: &Value) -> Row {
    let [ready, _, message] = condition(object, "Ready");
    vec![ready, text(object, "/spec/secretName").to_owned(), issuer_name(object), message]
}

pub(super) fn request(object: &Value) -> Row {
    let [approved, ..] = condition(object, "Approved");
    let [denied, ..] = condition(object, "Denied");
    let [ready, _, message] = condition(object, "Ready");
    vec![approved, denied, ready, issuer_name(object), message]
}

pub(super) fn issuer(object: &Value) -> Row {
    let [ready, _, message] = condition(object, "Ready");
    vec![ready, message]
}

pub(super) fn order(object: &Value) -> Row {
    let reason = text(object, "/status/reason").to_owned();
    vec![text(object, "/status/state").to_owned(), issuer_name(object), reason]
}

pub(super) fn challenge(object: &Value) -> Row {
    let field = |pointer: &str| text(object, pointer).to_owned();
    vec![field("/status/state"), field("/spec/dnsName"), field("/status/reason")]
}

/// The time since `created`, in kubectl's way: the larger the coarser.
pub(super) fn age(created: &str, now: Timestamp) -> String {
    let Ok(created) = created.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.duration_since(created).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 if seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 > 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

/// The text at a JSON pointer, empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn number(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_i64).map(|number| number.to_string()).unwrap_or_default()
}

fn count(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len).to_string()
}

fn none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}

fn issuer_name(object: &Value) -> String {
    text(object, "/spec/issuerRef/name").to_owned()
}

/// Status, reason and message of the condition of that type; empty without one.
fn condition(object: &Value, type_: &str) -> [String; 3] {
    let found = items(object, "/status/conditions").find(|condition| text(condition, "/type") == type_);
    let field = |pointer| found.map(|found| text(found, pointer).to_owned()).unwrap_or_default();
    [field("/status"), field("/reason"), field("/message")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_age_is_as_coarse_as_kubectls() {
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().expect("a time");
        for (created, expected) in [
            ("2026-01-30T23:59:01Z", "59s"),
            ("2026-01-30T23:55:30Z", "4m30s"),
            ("2026-01-30T23:00:00Z", "60m"),
            ("2026-01-30T18:30:00Z", "5h30m"),
            ("2026-01-29T12:00:00Z", "36h"),
            ("2026-01-28T12:00:00Z", "2d12h"),
            ("2026-01-01T00:00:00Z", "30d"),
            ("2026-02-01T00:00:00Z", "0s"),
            ("", "<unknown>"),
        ] {
            assert_eq!(age(created, now), expected, "{created}");
        }
    }

    #[test]
    fn a_secret_shows_how_many_values_it_has_and_none_of_them() {
        let row =
            secret(&json!({ "type": "kubernetes.io/tls", "data": { "tls.key": "c2VjcmV0", "tls.crt": "" } }));
        assert_eq!(row, ["kubernetes.io/tls", "2"]);
    }

    #[test]
    fn an_ingress_without_hosts_is_for_all_of_them() {
        let row = ingress(&json!({ "spec": { "rules": [{}], "tls": [{}] } }));
        assert_eq!(row, ["<none>", "*", "", "80, 443"]);
    }
}
