//! `allowlist-source-range` (`whitelist-source-range`), `denylist-source-range`: access by client address.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use ipnet::IpNet;

use crate::alphabet::items;
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const ALLOW: &str = "allowlist-source-range";
/// The old spelling; also the controller's setting.
const WHITE: &str = "whitelist-source-range";
const DENY: &str = "denylist-source-range";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(name: &'static str, summary: &'static str, example: &'static str) -> Key {
            let (risk, scope, on_invalid) = (Risk::Medium, KeyScope::Route, OnInvalid::Close);
            Key { name, default: "", risk, scope, summary, example, on_invalid }
        }
        const KEYS: &[Key] = &[
            key(
                DENY,
                "Answers 403 to these client addresses; decided before the allow list.",
                "192.0.2.0/24",
            ),
            key(ALLOW, "Answers 403 to all client addresses but these.", "10.0.0.0/8,2001:db8::/32"),
            key(WHITE, "Old spelling of allowlist-source-range, which wins if both are set.", "10.0.0.0/8"),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let denied = values.take_or_setting(DENY, lookup);
        let allowed = values.take(ALLOW).map(|list| (ALLOW, list.to_owned()));
        let white = values.take_or_setting(WHITE, lookup).map(|list| (WHITE, list));
        let denied = denied.map(|list| parse_ranges(DENY, &list)).transpose()?;
        let allowed = allowed.or(white).map(|(key, list)| parse_ranges(key, &list)).transpose()?;
        if denied.is_some() || allowed.is_some() {
            let denied = denied.unwrap_or_default();
            draft.route.filters.push(Arc::new(SourceRange { denied, allowed }));
        }
        Ok(())
    }
}

/// Answers 403 by client address.
#[derive(Debug)]
struct SourceRange {
    denied: Vec<IpNet>,
    /// `None` = everybody who is not denied.
    allowed: Option<Vec<IpNet>>,
}

impl Filter for SourceRange {
    fn name(&self) -> &'static str {
        ALLOW
    }

    fn on_request(&self, head: &mut RequestHead, _scope: &mut Scope<'_>) -> Verdict {
        // ::ffff:192.0.2.1 is 192.0.2.1: on a dual-stack socket a list of IPv4 ranges must not miss it.
        let client = head.client.to_canonical();
        let is_in = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&client));
        let is_allowed = self.allowed.as_deref().is_none_or(is_in);
        if is_in(&self.denied) || !is_allowed {
            return Verdict::Reply(Reply::status(StatusCode::FORBIDDEN));
        }
        Verdict::Continue
    }
}

/// A comma list of addresses and ranges.
///
/// # Errors
/// [`Invalid`] if there is none or one is neither.
pub(crate) fn parse_ranges(key: &'static str, list: &str) -> Result<Vec<IpNet>, Invalid> {
    let ranges: Option<Vec<IpNet>> = items(list).map(parse_range).collect();
    ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| {
        Invalid::new(key, list, "a comma list of addresses or CIDR ranges, such as 10.0.0.0/8")
    })
}

fn parse_range(text: &str) -> Option<IpNet> {
    let range = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    Some(canonical(range))
}

/// `::ffff:a.b.c.d/96+n` as `a.b.c.d/n`, since clients are compared in that form.
fn canonical(range: IpNet) -> IpNet {
    let prefix = range.prefix_len().checked_sub(96);
    match (range.addr().to_canonical(), prefix) {
        (IpAddr::V4(address), Some(prefix)) if range.addr().is_ipv6() => {
            IpNet::new(address.into(), prefix).unwrap_or(range)
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compile, filter, head, prefix, reply, route, scope};

    fn status(pairs: &[(&str, &str)], client: &str) -> Option<u16> {
        let filter = filter(&compile(&Family, pairs).expect("valid"));
        let mut head = head("/");
        head.client = client.parse().expect("an address");
        let route = route(prefix("/"));
        reply(filter.on_request(&mut head, &mut scope(&route))).map(|reply| reply.status.as_u16())
    }

    #[test]
    fn only_listed_clients_pass_in_whatever_form_their_address_comes() {
        let pairs = [(ALLOW, "10.0.0.0/8, 192.0.2.7,2001:db8::/32, ::ffff:198.51.100.0/120")];
        for client in ["10.1.2.3", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8::1", "198.51.100.9"] {
            assert_eq!(status(&pairs, client), None, "{client}");
        }
        for client in ["192.0.2.8", "::1", "2001:db9::1"] {
            assert_eq!(status(&pairs, client), Some(403), "{client}");
        }
    }

    #[test]
    fn denied_clients_are_refused_even_if_allowed() {
        let pairs = [(ALLOW, "10.0.0.0/8"), (DENY, "10.0.0.5")];
        assert_eq!(status(&pairs, "10.0.0.5"), Some(403));
        assert_eq!(status(&pairs, "10.0.0.6"), None);
        assert_eq!(status(&[(DENY, "10.0.0.5")], "192.0.2.1"), None);
    }

    #[test]
    fn the_new_spelling_wins() {
        let pairs = [(ALLOW, "10.0.0.0/8"), (WHITE, "192.0.2.0/24")];
        assert_eq!(status(&pairs, "192.0.2.1"), Some(403));
        assert_eq!(status(&[(WHITE, "192.0.2.0/24")], "192.0.2.1"), None);
    }

    #[test]
    fn one_bad_entry_refuses_the_list() {
        for list in ["10.0.0.0/8,example.com", "10.0.0.0/33", ",", "1.2.3"] {
            let invalid = compile(&Family, &[(DENY, list)]).expect_err(list);
            assert_eq!((invalid.key, invalid.value.as_str()), (DENY, list));
        }
    }
}
