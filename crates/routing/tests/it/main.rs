//! Tests of what the room shows to others.

mod annotations_doc;
mod every_annotation;
mod paths_doc;
mod settings_doc;
mod snippets_doc;
