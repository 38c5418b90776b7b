//! What changes a mixer as a whole, between ticks: its rate, and who hears whom.

use super::Mixer;
use super::audience::Tag;
use super::chain::{self, Chain};
use super::follow::{Stream, is_plain};
use crate::codec::SendFormat;
use crate::dsp::Resampler;
use crate::source::tick_samples;
use crate::time::SampleRate;

impl Mixer {
    /// Mixes at the rate the seats now want.
    pub(super) fn follow_wishes(&mut self) {
        let wanted = self.wishes.rate(self.config.max_rate).unwrap_or(self.rate);
        if wanted != self.rate {
            self.set_rate(wanted);
        }
    }

    fn set_rate(&mut self, rate: SampleRate) {
        // What was heard last, at the new rate: it warms filters and encoders.
        let mut last = vec![0; tick_samples(rate)];
        if let Some(mut resampler) = Resampler::new(self.rate, rate) {
            resampler.process(self.audiences.get_mut(0).mix(), &mut last);
        }
        let ended = self.audiences.get_mut(0).mix().last().copied().unwrap_or_default();
        let (before, frame) = (self.rate, tick_samples(rate));
        (self.rate, self.frame) = (rate, frame);
        let Self { seats, groups, .. } = self;
        groups.set_rate(rate, &last);
        for seat in seats.iter_mut() {
            seat.set_rate(rate);
            let stream = std::mem::replace(&mut seat.stream, Stream::Plain);
            seat.stream = retuned(stream, &seat.format, before, rate, &last, ended);
            if matches!(seat.stream, Stream::Following) && is_plain(&seat.format, rate) {
                // One tick more through a chain, so that the change is not heard.
                let chain = groups.copy_of(seat.group, rate);
                seat.stream = chain.map_or(Stream::Plain, |chain| Stream::Own { chain, settle: 1 });
            }
        }
        self.room.iter_mut().for_each(|player| player.set_rate(rate));
        self.audiences.set_frame(frame);
        for buffer in [&mut self.mix, &mut self.scratch, &mut self.zeros] {
            buffer.clear();
            buffer.resize(frame, 0);
        }
        self.voices.clear();
        self.voices.resize(self.seats.slots() * frame, 0);
    }

    /// Keeps a sum for each tag that somebody speaks to, and everybody in the right audience. Who
    /// stays in his own keeps his stream: in a large room a tag must not cost an encode for each seat.
    pub(super) fn follow_tags(&mut self) {
        let mut spoken_to: Vec<Tag> = self.seats.iter().filter_map(|seat| seat.only_to).collect();
        spoken_to.sort_unstable();
        spoken_to.dedup();
        let moved = self.audiences.keep_only(&spoken_to);
        let Self { seats, groups, audiences, rate, .. } = self;
        groups.follow_audiences(&moved);
        for seat in seats.iter_mut() {
            let audience = audiences.index_of(seat.tag);
            let stays = moved[seat.audience] == Some(audience);
            seat.audience = audience;
            if stays {
                continue;
            }
            let converge = chain::converges_after(seat.format.codec);
            match &mut seat.stream {
                Stream::Following => {
                    if let Some(chain) = groups.copy_of(seat.group, *rate) {
                        seat.stream = Stream::Own { chain, settle: converge };
                    }
                }
                Stream::Own { settle, .. } => *settle = converge,
                Stream::Plain | Stream::Starting(_) => {}
            }
            groups.leave(seat.group);
            seat.group = groups.join(&seat.format, audience);
        }
    }
}

/// A seat's stream after a change of the mixer's rate, whose mix has ended with the sample `ended`.
fn retuned(
    stream: Stream,
    format: &SendFormat,
    before: SampleRate,
    rate: SampleRate,
    last: &[i16],
    ended: i16,
) -> Stream {
    let settle = chain::converges_after(format.codec);
    let own = |chain: Box<Chain>| Stream::Own { chain, settle };
    match stream {
        Stream::Following => Stream::Following,
        Stream::Starting(mut chain) => match chain.set_rate(rate, last) {
            Ok(()) => Stream::Starting(chain),
            Err(_) => Stream::Following,
        },
        Stream::Own { mut chain, .. } => match chain.set_rate(rate, last) {
            Ok(()) => own(chain),
            Err(_) => Stream::Following,
        },
        Stream::Plain => {
            let tuned = Chain::new(*format, before).and_then(|mut chain| {
                chain.go_on_from(ended);
                chain.set_rate(rate, last)?;
                Ok(chain)
            });
            tuned.map_or(Stream::Following, |chain| own(Box::new(chain)))
        }
    }
}
