//! `cargo xtask arrows`: the house as ARCHITECTURE.md draws it, held against manifests and sources.
//!
//! Refused: an arrow between our crates that [`HOUSE`] does not list, a foreign crate on a floor that must
//! not know it, a name outside the one file that keeps it, the clock or the environment where they are
//! arguments, and circles of crates or of modules. An arrow changes here and in ARCHITECTURE.md together.

mod circle;
mod modules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{metadata, process};
use circle::circle;
use source::{NamedPath, Role, paths};

/// One of our crates: the floor it stands on and what it may use.
struct Room {
    name: &'static str,
    floor: u8,
    may_use: &'static [&'static str],
    /// Foreign crates that it must never know, each with its family (`hyper` is `hyper-util` too).
    never: &'static [&'static str],
    /// Whether it may ask what time it is, and read the environment. Where not, both are arguments.
    asks_the_world: bool,
}

const NETWORK: &[&str] = &["tokio", "hyper", "kube"];
const KUBERNETES: &[&str] = &["kube"];

const HOUSE: &[Room] = &[
    Room { name: "pki", floor: 0, may_use: &[], never: NETWORK, asks_the_world: false },
    Room { name: "routing", floor: 1, may_use: &[], never: NETWORK, asks_the_world: false },
    Room { name: "api", floor: 1, may_use: &[], never: NETWORK, asks_the_world: false },
    Room { name: "acme", floor: 1, may_use: &["pki"], never: KUBERNETES, asks_the_world: false },
    Room { name: "proxy", floor: 2, may_use: &["routing", "pki"], never: KUBERNETES, asks_the_world: true },
    Room {
        name: "translate",
        floor: 2,
        may_use: &["routing", "api", "pki"],
        never: NETWORK,
        asks_the_world: false,
    },
    Room { name: "store", floor: 2, may_use: &["api"], never: &[], asks_the_world: true },
    Room {
        name: "issuance",
        floor: 2,
        may_use: &["api", "acme", "pki"],
        never: KUBERNETES,
        asks_the_world: false,
    },
    Room {
        name: "controllers",
        floor: 3,
        may_use: &["translate", "store", "issuance", "api", "acme", "pki", "routing"],
        never: &[],
        asks_the_world: true,
    },
    Room {
        name: "app",
        floor: 4,
        may_use: &["controllers", "proxy", "translate", "store", "issuance", "routing", "api", "acme", "pki"],
        never: &[],
        asks_the_world: true,
    },
];

/// A foreign crate whose types one place keeps to itself, so that exchanging it touches that place alone.
/// A folder of the same name beside the file belongs to it.
struct Kept {
    name: &'static str,
    files: &'static [&'static str],
}

const KEPT: &[Kept] = &[
    Kept { name: "k8s_openapi", files: &["crates/api/src/core"] },
    Kept {
        name: "rustls",
        files: &["crates/proxy/src/tls", "crates/app/src/transport", "crates/app/src/dial"],
    },
];

/// What of a crate the rules look at.
struct Crate {
    /// Without `jamul-`; the binary's is `app`.
    name: String,
    /// Packages that the manifest names, in any of its tables.
    dependencies: Vec<String>,
    files: Vec<SourceFile>,
}

struct SourceFile {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl SourceFile {
    /// Files of tests may use what they like of foreign crates; between our own crates the arrows hold there too.
    fn is_test(&self) -> bool {
        let (_, inside) = self.path.split_once("/src/").unwrap_or(("", "tests"));
        inside.split('/').any(|part| part == "tests" || part == "tests.rs")
    }
}

pub(crate) fn command() -> Result<()> {
    let crates = read()?;
    let refusals = refusals(&crates);
    for refusal in &refusals {
        eprintln!("{refusal}");
    }
    if !refusals.is_empty() {
        bail!("{} arrows that the house forbids (ARCHITECTURE.md)", refusals.len());
    }
    let files: usize = crates.iter().map(|member| member.files.len()).sum();
    eprintln!("{} crates, {files} files: no arrow that the house forbids", crates.len());
    Ok(())
}

fn read() -> Result<Vec<Crate>> {
    let root = process::root()?;
    let mut crates = Vec::new();
    for package in metadata::read()?.packages {
        let Some(name) = room_of(&package.name) else { continue };
        let mut files = Vec::new();
        for folder in ["src", "tests", "benches", "examples"] {
            let path = format!("crates/{name}/{folder}");
            collect(&root.join(&path), &path, &mut files)?;
        }
        let dependencies = package.dependencies.into_iter().map(|dependency| dependency.name).collect();
        crates.push(Crate { name: name.to_owned(), dependencies, files });
    }
    Ok(crates)
}

/// Adds the Rust files below `folder`, whose path from the root is `shown`.
fn collect(folder: &Path, shown: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("could not read {path}"))?;
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}

/// Our crate of this package (`jamul-api`) or library (`jamul_api`) name, as the house calls it.
fn room_of(name: &str) -> Option<&str> {
    if name == "jamul" {
        return Some("app");
    }
    name.strip_prefix("jamul-").or_else(|| name.strip_prefix("jamul_"))
}

/// Every violation, each a line that names the place, what is there, and why it may not be.
fn refusals(crates: &[Crate]) -> Vec<String> {
    let mut refused = Vec::new();
    for member in crates {
        let Some(room) = HOUSE.iter().find(|room| room.name == member.name) else {
            refused.push(format!(
                "crates/{}: not in the house: give it a floor in xtask/src/arrows.rs",
                member.name
            ));
            continue;
        };
        refuse_dependencies(room, member, &mut refused);
        for file in &member.files {
            refuse_names(room, file, &mut refused);
        }
        if let Some(circle) = circle(&modules::uses(&member.files)) {
            refused.push(format!("crates/{}: circle of modules: {}", member.name, drawn(&circle)));
        }
    }
    if let Some(circle) = circle(&arrows_between(crates)) {
        refused.push(format!("circle of crates: {}", drawn(&circle)));
    }
    refused
}

fn refuse_dependencies(room: &Room, member: &Crate, refused: &mut Vec<String>) {
    let place = format!("crates/{}/Cargo.toml", member.name);
    for dependency in &member.dependencies {
        if let Some(target) = room_of(dependency) {
            refused.extend(refuse_arrow(room, target).map(|why| format!("{place}: {why}")));
        }
        if let Some(family) = room.never.iter().find(|family| is_of_family(dependency, family)) {
            refused.push(format!("{place}: {dependency}: {} must never know {family}", room.name));
        }
        if dependency == "k8s-openapi" && room.name != "api" {
            refused
                .push(format!("{place}: {dependency}: only api knows it; the others use jamul-api's types"));
        }
    }
}

fn is_of_family(dependency: &str, family: &str) -> bool {
    dependency.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Why this arrow may not be, if so.
fn refuse_arrow(room: &Room, target: &str) -> Option<String> {
    if target == room.name || room.may_use.contains(&target) {
        return None;
    }
    let floor = HOUSE.iter().find(|other| other.name == target)?.floor;
    let kind = match floor.cmp(&room.floor) {
        std::cmp::Ordering::Greater => "upward arrow",
        std::cmp::Ordering::Equal => "arrow between rooms of one floor",
        std::cmp::Ordering::Less => "arrow that the house does not list",
    };
    Some(format!("{} -> {target}: {kind}", room.name))
}

fn refuse_names(room: &Room, file: &SourceFile, refused: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for path in paths(&file.text) {
        let is_test = file.is_test() || path.is_test;
        let our_crate = path.segments.first().and_then(|first| first.strip_prefix("jamul_"));
        let why = our_crate.and_then(|target| refuse_arrow(room, target)).or_else(|| {
            if is_test { None } else { refuse_kept(file, &path).or_else(|| refuse_world(room, &path)) }
        });
        // Once for each file and reason is enough to find it.
        if let Some(why) = why.filter(|why| seen.insert(why.clone())) {
            refused.push(format!("{}:{}: {why}", file.path, path.line));
        }
    }
}

fn refuse_kept(file: &SourceFile, path: &NamedPath) -> Option<String> {
    let kept = KEPT.iter().find(|kept| path.segments.iter().any(|segment| segment == kept.name))?;
    // The last word of a mention is an item that happens to be called so.
    if path.role == Role::Mention && path.segments.last().is_some_and(|last| last == kept.name) {
        return None;
    }
    let is_keeper = kept.files.iter().any(|keeper| {
        file.path.strip_prefix(keeper).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    });
    if is_keeper {
        return None;
    }
    Some(format!(
        "{}: only {}.rs may name {}",
        path.segments.join("::"),
        kept.files.join(".rs and "),
        kept.name
    ))
}

fn refuse_world(room: &Room, path: &NamedPath) -> Option<String> {
    if room.asks_the_world {
        return None;
    }
    let (last, before) = path.segments.split_last()?;
    let of = before.last()?;
    let asks_the_time =
        last == "now" && matches!(of.as_str(), "Timestamp" | "Zoned" | "SystemTime" | "Instant");
    let reads_the_environment = of == "env" && matches!(last.as_str(), "var" | "var_os" | "vars" | "vars_os");
    if !asks_the_time && !reads_the_environment {
        return None;
    }
    Some(format!("{}: in {} this is an argument", path.segments.join("::"), room.name))
}

/// What the manifests say, among our own crates.
fn arrows_between(crates: &[Crate]) -> BTreeMap<String, BTreeSet<String>> {
    crates
        .iter()
        .map(|member| {
            let targets = member.dependencies.iter().filter_map(|name| room_of(name)).map(str::to_owned);
            (member.name.clone(), targets.collect())
        })
        .collect()
}

fn drawn(circle: &[String]) -> String {
    let first = circle.first().map(String::as_str);
    circle.iter().map(String::as_str).chain(first).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests;
