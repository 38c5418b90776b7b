//! The call's visits to conferences: from the wish to enter to the last word of the room.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use time::OffsetDateTime;

use super::CallActor;
use crate::call::desk::Announcement;
use crate::call::guard::Entering;
use crate::call::{Audience, Input, JoinConference, UpdateError};
use crate::conference::actor::ConferenceActor;
use crate::conference::message::{
    ConferenceEvent, Guest, Happened, Hold, Join, Leave, Mute, SpeakOnlyTo, Tag,
};
use crate::conference::policy::{Entry, Exit, Refusal};
use crate::conference::rules::Starter;
use crate::directory::Enter;
use crate::hook::{Alert, AlertKind, BaseFields};
use crate::model::call::MemberOrder;
use crate::verb::{self, Clip, Conference, LeaveReason, RunId};

/// A visit to a conference, wished for or going on.
pub(super) struct Stay {
    run: RunId,
    room: Option<Addr<ConferenceActor>>,
    /// The call left before it knew the room's address.
    left: Option<Arc<BaseFields>>,
    /// Orders that came before the address.
    kept: Vec<Order>,
}

type Order = Box<dyn FnOnce(&CallActor, Addr<ConferenceActor>)>;

/// The address is there within moments.
const MAX_KEPT: usize = 32;

impl CallActor {
    pub(super) fn join(&mut self, mut join: JoinConference, ctx: &mut Context<Self>) {
        if let Some(status) = &mut join.status {
            status.socket = self.socket_for(&status.hook, ctx);
        }
        let Some(participant) = self.participant().cloned() else { return };
        let run = join.id;
        self.stay = Some(Stay { run, room: None, left: None, kept: Vec::new() });
        let entry = Entry {
            call: self.sid,
            moderator: join.start_on_enter,
            end_on_exit: join.end_on_exit,
            join_muted: join.join_muted.then_some(true),
            beep: join.beep.then_some(true),
            tag: join.member_tag,
            speak_only_to: join.speak_only_to,
            distribute_dtmf: join.distribute_dtmf,
            grace: join.grace,
            max_participants: join.max_participants.and_then(|n| usize::try_from(n).ok()),
        };
        let guest = Guest {
            base: Arc::new(join.base),
            participant,
            stay: ctx.address().recipient(),
            media: ctx.address().recipient(),
            run,
            socket: self.sockets.of_session(),
        };
        let account = self.state.base_fields().facts.account_sid;
        let (status, record) = (join.status.map(Arc::new), join.record_path);
        let starter = Starter { status, secret: join.webhook_secret, record };
        let (directory, name) = (self.desk.directory.clone(), join.name);
        let join = Join::new(entry, guest, starter);
        let asked = directory.send(Enter { account, name: name.clone(), join });
        self.guard.entering = Some(Entering { directory, account, name, run });
        ctx.spawn(asked.into_actor(self).map(move |found, this, ctx| match found.ok().flatten() {
            Some(room) => {
                this.room_found(run, &room);
                this.stop_if_done(ctx);
            }
            None => {
                this.stay = None;
                this.guard.entering.take_if(|entering| entering.run == run);
                this.media_failed(480, "no media thread", ctx);
                this.stop_if_done(ctx);
            }
        }));
    }

    pub(super) fn room_found(&mut self, run: RunId, room: &Addr<ConferenceActor>) {
        let call = self.sid;
        self.guard.entering.take_if(|entering| entering.run == run);
        match &mut self.stay {
            Some(stay) if stay.run == run && stay.left.is_none() => {
                stay.room = Some(room.clone());
                self.guard.room = Some(room.clone());
                for order in std::mem::take(&mut stay.kept) {
                    order(self, room.clone());
                }
            }
            // Gone in the meantime: the room learns it right after it learned of the arrival.
            Some(stay) if stay.run == run => {
                room.do_send(Leave {
                    call,
                    exit: Exit::Left,
                    run: Some(run),
                    base: stay.left.take(),
                });
                self.stay = None;
            }
            _ => room.do_send(Leave { call, exit: Exit::Left, run: Some(run), base: None }),
        }
    }

    pub(super) fn leave(&mut self, run: RunId, base: BaseFields) {
        let Some(stay) = self.stay.as_mut().filter(|stay| stay.run == run) else { return };
        let base = Some(Arc::new(base));
        match stay.room.take() {
            Some(room) => {
                room.do_send(Leave { call: self.sid, exit: Exit::Left, run: Some(run), base });
                self.stay = None;
                self.guard.room = None;
            }
            None => stay.left = base,
        }
    }

    /// Carries an order about this call to its room.
    pub(super) fn order_member(&mut self, run: RunId, order: MemberOrder) {
        let call = self.sid;
        match order {
            MemberOrder::Mute(muted) => self.tell_room(run, Mute { call, muted }),
            MemberOrder::Hold { wait_hook } => {
                self.tell_room(run, Hold { call, held: true, wait_hook });
            }
            MemberOrder::Unhold => self.tell_room(run, Hold { call, held: false, wait_hook: None }),
            MemberOrder::Tag(tag) => self.tell_room(run, Tag { call, tag }),
            MemberOrder::SpeakOnlyTo(tag) => self.tell_room(run, SpeakOnlyTo { call, tag }),
            MemberOrder::Kick => {
                let leave = Leave { call, exit: Exit::Kicked, run: Some(run), base: None };
                self.tell_room(run, leave);
            }
        }
    }

    /// Has something heard in this call's room, by all or by this call alone.
    pub(super) fn announce(&mut self, run: RunId, clips: Vec<Clip>, audience: Audience) {
        self.with_room(run, move |this, room| {
            let account = this.state.base_fields().facts.account_sid;
            let call = Some(this.sid);
            let announcement = Announcement { account, room, call, clips, audience };
            if let Err(too_many) = this.desk.announce(announcement) {
                this.not_obeyed(too_many.to_string());
            }
        });
    }

    pub(super) fn tell_room<M>(&mut self, run: RunId, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        ConferenceActor: Handler<M>,
    {
        self.with_room(run, |_, room| room.do_send(message));
    }

    /// Obeys an order at once, or when the room's address is there.
    fn with_room(
        &mut self,
        run: RunId,
        order: impl FnOnce(&Self, Addr<ConferenceActor>) + 'static,
    ) {
        let Some(stay) = self.stay.as_mut().filter(|stay| stay.run == run) else { return };
        match stay.room.clone() {
            Some(room) => order(self, room),
            None if stay.kept.len() < MAX_KEPT => stay.kept.push(Box::new(order)),
            None => self.not_obeyed("too many orders before the conference was entered".into()),
        }
    }

    fn not_obeyed(&self, why: String) {
        let alert = Alert::new(AlertKind::ErrorUpdatingCall, why);
        self.desk.alert(self.state.base_fields(), alert);
    }
}

/// Leave whatever is running and enter that conference; nothing follows but what its action hook says.
#[derive(Message)]
#[rtype(result = "Result<(), UpdateError>")]
pub struct EnterRoom(pub Box<Conference>);

impl Handler<EnterRoom> for CallActor {
    type Result = Result<(), UpdateError>;

    fn handle(&mut self, EnterRoom(room): EnterRoom, ctx: &mut Context<Self>) -> Self::Result {
        let mut effects = Vec::new();
        let (now, wall) = (Instant::now(), OffsetDateTime::now_utc());
        let entered = self.state.enter_room(now, wall, *room, &mut effects);
        self.carry_out(effects, ctx);
        entered
    }
}

impl Handler<ConferenceEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: ConferenceEvent, ctx: &mut Context<Self>) {
        let Some(stay) = &self.stay else { return };
        let id = stay.run;
        let event = match event.happened {
            _ if event.run != id => return,
            Happened::Waiting { wait_hook } => verb::ConferenceEvent::Waiting { wait_hook },
            Happened::Held { held, wait_hook } => verb::ConferenceEvent::Held { held, wait_hook },
            Happened::Joined => {
                tracing::info!(call_sid = %self.sid, "call is in the conference");
                verb::ConferenceEvent::Joined
            }
            Happened::Refused(why) => {
                self.stay = None;
                verb::ConferenceEvent::Refused(match why {
                    Refusal::Full => verb::Refusal::Full,
                    Refusal::Locked => verb::Refusal::Locked,
                    Refusal::AlreadyIn => verb::Refusal::AlreadyIn,
                })
            }
            Happened::Left(exit) => {
                tracing::info!(call_sid = %self.sid, ?exit, "call has left the conference");
                self.stay = None;
                self.guard.room = None;
                verb::ConferenceEvent::Left(match exit {
                    Exit::Kicked => LeaveReason::Kicked,
                    Exit::Left => LeaveReason::Left,
                    Exit::Ended => LeaveReason::Ended,
                })
            }
        };
        self.input(Input::Conference { id, event }, ctx);
    }
}
