//! `listen_status`, `stream_status`: what a stream of a call's audio is given (contract rest.md §2.3.7, verbs.md
//! §4.3).

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamFlow {
    #[default]
    On,
    /// No messages.
    Paused,
    /// Messages of zeros.
    Silent,
}

impl StreamFlow {
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "resume" => Self::On,
            "pause" => Self::Paused,
            "silence" => Self::Silent,
            _ => return None,
        })
    }
}
