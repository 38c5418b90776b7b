//! `…/Participants` as far as nobody is there (contract rest.md §3.3): bodies, references, the order of
//! checks. Live ones are judged in `tests/e2e`.

use serde_json::{Value, json};
use trunkline::api::openapi;

use super::properties::{body_schema, writable, wrong};
use crate::support::{NOBODY, TestApi};

const PATTERN: &str = "/Accounts/{a}/Conferences/{conference}/Participants";

#[actix_web::test]
async fn each_property_refuses_what_is_wrong_and_says_which_it_is() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = format!("/Accounts/{}/Conferences", account.sid);
    api.post(&account.key, &list, json!({"name": "lobby"})).await.expect(201);
    let path = format!("{list}/lobby/Participants");
    let document = openapi::description();
    let mut tried = 0;
    for (pattern, method) in [(PATTERN, "post"), (&format!("{PATTERN}/{{call_sid}}"), "put")] {
        let properties = writable(&body_schema(&document, pattern, method));
        for (property, schema) in &properties {
            // A URL alone is a hook here.
            let is_good = |value: &Value| property.ends_with("_hook") && value.is_string();
            for value in wrong(schema).into_iter().filter(|value| !is_good(value)) {
                let mut body = match property.as_str() {
                    "call_sid" => json!({}),
                    _ if method == "put" => json!({}),
                    _ => json!({"from": "1", "to": {"type": "user", "name": "a@b.example"}}),
                };
                body[property] = value;
                let refused = match method {
                    "post" => api.post(&account.key, &path, body.clone()).await,
                    _ => api.put(&account.key, &format!("{path}/{NOBODY}"), body.clone()).await,
                };
                assert_eq!(refused.status, 400, "{body}: {}", refused.text);
                assert!(refused.msg().contains(property), "{body}: {}", refused.msg());
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
    api.stop().await;
}

#[actix_web::test]
async fn a_participant_is_one_call_of_the_account_in_a_conference_that_exists() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = format!("/Accounts/{}/Conferences", account.sid);
    api.post(&account.key, &list, json!({"name": "lobby"})).await.expect(201);
    let lobby = format!("{list}/lobby/Participants");
    let to = json!({"type": "sip", "sipUri": "sip:a@b.example"});
    for (body, status, text) in [
        (json!([]), 400, "the body must be an object"),
        (json!({}), 400, "one of call_sid and to is required"),
        (json!({"to": to}), 400, "missing from parameter"),
        (json!({"call_sid": NOBODY, "to": to}), 400, "only one of call_sid and to may be given"),
        (json!({"call_sid": NOBODY, "timeout": 5}), 400, "timeout is only valid with to"),
        (json!({"call_sid": NOBODY, "colour": "red"}), 400, "unknown property colour"),
        (json!({"to": {"type": "user", "name": "a"}, "from": "1"}), 400, "missing or invalid to"),
        (json!({"to": {"type": "fax"}, "from": "1"}), 400, "missing or invalid to property"),
    ] {
        let refused = api.post(&account.key, &lobby, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        assert!(refused.msg().starts_with(text), "{body}: {}", refused.msg());
    }
    // There is no such call, and no SIP to place one with.
    api.post(&account.key, &lobby, json!({"call_sid": NOBODY})).await.expect(404);
    let placed = json!({"to": to, "from": "1"});
    api.post(&account.key, &lobby, placed.clone()).await.expect(480);
    for nowhere in ["nowhere", NOBODY] {
        let path = format!("{list}/{nowhere}/Participants");
        api.post(&account.key, &path, placed.clone()).await.expect(404);
        api.post(&account.key, &path, json!({"call_sid": "x"})).await.expect(400);
    }
    api.put(&account.key, &format!("{list}/lobby"), json!({"locked": true})).await.expect(204);
    let locked = api.post(&account.key, &lobby, placed).await.expect(422);
    assert_eq!(locked.msg(), "the conference is locked");
    let member = format!("{lobby}/{NOBODY}");
    for (body, status) in [
        (json!({}), 400),
        (json!({"wait_hook": "https://a.example.com"}), 400),
        (json!({"announce": {"verb": "hangup"}}), 400),
        (json!({"mute_status": "mute"}), 404),
        (json!({"member_tag": Value::Null, "speak_only_to": "x"}), 404),
    ] {
        api.put(&account.key, &member, body).await.expect(status);
    }
    api.put(&account.key, &format!("{lobby}/x"), json!({"mute_status": "mute"})).await.expect(400);
    api.stop().await;
}
