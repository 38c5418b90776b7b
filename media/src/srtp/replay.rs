//! Which packets of one stream have come already (RFC 3711 §3.3.2), and what index a packet has.

/// How far behind the highest index a packet may be: the least that RFC 3711 §3.3.2 allows, a
/// second and more of audio.
pub(super) const WINDOW: u64 = 64;

/// Half of what a sequence number counts to.
const HALF: u16 = 1 << 15;

/// The indices of one stream that are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    highest: u64,
    /// Bit n says whether `highest - n` has come.
    seen: u64,
}

impl Window {
    /// A stream that begins with this index.
    pub(super) fn starting(index: u64) -> Self {
        Self { highest: index, seen: 1 }
    }

    /// The index a sequence number most likely stands for: the nearest to the highest one
    /// (RFC 3711 §3.3.1). `None` if it lies before the beginning.
    pub(super) fn guess(&self, seq: u16) -> Option<u64> {
        let (roc, last) = (self.highest >> 16, self.highest as u16);
        let roc = if last < HALF && seq > last + HALF {
            roc.checked_sub(1)?
        } else if last >= HALF && seq < last - HALF {
            roc + 1
        } else {
            roc
        };
        Some((roc << 16) | u64::from(seq))
    }

    /// Whether a packet of this index is neither known nor too old.
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(age) => age < WINDOW && self.seen & (1 << age) == 0,
        }
    }

    /// Remembers a packet that was found authentic.
    pub(super) fn insert(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.highest) {
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 };
            self.highest = index;
        }
        let age = self.highest - index;
        if age < WINDOW {
            self.seen |= 1 << age;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_index_is_meant() {
        let guess = |highest, seq| Window::starting(highest).guess(seq);
        for (highest, seq, expected) in [
            (0, 0, Some(0)),
            (100, 99, Some(99)),
            (100, 32_868, Some(32_868)),
            (100, 32_869, None),
            (100, 65_535, None),
            (0x1_0064, 65_535, Some(0xffff)),
            (65_535, 0, Some(0x1_0000)),
            (65_535, 32_767, Some(32_767)),
            (65_535, 32_766, Some(0x1_7ffe)),
            (0x7_ffff, 3, Some(0x8_0003)),
            (0x8_0003, 0xfffe, Some(0x7_fffe)),
            (40_000, 7_232, Some(7_232)),
            (40_000, 7_231, Some(0x1_0000 + 7_231)),
        ] {
            assert_eq!(guess(highest, seq), expected, "{highest} {seq}");
        }
    }

    #[test]
    fn each_packet_counts_once_and_old_ones_never() {
        let mut window = Window::starting(1_000);
        assert!(!window.is_fresh(1_000) && window.is_fresh(999) && window.is_fresh(937));
        assert!(!window.is_fresh(936));
        window.insert(999);
        assert!(!window.is_fresh(999));
        window.insert(1_063);
        assert!(!window.is_fresh(1_000) && !window.is_fresh(999) && window.is_fresh(1_001));
        window.insert(u64::MAX >> 16);
        assert!(!window.is_fresh(1_063) && !window.is_fresh(u64::MAX >> 16));
    }

    proptest! {
        /// Against a plain list of what has come.
        #[test]
        fn a_window_is_a_set_with_a_horizon(steps in prop::collection::vec(0i64..200, 1..300)) {
            let (mut window, mut known) = (Window::starting(5_000), vec![5_000u64]);
            for step in steps {
                let highest = *known.iter().max().unwrap();
                let index = highest.saturating_add_signed(step - 100);
                let expected = !known.contains(&index) && index + WINDOW > highest;
                prop_assert_eq!(window.is_fresh(index), expected);
                if expected {
                    window.insert(index);
                    known.push(index);
                }
            }
        }
    }
}
