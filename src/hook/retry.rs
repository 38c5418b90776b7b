//! When a failed hook is tried again (contract verbs.md §1.2): a pure schedule read from the
//! fragment of the hook's URL, such as `/hook#rc=3&rp=ct,5xx`. `http` waits and sends.

use std::time::Duration;

use super::{ConnectFault, HookError};

/// How often, and after which failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Attempts beyond the first.
    extra: u32,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Policy {
    /// `ct`: refused, reset, connecting took too long.
    connection: bool,
    /// `rt`: connected, but no answer in time.
    response: bool,
    status_4xx: bool,
    status_5xx: bool,
    all: bool,
}

impl Schedule {
    /// Reads the fragment; unknown keys and unreadable values count as absent.
    pub(super) fn from_fragment(fragment: Option<&str>) -> Self {
        Self::read(fragment, 0)
    }

    /// The same for opening a socket, which is tried more often unless asked otherwise.
    pub(super) fn of_socket(fragment: Option<&str>) -> Self {
        Self::read(fragment, MAX_EXTRA)
    }

    fn read(fragment: Option<&str>, extra: u32) -> Self {
        let mut schedule = Self { extra, policy: Policy::CONNECTION };
        for (key, value) in url::form_urlencoded::parse(fragment.unwrap_or_default().as_bytes()) {
            match &*key {
                "rc" => schedule.extra = extra_attempts(&value),
                "rp" => schedule.policy = Policy::parse(&value),
                _ => {}
            }
        }
        schedule
    }

    /// How long to wait after the `failed`-th attempt (counted from 1) before the next one;
    /// `None` when `error` is final.
    pub(super) fn wait_after(&self, failed: u32, error: &HookError) -> Option<Duration> {
        (failed <= self.extra && self.policy.covers(error)).then(|| pause(failed))
    }
}

impl Policy {
    const CONNECTION: Self = Self {
        connection: true,
        response: false,
        status_4xx: false,
        status_5xx: false,
        all: false,
    };

    fn parse(list: &str) -> Self {
        let mut policy = Self::default();
        for word in list.split(',').map(str::trim) {
            match word {
                "ct" => policy.connection = true,
                "rt" => policy.response = true,
                "4xx" => policy.status_4xx = true,
                "5xx" => policy.status_5xx = true,
                "all" => policy.all = true,
                _ => {}
            }
        }
        if policy == Self::default() { Self::CONNECTION } else { policy }
    }

    fn covers(self, error: &HookError) -> bool {
        match error {
            HookError::Connect { fault, .. } => {
                use ConnectFault::{Refused, Reset, TimedOut};
                self.all || (self.connection && matches!(fault, Refused | Reset | TimedOut))
            }
            HookError::Timeout { .. } => self.all || self.response,
            HookError::Status { status, .. } => match status {
                400..500 => self.all || self.status_4xx,
                500..600 => self.all || self.status_5xx,
                _ => self.all,
            },
            HookError::Truncated { .. } => self.all,
            // Asking again would not change these.
            _ => false,
        }
    }
}

fn extra_attempts(text: &str) -> u32 {
    text.trim().parse::<i64>().map_or(0, |n| n.clamp(0, MAX_EXTRA.into()) as u32)
}

/// 500 ms, 1 s, 2 s, then two seconds more each.
fn pause(failed: u32) -> Duration {
    match failed {
        0 | 1 => Duration::from_millis(500),
        2 => Duration::from_secs(1),
        n => Duration::from_secs(2 * u64::from(n - 2)),
    }
}

const MAX_EXTRA: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Phase;

    fn refused() -> HookError {
        HookError::Connect { url: String::new(), fault: ConnectFault::Refused }
    }

    fn status(status: u16) -> HookError {
        HookError::Status { url: String::new(), status }
    }

    fn attempts(fragment: &str, error: &HookError) -> u32 {
        let schedule = Schedule::from_fragment(Some(fragment));
        1 + (1..100).take_while(|n| schedule.wait_after(*n, error).is_some()).count() as u32
    }

    #[test]
    fn there_is_one_attempt_unless_asked_otherwise() {
        assert_eq!(Schedule::from_fragment(None).wait_after(1, &refused()), None);
        for fragment in ["", "rc=", "rc=x", "rc=-3", "rp=all", "section-2", "rc=1.5"] {
            assert_eq!(attempts(fragment, &refused()), 1, "{fragment}");
        }
    }

    #[test]
    fn a_socket_is_tried_six_times_unless_asked_otherwise() {
        for (fragment, extra) in [(None, 5), (Some("rp=5xx"), 0), (Some("rc=2"), 2)] {
            let schedule = Schedule::of_socket(fragment);
            let waits = (1..100).map_while(|n| schedule.wait_after(n, &refused()));
            assert_eq!(waits.count(), extra, "{fragment:?}");
        }
    }

    #[test]
    fn extra_attempts_are_clamped_to_five() {
        assert_eq!(attempts("rc=3", &refused()), 4);
        assert_eq!(attempts("rc=5", &refused()), 6);
        assert_eq!(attempts("rc=99999999999", &refused()), 6);
    }

    #[test]
    fn waits_grow_by_two_seconds_after_the_third() {
        let schedule = Schedule::from_fragment(Some("rc=5"));
        let waits: Vec<u128> = (1..)
            .map_while(|n| schedule.wait_after(n, &refused()))
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 6000]);
    }

    #[test]
    fn policy_names_the_failures_that_are_retried() {
        let timeout = HookError::Timeout {
            url: String::new(),
            phase: Phase::Headers,
            limit: Duration::from_secs(10),
        };
        let dns = HookError::Connect { url: String::new(), fault: ConnectFault::Dns };
        let not_json = HookError::NotJson { url: String::new() };
        let forbidden = HookError::ForbiddenAddress { url: String::new() };
        let table: [(&str, [bool; 7]); 8] = [
            // refused, timeout, 404, 503, 301, dns, not json
            ("rc=1", [true, false, false, false, false, false, false]),
            ("rc=1&rp=ct", [true, false, false, false, false, false, false]),
            ("rc=1&rp=rt", [false, true, false, false, false, false, false]),
            ("rc=1&rp=4xx", [false, false, true, false, false, false, false]),
            ("rc=1&rp=5xx", [false, false, false, true, false, false, false]),
            ("rc=1&rp=ct,5xx", [true, false, false, true, false, false, false]),
            ("rc=1&rp=ct%2C%204xx", [true, false, true, false, false, false, false]),
            ("rc=1&rp=all", [true, true, true, true, true, true, false]),
        ];
        for (fragment, expected) in table {
            let schedule = Schedule::from_fragment(Some(fragment));
            let errors =
                [&refused(), &timeout, &status(404), &status(503), &status(301), &dns, &not_json];
            let retried = errors.map(|error| schedule.wait_after(1, error).is_some());
            assert_eq!(retried, expected, "{fragment}");
            assert_eq!(schedule.wait_after(1, &forbidden), None);
        }
    }

    #[test]
    fn a_policy_of_unknown_words_is_the_default_one() {
        assert_eq!(attempts("rc=1&rp=nonsense", &refused()), 2);
        assert_eq!(attempts("rc=1&rp=nonsense", &status(500)), 1);
    }
}
