//! Why an application's answer is refused as a whole (contract verbs.md §1.6, §3.0).
//! The text reaches the caller as `X-Reason`, the alert, and a 400 of the API.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerbError {
    #[error("malformed jambonz payload: must be array")]
    NotAnArray,
    #[error("malformed jambonz payload: more than {limit} verbs")]
    TooMany { limit: usize },
    /// Neither `{"verb": "say", …}` nor `{"say": {…}}`. Positions count from 0.
    #[error("malformed jambonz payload: item {index} is not a verb")]
    NotAVerb { index: usize },
    /// Among what is heard once, there is something else.
    #[error("verb {index} is no say or play")]
    NotAPrompt { index: usize },
    #[error("unknown verb {verb:?}")]
    Unknown { verb: String },
    /// A verb of the contract that this server cannot run yet.
    #[error("verb {verb:?} is not supported yet")]
    NotSupportedYet { verb: &'static str },
    #[error("verb {verb:?}: missing required property {property:?}")]
    Missing { verb: &'static str, property: &'static str },
    #[error("verb {verb:?}: property {property:?} {problem}")]
    Property { verb: &'static str, property: &'static str, problem: String },
}
