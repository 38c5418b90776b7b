//! The audio of one seat at its codec's rate: what was played of late, and what is to be played.
//!
//! One row of samples with a place in it where playing has got to. The past is kept for concealment
//! and stretching. Silence is a number, not samples, so that silent seats touch no memory.

use crate::prefetch::prefetch;

/// See the module text.
#[derive(Debug)]
pub(super) struct Track {
    samples: Box<[i16]>,
    /// Played up to here.
    at: usize,
    /// Decoded up to here.
    end: usize,
    /// Silence to be played after `end`.
    silence: usize,
    /// What was played last was silence that is not written down.
    hushed: bool,
    /// Audio has ended: what is before `end` is silence that was written down.
    ended: bool,
    /// How many samples of the past are kept.
    past: usize,
}

impl Track {
    /// Keeps `past` samples, which have been silent.
    pub(super) fn new(past: usize) -> Self {
        let samples = vec![0; 2 * past].into_boxed_slice();
        Self { samples, at: past, end: past, silence: 0, hushed: true, ended: true, past }
    }

    /// Has on its way where the next samples are, or will be written.
    pub(super) fn prefetch(&self) {
        let ahead = self.at..(self.end + self.past / 4).min(self.samples.len());
        prefetch(&self.samples[ahead]);
    }

    /// Samples that can be played.
    pub(super) fn pending(&self) -> usize {
        self.end - self.at + self.silence
    }

    /// Whether all that can be played is silence.
    pub(super) fn is_silent(&self) -> bool {
        self.end == self.at
    }

    /// Whether there is audio to go on from at the end.
    pub(super) fn has_audio(&self) -> bool {
        self.silence == 0 && !self.ended && !(self.hushed && self.end == self.at)
    }

    /// Whether silence was played last.
    pub(super) fn is_hushed(&self) -> bool {
        self.hushed
    }

    /// Room for `count` samples after what is there; they count once [`Track::extend`] says so.
    pub(super) fn room(&mut self, count: usize) -> &mut [i16] {
        self.write_down(count);
        &mut self.samples[self.end..self.end + count]
    }

    /// The first `count` samples of the room were filled.
    pub(super) fn extend(&mut self, count: usize) {
        debug_assert!(self.silence == 0);
        self.end = (self.end + count).min(self.samples.len());
        self.ended &= count == 0;
    }

    pub(super) fn add_silence(&mut self, count: usize) {
        self.silence += count;
    }

    /// Silence was played last, of whatever length.
    pub(super) fn note_silence(&mut self) {
        self.hushed = true;
    }

    /// The next `count` samples count as played.
    pub(super) fn skip(&mut self, count: usize) {
        self.write_down(0);
        self.at = (self.at + count).min(self.end);
    }

    /// Takes back what was added last.
    pub(super) fn retract(&mut self, count: usize) {
        self.end -= count.min(self.end - self.at);
    }

    /// Drops up to `count` samples of silence that are next. Gives how many.
    pub(super) fn drop_silence(&mut self, count: usize) -> usize {
        let count = if self.end == self.at { count.min(self.silence) } else { 0 };
        self.silence -= count;
        count
    }

    /// Plays `out.len()` samples; `false` if they are silence, and `out` is then untouched. There must
    /// be as many.
    pub(super) fn read(&mut self, out: &mut [i16]) -> bool {
        let count = out.len();
        if self.end == self.at && self.silence >= count {
            self.silence -= count;
            self.hushed = true;
            return false;
        }
        if self.end - self.at < count {
            self.write_down(0);
        }
        let count = count.min(self.end - self.at);
        out[..count].copy_from_slice(&self.samples[self.at..self.at + count]);
        out[count..].fill(0);
        self.at += count;
        self.hushed = false;
        true
    }

    /// What was played last, and what is to be played: the past is as long as was asked for.
    pub(super) fn parts(&mut self) -> (&mut [i16], &mut [i16]) {
        self.write_down(0);
        let (before, rest) = self.samples.split_at_mut(self.at);
        (&mut before[self.at - self.past..], &mut rest[..self.end - self.at])
    }

    /// The newest samples, played or not: as many as are kept of the past.
    pub(super) fn newest(&mut self) -> &mut [i16] {
        self.write_down(0);
        &mut self.samples[self.end - self.past..self.end]
    }

    /// Removes the next `count` samples without playing them.
    pub(super) fn cut(&mut self, count: usize) {
        let count = count.min(self.end - self.at);
        self.samples.copy_within(self.at + count..self.end, self.at);
        self.end -= count;
    }

    /// Makes room for `count` samples before what is to be played next, and gives it, behind the past.
    pub(super) fn insert(&mut self, count: usize) -> (&mut [i16], &mut [i16]) {
        self.write_down(count);
        self.samples.copy_within(self.at..self.end, self.at + count);
        self.end += count;
        let (before, rest) = self.samples.split_at_mut(self.at);
        (&mut before[self.at - self.past..], &mut rest[..count])
    }

    /// Goes back, or ahead if `count` is negative, within what was played and what is to be played.
    pub(super) fn rewind(&mut self, count: isize) {
        self.write_down(0);
        let back = count.clamp(self.at as isize - self.end as isize, 0.max(self.at as isize));
        self.at = (self.at as isize - back) as usize;
        if self.at < self.past {
            // Older than what is kept: silence stands for it.
            let missing = self.past - self.at;
            self.reserve(missing);
            self.samples.copy_within(..self.end, missing);
            self.samples[..missing].fill(0);
            self.at += missing;
            self.end += missing;
        }
    }

    /// Writes silence down as samples, and makes sure of room for `count` more.
    fn write_down(&mut self, count: usize) {
        if self.hushed && self.end == self.at {
            self.samples[..self.past].fill(0);
            self.at = self.past;
            self.end = self.past;
            self.hushed = false;
            self.ended = true;
        }
        let silence = std::mem::take(&mut self.silence);
        self.ended |= silence > 0;
        self.reserve(silence + count);
        self.samples[self.end..self.end + silence].fill(0);
        self.end += silence;
    }

    /// Makes sure of room for `count` samples at the end. Allocates only for packets that are longer
    /// than all before.
    fn reserve(&mut self, count: usize) {
        if self.end + count <= self.samples.len() {
            return;
        }
        let oldest = self.at - self.past.min(self.at);
        let kept = self.end - oldest;
        if kept + count > self.samples.len() {
            let mut larger = vec![0; kept + count + self.past].into_boxed_slice();
            larger[..kept].copy_from_slice(&self.samples[oldest..self.end]);
            self.samples = larger;
        } else {
            self.samples.copy_within(oldest..self.end, 0);
        }
        self.at -= oldest;
        self.end -= oldest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(track: &mut Track, samples: &[i16]) {
        track.room(samples.len()).copy_from_slice(samples);
        track.extend(samples.len());
    }

    fn read(track: &mut Track, count: usize) -> Option<Vec<i16>> {
        let mut out = vec![-1; count];
        track.read(&mut out).then_some(out)
    }

    #[test]
    fn audio_and_silence_come_out_in_order() {
        let mut track = Track::new(4);
        track.add_silence(3);
        assert_eq!(read(&mut track, 2), None);
        put(&mut track, &[1, 2, 3]);
        assert_eq!(track.pending(), 4);
        assert_eq!(read(&mut track, 2), Some(vec![0, 1]));
        track.add_silence(5);
        assert_eq!(read(&mut track, 4), Some(vec![2, 3, 0, 0]));
        assert_eq!(track.parts().0, [2, 3, 0, 0]);
        assert_eq!(track.pending(), 3);
    }

    #[test]
    fn the_past_is_kept_whatever_the_length_of_packets() {
        let mut track = Track::new(4);
        let mut next = 0;
        for len in [3usize, 7, 2, 40, 1, 9, 30] {
            let packet: Vec<i16> = (next..next + len as i16).collect();
            next += len as i16;
            put(&mut track, &packet);
            read(&mut track, len).unwrap();
            let expected: Vec<i16> = (next - 4..next).map(|n| n.max(0)).collect();
            assert_eq!(track.parts().0, expected);
        }
    }

    #[test]
    fn cutting_inserting_and_going_back() {
        let mut track = Track::new(4);
        put(&mut track, &[1, 2, 3, 4, 5, 6]);
        read(&mut track, 2);
        track.cut(1);
        assert_eq!(track.parts(), (&mut [0, 0, 1, 2][..], &mut [4, 5, 6][..]));
        let (past, new) = track.insert(2);
        assert_eq!(past, [0, 0, 1, 2]);
        new.copy_from_slice(&[8, 9]);
        assert_eq!(read(&mut track, 3), Some(vec![8, 9, 4]));
        track.rewind(2);
        assert_eq!(read(&mut track, 3), Some(vec![9, 4, 5]));
        track.rewind(-1);
        assert_eq!(track.pending(), 0);
        track.rewind(100);
        assert_eq!(track.parts().0, [0; 4]);
        put(&mut track, &[7]);
        track.retract(1);
        assert_eq!(track.newest()[3], 6);
    }

    #[test]
    fn silence_that_is_next_can_be_dropped() {
        let mut track = Track::new(4);
        track.add_silence(10);
        assert_eq!(track.drop_silence(3), 3);
        assert_eq!(track.drop_silence(30), 7);
        put(&mut track, &[5]);
        track.add_silence(4);
        assert_eq!(track.drop_silence(2), 0);
    }
}
