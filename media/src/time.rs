//! Units of media time: packet durations, sample rates, RTP and NTP timestamps.
//!
//! Used by every other module so that no bare integer of time crosses a function border.

use std::time::Duration;

/// How much audio one packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ptime {
    /// 10 ms.
    Ms10,
    /// 20 ms: what we send.
    Ms20,
    /// 30 ms.
    Ms30,
    /// 40 ms.
    Ms40,
    /// 60 ms, the longest we take.
    Ms60,
}

impl Ptime {
    /// The duration of one mixer tick and of every packet we send.
    pub const TICK: Self = Self::Ms20;
    /// The longest packet the jitter buffer stores.
    pub const MAX: Self = Self::Ms60;

    /// Every duration we send and take.
    pub const ALL: [Self; 5] = [Self::Ms10, Self::Ms20, Self::Ms30, Self::Ms40, Self::Ms60];

    /// The duration of so many milliseconds, if it is one of ours.
    pub fn from_ms(ms: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|ptime| ptime.ms() == ms)
    }

    /// In milliseconds.
    pub const fn ms(self) -> u32 {
        match self {
            Self::Ms10 => 10,
            Self::Ms20 => 20,
            Self::Ms30 => 30,
            Self::Ms40 => 40,
            Self::Ms60 => 60,
        }
    }

    /// Whether packets of this length may end in the middle of a tick.
    pub const fn splits_ticks(self) -> bool {
        !self.ms().is_multiple_of(Self::TICK.ms())
    }

    /// As a [`Duration`].
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.ms() as u64)
    }
}

/// Samples per second of PCM audio, 4,000 to 192,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// Telephone band, 8 kHz.
    pub const NARROW: Self = Self(8_000);
    /// Wide band, 16 kHz.
    pub const WIDE: Self = Self(16_000);
    /// Full band, 48 kHz.
    pub const FULL: Self = Self(48_000);

    /// A rate in the supported range, or `None`.
    pub const fn new(hz: u32) -> Option<Self> {
        if hz >= 4_000 && hz <= 192_000 { Some(Self(hz)) } else { None }
    }

    /// In hertz.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// Samples in one packet duration.
    pub const fn samples(self, ptime: Ptime) -> usize {
        (self.0 as usize * ptime.ms() as usize) / 1_000
    }

    /// Samples in `duration`, rounded down, saturating.
    pub const fn samples_in(self, duration: Duration) -> u64 {
        let whole = duration.as_secs().saturating_mul(self.0 as u64);
        let part = duration.subsec_nanos() as u64 * self.0 as u64 / 1_000_000_000;
        whole.saturating_add(part)
    }

    /// How long `samples` last.
    pub const fn duration_of(self, samples: u64) -> Duration {
        let hz = self.0 as u64;
        Duration::new(samples / hz, (samples % hz * 1_000_000_000 / hz) as u32)
    }
}

/// An RTP media timestamp (RFC 3550 §5.1): counts samples and wraps at 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// `samples` later.
    #[must_use]
    pub const fn plus(self, samples: u32) -> Self {
        Self(self.0.wrapping_add(samples))
    }

    /// Signed distance from `earlier` to here; negative when this lies before it.
    /// Meaningful while the two are less than 2^31 apart.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// An NTP timestamp (RFC 3550 §4): seconds since 1900 in 32.32 fixed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from 1900-01-01 to 1970-01-01.
    const UNIX_EPOCH_S: u64 = 2_208_988_800;

    /// From the time since the Unix epoch, as the server's wall clock gives it.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(Self::UNIX_EPOCH_S) & 0xffff_ffff;
        let fraction = ((since_epoch.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self((seconds << 32) | fraction)
    }

    /// The middle 32 bits, as LSR and DLSR use them: 1/65,536 s, wrapping.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// `later` after this instant.
    #[must_use]
    pub const fn plus(self, later: Duration) -> Self {
        let fraction = ((later.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add(later.as_secs() << 32).wrapping_add(fraction))
    }
}

/// One step of splitmix64: spreads seeds given by the caller where a little randomness is needed.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_time_distance_survives_the_wrap() {
        assert_eq!(RtpTime(5).since(RtpTime(u32::MAX - 4)), 10);
        assert_eq!(RtpTime(u32::MAX - 4).since(RtpTime(5)), -10);
        assert_eq!(RtpTime(u32::MAX).plus(1), RtpTime(0));
    }

    #[test]
    fn ntp_counts_from_1900_in_fixed_point() {
        let ntp = NtpTime::from_unix(Duration::from_millis(1_500));
        assert_eq!(ntp.0 >> 32, NtpTime::UNIX_EPOCH_S + 1);
        assert_eq!(ntp.0 as u32, 1 << 31);
        assert_eq!(ntp.plus(Duration::from_millis(500)).0 as u32, 0);
    }

    #[test]
    fn samples_and_durations_agree() {
        let rate = SampleRate::NARROW;
        assert_eq!(rate.samples(Ptime::TICK), 160);
        assert_eq!(rate.samples_in(Duration::from_millis(1_020)), 8_160);
        assert_eq!(rate.duration_of(8_160), Duration::from_millis(1_020));
        assert_eq!(SampleRate::new(3_999), None);
        assert_eq!(SampleRate::new(192_001), None);
    }
}
