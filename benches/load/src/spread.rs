//! Many values as a few: percentiles of a list, and of a histogram that takes millions.

use std::time::Duration;

use serde::Serialize;

/// Median, high percentiles and worst of a set of values.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (sorted.len() as f64 * part) as usize;
            round(sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0))
        };
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// Counts of durations by the microsecond; longer ones than it has room for fall into the last.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    max: Duration,
}

/// 200 ms: what is longer is a gap, which is counted elsewhere.
const BUCKETS: usize = 200_000;

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: Duration::ZERO }
    }

    pub(crate) fn add(&mut self, value: Duration) {
        let bucket = (value.as_micros() as usize).min(BUCKETS - 1);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.max) = (0, Duration::ZERO);
    }

    /// In milliseconds.
    pub(crate) fn spread(&self) -> Spread {
        let at = |part: f64| {
            let mut left = (self.count as f64 * part) as u64;
            let bucket = self.buckets.iter().position(|&n| {
                let here = left < u64::from(n);
                left = left.saturating_sub(n.into());
                here
            });
            round3(bucket.unwrap_or(0) as f64 / 1_000.0)
        };
        Spread { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: round3(millis(self.max)) }
    }
}

/// The middle one, so that a single glitch does not decide.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Two decimals: more would only be noise in the document.
pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Microseconds of a figure in milliseconds.
pub(crate) fn round3(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_agrees_with_the_list_of_its_values() {
        let mut histogram = Histogram::new();
        for us in (0..10_000).rev() {
            histogram.add(Duration::from_micros(us));
        }
        histogram.add(Duration::from_secs(3));
        let spread = histogram.spread();
        assert_eq!((spread.p50, spread.p99, spread.p999), (5.0, 9.9, 9.99));
        assert_eq!(spread.max, 3_000.0);
        histogram.clear();
        assert_eq!(histogram.spread().max, 0.0);
    }
}
