//! The two passes of a tick: what everybody says, then what everybody is sent.

use std::time::Instant;

use super::follow::Stream;
use super::play::PlayTarget;
use super::seat::Output;
use super::{Event, MAX_UNGATED_SEATS, Mixer, PLAIN_BYTES};
use crate::dsp::{self, TalkChange};
use crate::time::Ptime;

impl Mixer {
    /// First pass: every seat's frame into its row, and the sums.
    pub(super) fn gather(&mut self, now: Instant) {
        let Self { seats, voices, audiences, loudness, events, config, frame, rate, .. } = self;
        let gated = config.gate && seats.len() > MAX_UNGATED_SEATS;
        let choosing = config.loudest > 0 && seats.len() > config.loudest;
        loudness.clear();
        for ((id, seat), row) in seats.rows(voices, *frame) {
            let change = seat.listen(now, row, gated, |digit| {
                events.push_back(Event::Digit(id, digit));
            });
            if !seat.taps.is_empty() {
                let said = if seat.energy() > 0 { Some(&*row) } else { None };
                seat.taps.said(said, *rate);
            }
            if let Some(change) = change {
                events.push_back(match change {
                    TalkChange::Started => Event::TalkStarted(id),
                    TalkChange::Stopped => Event::TalkStopped(id),
                });
            }
            if choosing {
                if seat.is_audible() {
                    loudness.push(seat.loudness());
                }
            } else if seat.speak(row, true) {
                audiences.add(row, seat.only_to);
            }
        }
        if choosing {
            let least = loudest(loudness, config.loudest);
            for ((_, seat), row) in seats.rows(voices, *frame) {
                let chosen = seat.loudness() >= least;
                if seat.speak(row, chosen) {
                    audiences.add(row, seat.only_to);
                }
            }
        }
    }

    /// Adds what plays to the room. Gives whether anything did.
    pub(super) fn play_room(&mut self) -> bool {
        let any = !self.room.is_empty();
        for player in &mut self.room {
            player.render(&mut self.scratch);
            self.audiences.add_play(&self.scratch);
        }
        let events = &mut self.events;
        self.room.retain(|player| match player.ended() {
            Some(end) => {
                events.push_back(Event::PlayDone(player.done(PlayTarget::Room, end)));
                false
            }
            None => true,
        });
        any
    }

    /// Second pass: every seat's packets, shared where they can be.
    pub(super) fn distribute(&mut self, room_plays: bool) {
        let Self { seats, voices, payloads, audiences, groups, mix, scratch, zeros, .. } = self;
        let (events, rate, frame, ticks) = (&mut self.events, self.rate, self.frame, self.ticks);
        let rows = voices.chunks_exact(frame).zip(payloads.chunks_exact_mut(PLAIN_BYTES));
        let mut own = 0;
        for ((id, seat), (voice, payload)) in seats.slots_mut().zip(rows) {
            let Some(seat) = seat else { continue };
            let audience = audiences.get_mut(seat.audience);
            let in_mix = seat.is_in_own_mix();
            let others = audience.talkers().saturating_sub(usize::from(in_mix));
            let hears = !seat.hear.is_shut() && (others > 0 || room_plays);
            let has_player = seat.player.is_some();
            let is_tapped = !seat.taps.is_empty();
            let alone = in_mix || has_player || is_tapped || !seat.hear.is_open();
            groups.settle(&mut seat.stream, seat.group, alone, ticks, rate);
            seat.skipped_ms = std::mem::take(&mut seat.unsent_ms);
            match &mut seat.stream {
                Stream::Starting(_) => {
                    seat.skipped_ms += Ptime::TICK.ms();
                    seat.hear.settle();
                    seat.taps.heard(None, rate);
                    continue;
                }
                Stream::Following => {
                    seat.taps.heard(None, rate);
                    continue;
                }
                Stream::Plain if !has_player && (!hears || !alone) => {
                    seat.hear.settle();
                    seat.output = if hears { Output::Shared } else { Output::Silence };
                    // Only in silence: what a tapped seat hears it does not share.
                    seat.taps.heard(None, rate);
                    if hears {
                        audience.encode_plain(seat.format.codec);
                    }
                    continue;
                }
                Stream::Own { chain, .. } if !has_player && !hears => {
                    seat.hear.settle();
                    chain.feed_silence(zeros);
                    own += usize::from(alone);
                    seat.taps.heard(None, rate);
                    continue;
                }
                Stream::Plain | Stream::Own { .. } => {}
            }
            match (hears, in_mix) {
                (true, true) => dsp::subtract(audience.sum(), voice, mix),
                (true, false) => mix.copy_from_slice(audience.mix()),
                (false, _) => mix.fill(0),
            }
            seat.hear.apply(mix);
            if let Some(player) = &mut seat.player {
                player.render(scratch);
                dsp::add_saturating(mix, scratch);
                if let Some(end) = player.ended() {
                    events.push_back(Event::PlayDone(player.done(PlayTarget::Seat(id), end)));
                    seat.player = None;
                }
            }
            seat.taps.heard(Some(mix), rate);
            if let Stream::Own { chain, .. } = &mut seat.stream {
                chain.feed(mix);
                own += usize::from(alone);
            } else {
                seat.output = Output::Own { len: seat.format.codec.encode(mix, payload) };
            }
        }
        groups.count_own(own);
        groups.feed(|audience, chain| {
            let audience = audiences.get_mut(audience);
            if audience.talkers() > 0 || room_plays {
                chain.feed(audience.mix());
            } else {
                chain.feed_silence(zeros);
            }
        });
    }
}

/// What the loudest `count` of these reach.
fn loudest(loudness: &mut [f32], count: usize) -> f32 {
    match loudness.len().checked_sub(count) {
        None | Some(0) => 0.0,
        Some(at) => *loudness.select_nth_unstable_by(at, f32::total_cmp).1,
    }
}
