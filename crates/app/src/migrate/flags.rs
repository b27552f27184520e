//! Arguments of the two controllers, from a command line or a workload's manifest.

use serde_json::Value;

use super::documents::Document;
use super::report::{self, Finding, Kind, Verdict};
use crate::cli::{self, FlagStanding};
use crate::get::columns::text;

/// What becomes of the arguments of each container that runs one of the controllers.
pub(super) fn of_workload(document: &Document, object: &Value) -> Vec<Finding> {
    let containers = ["/spec/template/spec/containers", "/spec/containers"]
        .into_iter()
        .filter_map(|pointer| object.pointer(pointer)?.as_array())
        .flatten();
    let mut findings = Vec::new();
    for container in containers {
        let words = |name: &str| {
            let list = container.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|word| word.as_str().map(ToOwned::to_owned)).collect::<Vec<_>>()
        };
        let args = [words("command"), words("args")].concat();
        let image = text(container, "/image");
        let is_ours = image.contains("ingress-nginx")
            || image.contains("nginx-ingress-controller")
            || image.contains("cert-manager-controller")
            || args.iter().any(|arg| arg.ends_with("/nginx-ingress-controller"));
        if is_ours {
            let found = of_arguments(&document.source, &args).into_iter();
            findings.extend(found.map(|finding| Finding { object: document.object(), ..finding }));
        }
    }
    findings
}

/// What becomes of each argument that begins with a dash; `source` says where they stand.
pub(super) fn of_arguments(source: &str, args: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let takes_value = cli::takes_value(name_of(flag));
                let next = args.next_if(|next| takes_value && !next.starts_with("--"));
                (flag, next.cloned().unwrap_or_default())
            }
        };
        let (verdict, advice) = judge(name, &value);
        findings.push(Finding {
            verdict,
            kind: Kind::Flag,
            object: source.to_owned(),
            key: format!("--{name}"),
            value: report::short(&Value::String(value)),
            advice,
            source: source.to_owned(),
        });
    }
    findings
}

fn name_of(flag: &str) -> &str {
    flag.split_once('=').map_or(flag, |(name, _)| name)
}

fn judge(name: &str, value: &str) -> (Verdict, String) {
    match cli::flag(name, value) {
        FlagStanding::Honoured => (Verdict::Honoured, "nothing to do".to_owned()),
        FlagStanding::WithoutEffect(why) => (Verdict::WithoutEffect, format!("{why}; it can stay or go")),
        FlagStanding::Wrong(why) => (Verdict::Refused, why),
        FlagStanding::Unknown => {
            (Verdict::Refused, "not known: a run with it ends with status 2; take it away".to_owned())
        }
    }
}
