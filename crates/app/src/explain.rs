//! `jamul explain URL`: who would answer, and why not another. Asks the router itself, so that it cannot say
//! anything else than the proxy does.

mod answer;
mod text;
mod view;

use anyhow::bail;
use jamul_api::core::Ingress;
use jamul_api::{ObjectKey, names};
use jamul_proxy::EndpointHealths;
use jamul_routing::{Diagnostic, Snapshot, annotation, annotations};
use jamul_store::Store;

use crate::admin_client::AdminClient;
use crate::cli::ExplainArgs;
use crate::{output, source, translation};
use answer::Asked;
pub(crate) use view::Explanation;
use view::{AnnotationView, CertificateView, FilterView, LoserView, RouteView};

/// Explains a URL from a folder or a running process.
///
/// # Errors
/// No source is named, or it cannot be read; the URL is none.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let has_folder = args.place.manifests.is_some() || args.place.state.is_some();
    let explanation = match (&args.admin, has_folder || source::is_cluster(&args.place)?) {
        (Some(admin), _) => AdminClient::new(admin)?.ask("/api/explain", &[("url", &args.url)])?,
        (None, false) => bail!(
            "nothing to explain from; name a folder with --manifests DIR (and --state DIR), \
             a running process with --admin URL, or a cluster with --kubeconfig FILE"
        ),
        (None, true) => {
            let store = source::open(&args.place)?;
            let translator = translation::translate(&store, translation::settings(&store));
            let known = Known {
                snapshot: &translator.snapshot(),
                store: &store,
                diagnostics: &translator.diagnostics(),
                annotations_prefix: names::NGINX_PREFIX,
                healths: &EndpointHealths::default(),
            };
            explain(&args.url, &known)?
        }
    };
    output::print(args.output, &explanation, text::render)
}

/// What an explanation is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// What is or would be served.
    pub(crate) snapshot: &'a Snapshot,
    /// The objects it was made from.
    pub(crate) store: &'a Store,
    /// What is wrong with them.
    pub(crate) diagnostics: &'a [Diagnostic],
    /// `--annotations-prefix`.
    pub(crate) annotations_prefix: &'a str,
    /// What a running proxy knows of its endpoints.
    pub(crate) healths: &'a EndpointHealths,
}

/// Who answers a request for `url` (https unless it says otherwise), and why.
///
/// # Errors
/// `url` is none.
pub(crate) fn explain(url: &str, known: &Known<'_>) -> anyhow::Result<Explanation> {
    let asked = Asked::parse(url)?;
    let snapshot = known.snapshot;
    let told = snapshot.router.explain(&asked.host, &asked.path);
    let found = told.found.as_ref();
    let route = found.map(|found| RouteView::of(&found.route, snapshot, known.healths));
    let ingress = found.and_then(|found| {
        let key = ObjectKey::new(&*found.route.origin.namespace, &*found.route.origin.ingress);
        known.store.get::<Ingress>(&key)
    });
    Ok(Explanation {
        answer: asked.answer(snapshot, found),
        url: asked.url.to_string(),
        host: told.host.map(ToString::to_string),
        path: asked.path.clone(),
        filters: found.map(|found| filters(&found.route)).unwrap_or_default(),
        annotations: ingress.map(|ingress| honoured(&ingress, known.annotations_prefix)).unwrap_or_default(),
        certificate: asked.is_tls().then(|| CertificateView::of(&asked.host, snapshot)),
        losers: told.losers.iter().map(LoserView::of).collect(),
        diagnostics: concerning(route.as_ref(), &told.losers, known.diagnostics),
        route,
    })
}

/// In the order in which they see the request, each with what it does.
fn filters(route: &jamul_routing::Route) -> Vec<FilterView> {
    let filters = route.filters.iter().map(|filter| FilterView {
        name: filter.name().to_owned(),
        effect: summary(filter.name()).unwrap_or_default().to_owned(),
    });
    filters.collect()
}

/// The annotations of `ingress` that are honoured, each with its value and effect.
fn honoured(ingress: &Ingress, prefix: &str) -> Vec<AnnotationView> {
    let written = ingress.metadata.annotations.iter().flatten();
    let views = written.filter_map(|(name, value)| {
        let key =
            if annotation::is_own(name) { name } else { name.strip_prefix(prefix)?.strip_prefix('/')? };
        let effect = summary(key)?.to_owned();
        Some(AnnotationView { name: name.clone(), value: value.clone(), effect })
    });
    views.collect()
}

fn summary(key: &str) -> Option<&'static str> {
    annotations::keys().find(|known| known.name == key).map(|known| known.summary)
}

/// Findings about the Ingresses of the winner and the losers.
fn concerning(
    route: Option<&RouteView>,
    losers: &[jamul_routing::explain::Loser<'_>],
    diagnostics: &[Diagnostic],
) -> Vec<String> {
    let winner = route.and_then(|route| route.ingress.clone());
    let losers = losers.iter().map(|loser| format!("{}/{}", loser.origin.namespace, loser.origin.ingress));
    let objects: Vec<String> = winner.into_iter().chain(losers).map(|key| format!("Ingress {key}")).collect();
    let found = diagnostics.iter().filter(|diagnostic| objects.contains(&diagnostic.object));
    found.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
