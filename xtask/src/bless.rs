//! `cargo xtask bless`: rewrites files that are derived from code, golden files among them.
//!
//! One mechanism for all: a test that compares a file of the tree with what the code yields has `golden`
//! in its name (or its module's), and writes the file instead when `JAMUL_BLESS` is set. So freshness is
//! tested wherever tests run, and nothing here knows which files there are.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Result, bail};

use crate::process::{cargo, output, program, root, run};

/// Rewrites every generated file and names those that changed.
pub(crate) fn rewrite() -> Result<()> {
    for path in changed_by(golden_tests)? {
        println!("rewritten: {path}");
    }
    Ok(())
}

/// Fails if a rewrite changes a file, and names it. The files are left rewritten, to be looked at.
pub(crate) fn check() -> Result<()> {
    let stale = changed_by(golden_tests)?;
    if !stale.is_empty() {
        bail!("stale, and now rewritten (look at the difference, then commit): {}", stale.join(", "));
    }
    Ok(())
}

fn golden_tests() -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--quiet", "golden"])?;
    run(command.env("JAMUL_BLESS", "1").env("INSTA_UPDATE", "always"))
}

/// The files of the tree that `work` adds, changes or removes.
fn changed_by(work: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
    let before = fingerprints()?;
    work()?;
    let after = fingerprints()?;
    Ok(differing(&before, &after))
}

/// Every file that git tracks or would add, with a hash of its content.
fn fingerprints() -> Result<BTreeMap<String, u64>> {
    let root = root()?;
    let mut git = program("git")?;
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut found = BTreeMap::new();
    for path in output(&mut git)?.split_terminator('\0') {
        // Listed but deleted in the work tree: absent, which is a state like any other.
        if let Ok(content) = fs::read(root.join(path)) {
            let mut hasher = DefaultHasher::new();
            content.hash(&mut hasher);
            found.insert(path.to_owned(), hasher.finish());
        }
    }
    Ok(found)
}

fn differing(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    let mut paths: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .cloned()
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_changed_and_removed_files_are_named_once_each() {
        let before = BTreeMap::from([("same".into(), 1), ("changed".into(), 2), ("removed".into(), 3)]);
        let after = BTreeMap::from([("same".into(), 1), ("changed".into(), 4), ("added".into(), 5)]);
        assert_eq!(differing(&before, &after), ["added", "changed", "removed"]);
    }
}
