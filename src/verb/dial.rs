//! `dial`: calls others and lets the first who answers talk with this call (contract verbs.md §3.4).
//!
//! The children are calls of their own. What they report comes as [`Event::Child`], what they are
//! told leaves as [`DialOrder`]. `dial/order.rs` has the words, `dial/parse.rs` reads the properties,
//! `dial/keys.rs` finds key sequences, `dial/hold.rs` has what is heard while one side holds.

mod hold;
mod keys;
mod order;
mod parse;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value};

use self::hold::Hold;
use self::keys::Keys;
pub use self::order::{
    ChildCall, ChildEvent, ChildId, ChildName, DialOrder, Farewell, Flow, Held, Side,
};
use super::{
    BridgeChange, Clip, Cx, Ear, Effect, Event, Line, Listen, Loops, Need, Question, RunId, Step,
    Stop, Verb,
};
use crate::model::Hook;
use crate::model::call::{CallStatus, SipHeaders};

#[derive(Clone, Debug, PartialEq)]
pub struct Dial {
    callees: Vec<ChildCall>,
    pub action_hook: Option<Hook>,
    /// The call stays unanswered until somebody it calls has answered.
    pub answer_on_bridge: bool,
    /// How long they may ring.
    pub timeout: Duration,
    /// How long the two may talk.
    pub time_limit: Option<Duration>,
    /// Heard until they do.
    pub music: Option<String>,
    /// Asked about a REFER of either side.
    pub refer_hook: Option<Hook>,
    /// Where the audio of one side goes while they talk.
    listen: Option<Box<Listen>>,
    keys: Keys,
    hold: Hold,
    /// Who holds before the two talk.
    held_early: Vec<(Side, Held)>,
    /// Properties of the contract that are set and do nothing.
    without_effect: Vec<&'static str>,
    children: Vec<Child>,
    course: Course,
    /// The run that plays the music.
    playing: Option<RunId>,
    has_rung: bool,
    /// Both have entered the bridge, or were told to.
    is_bridged: bool,
    /// The audio of this call goes somewhere.
    is_heard: bool,
    /// The child that is to get an application of its own.
    leaving: Option<ChildId>,
    /// The latest child that failed.
    last: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq)]
struct Child {
    id: ChildId,
    name: Option<ChildName>,
    stage: Stage,
    asks_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing,
    Confirming,
    Accepted,
    /// Ended, dropped, or gone its own way.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    New,
    Ringing,
    /// The child's early media is heard over the bridge.
    Early(ChildId),
    /// The child was accepted; this call is being answered.
    Answering(ChildId),
    /// They talk, or are about to.
    Talking(ChildId),
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    status: CallStatus,
    sip_status: u16,
    name: Option<ChildName>,
}

impl Dial {
    pub(super) fn need(&self) -> Need {
        if self.answer_on_bridge { Need::Nothing } else { Need::Answer }
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        if !self.without_effect.is_empty() {
            let names = std::mem::take(&mut self.without_effect);
            cx.out.push(Effect::WithoutEffect { verb: "dial", names });
        }
        self.course = Course::Ringing;
        if let Some(url) = self.music.take() {
            if cx.line == Line::Unanswered {
                cx.out.push(Effect::RingWithMedia);
                self.has_rung = true;
            }
            let music = cx.fresh_run();
            self.playing = Some(music);
            cx.out.push(Effect::Play {
                run: music,
                clips: vec![Clip::Url(url)],
                loops: Loops::Forever,
                seek_samples: 0,
                ear: Ear::Call,
            });
        }
        for (place, call) in std::mem::take(&mut self.callees).into_iter().enumerate() {
            let id = ChildId(u8::try_from(place).unwrap_or(u8::MAX));
            let asks_first = call.confirm_hook.is_some();
            self.children.push(Child { id, name: None, stage: Stage::Ringing, asks_first });
            order(run, DialOrder::Call { child: id, call: Box::new(call) }, cx);
        }
        cx.out.push(Effect::StartTimer { run, after: self.timeout });
        Step::Wait
    }

    /// Whether an event of that run is for a part of this verb.
    pub(super) fn owns(&self, to: RunId) -> bool {
        self.playing == Some(to) || self.hold.owns(to)
    }

    pub(super) fn on_event(
        &mut self,
        event: Event,
        to: RunId,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        if self.hold.owns(to) {
            self.hold.on_event(event, cx);
            return Step::Wait;
        }
        match event {
            Event::PlayDone(_) if self.playing == Some(to) => self.playing = None,
            Event::PlayFailed { url, detail } if self.playing == Some(to) => {
                self.playing = None;
                cx.out.push(Effect::MediaMissing { url, detail });
            }
            Event::Child { child, name, event } => {
                return self.on_child(child, name, event, run, cx);
            }
            Event::Line => {
                if let Course::Answering(child) = self.course
                    && cx.line == Line::Answered
                {
                    self.connect(child, run, cx);
                }
            }
            Event::Bridge(BridgeChange::Failed) => return self.on_no_bridge(run, cx),
            Event::Key { key, duration, is_relayed } => {
                self.on_key(Side::Caller, key, duration, is_relayed, run, cx);
            }
            Event::Held(held) => self.on_held(Side::Caller, held, run, cx),
            Event::Timer => return self.on_timer(run, cx),
            // Of a bridge that ended the child says itself how it did.
            _ => {}
        }
        Step::Wait
    }

    /// The hook is still sent, with the application as with the call (contract verbs.md §1.8).
    pub(super) fn stop(&mut self, _: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        let fields = self.results();
        if let Some(child) = self.leaving.take()
            && let Some(found) = self.children.iter_mut().find(|one| one.id == child)
            && found.stage != Stage::Gone
        {
            found.stage = Stage::Gone;
            order(run, DialOrder::Release { child }, cx);
        }
        self.let_go(run, cx);
        Question::action(&self.action_hook, fields)
    }

    /// The child that this call talks with.
    pub fn peer(&self) -> Option<&ChildName> {
        let Course::Talking(child) = self.course else { return None };
        self.children.iter().find(|one| one.id == child)?.name.as_ref()
    }

    /// Has the child that talks ask for an application of its own; `false` if none talks.
    pub fn redirect_child(&mut self, run: RunId, hook: Hook, out: &mut Vec<Effect>) -> bool {
        let Course::Talking(child) = self.course else { return false };
        self.leaving = Some(child);
        out.push(Effect::Dial { run, order: DialOrder::Redirect { child, hook } });
        true
    }

    /// Gives the child that talks these verbs to run by itself; `false` if none talks.
    pub fn release_child(&self, run: RunId, verbs: Vec<Verb>, out: &mut Vec<Effect>) -> bool {
        let Course::Talking(child) = self.course else { return false };
        out.push(Effect::Dial { run, order: DialOrder::Adult { child, verbs } });
        true
    }

    // ---- children ----

    fn on_child(
        &mut self,
        id: ChildId,
        name: Option<ChildName>,
        event: ChildEvent,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        let Some(child) = self.children.iter_mut().find(|child| child.id == id) else {
            return Step::Wait;
        };
        child.name = name.or_else(|| child.name.take());
        if child.stage == Stage::Gone {
            return Step::Wait;
        }
        match event {
            ChildEvent::Ringing => self.ring(cx),
            ChildEvent::EarlyMedia => self.on_early_media(id, run, cx),
            ChildEvent::Answered => child.stage = Stage::Confirming,
            ChildEvent::Accepted => {
                child.stage = Stage::Accepted;
                self.on_accepted(id, run, cx);
            }
            ChildEvent::Key { key, duration, is_relayed } => {
                self.on_key(Side::Child(id), key, duration, is_relayed, run, cx);
            }
            ChildEvent::Held(held) => self.on_held(Side::Child(id), held, run, cx),
            ChildEvent::Left => {
                child.stage = Stage::Gone;
                return self.on_gone(id, None, run, cx);
            }
            // The call itself looks at them.
            ChildEvent::Replaces(_) => {}
            ChildEvent::Ended { status, sip_status } => {
                let is_declined = child.stage == Stage::Confirming;
                child.stage = Stage::Gone;
                let name = child.name.clone();
                let outcome = match is_declined {
                    // There was no bridge that could be over.
                    true => Outcome { status: CallStatus::Failed, sip_status: DECLINED, name },
                    false => Outcome { status, sip_status, name },
                };
                return self.on_gone(id, Some(outcome), run, cx);
            }
        }
        Step::Wait
    }

    fn ring(&mut self, cx: &mut Cx<'_>) {
        if cx.line == Line::Unanswered && !self.has_rung {
            self.has_rung = true;
            cx.out.push(Effect::Ring);
        }
    }

    /// What a single target sends before its answer is heard, unless there is music, or questions to
    /// be asked of it first.
    fn on_early_media(&mut self, id: ChildId, run: RunId, cx: &mut Cx<'_>) {
        let is_single = matches!(&self.children[..], [only] if !only.asks_first);
        if !is_single || self.playing.is_some() || self.course != Course::Ringing {
            return self.ring(cx);
        }
        if cx.line == Line::Unanswered {
            self.has_rung = true;
            cx.out.push(Effect::RingWithMedia);
        }
        self.course = Course::Early(id);
        self.bridge(id, run, cx);
    }

    fn bridge(&mut self, id: ChildId, run: RunId, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.is_bridged, true) {
            order(run, DialOrder::Bridge { child: id }, cx);
        }
    }

    fn unbridge(&mut self, run: RunId, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.is_bridged) {
            cx.out.push(Effect::ExitBridge { run });
        }
    }

    fn on_accepted(&mut self, id: ChildId, run: RunId, cx: &mut Cx<'_>) {
        if matches!(self.course, Course::Answering(_) | Course::Talking(_)) {
            // Another was a moment faster.
            self.drop_children(|child| child.id == id, Farewell::NotWanted, run, cx);
            return;
        }
        cx.out.push(Effect::StopTimer { run });
        self.stop_music(cx);
        self.drop_children(|child| child.id != id, Farewell::Elsewhere, run, cx);
        if cx.line == Line::Answered {
            self.connect(id, run, cx);
        } else {
            self.course = Course::Answering(id);
            cx.out.push(Effect::Answer);
        }
    }

    fn connect(&mut self, id: ChildId, run: RunId, cx: &mut Cx<'_>) {
        self.course = Course::Talking(id);
        self.bridge(id, run, cx);
        if let Some(listen) = self.listen.take() {
            if listen.is_of_callee {
                order(run, DialOrder::Listen { child: id, listen }, cx);
            } else {
                self.is_heard = true;
                cx.out.push(Effect::Listen { run, listen });
            }
        }
        for (side, held) in std::mem::take(&mut self.held_early) {
            self.on_held(side, held, run, cx);
        }
        if let Some(after) = self.time_limit {
            cx.out.push(Effect::StartTimer { run, after });
        }
    }

    fn on_gone(
        &mut self,
        id: ChildId,
        failed: Option<Outcome>,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        match self.course {
            Course::Talking(peer) | Course::Answering(peer) if peer == id => {
                return self.done(run, cx);
            }
            Course::Early(peer) if peer == id => {
                self.course = Course::Ringing;
                self.unbridge(run, cx);
            }
            _ => {}
        }
        self.last = failed.or_else(|| self.last.take());
        if self.children.iter().any(|child| child.stage != Stage::Gone) {
            return Step::Wait;
        }
        self.done(run, cx)
    }

    fn on_timer(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        if let Course::Talking(_) = self.course {
            self.drop_children(|_| true, Farewell::TimeLimit, run, cx);
            let mut headers = SipHeaders::default();
            headers.set("X-Reason", "Max Call Duration");
            cx.out.push(Effect::Hangup { headers });
            // The call's end stops this verb, which then sends its hook.
            return Step::Wait;
        }
        // Whoever is being asked has answered: it is not ringing any more.
        let rings = |child: &Child| child.stage == Stage::Ringing;
        let unanswered = self.children.iter().find(|child| rings(child));
        let name = unanswered.and_then(|child| child.name.clone());
        self.last = Some(Outcome { status: CallStatus::NoAnswer, sip_status: 487, name });
        self.drop_children(rings, Farewell::NotWanted, run, cx);
        if self.children.iter().any(|child| child.stage != Stage::Gone) {
            return Step::Wait;
        }
        self.done(run, cx)
    }

    fn on_no_bridge(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        let peer = match self.course {
            Course::Talking(child) | Course::Answering(child) | Course::Early(child) => child,
            Course::New | Course::Ringing => return Step::Wait,
        };
        let found = self.children.iter().find(|child| child.id == peer);
        let name = found.and_then(|child| child.name.clone());
        self.last = Some(Outcome { status: CallStatus::Failed, sip_status: 500, name });
        self.course = Course::Ringing;
        self.done(run, cx)
    }

    // ---- the end ----

    fn done(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        let fields = self.results();
        self.let_go(run, cx);
        Step::Done(Question::action(&self.action_hook, fields))
    }

    fn let_go(&mut self, run: RunId, cx: &mut Cx<'_>) {
        self.hold.stop(cx);
        self.stop_music(cx);
        cx.out.push(Effect::StopTimer { run });
        self.drop_children(|_| true, Farewell::NotWanted, run, cx);
        if std::mem::take(&mut self.is_heard) {
            cx.out.push(Effect::StopListen { run });
        }
        self.unbridge(run, cx);
    }

    fn drop_children(
        &mut self,
        which: impl Fn(&Child) -> bool,
        why: Farewell,
        run: RunId,
        cx: &mut Cx<'_>,
    ) {
        for child in self.children.iter_mut().filter(|child| which(child)) {
            if child.stage != Stage::Gone {
                child.stage = Stage::Gone;
                order(run, DialOrder::Drop { child: child.id, why }, cx);
            }
        }
    }

    fn stop_music(&mut self, cx: &mut Cx<'_>) {
        if let Some(run) = self.playing.take() {
            cx.out.push(Effect::StopPlay { run });
        }
    }

    /// The winner's, else those of the last that failed, else of one that rings still.
    fn results(&self) -> Map<String, Value> {
        let outcome = match self.course {
            Course::Talking(child) | Course::Answering(child) => {
                let found = self.children.iter().find(|one| one.id == child);
                let name = found.and_then(|child| child.name.clone());
                Some(Outcome { status: CallStatus::Completed, sip_status: 200, name })
            }
            _ => self.last.clone().or_else(|| {
                let begun = self.children.iter().find(|child| child.name.is_some())?;
                let name = begun.name.clone();
                Some(Outcome { status: CallStatus::NoAnswer, sip_status: 487, name })
            }),
        };
        let mut fields = Map::new();
        let Some(Outcome { status, sip_status, name }) = outcome else { return fields };
        fields.insert("dial_call_status".into(), status.as_str().into());
        fields.insert("dial_sip_status".into(), sip_status.into());
        if let Some(ChildName { call_sid, call_id }) = name {
            fields.insert("dial_call_sid".into(), call_sid.to_string().into());
            fields.insert("dial_sbc_callid".into(), call_id.into());
        }
        fields
    }

    // ---- while they talk ----

    /// Where what `side` does is to be heard.
    fn other(&self, side: Side) -> Option<Side> {
        let Course::Talking(child) = self.course else { return None };
        match side {
            Side::Caller => Some(Side::Child(child)),
            Side::Child(id) => (id == child).then_some(Side::Caller),
        }
    }

    fn on_key(
        &mut self,
        from: Side,
        key: char,
        duration: Duration,
        is_relayed: bool,
        run: RunId,
        cx: &mut Cx<'_>,
    ) {
        let Some(to) = self.other(from) else { return };
        if !is_relayed {
            order(run, DialOrder::Key { to, key, duration }, cx);
        }
        if let Some((hook, fields)) = self.keys.press(from == Side::Caller, key, cx.now) {
            order(run, DialOrder::Tell { of: from, hook, fields }, cx);
        }
    }

    fn on_held(&mut self, by: Side, held: Held, run: RunId, cx: &mut Cx<'_>) {
        let Some(to) = self.other(by) else {
            self.held_early.retain(|(side, _)| *side != by);
            if !(held.flow.sends && held.flow.receives) {
                self.held_early.push((by, held));
            }
            return;
        };
        if let Some(flow) = self.hold.on_held(by != Side::Caller, held, cx) {
            order(run, DialOrder::Hold { to, flow }, cx);
        }
    }
}

/// Who has answered and is not taken, in the words of a call that was never answered.
const DECLINED: u16 = 480;

fn order(run: RunId, order: DialOrder, cx: &mut Cx<'_>) {
    cx.out.push(Effect::Dial { run, order });
}
