//! An object of a kind that the caller need not know, and how a text becomes one.

use std::fmt;
use std::sync::Arc;

use jamul_api::core::{ByteString, Secret};
use jamul_api::{Object, ObjectKey};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::merge::{self, Fresh, Writer};
use crate::place::Place;
use crate::tables::Tables;

/// Where an object of the folder was written, kept as annotations of its copy in the state folder only.
const SOURCE_FILE: &str = "jamul.dev/source-file";
const SOURCE_HASH: &str = "jamul.dev/source-hash";

/// An object of any kind.
pub(crate) trait AnyObject: fmt::Debug + Send + Sync {
    /// Where it is; refused when its name cannot be one.
    fn place(&self) -> Result<Place, StoreError>;
    /// See [`merge::content_hash`].
    fn content_hash(&self) -> Result<String, StoreError>;
    /// As it is written to a file.
    fn document(&self) -> Result<Map<String, Value>, StoreError>;
    /// This, as written in a manifest, over what is in the tables; `None` when nothing differs.
    fn merged(&self, tables: &Tables, fresh: &Fresh) -> Result<Option<Arc<dyn AnyObject>>, StoreError>;
    /// Whether a store has assigned its metadata.
    fn is_adopted(&self) -> bool;
    /// The object that the tables have in its place.
    fn current(&self, tables: &Tables) -> Option<Arc<dyn AnyObject>>;
    fn put(self: Arc<Self>, tables: &mut Tables);
}

impl<K: Object> AnyObject for K {
    fn place(&self) -> Result<Place, StoreError> {
        Place::checked(self)
    }

    fn content_hash(&self) -> Result<String, StoreError> {
        merge::content_hash(self)
    }

    fn document(&self) -> Result<Map<String, Value>, StoreError> {
        merge::json(self)
    }

    fn merged(&self, tables: &Tables, fresh: &Fresh) -> Result<Option<Arc<dyn AnyObject>>, StoreError> {
        let existing = tables.get::<K>(&self.key());
        let merged = merge::apply(existing.as_deref(), self, Writer::Manifest, fresh)?;
        Ok(merged.map(|object| Arc::new(object) as Arc<dyn AnyObject>))
    }

    fn is_adopted(&self) -> bool {
        self.metadata().uid.is_some() && self.metadata().creation_timestamp.is_some()
    }

    fn current(&self, tables: &Tables) -> Option<Arc<dyn AnyObject>> {
        tables.get::<K>(&self.key()).map(|object| object as Arc<dyn AnyObject>)
    }

    fn put(self: Arc<Self>, tables: &mut Tables) {
        tables.put(self);
    }
}

/// Where an object of the folder was written, and what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// From the manifests folder.
    pub(crate) file: String,
    /// [`merge::content_hash`] of what the file says.
    pub(crate) hash: String,
}

impl Origin {
    /// Notes it in a document that goes to the state folder.
    pub(crate) fn note(&self, document: &mut Map<String, Value>) {
        let metadata = entry(document, "metadata");
        let annotations = entry(metadata, "annotations");
        annotations.insert(SOURCE_FILE.to_owned(), self.file.clone().into());
        annotations.insert(SOURCE_HASH.to_owned(), self.hash.clone().into());
    }

    fn take<K: Object>(object: &mut K) -> Option<Self> {
        let annotations = object.metadata_mut().annotations.as_mut()?;
        let file = annotations.remove(SOURCE_FILE);
        let hash = annotations.remove(SOURCE_HASH);
        if annotations.is_empty() {
            object.metadata_mut().annotations = None;
        }
        Some(Self { file: file?, hash: hash? })
    }
}

fn entry<'map>(map: &'map mut Map<String, Value>, name: &str) -> &'map mut Map<String, Value> {
    let value = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("was just made an object")
}

/// What a document turned out to be.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) object: Arc<dyn AnyObject>,
    /// Only documents of the state folder have one.
    pub(crate) origin: Option<Origin>,
}

/// Reads one document of a known kind. Without a namespace it is in `default`.
pub(crate) fn read<K: Object>(
    text: &str,
    options: serde_saphyr::Options,
) -> Result<Document, serde_saphyr::Error> {
    read_prepared::<K>(text, options, |_| {})
}

/// The same for Secrets, whose `stringData` goes over `data` as on the API server.
pub(crate) fn read_secret(
    text: &str,
    options: serde_saphyr::Options,
) -> Result<Document, serde_saphyr::Error> {
    read_prepared::<Secret>(text, options, |secret| {
        for (name, value) in secret.string_data.take().into_iter().flatten() {
            secret.data.get_or_insert_default().insert(name, ByteString(value.into_bytes()));
        }
    })
}

fn read_prepared<K: Object>(
    text: &str,
    options: serde_saphyr::Options,
    prepare: impl FnOnce(&mut K),
) -> Result<Document, serde_saphyr::Error> {
    let mut object: K = serde_saphyr::from_str_with_options(text, options)?;
    let ObjectKey { namespace, name: _ } = object.key();
    object.metadata_mut().namespace = match (K::NAMESPACED, namespace.is_empty()) {
        (true, true) => Some("default".to_owned()),
        (true, false) => Some(namespace),
        (false, _) => None,
    };
    prepare(&mut object);
    let origin = Origin::take(&mut object);
    Ok(Document { object: Arc::new(object), origin })
}
