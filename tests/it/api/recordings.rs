//! `…/Recordings` and the recordings of ended calls (contract rest.md §2.12).

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};
use serde_json::{Value, json};
use trunkline::model::{
    AccountSid, CallRecord, CallSid, ConferenceSid, Direction, Recording, RecordingSid,
    RecordingState, SoundFormat, Timestamp,
};

use crate::support::{NOBODY, Tenant, TestApi};

const SOUND: &str = "0123456789";

fn recording(account: &Tenant, path: &str, hours_ago: u64) -> Recording {
    Recording {
        sid: RecordingSid::random(),
        account_sid: AccountSid::parse(&account.sid).unwrap(),
        call_sid: None,
        conference_sid: None,
        conference_name: None,
        path: path.to_owned(),
        format: if path.ends_with("ogg") { SoundFormat::Ogg } else { SoundFormat::Wav },
        channels: 2,
        started_at: Timestamp::now().minus(Duration::from_secs(hours_ago * 3_600)),
        duration_ms: 2_999,
        bytes: SOUND.len() as u64,
        state: RecordingState::Completed,
    }
}

fn file(api: &TestApi, recording: &Recording) -> PathBuf {
    let folder = api.state.config.recording_dir().join(recording.account_sid.to_string());
    folder.join(&recording.path)
}

/// Stores a recording, and its file.
async fn put(api: &TestApi, recording: &Recording) {
    let place = file(api, recording);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(place, SOUND).unwrap();
    api.state.store.recordings().write(recording.clone());
    api.state.store.flush().await;
}

fn ended_call(account: &Tenant, call_sid: CallSid) -> CallRecord {
    let now = Timestamp::now();
    CallRecord {
        call_sid,
        account_sid: AccountSid::parse(&account.sid).unwrap(),
        service_provider_sid: None,
        application_sid: None,
        parent_call_sid: None,
        direction: Direction::Inbound,
        from: "alice".to_owned(),
        to: "bob".to_owned(),
        caller_name: None,
        trunk: None,
        sip_callid: "a@b".to_owned(),
        sip_parent_callid: None,
        host: None,
        remote_host: None,
        attempted_at: now,
        answered_at: Some(now),
        terminated_at: now,
        call_status: "completed".to_owned(),
        sip_status: 200,
        sip_reason: None,
        termination_reason: None,
        call_termination_by: None,
        trace_id: None,
        customer_data: None,
    }
}

#[actix_web::test]
async fn a_file_with_more_in_its_name_than_may_be_asked_for_is_fetched_and_deleted() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    // The longest there are: what was asked for, a part of the sid, the ending.
    let name = format!("{}-12345678.wav", "n".repeat(100));
    let longest = format!("{}/{}-12345678.wav", "f".repeat(99), "n".repeat(100));
    for path in [name, longest] {
        let made = recording(account, &path, 0);
        put(&api, &made).await;
        let url = format!("/Accounts/{}/Recordings/{}", account.sid, made.sid);
        let sent = api.get(&account.key, &format!("{url}/file")).await.expect(200);
        assert_eq!(sent.text, SOUND);
        api.delete(&account.key, &url).await.expect(204);
        assert!(!file(&api, &made).exists());
        api.get(&account.key, &url).await.expect(404);
    }
}

#[actix_web::test]
async fn recordings_are_listed_read_fetched_and_deleted() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let call = CallSid::random();
    let room = ConferenceSid::random();
    let of_call = Recording { call_sid: Some(call), ..recording(account, "a/b.wav", 2) };
    let of_room = Recording {
        conference_sid: Some(room),
        conference_name: Some("lobby".to_owned()),
        channels: 1,
        ..recording(account, "c.ogg", 1)
    };
    for one in [&of_call, &of_room, &recording(&t.accounts[0][1], "d.wav", 0)] {
        put(&api, one).await;
    }
    let base = format!("/Accounts/{}/Recordings", account.sid);
    let list = api.get(&account.key, &base).await.expect(200).json();
    assert_eq!(
        (&list["total"], &list["page"], &list["page_size"]),
        (&json!(2), &json!(1), &json!(50))
    );
    let sid = of_room.sid;
    let shown = json!({
        "recording_sid": sid, "account_sid": account.sid, "call_sid": null, "conference_sid": room,
        "conference_name": "lobby", "path": "c.ogg", "format": "ogg", "channels": 1,
        "started_at": of_room.started_at.to_rfc2822(), "duration": 2, "bytes": 10,
        "state": "completed", "url": format!("{base}/{sid}/file"),
    });
    assert_eq!(list["data"][0], shown);
    assert_eq!(list["data"][1]["call_sid"], json!(call));
    for (query, found) in [
        ("page=1&page_size=1".to_owned(), vec![of_room.sid]),
        ("page=2&page_size=1".to_owned(), vec![of_call.sid]),
        ("page=3&page_size=1".to_owned(), vec![]),
        (format!("call_sid={call}"), vec![of_call.sid]),
        (format!("call_sid={NOBODY}"), vec![]),
        (format!("conference={room}"), vec![of_room.sid]),
        ("conference=lobby".to_owned(), vec![of_room.sid]),
        ("conference=lob".to_owned(), vec![]),
    ] {
        let list = api.get(&account.key, &format!("{base}?{query}")).await.expect(200).json();
        let sids = list["data"].as_array().unwrap().iter().map(|row| row["recording_sid"].clone());
        assert_eq!(
            sids.collect::<Vec<_>>(),
            found.iter().map(|s| json!(s)).collect::<Vec<_>>(),
            "{query}"
        );
    }
    for query in ["call_sid=x", "page=x", "page_size=0"] {
        api.get(&account.key, &format!("{base}?{query}")).await.expect(400);
    }
    assert_eq!(api.get(&account.key, &format!("{base}/{sid}")).await.expect(200).json(), shown);

    let answer = api.get(&account.key, &format!("{base}/{sid}/file")).await.expect(200);
    assert_eq!(
        (answer.text.as_str(), &answer.headers[CONTENT_TYPE]),
        (SOUND, &"audio/ogg".parse().unwrap())
    );
    let part = api.request(Method::GET, &format!("/v1{base}/{}/file", of_call.sid));
    let part = part.bearer_auth(&account.key).header(RANGE, "bytes=3-5");
    let answer = api.send(part).await.expect(206);
    assert_eq!(
        (answer.text.as_str(), &answer.headers[CONTENT_TYPE]),
        ("345", &"audio/wav".parse().unwrap())
    );
    assert_eq!(answer.headers[CONTENT_RANGE], "bytes 3-5/10");

    let path = format!("{base}/{}", of_call.sid);
    api.delete(&account.key, &path).await.expect(204);
    assert!(!file(&api, &of_call).exists() && file(&api, &of_room).exists());
    for tail in ["", "/file"] {
        api.get(&account.key, &format!("{path}{tail}")).await.expect(404);
    }
    api.delete(&account.key, &path).await.expect(404);
    // The file is gone, what is known of it is not.
    std::fs::remove_file(file(&api, &of_room)).unwrap();
    api.get(&account.key, &format!("{base}/{sid}/file")).await.expect(404);
    api.get(&account.key, &format!("{base}/{sid}")).await.expect(200);
    api.delete(&account.key, &format!("{base}/{sid}")).await.expect(204);
    assert_eq!(api.get(&account.key, &base).await.json()["total"], 0);
    api.stop().await;
}

#[actix_web::test]
async fn what_is_being_recorded_is_shown_and_not_touched() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let call = CallSid::random();
    let live = Recording {
        call_sid: Some(call),
        state: RecordingState::Recording,
        ..recording(account, "a.wav", 0)
    };
    put(&api, &live).await;
    let path = format!("/Accounts/{}/Recordings/{}", account.sid, live.sid);
    let shown = api.get(&account.key, &path).await.expect(200).json();
    assert_eq!((&shown["state"], &shown["url"]), (&json!("recording"), &Value::Null));
    for refused in [
        api.get(&account.key, &format!("{path}/file")).await,
        api.delete(&account.key, &path).await,
    ] {
        assert_eq!(refused.expect(422).msg(), "the recording is not over");
    }
    let day = live.started_at.to_day_path();
    let of_call = format!("/Accounts/{}/RecentCalls/{call}/record/{day}/wav", account.sid);
    api.get(&account.key, &of_call).await.expect(404);
    api.delete(&account.key, &of_call).await.expect(404);
    assert!(file(&api, &live).exists());
    api.stop().await;
}

#[actix_web::test]
async fn an_ended_call_says_where_its_recording_is() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let (call, other) = (CallSid::random(), CallSid::random());
    let store = &api.state.store;
    store.calls().record_ended(ended_call(account, call));
    store.calls().record_ended(ended_call(account, other));
    let older = Recording { call_sid: Some(call), ..recording(account, "older.wav", 1) };
    let latest = Recording { call_sid: Some(call), ..recording(account, "latest.ogg", 0) };
    for one in [&older, &latest] {
        put(&api, one).await;
    }
    let base = format!("/Accounts/{}/RecentCalls", account.sid);
    let urls = |list: &Value| -> Vec<(Value, Value)> {
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| (row["call_sid"].clone(), row["recording_url"].clone())).collect()
    };
    let list = api.get(&account.key, &format!("{base}?page=1&count=5")).await.json();
    let day = latest.started_at.to_day_path();
    let url = format!("{base}/{call}/record/{day}/ogg");
    assert!(urls(&list).contains(&(json!(call), json!(url))));
    assert!(urls(&list).contains(&(json!(other), Value::Null)));
    let answer = api.get(&account.key, &url).await.expect(200);
    assert_eq!(
        (answer.text.as_str(), &answer.headers[CONTENT_TYPE]),
        (SOUND, &"audio/ogg".parse().unwrap())
    );
    let none = json!({"msg": "not found", "status": "fail", "message": "not found"});
    for path in [
        format!("{base}/{call}/record/{day}/mp3"),
        format!("{base}/{call}/record/1999/01/01/ogg"),
        format!("{base}/{call}/record/x/01/01/ogg"),
        format!("{base}/{other}/record/{day}/ogg"),
    ] {
        assert_eq!(api.get(&account.key, &path).await.expect(404).json(), none, "{path}");
        api.delete(&account.key, &path).await.expect(404);
    }
    let malformed = format!("{base}/x/record/{day}/ogg");
    api.get(&account.key, &malformed).await.expect(400);
    api.delete(&account.key, &malformed).await.expect(400);
    api.delete(&account.key, &url).await.expect(204);
    assert!(!file(&api, &latest).exists());
    let list = api.get(&account.key, &format!("{base}?page=1&count=5")).await.json();
    let day = older.started_at.to_day_path();
    assert!(urls(&list).contains(&(json!(call), json!(format!("{base}/{call}/record/{day}/wav")))));
    api.stop().await;
}

#[actix_web::test]
async fn nobody_reaches_recordings_of_others() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let owner = &t.accounts[0][0];
    let call = CallSid::random();
    let theirs = Recording { call_sid: Some(call), ..recording(owner, "a.wav", 0) };
    put(&api, &theirs).await;
    let (sid, day) = (theirs.sid, theirs.started_at.to_day_path());
    let tails = [
        "/Recordings".to_owned(),
        format!("/Recordings/{sid}"),
        format!("/Recordings/{sid}/file"),
        format!("/RecentCalls/{call}/record/{day}/wav"),
    ];
    for tail in &tails {
        let path = format!("/Accounts/{}{tail}", owner.sid);
        for stranger in [&t.accounts[0][1].key, &t.accounts[1][0].key, &t.providers[1].key] {
            api.get(stranger, &path).await.expect(403);
            if tail != "/Recordings" && !tail.ends_with("/file") {
                api.delete(stranger, &path).await.expect(403);
            }
        }
        // Through an account of their own.
        let own = format!("/Accounts/{}{tail}", t.accounts[0][1].sid);
        match tail.as_str() {
            "/Recordings" => {
                let list = api.get(&t.accounts[0][1].key, &own).await.expect(200).json();
                assert_eq!(list["total"], 0);
            }
            _ => _ = api.get(&t.accounts[0][1].key, &own).await.expect(404),
        }
        for friend in [&owner.key, &t.providers[0].key, &api.admin] {
            api.get(friend, &path).await.expect(200);
        }
    }
    for sid in ["undefined", "1"] {
        let path = format!("/Accounts/{}/Recordings/{sid}", owner.sid);
        assert_eq!(api.get(&owner.key, &path).await.expect(400).msg(), "Bad request");
    }
    let viewer = json!({"account_sid": owner.sid, "is_view_only": true, "is_active": 1});
    let (_, viewer) = api.new_user("viewer", viewer).await;
    let path = format!("/Accounts/{}/Recordings/{sid}", owner.sid);
    api.get(&viewer, &path).await.expect(200);
    api.delete(&viewer, &path).await.expect(403);
    assert!(file(&api, &theirs).exists());
    api.stop().await;
}
