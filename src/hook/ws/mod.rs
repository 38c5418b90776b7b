//! Applications over WebSocket (contract verbs.md §2): one socket per session carries what HTTP asks
//! in separate requests, and commands come back over it.
//!
//! [`session`] is the core: what is sent when, what is waited for, when to connect again; it has no
//! socket and no clock. [`protocol`] reads and writes messages, [`command`] says what a command means
//! in the words of the REST API, [`task`] owns the socket. Used by `call/`.

pub mod command;
mod once;
mod protocol;
mod session;
mod task;

pub use protocol::Command;
pub use session::{Ending, Message, MessageType, Reply};
pub use task::{Event, SocketEvent, SocketId, SocketSender, WeakSocket, open};
