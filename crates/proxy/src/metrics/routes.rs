//! Who the counters belong to: routes, told apart up to a limit.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use jamul_routing::{HostPattern, Route, RouteId, Snapshot};
use prometheus::proto::LabelPair;
use smallvec::SmallVec;

use super::families::label;
use super::series::Series;
use super::settings::{HostLabels, MOST_HOSTS, MetricsSettings, StatusLabels};
use crate::record::ExchangeRecord;

/// Counters by route.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    /// More than one where the Ingress or Service behind a route has changed.
    by_id: HashMap<RouteId, SmallVec<[OfRoute; 1]>, foldhash::fast::RandomState>,
    /// Of requests that no route took, by the host that the client wrote if that is told.
    unrouted: HashMap<Option<Box<str>>, OfRoute, foldhash::fast::RandomState>,
}

/// What was counted for one route.
#[derive(Clone, Debug)]
struct OfRoute {
    labels: Labels,
    by_answer: HashMap<Answer, Series, foldhash::fast::RandomState>,
}

/// Whose counters they are. Does not keep the route itself alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Labels {
    host: Arc<str>,
    path: Box<str>,
    namespace: Arc<str>,
    ingress: Arc<str>,
    service: Arc<str>,
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Answer {
    status: StatusCode,
    method: &'static str,
    /// The name of the upstream that was asked instead of the route's.
    canary: Option<Arc<str>>,
}

impl Routes {
    /// The counters for an exchange; `None` if it is not counted.
    pub(super) fn series(
        &mut self,
        record: &ExchangeRecord,
        settings: &MetricsSettings,
    ) -> Option<&mut Series> {
        let of = match &record.route {
            Some(route) if !route.origin.ingress.is_empty() => self.of_route(route, settings),
            Some(_) | None => self.of_unrouted(record, settings)?,
        };
        let status = match settings.statuses {
            StatusLabels::Codes => record.status,
            StatusLabels::Classes => class(record.status),
        };
        let answer = Answer { status, method: method_label(&record.method), canary: record.canary.clone() };
        Some(of.by_answer.entry(answer).or_insert_with(|| Series::new(settings)))
    }

    fn of_route(&mut self, route: &Route, settings: &MetricsSettings) -> &mut OfRoute {
        let is_new = !self.by_id.contains_key(&route.id);
        let count = self.by_id.len();
        let labels = |detail| Labels::of(route, detail);
        let (id, detail) = match settings.most_routes {
            0 => (route.id.clone(), Detail::Route),
            most if !is_new || count < most => (route.id.clone(), Detail::Route),
            most if count < most * 2 => {
                let ingress = format!("{}/{}", route.origin.namespace, route.origin.ingress);
                (RouteId(ingress.into()), Detail::Ingress)
            }
            _ => (RouteId("".into()), Detail::Nothing),
        };
        let all = self.by_id.entry(id).or_default();
        let is_same = |of: &OfRoute| detail != Detail::Route || of.labels.is_of(route);
        let index = match all.iter().position(is_same) {
            Some(index) => index,
            None => {
                all.push(OfRoute::new(labels(detail)));
                all.len() - 1
            }
        };
        // It is there: it was found or pushed.
        #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut all[index]
    }

    fn of_unrouted(&mut self, record: &ExchangeRecord, settings: &MetricsSettings) -> Option<&mut OfRoute> {
        let host = match settings.hosts {
            HostLabels::Defined => return None,
            HostLabels::None => None,
            HostLabels::Undefined => {
                let host = record.host.as_ref().and_then(|host| host.to_str().ok()).map(Box::<str>::from);
                let is_known = self.unrouted.contains_key(&host);
                host.filter(|_| is_known || self.unrouted.len() < MOST_HOSTS)
            }
        };
        let labels = || Labels { host: host.clone().unwrap_or_default().into(), ..Labels::default() };
        Some(self.unrouted.entry(host.clone()).or_insert_with(|| OfRoute::new(labels())))
    }

    /// Forgets the routes that `snapshot` no longer has. What is counted together stays.
    pub(super) fn prune(&mut self, snapshot: &Snapshot) {
        self.by_id.retain(|id, all| {
            let Some(host) = all.first().map(|of| &of.labels.host).filter(|host| !host.is_empty()) else {
                return true;
            };
            let pattern = if **host == *ANY { Some(HostPattern::Any) } else { HostPattern::parse(host) };
            let routes = pattern.and_then(|pattern| snapshot.router.pattern(&pattern));
            let route = routes.and_then(|routes| routes.routes().iter().find(|route| route.id == *id));
            if let Some(route) = route {
                // An Ingress that gave the route to another one is gone from here, too.
                all.retain(|of| of.labels.is_of(route));
            }
            route.is_some()
        });
    }

    /// And what another worker counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (id, all) in &other.by_id {
            let totals = self.by_id.entry(id.clone()).or_default();
            for of in all {
                match totals.iter_mut().find(|total| total.labels == of.labels) {
                    Some(total) => total.add(of),
                    None => totals.push(of.clone()),
                }
            }
        }
        for (host, of) in &other.unrouted {
            match self.unrouted.get_mut(host) {
                Some(total) => total.add(of),
                None => drop(self.unrouted.insert(host.clone(), of.clone())),
            }
        }
    }

    /// All series with their labels.
    pub(super) fn iter<'a>(
        &'a self,
        settings: &'a MetricsSettings,
    ) -> impl Iterator<Item = (Vec<LabelPair>, &'a Series)> {
        let all = self.by_id.values().flatten().chain(self.unrouted.values());
        all.flat_map(move |of| {
            of.by_answer.iter().map(move |(answer, series)| (of.labels.pairs(answer, settings), series))
        })
    }
}

/// How finely a route is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Route,
    Ingress,
    Nothing,
}

/// What the label `host` says where a rule is for any.
const ANY: &str = "_";

impl OfRoute {
    fn new(labels: Labels) -> Self {
        Self { labels, by_answer: HashMap::default() }
    }

    fn add(&mut self, other: &Self) {
        for (answer, series) in &other.by_answer {
            match self.by_answer.get_mut(answer) {
                Some(total) => total.add(series),
                None => drop(self.by_answer.insert(answer.clone(), series.clone())),
            }
        }
    }
}

impl Labels {
    fn of(route: &Route, detail: Detail) -> Self {
        let origin = &route.origin;
        let of_ingress = || Self {
            namespace: Arc::clone(&origin.namespace),
            ingress: Arc::clone(&origin.ingress),
            ..Self::default()
        };
        match detail {
            Detail::Route => Self {
                host: if origin.host.is_empty() { ANY.into() } else { Arc::clone(&origin.host) },
                path: route.path.text().into(),
                service: Arc::clone(&origin.service),
                ..of_ingress()
            },
            Detail::Ingress => of_ingress(),
            Detail::Nothing => Self::default(),
        }
    }

    /// Whether the route is still of the same Ingress and Service.
    fn is_of(&self, route: &Route) -> bool {
        let origin = &route.origin;
        let is_same = |ours: &Arc<str>, theirs: &Arc<str>| Arc::ptr_eq(ours, theirs) || ours == theirs;
        is_same(&self.ingress, &origin.ingress)
            && is_same(&self.service, &origin.service)
            && is_same(&self.namespace, &origin.namespace)
    }

    fn pairs(&self, answer: &Answer, settings: &MetricsSettings) -> Vec<LabelPair> {
        let status = match settings.statuses {
            StatusLabels::Codes => answer.status.as_str().to_owned(),
            StatusLabels::Classes => format!("{}xx", answer.status.as_u16() / 100),
        };
        let mut pairs = vec![label("canary", answer.canary.as_deref().unwrap_or_default())];
        if settings.hosts != HostLabels::None {
            pairs.push(label("host", &self.host));
        }
        pairs.extend([
            label("ingress", &self.ingress),
            label("method", answer.method),
            label("namespace", &self.namespace),
            label("path", &self.path),
            label("service", &self.service),
            label("status", &status),
        ]);
        pairs
    }
}

/// The first status of a class, which stands for all of them.
fn class(status: StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16() / 100 * 100).unwrap_or(status)
}

/// Clients may invent methods; labels may not grow with them.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}
