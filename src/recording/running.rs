//! One recording under way: samples into a file, until it is told to end, or must.

use std::io::{self, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use media::SampleRate;
use media::sink::{FileFormat, FileWriter};

use super::recorder::Pause;
use super::track::{Feed, Track};
use crate::model::SoundFormat;

/// Where bytes go.
pub(super) trait Place: Write + Seek + Send {}

impl<T: Write + Seek + Send> Place for T {}

/// Why a recording cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is as long or as large as it may get.
    Limited(&'static str),
    /// The file may be shorter than what was recorded.
    Failed(io::Error),
}

/// When a recording ends by itself; zero is never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) duration: Duration,
    pub(super) bytes: u64,
}

/// How often the header is brought up to date.
const HEAD_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Running {
    place: Box<dyn Place>,
    writer: FileWriter,
    track: Track,
    rate: SampleRate,
    channels: usize,
    limits: Limits,
    bytes: u64,
    /// Of each channel, in the file or on their way there.
    samples: u64,
    head_due: Instant,
    pcm: Vec<i16>,
    out: Vec<u8>,
}

impl Running {
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a rate that the format does not take.
    pub(super) fn new(
        place: Box<dyn Place>,
        format: SoundFormat,
        rate: SampleRate,
        feed: Feed,
        limits: Limits,
        now: Instant,
    ) -> io::Result<Self> {
        let stereo = feed.right.is_some();
        let format = match format {
            SoundFormat::Wav => FileFormat::Wav,
            SoundFormat::Ogg => FileFormat::OggOpus,
        };
        let writer = FileWriter::new(format, rate, stereo, rand::random())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self {
            place,
            writer,
            track: Track::new(rate, stereo, feed, now),
            rate,
            channels: 1 + usize::from(stereo),
            limits,
            bytes: 0,
            samples: 0,
            head_due: now + HEAD_EVERY,
            pcm: Vec::new(),
            out: Vec::new(),
        })
    }

    /// Writes what has come until `now`.
    pub(super) fn poll(&mut self, now: Instant) -> Result<(), Stop> {
        let longest = self.limits.duration.as_millis();
        if longest > 0 && u128::from(self.duration_ms()) >= longest {
            return Err(Stop::Limited("max_duration"));
        }
        self.pcm.clear();
        self.track.read(now, &mut self.pcm);
        self.out.clear();
        if !self.writer.push(&self.pcm, &mut self.out) {
            return Err(Stop::Limited("4 GiB, what a WAV file can hold"));
        }
        self.write_out()?;
        self.samples += (self.pcm.len() / self.channels) as u64;
        // What the writer has counted is in the file: it is whole, and a little longer than it may be.
        if self.limits.bytes > 0 && self.bytes >= self.limits.bytes {
            return Err(Stop::Limited("max_bytes"));
        }
        if now >= self.head_due {
            self.head_due = now + HEAD_EVERY;
            self.write_head().map_err(Stop::Failed)?;
        }
        Ok(())
    }

    pub(super) fn follow(&mut self, feed: Feed) {
        self.track.follow(feed);
    }

    /// What has come by now belongs to it.
    pub(super) fn pause(&mut self, pause: Pause, now: Instant) -> Result<(), Stop> {
        self.poll(now)?;
        self.track.pause(pause, now);
        Ok(())
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.track.resume(now);
    }

    /// Writes what is still missing in the file.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        self.out.clear();
        self.writer.finish(&mut self.out);
        self.write_out()?;
        self.write_head().map_err(Stop::Failed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn duration_ms(&self) -> u64 {
        self.samples.saturating_mul(1_000) / u64::from(self.rate.hz())
    }

    fn write_out(&mut self) -> Result<(), Stop> {
        self.place.write_all(&self.out).map_err(Stop::Failed)?;
        self.bytes += self.out.len() as u64;
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        if let Some(head) = self.writer.head() {
            self.place.seek(SeekFrom::Start(0))?;
            self.place.write_all(&head)?;
            self.place.seek(SeekFrom::Start(self.bytes))?;
        }
        Ok(())
    }
}
