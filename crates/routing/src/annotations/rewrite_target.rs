//! `rewrite-target`, `use-regex`, `x-forwarded-prefix`: another target for the upstream, and paths as regular expressions.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::alphabet::{REWRITE, URL};
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::path::PathMatch;
use crate::template::Template;

const REWRITE_TARGET: &str = "rewrite-target";
const USE_REGEX: &str = "use-regex";
const PREFIX: &str = "x-forwarded-prefix";
/// Its header; what a client says of it is never passed on together with a rewrite.
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static(PREFIX);

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        &[
            Key {
                name: REWRITE_TARGET,
                default: "",
                risk: Risk::Medium,
                scope: KeyScope::Host,
                summary: "Path sent upstream, with $1 to $9 for the groups of the path; the query is kept. A \
                          URL is answered with 302. All paths of the host become regular expressions.",
                example: "/$2",
                on_invalid: OnInvalid::UseDefault,
            },
            Key {
                name: USE_REGEX,
                default: "false",
                risk: Risk::Low,
                scope: KeyScope::Host,
                summary: "Takes all paths of the host as regular expressions without case, open at the end.",
                example: "true",
                on_invalid: OnInvalid::UseDefault,
            },
            PREFIX_KEY,
        ]
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let use_regex = values.take_bool(USE_REGEX);
        let prefix = values.take(PREFIX).map(parse_prefix).transpose();
        let target = values.take(REWRITE_TARGET).map(Rewrite::parse).transpose();
        draft.host.regex_mode |= matches!(use_regex, Ok(Some(true)));
        if let Some(mut rewrite) = target? {
            draft.host.rewrite_target = Some(rewrite.text.clone());
            rewrite.prefix = prefix.as_ref().ok().cloned().flatten();
            draft.route.filters.push(Arc::new(rewrite));
        }
        prefix?;
        use_regex.map(|_| ())
    }
}

const PREFIX_KEY: Key = Key::route(
    PREFIX,
    "",
    Risk::Medium,
    "Sent upstream as header X-Forwarded-Prefix, with $1 to $9 for the groups of the path; only together with \
     rewrite-target.",
    "/app",
);

fn parse_prefix(text: &str) -> Result<Template, Invalid> {
    if !text.starts_with(['/', '$']) {
        return Err(Invalid::new(PREFIX, text, "a path that begins with /"));
    }
    Template::parse(text, URL).map_err(|expected| Invalid::new(PREFIX, text, expected))
}

/// Replaces the target of requests.
#[derive(Debug)]
struct Rewrite {
    /// As written: a path equal to it is not rewritten.
    text: String,
    template: Template,
    /// `X-Forwarded-Prefix`.
    prefix: Option<Template>,
}

impl Rewrite {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |expected: String| Invalid::new(REWRITE_TARGET, text, expected);
        if !text.starts_with(['/', '$']) && !is_absolute(text) {
            return Err(invalid(
                "a path that begins with / or a URL that begins with http:// or https://".to_owned(),
            ));
        }
        let template = Template::parse(text, REWRITE).map_err(invalid)?;
        Ok(Self { text: text.to_owned(), template, prefix: None })
    }
}

impl Filter for Rewrite {
    fn name(&self) -> &'static str {
        REWRITE_TARGET
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        if scope.route.path.text() == self.text {
            return Verdict::Continue;
        }
        let Some(captures) = captures(&scope.route.path, &head.path) else { return Verdict::Continue };
        if let Some(prefix) = &self.prefix {
            head.headers.remove(X_FORWARDED_PREFIX);
            if let Ok(prefix) = HeaderValue::try_from(prefix.expand(head, &captures)) {
                head.headers.insert(X_FORWARDED_PREFIX, prefix);
            }
        }
        let mut target = self.template.expand(head, &captures);
        if let Some(query) = head.query().filter(|query| !query.is_empty()) {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(query);
        }
        if is_absolute(&self.text) {
            return Verdict::Reply(Reply::redirect_to(StatusCode::FOUND, &target));
        }
        if !target.starts_with('/') {
            target.insert(0, '/');
        }
        match refusal(&target) {
            Some(status) => Verdict::Reply(Reply::status(status)),
            None => {
                head.target = target;
                Verdict::Continue
            }
        }
    }
}

/// The groups of the match; `None` if the path is not matched and stays.
fn captures(path: &PathMatch, request: &str) -> Option<Vec<String>> {
    match path {
        PathMatch::Regex(pattern) => pattern.captures(request),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => Some(Vec::new()),
    }
}

/// Why a rewritten target must not be sent: a group may have joined with what stands beside it to climb
/// (`/data$1` with `/..`), or the target is no target.
fn refusal(target: &str) -> Option<StatusCode> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if path.split('/').any(|element| element == "..") {
        return Some(StatusCode::BAD_REQUEST);
    }
    let is_valid = http::uri::PathAndQuery::try_from(target).is_ok();
    (!is_valid).then_some(StatusCode::INTERNAL_SERVER_ERROR)
}

fn is_absolute(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, filter, head, location, regex, reply, route, scope};

    fn verdict(path: &str, target: &str, request: &str) -> (RequestHead, Verdict) {
        let draft = compile(&Family, &[(REWRITE_TARGET, target)]).expect("valid");
        assert_eq!(draft.host.rewrite_target.as_deref(), Some(target));
        let (route, mut head) = (route(regex(path)), head(request));
        let verdict = filter(&draft).on_request(&mut head, &mut scope(&route));
        (head, verdict)
    }

    fn rewritten(path: &str, target: &str, request: &str) -> String {
        let (head, verdict) = verdict(path, target, request);
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        head.target
    }

    #[test]
    fn groups_are_put_in_and_the_query_stays() {
        assert_eq!(rewritten("/app(/|$)(.*)", "/$2", "/APP/x/y?a=b"), "/x/y?a=b");
        assert_eq!(rewritten("/app(/|$)(.*)", "/$2", "/app"), "/");
        assert_eq!(rewritten("/app", "/", "/app/everything"), "/");
        assert_eq!(rewritten("/app/(.*)", "/new?p=$1", "/app/x?a=b"), "/new?p=x&a=b");
        assert_eq!(rewritten("/(.*)", "$1", "/x"), "/x");
    }

    #[test]
    fn groups_are_encoded_again() {
        assert_eq!(rewritten("/a/(.*)", "/$1", "/a/x%20y%3Fz"), "/x%20y%3Fz");
        assert_eq!(rewritten("/a/(.*)", "/$1", "/a/%C3%A4%25"), "/%C3%A4%25");
    }

    #[test]
    fn a_target_equal_to_the_path_and_an_unmatched_path_stay() {
        assert_eq!(rewritten("/app", "/app", "/app/x"), "/app/x");
        assert_eq!(rewritten("/app/(.*)", "/$1", "/app"), "/app");
    }

    #[test]
    fn the_prefix_that_went_is_told_and_a_clients_word_for_it_is_not_taken() {
        let pairs = [(REWRITE_TARGET, "/$2"), (PREFIX, "/$1")];
        let draft = compile(&Family, &pairs).expect("valid");
        let (route, mut head) = (route(regex("/(app)/(.*)")), head("/app/x"));
        head.headers.insert(X_FORWARDED_PREFIX, HeaderValue::from_static("/evil"));
        filter(&draft).on_request(&mut head, &mut scope(&route));
        assert_eq!(head.headers.get(X_FORWARDED_PREFIX), Some(&HeaderValue::from_static("/app")));
        assert!(compile(&Family, &[(PREFIX, "app")]).is_err());
    }

    #[test]
    fn a_url_is_answered_with_302() {
        let (_, verdict) = verdict("/old/(.*)", "https://new.example/$1", "/old/a");
        assert_eq!(location(verdict), Some((302, "https://new.example/a".to_owned())));
    }

    #[test]
    fn a_group_that_would_climb_is_refused() {
        let (_, verdict) = verdict("/files(.*)", "/data/$1", "/files..");
        assert_eq!(reply(verdict).map(|reply| reply.status), Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn bad_targets_are_refused_and_use_regex_still_counts() {
        for target in ["x", "/a b", "/a;b", "/{x}", "/a\nb", "/$unknown", "ftp://x/", "/a#b"] {
            assert!(
                compile(&Family, &[(REWRITE_TARGET, target), (USE_REGEX, "true")]).is_err(),
                "{target:?}"
            );
        }
        let draft = compile(&Family, &[(USE_REGEX, "true")]).expect("valid");
        assert!(draft.host.regex_mode && draft.route.filters.is_empty());
    }
}
