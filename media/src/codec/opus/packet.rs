//! What an Opus packet says about itself, without decoding it (RFC 6716 §3, §4.2.3, §4.2.4).

#![warn(clippy::indexing_slicing)]

/// A packet that keeps the rules of RFC 6716 §3.4, without its self-delimiting variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    toc: Toc,
    frames: usize,
    /// All bytes of all frames; padding is cut off.
    body: &'a [u8],
    /// One entry per frame but the last, as on the wire.
    lengths: Lengths<'a>,
}

impl<'a> Packet<'a> {
    /// `None` if malformed, or longer than 120 ms.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (&first, rest) = payload.split_first()?;
        let toc = Toc(first & !3);
        let packet = match first & 3 {
            0 => Self { toc, frames: 1, body: rest, lengths: Lengths::Equal(rest.len()) },
            1 => Self::equal(toc, 2, rest)?,
            2 => Self::varied(toc, 2, rest)?,
            _ => Self::counted(toc, rest)?,
        };
        let longest = packet.frames().all(|frame| frame.len() <= MAX_FRAME_BYTES);
        (packet.units() <= MAX_UNITS && longest).then_some(packet)
    }

    /// How long it plays, in 48 kHz samples.
    pub(crate) fn units(&self) -> u32 {
        self.frames as u32 * self.toc.frame_units()
    }

    /// Mode, bandwidth and length of the frames.
    pub(super) fn toc(&self) -> Toc {
        self.toc
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { frames, mut body, mut lengths, .. } = *self;
        (0..frames).map(move |index| {
            let last = index + 1 == frames;
            let length = if last { body.len() } else { lengths.next().unwrap_or(0) };
            let (frame, rest) = body.split_at_checked(length).unwrap_or((body, &[]));
            body = rest;
            frame
        })
    }

    /// Whether the first frame carries a copy of the audio before it, at a lower rate (§4.2.4).
    pub(crate) fn has_redundancy(&self) -> bool {
        let Some(&first) = self.frames().next().and_then(<[u8]>::first) else { return false };
        self.toc.flags(first).is_some_and(|flags| flags.redundancy)
    }

    /// What the frames' own flags say.
    pub(crate) fn voice(&self) -> Voice {
        let mut all = Voice::Absent;
        for frame in self.frames() {
            // One byte is not enough for a frame: libopus takes it for DTX, too.
            let voice = match frame {
                [] | [_] => Voice::Absent,
                [first, second, ..] => match self.toc.flags(*first) {
                    Some(flags) if flags.voice => Voice::Active,
                    Some(_) => Voice::Inactive,
                    // The first symbol of CELT, "silence", has a probability of 2^-15 (§4.3): it is
                    // set if and only if the first 15 bits are.
                    None if (*first, second >> 1) == (0xff, 0x7f) => Voice::Absent,
                    None => Voice::Unknown,
                },
            };
            all = all.max(voice);
        }
        all
    }

    /// Code 1, and code 3 with equal lengths.
    fn equal(toc: Toc, frames: usize, body: &'a [u8]) -> Option<Self> {
        let whole = body.len().is_multiple_of(frames);
        let lengths = Lengths::Equal(body.len() / frames);
        whole.then_some(Self { toc, frames, body, lengths })
    }

    /// Code 2, and code 3 with a length before each frame but the last.
    fn varied(toc: Toc, frames: usize, bytes: &'a [u8]) -> Option<Self> {
        let (mut rest, mut sum) = (bytes, 0);
        for _ in 1..frames {
            let (length, behind) = split_length(rest)?;
            sum += length;
            rest = behind;
        }
        let fits = sum <= rest.len();
        fits.then_some(Self { toc, frames, body: rest, lengths: Lengths::Varied(bytes) })
    }

    /// Code 3: a byte with the count, then padding, then frames (§3.2.5).
    fn counted(toc: Toc, rest: &'a [u8]) -> Option<Self> {
        let (&head, mut rest) = rest.split_first()?;
        let frames = usize::from(head & 0x3f);
        if frames == 0 || frames as u32 * toc.frame_units() > MAX_UNITS {
            return None;
        }
        if head & 0x40 != 0 {
            let mut padding = 0;
            loop {
                let (&more, behind) = rest.split_first()?;
                rest = behind;
                padding += if more == 255 { 254 } else { usize::from(more) };
                if more != 255 {
                    break;
                }
            }
            rest = rest.get(..rest.len().checked_sub(padding)?)?;
        }
        if head & 0x80 != 0 {
            Self::varied(toc, frames, rest)
        } else {
            Self::equal(toc, frames, rest)
        }
    }
}

/// What the flags of a packet say about voice, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Voice {
    /// Nothing was coded: DTX, or CELT's silence.
    Absent,
    /// Coded as background.
    Inactive,
    /// The mode has no such flag.
    Unknown,
    /// Coded as speech.
    Active,
}

/// The first byte (§3.1), without the code in its lowest two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Toc(pub(super) u8);

impl Toc {
    const fn config(self) -> u8 {
        self.0 >> 3
    }

    pub(super) const fn mode(self) -> Mode {
        match self.config() {
            0..12 => Mode::Silk,
            12..16 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// What is encoded reaches up to half of this (table 2).
    pub(super) const fn bandwidth_hz(self) -> u32 {
        match self.config() {
            0..4 | 16..20 => 8_000,
            4..8 => 12_000,
            8..12 | 20..24 => 16_000,
            12..14 | 24..28 => 24_000,
            _ => 48_000,
        }
    }

    const fn is_stereo(self) -> bool {
        self.0 & 4 != 0
    }

    /// One frame in 48 kHz samples (table 2).
    const fn frame_units(self) -> u32 {
        match (self.mode(), self.config() & 3) {
            (Mode::Silk, 3) => 2_880,
            (Mode::Silk, step) => 480 << step,
            (Mode::Hybrid, step) => 480 << (step & 1),
            (Mode::Celt, step) => 120 << step,
        }
    }

    /// The flags at the beginning of a SILK or hybrid frame. All have a probability of one half, so
    /// that the range coder leaves them as plain bits: per channel one voice flag for each 20 ms, then
    /// the flag of redundancy (§4.2.3). Never more than eight.
    const fn flags(self, first: u8) -> Option<Flags> {
        let voices = match self.mode() {
            Mode::Celt => return None,
            _ if self.frame_units() <= 960 => 1,
            _ => self.frame_units() / 960,
        };
        let channels = if self.is_stereo() { 2 } else { 1 };
        let mut flags = Flags { voice: false, redundancy: false };
        let (mut bits, mut channel) = (first, 0);
        while channel < channels {
            flags.voice |= bits >> (8 - voices) != 0;
            bits <<= voices;
            flags.redundancy |= bits & 0x80 != 0;
            bits <<= 1;
            channel += 1;
        }
        Some(flags)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Silk,
    Hybrid,
    Celt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags {
    voice: bool,
    redundancy: bool,
}

/// Lengths of the frames, as far as they are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths<'a> {
    Equal(usize),
    Varied(&'a [u8]),
}

impl Lengths<'_> {
    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Equal(length) => Some(*length),
            Self::Varied(bytes) => {
                let (length, rest) = split_length(bytes)?;
                *bytes = rest;
                Some(length)
            }
        }
    }
}

/// The longest frame (§3.4, R2).
const MAX_FRAME_BYTES: usize = 1_275;
/// 120 ms (§3.4, R5).
const MAX_UNITS: u32 = 5_760;

/// A length of one or two bytes (§3.2.1), and what follows.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=251, rest @ ..] => Some((usize::from(*short), rest)),
        [first, second, rest @ ..] => Some((usize::from(*second) * 4 + usize::from(*first), rest)),
        _ => None,
    }
}

/// Writes a length as [`split_length`] reads it, into two bytes at least; gives the bytes written.
#[allow(clippy::indexing_slicing)] // the caller's promise
pub(super) fn write_length(length: usize, out: &mut [u8]) -> usize {
    if length < 252 {
        out[0] = length as u8;
        return 1;
    }
    out[0] = 252 + (length & 3) as u8;
    out[1] = ((length - usize::from(out[0])) / 4) as u8;
    2
}
