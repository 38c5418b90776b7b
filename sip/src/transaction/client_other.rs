//! The non-INVITE client transaction (RFC 3261 §17.1.2, figure 6).

use std::time::Instant;

use super::timer::{Backoff, Timers};
use super::{Machine, OnResponse, OnTimeout};

/// State of one request other than INVITE and ACK on its way out.
#[derive(Debug)]
pub(crate) struct ClientOther {
    state: State,
    timers: Timers,
    is_reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Timer E (datagrams only) and timer F run. `proceeding` is set by a provisional response and
    /// slows timer E down to T2.
    Pending { e: Option<Backoff>, f: Instant, proceeding: bool },
    /// The final response came; timer K swallows its repetitions.
    Completed { k: Instant },
}

impl ClientOther {
    /// The state right after the request was first sent.
    pub(crate) fn start(now: Instant, timers: Timers, is_reliable: bool) -> Self {
        let e = (!is_reliable).then(|| Backoff::start(now, timers.t1));
        let state = State::Pending { e, f: now + timers.give_up(), proceeding: false };
        Self { state, timers, is_reliable }
    }

    /// Whether the final response is still to come.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending { .. })
    }

    pub(crate) fn on_response(&mut self, now: Instant, status: u16) -> OnResponse {
        match &mut self.state {
            State::Pending { proceeding, .. } if status < 200 => {
                *proceeding = true;
                OnResponse::Pass
            }
            State::Pending { .. } => {
                let k = if self.is_reliable { now } else { now + self.timers.t4 };
                self.state = State::Completed { k };
                OnResponse::Pass
            }
            State::Completed { .. } => OnResponse::Drop,
        }
    }
}

impl Machine for ClientOther {
    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match &mut self.state {
            State::Pending { f, .. } if *f <= now => OnTimeout::GaveUp,
            State::Pending { e: Some(e), proceeding, .. } if e.at <= now => {
                if *proceeding {
                    *e = Backoff::start(now, self.timers.t2);
                } else {
                    e.step(now, self.timers.t2);
                }
                OnTimeout::Resend
            }
            State::Completed { k } if *k <= now => OnTimeout::Over,
            _ => OnTimeout::Nothing,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        Some(match &self.state {
            State::Pending { e, f, .. } => e.map_or(*f, |e| e.at.min(*f)),
            State::Completed { k } => *k,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::epoch;
    use crate::transaction::tests::run;

    fn start(now: Instant, is_reliable: bool) -> ClientOther {
        ClientOther::start(now, Timers::default(), is_reliable)
    }

    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f_gives_up() {
        let now = epoch();
        let (resends, end) = run(now, &mut start(now, false));
        let expected = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(resends, expected);
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
        assert_eq!(run(now, &mut start(now, true)), (vec![], Some((32_000, OnTimeout::GaveUp))));
    }

    #[test]
    fn a_provisional_response_slows_timer_e_to_t2_but_timer_f_goes_on() {
        let now = epoch();
        let mut machine = start(now, false);
        let soon = now + Duration::from_millis(100);
        assert_eq!(machine.on_response(soon, 100), OnResponse::Pass);
        let (resends, end) = run(now, &mut machine);
        assert_eq!(resends, [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]);
        assert_eq!(end, Some((32_000, OnTimeout::GaveUp)));
    }

    #[test]
    fn the_final_response_passes_once_and_timer_k_swallows_repetitions() {
        let now = epoch();
        for (is_reliable, k) in [(false, 5_000), (true, 0)] {
            let mut machine = start(now, is_reliable);
            assert!(machine.is_pending());
            assert_eq!(machine.on_response(now, 200), OnResponse::Pass);
            assert_eq!(machine.on_response(now, 200), OnResponse::Drop);
            assert!(!machine.is_pending());
            assert_eq!(run(now, &mut machine), (vec![], Some((k, OnTimeout::Over))));
        }
    }
}
