//! Conditions, as cert-manager's kinds carry them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::Time;
use crate::schema;

/// One condition of an object's status; a status holds at most one of each type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["type", "status"]))]
pub struct Condition {
    /// `Ready`, `Issuing`, `Approved`, ...
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub last_transition_time: Option<Time>,
    /// A stable CamelCase word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// `metadata.generation` that this condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// A condition that holds (`True`) or does not (`False`).
    pub fn new(type_: &str, holds: bool, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: reason.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// Whether the status is `True`.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// The condition of that type, if there is one.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Puts `condition` in the place of the one of its type; `now` becomes its transition time only if the status changed.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition, now: &Time) {
    match conditions.iter_mut().find(|old| old.type_ == condition.type_) {
        Some(old) => {
            let unchanged = old.status == condition.status;
            condition.last_transition_time =
                if unchanged { old.last_transition_time.clone() } else { Some(now.clone()) };
            *old = condition;
        }
        None => {
            condition.last_transition_time = Some(now.clone());
            conditions.push(condition);
        }
    }
}

/// Removes the condition of that type.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}
