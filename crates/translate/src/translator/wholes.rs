//! What is translated as a whole: it is small, or changes with every part.

use std::sync::Arc;

use jamul_routing::Snapshot;

use super::Translator;
use crate::{challenge, controller, stream};

impl Translator {
    /// The controller's ConfigMap. Yields, as the others do, whether anything is different.
    pub(super) fn translate_globals(&mut self, next: &mut Snapshot) -> bool {
        let key = self.settings.config.clone().unwrap_or_default();
        let data =
            self.objects.config_maps.get(&key).and_then(|config| config.data.clone()).unwrap_or_default();
        let (globals, diagnostics) = controller::translate(&key, &data);
        self.findings.replace(&self.settings_diagnostics, &diagnostics);
        self.settings_diagnostics = diagnostics;
        let is_changed = *next.globals != globals;
        if is_changed {
            next.globals = Arc::new(globals);
        }
        is_changed
    }

    /// TCP and UDP services.
    pub(super) fn translate_streams(&mut self, next: &mut Snapshot) -> bool {
        let (state, streams) = stream::translate(&self.objects, &self.settings);
        self.findings.replace(&self.streams.diagnostics, &state.diagnostics);
        self.streams = state;
        let is_changed = *next.streams != streams;
        if is_changed {
            next.streams = Arc::new(streams);
        }
        is_changed
    }

    /// Answers to ACME servers.
    pub(super) fn translate_challenges(&mut self, next: &mut Snapshot) -> bool {
        let challenges = challenge::translate(self.objects.challenges.iter().map(AsRef::as_ref));
        let is_changed = challenges != *next.challenges;
        if is_changed {
            next.challenges = Arc::new(challenges);
        }
        is_changed
    }
}
