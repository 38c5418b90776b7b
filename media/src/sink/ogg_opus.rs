//! Ogg/Opus files (RFC 7845), as they grow: a page each second, whole from its first byte on.
//!
//! What a player finds at any moment is a valid stream but for the mark of its end, which nobody misses.
//! [`repair`] puts that on the last whole page of a file that a crash cut off.

use std::fmt;

use ogg::{PacketWriteEndInfo, PacketWriter};

use crate::codec::opus::file::FileEncoder;
use crate::error::Error;
use crate::time::{Ptime, SampleRate};

/// Granule positions count at this rate, whatever went in (RFC 7845 §4).
const GRANULE_HZ: u64 = 48_000;
const PACKETS_PER_PAGE: u32 = 50;
/// RFC 6716 §3.4, for one frame.
const MAX_PACKET_BYTES: usize = 1_276;

/// Gives the bytes of a file.
pub struct OggOpusWriter {
    encoder: FileEncoder,
    pages: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    rate: SampleRate,
    channels: u8,
    /// Interleaved, less than a frame between two calls.
    waiting: Vec<i16>,
    frame_samples: usize,
    /// Of each channel, as pushed.
    pushed: u64,
    /// At 48 kHz, of what decoders throw away at the beginning.
    pre_skip: u64,
    packets: u64,
}

impl OggOpusWriter {
    /// Of one or two channels at 8, 16, 24 or 48 kHz. `serial` names the stream, any number does.
    ///
    /// # Errors
    /// [`Error::CodecRate`] for another rate.
    pub fn new(rate: SampleRate, stereo: bool, serial: u32) -> Result<Self, Error> {
        let mut encoder = FileEncoder::new(rate, stereo)?;
        let pre_skip = u64::from(encoder.lookahead()) * GRANULE_HZ / u64::from(rate.hz());
        let channels = 1 + u8::from(stereo);
        let mut pages = PacketWriter::new(Vec::new());
        for header in [id_header(channels, pre_skip as u16, rate), comment_header()] {
            put(&mut pages, header, serial, PacketWriteEndInfo::EndPage, 0);
        }
        Ok(Self {
            encoder,
            pages,
            serial,
            rate,
            channels,
            waiting: Vec::new(),
            frame_samples: rate.samples(Ptime::Ms20),
            pushed: 0,
            pre_skip,
            packets: 0,
        })
    }

    /// Takes interleaved `pcm`, and appends to `out` the pages that are full now.
    pub fn push(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        self.pushed += (pcm.len() / usize::from(self.channels)) as u64;
        self.waiting.extend_from_slice(pcm);
        self.encode_waiting();
        out.append(self.pages.inner_mut());
    }

    /// Appends the rest of the file to `out`. Nothing can be pushed any more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let end = self.pre_skip + self.pushed * GRANULE_HZ / u64::from(self.rate.hz());
        // What the encoder still holds is pushed out by silence.
        let frame = self.frame_samples * usize::from(self.channels);
        while self.granule() + self.granule_of_frame() < end {
            self.waiting.resize(self.waiting.len().next_multiple_of(frame).max(frame), 0);
            self.encode_waiting();
        }
        self.waiting.resize(frame, 0);
        self.encode_frame(Some(end));
        out.append(self.pages.inner_mut());
    }

    fn encode_waiting(&mut self) {
        while self.waiting.len() >= self.frame_samples * usize::from(self.channels) {
            self.encode_frame(None);
        }
    }

    /// Makes a packet of the first frame; the last one carries the `end` of the stream.
    fn encode_frame(&mut self, end: Option<u64>) {
        let samples = self.frame_samples * usize::from(self.channels);
        let mut packet = [0; MAX_PACKET_BYTES];
        let bytes = self.encoder.encode(&self.waiting[..samples], &mut packet);
        self.waiting.drain(..samples);
        self.packets += 1;
        let is_page = self.packets.is_multiple_of(u64::from(PACKETS_PER_PAGE));
        let (info, granule) = match end {
            Some(end) => (PacketWriteEndInfo::EndStream, end),
            None if is_page => (PacketWriteEndInfo::EndPage, self.granule()),
            None => (PacketWriteEndInfo::NormalPacket, self.granule()),
        };
        put(&mut self.pages, packet[..bytes].to_vec(), self.serial, info, granule);
    }

    /// Where the packets made so far end.
    fn granule(&self) -> u64 {
        self.packets * self.granule_of_frame()
    }

    fn granule_of_frame(&self) -> u64 {
        GRANULE_HZ * u64::from(Ptime::Ms20.ms()) / 1_000
    }
}

impl fmt::Debug for OggOpusWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OggOpusWriter");
        shown.field("rate", &self.rate).field("channels", &self.channels).finish_non_exhaustive()
    }
}

fn put(
    pages: &mut PacketWriter<'static, Vec<u8>>,
    packet: Vec<u8>,
    serial: u32,
    info: PacketWriteEndInfo,
    granule: u64,
) {
    // Fails only where its writer does, and a vector takes everything.
    let _ = pages.write_packet(packet, serial, info, granule);
}

/// RFC 7845 §5.1.
fn id_header(channels: u8, pre_skip: u16, rate: SampleRate) -> Vec<u8> {
    let mut header = b"OpusHead".to_vec();
    header.extend([1, channels]);
    header.extend(pre_skip.to_le_bytes());
    header.extend(rate.hz().to_le_bytes());
    header.extend(0_u16.to_le_bytes()); // gain
    header.push(0); // mono or stereo, left first
    header
}

/// RFC 7845 §5.2: who made it, and no comments.
fn comment_header() -> Vec<u8> {
    const VENDOR: &[u8] = b"Trunkline";
    let mut header = b"OpusTags".to_vec();
    header.extend((VENDOR.len() as u32).to_le_bytes());
    header.extend(VENDOR);
    header.extend(0_u32.to_le_bytes());
    header
}

/// The most bytes of one page: 27, 255 lengths, 255 times 255 bytes (RFC 3533 §6).
pub const MAX_PAGE_BYTES: usize = 27 + 255 + 255 * 255;

/// What is to be done to a file that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Where its last whole page begins, counted from the beginning of what [`repair`] was given.
    pub at: usize,
    /// What that page must be. Behind it the file must end.
    pub page: Vec<u8>,
    /// How long the file plays, in milliseconds.
    pub duration_ms: u64,
}

/// Finds the last whole page in the last bytes of a file, which must be all of it or at least twice
/// [`MAX_PAGE_BYTES`], and marks it as the end. `head` is the beginning of the file, 47 bytes or more.
/// `None` if this is no file of [`OggOpusWriter`]'s, or there is no whole page in it.
pub fn repair(head: &[u8], tail: &[u8]) -> Option<Repaired> {
    const ID_HEADER_AT: usize = 28;
    let id_header = head.get(ID_HEADER_AT..)?;
    if !head.starts_with(b"OggS") || !id_header.starts_with(b"OpusHead") {
        return None;
    }
    let &[low, high] = id_header.get(10..12)? else { return None };
    let pre_skip = u64::from(u16::from_le_bytes([low, high]));
    let (at, page) = (0..tail.len())
        .rev()
        .filter(|at| tail.get(*at..).is_some_and(|rest| rest.starts_with(b"OggS")))
        .find_map(|at| Some((at, whole_page(tail.get(at..)?)?)))?;
    let mut page = page.to_vec();
    let granule = u64::from_le_bytes(*page.get(6..)?.first_chunk()?);
    *page.get_mut(5)? |= LAST_OF_STREAM;
    seal(&mut page);
    let duration_ms = granule.saturating_sub(pre_skip) * 1_000 / GRANULE_HZ;
    Some(Repaired { at, page, duration_ms })
}

/// RFC 3533 §6, header_type_flag.
const LAST_OF_STREAM: u8 = 4;
const CRC: std::ops::Range<usize> = 22..26;

/// The page that `bytes` begin with, if all of it is there and undamaged.
fn whole_page(bytes: &[u8]) -> Option<&[u8]> {
    let segments = usize::from(*bytes.get(26)?);
    let lengths = bytes.get(27..27 + segments)?;
    let body: usize = lengths.iter().map(|length| usize::from(*length)).sum();
    let page = bytes.get(..27 + segments + body)?;
    let mut sealed = page.to_vec();
    seal(&mut sealed);
    (sealed == page).then_some(page)
}

/// Writes a page's checksum into it.
fn seal(page: &mut [u8]) {
    if let Some(field) = page.get_mut(CRC) {
        field.fill(0);
    }
    let crc = crc(page);
    if let Some(field) = page.get_mut(CRC) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
}

/// RFC 3533 §6: polynomial 0x04c11db7, most significant bit first, from 0.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| match crc >> 31 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x04c1_1db7,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ogg::PacketReader;

    use super::*;
    use crate::dsp::goertzel_dbfs;
    use crate::source::tone;

    /// What a player makes of a file.
    struct Played {
        channels: Vec<Vec<i16>>,
        ended: bool,
        pages: usize,
    }

    fn play(file: &[u8], rate: SampleRate) -> Played {
        let mut reader = PacketReader::new(Cursor::new(file));
        let id = reader.read_packet_expected().unwrap();
        assert!(id.first_in_stream() && id.last_in_page());
        assert_eq!((&id.data[..8], id.data[8], id.data.len()), (&b"OpusHead"[..], 1, 19));
        let count = usize::from(id.data[9]);
        let pre_skip = u16::from_le_bytes([id.data[10], id.data[11]]);
        assert_eq!(id.data[12..16], rate.hz().to_le_bytes());
        let tags = reader.read_packet_expected().unwrap();
        assert!(tags.data.starts_with(b"OpusTags") && tags.last_in_page());
        let layout = [::opus::Channels::Mono, ::opus::Channels::Stereo][count - 1];
        let mut decoder = ::opus::Decoder::new(48_000, layout).unwrap();
        let mut pcm = Vec::new();
        let (mut ended, mut pages, mut granule) = (false, 2, 0);
        while let Some(packet) = reader.read_packet().unwrap() {
            let mut frame = vec![0; 960 * count];
            assert_eq!(decoder.decode(&packet.data, &mut frame, false).unwrap(), 960);
            pcm.extend(frame);
            pages += usize::from(packet.last_in_page());
            granule = packet.absgp_page();
            assert!(!ended, "a packet behind the end");
            ended = packet.last_in_stream();
        }
        pcm.truncate(granule as usize * count);
        pcm.drain(..usize::from(pre_skip) * count);
        let channel = |n| pcm.iter().skip(n).step_by(count).copied().collect();
        Played { channels: (0..count).map(channel).collect(), ended, pages }
    }

    #[test]
    fn what_is_written_can_be_played_and_has_its_length() {
        for (rate, stereo) in
            [(SampleRate::NARROW, false), (SampleRate::WIDE, true), (SampleRate::FULL, true)]
        {
            let samples = rate.hz() as usize * 3 + 77;
            let left = tone::sine(rate, 1_000.0, -12.0, samples);
            let right = tone::sine(rate, 440.0, -12.0, samples);
            let mut pcm = left.clone();
            if stereo {
                pcm = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
            }
            let mut writer = OggOpusWriter::new(rate, stereo, 7).unwrap();
            let mut file = Vec::new();
            for part in pcm.chunks(rate.hz() as usize / 5 * 2) {
                writer.push(part, &mut file);
            }
            writer.finish(&mut file);
            let played = play(&file, rate);
            assert!(played.ended);
            assert_eq!(played.pages, 2 + 4);
            let wanted = samples * 48_000 / rate.hz() as usize;
            for (channel, hz, other) in
                [(0, 1_000.0, 440.0), (1, 440.0, 1_000.0)].into_iter().take(1 + usize::from(stereo))
            {
                let heard = &played.channels[channel];
                assert_eq!(heard.len(), wanted, "{rate:?}");
                let level = |hz| goertzel_dbfs(&heard[4_800..], 48_000, hz);
                assert!((level(hz) + 12.0).abs() < 1.0, "{rate:?} {channel}: {}", level(hz));
                assert!(level(other) < -40.0, "{rate:?} {channel}: {}", level(other));
            }
        }
    }

    #[test]
    fn a_file_of_no_or_little_audio_is_a_file() {
        for samples in [0, 1, 160, 8_000] {
            let mut writer = OggOpusWriter::new(SampleRate::NARROW, false, 1).unwrap();
            let mut file = Vec::new();
            writer.push(&vec![0; samples], &mut file);
            writer.finish(&mut file);
            let played = play(&file, SampleRate::NARROW);
            assert!(played.ended);
            assert_eq!(played.channels[0].len(), samples * 6);
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_put_right() {
        let rate = SampleRate::WIDE;
        let mut writer = OggOpusWriter::new(rate, false, 1).unwrap();
        let mut file = Vec::new();
        writer.push(&tone::sine(rate, 1_000.0, -12.0, 5 * 16_000), &mut file);
        let whole = file.len();
        // Five pages; a sixth is cut off, or nothing is.
        let mut sixth = Vec::new();
        writer.push(&vec![0; 2 * 16_000], &mut sixth);
        for cut in [0, 1, 26, 27, 40, 60] {
            file.truncate(whole);
            file.extend_from_slice(&sixth[..cut]);
            let repaired = repair(&file, &file).unwrap();
            file.truncate(repaired.at);
            file.extend_from_slice(&repaired.page);
            assert_eq!(file.len(), whole, "{cut}");
            let played = play(&file, rate);
            assert!(played.ended);
            assert_eq!(played.channels[0].len() as u64 / 48, repaired.duration_ms);
            assert!((4_980..=5_000).contains(&repaired.duration_ms));
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        assert_eq!(repair(&[], &[]), None);
        assert_eq!(repair(b"OggS", b"OggS"), None);
        let mut file = Vec::new();
        OggOpusWriter::new(SampleRate::WIDE, false, 1).unwrap().push(&[], &mut file);
        assert!(repair(&file, &file).is_some());
        file[30] = b'x';
        assert_eq!(repair(&file, &file), None);
    }
}
