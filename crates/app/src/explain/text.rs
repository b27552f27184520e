//! An explanation for people.

use std::fmt::Write as _;

use super::view::{Explanation, RouteView};

/// The whole explanation; one thing on each line.
pub(super) fn render(explanation: &Explanation) -> String {
    let mut out = format!("{}\n", explanation.url);
    line(&mut out, "answer", &explanation.answer);
    line(&mut out, "host", explanation.host.as_deref().unwrap_or("no rule takes it"));
    if let Some(route) = &explanation.route {
        rule(&mut out, route);
    }
    if let Some(certificate) = &explanation.certificate {
        let until = certificate.not_after.as_ref().map(|time| format!(", until {time}")).unwrap_or_default();
        let which = match &certificate.secret {
            Some(secret) => format!("Secret {secret}{until}"),
            None => format!("the default certificate{until}"),
        };
        line(&mut out, "certificate", &which);
    }
    for (index, filter) in explanation.filters.iter().enumerate() {
        let label = if index == 0 { "filters" } else { "" };
        line(&mut out, label, &format!("{}. {}: {}", index + 1, filter.name, filter.effect));
    }
    for (index, annotation) in explanation.annotations.iter().enumerate() {
        let label = if index == 0 { "annotations" } else { "" };
        line(&mut out, label, &format!("{}: {:?}: {}", annotation.name, annotation.value, annotation.effect));
    }
    for (index, loser) in explanation.losers.iter().enumerate() {
        let label = if index == 0 { "not" } else { "" };
        let of = loser.ingress.as_ref().map(|ingress| format!(" of Ingress {ingress}")).unwrap_or_default();
        let (host, path) = (&loser.host, &loser.path);
        line(&mut out, label, &format!("{host} {} {path}{of}: it {}", loser.path_type, loser.why));
    }
    for (index, diagnostic) in explanation.diagnostics.iter().enumerate() {
        line(&mut out, if index == 0 { "diagnostics" } else { "" }, diagnostic);
    }
    out
}

fn rule(out: &mut String, route: &RouteView) {
    line(out, "path", &format!("{} {}", route.path_type, route.path));
    line(out, "ingress", route.ingress.as_deref().unwrap_or("none"));
    line(out, "service", route.service.as_deref().unwrap_or("none"));
    let endpoints: Vec<String> = route
        .endpoints
        .iter()
        .map(|endpoint| {
            let health = if endpoint.healthy { "" } else { " (unhealthy)" };
            format!("{}{health}", endpoint.address)
        })
        .collect();
    let endpoints = if endpoints.is_empty() { "none".to_owned() } else { endpoints.join(", ") };
    line(out, "endpoints", &endpoints);
    let body = route.body_limit.map_or("unlimited".to_owned(), |limit| format!("{limit} bytes"));
    let [connect, send, read] = route.timeouts;
    line(out, "limits", &format!("request body {body}; connect {connect} s, send {send} s, read {read} s"));
}

/// Writing to a String cannot fail.
fn line(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "  {label:<12} {text}");
}
