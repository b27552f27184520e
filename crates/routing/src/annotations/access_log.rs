//! `enable-access-log`: whether requests are written to the access log.

use std::sync::Arc;

use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::RequestHead;

pub(super) const ACCESS_LOG: &str = "enable-access-log";

/// The family. It stands first, so that a request is not written whatever answers it.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[Key::route(
            ACCESS_LOG,
            "true",
            Risk::Low,
            "false: requests are not written to the access log; they are counted nevertheless.",
            "false",
        )];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        if values.take_bool(ACCESS_LOG)? == Some(false) {
            draft.route.early.push(Arc::new(Quiet));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Quiet;

impl Filter for Quiet {
    fn name(&self) -> &'static str {
        ACCESS_LOG
    }

    fn on_request(&self, _head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        scope.is_logged = false;
        Verdict::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head, prefix, route, scope};

    #[test]
    fn only_false_is_quiet() {
        for (value, is_logged) in [("false", false), ("true", true)] {
            let draft = compile(&Family, &[(ACCESS_LOG, value)]).expect("valid");
            let route = route(prefix("/"));
            let mut scope = scope(&route);
            for filter in &draft.route.early {
                filter.on_request(&mut head("/"), &mut scope);
            }
            assert_eq!(scope.is_logged, is_logged);
        }
        assert!(compile(&Family, &[(ACCESS_LOG, "off")]).is_err());
    }
}
