//! `redirect`: asks for a new application; an empty reply continues the list (contract
//! verbs.md §3.1). The new status hook holds from here on, whatever the reply.

use serde_json::Map;

use super::props::Props;
use super::{AskKind, Cx, Effect, Question, Step, VerbError};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub action_hook: Hook,
    pub status_hook: Option<Hook>,
}

impl Redirect {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("actionHook")?;
        let action_hook =
            props.hook("actionHook")?.ok_or_else(|| props.bad("actionHook", "is empty"))?;
        Ok(Self { action_hook, status_hook: props.hook("statusHook")? })
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        if let Some(hook) = self.status_hook.take() {
            cx.out.push(Effect::SetStatusHook(hook));
        }
        Step::Done(Some(Question {
            kind: AskKind::Redirect,
            hook: self.action_hook.clone(),
            fields: Map::new(),
        }))
    }
}
