//! What the portal asks for and the server has nothing of (contract rest.md §2.9, §2.12, §2.16, §2.17).

use serde_json::{Value, json};

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn empty_lists_are_for_everybody() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    for key in [&api.admin, &t.providers[0].key, &t.accounts[0][0].key] {
        for path in ["/Lcrs", "/GoogleCustomVoices", "/MicrosoftTeamsTenants", "/Smpps"] {
            assert_eq!(api.get(key, path).await.expect(200).json(), json!([]), "{path}");
        }
        let smpp = format!("/SmppGateways?voip_carrier_sid={NOBODY}");
        assert_eq!(api.get(key, &smpp).await.expect(200).json(), json!([]));
        assert_eq!(api.get(key, "/TtsCache").await.expect(200).json(), json!({"size": 0}));
        api.delete(key, "/TtsCache").await.expect(204);
        let account = format!("/Accounts/{}", t.accounts[0][0].sid);
        let provider = format!("/ServiceProviders/{}", t.providers[0].sid);
        let cache = format!("{account}/TtsCache");
        assert_eq!(api.get(key, &cache).await.expect(200).json(), json!({"size": 0}));
        api.delete(key, &cache).await.expect(204);
        for owner in [account, provider] {
            let path = format!("{owner}/SpeechCredentials");
            assert_eq!(api.get(key, &path).await.expect(200).json(), json!([]), "{path}");
            let path = format!("{path}/speech/supportedLanguagesAndVoices");
            for vendor in ["google", "custom%3Amine"] {
                let answer = api.get(key, &format!("{path}?vendor={vendor}")).await.expect(200);
                let nothing = json!({"tts": [], "stt": [], "models": [], "sttModels": []});
                assert_eq!(answer.json(), nothing);
            }
            api.get(key, &format!("{path}?vendor=nobody")).await.expect(422);
            api.get(key, &path).await.expect(422);
        }
    }
    for path in ["/Lcrs", "/TtsCache", "/Sbcs", "/Availability", "/SystemInformation"] {
        api.get("nobody", path).await.expect(401);
    }
    api.stop().await;
}

#[actix_web::test]
async fn nobody_looks_into_another_tenant() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = format!("/Accounts/{}", t.accounts[0][0].sid);
    let provider = format!("/ServiceProviders/{}", t.providers[0].sid);
    for key in [&t.providers[1].key, &t.accounts[1][0].key] {
        for path in ["TtsCache", "SpeechCredentials", "RecentCalls/x", "RecentCalls/trace/x"] {
            let refused = api.get(key, &format!("{account}/{path}")).await.expect(403);
            assert_eq!(refused.msg(), "insufficient permissions", "{path}");
        }
        api.delete(key, &format!("{account}/TtsCache")).await.expect(403);
        for path in ["SpeechCredentials", "RecentCalls/x", "RecentCalls/x/logs"] {
            api.get(key, &format!("{provider}/{path}")).await.expect(403);
        }
        let text = json!({"from": "1", "to": "2", "text": "x"});
        api.post(key, &format!("{account}/Messages"), text).await.expect(403);
    }
    for path in ["TtsCache", "SpeechCredentials"] {
        api.get(&api.admin, &format!("/Accounts/undefined/{path}")).await.expect(400);
        api.get(&api.admin, &format!("/Accounts/{NOBODY}/{path}")).await.expect(404);
    }
    api.stop().await;
}

#[actix_web::test]
async fn no_call_has_a_trace_a_log_or_a_recording() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = format!("/Accounts/{}/RecentCalls", t.accounts[0][0].sid);
    let provider = format!("/ServiceProviders/{}/RecentCalls", t.providers[0].sid);
    let none = json!({"msg": "not found", "status": "fail", "message": "not found"});
    for (key, base) in [
        (&t.accounts[0][0].key, &account),
        (&t.providers[0].key, &provider),
        (&api.admin, &account),
    ] {
        for path in ["a84b4c76%40host", "x/invite/pcap", "x/logs", "trace/0af7651916cd43dd"] {
            let answer = api.get(key, &format!("{base}/{path}")).await.expect(404);
            assert_eq!(answer.json(), none, "{path}");
        }
    }
    let recording = format!("{account}/{NOBODY}/record/2026/11/30/mp3");
    assert_eq!(api.get(&api.admin, &recording).await.expect(404).json(), none);
    assert_eq!(api.delete(&api.admin, &recording).await.expect(404).json(), none);
    api.stop().await;
}

#[actix_web::test]
async fn messages_are_checked_and_then_there_is_nobody_to_send_them() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let path = format!("/Accounts/{}/Messages", account.sid);
    let message = |property: &str, value: Value| {
        let mut body = json!({"from": "15550001", "to": "15550002", "text": "hello"});
        body[property] = value;
        body
    };
    for body in [
        message("text", json!("hello")),
        message("provider", json!("somebody")),
        message("media", json!(["https://example.com/a.png"])),
        json!({"from": "1", "to": "2", "media": "https://example.com/a.png"}),
        message("anything", json!("else")),
    ] {
        let refused = api.post(&account.key, &path, body).await.expect(480);
        assert_eq!(refused.msg(), "no available feature servers at this time");
    }
    for (body, text) in [
        (json!({}), "missing field from"),
        (json!({"from": "1"}), "missing field to"),
        (json!({"from": "1", "to": "2"}), "missing field text"),
        (message("from", json!(5)), "from must be a string"),
        (message("to", json!("")), "to must be a string that is not empty"),
        (message("to", json!("x".repeat(257))), "to is longer than 256 characters"),
        (message("text", json!("x".repeat(1601))), "text is longer than 1600 characters"),
        (message("media", json!(5)), "media must be a URL or an array of them"),
    ] {
        let refused = api.post(&account.key, &path, body.clone()).await.expect(400);
        assert_eq!(refused.msg(), text, "{body}");
    }
    api.stop().await;
}
