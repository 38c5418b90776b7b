//! How deep the jitter buffer should be: grows on late packets, comes down when nothing needs it.

use std::time::Duration;

use super::JitterConfig;
use crate::time::SampleRate;

/// How deep the buffer should be and has been, in clock units.
#[derive(Debug)]
pub(super) struct Depth {
    start: u32,
    pub(super) max: u32,
    /// One step of growing and shrinking: 20 ms.
    pub(super) step: u32,
    /// What is aimed at before a pull: grows with late packets, decays to `start`.
    pub(super) target: u32,
    /// Least left after a pull in the current window.
    spare: u32,
    /// Units played in the window.
    window: u32,
    pub(super) too_deep: bool,
    /// Units played since the last late packet.
    calm: u32,
}

impl Depth {
    /// How long the spare is watched before the delay is called too deep.
    const WINDOW: Duration = Duration::from_secs(2);
    /// How long without a late packet before the target comes down a step.
    const CALM: Duration = Duration::from_secs(10);

    pub(super) fn new(clock: SampleRate, config: JitterConfig) -> Self {
        let max = clock.samples_in(config.max) as u32;
        let start = (clock.samples_in(config.start) as u32).min(max);
        let step = clock.hz() / 50;
        Self {
            start,
            max,
            step,
            target: start,
            spare: u32::MAX,
            window: 0,
            too_deep: false,
            calm: 0,
        }
    }

    /// Grows, but once for a burst of late packets.
    pub(super) fn on_late(&mut self) {
        if self.calm >= 2 * self.step {
            self.target = (self.target + self.step).min(self.max);
        }
        self.calm = 0;
        self.begin_window();
    }

    pub(super) fn on_played(&mut self, units: u32, spare: u32, clock: SampleRate) {
        self.spare = self.spare.min(spare);
        self.window += units;
        self.calm = self.calm.saturating_add(units);
        if u64::from(self.calm) >= clock.samples_in(Self::CALM) && self.target > self.start {
            self.target = self.target.saturating_sub(self.step).max(self.start);
            self.calm = 2 * self.step;
        }
        if u64::from(self.window) >= clock.samples_in(Self::WINDOW) {
            self.too_deep = self.spare >= self.target.max(self.step);
            self.spare = u32::MAX;
            self.window = 0;
        }
    }

    pub(super) fn shrunk(&mut self) {
        self.begin_window();
    }

    fn begin_window(&mut self) {
        self.too_deep = false;
        self.spare = u32::MAX;
        self.window = 0;
    }
}
