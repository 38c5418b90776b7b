//! When to play faster, when slower: keeps the delay within a band above what the network asks for.
//!
//! The band is wider than any one piece that is cut or put in, so that the delay settles; drift walks
//! through it in minutes. Below it audio is stretched at once, because the next packet may come too
//! late; above it audio is compressed only after half a second, because the packet may just be early.

/// What to do with the frame that is about to be played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    Keep,
    /// Put in about so much, if the audio is at least that like itself.
    Expand {
        us: i32,
        likeness: f32,
    },
    /// Leave out about so much, if the audio is at least that like itself.
    Compress {
        us: i32,
        likeness: f32,
    },
}

/// See the module text. Looks at the delay every 80 ms, which also limits how fast speech changes.
#[derive(Debug, Default)]
pub(super) struct Control {
    ticks: u8,
    /// Looks for which the delay has been above the band.
    above: u32,
    /// Looks for which it has been below.
    below: u32,
    /// Going back to the middle of the band.
    shrinking: bool,
}

impl Control {
    /// Half-way up the band compressing ends.
    const MIDDLE_US: i32 = 12_000;
    const TOP_US: i32 = 22_000;
    const BOTTOM_US: i32 = -1_000;
    /// Ticks from one look to the next.
    const PERIOD: u8 = 4;
    /// Looks for which the delay has to be above the band: half a second.
    const PATIENCE: u32 = 6;
    /// Looks after which less likeness will do, and after which anything does: 2 and 10 seconds.
    const LONGING: u32 = 25;
    const DESPAIR: u32 = 125;

    /// Whether this tick is one to ask for a wish.
    pub(super) fn is_due(&mut self) -> bool {
        self.ticks = self.ticks.wrapping_add(1);
        self.ticks.is_multiple_of(Self::PERIOD)
    }

    /// `excess_us` is how much longer than it should audio waits.
    pub(super) fn wish(&mut self, excess_us: i32) -> Wish {
        let limit = if self.shrinking { Self::MIDDLE_US } else { Self::TOP_US };
        if excess_us > limit {
            self.below = 0;
            self.above += 1;
            if self.above >= Self::PATIENCE {
                self.shrinking = true;
                let likeness = likeness(self.above - Self::PATIENCE, excess_us);
                return Wish::Compress { us: excess_us, likeness };
            }
            return Wish::Keep;
        }
        (self.above, self.shrinking) = (0, false);
        if excess_us >= Self::BOTTOM_US {
            self.below = 0;
            return Wish::Keep;
        }
        self.below += 1;
        let likeness = likeness(self.below, -excess_us);
        Wish::Expand { us: -excess_us, likeness }
    }
}

/// How alike audio has to be: less the longer one has waited and the more there is to do.
fn likeness(waited: u32, off_us: i32) -> f32 {
    match waited {
        Control::DESPAIR.. => -1.0,
        Control::LONGING.. => 0.5,
        _ if off_us > 40_000 => 0.7,
        _ => 0.9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_the_band_nothing_happens() {
        let mut control = Control::default();
        for us in [-1_000, 0, 12_000, 22_000] {
            assert_eq!(control.wish(us), Wish::Keep);
        }
    }

    #[test]
    fn too_little_is_mended_at_once_and_too_much_after_half_a_second() {
        let mut control = Control::default();
        assert_eq!(control.wish(-2_000), Wish::Expand { us: 2_000, likeness: 0.9 });
        let mut control = Control::default();
        for _ in 1..Control::PATIENCE {
            assert_eq!(control.wish(30_000), Wish::Keep);
        }
        assert_eq!(control.wish(30_000), Wish::Compress { us: 30_000, likeness: 0.9 });
        assert!(matches!(control.wish(20_000), Wish::Compress { .. }));
        assert_eq!(control.wish(12_000), Wish::Keep);
        assert_eq!(control.wish(20_000), Wish::Keep);
    }

    #[test]
    fn one_tick_in_four_is_looked_at() {
        let mut control = Control::default();
        assert_eq!((0..1_024).filter(|_| control.is_due()).count(), 256);
    }

    #[test]
    fn after_ten_seconds_anything_will_do() {
        let mut control = Control::default();
        let last = (0..140).map(|_| control.wish(60_000)).last();
        assert_eq!(last, Some(Wish::Compress { us: 60_000, likeness: -1.0 }));
    }
}
