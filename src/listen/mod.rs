//! Audio of calls to WebSockets (contract verbs.md §4.1 to §4.3): a tap of the call's seat becomes binary
//! messages of a socket that we open.
//!
//! [`frames`] has the pure part: the first message, what the samples become, what is left out when the peer does
//! not keep up. [`stream`] is the task around it, one for each socket, on a thread of their own. What the peer
//! sends is read for its `disconnect`; its audio is not taken.

pub mod frames;
pub mod stream;

pub use stream::{Ended, Listener, Order, Streaming};
