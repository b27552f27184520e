//! Which place of a route a request goes to: its target, or one of its alternatives.

use crate::alternative::Alternative;
use crate::balance::Balance;
use crate::head::RequestHead;
use crate::route::{Route, Target};
use crate::session::{CanarySessions, Session};

/// Where one request goes.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// To an upstream, or nowhere.
    pub target: &'a Target,
    /// What is asked instead of the target.
    pub canary: Option<&'a Alternative>,
    /// How an endpoint is chosen.
    pub balance: &'a Balance,
}

impl Route {
    /// Decides where the request of `head` goes: where its session is, else to the first alternative that wants
    /// it, else to the route's target. `chance(n)` gives a number below `n`.
    pub fn choose(&self, head: &RequestHead, chance: &mut dyn FnMut(u32) -> u32) -> Choice<'_> {
        let main = Choice { target: &self.target, canary: None, balance: &self.balance };
        if matches!(self.target, Target::Closed) || keeps(&self.balance, head) {
            return main;
        }
        let taken = self
            .alternatives
            .iter()
            .find(|alternative| keeps(&alternative.balance, head) || alternative.split.takes(head, chance));
        taken.map_or(main, |alternative| Choice {
            target: &self.target,
            canary: Some(alternative),
            balance: &alternative.balance,
        })
    }
}

/// Whether a session that stays keeps the request of `head` here.
fn keeps(balance: &Balance, head: &RequestHead) -> bool {
    let stays = |session: &&Session| session.cookie.canary == CanarySessions::Sticky;
    balance.session.as_ref().filter(stays).is_some_and(|session| session.began_here(head))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue, header};

    use super::*;
    use crate::alternative::{ByHeader, Split};
    use crate::fixtures::{head, prefix, route};
    use crate::path::Pattern;
    use crate::session::SessionCookie;
    use crate::upstream::UpstreamId;

    const X: HeaderName = HeaderName::from_static("x-canary");

    fn split(change: impl FnOnce(&mut Split)) -> Route {
        let mut split = Split { total: 100, ..Split::default() };
        change(&mut split);
        let mut route = route(prefix("/"));
        let upstream = UpstreamId("canary".into());
        route.alternatives.push(Alternative {
            split,
            upstream,
            name: "default-canary-80".into(),
            balance: Balance::default(),
        });
        route
    }

    /// Whether the canary is chosen if chance gives `chance`.
    fn is_canary(route: &Route, fields: &[(HeaderName, &'static str)], chance: u32) -> bool {
        let mut head = head("/");
        for (name, value) in fields {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        route.choose(&head, &mut |_| chance).canary.is_some()
    }

    #[test]
    fn weight_decides_by_chance_and_zero_is_never() {
        let thirty = split(|split| split.weight = 30);
        assert!(is_canary(&thirty, &[], 29) && !is_canary(&thirty, &[], 30));
        assert!(!is_canary(&split(|_| {}), &[], 0));
        let many = split(|split| (split.weight, split.total) = (5, 1000));
        let mut head = head("/");
        head.headers.clear();
        let mut random = fastrand::Rng::with_seed(1);
        let taken = (0..100_000)
            .filter(|_| many.choose(&head, &mut |below| random.u32(..below)).canary.is_some())
            .count();
        assert!((400..600).contains(&taken), "{taken}");
    }

    #[test]
    fn header_comes_before_cookie_and_cookie_before_weight() {
        let all = split(|split| {
            split.header = Some((X, ByHeader::Words));
            split.cookie = Some("canary".to_owned());
            split.weight = 100;
        });
        assert!(!is_canary(&all, &[(X, "never"), (header::COOKIE, "canary=always")], 0));
        assert!(is_canary(&all, &[(X, "always"), (header::COOKIE, "canary=never")], 0));
        assert!(!is_canary(&all, &[(X, "whatever"), (header::COOKIE, "canary=never")], 0));
        assert!(is_canary(&all, &[(X, "whatever"), (header::COOKIE, "canary=x")], 0));
    }

    #[test]
    fn with_a_value_or_pattern_always_and_never_mean_nothing() {
        let value = split(|split| split.header = Some((X, ByHeader::Value("beta".to_owned()))));
        assert!(is_canary(&value, &[(X, "beta")], 0) && !is_canary(&value, &[(X, "always")], 0));
        let pattern = Pattern::search("^b.ta$").expect("a pattern");
        let pattern = split(|split| split.header = Some((X, ByHeader::Pattern(pattern))));
        assert!(is_canary(&pattern, &[(X, "bota")], 0) && !is_canary(&pattern, &[(X, "x bota")], 0));
        let none = split(|split| {
            split.header = Some((X, ByHeader::Never));
            split.weight = 100;
        });
        assert!(!is_canary(&none, &[(X, "x")], 0) && is_canary(&none, &[], 0));
    }

    #[test]
    fn a_session_stays_on_its_side_whatever_the_weight_unless_it_is_told_not_to() {
        let sided = |behaviour| {
            let cookie = Arc::new(SessionCookie { canary: behaviour, ..SessionCookie::default() });
            let mut route = split(|split| split.weight = 50);
            let session = |name: &str| Some(Session::new(Arc::clone(&cookie), name.to_owned(), "/"));
            route.balance.session = session("main");
            route.alternatives[0].balance.session = session("canary");
            route
        };
        let chosen = |route: &Route, of: &Balance, chance| {
            let session = of.session.clone().expect("a session");
            let now = jiff::Timestamp::UNIX_EPOCH;
            let mut head = head("/");
            let cookie = session.set_cookie("k", Session::receiver(&head), now).expect("a cookie");
            let cookie = cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned();
            head.headers.insert(header::COOKIE, HeaderValue::try_from(cookie).expect("a value"));
            route.choose(&head, &mut |_| chance).canary.is_some()
        };
        let sticky = sided(CanarySessions::Sticky);
        assert!(!chosen(&sticky, &sticky.balance, 0) && chosen(&sticky, &sticky.alternatives[0].balance, 99));
        let legacy = sided(CanarySessions::Legacy);
        assert!(chosen(&legacy, &legacy.balance, 0) && !chosen(&legacy, &legacy.alternatives[0].balance, 99));
    }
}
