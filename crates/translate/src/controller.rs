//! The controller's ConfigMap: what holds for all exchanges, and which of its keys do nothing.
//!
//! Keys that are defaults of annotations are read with each Ingress, by `lookup.rs`.

use std::collections::BTreeMap;

use jamul_api::ObjectKey;
use jamul_routing::edge::{Believed, Peers, Trust};
use jamul_routing::settings::{did_you_mean, group};
use jamul_routing::{Diagnostic, Globals, Severity, Support};

/// Reads the ConfigMap at `key`.
pub(crate) fn translate(key: &ObjectKey, data: &BTreeMap<String, String>) -> (Globals, Vec<Diagnostic>) {
    let report = |severity, name: &str, reason, message| Diagnostic {
        severity,
        object: format!("ConfigMap {key}"),
        field: format!("data[{name}]"),
        reason,
        message,
    };
    let (globals, invalid) = Globals::compile(|name| data.get(name).cloned());
    let invalid = invalid.into_iter().map(|invalid| {
        let message =
            format!("{:?} is not valid, expected {}; the default is used", invalid.value, invalid.expected);
        report(Severity::Warning, invalid.key, "InvalidSetting", message)
    });
    let believed = believes_everybody(&globals.edge.trust).then(|| {
        let message = "whoever connects is believed about the client's address: expected the addresses of the proxies in \
                       front in proxy-real-ip-cidr, such as 10.0.0.0/8"
            .to_owned();
        report(Severity::Warning, "proxy-real-ip-cidr", "EverybodyBelieved", message)
    });
    let unused = data.keys().filter_map(|name| match group(name) {
        Some(found) => match found.support {
            Support::Honoured => None,
            Support::WithoutEffect => Some(report(
                Severity::Info,
                name,
                "SettingWithoutEffect",
                format!("no effect: {}", found.about),
            )),
            Support::Refused => {
                Some(report(Severity::Error, name, "SettingRefused", format!("no effect: {}", found.about)))
            }
        },
        None => {
            let advice = match did_you_mean(name) {
                Some(near) => format!("did you mean {near}?"),
                None => "it has no effect; take it away or see the list of supported settings".to_owned(),
            };
            let message = format!("setting {name:?} is not known; {advice}");
            Some(report(Severity::Warning, name, "UnknownSetting", message))
        }
    });
    let diagnostics = invalid.chain(believed).chain(unused).collect();
    (globals, diagnostics)
}

/// Whether any client may say that it is another one.
fn believes_everybody(trust: &Trust) -> bool {
    trust.believed != Believed::Nothing && trust.peers == Peers::WhoeverConnects
}
