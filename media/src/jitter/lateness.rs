//! How late packets come, and the delay that takes: a histogram of transit times that forgets.
//!
//! The transit of a packet is its arrival minus its timestamp; how late it is, its transit over the
//! least one of the last seconds. The delay aimed at covers all but a few in a thousand of the recent
//! packets, so that it follows the network up within a second and down within half a minute. The same
//! transits give the interarrival jitter (RFC 3550 A.8) and the drift of the sender's clock.

use std::time::{Duration, Instant};

use super::JitterConfig;
use super::drift::Drift;
use crate::time::{RtpTime, SampleRate};

const BINS: usize = 64;
/// Width of a bin; all of them make 320 ms.
const BIN_US: i32 = 5_000;
/// Bin 0 ends here, so that a path without jitter asks for none.
const FIRST_BIN_US: i32 = 1_250;
/// One frame: a frame may need a packet up to that long before the packet's own time.
const FRAME_US: i32 = 20_000;

/// See the module text. Times in microseconds.
#[derive(Debug)]
pub(super) struct Lateness {
    min_us: i32,
    max_us: i32,
    clock: SampleRate,
    /// Microseconds per clock unit, times 65,536.
    unit_us: i64,
    /// Transits are counted from here: an instant and the timestamp that belongs to it.
    anchor: Option<Instant>,
    anchor_timestamp: RtpTime,
    /// Since the anchor of the first packet.
    seconds: f64,
    /// Least transit of this window and of the one before.
    least: i32,
    least_before: i32,
    last: i32,
    jitter_x16: i32,
    bins: [f32; BINS],
    /// Sum of all bins, and the last that holds anything.
    total: f32,
    top: usize,
    /// What the next packet counts; grows, so that older ones count less.
    weight: f32,
    /// Packets since the target was found.
    unseen: u8,
    /// Packets seen in all, up to 255.
    seen: u8,
    late_us: i32,
    ptime_us: i32,
    drift: Drift,
}

impl Lateness {
    /// How long a window is.
    const WINDOW_US: i32 = 2_000_000;
    /// The part of the packets that may come too late.
    const MISSED: f32 = 0.005;
    /// A packet counts as much as all before it from 300 packets (6 s) ago and more.
    const GROWTH: f32 = 1.0 + 1.0 / 300.0;
    /// Of a packet this late the timestamp is to blame, not the network.
    const MAX_LATE_US: i32 = 1_000_000;
    /// With fewer packets than this the configured start counts.
    const FEW: u8 = 100;

    pub(super) fn new(clock: SampleRate, config: JitterConfig) -> Self {
        let micros = |time: Duration| time.as_micros().min(10_000_000) as i32;
        let mut lateness = Self {
            min_us: micros(config.min),
            max_us: micros(config.max),
            clock,
            unit_us: 0,
            anchor: None,
            anchor_timestamp: RtpTime(0),
            seconds: 0.0,
            least: i32::MAX,
            least_before: i32::MAX,
            last: 0,
            jitter_x16: 0,
            bins: [0.0; BINS],
            total: 0.0,
            top: 0,
            weight: 1.0,
            unseen: 0,
            seen: 0,
            late_us: 0,
            ptime_us: FRAME_US,
            drift: Drift::default(),
        };
        lateness.set_clock(clock);
        lateness
    }

    /// Counts transits anew, from a packet whose timestamp has nothing to do with those before. What
    /// is known of the network's jitter stays.
    pub(super) fn restart(&mut self, clock: SampleRate, arrival: Instant, timestamp: RtpTime) {
        self.set_clock(clock);
        self.anchor = Some(arrival);
        self.anchor_timestamp = timestamp;
        self.seconds = 0.0;
        (self.least, self.least_before, self.last) = (0, i32::MAX, 0);
        self.drift = Drift::default();
    }

    /// Takes a packet of the running stream that plays for `units`.
    pub(super) fn on_packet(&mut self, arrival: Instant, timestamp: RtpTime, units: u32) {
        let Some(anchor) = self.anchor else { return };
        let since = micros_between(anchor, arrival);
        let transit = since.saturating_sub(self.media_us(timestamp));
        let step = (transit - self.last).abs().min(Self::MAX_LATE_US);
        self.jitter_x16 += step - ((self.jitter_x16 + 8) >> 4);
        self.last = transit;
        if transit.saturating_sub(self.base()) > Self::MAX_LATE_US {
            self.restart(self.clock, arrival, timestamp);
            return;
        }
        self.least = self.least.min(transit);
        if units > 0 {
            self.ptime_us = self.units_to_us(units as i32);
        }
        self.count(transit - self.base());
        if since >= Self::WINDOW_US {
            self.end_window(since, anchor);
        }
    }

    fn count(&mut self, late_us: i32) {
        self.seen = self.seen.saturating_add(1);
        if late_us > self.max_us {
            return; // no delay we may have would have saved it
        }
        let bin = bin_of(late_us);
        self.bins[bin] += self.weight;
        self.total += self.weight;
        self.top = self.top.max(bin);
        self.weight *= Self::GROWTH;
        self.unseen += 1;
        if self.unseen >= 16 || bin_end(bin) > self.late_us {
            self.find_target();
        }
    }

    /// Transit of something with this timestamp that happens at `now`.
    pub(super) fn transit(&self, now: Instant, timestamp: RtpTime) -> i32 {
        let Some(anchor) = self.anchor else { return 0 };
        micros_between(anchor, now).saturating_sub(self.media_us(timestamp))
    }

    fn media_us(&self, timestamp: RtpTime) -> i32 {
        self.units_to_us(timestamp.since(self.anchor_timestamp))
    }

    /// The least transit of late.
    pub(super) fn base(&self) -> i32 {
        self.least.min(self.least_before)
    }

    /// How long a packet that came at once should wait to be played.
    pub(super) fn target_us(&self) -> i32 {
        let most = (self.max_us - self.ptime_us).max(self.min_us);
        (self.late_us + FRAME_US).clamp(self.min_us, most)
    }

    /// Whether enough packets were seen to trust the target.
    pub(super) fn is_known(&self) -> bool {
        self.seen >= Self::FEW
    }

    /// Interarrival jitter (RFC 3550 A.8).
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_micros((self.jitter_x16 >> 4).max(0) as u64)
    }

    pub(super) fn drift_ppm(&self) -> f32 {
        self.drift.ppm()
    }

    fn set_clock(&mut self, clock: SampleRate) {
        self.clock = clock;
        self.unit_us = (1_000_000 << 16) / i64::from(clock.hz());
    }

    fn units_to_us(&self, units: i32) -> i32 {
        let us = (i64::from(units) * self.unit_us) >> 16;
        us.clamp(i64::from(i32::MIN / 2), i64::from(i32::MAX / 2)) as i32
    }

    fn end_window(&mut self, since_us: i32, anchor: Instant) {
        // The anchor moves along by whole seconds, which are whole units: transits stay as they are.
        let passed = (since_us / 1_000_000) as u32;
        self.anchor = Some(anchor + Duration::from_secs(u64::from(passed)));
        let units = passed.wrapping_mul(self.clock.hz());
        self.anchor_timestamp = self.anchor_timestamp.plus(units);
        self.seconds += f64::from(passed);
        let jitter = self.jitter().as_micros() as f64;
        self.drift.add(self.seconds, f64::from(self.least), jitter);
        let before = self.base();
        self.least_before = self.least;
        self.least = i32::MAX;
        let risen = (self.base().saturating_sub(before) / BIN_US).clamp(0, BINS as i32) as usize;
        if risen > 0 {
            self.shift_down(risen);
        }
        if self.weight > 1e6 {
            self.rescale();
        }
    }

    /// Counts in new units, before they overflow. What counts for nothing by now is forgotten.
    fn rescale(&mut self) {
        let scale = self.weight.recip();
        for bin in &mut self.bins {
            *bin *= scale;
            if *bin < 1e-3 {
                *bin = 0.0;
            }
        }
        self.weight = 1.0;
        self.total = self.bins.iter().sum();
        self.top = self.bins.iter().rposition(|&bin| bin > 0.0).unwrap_or(0);
    }

    /// The path has become longer by so many bins: what was late by the old measure no longer is.
    fn shift_down(&mut self, bins: usize) {
        let on_time: f32 = self.bins[..bins].iter().sum();
        self.bins.copy_within(bins.., 0);
        self.bins[BINS - bins..].fill(0.0);
        self.bins[0] += on_time;
        self.top = self.top.saturating_sub(bins);
        self.find_target();
    }

    fn find_target(&mut self) {
        self.unseen = 0;
        let mut spare = self.total * Self::MISSED;
        let covers = |weight: &f32| {
            spare -= weight;
            spare < 0.0
        };
        self.late_us = bin_end(self.bins[..=self.top].iter().rposition(covers).unwrap_or(0));
    }
}

fn bin_of(late_us: i32) -> usize {
    let above = late_us.saturating_add(BIN_US - FIRST_BIN_US).max(0);
    ((above / BIN_US) as usize).min(BINS - 1)
}

/// Of all in this bin none is later than this.
fn bin_end(bin: usize) -> i32 {
    if bin == 0 { 0 } else { FIRST_BIN_US + bin as i32 * BIN_US }
}

/// From one instant to another, whichever is first; saturating at 17 minutes.
fn micros_between(from: Instant, to: Instant) -> i32 {
    match to.checked_duration_since(from) {
        Some(time) => micros(time),
        None => -micros(from.saturating_duration_since(to)),
    }
}

fn micros(time: Duration) -> i32 {
    if time.as_secs() > 1_000 {
        return 1_000_000_000;
    }
    time.as_secs() as i32 * 1_000_000 + time.subsec_micros() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Dice, epoch};

    struct Path {
        lateness: Lateness,
        start: Instant,
        n: u32,
        dice: Dice,
    }

    impl Path {
        fn new() -> Self {
            let mut lateness = Lateness::new(SampleRate::NARROW, JitterConfig::default());
            let start = epoch();
            lateness.restart(SampleRate::NARROW, start + Duration::from_millis(10), RtpTime(0));
            Self { lateness, start, n: 0, dice: Dice::new(1) }
        }

        /// Packets that come up to `jitter_ms` late over a path of `delay_ms`.
        fn run(&mut self, packets: u32, delay_ms: f64, jitter_ms: f64, drift_ppm: f64) {
            for _ in 0..packets {
                let sent = 20.0 * f64::from(self.n) * (1.0 - drift_ppm / 1e6);
                let late = delay_ms + jitter_ms * self.dice.roll();
                let arrival = self.start + Duration::from_secs_f64((sent + late) / 1e3);
                self.lateness.on_packet(arrival, RtpTime(self.n.wrapping_mul(160)), 160);
                self.n += 1;
            }
        }

        fn target_ms(&self) -> i32 {
            self.lateness.target_us() / 1_000
        }
    }

    #[test]
    fn a_calm_path_asks_for_the_least() {
        let mut path = Path::new();
        path.run(500, 30.0, 0.5, 0.0);
        assert_eq!(path.target_ms(), 20);
    }

    #[test]
    fn jitter_is_followed_up_in_seconds_and_down_in_half_a_minute() {
        let mut path = Path::new();
        path.run(500, 10.0, 0.0, 0.0);
        for jitter in [20.0, 50.0, 100.0] {
            path.run(150, 10.0, jitter, 0.0);
            let target = f64::from(path.target_ms());
            assert!((jitter + 15.0..jitter + 28.0).contains(&target), "{jitter}: {target}");
        }
        path.run(50 * 40, 10.0, 0.0, 0.0);
        assert_eq!(path.target_ms(), 20);
    }

    #[test]
    fn a_longer_path_is_not_taken_for_jitter_for_long() {
        let mut path = Path::new();
        path.run(500, 10.0, 2.0, 0.0);
        path.run(25, 130.0, 2.0, 0.0);
        assert!(path.target_ms() > 130);
        path.run(225, 130.0, 2.0, 0.0);
        assert!(path.target_ms() < 35, "{}", path.target_ms());
    }

    #[test]
    fn the_drift_of_the_sender_is_known_after_a_minute() {
        for (ppm, jitter_ms) in [(300.0, 0.0), (-300.0, 20.0), (40.0, 100.0), (0.0, 50.0)] {
            let mut path = Path::new();
            path.run(3_000, 10.0, jitter_ms, ppm);
            let found = f64::from(path.lateness.drift_ppm());
            assert!((found - ppm).abs() < 20.0, "{ppm} ppm, {jitter_ms} ms: {found}");
        }
    }

    #[test]
    fn a_timestamp_far_off_measures_anew() {
        let mut path = Path::new();
        path.run(500, 10.0, 0.0, 0.0);
        path.start += Duration::from_secs(5); // time passes, the timestamps stand still
        path.run(200, 10.0, 0.0, 0.0);
        assert_eq!(path.target_ms(), 20);
    }

    #[test]
    fn bins_hold_what_they_say() {
        for late in [0, 1_249, 1_250, 6_249, 6_250, 100_000] {
            let end = bin_end(bin_of(late));
            assert!(late < end.max(FIRST_BIN_US) && late >= end - BIN_US, "{late}: {end}");
        }
        assert_eq!(bin_of(i32::MAX), BINS - 1);
        assert_eq!(bin_of(-5), 0);
    }
}
