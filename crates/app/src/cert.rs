//! `jamul cert`: what cmctl does, for a standalone run or a cluster.

mod inspect;
mod renew;
mod status;

use std::sync::Arc;

use anyhow::bail;
use jamul_api::{Certificate, Object as _, ObjectKey};
use jamul_store::Store;
use serde_json::{Value, json};

use crate::cli::{CertArgs, CertCommand};
use crate::get::columns::text;
use crate::{admin, output, source};

/// Carries out one of its commands.
///
/// # Errors
/// A Certificate that does not exist, a source that cannot be read, or nobody to renew.
pub(crate) fn cert(args: &CertArgs) -> anyhow::Result<()> {
    match &args.command {
        CertCommand::List { all_namespaces } => {
            let namespace = (!all_namespaces).then_some(args.namespace.as_str());
            let list = list(&source::open(&args.place)?, namespace);
            output::print(args.output, &list, |list| table(list, *all_namespaces))
        }
        CertCommand::Status { name } => {
            let store = source::open(&args.place)?;
            let certificate = find(&store, &args.namespace, name)?;
            let status = status::of(&store, &certificate);
            output::print(args.output, &status, status::CertStatus::text)
        }
        CertCommand::Inspect { name } => {
            let store = source::open(&args.place)?;
            let inspection = inspect::of(&store, &ObjectKey::new(&*args.namespace, &**name))?;
            output::print(args.output, &inspection, inspect::Inspection::text)
        }
        CertCommand::Renew { name, all: _ } => {
            let order = renew::order(&args.namespace, name.as_deref());
            let renewed = if source::is_cluster(&args.place)? {
                renew::on_cluster(&args.place.way, &order)?
            } else {
                renew::ask(&source::running(&args.place)?, &order)?
            };
            output::print(args.output, &json!({ "renewed": renewed }), |_| {
                let line = |key: &String| format!("Manually triggered issuance of Certificate {key}");
                renewed.iter().map(line).collect::<Vec<_>>().join("\n")
            })
        }
    }
}

/// The shape of `/api/certificates`, of one namespace or all.
fn list(store: &Store, namespace: Option<&str>) -> Value {
    let mut list = admin::api::certificates(store);
    if let Some(certificates) = list.get_mut("certificates").and_then(Value::as_array_mut) {
        let is_wanted =
            |found: &Value| namespace.is_none_or(|namespace| text(found, "/namespace") == namespace);
        certificates.retain(is_wanted);
    }
    list
}

fn table(list: &Value, with_namespace: bool) -> String {
    let columns = ["NAME", "READY", "SECRET", "ISSUER", "NOT AFTER", "RENEWAL", "MESSAGE"];
    let namespace = with_namespace.then_some("NAMESPACE");
    let mut table = output::table(&namespace.into_iter().chain(columns).collect::<Vec<_>>());
    for found in list.get("certificates").and_then(Value::as_array).into_iter().flatten() {
        let is_ready = found.get("ready").and_then(Value::as_bool) == Some(true);
        let cells = [
            text(found, "/name"),
            if is_ready { "True" } else { "False" },
            text(found, "/secretName"),
            text(found, "/issuer"),
            text(found, "/notAfter"),
            text(found, "/renewalTime"),
            if is_ready { "" } else { text(found, "/message") },
        ];
        let namespace = with_namespace.then(|| text(found, "/namespace"));
        table.add_row(namespace.into_iter().chain(cells));
    }
    output::text(&table)
}

fn find(store: &Store, namespace: &str, name: &str) -> anyhow::Result<Arc<Certificate>> {
    let key = ObjectKey::new(namespace, name);
    let Some(certificate) = store.get::<Certificate>(&key) else {
        let others: Vec<String> =
            store.list::<Certificate>().iter().map(|certificate| certificate.key().to_string()).collect();
        let others = if others.is_empty() { "there are none".to_owned() } else { others.join(", ") };
        bail!("Certificate {key} does not exist; found: {others}");
    };
    Ok(certificate)
}
