//! When to send RTCP (RFC 3550 §6.2, §6.3): every 5 s on average, spread at random.
//!
//! A leg is a session of two members. The thinnest stream we send, with its headers, leaves RTCP
//! enough for a report every 2 s, so the computed interval is always below the minimum and the minimum
//! rules. Reconsideration (§6.3.6) is kept for two parties too: without it the compensation of
//! §6.3.1 would make reports a fifth too frequent.

use std::time::{Duration, Instant};

use crate::time::splitmix;

/// The instants at which reports go out.
#[derive(Debug)]
pub struct Schedule {
    seed: u64,
    /// Of the last report, or the beginning.
    last: Instant,
    next: Instant,
    minimum: Duration,
}

impl Schedule {
    /// The minimum interval; half of it before the first report (§6.2).
    const MINIMUM: Duration = Duration::from_secs(5);
    /// e - 3/2 (§6.3.1): makes the mean what it should be.
    const COMPENSATION: f64 = std::f64::consts::E - 1.5;

    /// `seed` should differ between legs, so that they do not report in step.
    pub fn new(seed: u64, now: Instant) -> Self {
        let mut schedule = Self { seed, last: now, next: now, minimum: Self::MINIMUM / 2 };
        schedule.next = now + schedule.interval();
        schedule
    }

    /// Whether a report is due; if so, the next one is set.
    pub fn poll_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        // Drawn anew when the time has come; if it comes out longer, that counts.
        let reconsidered = self.last + self.interval();
        if reconsidered > now {
            self.next = reconsidered;
            return false;
        }
        self.last = now;
        self.minimum = Self::MINIMUM;
        self.next = now + self.interval();
        true
    }

    /// Between 0.5 and 1.5 times the calculated interval, over the compensation.
    fn interval(&mut self) -> Duration {
        let spread = (splitmix(&mut self.seed) >> 11) as f64 / (1u64 << 53) as f64;
        self.minimum.mul_f64((0.5 + spread) / Self::COMPENSATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_spread_as_6_3_1_says() {
        let start = crate::sim::epoch();
        let mut schedule = Schedule::new(3, start);
        let (mut now, mut due) = (start, Vec::new());
        while due.len() < 2_000 {
            now += Duration::from_millis(20);
            if schedule.poll_due(now) {
                due.push(now);
            }
        }
        assert!(due[0] - start <= Duration::from_millis(3_100));
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (2.05..6.20).contains(gap)));
        // With reconsideration the mean is the interval that was meant.
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((mean - 5.0).abs() < 0.2, "{mean}");
    }

    #[test]
    fn two_legs_do_not_report_in_step() {
        let start = crate::sim::epoch();
        assert_ne!(Schedule::new(1, start).next, Schedule::new(2, start).next);
    }
}
