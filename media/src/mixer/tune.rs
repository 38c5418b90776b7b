//! What changes a mixer as a whole, between ticks: its rate, and who hears whom.

use super::audience::Tag;
use super::chain::{self, Chain};
use super::follow::{Stream, is_plain};
use super::{Mixer, SeatId};
use crate::codec::SendFormat;
use crate::dsp::{self, Resampler};
use crate::error::Error;
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
        let (before, frame) = (self.rate, tick_samples(rate));
        let ended: Vec<i16> = self.seats.ids().map(|id| self.last_plain_sample(id)).collect();
        // What was heard last, at the new rate: it warms filters and encoders.
        let convert = |pcm: &[i16]| {
            let mut converted = vec![0; frame];
            if let Some(mut resampler) = Resampler::new(before, rate) {
                resampler.process(pcm, &mut converted);
            }
            converted
        };
        let mut voices = vec![0; self.seats.slots() * frame];
        let rows = self.seats.rows(&mut self.voices, self.frame);
        for ((id, _), row) in rows.filter(|((_, seat), _)| seat.talks()) {
            voices[id.slot() * frame..][..frame].copy_from_slice(&convert(row));
        }
        self.voices = voices;
        self.audiences.set_rate(frame, convert);
        (self.rate, self.frame) = (rate, frame);
        for buffer in [&mut self.mix, &mut self.scratch, &mut self.zeros] {
            buffer.clear();
            buffer.resize(frame, 0);
        }
        self.room.iter_mut().for_each(|player| player.set_rate(rate));
        let Self { seats, groups, audiences, voices, mix, .. } = self;
        groups.set_rate(rate, audiences);
        for (((_, seat), voice), ended) in seats.rows(voices, frame).zip(ended) {
            let is_alike = seat.was_sent_what_all_heard();
            seat.set_rate(rate);
            let audience = audiences.get_mut(seat.audience);
            if seat.hear.is_shut() {
                mix.fill(0);
            } else if seat.is_in_own_mix() {
                dsp::subtract(audience.sum(), voice, mix);
            } else {
                mix.copy_from_slice(audience.mix());
            }
            let stream = std::mem::replace(&mut seat.stream, Stream::Plain);
            let is_alike = is_alike && matches!(stream, Stream::Plain);
            let format = seat.format;
            let chain = || tuned(&format, before, rate, mix, ended).ok();
            seat.stream = match is_alike && groups.revive(seat.group, chain) {
                true => Stream::Following,
                false => retuned(stream, &format, before, rate, mix, ended),
            };
            if matches!(seat.stream, Stream::Following) && is_plain(&seat.format, rate) {
                // One tick more through a chain, so that the change is not heard.
                let chain = groups.copy_of(seat.group, rate);
                seat.stream = chain.map_or(Stream::Plain, |chain| Stream::Own { chain, settle: 1 });
            }
        }
    }

    /// What the last plain payload of the seat ended with; 0 if it had none.
    fn last_plain_sample(&self, id: SeatId) -> i16 {
        let mut sample = [0];
        let seat = self.seats.get(id);
        if let Some((seat, sent)) =
            seat.and_then(|seat| Some((seat, self.plain_payload(id, seat)?)))
            && let Some(last) = sent.payload.last_chunk::<1>()
        {
            seat.format.codec.decode(last, &mut sample);
        }
        sample[0]
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

/// A seat's stream after a change of the mixer's rate. `last` is what it heard in the last tick, at the
/// new rate; a plain stream has ended with the sample `ended`.
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
        Stream::Plain => tuned(format, before, rate, last, ended).map_or(Stream::Following, own),
    }
}

/// A chain that goes on from a plain stream.
fn tuned(
    format: &SendFormat,
    before: SampleRate,
    rate: SampleRate,
    last: &[i16],
    ended: i16,
) -> Result<Box<Chain>, Error> {
    let mut chain = Chain::new(*format, before)?;
    chain.go_on_from(ended);
    chain.set_rate(rate, last)?;
    Ok(Box::new(chain))
}
