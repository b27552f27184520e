//! The verbs of the API server for any kind: paths, time limits, and what a refusal means.

use futures_util::Stream;
use http::Request as HttpRequest;
use jamul_api::{Object, ObjectKey};
use kube::Client;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions, WatchEvent, WatchParams};
use kube::core::{ObjectList, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api_failure::{ANSWER_WITHIN, ApiFailure};

/// Who writes, as `managedFields` names it.
const FIELD_MANAGER: &str = "jamul";
/// Objects in one answer to a list.
const PAGE: u32 = 500;
/// The shortest life of a token that the server gives.
const TOKEN_SECONDS: u32 = 600;
/// How long the server keeps a watch open.
const WATCH_SECONDS: u32 = 290;

/// Which objects of a kind are listed and watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Only this namespace.
    pub(super) namespace: Option<String>,
    /// `fieldSelector`
    pub(super) fields: Option<&'static str>,
    /// `labelSelector`
    pub(super) labels: Option<&'static str>,
}

/// All objects of a scope at one moment.
#[derive(Debug)]
pub(super) struct Listed<K> {
    pub(super) objects: Vec<K>,
    /// From where to watch on.
    pub(super) version: String,
}

/// What became of a deletion.
#[derive(Debug)]
pub(super) enum Deletion<K> {
    /// It was not there.
    Absent,
    /// It is gone.
    Done,
    /// Finalizers hold it.
    Pending(K),
}

/// Name and version, of objects whose content is not wanted.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Outline {
    pub(super) metadata: jamul_api::core::ObjectMeta,
}

/// A connection to the API server.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Everything in the scope, page by page.
    pub(super) async fn list<K: Object>(&self, scope: &Scope) -> Result<Listed<K>, ApiFailure> {
        let path = Request::new(path::<K>(scope.namespace.as_deref()));
        let mut parameters = list_parameters(scope, PAGE);
        let mut objects = Vec::new();
        loop {
            let page: ObjectList<K> = self.ask(path.list(&parameters)?).await?;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => {
                    let version = page.metadata.resource_version.unwrap_or_default();
                    return Ok(Listed { objects, version });
                }
            }
        }
    }

    /// The version of the world, without the objects of the scope.
    pub(super) async fn version<K: Object>(&self, scope: &Scope) -> Result<String, ApiFailure> {
        let path = Request::new(path::<K>(scope.namespace.as_deref()));
        let page: ObjectList<Outline> = self.ask(path.list_metadata(&list_parameters(scope, 1))?).await?;
        Ok(page.metadata.resource_version.unwrap_or_default())
    }

    /// Changes in the scope after `version`.
    pub(super) async fn watch<K: Object>(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<K>, kube::Error>> + use<K>, ApiFailure> {
        let path = Request::new(path::<K>(scope.namespace.as_deref()));
        self.events(path.watch(&watch_parameters(scope), version)?).await
    }

    /// The same without content.
    pub(super) async fn watch_outlines<K: Object>(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Outline>, kube::Error>> + use<K>, ApiFailure> {
        let path = Request::new(path::<K>(scope.namespace.as_deref()));
        self.events(path.watch_metadata(&watch_parameters(scope), version)?).await
    }

    /// One object.
    pub(super) async fn read<K: Object>(&self, key: &ObjectKey) -> Result<Option<K>, ApiFailure> {
        match self.ask(at::<K>(key).get(&key.name, &kube::api::GetParams::default())?).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Server-side apply; fields that others own are taken over.
    pub(super) async fn apply<K: Object>(&self, key: &ObjectKey, body: &Value) -> Result<K, ApiFailure> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.ask(at::<K>(key).patch(&key.name, &parameters, &Patch::Apply(body))?).await
    }

    /// A merge patch of the status.
    pub(super) async fn patch_status<K: Object>(
        &self,
        key: &ObjectKey,
        body: &Value,
    ) -> Result<K, ApiFailure> {
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(body);
        self.ask(at::<K>(key).patch_subresource("status", &key.name, &parameters, &patch)?).await
    }

    /// Deletes an object, if it still is the one with that uid.
    pub(super) async fn delete<K: Object>(
        &self,
        key: &ObjectKey,
        uid: Option<String>,
    ) -> Result<Deletion<K>, ApiFailure> {
        let mut parameters = DeleteParams::background();
        if uid.is_some() {
            parameters = parameters.preconditions(Preconditions { uid, resource_version: None });
        }
        let request = at::<K>(key).delete(&key.name, &parameters)?;
        match self.ask::<Value>(request).await {
            Ok(answer) if answer.get("kind").and_then(Value::as_str) == Some("Status") => Ok(Deletion::Done),
            Ok(answer) => match serde_json::from_value::<K>(answer) {
                Ok(object) if object.metadata().deletion_timestamp.is_some() => Ok(Deletion::Pending(object)),
                Ok(_) => Ok(Deletion::Done),
                Err(error) => Err(kube::Error::SerdeError(error).into()),
            },
            Err(failure) if failure.code() == Some(404) => Ok(Deletion::Absent),
            Err(failure) => Err(failure),
        }
    }

    /// A new token of a service account (`TokenRequest`).
    pub(super) async fn service_account_token(
        &self,
        account: &ObjectKey,
        audiences: &[String],
    ) -> Result<String, ApiFailure> {
        let url = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", account.namespace, account.name);
        let body = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": TOKEN_SECONDS },
        });
        let request = HttpRequest::post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        let answer: Value = self.ask(request).await?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        Ok(token.unwrap_or_default().to_owned())
    }

    /// Asks for an answer of one piece.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: HttpRequest<Vec<u8>>,
    ) -> Result<T, ApiFailure> {
        match tokio::time::timeout(ANSWER_WITHIN, self.client.request::<T>(request)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(ApiFailure::Silent),
        }
    }

    async fn events<T: Clone + DeserializeOwned>(
        &self,
        request: HttpRequest<Vec<u8>>,
    ) -> Result<impl Stream<Item = Result<WatchEvent<T>, kube::Error>> + use<T>, ApiFailure> {
        match tokio::time::timeout(ANSWER_WITHIN, self.client.request_events::<T>(request)).await {
            Ok(events) => Ok(events?),
            Err(_) => Err(ApiFailure::Silent),
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

/// Where the objects of a kind are, in one namespace or in all.
pub(super) fn path<K: Object>(namespace: Option<&str>) -> String {
    let root = if K::GROUP.is_empty() { "/api" } else { "/apis" };
    let namespace = match namespace {
        Some(namespace) if K::NAMESPACED => format!("namespaces/{namespace}/"),
        Some(_) | None => String::new(),
    };
    format!("{root}/{}/{namespace}{}", K::API_VERSION, K::URL_PATH_SEGMENT)
}

fn at<K: Object>(key: &ObjectKey) -> Request {
    Request::new(path::<K>(Some(&key.namespace)))
}

fn list_parameters(scope: &Scope, limit: u32) -> ListParams {
    let mut parameters = ListParams::default().limit(limit);
    parameters.field_selector = scope.fields.map(str::to_owned);
    parameters.label_selector = scope.labels.map(str::to_owned);
    parameters
}

fn watch_parameters(scope: &Scope) -> WatchParams {
    WatchParams {
        field_selector: scope.fields.map(str::to_owned),
        label_selector: scope.labels.map(str::to_owned),
        timeout: Some(WATCH_SECONDS),
        ..WatchParams::default()
    }
}
