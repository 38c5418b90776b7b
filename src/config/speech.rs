//! `[speech]`: who says what `say` is given.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speech {
    /// A path, or a name that is looked for where programs are installed.
    pub program: PathBuf,
    /// Processes of it at a time.
    pub processes: usize,
    /// Whether it speaks for vendors that the account has no credentials of (contract verbs.md D-39).
    pub stand_in: bool,
}

impl Speech {
    /// What cannot work: key, whether it is well, and what is asked for.
    pub(super) fn rules(&self) -> [(&'static str, bool, &'static str); 2] {
        [
            ("speech.program", !self.program.as_os_str().is_empty(), "must not be empty"),
            ("speech.processes", (1..=64).contains(&self.processes), "must be 1 to 64"),
        ]
    }
}

impl Default for Speech {
    fn default() -> Self {
        Self { program: "espeak-ng".into(), processes: 2, stand_in: true }
    }
}
