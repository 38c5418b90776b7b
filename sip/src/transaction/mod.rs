//! The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026, one per file.
//!
//! A machine is state and timers only. `table` keeps machines, the bytes they send again, and the
//! keys by which messages find them. What the user above is told is decided by the endpoint.

mod client_invite;
mod client_other;
mod key;
mod server_invite;
mod server_other;
pub(crate) mod table;
mod timer;

use std::time::Instant;

pub(crate) use client_invite::ClientInvite;
pub(crate) use client_other::ClientOther;
pub use key::TransactionId;
pub(crate) use key::{ClientKey, MergeKey, ServerKey};
pub(crate) use server_invite::ServerInvite;
pub(crate) use server_other::ServerOther;
pub use timer::Timers;
pub(crate) use timer::{Backoff, Wakes};

/// What all machines have: timers.
pub(crate) trait Machine {
    /// When `on_timeout` is wanted.
    fn next_wake(&self) -> Option<Instant>;

    /// Runs the timer that is due.
    fn on_timeout(&mut self, now: Instant) -> OnTimeout;
}

/// What a due timer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTimeout {
    /// Nothing was due.
    Nothing,
    /// Send the last message again; 100 to an INVITE that has no response yet.
    Resend,
    /// The other side never answered. Tell the user; the transaction is over.
    GaveUp,
    /// The transaction did its work and is over.
    Over,
}

/// What a client transaction does with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnResponse {
    /// Hand it to the user.
    Pass,
    /// Acknowledge it and hand it to the user.
    AckAndPass,
    /// Acknowledge a repeated failure.
    Ack,
    /// A repetition of no interest.
    Drop,
}

/// What a server transaction does with its request coming again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRepeat {
    /// Send the last response again, if there is one.
    Resend,
    /// Swallow it.
    Absorb,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Lets a machine run by itself; says at which millisecond it sent again, and how and when it
    /// ended (`None` if it waits without timer).
    pub(crate) fn run(
        start: Instant,
        machine: &mut impl Machine,
    ) -> (Vec<u128>, Option<(u128, OnTimeout)>) {
        let mut resends = Vec::new();
        while let Some(at) = machine.next_wake() {
            let ms = at.duration_since(start).as_millis();
            match machine.on_timeout(at) {
                OnTimeout::Resend => resends.push(ms),
                OnTimeout::Nothing => panic!("woken at {ms} ms for nothing"),
                end => return (resends, Some((ms, end))),
            }
        }
        (resends, None)
    }
}
