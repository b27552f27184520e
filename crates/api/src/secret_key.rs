//! A reference to one key of a Secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name"]))]
pub struct SecretKeySelector {
    /// Name of the Secret.
    pub name: String,
    /// Key in its data; the default depends on the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}
