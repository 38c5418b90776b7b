//! The voice of a session: what the application is set to, what `config` put over it, and what a text
//! brings along itself (contract verbs.md §3.2, §3.3, §3.8).

use super::Turn;
use crate::call::Effect;
use crate::hook::{Alert, AlertKind};
use crate::model::call::SpeechDefaults;
use crate::verb::{Speech, SpeechSettings, Synthesizer};

/// Vendors that were told to be missing, of one session.
const MAX_TOLD: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Voice {
    application: Synthesizer,
    /// What `config` put over the application's.
    chosen: Synthesizer,
    is_fresh: bool,
    told: Vec<String>,
}

impl Voice {
    pub(super) fn new(defaults: Option<&SpeechDefaults>) -> Self {
        let set = |text: &Option<String>| {
            text.clone().filter(|text| !matches!(text.as_str(), "" | "default"))
        };
        let application = defaults.map_or_else(Synthesizer::default, |defaults| Synthesizer {
            vendor: set(&defaults.synthesis_vendor),
            language: set(&defaults.synthesis_language),
            voice: set(&defaults.synthesis_voice),
            ..Synthesizer::default()
        });
        Self { application, ..Self::default() }
    }

    pub(super) fn set(&mut self, settings: SpeechSettings) {
        if settings.is_reset {
            self.chosen = Synthesizer::default();
        }
        if let Some(wish) = settings.synthesizer {
            self.chosen = wish.over(&self.chosen);
        }
        self.is_fresh = settings.is_fresh.unwrap_or(self.is_fresh);
    }

    /// Gives a text the voice it is spoken in. A vendor that is not here is an alert, once.
    pub(super) fn settle(&mut self, speech: &mut Speech, turn: &mut Turn<'_>) {
        let session = self.chosen.clone().over(&self.application);
        speech.synthesizer = std::mem::take(&mut speech.synthesizer).over(&session);
        speech.is_fresh |= self.is_fresh;
        if let Some(vendor) = speech.synthesizer.foreign_vendor()
            && self.told.len() < MAX_TOLD
            && !self.told.iter().any(|told| told == vendor)
        {
            self.told.push(vendor.to_owned());
            let message = format!("no credentials for text-to-speech vendor {vendor}");
            turn.out.push(Effect::Alert(Alert::new(AlertKind::NoTts, message)));
        }
    }
}
