//! `hangup`: BYE with the application's headers; remaining verbs are dropped. Skipped before the
//! answer (contract verbs.md §3.1).

use super::props::Props;
use super::{Cx, Effect, Step, VerbError};
use crate::model::call::SipHeaders;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hangup {
    pub headers: SipHeaders,
}

impl Hangup {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        Ok(Self { headers: props.headers()? })
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::Hangup { headers: std::mem::take(&mut self.headers) });
        Step::End
    }
}
