//! Whether a gateway is worth calling: what pings and calls say of it, with hysteresis.
//!
//! Pure: time is an argument. Pings (OPTIONS) and the outcomes of calls count alike. A gateway without
//! pings that is down is tried again after a while, since nothing else would ever tell that it is back.

use std::time::{Duration, Instant};

use sip::Response;

use crate::routing::outbound::Health;

/// How one request to a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever it said: 404 and 486 come from a gateway that works.
    Answered,
    /// 503: it says itself that it cannot, and perhaps for how long (RFC 3261 §21.5.4).
    Unavailable { retry_after: Option<Duration> },
    /// 408, no answer at all, no connection.
    Silent,
}

impl Outcome {
    /// What a final status says; `response` is the one that came, if one did.
    pub fn of(status: u16, response: Option<&Response>) -> Self {
        match status {
            408 => Self::Silent,
            503 if response.is_none() => Self::Silent,
            503 => Self::Unavailable { retry_after: response.and_then(retry_after) },
            _ => Self::Answered,
        }
    }
}

/// Longest Retry-After believed: nobody shuts a gateway for longer by one header.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The Retry-After of a response (RFC 3261 §20.33), an hour at most. A comment and parameters are
/// ignored.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("Retry-After")?.trim();
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    let seconds = digits.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Failures in a row that make a gateway down.
const FALL: u8 = 2;
/// Answers in a row that bring it up again.
const RISE: u8 = 2;
/// How long a gateway without pings stays down.
const COOL_DOWN: Duration = Duration::from_secs(60);

/// What is known of one gateway.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Its pings will tell when it is back.
    is_pinged: bool,
    health: Health,
    /// Outcomes in a row against `health`.
    against: u8,
    /// Down, without pings: until then.
    cools_until: Option<Instant>,
    /// Down by its own word (Retry-After), whatever else is known.
    shut_until: Option<Instant>,
}

impl Watch {
    pub fn new(is_pinged: bool) -> Self {
        Self { is_pinged, health: Health::Unknown, against: 0, cools_until: None, shut_until: None }
    }

    /// The gateway's pings were switched on or off; what is known of it stays.
    pub fn set_pinged(&mut self, now: Instant, is_pinged: bool) {
        if self.is_pinged && !is_pinged && self.health == Health::Down {
            self.cools_until = Some(now + COOL_DOWN);
        }
        self.is_pinged = is_pinged;
    }

    pub fn health(&self, now: Instant) -> Health {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        if self.shut_until.is_some_and(|until| now < until) {
            Health::Down
        } else if !self.is_pinged && self.health == Health::Down && is_over(self.cools_until) {
            Health::Unknown
        } else {
            self.health
        }
    }

    pub fn is_pinged(&self) -> bool {
        self.is_pinged
    }

    /// Whether the last outcome spoke against what is shown, so that the next one is worth having soon.
    pub fn is_in_doubt(&self) -> bool {
        self.against > 0
    }

    pub fn note(&mut self, now: Instant, outcome: Outcome) {
        if self.health == Health::Down && self.health(now) == Health::Unknown {
            // Tried again after its time: one failure is enough to be down again.
            self.health = Health::Unknown;
            self.against = FALL - 1;
        }
        if let Outcome::Unavailable { retry_after: Some(after) } = outcome {
            self.shut_until = Some(now + after);
        }
        match (self.health, outcome == Outcome::Answered) {
            (Health::Up, true) => self.against = 0,
            (Health::Unknown, true) => self.become_(Health::Up),
            (Health::Down, true) => {
                self.against += 1;
                if self.against >= RISE {
                    self.become_(Health::Up);
                }
            }
            (Health::Up | Health::Unknown, false) => {
                self.against += 1;
                if self.against >= FALL {
                    self.become_(Health::Down);
                    self.cools_until = Some(now + COOL_DOWN);
                }
            }
            (Health::Down, false) => {
                self.against = 0;
                self.cools_until = Some(now + COOL_DOWN);
            }
        }
    }

    fn become_(&mut self, health: Health) {
        self.health = health;
        self.against = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Outcome = Outcome::Unavailable { retry_after: None };

    /// Plays outcomes one second apart and tells what is shown after each.
    fn play(watch: &mut Watch, start: Instant, outcomes: &[Outcome]) -> Vec<Health> {
        let mut at = start;
        let mut shown = Vec::new();
        for outcome in outcomes {
            watch.note(at, *outcome);
            shown.push(watch.health(at));
            at += Duration::from_secs(1);
        }
        shown
    }

    #[test]
    fn one_outcome_against_it_does_not_change_what_is_shown() {
        use Health::{Down, Unknown, Up};
        use Outcome::{Answered, Silent};
        let now = Instant::now();
        for (outcomes, shown) in [
            (vec![Answered, Silent, Answered, Silent], vec![Up; 4]),
            (vec![Answered, Silent, Silent], vec![Up, Up, Down]),
            (vec![Silent, Silent], vec![Unknown, Down]),
            (vec![BUSY, Silent], vec![Unknown, Down]),
            (vec![Silent, Answered], vec![Unknown, Up]),
            (
                vec![Silent, Silent, Answered, Silent, Answered, Answered],
                vec![Unknown, Down, Down, Down, Down, Up],
            ),
        ] {
            assert_eq!(play(&mut Watch::new(true), now, &outcomes), shown, "{outcomes:?}");
        }
    }

    #[test]
    fn a_gateway_without_pings_gets_another_chance() {
        let now = Instant::now();
        let mut watch = Watch::new(false);
        play(&mut watch, now, &[Outcome::Silent, Outcome::Silent]);
        let later = now + Duration::from_secs(1) + COOL_DOWN;
        assert_eq!(watch.health(later - Duration::from_millis(1)), Health::Down);
        assert_eq!(watch.health(later), Health::Unknown);
        // One failure, and it is down for as long again.
        watch.note(later, Outcome::Silent);
        assert_eq!(watch.health(later), Health::Down);
        assert_eq!(watch.health(later + COOL_DOWN), Health::Unknown);
        watch.note(later + COOL_DOWN, Outcome::Answered);
        assert_eq!(watch.health(later + COOL_DOWN), Health::Up);

        let mut pinged = Watch::new(true);
        play(&mut pinged, now, &[Outcome::Silent, Outcome::Silent]);
        assert_eq!(pinged.health(later + COOL_DOWN), Health::Down);
        pinged.set_pinged(later, false);
        assert_eq!(pinged.health(later), Health::Down);
        assert_eq!(pinged.health(later + COOL_DOWN), Health::Unknown);
    }

    #[test]
    fn retry_after_is_believed_at_once_and_for_that_long() {
        let now = Instant::now();
        let mut watch = Watch::new(true);
        watch.note(now, Outcome::Answered);
        let after = Duration::from_secs(20);
        watch.note(now, Outcome::Unavailable { retry_after: Some(after) });
        assert_eq!(watch.health(now), Health::Down);
        // A ping that is answered meanwhile does not open it.
        watch.note(now, Outcome::Answered);
        assert_eq!(watch.health(now + after - Duration::from_millis(1)), Health::Down);
        assert_eq!(watch.health(now + after), Health::Up);
    }

    #[test]
    fn statuses_and_their_retry_after() {
        let response = |status: u16, retry: &str| {
            let text = format!(
                "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                 To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n{retry}\r\n"
            );
            Response::parse(text.as_bytes()).unwrap()
        };
        assert_eq!(Outcome::of(404, None), Outcome::Answered);
        assert_eq!(Outcome::of(408, None), Outcome::Silent);
        assert_eq!(Outcome::of(503, None), Outcome::Silent);
        for (header, seconds) in [
            ("", None),
            ("Retry-After: 120\r\n", Some(120)),
            ("Retry-After: 18000;duration=3600\r\n", Some(3600)),
            ("Retry-After: 30 (in a meeting)\r\n", Some(30)),
            ("Retry-After: soon\r\n", None),
            ("Retry-After: 99999999999999999999999\r\n", None),
        ] {
            let retry_after = seconds.map(Duration::from_secs);
            let told = Outcome::of(503, Some(&response(503, header)));
            assert_eq!(told, Outcome::Unavailable { retry_after }, "{header}");
        }
    }
}
