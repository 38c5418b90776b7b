//! When a session is refreshed and when it is over without (RFC 4028 §10).

use std::time::{Duration, Instant};

/// The timer of a confirmed session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionTimer {
    /// The session interval.
    pub(crate) interval: Duration,
    /// Whether we refresh.
    pub(crate) is_ours: bool,
    /// When we do. `None` while a refresh is under way, and if the peer refreshes.
    pub(crate) refresh_at: Option<Instant>,
    /// When we hang up: a little before the end, so that the BYE still finds the proxies' state.
    pub(crate) expires_at: Instant,
}

impl SessionTimer {
    /// The timer of an interval that begins now.
    pub(crate) fn start(now: Instant, interval: Duration, is_ours: bool) -> Self {
        let early = EARLY.min(interval / 3);
        Self {
            interval,
            is_ours,
            refresh_at: is_ours.then(|| now + interval / 2),
            expires_at: now + interval - early,
        }
    }

    pub(crate) fn next_wake(&self) -> Instant {
        self.refresh_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }
}

/// §10: how long before the end the BYE goes, at most.
const EARLY: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;

    #[test]
    fn a_session_is_refreshed_at_half_and_over_32_s_or_a_third_before_its_end() {
        let now = epoch();
        let after = |at: Instant| at.duration_since(now).as_secs();
        for (interval, half, over) in [(1_800, 900, 1_768), (90, 45, 60), (96, 48, 64)] {
            let timer = SessionTimer::start(now, Duration::from_secs(interval), true);
            assert_eq!(after(timer.next_wake()), half);
            let timer = SessionTimer::start(now, Duration::from_secs(interval), false);
            assert_eq!(after(timer.next_wake()), over);
        }
    }
}
