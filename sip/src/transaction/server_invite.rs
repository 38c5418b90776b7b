//! The INVITE server transaction (RFC 3261 §17.2.1, figure 7, with the Accepted state of RFC 6026).
//!
//! 2xx responses are sent again by the dialog (§13.3.1.4), everything else by this machine.

use std::time::{Duration, Instant};

use super::timer::{Backoff, Timers};
use super::{Machine, OnRepeat, OnTimeout};

/// State of one INVITE that came in.
#[derive(Debug)]
pub(crate) struct ServerInvite {
    state: State,
    timers: Timers,
    is_reliable: bool,
}

#[derive(Debug)]
enum State {
    /// No final response yet. The user answers in its own time; 100 goes if it takes long.
    Proceeding { trying_at: Option<Instant> },
    /// A failure was sent: timer G (datagrams only) repeats it, timer H gives up on the ACK.
    Completed { g: Option<Backoff>, h: Instant },
    /// The ACK of a failure came; timer I swallows more of them.
    Confirmed { i: Instant },
    /// A 2xx was sent; timer L swallows repeated INVITEs.
    Accepted { l: Instant },
}

impl ServerInvite {
    pub(crate) fn start(now: Instant, timers: Timers, is_reliable: bool) -> Self {
        let state = State::Proceeding { trying_at: Some(now + TRYING_AFTER) };
        Self { state, timers, is_reliable }
    }

    /// Whether the final response is still to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a 2xx was sent.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// Notes a response being sent.
    pub(crate) fn on_reply(&mut self, now: Instant, status: u16) {
        let give_up = now + self.timers.give_up();
        match status {
            _ if !self.is_pending() => {}
            ..200 => self.state = State::Proceeding { trying_at: None },
            200..300 => self.state = State::Accepted { l: give_up },
            300.. => {
                // §26.3.2.4: what strangers hear goes once, or anybody could have us send a dozen
                // messages to a forged address; a true client asks again, unless it was told to wait
                let is_asking = matches!(self.state, State::Proceeding { trying_at: Some(_) });
                let is_once = is_asking && matches!(status, 401 | 403 | 407);
                let repeats = !self.is_reliable && !is_once;
                let g = repeats.then(|| Backoff::start(now, self.timers.t1));
                self.state = State::Completed { g, h: give_up };
            }
        }
    }

    /// The INVITE came again.
    pub(crate) fn on_repeat(&self) -> OnRepeat {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => OnRepeat::Resend,
            State::Confirmed { .. } | State::Accepted { .. } => OnRepeat::Absorb,
        }
    }

    /// The ACK of a failure came.
    pub(crate) fn on_ack(&mut self, now: Instant) {
        if matches!(self.state, State::Completed { .. }) {
            let i = if self.is_reliable { now } else { now + self.timers.t4 };
            self.state = State::Confirmed { i };
        }
    }
}

impl Machine for ServerInvite {
    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match &mut self.state {
            State::Proceeding { trying_at } if trying_at.is_some_and(|at| at <= now) => {
                *trying_at = None;
                OnTimeout::Resend
            }
            State::Completed { h, .. } if *h <= now => OnTimeout::GaveUp,
            State::Completed { g: Some(g), .. } if g.at <= now => {
                g.step(now, self.timers.t2);
                OnTimeout::Resend
            }
            State::Confirmed { i: until } | State::Accepted { l: until } if *until <= now => {
                OnTimeout::Over
            }
            _ => OnTimeout::Nothing,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { trying_at } => *trying_at,
            State::Completed { g, h } => Some(g.map_or(*h, |g| g.at.min(*h))),
            State::Confirmed { i: until } | State::Accepted { l: until } => Some(*until),
        }
    }
}

/// §17.2.1: how long the user may take before its silence is bridged by a 100.
const TRYING_AFTER: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;
    use crate::transaction::tests::run;

    fn start(now: Instant, is_reliable: bool) -> ServerInvite {
        ServerInvite::start(now, Timers::default(), is_reliable)
    }

    #[test]
    fn a_provisional_response_leaves_the_invite_open_without_timer() {
        let now = epoch();
        let mut machine = start(now, false);
        machine.on_reply(now, 180);
        assert!(machine.is_pending());
        assert_eq!(machine.on_repeat(), OnRepeat::Resend);
        assert_eq!(run(now, &mut machine), (vec![], None));
    }

    #[test]
    fn timer_g_repeats_a_failure_until_timer_h_gives_up() {
        let now = epoch();
        let mut machine = start(now, false);
        machine.on_reply(now, 486);
        let (resends, end) = run(now, &mut machine);
        let expected = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(resends, expected);
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
        let mut machine = start(now, true);
        machine.on_reply(now, 486);
        assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::GaveUp))));
    }

    #[test]
    fn what_strangers_hear_is_repeated_on_demand_only() {
        let now = epoch();
        for status in [401, 403, 407] {
            let mut machine = start(now, false);
            machine.on_reply(now, status);
            assert_eq!(machine.on_repeat(), OnRepeat::Resend);
            assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::GaveUp))));
        }
    }

    #[test]
    fn who_was_told_to_wait_does_not_ask_again_and_hears_a_challenge_again() {
        let now = epoch();
        let mut machine = start(now, false);
        assert_eq!(machine.next_wake(), Some(now + TRYING_AFTER));
        assert_eq!(machine.on_timeout(now + TRYING_AFTER), OnTimeout::Resend);
        assert_eq!(machine.next_wake(), None);
        machine.on_reply(now, 401);
        let (resends, end) = run(now, &mut machine);
        assert_eq!((resends.first(), resends.len()), (Some(&500), 10));
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
    }

    #[test]
    fn the_ack_of_a_failure_starts_timer_i() {
        let now = epoch();
        for (is_reliable, i) in [(false, 5_100), (true, 100)] {
            let mut machine = start(now, is_reliable);
            machine.on_reply(now, 603);
            assert_eq!(machine.on_repeat(), OnRepeat::Resend);
            machine.on_ack(now + Duration::from_millis(100));
            assert_eq!(machine.on_repeat(), OnRepeat::Absorb);
            assert_eq!(run(now, &mut machine), (vec![], Some((i, OnTimeout::Over))));
        }
    }

    #[test]
    fn a_2xx_is_not_repeated_here_and_timer_l_absorbs_repeated_invites() {
        let now = epoch();
        let mut machine = start(now, false);
        machine.on_reply(now, 200);
        machine.on_ack(now);
        machine.on_reply(now, 486);
        assert!(machine.is_accepted());
        assert_eq!(machine.on_repeat(), OnRepeat::Absorb);
        assert_eq!(run(now, &mut machine), (vec![], Some((32_000, OnTimeout::Over))));
    }
}
