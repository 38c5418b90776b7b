//! `sip:refer`: asks the far end to call somebody else (a blind transfer, RFC 3515), then goes on
//! with the list; the far end normally hangs up. Skipped before the answer (contract verbs.md §3.7).

use std::time::Duration;

use serde_json::Map;

use super::props::Props;
use super::{Cx, Effect, Event, Question, RunId, Step, Stop, VerbError};
use crate::model::Hook;
use crate::model::call::SipHeaders;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipRefer {
    pub order: ReferOrder,
    pub action_hook: Option<Hook>,
    /// Told of each NOTIFY.
    pub event_hook: Option<Hook>,
    /// The answer to the REFER, once it came.
    refer_status: Option<u16>,
    /// What the last NOTIFY said of the call to the new target.
    call_status: Option<u16>,
}

/// The REFER as the application words it; the call fills in what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferOrder {
    /// A URI, or its user part alone.
    pub refer_to: String,
    /// The same; absent: the caller.
    pub referred_by: Option<String>,
    pub referred_by_name: Option<String>,
    pub headers: SipHeaders,
}

impl SipRefer {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("referTo")?;
        let refer_to =
            address(props, "referTo")?.ok_or_else(|| props.bad("referTo", "is empty"))?;
        let referred_by_name = props.text("referredByDisplayName")?.filter(|name| !name.is_empty());
        if referred_by_name.as_ref().is_some_and(|name| !SipHeaders::is_value(name)) {
            return Err(props.bad("referredByDisplayName", "does not fit a header"));
        }
        let order = ReferOrder {
            refer_to,
            referred_by: address(props, "referredBy")?,
            referred_by_name,
            headers: props.headers()?,
        };
        Ok(Self {
            order,
            action_hook: props.hook("actionHook")?,
            event_hook: props.hook("eventHook")?,
            refer_status: None,
            call_status: None,
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::Refer { run, order: self.order.clone() });
        Step::Wait
    }

    pub(super) fn on_event(&mut self, event: &Event, run: RunId, cx: &mut Cx<'_>) -> Step {
        match event {
            Event::RequestDone { status, .. } => {
                self.refer_status = Some(*status);
                // The NOTIFY may have overtaken the 202.
                let is_over = self.call_status.is_some_and(|status| status >= 200);
                if is_over || !(200..300).contains(status) {
                    return self.done();
                }
                cx.out.push(Effect::StartTimer { run, after: PATIENCE });
                Step::Wait
            }
            Event::ReferNotified { status, is_last } => {
                self.call_status = status.or(self.call_status);
                if let (Some(hook), Some(status)) = (&self.event_hook, status) {
                    let mut fields = Map::new();
                    fields.insert("event".into(), "transfer-status".into());
                    fields.insert("call_status".into(), (*status).into());
                    cx.out.push(Effect::Tell { run, hook: hook.clone(), fields });
                }
                let is_final = *is_last || status.is_some_and(|status| status >= 200);
                if !is_final || self.refer_status.is_none() {
                    return Step::Wait;
                }
                cx.out.push(Effect::StopTimer { run });
                self.done()
            }
            Event::Timer => self.done(),
            _ => Step::Wait,
        }
    }

    /// Killed with the application or the call: no hook (contract verbs.md §1.8).
    pub(super) fn stop(&mut self, _: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        if self.refer_status.is_some() {
            cx.out.push(Effect::StopTimer { run });
        }
        None
    }

    fn done(&self) -> Step {
        let mut fields = Map::new();
        if let Some(status) = self.refer_status {
            fields.insert("refer_status".into(), status.into());
        }
        if let Some(status) = self.call_status {
            fields.insert("final_referred_call_status".into(), status.into());
        }
        Step::Done(Question::action(&self.action_hook, fields))
    }
}

/// A URI or a user part: nothing that could end the brackets it is put into.
fn address(props: &mut Props<'_>, name: &'static str) -> Result<Option<String>, VerbError> {
    let Some(text) = props.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let is_clean = text.len() <= MAX_ADDRESS
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    if is_clean { Ok(Some(text)) } else { Err(props.bad(name, "is no SIP address")) }
}

/// How long the far end may take to say how its call went.
const PATIENCE: Duration = Duration::from_secs(15);
const MAX_ADDRESS: usize = 1024;
