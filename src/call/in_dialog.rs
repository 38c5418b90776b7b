//! What the far end asks inside its dialog beyond offers and BYE, in plain words.

use super::refer::{Progress, Refer};

/// A request that waits for its answer: [`Effect::Respond`](super::Effect::Respond).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InDialog {
    pub answer: AnswerId,
    pub method: String,
    /// As received, in order.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub asked: Asked,
}

/// Names a request of the far end until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnswerId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `usual`: the answer when no application reads it.
    Info {
        usual: u16,
    },
    Message,
    /// `Err`: it cannot be followed, for that status.
    Refer(Result<Box<Refer>, u16>),
    /// `None`: about something else than a REFER.
    Notify(Option<Progress>),
    Other,
}
