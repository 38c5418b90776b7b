//! The INVITE client transaction (RFC 3261 §17.1.1, figure 5, with the Accepted state of RFC 6026).
//!
//! Pure state: it says what to do, the endpoint holds the bytes and does it.

use std::time::Instant;

use super::timer::{Backoff, Timers};
use super::{Machine, OnResponse, OnTimeout};

/// State of one INVITE on its way out.
#[derive(Debug)]
pub(crate) struct ClientInvite {
    state: State,
    timers: Timers,
    is_reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Timer A (datagrams only) and timer B run.
    Calling { a: Option<Backoff>, b: Instant },
    /// A provisional response came; no timer of the transaction runs.
    Proceeding,
    /// A failure came and was acknowledged; timer D.
    Completed { d: Instant },
    /// A 2xx came; timer M. More of them go up to be acknowledged there.
    Accepted { m: Instant },
}

impl ClientInvite {
    /// The state right after the INVITE was first sent.
    pub(crate) fn start(now: Instant, timers: Timers, is_reliable: bool) -> Self {
        let a = (!is_reliable).then(|| Backoff::start(now, timers.t1));
        Self { state: State::Calling { a, b: now + timers.give_up() }, timers, is_reliable }
    }

    /// Whether CANCEL may be sent: after a provisional response, before the final one (§9.1).
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Whether the final response is still to come.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }

    pub(crate) fn on_response(&mut self, now: Instant, status: u16) -> OnResponse {
        match (&self.state, status) {
            (State::Calling { .. } | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                OnResponse::Pass
            }
            (State::Calling { .. } | State::Proceeding, 200..300) => {
                self.state = State::Accepted { m: now + self.timers.give_up() };
                OnResponse::Pass
            }
            (State::Calling { .. } | State::Proceeding, _) => {
                let d = if self.is_reliable { now } else { now + self.timers.timer_d() };
                self.state = State::Completed { d };
                OnResponse::AckAndPass
            }
            (State::Completed { .. }, 300..) => OnResponse::Ack,
            (State::Accepted { .. }, 200..300) => OnResponse::Pass,
            (State::Completed { .. } | State::Accepted { .. }, _) => OnResponse::Drop,
        }
    }
}

impl Machine for ClientInvite {
    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match &mut self.state {
            State::Calling { b, .. } if *b <= now => OnTimeout::GaveUp,
            State::Calling { a: Some(a), .. } if a.at <= now => {
                // §17.1.1.2: timer A doubles without limit
                a.step(now, self.timers.give_up());
                OnTimeout::Resend
            }
            State::Completed { d: until } | State::Accepted { m: until } if *until <= now => {
                OnTimeout::Over
            }
            _ => OnTimeout::Nothing,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { a, b } => Some(a.map_or(*b, |a| a.at.min(*b))),
            State::Proceeding => None,
            State::Completed { d: until } | State::Accepted { m: until } => Some(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;
    use crate::transaction::tests::run;

    fn start(now: Instant, is_reliable: bool) -> ClientInvite {
        ClientInvite::start(now, Timers::default(), is_reliable)
    }

    #[test]
    fn timer_a_doubles_until_timer_b_gives_up_after_64_t1() {
        let now = epoch();
        let (resends, end) = run(now, &mut start(now, false));
        assert_eq!(resends, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
        let (resends, end) = run(now, &mut start(now, true));
        assert!(resends.is_empty());
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
    }

    #[test]
    fn a_provisional_response_stops_timers_a_and_b() {
        let now = epoch();
        let mut machine = start(now, false);
        assert_eq!(machine.on_response(now, 180), OnResponse::Pass);
        assert!(machine.is_proceeding());
        assert_eq!(run(now, &mut machine), (vec![], None));
    }

    #[test]
    fn a_failure_is_acknowledged_each_time_it_comes_while_timer_d_runs() {
        let now = epoch();
        let mut machine = start(now, false);
        assert_eq!(machine.on_response(now, 486), OnResponse::AckAndPass);
        assert_eq!(machine.on_response(now, 486), OnResponse::Ack);
        assert_eq!(machine.on_response(now, 180), OnResponse::Drop);
        assert_eq!(machine.on_response(now, 200), OnResponse::Drop);
        assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::Over))));
    }

    #[test]
    fn timer_d_is_zero_on_a_stream() {
        let now = epoch();
        let mut machine = start(now, true);
        machine.on_response(now, 603);
        assert_eq!(run(now, &mut machine), (vec![], Some((0, OnTimeout::Over))));
    }

    #[test]
    fn an_accepted_invite_passes_every_2xx_up_while_timer_m_runs() {
        let now = epoch();
        for is_reliable in [false, true] {
            let mut machine = start(now, is_reliable);
            assert_eq!(machine.on_response(now, 200), OnResponse::Pass);
            assert_eq!(machine.on_response(now, 200), OnResponse::Pass);
            assert_eq!(machine.on_response(now, 486), OnResponse::Drop);
            assert_eq!(machine.on_response(now, 183), OnResponse::Drop);
            assert!(!machine.is_pending());
            assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::Over))));
        }
    }
}
