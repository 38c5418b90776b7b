//! The rate a mixer works at: the highest that two of its seats share.
//!
//! A rate that one seat alone can use would be paid by all and heard by nobody: what that seat says,
//! the others cannot play, and what they say has nothing up there.

use crate::time::SampleRate;

/// The rates mixed at. A seat's own rate counts as the next of these above it.
pub(super) const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

/// How many seats can use each rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    seats: [usize; RATES.len()],
}

impl Wishes {
    pub(super) fn add(&mut self, rate: SampleRate) {
        self.seats[class(rate)] += 1;
    }

    pub(super) fn remove(&mut self, rate: SampleRate) {
        self.seats[class(rate)] -= 1;
    }

    /// The rate to mix at, at most `max`; `None` while there is nobody to ask. A single seat gets its
    /// own, for what is played to it.
    pub(super) fn rate(&self, max: SampleRate) -> Option<SampleRate> {
        let total: usize = self.seats.iter().sum();
        let needed = total.min(2);
        let mut able = 0;
        for (rate, seats) in RATES.into_iter().zip(self.seats).rev() {
            able += seats;
            if needed > 0 && able >= needed {
                return Some(rate.min(RATES[class(max)]));
            }
        }
        None
    }
}

fn class(rate: SampleRate) -> usize {
    RATES.iter().position(|&mixed| rate <= mixed).unwrap_or(RATES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_highest_seat_decides() {
        let (narrow, wide, full) = (SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL);
        let rows: [(&[SampleRate], Option<SampleRate>); 8] = [
            (&[], None),
            (&[narrow], Some(narrow)),
            (&[full], Some(full)),
            (&[full, narrow], Some(narrow)),
            (&[full, wide, narrow], Some(wide)),
            (&[full, full, narrow, narrow], Some(full)),
            (&[wide, narrow, narrow], Some(narrow)),
            (&[full, wide, wide], Some(wide)),
        ];
        for (seats, expected) in rows {
            let mut wishes = Wishes::default();
            seats.iter().for_each(|&rate| wishes.add(rate));
            assert_eq!(wishes.rate(full), expected, "{seats:?}");
            if let Some(expected) = expected {
                assert_eq!(wishes.rate(wide), Some(expected.min(wide)), "{seats:?}");
            }
            seats.iter().for_each(|&rate| wishes.remove(rate));
            assert_eq!(wishes, Wishes::default());
        }
    }

    #[test]
    fn rates_between_count_as_the_next_above() {
        let mut wishes = Wishes::default();
        for hz in [12_000, 24_000] {
            wishes.add(SampleRate::new(hz).unwrap());
        }
        assert_eq!(wishes.rate(SampleRate::FULL), Some(SampleRate::WIDE));
    }
}
