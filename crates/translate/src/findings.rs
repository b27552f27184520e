//! All Diagnostics together, kept up to date by what changed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jamul_routing::Diagnostic;

/// What became of a Diagnostic since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is there now.
    Found(Diagnostic),
    /// It is there no more.
    Mended(Diagnostic),
}

/// All Diagnostics, each once, and what changed since the last look.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// With how often each was found; sorted, the least severe first.
    found: BTreeMap<Diagnostic, usize>,
    news: Vec<Finding>,
}

impl Findings {
    /// One source of Diagnostics that said `before` says `after` now.
    pub(crate) fn replace(&mut self, before: &[Diagnostic], after: &[Diagnostic]) {
        if before == after {
            return;
        }
        // First, so that what stays is not told as mended.
        for diagnostic in after {
            let count = self.found.entry(diagnostic.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.news.push(Finding::Found(diagnostic.clone()));
            }
        }
        for diagnostic in before {
            let Entry::Occupied(mut found) = self.found.entry(diagnostic.clone()) else { continue };
            *found.get_mut() -= 1;
            if *found.get() == 0 {
                found.remove();
                self.news.push(Finding::Mended(diagnostic.clone()));
            }
        }
    }

    /// What changed since the last call, in order.
    pub(crate) fn take_news(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.news)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.keys()
    }
}

#[cfg(test)]
mod tests {
    use jamul_routing::Severity;

    use super::*;

    fn diagnostic(object: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Info,
            object: object.to_owned(),
            field: String::new(),
            reason: "Reason",
            message: String::new(),
        }
    }

    #[test]
    fn a_diagnostic_of_two_sources_is_told_once_and_mended_with_the_last() {
        let mut findings = Findings::default();
        let both = [diagnostic("a")];
        findings.replace(&[], &both);
        findings.replace(&[], &both);
        assert_eq!(findings.take_news(), [Finding::Found(diagnostic("a"))]);
        findings.replace(&both, &[]);
        assert_eq!(findings.take_news(), []);
        findings.replace(&both, &[diagnostic("b")]);
        assert_eq!(findings.take_news(), [Finding::Found(diagnostic("b")), Finding::Mended(diagnostic("a"))]);
        assert_eq!(findings.iter().count(), 1);
    }
}
