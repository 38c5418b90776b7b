//! Which properties of a live body name a URL that the server will ask, for the check of where they
//! lead. A property is a string or an object with a `url`; deeper ones are written with a dot.

use serde_json::Value;

/// Of `POST …/Calls`.
const IN_CREATE: &[&str] =
    &["call_hook", "call_status_hook", "sipRequestWithinDialogHook", "referHook", "amd.actionHook"];

/// Of `PUT …/Calls/{call_sid}`.
const IN_UPDATE: &[&str] = &[
    "call_hook",
    "child_call_hook",
    "call_status_hook",
    "wait_hook",
    "waitHook",
    "conferenceParticipantAction.wait_hook",
    "conferenceParticipantAction.waitHook",
];

/// Of `POST …/Participants`.
const IN_PARTICIPANT: &[&str] = &["call_status_hook", "action_hook", "amd.actionHook"];

/// Property and URL of every hook in the body of a create.
pub fn urls_in_create(body: &Value) -> Vec<(&'static str, String)> {
    urls_in(body, IN_CREATE)
}

/// Property and URL of every hook in the body of an update.
pub fn urls_in_update(body: &Value) -> Vec<(&'static str, String)> {
    urls_in(body, IN_UPDATE)
}

/// Property and URL of every hook in the body of a new participant.
pub fn urls_in_participant(body: &Value) -> Vec<(&'static str, String)> {
    urls_in(body, IN_PARTICIPANT)
}

/// Property and URL of those of `properties` that are there.
pub fn urls_in(body: &Value, properties: &[&'static str]) -> Vec<(&'static str, String)> {
    let url_of = |property: &&'static str| {
        let hook = property.split('.').try_fold(body, |value, name| value.get(name))?;
        let url = hook.as_str().or_else(|| hook.get("url")?.as_str())?;
        Some((*property, url.to_owned()))
    };
    properties.iter().filter_map(url_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hooks_are_found_as_strings_and_objects_and_within_others() {
        let body = json!({
            "call_hook": "http://a", "call_status_hook": {"url": "http://b"}, "referHook": null,
            "amd": {"actionHook": "http://c"}, "sipRequestWithinDialogHook": 5, "tag": {"url": "x"},
        });
        let found = [
            ("call_hook", "http://a".to_owned()),
            ("call_status_hook", "http://b".to_owned()),
            ("amd.actionHook", "http://c".to_owned()),
        ];
        assert_eq!(urls_in_create(&body), found);
        let update = json!({"wait_hook": {"url": "/w"},
            "conferenceParticipantAction": {"action": "hold", "wait_hook": "http://d"}});
        let found = [
            ("wait_hook", "/w".to_owned()),
            ("conferenceParticipantAction.wait_hook", "http://d".to_owned()),
        ];
        assert_eq!(urls_in_update(&update), found);
        assert_eq!(urls_in_update(&json!([])), []);
    }
}
