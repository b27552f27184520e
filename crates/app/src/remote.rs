//! A cluster that is read once, for commands.

use std::time::Duration;

use anyhow::{Context as _, bail};
use jamul_api::ObjectKey;
use jamul_api::core::{ConfigMap, Secret};
use jamul_store::{Clock, Cluster, ClusterSettings, Namespaces, Store};
use jamul_translate::Missing;
use jiff::Timestamp;

use crate::cli::WayArgs;
use crate::{cluster, translation};

/// For everything that is read.
const WAIT: Duration = Duration::from_secs(60);
/// For the first word of an API server.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// What is looked up may lead to more.
const ROUNDS: usize = 3;

/// Whether a cluster can be found without being named.
pub(crate) fn has_default_way() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    is_set("KUBECONFIG")
        || is_set("KUBERNETES_SERVICE_HOST")
        || home.is_some_and(|home| home.join(".kube/config").is_file())
}

/// Everything on a cluster that a run on it reads, as it is now, with what its Ingresses refer to.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(way: &WayArgs) -> anyhow::Result<Store> {
    on(way, async |store| {
        for _ in 0..ROUNDS {
            let missing = translation::translate(store, translation::settings(store)).take_missing();
            if missing.is_empty() {
                break;
            }
            for missing in &missing {
                match missing {
                    Missing::Secret(key) => drop(store.fetch::<Secret>(key).await?),
                    Missing::ConfigMap(key) => drop(store.fetch::<ConfigMap>(key).await?),
                }
            }
        }
        Ok(store.clone())
    })
}

/// One object that is read only when it is asked for.
///
/// # Errors
/// It cannot be read.
pub(crate) fn fetch(way: &WayArgs, kind: &str, key: &ObjectKey) -> anyhow::Result<Store> {
    on(way, async |store| {
        match kind {
            "Secret" => drop(store.fetch::<Secret>(key).await?),
            "ConfigMap" => drop(store.fetch::<ConfigMap>(key).await?),
            _ => {}
        }
        Ok(store.clone())
    })
}

/// Carries out `task` on a cluster, once everything on it was read.
///
/// # Errors
/// There is no way to it, it does not answer, or the task fails.
pub(crate) fn on<T>(way: &WayArgs, task: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let client = client(way).await?;
        let cluster = Cluster::new(ClusterSettings {
            client,
            namespace: None,
            namespaces: Namespaces::Read,
            instance: "jamul".to_owned(),
            clock: Clock::new(Timestamp::now),
        });
        let store = Store::Cluster(cluster.clone());
        let read = async {
            if tokio::time::timeout(WAIT, cluster.synced()).await.is_err() {
                bail!(
                    "the cluster was not read within {} s; all namespaces have to be readable for you, as for a run",
                    WAIT.as_secs()
                );
            }
            task(&store).await
        };
        tokio::select! {
            () = cluster.run(std::future::pending()) => bail!("the cluster was given up"),
            done = read => done,
        }
    })
}

/// A client of an API server that has answered once.
///
/// # Errors
/// There is no way to one, or it does not answer.
pub(crate) async fn client(way: &WayArgs) -> anyhow::Result<kube::Client> {
    let config = cluster::config(way.kubeconfig.as_deref(), way.context.as_deref(), None).await?;
    let server = config.cluster_url.to_string();
    let client = kube::Client::try_from(config).context("the way to the API server is unusable")?;
    match tokio::time::timeout(FIRST_WORD, client.apiserver_version()).await {
        Ok(answer) => answer.with_context(|| format!("the API server {server} cannot be asked"))?,
        Err(_) => bail!("the API server {server} did not answer within {} s", FIRST_WORD.as_secs()),
    };
    Ok(client)
}
