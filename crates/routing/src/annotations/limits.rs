//! `limit-connections`, `limit-rps`, `limit-rpm` with `limit-burst-multiplier` and `limit-allowlist`
//! (`limit-whitelist`): how much one client may ask of an Ingress.
//!
//! Counted per client address for all paths of the Ingress, over all workers, as nginx's zones are; nothing is
//! delayed: what is too much is refused with the settings `limit-req-status-code` and `limit-conn-status-code`
//! (503). A value that is not understood closes the paths: a limit is a protection.

use std::sync::Arc;

use http::StatusCode;
use ipnet::IpNet;

use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values};
use crate::annotations::source_range::parse_ranges;
use crate::carry::Rate;
use crate::draft::Draft;
use crate::filter::{Filter, Scope, Verdict};
use crate::head::{Reply, RequestHead};

const CONNECTIONS: &str = "limit-connections";
const RPS: &str = "limit-rps";
const RPM: &str = "limit-rpm";
const BURST: &str = "limit-burst-multiplier";
const ALLOW: &str = "limit-allowlist";
/// The old spelling.
const WHITE: &str = "limit-whitelist";
const DEFAULT_BURST: u32 = 5;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(
            name: &'static str,
            default: &'static str,
            example: &'static str,
            summary: &'static str,
        ) -> Key {
            let (risk, scope, on_invalid) = (Risk::Low, KeyScope::Route, OnInvalid::Close);
            Key { name, default, risk, scope, summary, example, on_invalid }
        }
        const KEYS: &[Key] = &[
            key(CONNECTIONS, "0", "10", "Requests that a client may have under way; 0: any number."),
            key(RPS, "0", "10", "Requests per second that a client may make; 0: any number."),
            key(RPM, "0", "300", "Requests per minute that a client may make; 0: any number."),
            key(BURST, "5", "3", "How many times the rate may come at once."),
            key(ALLOW, "", "10.0.0.0/8", "Clients that are not limited."),
            key(WHITE, "", "10.0.0.0/8", "Old spelling of limit-allowlist, which wins if both are set."),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let [connections, rps, rpm, burst] =
            [CONNECTIONS, RPS, RPM, BURST].map(|key| (key, values.take(key)));
        let (allow, white) = (values.take(ALLOW), values.take(WHITE));
        let (connections, rps, rpm) = (number(connections)?, number(rps)?, number(rpm)?);
        let burst = u64::from(number(burst)?.unwrap_or(DEFAULT_BURST).max(1));
        let rate = |count: Option<u32>, thousands: u64| {
            let count = u64::from(count.filter(|count| *count > 0)?);
            Some(Rate { per_1000_seconds: count * thousands, burst: count * burst })
        };
        let mut rates: Vec<Rate> = rate(rps, 1000).into_iter().collect();
        // 1000 seconds are 50/3 minutes.
        rates.extend(rate(rpm, 50).map(|rate| Rate { per_1000_seconds: rate.per_1000_seconds / 3, ..rate }));
        let exempt = match allow.map(|list| (ALLOW, list)).or_else(|| white.map(|list| (WHITE, list))) {
            Some((key, list)) => parse_ranges(key, list)?,
            None => Vec::new(),
        };
        let connections = connections.filter(|count| *count > 0);
        if connections.is_some() || !rates.is_empty() {
            let requests_status = status(lookup, "limit-req-status-code");
            let connections_status = status(lookup, "limit-conn-status-code");
            let limits = Limits { connections, rates, exempt, requests_status, connections_status };
            draft.route.filters.push(Arc::new(limits));
        }
        Ok(())
    }
}

fn number((key, value): (&'static str, Option<&str>)) -> Result<Option<u32>, Invalid> {
    let parse =
        |value: &str| value.parse().map_err(|_| Invalid::new(key, value, "a whole number, 0 or more"));
    value.map(parse).transpose()
}

fn status(lookup: &dyn Lookup, setting: &str) -> StatusCode {
    let status = lookup.setting(setting).and_then(|text| text.trim().parse::<StatusCode>().ok());
    let is_refusal = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    status.filter(is_refusal).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Refuses what is too much.
#[derive(Debug)]
struct Limits {
    connections: Option<u32>,
    /// Per second, per minute.
    rates: Vec<Rate>,
    exempt: Vec<IpNet>,
    requests_status: StatusCode,
    connections_status: StatusCode,
}

impl Filter for Limits {
    fn name(&self) -> &'static str {
        "limit-rps"
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let client = head.client.to_canonical();
        if self.exempt.iter().any(|range| range.contains(&client)) {
            return Verdict::Continue;
        }
        let origin = &scope.route.origin;
        let name = format!("{}/{}", origin.namespace, origin.ingress);
        if let Some(most) = self.connections {
            match scope.carry.begin(&name, client, most) {
                Some(guard) => scope.guards.push(guard),
                None => return Verdict::Reply(Reply::status(self.connections_status)),
            }
        }
        if !self.rates.is_empty() && !scope.carry.admit(&name, client, &self.rates, scope.now) {
            return Verdict::Reply(Reply::status(self.requests_status));
        }
        Verdict::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Objects, compile, compile_with, filter, head, prefix, reply, route, scope};

    /// The statuses of so many requests at once from 192.0.2.1; 200 for what passes.
    fn statuses(draft: &Draft, count: usize) -> Vec<u16> {
        let (filter, route) = (filter(draft), route(prefix("/")));
        let mut scope = scope(&route);
        let mut ask = || {
            let refusal = reply(filter.on_request(&mut head("/"), &mut scope));
            refusal.map_or(200, |reply| reply.status.as_u16())
        };
        (0..count).map(|_| ask()).collect()
    }

    fn passed(pairs: &[(&str, &str)]) -> usize {
        let statuses = statuses(&compile(&Family, pairs).expect("valid"), 100);
        statuses.iter().filter(|status| **status == 200).count()
    }

    #[test]
    fn five_times_the_rate_and_one_more_pass_at_once() {
        assert_eq!(passed(&[(RPS, "2")]), 11);
        assert_eq!(passed(&[(RPM, "6"), (BURST, "2")]), 13);
        assert_eq!(passed(&[(RPS, "10"), (RPM, "4")]), 21);
        assert_eq!(passed(&[(CONNECTIONS, "7")]), 7);
        assert_eq!(passed(&[(RPS, "1"), (ALLOW, "192.0.2.0/24"), (WHITE, "10.0.0.0/8")]), 100);
        assert!(compile(&Family, &[(RPS, "0")]).expect("valid").route.filters.is_empty());
    }

    #[test]
    fn the_settings_say_the_status() {
        let settings = [("limit-req-status-code".to_owned(), "429".to_owned())].into();
        let objects = Objects { settings, ..Objects::default() };
        let draft = compile_with(&Family, &[(RPS, "1"), (BURST, "1")], &objects).expect("valid");
        assert_eq!(statuses(&draft, 3), [200, 200, 429]);
        let draft = compile_with(&Family, &[(CONNECTIONS, "1")], &objects).expect("valid");
        assert_eq!(statuses(&draft, 2), [200, 503]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (key, value) in [(RPS, "1.5"), (CONNECTIONS, "many"), (RPM, "-1"), (ALLOW, "here")] {
            assert_eq!(compile(&Family, &[(key, value)]).expect_err(value).key, key);
        }
    }
}
