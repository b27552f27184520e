//! Who uses whom among the files of one crate. A circle means that none of its files can be read alone.

use std::collections::{BTreeMap, BTreeSet};

use super::SourceFile;
use super::source::{NamedPath, Role, paths};

type Module = Vec<String>;

/// Which module uses which others, as `a::b`. Not counted: tests, what a module only passes on
/// (`pub use`), and names taken from the crate's root, which is a table of contents.
pub(super) fn uses(files: &[SourceFile]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeMap<Module, &SourceFile> =
        files.iter().filter_map(|file| Some((module_of(&file.path)?, file))).collect();
    let mut uses = BTreeMap::new();
    for (module, file) in &modules {
        let used: BTreeSet<String> = paths(&file.text)
            .iter()
            .filter(|path| path.role != Role::Reexport && !path.is_test)
            .filter_map(|path| resolve(path, module))
            .filter_map(|target| owner(&target, &modules))
            .filter(|target| target != module)
            .map(|target| target.join("::"))
            .collect();
        uses.insert(module.join("::"), used);
    }
    uses
}

/// The module that a file of `crates/NAME/src` is; empty for the root. None for tests and other binaries.
fn module_of(path: &str) -> Option<Module> {
    let (_, inside) = path.split_once("/src/")?;
    let mut module: Module = inside.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if module.iter().any(|part| part == "tests" || part == "bin") {
        return None;
    }
    if module
        .last()
        .is_some_and(|last| last == "mod" || module.len() == 1 && (last == "lib" || last == "main"))
    {
        module.pop();
    }
    Some(module)
}

/// Where a path would lie, counted from the crate's root. A path that begins with a plain name may be of
/// a child module or of another crate; [`owner`] finds out.
fn resolve(path: &NamedPath, module: &Module) -> Option<Module> {
    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
    let first = path.segments.first()?;
    if first == "crate" {
        return Some(path.segments.get(1..)?.to_vec());
    }
    let (up, rest) =
        if first == "self" { (0, path.segments.get(1..)?) } else { (supers, path.segments.get(supers..)?) };
    // Inside inline modules the first steps up stay in this file, and plain names are theirs.
    let up = up.checked_sub(path.depth)?;
    let base = module.get(..module.len().checked_sub(up)?)?;
    Some(base.iter().chain(rest).cloned().collect())
}

/// The module that holds the item: the longest prefix that is a module. None for the root and other crates.
fn owner(path: &[String], modules: &BTreeMap<Module, &SourceFile>) -> Option<Module> {
    let longest = (1..=path.len())
        .rev()
        .filter_map(|length| path.get(..length))
        .find(|prefix| modules.contains_key(*prefix));
    longest.map(<[String]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::super::circle::circle;
    use super::*;

    fn circle_of(files: &[(&str, &str)]) -> Option<Vec<String>> {
        let files: Vec<SourceFile> = files
            .iter()
            .map(|(path, text)| SourceFile { path: format!("crates/x/src/{path}"), text: (*text).into() })
            .collect();
        circle(&uses(&files))
    }

    #[test]
    fn two_files_that_use_each_other_are_a_circle() {
        let files =
            [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "fn f() { super::a::g() }")];
        assert_eq!(circle_of(&files), Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_registry_may_list_its_children_but_they_may_not_need_it() {
        let registry = "mod one; pub static ALL: &[&dyn T] = &[&one::One];";
        let below =
            [("all/mod.rs", registry), ("all/one.rs", "use crate::t::T;"), ("t.rs", "pub trait T {}")];
        assert_eq!(circle_of(&below), None);
        let above = [("all/mod.rs", registry), ("all/one.rs", "use super::T;")];
        assert_eq!(circle_of(&above), Some(vec!["all".into(), "all::one".into()]));
    }

    #[test]
    fn reexports_the_root_and_tests_close_no_circle() {
        let files = [
            ("lib.rs", "mod a; pub use a::A; fn f() { a::g() }"),
            ("a.rs", "mod b; pub use b::B; use crate::A; pub struct C;"),
            ("a/b.rs", "use super::C; #[cfg(test)] mod tests { use super::*; use crate::d::D; }"),
            ("a/tests.rs", "use super::b::B;"),
            ("d.rs", "use crate::a::C; use std::a::X;"),
        ];
        assert_eq!(circle_of(&files), None);
    }
}
