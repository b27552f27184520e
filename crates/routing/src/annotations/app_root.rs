//! `app-root`: the application is not at `/`.

use std::sync::Arc;

use http::StatusCode;

use crate::alphabet::URL;
use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};
use crate::template::{Template, http_host, scheme};

const APP_ROOT: &str = "app-root";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[Key::route(
            APP_ROOT,
            "",
            Risk::Medium,
            "Answers a request for exactly / with 302 to this path; first of all, even before the redirect to https. \
             The query is lost unless $is_args$args is written.",
            "/app/",
        )
        .of_host()];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let Some(text) = values.take(APP_ROOT) else { return Ok(()) };
        if !text.starts_with('/') || text.starts_with("//") {
            return Err(Invalid::new(APP_ROOT, text, "a path that begins with one /"));
        }
        let template =
            Template::parse(text, URL).map_err(|expected| Invalid::new(APP_ROOT, text, expected))?;
        draft.host.app_root = Some(Arc::new(AppRoot { template }));
        Ok(())
    }
}

/// Redirects `/`.
#[derive(Debug)]
struct AppRoot {
    template: Template,
}

impl Filter for AppRoot {
    fn name(&self) -> &'static str {
        APP_ROOT
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        if head.path != "/" {
            return Verdict::Continue;
        }
        let path = self.template.expand(head, &[]);
        let location = format!("{}://{}{path}", scheme(head), http_host(head));
        Verdict::Reply(Reply::redirect_to(StatusCode::FOUND, &location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, head, location, prefix, route, scope};

    fn redirected(root: &str, target: &str) -> Option<(u16, String)> {
        let draft = compile(&Family, &[(APP_ROOT, root)]).expect("valid");
        let route = route(prefix("/"));
        location(draft.host.app_root?.on_request(&mut head(target), &mut scope(&route)))
    }

    #[test]
    fn only_the_root_itself_is_redirected() {
        assert_eq!(redirected("/app", "/?a=b"), Some((302, "http://example.com/app".to_owned())));
        assert_eq!(
            redirected("/app$is_args$args", "/?a=b"),
            Some((302, "http://example.com/app?a=b".to_owned()))
        );
        assert_eq!(redirected("/app", "/app"), None);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for value in ["app", "https://x.example/", "//x.example", "/a;b", "/a\nb"] {
            assert!(compile(&Family, &[(APP_ROOT, value)]).is_err(), "{value:?}");
        }
    }
}
