//! A call in a queue, as REST orders it (contract rest.md §3.5).

use super::{CallSid, Fields, Hook, HookInput, Invalid, Patch};

/// The body of an assignment.
#[derive(Clone, Debug)]
pub struct QueuedCallInput {
    pub call: CallSid,
    /// Lower first; `None`: last.
    pub priority: Option<u32>,
    pub wait_hook: Option<Hook>,
    /// The application after the queue.
    pub action_hook: Option<Hook>,
}

/// The body of a change: one order.
#[derive(Clone, Debug)]
pub enum QueuedCallChange {
    Priority(u32),
    /// Leave the queue and run that application.
    CallHook(Hook),
    /// The agent's call the two are joined with.
    DequeueTo(CallSid),
}

const ONE_OF: &str = "exactly one of priority, call_hook, dequeue_to is required";

impl QueuedCallInput {
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let call = match fields.sid("call_sid", CallSid::parse)? {
            Patch::Value(call) => call,
            Patch::Absent | Patch::Null => return Err(Invalid::Missing("call_sid")),
        };
        let priority = fields.count("priority", 0)?.value();
        let wait_hook = hook(&mut fields, "wait_hook")?;
        let action_hook = hook(&mut fields, "action_hook")?;
        fields.finish()?;
        Ok(Self { call, priority, wait_hook, action_hook })
    }

    /// Property and URL of each hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let hooks = [("wait_hook", &self.wait_hook), ("action_hook", &self.action_hook)];
        hooks.into_iter().filter_map(|(name, hook)| Some((name, hook.as_ref()?.url.as_str())))
    }
}

impl QueuedCallChange {
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let priority = fields.count("priority", 0)?.value();
        let call_hook = hook(&mut fields, "call_hook")?;
        let dequeue_to = fields.object("dequeue_to")?.value();
        fields.finish()?;
        match (priority, call_hook, dequeue_to) {
            (Some(priority), None, None) => Ok(Self::Priority(priority)),
            (None, Some(hook), None) => Ok(Self::CallHook(hook)),
            (None, None, Some(to)) => {
                let mut to = Fields::new(to);
                let agent = to.sid("call_sid", CallSid::parse)?.value();
                to.finish()?;
                agent.map(Self::DequeueTo).ok_or(Invalid::Missing("call_sid"))
            }
            (None, None, None) => Err(Invalid::MissingAs { name: "priority", text: ONE_OF }),
            _ => Err(Invalid::Rule(ONE_OF)),
        }
    }

    /// Property and URL of the hook it brings.
    pub fn url(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::CallHook(hook) => Some(("call_hook", &hook.url)),
            Self::Priority(_) | Self::DequeueTo(_) => None,
        }
    }
}

/// A hook or its URL; the empty URL is none.
fn hook(fields: &mut Fields, name: &'static str) -> Result<Option<Hook>, Invalid> {
    let input = fields.hook_or_url(name)?.empty_as_null().with_usable_url()?.value();
    let resolve = |input: HookInput| input.resolve(None).map(|stored| stored.hook);
    input.map(resolve).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    #[test]
    fn an_assignment_names_a_call_and_how_it_waits() {
        let call = CallSid::random();
        let body = json!({"call_sid": call.to_string(), "priority": "3", "wait_hook": "",
            "action_hook": {"url": "https://a.example.com/after", "method": "get"}});
        let input = QueuedCallInput::read(fields(body)).unwrap();
        assert_eq!((input.call, input.priority, &input.wait_hook), (call, Some(3), &None));
        let urls: Vec<_> = input.urls().collect();
        assert_eq!(urls, [("action_hook", "https://a.example.com/after")]);
    }

    #[test]
    fn a_change_is_one_order() {
        let call = CallSid::random().to_string();
        for (body, text) in [
            (json!({}), ONE_OF),
            (json!({"priority": 1, "dequeue_to": {"call_sid": call}}), ONE_OF),
            (json!({"priority": -1}), "priority must be an integer in range"),
            (json!({"call_hook": "/relative"}), "call_hook url is not an absolute URL"),
            (json!({"dequeue_to": "x"}), "dequeue_to must be an object"),
            (json!({"dequeue_to": {}}), "missing field call_sid"),
            (json!({"dequeue_to": {"call_sid": "x"}}), "call_sid must be a sid (UUID)"),
            (json!({"dequeue_to": {"call_sid": call, "a": 1}}), "unknown property a"),
            (json!({"whisper": 1}), "unknown property whisper"),
        ] {
            let refused = QueuedCallChange::read(fields(body.clone())).unwrap_err();
            assert_eq!(refused.to_string(), text, "{body}");
        }
        let change = QueuedCallChange::read(fields(json!({"priority": 0}))).unwrap();
        assert!(matches!(change, QueuedCallChange::Priority(0)));
    }
}
