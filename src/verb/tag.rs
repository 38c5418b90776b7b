//! `tag`: replaces the call's customer data, which every later payload shows (contract
//! verbs.md §3.1). No merge.

use serde_json::{Map, Value};

use super::props::Props;
use super::{Cx, Effect, Step, VerbError};

#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    pub data: Map<String, Value>,
}

impl Tag {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        match props.required("data")? {
            Value::Object(data) => Ok(Self { data: data.clone() }),
            _ => Err(props.bad("data", "must be an object")),
        }
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::SetCustomerData(std::mem::take(&mut self.data)));
        Step::Done(None)
    }
}
