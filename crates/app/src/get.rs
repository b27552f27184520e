//! `jamul get KIND [NAME]`: objects with their status, as kubectl prints them.

pub(crate) mod columns;
pub(crate) mod kinds;

use anyhow::bail;
use jamul_api::ObjectKey;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::GetArgs;
use crate::{output, remote, source};
use columns::text;
use kinds::KnownKind;

/// Prints the objects of a kind, or one of them.
///
/// # Errors
/// A kind that nobody knows, an object that does not exist, or a source that cannot be read.
pub(crate) fn get(args: &GetArgs) -> anyhow::Result<()> {
    let Some(kind) = KnownKind::named(&args.kind) else {
        bail!("kind {:?} is not known; expected one of {}", args.kind, KnownKind::names());
    };
    let store = match &args.name {
        // Of a cluster these are read when somebody names them.
        Some(name) if ["Secret", "ConfigMap"].contains(&kind.kind) && source::is_cluster(&args.place)? => {
            let key = ObjectKey::new(args.namespace.as_str(), name.as_str());
            remote::fetch(&args.place.way, kind.kind, &key)?
        }
        Some(_) | None => source::open(&args.place)?,
    };
    let mut objects = (kind.list)(&store)?;
    if kind.is_namespaced && !args.all_namespaces {
        objects.retain(|object| text(object, "/metadata/namespace") == args.namespace);
    }
    if let Some(name) = &args.name {
        objects.retain(|object| text(object, "/metadata/name") == name);
        let Some(object) = objects.pop() else {
            let namespace = if kind.is_namespaced { format!("{}/", args.namespace) } else { String::new() };
            bail!("{} {namespace}{name} does not exist", kind.kind);
        };
        return output::print(args.output, &object, |object| {
            kind.table(std::slice::from_ref(object), false, Timestamp::now())
        });
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    output::print(args.output, &list, |list| {
        let objects = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        kind.table(objects, args.all_namespaces && kind.is_namespaced, Timestamp::now())
    })
}
