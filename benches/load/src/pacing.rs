//! How evenly the server sends: the time between packets, and the rate of its clock.
//!
//! Both from the kernel's receive stamps, which on the loopback interface are made inside the sender's
//! own system call: how late this program reads does not show in them.

use std::time::{Duration, SystemTime};

/// A line through (RTP time, arrival time) by least squares, kept as sums.
#[derive(Debug, Clone)]
pub(crate) struct ClockFit {
    first_at: SystemTime,
    first_timestamp: u32,
    clock_hz: f64,
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    last_x: f64,
}

/// Too short a line has no slope worth telling.
const SHORTEST_SECONDS: f64 = 4.0;

impl ClockFit {
    pub(crate) fn begin(at: SystemTime, timestamp: u32, clock_hz: u32) -> Self {
        Self {
            first_at: at,
            first_timestamp: timestamp,
            clock_hz: clock_hz.into(),
            n: 1.0,
            x: 0.0,
            y: 0.0,
            xx: 0.0,
            xy: 0.0,
            last_x: 0.0,
        }
    }

    pub(crate) fn add(&mut self, at: SystemTime, timestamp: u32) {
        let units = timestamp.wrapping_sub(self.first_timestamp) as i32;
        let x = f64::from(units) / self.clock_hz;
        let y = match at.duration_since(self.first_at) {
            Ok(later) => later.as_secs_f64(),
            Err(earlier) => -earlier.duration().as_secs_f64(),
        };
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.last_x = self.last_x.max(x);
    }

    /// How much faster than the wall clock of the stamps the sender's runs, in parts per million.
    pub(crate) fn fast_ppm(&self) -> Option<f64> {
        let spread = self.n * self.xx - self.x * self.x;
        if self.last_x < SHORTEST_SECONDS || spread <= 0.0 {
            return None;
        }
        let slope = (self.n * self.xy - self.x * self.y) / spread;
        (slope > 0.0).then(|| (1.0 / slope - 1.0) * 1e6)
    }
}

/// How far the time between two packets was from `ptime`.
pub(crate) fn deviation(between: Duration, ptime: Duration) -> Duration {
    between.abs_diff(ptime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_fast_is_found_through_jitter() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for ppm in [-300.0, 0.0, 40.0] {
            let first = u32::MAX - 4_000; // over the wrap
            let mut fit = ClockFit::begin(start, first, 8_000);
            for i in 1..1_000u32 {
                let jitter = f64::from(i * 7_919 % 1_000) * 1e-6;
                let at = f64::from(i) * 0.02 / (1.0 + ppm * 1e-6) + jitter;
                fit.add(start + Duration::from_secs_f64(at), first.wrapping_add(i * 160));
            }
            let found = fit.fast_ppm().unwrap();
            assert!((found - ppm).abs() < 3.0, "{found} for {ppm}");
        }
    }

    #[test]
    fn two_seconds_are_no_line() {
        let start = SystemTime::UNIX_EPOCH;
        let mut fit = ClockFit::begin(start, 0, 8_000);
        fit.add(start + Duration::from_secs(2), 16_000);
        assert_eq!(fit.fast_ppm(), None);
    }
}
