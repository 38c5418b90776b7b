//! How much faster or slower than ours the sender's clock runs.
//!
//! The least transit time of each window of a few seconds rises or falls steadily when the clocks
//! differ. A line is fitted to it by least squares that forget over two minutes; a step, as when the
//! path changes, begins the line anew.

/// A running fit of `transit = a + slope * time`.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// Weighted number of points.
    points: f64,
    mean_time: f64,
    mean_transit: f64,
    spread: f64,
    slope_sum: f64,
}

impl Drift {
    /// One window of two seconds counts this part of the one after it.
    const MEMORY: f64 = 1.0 - 1.0 / 60.0;
    /// A point this far off the line, and some more if the path jitters, is a new path, not drift.
    const MAX_STEP_US: f64 = 10_000.0;
    /// Nothing is said before so many points.
    const MIN_POINTS: f64 = 5.0;

    /// Takes the least transit of a window that ended at `time_s`, and the interarrival jitter.
    pub(super) fn add(&mut self, time_s: f64, transit_us: f64, jitter_us: f64) {
        let expected = self.mean_transit + self.slope() * (time_s - self.mean_time);
        if self.points > 0.0 && (transit_us - expected).abs() > Self::MAX_STEP_US + 2.0 * jitter_us
        {
            *self = Self::default();
        }
        self.points = self.points * Self::MEMORY + 1.0;
        let time = time_s - self.mean_time;
        self.mean_time += time / self.points;
        self.mean_transit += (transit_us - self.mean_transit) / self.points;
        self.spread = self.spread * Self::MEMORY + time * (time_s - self.mean_time);
        let off = transit_us - self.mean_transit;
        self.slope_sum = self.slope_sum * Self::MEMORY + time * off;
    }

    /// Millionths by which the sender's clock is fast; 0 until enough is known.
    pub(super) fn ppm(&self) -> f32 {
        // A fast sender's timestamps run ahead: its packets seem to come ever earlier.
        if self.points < Self::MIN_POINTS { 0.0 } else { -self.slope() as f32 }
    }

    /// Microseconds per second.
    fn slope(&self) -> f64 {
        if self.points < Self::MIN_POINTS { 0.0 } else { self.slope_sum / self.spread.max(1e-9) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_step_does_not_bend_it() {
        let mut drift = Drift::default();
        for n in 0..30 {
            let noise = if n % 2 == 0 { 300.0 } else { -300.0 };
            drift.add(2.0 * f64::from(n), -250.0 * 2.0 * f64::from(n) + noise, 300.0);
        }
        assert!((drift.ppm() - 250.0).abs() < 10.0, "{}", drift.ppm());
        for n in 30..45 {
            drift.add(2.0 * f64::from(n), 90_000.0 - 250.0 * 2.0 * f64::from(n), 0.0);
        }
        assert!((drift.ppm() - 250.0).abs() < 1.0, "{}", drift.ppm());
    }

    #[test]
    fn little_is_not_a_line() {
        let mut drift = Drift::default();
        drift.add(2.0, 5.0, 0.0);
        drift.add(4.0, 900.0, 0.0);
        assert_eq!(drift.ppm(), 0.0);
    }
}
