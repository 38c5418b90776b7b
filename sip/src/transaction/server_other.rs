//! The non-INVITE server transaction (RFC 3261 §17.2.2, figure 8).

use std::time::Instant;

use super::timer::Timers;
use super::{Machine, OnRepeat, OnTimeout};

/// State of one request other than INVITE and ACK that came in.
#[derive(Debug)]
pub(crate) struct ServerOther {
    state: State,
    timers: Timers,
    is_reliable: bool,
}

#[derive(Debug)]
enum State {
    /// No final response yet. The RFC sets no timer here; after 64·T1 the client has given up
    /// (timer F), so an answer would reach nobody (RFC 4320) and the transaction is dropped.
    Trying { abandoned: Instant },
    /// The final response was sent; timer J repeats it on demand.
    Completed { j: Instant },
}

impl ServerOther {
    pub(crate) fn start(now: Instant, timers: Timers, is_reliable: bool) -> Self {
        Self { state: State::Trying { abandoned: now + timers.give_up() }, timers, is_reliable }
    }

    /// Whether the final response is still to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// Notes a response being sent.
    pub(crate) fn on_reply(&mut self, now: Instant, status: u16) {
        if status >= 200 && self.is_pending() {
            let j = if self.is_reliable { now } else { now + self.timers.give_up() };
            self.state = State::Completed { j };
        }
    }

    /// The request came again.
    pub(crate) fn on_repeat(&self) -> OnRepeat {
        OnRepeat::Resend
    }
}

impl Machine for ServerOther {
    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match self.state {
            State::Trying { abandoned: until } | State::Completed { j: until } if until <= now => {
                OnTimeout::Over
            }
            _ => OnTimeout::Nothing,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        match self.state {
            State::Trying { abandoned: until } | State::Completed { j: until } => Some(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::epoch;
    use crate::transaction::tests::run;

    #[test]
    fn timer_j_keeps_the_answer_for_repetitions() {
        let now = epoch();
        let answered = now + Duration::from_secs(1);
        for (is_reliable, j) in [(false, 33_000), (true, 1_000)] {
            let mut machine = ServerOther::start(now, Timers::default(), is_reliable);
            machine.on_reply(now, 100);
            assert!(machine.is_pending());
            machine.on_reply(answered, 200);
            machine.on_reply(answered + Duration::from_secs(9), 500);
            assert_eq!(machine.on_repeat(), OnRepeat::Resend);
            assert_eq!(run(now, &mut machine), (vec![], Some((j, OnTimeout::Over))));
        }
    }

    #[test]
    fn a_request_nobody_answers_is_dropped_when_its_client_has_given_up() {
        let now = epoch();
        let mut machine = ServerOther::start(now, Timers::default(), false);
        assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::Over))));
    }
}
