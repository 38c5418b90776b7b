//! A tap: audio from the media thread to whoever records or streams it, at a fixed rate.
//!
//! The writer lives beside the mixer and is given one frame per tick, silence included; the reader
//! lives anywhere and takes what has come. Between them is a bounded ring without locks: a reader that
//! stalls loses the newest frames, and is told how many; the tick never waits and never allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::dsp::Resampler;
use crate::source::tick_samples;
use crate::time::SampleRate;

/// The two ends of a tap that gives PCM at `rate` and holds `depth` of it. Allocates `2 * rate * depth`
/// bytes.
pub fn tap(rate: SampleRate, depth: Duration) -> (TapWriter, TapReader) {
    let (writer, reader) = RingBuffer::new(rate.samples_in(depth) as usize);
    let lost = Arc::new(AtomicU64::new(0));
    let writer = TapWriter {
        rate,
        ring: writer,
        lost: lost.clone(),
        resampler: None,
        frame: vec![0; tick_samples(rate)].into_boxed_slice(),
    };
    (writer, TapReader { rate, ring: reader, lost })
}

/// The media thread's end.
#[derive(Debug)]
pub struct TapWriter {
    rate: SampleRate,
    ring: Producer<i16>,
    lost: Arc<AtomicU64>,
    /// From the mixer's rate, which may change.
    resampler: Option<(SampleRate, Resampler)>,
    frame: Box<[i16]>,
}

impl TapWriter {
    /// Takes one tick of audio of a mixer at `rate`; `None` is silence. Allocates only when the rate
    /// is another one than in the tick before. A frame that finds no room is lost and counted.
    pub fn write(&mut self, pcm: Option<&[i16]>, rate: SampleRate) {
        match pcm {
            None => self.frame.fill(0),
            Some(pcm) if rate == self.rate => self.frame.copy_from_slice(pcm),
            Some(pcm) => self.convert(pcm, rate),
        }
        if self.ring.push_entire_slice(&self.frame).is_err() {
            self.lost.fetch_add(self.frame.len() as u64, Ordering::Relaxed);
        }
    }

    /// Whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    fn convert(&mut self, pcm: &[i16], rate: SampleRate) {
        if self.resampler.as_ref().is_none_or(|(from, _)| *from != rate) {
            self.resampler = Resampler::new(rate, self.rate).map(|fresh| (rate, fresh));
        }
        match &mut self.resampler {
            Some((_, resampler)) => {
                resampler.process(pcm, &mut self.frame);
            }
            None => self.frame.fill(0),
        }
    }
}

/// The listener's end.
#[derive(Debug)]
pub struct TapReader {
    rate: SampleRate,
    ring: Consumer<i16>,
    lost: Arc<AtomicU64>,
}

impl TapReader {
    /// Samples per second of what is read.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Appends all that has come to `out`; gives how many samples that were.
    pub fn read(&mut self, out: &mut Vec<i16>) -> usize {
        let count = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(count) else { return 0 };
        let (one, two) = chunk.as_slices();
        out.extend_from_slice(one);
        out.extend_from_slice(two);
        chunk.commit_all();
        count
    }

    /// Samples lost since the beginning, because nobody read.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether the mixer has let go of the tap. What is left can still be read.
    pub fn is_over(&self) -> bool {
        self.ring.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::goertzel_dbfs;
    use crate::source::tone;

    #[test]
    fn what_is_written_comes_out_at_the_readers_rate_whatever_the_mixers() {
        let (mut writer, mut reader) = tap(SampleRate::WIDE, Duration::from_secs(2));
        let mut heard = Vec::new();
        for rate in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
            let second = tone::sine(rate, 1_000.0, -12.0, rate.hz() as usize);
            let before = heard.len();
            for frame in second.chunks(tick_samples(rate)) {
                writer.write(Some(frame), rate);
            }
            assert_eq!(reader.read(&mut heard), 16_000);
            let level = goertzel_dbfs(&heard[before + 320..], 16_000, 1_000.0);
            assert!((level + 12.0).abs() < 0.2, "{rate:?}: {level}");
        }
        writer.write(None, SampleRate::FULL);
        heard.clear();
        reader.read(&mut heard);
        assert_eq!(heard, [0; 320]);
        assert_eq!(reader.lost(), 0);
    }

    #[test]
    fn a_reader_that_stalls_loses_whole_frames_and_is_told() {
        let (mut writer, mut reader) = tap(SampleRate::NARROW, Duration::from_millis(100));
        for n in 0..8 {
            writer.write(Some(&[n; 160]), SampleRate::NARROW);
        }
        let mut heard = Vec::new();
        assert_eq!(reader.read(&mut heard), 5 * 160);
        assert_eq!(reader.lost(), 3 * 160);
        writer.write(Some(&[9; 160]), SampleRate::NARROW);
        heard.clear();
        reader.read(&mut heard);
        assert_eq!(heard, [9; 160]);
    }

    #[test]
    fn each_end_sees_that_the_other_is_gone() {
        let (writer, reader) = tap(SampleRate::NARROW, Duration::from_millis(100));
        assert!(!writer.is_abandoned() && !reader.is_over());
        drop(reader);
        assert!(writer.is_abandoned());
        let (writer, reader) = tap(SampleRate::NARROW, Duration::from_millis(100));
        drop(writer);
        assert!(reader.is_over());
    }
}
