//! One call: its story from INVITE to the final event (contract verbs.md §1, rest.md §2.3).
//!
//! [`State`] is the core: facts come in as [`Input`], decisions leave as [`Effect`], in order. It
//! has no socket, clock or task; inbound and outbound are one machine, direction is data.
//! The actor around it carries the effects out.

pub mod actor;
mod announcer;
pub mod answer;
mod child;
pub mod desk;
mod effect;
mod failure;
pub mod guard;
mod in_dialog;
mod input;
pub mod originate;
pub mod prompt;
pub mod prompt_cache;
mod record;
pub mod refer;
mod referred;
pub mod route;
mod setup;
pub mod snapshot;
mod sounds;
mod spoken;
mod state;
mod status;
pub mod tally;
pub mod throttle;
pub mod tries;
mod ways;

pub use effect::{
    Audience, ConferenceTarget, Effect, JoinConference, PlayId, QueueErrand, TimerId, TransferOrder,
};
pub use failure::AppFailure;
pub use in_dialog::{AnswerId, Asked, InDialog};
pub use input::Input;
pub use record::{CallRecord, Termination};
pub use setup::{Application, Limits, Script, Setup, Transfers};
pub use snapshot::CallSnapshot;
pub use state::{Assignment, FarEnd, ParentWord, State, UpdateError};
