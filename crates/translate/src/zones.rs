//! Which of a Service's endpoints are in our zone, for Services that want it so (`--enable-topology-aware-routing`).

use jamul_api::core::{EndpointHints, Service};
use jamul_routing::Endpoint;

/// An endpoint, and for whom its slice says it is.
#[derive(Clone, Debug)]
pub(crate) struct Hinted<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) hints: Option<&'a EndpointHints>,
}

const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// What clusters before 1.27 call it.
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// Whether a Service wants its requests to stay in their zone: by annotation or by `spec.trafficDistribution`.
pub(crate) fn is_wanted(service: &Service) -> bool {
    let annotations = service.metadata.annotations.iter().flatten();
    let mut modes = annotations.filter(|(name, _)| [TOPOLOGY_MODE, TOPOLOGY_HINTS].contains(&name.as_str()));
    let distribution = service.spec.as_ref().and_then(|spec| spec.traffic_distribution.as_deref());
    modes.any(|(_, mode)| mode.eq_ignore_ascii_case("auto"))
        || distribution.is_some_and(|mode| matches!(mode, "PreferClose" | "PreferSameZone"))
}

/// Those that are meant for `zone`. All if one has no hint or none is meant for it: an endpoint far away is better
/// than none (ingress-nginx answers 503 then).
pub(crate) fn near(endpoints: Vec<Hinted<'_>>, zone: Option<&str>) -> Vec<Endpoint> {
    let is_near = |hinted: &Hinted<'_>, zone: &str| {
        let zones = hinted.hints.and_then(|hints| hints.for_zones.as_deref()).unwrap_or_default();
        (!zones.is_empty()).then(|| zones.iter().any(|found| found.name == zone))
    };
    let Some(zone) = zone else { return endpoints.into_iter().map(|hinted| hinted.endpoint).collect() };
    let all_hinted = endpoints.iter().all(|hinted| is_near(hinted, zone).is_some());
    let any_near = endpoints.iter().any(|hinted| is_near(hinted, zone) == Some(true));
    let stay = all_hinted && any_near;
    let kept = endpoints.into_iter().filter(|hinted| !stay || is_near(hinted, zone) == Some(true));
    kept.map(|hinted| hinted.endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(endpoints: &[(&str, &[&str])], zone: Option<&str>) -> Vec<String> {
        let hints: Vec<EndpointHints> = endpoints
            .iter()
            .map(|(_, zones)| {
                let zones: Vec<_> = zones.iter().map(|zone| serde_json::json!({ "name": zone })).collect();
                serde_json::from_value(serde_json::json!({ "forZones": zones })).expect("hints")
            })
            .collect();
        let hinted = endpoints.iter().zip(&hints).map(|((name, _), hints)| Hinted {
            endpoint: Endpoint::Name((*name).into(), 80),
            hints: Some(hints),
        });
        near(hinted.collect(), zone).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_stay_in_their_zone_if_every_endpoint_has_one_and_some_are_there() {
        let all: &[(&str, &[&str])] = &[("a", &["1"]), ("b", &["2"]), ("c", &["1", "2"])];
        assert_eq!(names(all, Some("1")), ["a:80", "c:80"]);
        assert_eq!(names(all, Some("3")), ["a:80", "b:80", "c:80"]);
        assert_eq!(names(all, None), ["a:80", "b:80", "c:80"]);
        assert_eq!(names(&[("a", &["1"]), ("b", &[])], Some("1")), ["a:80", "b:80"]);
    }
}
