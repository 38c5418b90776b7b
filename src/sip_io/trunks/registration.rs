//! One registration of ours at a carrier (RFC 3261 §10.2): when to send a REGISTER, and what its
//! answer means.
//!
//! Pure: time is an argument, chance comes from a seed. The keeper sends what [`Registration::poll`]
//! asks for and brings back the answer; challenges are answered below, by the endpoint.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A REGISTER to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// CSeq number.
    pub seq: u32,
    /// Seconds asked for; 0 takes the binding back (§10.2.2).
    pub expires: u32,
    /// Which of the carrier's registrars, from 0.
    pub hop: usize,
}

/// The final answer to it; 408 and 503 may be made here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    /// CSeq number of the last try: answering a challenge takes another.
    pub seq: u32,
    /// Seconds granted: the `expires` of our Contact, else the Expires header.
    pub expires: Option<u32>,
    /// Min-Expires of a 423, in seconds.
    pub min_expires: Option<u32>,
    pub retry_after: Option<Duration>,
}

/// What REST shows as `register_status` (contract rest.md §2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterStatus {
    pub is_ok: bool,
    /// `200 OK`
    pub reason: String,
    /// `3 REGISTER`
    pub cseq: String,
    pub call_id: String,
}

/// First wait after a failure, doubled with each further one (RFC 5626 §4.5: base time).
const BASE_WAIT: Duration = Duration::from_secs(30);
/// The longest wait, and the one where trying harder makes nothing better (wrong password, unknown
/// user): a registrar bans who asks too often.
const MAX_WAIT: Duration = Duration::from_secs(1800);
/// Never refresh more often than this, whatever is granted.
const MIN_REFRESH: Duration = Duration::from_secs(5);
/// The most that a registrar's Min-Expires may make us ask for, in seconds.
const MAX_EXPIRES: u32 = 86_400;

#[derive(Debug)]
pub struct Registration {
    call_id: String,
    rng: StdRng,
    /// Seconds to ask for.
    expires: u32,
    hops: usize,
    hop: usize,
    /// Registrars that failed one after the other.
    tried: usize,
    next_seq: u32,
    phase: Phase,
    /// The registrar holds our binding until then.
    bound_until: Option<Instant>,
    is_leaving: bool,
    /// Rounds over all registrars that failed in a row.
    failures: u32,
    /// A 423 was answered with a longer time just now; a second one in a row is a failure.
    was_brief: bool,
    status: Option<RegisterStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting {
        until: Instant,
    },
    Asking {
        /// The REGISTER takes the binding back.
        removes: bool,
    },
    Over,
}

impl Registration {
    /// Registers at once, at the first of `hops` registrars. `expires` is in seconds.
    pub fn new(now: Instant, seed: u64, hops: usize, expires: u32) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let call_id = format!("{:016x}{:016x}", rng.random::<u64>(), rng.random::<u64>());
        Self {
            call_id,
            rng,
            expires,
            hops: hops.max(1),
            hop: 0,
            tried: 0,
            next_seq: 1,
            phase: Phase::Waiting { until: now },
            bound_until: None,
            is_leaving: false,
            failures: 0,
            was_brief: false,
            status: None,
        }
    }

    /// The same for every REGISTER (§10.2).
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// `None` until the first answer.
    pub fn status(&self) -> Option<&RegisterStatus> {
        self.status.as_ref()
    }

    /// The registrar holds our binding until then, unless it is refreshed.
    pub fn bound_until(&self) -> Option<Instant> {
        self.bound_until
    }

    /// Whether the registrar holds our binding.
    pub fn is_bound(&self, now: Instant) -> bool {
        self.bound_until.is_some_and(|until| now < until)
    }

    /// When `poll` is wanted next; `None` while an answer is awaited, and at the end.
    pub fn next_wake(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Asking { .. } | Phase::Over => None,
        }
    }

    /// Takes the binding back, and ends.
    pub fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        if let Phase::Waiting { until } = &mut self.phase {
            *until = now;
        }
    }

    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Nothing more will be asked for.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The REGISTER that is due, if one is.
    pub fn poll(&mut self, now: Instant) -> Option<Ask> {
        match self.phase {
            Phase::Waiting { until } if until <= now => {}
            _ => return None,
        }
        if self.is_leaving && !self.is_bound(now) {
            self.phase = Phase::Over;
            return None;
        }
        self.phase = Phase::Asking { removes: self.is_leaving };
        let expires = if self.is_leaving { 0 } else { self.expires };
        Some(Ask { seq: self.next_seq, expires, hop: self.hop })
    }

    /// The answer to what [`Registration::poll`] asked for.
    pub fn on_answer(&mut self, now: Instant, answer: &Answer) {
        let Phase::Asking { removes } = self.phase else { return };
        self.next_seq = answer.seq.max(self.next_seq).saturating_add(1);
        let was_brief = std::mem::take(&mut self.was_brief);
        let granted =
            (200..300).contains(&answer.status).then(|| answer.expires.unwrap_or(self.expires));
        if self.is_leaving {
            if let (false, Some(seconds)) = (removes, granted) {
                self.bound(now, seconds);
            }
            // Nobody asks twice to be let go: a binding that stays ends by itself.
            self.phase = if removes { Phase::Over } else { Phase::Waiting { until: now } };
            return;
        }
        self.status = Some(RegisterStatus {
            is_ok: granted.is_some_and(|seconds| seconds > 0),
            reason: format!("{} {}", answer.status, answer.reason),
            cseq: format!("{} REGISTER", answer.seq),
            call_id: self.call_id.clone(),
        });
        let until = match (granted, answer.status) {
            (Some(seconds), _) if seconds > 0 => self.bound(now, seconds),
            // Registered for no time at all is not registered.
            (Some(_), _) => now + self.back_off(),
            (None, 423) if !was_brief && self.asks_longer(answer.min_expires) => {
                self.was_brief = true;
                now
            }
            (None, status) => now + self.wait_after(status, answer.retry_after),
        };
        self.phase = Phase::Waiting { until };
    }

    /// A binding for that many seconds: the time of its refresh, at 85 to 95 % of them, so that many
    /// registrations of one start do not come in one burst for ever.
    fn bound(&mut self, now: Instant, seconds: u32) -> Instant {
        let lifetime = Duration::from_secs(u64::from(seconds.min(MAX_EXPIRES)));
        self.bound_until = Some(now + lifetime);
        self.failures = 0;
        self.tried = 0;
        let part = self.rng.random_range(0.85..0.95);
        now + lifetime.mul_f64(part).max(MIN_REFRESH)
    }

    fn asks_longer(&mut self, min_expires: Option<u32>) -> bool {
        match min_expires {
            Some(seconds) if seconds > self.expires && seconds <= MAX_EXPIRES => {
                self.expires = seconds;
                true
            }
            _ => false,
        }
    }

    fn wait_after(&mut self, status: u16, retry_after: Option<Duration>) -> Duration {
        let is_passing = status == 408 || status == 480 || status >= 500;
        if !is_passing {
            self.failures += 1;
            return self.part_of(MAX_WAIT);
        }
        self.hop = (self.hop + 1) % self.hops;
        self.tried += 1;
        if self.tried < self.hops {
            return Duration::ZERO;
        }
        self.tried = 0;
        self.back_off().max(retry_after.unwrap_or_default())
    }

    /// Doubled with each failure in a row, capped, and between half of it and all (RFC 5626 §4.5).
    fn back_off(&mut self) -> Duration {
        let doubled = BASE_WAIT.saturating_mul(1 << self.failures.min(10));
        self.failures += 1;
        self.part_of(doubled.min(MAX_WAIT))
    }

    fn part_of(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(self.rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u32 = 3600;

    fn start() -> (Instant, Registration) {
        let now = Instant::now();
        (now, Registration::new(now, 7, 1, HOUR))
    }

    fn answer(status: u16, ask: Ask) -> Answer {
        Answer { status, reason: "X".to_owned(), seq: ask.seq, ..Answer::default() }
    }

    /// Waits until something is due and gives it `answer`; how long that took, and what was asked.
    fn turn(
        registration: &mut Registration,
        now: &mut Instant,
        given: impl FnOnce(Ask) -> Answer,
    ) -> (Duration, Ask) {
        let due = registration.next_wake().expect("something is due");
        let waited = due.saturating_duration_since(*now);
        *now = due.max(*now);
        let ask = registration.poll(*now).expect("a REGISTER");
        assert_eq!(registration.next_wake(), None, "one at a time");
        registration.on_answer(*now, &given(ask));
        (waited, ask)
    }

    fn granted(seconds: u32) -> impl Fn(Ask) -> Answer {
        move |ask| Answer { expires: Some(seconds), ..answer(200, ask) }
    }

    #[test]
    fn refreshes_before_it_expires_with_one_call_id_and_a_growing_cseq() {
        let (mut now, mut registration) = start();
        let call_id = registration.call_id().to_owned();
        let (waited, ask) = turn(&mut registration, &mut now, |ask| Answer {
            // A challenge was answered on the way.
            seq: ask.seq + 1,
            expires: Some(1000),
            ..answer(200, ask)
        });
        assert_eq!((waited, ask), (Duration::ZERO, Ask { seq: 1, expires: HOUR, hop: 0 }));
        assert!(registration.is_bound(now));
        let status = registration.status().unwrap();
        assert!(status.is_ok);
        assert_eq!((status.reason.as_str(), status.cseq.as_str()), ("200 X", "2 REGISTER"));
        assert_eq!(status.call_id, call_id);
        for seq in 3..20 {
            let (waited, ask) = turn(&mut registration, &mut now, granted(1000));
            assert_eq!(ask.seq, seq);
            assert!((850..950).contains(&waited.as_secs()), "{waited:?}");
        }
        assert_eq!(registration.call_id(), call_id);
    }

    #[test]
    fn what_is_granted_counts_and_never_leads_to_a_storm() {
        let (mut now, mut registration) = start();
        turn(&mut registration, &mut now, granted(1));
        let (waited, _) = turn(&mut registration, &mut now, granted(0));
        assert_eq!(waited, MIN_REFRESH);
        assert!(!registration.status().unwrap().is_ok);
        let (waited, _) = turn(&mut registration, &mut now, granted(u32::MAX));
        assert!(waited >= BASE_WAIT / 2, "{waited:?}");
        let (waited, _) = turn(&mut registration, &mut now, granted(60));
        assert!(waited <= Duration::from_secs(u64::from(MAX_EXPIRES)), "{waited:?}");
    }

    #[test]
    fn failures_that_may_pass_are_tried_again_ever_later() {
        let (mut now, mut registration) = start();
        turn(&mut registration, &mut now, |ask| answer(503, ask));
        let mut longest = BASE_WAIT;
        for _ in 0..20 {
            let (waited, _) = turn(&mut registration, &mut now, |ask| answer(408, ask));
            assert!(waited >= longest / 2 && waited <= longest, "{waited:?} of {longest:?}");
            longest = (longest * 2).min(MAX_WAIT);
        }
        turn(&mut registration, &mut now, granted(60));
        turn(&mut registration, &mut now, |ask| answer(500, ask));
        let (waited, _) = turn(&mut registration, &mut now, granted(60));
        assert!(waited <= BASE_WAIT, "a success forgives: {waited:?}");
    }

    #[test]
    fn a_refusal_is_not_argued_with() {
        for status in [400, 401, 403, 404, 407] {
            let (mut now, mut registration) = start();
            turn(&mut registration, &mut now, |ask| answer(status, ask));
            assert!(!registration.status().unwrap().is_ok);
            assert!(!registration.is_bound(now));
            let (waited, _) = turn(&mut registration, &mut now, granted(60));
            assert!(waited >= MAX_WAIT / 2 && waited <= MAX_WAIT, "{status}: {waited:?}");
        }
    }

    #[test]
    fn retry_after_is_waited_for() {
        let (mut now, mut registration) = start();
        let after = Duration::from_secs(2000);
        turn(&mut registration, &mut now, |ask| Answer {
            retry_after: Some(after),
            ..answer(503, ask)
        });
        let (waited, _) = turn(&mut registration, &mut now, granted(60));
        assert_eq!(waited, after);
    }

    #[test]
    fn a_time_that_is_too_brief_is_made_longer_once() {
        let too_brief = |min| move |ask| Answer { min_expires: Some(min), ..answer(423, ask) };
        let (mut now, mut registration) = start();
        turn(&mut registration, &mut now, too_brief(7200));
        let (waited, ask) = turn(&mut registration, &mut now, granted(7200));
        assert_eq!((waited, ask.expires), (Duration::ZERO, 7200));

        // A registrar that wants ever more, less than it was given, or nonsense.
        for wanted in [[7200, 9000], [1800, 1800], [u32::MAX, u32::MAX]] {
            let (mut now, mut registration) = start();
            turn(&mut registration, &mut now, too_brief(wanted[0]));
            turn(&mut registration, &mut now, too_brief(wanted[1]));
            let (waited, _) = turn(&mut registration, &mut now, granted(60));
            assert!(waited >= MAX_WAIT / 2, "{wanted:?}: {waited:?}");
        }
    }

    #[test]
    fn every_registrar_has_its_turn_before_anybody_waits() {
        let mut now = Instant::now();
        let mut registration = Registration::new(now, 7, 2, HOUR);
        turn(&mut registration, &mut now, |ask| answer(503, ask));
        let (waited, ask) = turn(&mut registration, &mut now, granted(60));
        assert_eq!((waited, ask.hop), (Duration::ZERO, 1));
        let (_, ask) = turn(&mut registration, &mut now, |ask| answer(408, ask));
        assert_eq!(ask.hop, 1, "who took it keeps it");
        let (waited, ask) = turn(&mut registration, &mut now, |ask| answer(408, ask));
        assert_eq!((waited, ask.hop), (Duration::ZERO, 0));
        let (waited, ask) = turn(&mut registration, &mut now, granted(60));
        assert!(waited >= BASE_WAIT / 2 && ask.hop == 1, "{waited:?} {ask:?}");
    }

    #[test]
    fn leaving_takes_the_binding_back() {
        let (mut now, mut registration) = start();
        turn(&mut registration, &mut now, granted(60));
        registration.leave(now);
        let (waited, ask) = turn(&mut registration, &mut now, |ask| answer(200, ask));
        assert_eq!((waited, ask.expires), (Duration::ZERO, 0));
        assert!(registration.is_over());
        assert_eq!(registration.poll(now), None);
    }

    #[test]
    fn leaving_waits_for_the_answer_under_way() {
        for (given, removed) in [(200, true), (403, false)] {
            let (mut now, mut registration) = start();
            let ask = registration.poll(now).unwrap();
            registration.leave(now);
            assert_eq!(registration.poll(now), None);
            registration.on_answer(now, &answer(given, ask));
            if removed {
                let (_, ask) = turn(&mut registration, &mut now, |ask| answer(503, ask));
                assert_eq!(ask.expires, 0);
            } else {
                assert_eq!(registration.poll(now), None);
            }
            assert!(registration.is_over(), "{given}");
        }
    }

    #[test]
    fn who_was_never_bound_leaves_without_a_word() {
        let (now, mut registration) = start();
        registration.leave(now);
        assert_eq!(registration.poll(now), None);
        assert!(registration.is_over());
    }
}
