//! What live control does to one member of a conference (contract rest.md §2.3.7): `conf_hold_status` and
//! `conferenceParticipantAction`, and the same orders where a participant is named by its conference
//! (§3.3).

use super::BadCall;
use super::input::Body;
use super::update::is_first;
use crate::model::Hook;

/// One order about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberOrder {
    Mute(bool),
    /// Neither heard nor hearing; the hook has what it hears meanwhile. Again with another hook: that
    /// one from now on.
    Hold {
        wait_hook: Option<Hook>,
    },
    Unhold,
    /// Sets the tag, or clears it.
    Tag(Option<String>),
    /// Heard by members with this tag alone, or by all again.
    SpeakOnlyTo(Option<String>),
    /// Out of the room; the call goes on with its next verb.
    Kick,
}

/// Of `conf_hold_status`, with `wait_hook` or `waitHook` beside it.
pub(super) fn hold_status(body: Body<'_>) -> Result<MemberOrder, BadCall> {
    Ok(match is_first(body, "conf_hold_status", ["hold", "unhold"])? {
        true => MemberOrder::Hold { wait_hook: wait_hook(body)? },
        false => MemberOrder::Unhold,
    })
}

/// Of `conferenceParticipantAction`: `{action, tag?, wait_hook?}`.
pub(super) fn participant_action(body: Body<'_>) -> Result<MemberOrder, BadCall> {
    const NAME: &str = "conferenceParticipantAction";
    let request = Body::new_in(body, NAME)?;
    let tag = request.text("tag").ok().flatten().filter(|tag| !tag.is_empty());
    let needed = || match tag {
        Some(tag) if tag.chars().count() <= MAX_TAG_CHARS => Ok(Some(tag.to_owned())),
        Some(_) => Err(BadCall::property(NAME, "has a tag that is too long")),
        None => Err(BadCall::property(NAME, "needs a tag for this action")),
    };
    Ok(match request.text("action").ok().flatten().unwrap_or_default() {
        "tag" => MemberOrder::Tag(needed()?),
        "untag" => MemberOrder::Tag(None),
        "coach" => MemberOrder::SpeakOnlyTo(needed()?),
        "uncoach" => MemberOrder::SpeakOnlyTo(None),
        "mute" => MemberOrder::Mute(true),
        "unmute" => MemberOrder::Mute(false),
        "hold" => MemberOrder::Hold { wait_hook: wait_hook(request)? },
        "unhold" => MemberOrder::Unhold,
        "kick" => MemberOrder::Kick,
        _ => return Err(BadCall::property(NAME, "has an unknown action")),
    })
}

/// An empty one is none.
fn wait_hook(body: Body<'_>) -> Result<Option<Hook>, BadCall> {
    for name in ["wait_hook", "waitHook"] {
        if body.value(name).is_some_and(|hook| hook != "")
            && let Some(hook) = body.hook(name)?
        {
            return Ok(Some(hook));
        }
    }
    Ok(None)
}

/// As long as tags are over REST.
const MAX_TAG_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Command, UpdateCall};
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn order(body: Value) -> Result<MemberOrder, String> {
        match UpdateCall::parse(&body) {
            Ok(UpdateCall { command: Some(Command::Member(_, order)), whisper: None }) => Ok(order),
            Ok(other) => panic!("{other:?}"),
            Err(bad) => Err(bad.to_string()),
        }
    }

    fn action(mut body: Value, action: &str) -> Result<MemberOrder, String> {
        body["action"] = json!(action);
        order(json!({"conferenceParticipantAction": body}))
    }

    #[test]
    fn a_member_is_held_with_a_hook_or_without() {
        let hold = |wait_hook| Ok(MemberOrder::Hold { wait_hook });
        let hook = Some(Hook::post("/w"));
        assert_eq!(order(json!({"conf_hold_status": "hold"})), hold(None));
        for name in ["wait_hook", "waitHook"] {
            let body = json!({"conf_hold_status": "hold", name: "/w"});
            assert_eq!(order(body), hold(hook.clone()));
            assert_eq!(action(json!({name: {"url": "/w"}}), "hold"), hold(hook.clone()));
        }
        let empty = json!({"conf_hold_status": "hold", "wait_hook": "", "waitHook": "/w"});
        assert_eq!(order(empty), hold(hook));
        assert_eq!(order(json!({"conf_hold_status": "unhold"})), Ok(MemberOrder::Unhold));
        let bad = |text: &str| Err(text.to_owned());
        assert_eq!(order(json!({"conf_hold_status": true})), bad("invalid conf_hold_status"));
        assert_eq!(order(json!({"conf_hold_status": "x"})), bad("invalid conf_hold_status"));
        let refused = order(json!({"conf_hold_status": "hold", "wait_hook": 5})).unwrap_err();
        assert!(refused.starts_with("wait_hook "), "{refused}");
    }

    #[test]
    fn each_action_is_read() {
        let tag = || Some("agent".to_owned());
        for (name, expected) in [
            ("tag", MemberOrder::Tag(tag())),
            ("untag", MemberOrder::Tag(None)),
            ("coach", MemberOrder::SpeakOnlyTo(tag())),
            ("uncoach", MemberOrder::SpeakOnlyTo(None)),
            ("mute", MemberOrder::Mute(true)),
            ("unmute", MemberOrder::Mute(false)),
            ("hold", MemberOrder::Hold { wait_hook: None }),
            ("unhold", MemberOrder::Unhold),
            ("kick", MemberOrder::Kick),
        ] {
            assert_eq!(action(json!({"tag": "agent"}), name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_action_is_said() {
        const NAME: &str = "conferenceParticipantAction";
        let long = "x".repeat(65);
        for (body, name, problem) in [
            (json!({}), "dance", "has an unknown action"),
            (json!({}), "tag", "needs a tag for this action"),
            (json!({"tag": ""}), "coach", "needs a tag for this action"),
            (json!({"tag": 5}), "coach", "needs a tag for this action"),
            (json!({"tag": long}), "tag", "has a tag that is too long"),
        ] {
            assert_eq!(action(body, name), Err(format!("{NAME} {problem}")));
        }
        let refused = order(json!({NAME: "kick"})).unwrap_err();
        assert_eq!(refused, format!("{NAME} must be an object"));
    }
}
