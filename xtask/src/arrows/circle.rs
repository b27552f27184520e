//! Finding a circle in a graph.

use std::collections::{BTreeMap, BTreeSet};

/// One circle, as the names along it; none if there is none. Always the same one for the same graph.
pub(super) fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut open: BTreeMap<&str, Vec<&str>> =
        graph.iter().map(|(name, uses)| (name.as_str(), uses.iter().map(String::as_str).collect())).collect();
    // Who needs nobody that is left lies on no circle; when nobody more goes, each of the rest leads on.
    loop {
        let names: BTreeSet<&str> = open.keys().copied().collect();
        open.retain(|_, uses| {
            uses.retain(|used| names.contains(used));
            !uses.is_empty()
        });
        if open.len() == names.len() {
            break;
        }
    }
    let mut walked: Vec<&str> = Vec::new();
    let mut at = *open.keys().next()?;
    while !walked.contains(&at) {
        walked.push(at);
        at = open.get(at)?.first()?;
    }
    Some(walked.iter().skip_while(|name| **name != at).map(|name| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in arrows {
            graph.entry((*from).into()).or_default().insert((*to).into());
            graph.entry((*to).into()).or_default();
        }
        graph
    }

    #[test]
    fn a_diamond_is_no_circle() {
        assert_eq!(circle(&graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), None);
    }

    #[test]
    fn a_circle_is_named_without_the_way_that_leads_to_it() {
        let found = circle(&graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e")]));
        assert_eq!(found, Some(vec!["b".into(), "c".into(), "d".into()]));
    }
}
