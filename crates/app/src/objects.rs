//! `jamul get` and `jamul cert`: what the state folder of a standalone run holds. Reads files only, so it works while a
//! run has the folder locked, and after it ended.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::cli::{CertArgs, CertCommand, GetArgs, Output};
use crate::run;

/// Plural with group, kind, and the short names that kubectl knows.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("certificates.cert-manager.io", "Certificate", &["certificate", "certificates", "cert", "certs"]),
    (
        "certificaterequests.cert-manager.io",
        "CertificateRequest",
        &["certificaterequest", "certificaterequests", "cr", "crs"],
    ),
    ("issuers.cert-manager.io", "Issuer", &["issuer", "issuers", "iss"]),
    ("clusterissuers.cert-manager.io", "ClusterIssuer", &["clusterissuer", "clusterissuers", "ciss"]),
    ("orders.acme.cert-manager.io", "Order", &["order", "orders"]),
    ("challenges.acme.cert-manager.io", "Challenge", &["challenge", "challenges"]),
    ("secrets", "Secret", &["secret", "secrets"]),
    ("ingresses.networking.k8s.io", "Ingress", &["ingress", "ingresses", "ing"]),
];

/// Prints the objects of a kind, or one of them.
pub(crate) fn get(args: &GetArgs) -> anyhow::Result<()> {
    let kind = args.kind.to_ascii_lowercase();
    let found = KINDS.iter().find(|(plural, _, names)| *plural == kind || names.contains(&kind.as_str()));
    let Some((plural, kind, _)) = found else {
        let known: Vec<_> = KINDS.iter().map(|(_, kind, _)| *kind).collect();
        bail!("kind {:?} is not kept in a state folder; expected one of {}", args.kind, known.join(", "));
    };
    let mut objects = Objects::open(args.state.as_deref(), &args.namespace)?.of(plural)?;
    if let Some(name) = &args.name {
        objects.retain(|object| text(object, "/metadata/name") == name);
        if objects.is_empty() {
            bail!("{kind} {}/{name} does not exist", args.namespace);
        }
    }
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&objects)?),
        Output::Table => println!("{}", table(&objects)),
    }
    Ok(())
}

/// `cert list` and `cert status NAME`.
pub(crate) fn cert(args: &CertArgs) -> anyhow::Result<()> {
    let objects = Objects::open(args.state.as_deref(), &args.namespace)?;
    match &args.command {
        CertCommand::List => println!("{}", certificates(&objects.of("certificates.cert-manager.io")?)),
        CertCommand::Status { name } => println!("{}", status(&objects, name)?),
    }
    Ok(())
}

/// The objects of one namespace in a state folder.
struct Objects {
    folder: PathBuf,
    namespace: String,
}

impl Objects {
    fn open(state: Option<&Path>, namespace: &str) -> anyhow::Result<Self> {
        let state = match state {
            Some(state) => state.to_owned(),
            None => run::default_state()?,
        };
        let folder = state.join("objects");
        if !folder.is_dir() {
            bail!("{} holds no objects; expected the --state of a standalone run", state.display());
        }
        Ok(Self { folder, namespace: namespace.to_owned() })
    }

    /// All of a kind, by name.
    fn of(&self, plural: &str) -> anyhow::Result<Vec<Value>> {
        let namespace = if plural.starts_with("clusterissuers") { "_cluster" } else { &self.namespace };
        let folder = self.folder.join(plural).join(namespace);
        let mut paths: Vec<PathBuf> = match fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }

    /// The first object of a kind that `owner` controls.
    fn owned(&self, plural: &str, owner: &Value) -> anyhow::Result<Option<Value>> {
        let uid = text(owner, "/metadata/uid");
        let mut objects = self.of(plural)?;
        objects.retain(|object| {
            let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.into_iter().flatten().any(|owner| text(owner, "/uid") == uid)
        });
        Ok(objects.pop())
    }
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let file = || format!("cannot read {}", path.display());
    let yaml = fs::read_to_string(path).with_context(file)?;
    serde_saphyr::from_str(&yaml).with_context(file)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The condition of that type: status, reason, message.
fn condition<'a>(object: &'a Value, type_: &str) -> Option<[&'a str; 3]> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| text(condition, "/type") == type_)?;
    Some([text(found, "/status"), text(found, "/reason"), text(found, "/message")])
}

fn table(objects: &[Value]) -> Table {
    let mut table = plain(&["NAME", "STATUS", "REASON", "CREATED"]);
    for object in objects {
        let [status, reason, _] =
            condition(object, "Ready").unwrap_or([text(object, "/status/state"), "", ""]);
        table.add_row([
            text(object, "/metadata/name"),
            status,
            reason,
            text(object, "/metadata/creationTimestamp"),
        ]);
    }
    table
}

fn certificates(objects: &[Value]) -> Table {
    let mut table = plain(&["NAME", "READY", "SECRET", "ISSUER", "NOT AFTER", "RENEWAL"]);
    for object in objects {
        let ready = condition(object, "Ready").map_or("Unknown", |[status, ..]| status);
        table.add_row([
            text(object, "/metadata/name"),
            ready,
            text(object, "/spec/secretName"),
            text(object, "/spec/issuerRef/name"),
            text(object, "/status/notAfter"),
            text(object, "/status/renewalTime"),
        ]);
    }
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

/// Certificate -> request -> order -> challenge -> Secret, each with the reason it waits for.
fn status(objects: &Objects, name: &str) -> anyhow::Result<Table> {
    let mut certificates = objects.of("certificates.cert-manager.io")?;
    certificates.retain(|certificate| text(certificate, "/metadata/name") == name);
    let Some(certificate) = certificates.pop() else {
        bail!("Certificate {}/{name} does not exist", objects.namespace);
    };
    let mut table = plain(&["OBJECT", "NAME", "STATE", "REASON"]);
    for type_ in ["Issuing", "Ready"] {
        if let Some([status, reason, message]) = condition(&certificate, type_) {
            table.add_row([
                "Certificate",
                name,
                &format!("{type_}={status}"),
                &format!("{reason}: {message}"),
            ]);
        }
    }
    let request = objects.owned("certificaterequests.cert-manager.io", &certificate)?;
    let order = match &request {
        Some(request) => objects.owned("orders.acme.cert-manager.io", request)?,
        None => None,
    };
    let challenge = match &order {
        Some(order) => objects.owned("challenges.acme.cert-manager.io", order)?,
        None => None,
    };
    if let Some(request) = &request {
        let [status, reason, message] = condition(request, "Ready").unwrap_or(["Unknown", "", ""]);
        let name = text(request, "/metadata/name");
        table.add_row([
            "CertificateRequest",
            name,
            &format!("Ready={status}"),
            &format!("{reason}: {message}"),
        ]);
    }
    for (kind, object) in [("Order", &order), ("Challenge", &challenge)] {
        if let Some(object) = object {
            let (state, reason) = (text(object, "/status/state"), text(object, "/status/reason"));
            table.add_row([kind, text(object, "/metadata/name"), state, reason]);
        }
    }
    let secret_name = text(&certificate, "/spec/secretName");
    let secrets = objects.of("secrets")?;
    let exists = secrets.iter().any(|secret| text(secret, "/metadata/name") == secret_name);
    let not_after = text(&certificate, "/status/notAfter");
    table.add_row([
        "Secret",
        secret_name,
        if exists { "exists" } else { "missing" },
        &format!("not after {not_after}"),
    ]);
    Ok(table)
}
