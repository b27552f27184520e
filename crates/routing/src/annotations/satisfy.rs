//! `satisfy`: whether all access checks must pass, or one of them.

use std::sync::Arc;

use http::StatusCode;

use crate::annotation::{Annotation, Invalid, Key, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Answer, Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const SATISFY: &str = "satisfy";

/// The filters that check access, by name. This family stands behind theirs in the registry.
const CHECKS: [&str; 3] = ["allowlist-source-range", "auth-type", "auth-url"];

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[Key::route(
            SATISFY,
            "all",
            Risk::Low,
            "all: source ranges, password and auth-url must each let a request pass. any: one of them suffices.",
            "any",
        )
        .if_invalid(OnInvalid::Close)];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        match values.take(SATISFY) {
            None | Some("all") => return Ok(()),
            Some("any") => {}
            Some(other) => return Err(Invalid::new(SATISFY, other, "any or all")),
        }
        let is_check = |filter: &Arc<dyn Filter>| CHECKS.contains(&filter.name());
        let filters = std::mem::take(&mut draft.route.filters);
        let (checks, others): (Vec<_>, Vec<_>) = filters.into_iter().partition(is_check);
        draft.route.filters = others;
        if !checks.is_empty() {
            draft.route.filters.push(Arc::new(AnyOf { checks }));
        }
        Ok(())
    }
}

/// Lets requests pass that one of its checks lets pass.
#[derive(Debug)]
struct AnyOf {
    checks: Vec<Arc<dyn Filter>>,
}

impl Filter for AnyOf {
    fn name(&self) -> &'static str {
        SATISFY
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        scope.member = 0;
        self.ask_from(0, None, head, scope)
    }

    fn on_answer(&self, answer: &Answer, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let asked = scope.member;
        let Some(check) = self.checks.get(asked) else { return forbidden() };
        match check.on_answer(answer, head, scope) {
            Verdict::Reply(refusal) => self.ask_from(asked + 1, Some(refusal), head, scope),
            verdict @ (Verdict::Continue | Verdict::Ask(_) | Verdict::Work(_)) => verdict,
        }
    }

    fn on_response(&self, head: &mut crate::head::ResponseHead, scope: &mut Scope<'_>) {
        for check in &self.checks {
            check.on_response(head, scope);
        }
    }
}

impl AnyOf {
    /// Asks the checks from `first` on, until one lets the request pass or must wait for an answer. `refusal` is what an
    /// earlier one said.
    fn ask_from(
        &self,
        first: usize,
        mut refusal: Option<Reply>,
        head: &mut RequestHead,
        scope: &mut Scope<'_>,
    ) -> Verdict {
        for (index, check) in self.checks.iter().enumerate().skip(first) {
            scope.member = index;
            match check.on_request(head, scope) {
                // As nginx: who might still pass with a password is asked for it.
                Verdict::Reply(reply) if reply.status == StatusCode::UNAUTHORIZED => refusal = Some(reply),
                Verdict::Reply(reply) => refusal = refusal.or(Some(reply)),
                verdict @ (Verdict::Continue | Verdict::Ask(_) | Verdict::Work(_)) => return verdict,
            }
        }
        refusal.map_or_else(forbidden, Verdict::Reply)
    }
}

fn forbidden() -> Verdict {
    Verdict::Reply(Reply::status(StatusCode::FORBIDDEN))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::annotations::{auth_external, source_range};
    use crate::fixtures::{Objects, annotations, head, prefix, reply, route, scope};

    fn draft(pairs: &[(&str, &str)]) -> Draft {
        let annotations = annotations(pairs);
        let mut values = Values::new("p", &annotations);
        let mut draft = Draft::default();
        for family in [&source_range::Family as &dyn Annotation, &auth_external::Family, &Family] {
            family.compile(&mut values, &mut draft, &Objects::default()).expect("valid");
        }
        draft
    }

    #[test]
    fn one_check_suffices_and_none_is_refused() {
        let url = ("auth-url", "http://auth.example/");
        let (inside, outside) =
            (("allowlist-source-range", "192.0.2.0/24"), ("allowlist-source-range", "10.0.0.0/8"));
        let route = route(prefix("/"));
        let filter = crate::fixtures::filter(&draft(&[(SATISFY, "any"), url, inside]));
        assert!(matches!(filter.on_request(&mut head("/"), &mut scope(&route)), Verdict::Continue));
        let filter = crate::fixtures::filter(&draft(&[(SATISFY, "any"), url, outside]));
        for (status, expected) in
            [(Some(StatusCode::OK), None), (Some(StatusCode::UNAUTHORIZED), Some(401)), (None, Some(500))]
        {
            let mut scope = scope(&route);
            assert!(matches!(filter.on_request(&mut head("/"), &mut scope), Verdict::Ask(_)));
            let answer = Answer { status, headers: HeaderMap::new() };
            let verdict = filter.on_answer(&answer, &mut head("/"), &mut scope);
            assert_eq!(reply(verdict).map(|reply| reply.status.as_u16()), expected);
        }
        assert_eq!(draft(&[(SATISFY, "all"), url, outside]).route.filters.len(), 2);
        assert!(crate::fixtures::compile(&Family, &[(SATISFY, "some")]).is_err());
    }
}
