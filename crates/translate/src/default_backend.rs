//! `--default-backend-service` to the route of requests that no other takes.

use std::sync::Arc;

use jamul_routing::annotation::{OnInvalid, Values};
use jamul_routing::route::Target;
use jamul_routing::{Balance, Draft, Origin, PathMatch, Route, RouteId};

use crate::backend::Backend;
use crate::lookup::Recorder;
use crate::objects::Objects;
use crate::settings::Settings;

/// The route to `backend`. What the controller's ConfigMap says of all routes holds here, too, except for global
/// authentication, as in ingress-nginx.
pub(crate) fn route(backend: &Backend, objects: &Objects, settings: &Settings) -> Route {
    let recorder = Recorder::new(objects, settings, &backend.service.namespace);
    let prefix = &settings.annotations_prefix;
    let annotations = [(format!("{prefix}/enable-global-auth"), "false".to_owned())];
    let mut values = Values::new(prefix, annotations.iter().map(|(name, value)| (name, value)));
    let mut draft = Draft::default();
    let refused = jamul_routing::annotations::compile(&mut values, &mut draft, &recorder);
    let is_closed = refused.iter().any(|(_, outcome)| *outcome == OnInvalid::Close);
    let target = if is_closed { Target::Closed } else { Target::Upstream(backend.upstream_id(None)) };
    Route {
        id: RouteId("default backend".into()),
        path: PathMatch::Prefix("/".to_owned()),
        origin: Origin {
            namespace: backend.service.namespace.as_str().into(),
            service: backend.service.name.as_str().into(),
            port: backend.port.to_string().into(),
            ..Origin::default()
        },
        filters: draft.route.filters,
        target,
        balance: Balance::default(),
        alternatives: Vec::new(),
        retry: draft.route.retry,
        timeouts: draft.route.timeouts,
        pace: draft.route.pace,
        mirror: None,
        body_limit: draft.route.body_limit,
        errors: None,
        upstream_tls: None,
    }
}

/// The Upstream of the flag's Service, at its first port.
pub(crate) fn backend(settings: &Settings) -> Option<Backend> {
    settings.default_backend.clone().map(Backend::first_port)
}

/// [`route`], shared, if there is such a Service.
pub(crate) fn translate(objects: &Objects, settings: &Settings) -> Option<Arc<Route>> {
    backend(settings).map(|backend| Arc::new(route(&backend, objects, settings)))
}
