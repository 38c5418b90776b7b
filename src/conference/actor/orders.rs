//! What REST, a verb or another member orders of the room or of one member.

use actix::prelude::*;

use super::ConferenceActor;
use crate::conference::message::{
    Close, End, Hold, HoldAll, Mute, MuteAll, Settle, SpeakOnlyTo, Tag,
};
use crate::conference::rules::Rules;

impl Handler<Mute> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, mute: Mute, ctx: &mut Context<Self>) {
        let Some(Mute { call, muted }) = self.here(mute) else { return };
        let mut effects = Vec::new();
        self.policy.on_mute(call, muted, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<MuteAll> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, mute: MuteAll, ctx: &mut Context<Self>) {
        let Some(MuteAll(muted)) = self.here(mute) else { return };
        let mut effects = Vec::new();
        self.policy.on_mute_all(muted, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Hold> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, hold: Hold, ctx: &mut Context<Self>) {
        let Some(Hold { call, held, wait_hook }) = self.here(hold) else { return };
        let mut effects = Vec::new();
        self.policy.on_hold(call, held, wait_hook, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<HoldAll> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, hold: HoldAll, ctx: &mut Context<Self>) {
        let Some(HoldAll { held, wait_hook }) = self.here(hold) else { return };
        let mut effects = Vec::new();
        self.policy.on_hold_all(held, wait_hook.as_ref(), &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<SpeakOnlyTo> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, coach: SpeakOnlyTo, ctx: &mut Context<Self>) {
        let Some(SpeakOnlyTo { call, tag }) = self.here(coach) else { return };
        let mut effects = Vec::new();
        self.policy.on_speak_only_to(call, tag, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Tag> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, tag: Tag, ctx: &mut Context<Self>) {
        let Some(Tag { call, tag }) = self.here(tag) else { return };
        let mut effects = Vec::new();
        self.policy.on_tag(call, tag, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl ConferenceActor {
    fn settle(&mut self, rules: Rules) {
        self.policy.settle(rules.settings);
        self.status_rule = rules.status;
        self.wait_hook = rules.wait_hook;
        self.status = self.starter.as_ref().and_then(|starter| self.status_rule.target(starter));
        self.publish();
    }
}

impl Handler<Settle> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, settle: Settle, _: &mut Context<Self>) {
        if let Some(Settle(rules)) = self.here(settle) {
            self.settle(rules);
        }
    }
}

impl Handler<Close> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if self.here(close).is_some() {
            ctx.stop();
        }
    }
}

impl Handler<End> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        if self.here(end).is_none() {
            return;
        }
        let mut effects = Vec::new();
        self.policy.on_end(&mut effects);
        self.carry_out(effects, ctx);
        // What was laid down is gone too, also for those who are on their way here.
        self.settle(Rules::default());
    }
}
