//! `sip:request`: a request of the application's choice inside the dialog; any final status is a
//! success. Skipped before the answer (contract verbs.md §3.7).

use serde_json::{Map, Value};

use super::props::Props;
use super::{Cx, Effect, Event, Question, RunId, Step, VerbError};
use crate::model::Hook;
use crate::model::call::{Content, SipHeaders, SipRequest};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipRequestVerb {
    pub request: SipRequest,
    pub action_hook: Option<Hook>,
}

impl SipRequestVerb {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("method")?;
        let method = props.text("method")?.unwrap_or_default();
        let method = SipRequest::method(&method).map_err(|problem| props.bad("method", problem))?;
        let text = props.text("body")?.filter(|body| !body.is_empty());
        if text.as_ref().is_some_and(|text| text.len() > MAX_BODY) {
            return Err(props.bad("body", "is too long"));
        }
        // The verb has no property of its own for it.
        let content_type = content_type(props)?;
        let content = text.map(|text| Content { content_type, text });
        let headers = props.headers()?;
        let request = SipRequest { method, headers, content };
        Ok(Self { request, action_hook: props.hook("actionHook")? })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::SipRequest { run, request: self.request.clone() });
        Step::Wait
    }

    pub(super) fn on_event(&self, event: &Event) -> Step {
        let Event::RequestDone { status, reason, is_heard } = event else { return Step::Wait };
        let mut fields = Map::new();
        if *is_heard {
            fields.insert("result".into(), "success".into());
            fields.insert("sip_status".into(), (*status).into());
        } else {
            fields.insert("result".into(), "failed".into());
            fields.insert("err".into(), format!("{status} {reason}").into());
        }
        Step::Done(Question::action(&self.action_hook, fields))
    }
}

fn content_type(props: &mut Props<'_>) -> Result<String, VerbError> {
    let named = props.value("headers").and_then(Value::as_object).and_then(|headers| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    });
    match named.map(|(_, value)| value.as_str()) {
        None => Ok("text/plain".to_owned()),
        Some(Some(kind)) if SipHeaders::is_value(kind) && kind.contains('/') => Ok(kind.to_owned()),
        Some(_) => Err(props.bad("headers", "has a Content-Type that is none")),
    }
}

const MAX_BODY: usize = 32 * 1024;
