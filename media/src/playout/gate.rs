//! What need not be decoded, because nobody would hear it.
//!
//! A packet is passed over if its sender measured it as inaudible, or if it is Opus that its own
//! encoder takes for background and the last such frames decoded were in fact quiet. Encoders take a
//! steady tone or music for background too: therefore every eighth of those is decoded to see.
//!
//! The last packets passed over are kept, so that the decoder can be brought up to date when audio
//! comes that is to be heard from its first frame on.

use crate::codec::CodecKind;
use crate::jitter::Sound;

/// See the module text.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Background packets in a row that were decoded and found quiet.
    quiet: u8,
    /// Packets passed over since the last decoded one.
    passed: u8,
    kept: Box<[Kept]>,
    /// How many of them are filled, oldest first.
    len: usize,
}

#[derive(Debug, Clone)]
struct Kept {
    payload: [u8; Gate::MAX_KEPT_BYTES],
    len: u16,
    units: u16,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Decode,
    /// Decode it and play it only if it turns out to be loud.
    Probe,
    /// Play silence.
    Pass,
}

impl Gate {
    /// Background below this is not worth decoding.
    pub(super) const QUIET_DBFS: f32 = -50.0;
    /// So many quiet frames must have been heard before any is passed over.
    const ENOUGH: u8 = 10;
    /// One in so many is decoded all the same.
    const PROBE: u8 = 8;
    /// The longest packet kept: 24 kb/s makes 60 bytes.
    const MAX_KEPT_BYTES: usize = 320;

    /// For a stream of this codec.
    pub(super) fn new(codec: CodecKind) -> Self {
        let none = Kept { payload: [0; Self::MAX_KEPT_BYTES], len: 0, units: 0 };
        let kept = match codec {
            // Its predictors take 100 ms to find a tone, and decoding costs little.
            CodecKind::G722 => 4,
            _ if codec.is_stateless() => 0,
            // CELT foretells energies from the frame before, and what is wrong in them halves with each
            // (RFC 6716 §4.3.2.1): three leave less than 1.5 dB. SILK needs one.
            _ => 3,
        };
        Self { kept: vec![none; kept].into(), ..Self::default() }
    }

    pub(super) fn judge(&self, sound: Sound) -> Verdict {
        match sound {
            Sound::Audible => Verdict::Decode,
            Sound::Hushed | Sound::Silent | Sound::Pause => Verdict::Pass,
            Sound::Background if self.quiet < Self::ENOUGH => Verdict::Decode,
            Sound::Background if self.passed + 1 < Self::PROBE => Verdict::Pass,
            Sound::Background => Verdict::Probe,
        }
    }

    /// Whether nothing would be missed if what comes next were lost.
    pub(super) fn is_quiet(&self) -> bool {
        self.passed > 0 || self.quiet >= Self::ENOUGH
    }

    /// A packet was decoded; `is_quiet` if it was background and in fact quiet.
    pub(super) fn on_decoded(&mut self, is_quiet: bool) {
        self.passed = 0;
        self.quiet = if is_quiet { (self.quiet + 1).min(Self::ENOUGH) } else { 0 };
    }

    /// A packet was passed over.
    pub(super) fn on_passed(&mut self, payload: &[u8], units: u32) {
        self.passed = (self.passed + 1).min(Self::PROBE);
        if self.len == self.kept.len() {
            self.kept.rotate_left(1.min(self.len));
            self.len = self.len.saturating_sub(1);
        }
        let Some(kept) = self.kept.get_mut(self.len) else { return };
        match kept.payload.get_mut(..payload.len()) {
            Some(place) => place.copy_from_slice(payload),
            // Too long to be kept: those before it would be no preparation either.
            None => {
                self.len = 0;
                return;
            }
        }
        (kept.len, kept.units) = (payload.len() as u16, units as u16);
        self.len += 1;
    }

    /// The packets to decode, unheard, before the next one: payload and clock units. Forgets them.
    pub(super) fn take_kept(&mut self) -> impl Iterator<Item = (&[u8], u32)> {
        let len = std::mem::take(&mut self.len);
        self.kept[..len]
            .iter()
            .map(|kept| (&kept.payload[..usize::from(kept.len)], u32::from(kept.units)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_is_passed_over_once_it_was_quiet_for_long_and_probed_then() {
        let mut gate = Gate::new(CodecKind::Opus);
        for _ in 0..Gate::ENOUGH {
            assert_eq!(gate.judge(Sound::Background), Verdict::Decode);
            gate.on_decoded(true);
        }
        for _ in 0..3 {
            for _ in 1..Gate::PROBE {
                assert_eq!(gate.judge(Sound::Background), Verdict::Pass);
                gate.on_passed(&[1], 960);
            }
            assert_eq!(gate.judge(Sound::Background), Verdict::Probe);
            gate.on_decoded(true);
        }
        gate.on_decoded(false);
        assert_eq!(gate.judge(Sound::Background), Verdict::Decode);
    }

    #[test]
    fn the_last_three_packets_passed_over_are_kept() {
        let mut gate = Gate::new(CodecKind::Opus);
        for n in 0..5u8 {
            gate.on_passed(&[n; 3], u32::from(n));
        }
        let kept: Vec<_> = gate.take_kept().map(|(p, units)| (p.to_vec(), units)).collect();
        assert_eq!(kept, [(vec![2; 3], 2), (vec![3; 3], 3), (vec![4; 3], 4)]);
        assert_eq!(gate.take_kept().count(), 0);
        gate.on_passed(&[1], 1);
        gate.on_passed(&[0; Gate::MAX_KEPT_BYTES + 1], 1);
        assert_eq!(gate.take_kept().count(), 0);
    }

    #[test]
    fn nothing_is_kept_for_a_codec_without_state() {
        let mut gate = Gate::new(CodecKind::Pcmu);
        gate.on_passed(&[1], 1);
        assert_eq!(gate.take_kept().count(), 0);
        assert_eq!(gate.judge(Sound::Hushed), Verdict::Pass);
        assert_eq!(gate.judge(Sound::Audible), Verdict::Decode);
    }
}
