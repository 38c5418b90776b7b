//! Lines come to the room, and what concerns one line alone.

use actix::prelude::*;

use super::ConferenceActor;
use crate::floor::message::{
    PlayToMember, Renegotiated, SeatLine, SendMemberDigits, StopMemberPlay,
};
use crate::floor::{Arrival, NoSeat};
use crate::model::CallSid;
use crate::participant::message::TakeBack;

impl ConferenceActor {
    /// Has the floor hear the member, and it the floor, as the policy has it.
    pub(super) fn arrange(&mut self, call: CallSid) {
        if let Some(member) = self.policy.member(call) {
            self.floor.mute(call, !member.is_heard());
            self.floor.deafen(call, member.held);
        }
    }

    /// The same of the tag it wears and the one it speaks to.
    pub(super) fn retag(&mut self, call: CallSid) {
        let Some(member) = self.policy.member(call) else { return };
        let (wears, speaks_to) = (member.tag.as_deref(), member.speak_only_to.as_deref());
        if wears.is_none() && speaks_to.is_none() && self.tags.is_empty() {
            return;
        }
        let members = self.policy.joined();
        let tag = wears.map(|tag| self.tags.number(tag, members));
        let only_to = speaks_to.map(|tag| self.tags.number(tag, members));
        self.floor.set_tag(call, tag);
        self.floor.speak_only_to(call, only_to);
    }

    fn cannot_encode(&mut self, call: CallSid, error: &media::Error, ctx: &mut Context<Self>) {
        tracing::error!(call_sid = %call, %error, "no encoder for a member");
        self.eject(call, ctx);
    }
}

impl Handler<SeatLine> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, arrived: SeatLine, ctx: &mut Context<Self>) {
        let Some(mut arrived) = self.here(arrived) else { return };
        let call = arrived.call;
        let member = self.policy.member(call);
        // A call that left while its line was on the way gets it back when `arrived` is dropped.
        let (Some(member), Some(inside)) = (member, self.guests.get(&call)) else { return };
        let Some((line, format)) = arrived.take() else { return };
        let (media, muted, deaf) = (inside.guest.media.clone(), !member.is_heard(), member.held);
        let relayed = member.distribute_dtmf;
        match self.floor.seat(Arrival { call, line, format, media, muted, deaf }) {
            Ok(()) => {
                self.floor.relay_digits(call, relayed);
                self.retag(call);
                self.tick_on(ctx);
            }
            Err(NoSeat { line, error }) => {
                inside.guest.participant.do_send(TakeBack(line));
                self.cannot_encode(call, &error, ctx);
            }
        }
    }
}

impl Handler<Renegotiated> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, news: Renegotiated, ctx: &mut Context<Self>) {
        let Some(Renegotiated { call, agreed }) = self.here(news) else { return };
        if let Err(error) = self.floor.renegotiate(call, &agreed) {
            self.cannot_encode(call, &error, ctx);
        }
    }
}

impl Handler<PlayToMember> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: PlayToMember, _: &mut Context<Self>) {
        let Some(mut order) = self.here(order) else { return };
        let call = order.call;
        if self.policy.member(call).is_some()
            && let Some((play, told)) = order.take()
        {
            self.floor.play(call, play, told);
        }
    }
}

impl Handler<StopMemberPlay> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: StopMemberPlay, _: &mut Context<Self>) {
        if let Some(StopMemberPlay { call, id }) = self.here(order) {
            self.floor.stop_play(call, id);
        }
    }
}

impl Handler<SendMemberDigits> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: SendMemberDigits, _: &mut Context<Self>) {
        if let Some(SendMemberDigits { call, digits }) = self.here(order) {
            self.floor.send_digits(call, &digits);
        }
    }
}
