//! A call's visit to a bridge, where it talks with one other call.
//!
//! One of the two opens the bridge ([`CallActor::open_bridge`]: `dial`'s call, an agent's), the other
//! is given its address and enters ([`CallActor::enter_bridge`]). How it goes comes as
//! [`Input::Bridge`]. A call that dies leaves by its [`Guard`](crate::call::guard::Guard).

use std::time::Duration;

use actix::prelude::*;

use super::CallActor;
use crate::bridge;
use crate::bridge::actor::BridgeActor;
use crate::bridge::message::{BridgeEvent, Enter, Exit, Happened, Mute};
use crate::call::Input;
use crate::verb::{BridgeChange, RunId};

/// What ties this call to another.
#[derive(Default)]
pub(super) struct Tie {
    visit: Option<Visit>,
    /// In the bridge of that run the other shall not hear this call. It may be ordered before there is
    /// a bridge, and none may ever come: so it is of one run, and nothing has to take it back.
    muted: Option<RunId>,
}

impl Tie {
    fn mute(&mut self, run: RunId, muted: bool) {
        self.muted = muted.then_some(run);
    }

    fn is_muted(&self, run: RunId) -> bool {
        self.muted == Some(run)
    }
}

struct Visit {
    run: RunId,
    bridge: Addr<BridgeActor>,
}

impl CallActor {
    /// Opens a bridge and enters it: the other call is to be given its address. `None`: there is none,
    /// which is also told as [`BridgeChange::Failed`].
    pub(super) fn open_bridge(
        &mut self,
        run: RunId,
        ctx: &mut Context<Self>,
    ) -> Option<Addr<BridgeActor>> {
        match bridge::open(&self.desk.plane, self.desk.media_settings) {
            Some(bridge) => {
                self.enter_bridge(run, bridge.clone(), ctx);
                Some(bridge)
            }
            None => {
                tracing::error!(call_sid = %self.sid, "no media thread for a bridge");
                fail(run, ctx);
                None
            }
        }
    }

    /// Enters a bridge that another call has opened. Whichever this call was in it leaves.
    pub(super) fn enter_bridge(
        &mut self,
        run: RunId,
        bridge: Addr<BridgeActor>,
        ctx: &mut Context<Self>,
    ) {
        self.leave_bridge();
        let Some(participant) = self.participant().cloned() else {
            bridge.do_send(Exit { call: self.sid });
            return fail(run, ctx);
        };
        let (call, media, told) = (self.sid, ctx.address().recipient(), ctx.address().recipient());
        bridge.do_send(Enter { call, participant, media, told, run });
        if self.tie.is_muted(run) {
            bridge.do_send(Mute { call, muted: true });
        }
        self.guard.bridge = Some(bridge.clone());
        self.tie.visit = Some(Visit { run, bridge });
    }

    /// Leaves the bridge of that run, and so ends it. No event comes back.
    pub(super) fn exit_bridge(&mut self, run: RunId) {
        if self.tie.visit.as_ref().is_some_and(|visit| visit.run == run) {
            self.leave_bridge();
        }
    }

    fn leave_bridge(&mut self) {
        self.guard.bridge = None;
        if let Some(visit) = self.tie.visit.take() {
            visit.bridge.do_send(Exit { call: self.sid });
        }
    }

    /// The bridge the call is in.
    pub(super) fn bridge(&self) -> Option<&Addr<BridgeActor>> {
        self.tie.visit.as_ref().map(|visit| &visit.bridge)
    }

    /// Whether the other hears this call in the bridge of that run, now or once they are in it.
    pub(super) fn mute_tie(&mut self, run: RunId, muted: bool) {
        self.tie.mute(run, muted);
        if let Some(visit) = self.tie.visit.as_ref().filter(|visit| visit.run == run) {
            visit.bridge.do_send(Mute { call: self.sid, muted });
        }
    }
}

/// Says so after what is being carried out now.
fn fail(run: RunId, ctx: &mut Context<CallActor>) {
    ctx.run_later(Duration::ZERO, move |this, ctx| {
        this.input(Input::Bridge { run, event: BridgeChange::Failed }, ctx);
    });
}

impl Handler<BridgeEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, BridgeEvent { run, happened }: BridgeEvent, ctx: &mut Context<Self>) {
        if self.tie.visit.as_ref().is_none_or(|visit| visit.run != run) {
            return;
        }
        let event = match happened {
            Happened::Connected => {
                tracing::info!(call_sid = %self.sid, "call is bridged");
                BridgeChange::Connected
            }
            Happened::PeerLeft => BridgeChange::PeerLeft,
            Happened::Failed => BridgeChange::Failed,
        };
        if event != BridgeChange::Connected {
            self.tie.visit = None;
            self.guard.bridge = None;
        }
        self.input(Input::Bridge { run, event }, ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_that_found_no_bridge_is_not_of_the_next_one() {
        let (first, second) = (RunId(1), RunId(2));
        let mut tie = Tie::default();
        tie.mute(first, true);
        assert!(tie.is_muted(first) && !tie.is_muted(second));
        tie.mute(first, false);
        assert!(!tie.is_muted(first));
    }
}
