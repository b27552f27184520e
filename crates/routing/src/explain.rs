//! Why a request finds the route that it finds: the winner, as [`Router::find_path`] has it, and who else wanted
//! the request.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use crate::host::{Host, HostPattern};
use crate::path::PathMatch;
use crate::route::{Origin, Route};
use crate::router::{HostRoutes, Match, Router};

/// Who answers a request, and why not another.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// Whose routes were searched; `None` if no pattern takes the host.
    pub host: Option<&'a HostPattern>,
    /// The route; `None` means 404.
    pub found: Option<Match>,
    /// Who else wanted the request or nearly did, the nearest first; at most [`MOST_LOSERS`].
    pub losers: Vec<Loser<'a>>,
}

/// A rule that does not answer the request.
#[derive(Clone, Copy, Debug)]
pub struct Loser<'a> {
    /// Host of the rule.
    pub host: &'a HostPattern,
    /// `Exact`, `Prefix` or `Regex`.
    pub path_type: &'static str,
    /// Path of the rule.
    pub path: &'a str,
    /// Its Ingress and Service.
    pub origin: &'a Origin,
    /// What it lacks.
    pub why: Why,
}

/// Why a rule does not answer a request; [`fmt::Display`] says it as half a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its host, path and path type are those of the winner, whose Ingress is older.
    Younger,
    /// It takes the path, too; the winner is Exact.
    ExactFirst,
    /// It takes the path, too; the winner's is longer.
    LongerFirst,
    /// It takes the path, too; among equally long regular expressions the last in the alphabet is tried first.
    AlphabetFirst,
    /// It would answer if a more exact host pattern did not take the host.
    HostFirst,
    /// It would answer if paths were compared without their case.
    OtherCase,
    /// It would answer if a Prefix could end within a path element, or an Exact path below itself.
    OtherElement,
    /// It would answer if a wildcard stood for several labels.
    OneLabel,
    /// It is for the same host and another path.
    OtherPath,
}

/// More losers than this explain nothing.
pub const MOST_LOSERS: usize = 8;

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Younger => "has the same host, path and path type, but a younger Ingress",
            Self::ExactFirst => "takes this path, too, but Exact comes before Prefix",
            Self::LongerFirst => "takes this path, too, but the longer path comes first",
            Self::AlphabetFirst => {
                "takes this path, too; of equally long expressions the last in the alphabet comes first"
            }
            Self::HostFirst => "takes this host, too, but the more exact host comes first",
            Self::OtherCase => "is for another path: upper and lower case differ",
            Self::OtherElement => {
                "is for another path: Prefix takes whole elements between slashes, Exact the whole path"
            }
            Self::OneLabel => "is for another host: a wildcard stands for exactly one label",
            Self::OtherPath => "is for the same host and another path",
        })
    }
}

impl Router {
    /// Who answers a request for `host` and a canonical `path`, and who else wanted it. The winner is what
    /// [`Self::find_path`] finds.
    #[must_use]
    pub fn explain<'a>(&'a self, host: &Host, path: &str) -> Explanation<'a> {
        let found = self.find_path(host, path);
        let mut takers = self.takers(host);
        let mut losers = Vec::new();
        let searched = takers.next();
        if let Some((pattern, routes)) = searched {
            losers.extend(of_the_same_host(pattern, routes, path, found.as_ref()));
        }
        for (pattern, routes) in takers {
            losers.extend(routes.first(path).map(|route| loser(pattern, route, Why::HostFirst)));
        }
        for (pattern, routes) in self.wider(host) {
            losers.extend(routes.first(path).map(|route| loser(pattern, route, Why::OneLabel)));
        }
        // Stable: within a reason the order is that in which they are tried, or, of other paths, of likeness.
        losers.sort_by_key(|loser| (loser.why, Reverse(common_prefix(loser.path, path))));
        losers.truncate(MOST_LOSERS);
        Explanation { host: searched.map(|(pattern, _)| pattern), found, losers }
    }
}

fn of_the_same_host<'a>(
    pattern: &'a HostPattern,
    routes: &'a HostRoutes,
    path: &str,
    found: Option<&Match>,
) -> Vec<Loser<'a>> {
    let winner = found.map(|found| &found.route);
    let others =
        routes.routes().iter().filter(|route| !winner.is_some_and(|winner| Arc::ptr_eq(winner, route)));
    let mut losers: Vec<_> =
        others.map(|route| loser(pattern, route, why(route, path, winner.map(AsRef::as_ref)))).collect();
    let shadowed =
        routes.shadowed().iter().filter(|shadowed| winner.is_some_and(|winner| winner.id == shadowed.by));
    losers.extend(shadowed.map(|shadowed| Loser {
        host: pattern,
        path_type: winner.map_or("Prefix", |winner| winner.path.kind()),
        path: &shadowed.path,
        origin: &shadowed.origin,
        why: Why::Younger,
    }));
    losers
}

/// Why `route`, which is not the winner, does not answer.
fn why(route: &Route, path: &str, winner: Option<&Route>) -> Why {
    if route.path.matches(path)
        && let Some(winner) = winner
    {
        let (own, its) = (route.path.text().len(), winner.path.text().len());
        return match (&winner.path, &route.path) {
            (PathMatch::Exact(_), PathMatch::Prefix(_) | PathMatch::Regex(_)) => Why::ExactFirst,
            _ if own < its => Why::LongerFirst,
            (PathMatch::Regex(_), PathMatch::Regex(_)) if route.path.text() != winner.path.text() => {
                Why::AlphabetFirst
            }
            (PathMatch::Exact(_) | PathMatch::Prefix(_) | PathMatch::Regex(_), _) => Why::Younger,
        };
    }
    match &route.path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) => {
            let folded = match &route.path {
                PathMatch::Exact(_) => PathMatch::Exact(text.to_lowercase()),
                PathMatch::Prefix(_) | PathMatch::Regex(_) => PathMatch::Prefix(text.to_lowercase()),
            };
            let bare = text.trim_end_matches('/');
            if folded.matches(&path.to_lowercase()) {
                Why::OtherCase
            } else if !bare.is_empty() && path.starts_with(bare) {
                Why::OtherElement
            } else {
                Why::OtherPath
            }
        }
        PathMatch::Regex(_) => Why::OtherPath,
    }
}

fn loser<'a>(host: &'a HostPattern, route: &'a Route, why: Why) -> Loser<'a> {
    Loser { host, path_type: route.path.kind(), path: route.path.text(), origin: &route.origin, why }
}

fn common_prefix(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{prefix, regex, route};
    use crate::route::RouteId;
    use crate::router::Shadowed;

    fn router(hosts: &[(&str, Vec<PathMatch>)]) -> Router {
        let mut router = Router::default();
        for (host, paths) in hosts {
            let routes = paths.iter().map(|path| Arc::new(route(path.clone()))).collect();
            let pattern = HostPattern::parse(host).expect("a valid pattern");
            router.insert(pattern, Arc::new(HostRoutes::new(routes, false)));
        }
        router
    }

    /// The winner, then each loser with its reason.
    fn told(router: &Router, host: &str, path: &str) -> (Option<String>, Vec<(String, Why)>) {
        let host = Host::parse(host).expect("a valid host");
        let told = router.explain(&host, path);
        let found = told.found.as_ref().map(|found| found.route.path.to_string());
        assert_eq!(found, router.find_path(&host, path).map(|found| found.route.path.to_string()));
        let losers = told.losers.iter();
        (found, losers.map(|loser| (format!("{} {}", loser.host, loser.path), loser.why)).collect())
    }

    fn exact(path: &str) -> PathMatch {
        PathMatch::Exact(path.to_owned())
    }

    #[test]
    fn losers_of_the_same_host_say_what_came_before_them() {
        let router =
            router(&[("a.example", vec![prefix("/"), prefix("/foo"), exact("/foo"), prefix("/bar")])]);
        let (found, losers) = told(&router, "a.example", "/foo");
        assert_eq!(found.as_deref(), Some("Exact /foo"));
        let losers: Vec<_> = losers.iter().map(|(name, why)| (name.as_str(), *why)).collect();
        let expected = [
            ("a.example /foo", Why::ExactFirst),
            ("a.example /", Why::ExactFirst),
            ("a.example /bar", Why::OtherPath),
        ];
        assert_eq!(losers, expected);
        assert_eq!(
            told(&router, "a.example", "/foo/x").1.first().map(|(_, why)| *why),
            Some(Why::LongerFirst)
        );
    }

    #[test]
    fn near_misses_are_named_even_when_nobody_answers() {
        let router = router(&[("a.example", vec![prefix("/foo"), exact("/Bar")])]);
        let why = |path: &str| {
            let (found, losers) = told(&router, "a.example", path);
            assert_eq!(found, None);
            losers.first().map(|(_, why)| *why)
        };
        assert_eq!(why("/foobar"), Some(Why::OtherElement));
        assert_eq!(why("/FOO/x"), Some(Why::OtherCase));
        assert_eq!(why("/bar"), Some(Why::OtherCase));
        assert_eq!(why("/Bar/"), Some(Why::OtherElement));
    }

    #[test]
    fn less_exact_hosts_and_too_short_wildcards_are_named() {
        let hosts = ["a.example.com", "*.example.com", ""].map(|host| (host, vec![prefix("/")]));
        let router = router(&hosts);
        let reasons = |host: &str| told(&router, host, "/x").1;
        let expected = [("*.example.com /".to_owned(), Why::HostFirst), ("* /".to_owned(), Why::HostFirst)];
        assert_eq!(reasons("a.example.com"), expected);
        assert_eq!(reasons("a.b.example.com"), [("*.example.com /".to_owned(), Why::OneLabel)]);
    }

    #[test]
    fn a_younger_claim_of_the_same_place_is_named() {
        let mut winner = route(prefix("/"));
        winner.id = RouteId("winner".into());
        let origin = Origin { ingress: "younger".into(), ..Origin::default() };
        let shadowed = Shadowed { by: RouteId("winner".into()), path: "/".to_owned(), origin };
        let routes = HostRoutes::new(vec![Arc::new(winner)], false).with_shadowed(vec![shadowed]);
        let mut router = Router::default();
        router.insert(HostPattern::Any, Arc::new(routes));
        let host = Host::parse("x.example").expect("a valid host");
        let told = router.explain(&host, "/");
        let names: Vec<_> = told.losers.iter().map(|loser| (&*loser.origin.ingress, loser.why)).collect();
        assert_eq!(names, [("younger", Why::Younger)]);
    }

    #[test]
    fn equally_long_expressions_are_told_apart_by_the_alphabet() {
        let router = router(&[("a.example", vec![regex("/f.."), regex("/foo")])]);
        let (found, losers) = told(&router, "a.example", "/foo");
        assert_eq!(found.as_deref(), Some("Regex /foo"));
        assert_eq!(losers, [("a.example /f..".to_owned(), Why::AlphabetFirst)]);
    }
}
