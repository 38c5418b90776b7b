//! `…/RecentCalls` and `…/Alerts` (contract rest.md §2.12, §2.13).

use std::time::Duration;

use serde_json::{Value, json};
use trunkline::model::{AccountSid, Alert, AlertType, CallRecord, CallSid, Direction, Timestamp};

use crate::support::{NOBODY, Tenant, TestApi};

fn record(account: &Tenant, minutes_ago: u64, answered: bool) -> CallRecord {
    let start = Timestamp::now().minus(Duration::from_secs(minutes_ago * 60));
    CallRecord {
        call_sid: CallSid::random(),
        account_sid: AccountSid::parse(&account.sid).unwrap(),
        service_provider_sid: None,
        application_sid: None,
        parent_call_sid: None,
        direction: if answered { Direction::Inbound } else { Direction::Outbound },
        from: "alice".to_owned(),
        to: "15551230000".to_owned(),
        caller_name: None,
        trunk: Some("user".to_owned()),
        sip_callid: "abc@host".to_owned(),
        sip_parent_callid: None,
        host: Some("192.0.2.1:5060".to_owned()),
        remote_host: None,
        attempted_at: start,
        answered_at: answered.then(|| start.plus(Duration::from_secs(2))),
        terminated_at: start.plus(Duration::from_secs(12)),
        call_status: "completed".to_owned(),
        sip_status: if answered { 200 } else { 486 },
        sip_reason: None,
        termination_reason: Some("caller hungup".to_owned()),
        call_termination_by: Some("caller".to_owned()),
        trace_id: None,
        customer_data: Some(json!({"a": 1})),
    }
}

#[actix_web::test]
async fn ended_calls_are_listed_newest_first_with_every_field() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let store = &api.state.store;
    let (old, new) = (record(account, 60, true), record(account, 1, false));
    store.calls().record_ended(old.clone());
    store.calls().record_ended(new.clone());
    store.calls().record_ended(new.clone());
    store.calls().record_ended(record(&t.accounts[1][0], 5, true));
    store.flush().await;

    let path = format!("/Accounts/{}/RecentCalls?page=1&count=25", account.sid);
    let list = api.get(&account.key, &path).await.expect(200).json();
    let envelope = (&list["total"], &list["page"], &list["page_size"]);
    assert_eq!(envelope, (&json!(2), &json!(1), &json!(25)));
    assert_eq!(list["data"][0]["call_sid"], json!(new.call_sid));
    assert_eq!(
        list["data"][1],
        json!({
            "call_sid": old.call_sid, "account_sid": account.sid,
            "service_provider_sid": t.providers[0].sid, "application_sid": null,
            "from": "alice", "to": "+15551230000", "direction": "inbound", "trunk": "user",
            "sip_callid": "abc@host", "sip_parent_callid": null, "host": "192.0.2.1:5060",
            "remote_host": null, "attempted_at": old.attempted_at.to_rfc2822(),
            "answered_at": old.answered_at.unwrap().to_rfc2822(),
            "terminated_at": old.terminated_at.to_rfc2822(), "answered": true, "duration": 10,
            "sip_status": 200, "termination_reason": "caller hungup", "trace_id": null
        })
    );
    let of_provider =
        format!("/ServiceProviders/{}/RecentCalls?page=1&count=5", t.providers[0].sid);
    assert_eq!(api.get(&t.providers[0].key, &of_provider).await.json()["total"], json!(2));
    api.stop().await;
}

#[actix_web::test]
async fn ended_calls_are_paged_and_narrowed() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let records: Vec<_> = (0..5).map(|n| record(&account, n * 1000, n % 2 == 0)).collect();
    for record in &records {
        api.state.store.calls().record_ended(record.clone());
    }
    api.state.store.flush().await;
    let count = async |query: &str| {
        let path = format!("/Accounts/{}/RecentCalls?{query}", account.sid);
        api.get(&account.key, &path).await.expect(200).json()
    };
    let paged = count("page=2&count=2").await;
    assert_eq!((&paged["total"], paged["data"].as_array().unwrap().len()), (&json!(5), 2));
    let third = records[2].attempted_at.to_iso8601();
    let sid = records[3].call_sid;
    for (query, total) in [
        ("days=1".to_owned(), 2),
        ("days=30".to_owned(), 5),
        (format!("start={third}"), 3),
        (format!("end={third}"), 3),
        ("answered=true".to_owned(), 3),
        ("answered=false".to_owned(), 2),
        ("direction=outbound".to_owned(), 2),
        ("trunk=user".to_owned(), 5),
        ("trunk=none".to_owned(), 0),
        ("filter=LIC".to_owned(), 5),
        ("filter=%2B1555".to_owned(), 5),
        (format!("filter={sid}"), 1),
        ("filter=nobody".to_owned(), 0),
        ("filter=ali&answered=true&days=2".to_owned(), 2),
    ] {
        let found = count(&format!("page=1&count=50&{query}")).await;
        assert_eq!(found["total"], json!(total), "{query}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn record_lists_refuse_with_status_and_message() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    for list in ["RecentCalls", "Alerts"] {
        let base = format!("/Accounts/{}/{list}", account.sid);
        for (query, msg) in [
            ("", "missing or invalid \"page\" query arg"),
            ("?page=0&count=5", "missing or invalid \"page\" query arg"),
            ("?page=x&count=5", "missing or invalid \"page\" query arg"),
            ("?page=1", "missing or invalid \"count\" query arg"),
            ("?page=1&count=501", "missing or invalid \"count\" query arg"),
            ("?page=1&count=5&days=x", "missing or invalid \"days\" query arg"),
            ("?page=1&count=5&start=x", "missing or invalid \"start\" query arg"),
        ] {
            let refused = api.get(&account.key, &format!("{base}{query}")).await.expect(400);
            let expected = json!({"msg": msg, "status": "fail", "message": msg});
            assert_eq!(refused.json(), expected, "{query}");
        }
        let page = "?page=1&count=5";
        let refused = api.get(&t.accounts[0][1].key, &format!("{base}{page}")).await.expect(403);
        assert_eq!(refused.json()["message"], "insufficient permissions");
        // Records of the whole provider are not for one account.
        let of_provider = format!("/ServiceProviders/{}/{list}{page}", t.providers[0].sid);
        api.get(&account.key, &of_provider).await.expect(403);
        api.get(&t.providers[0].key, &of_provider).await.expect(200);
        let unknown = format!("/Accounts/{NOBODY}/{list}{page}");
        assert_eq!(api.get(&api.admin, &unknown).await.expect(200).json()["total"], json!(0));
    }
    for query in ["direction=up", "answered=maybe"] {
        let path = format!("/Accounts/{}/RecentCalls?page=1&count=5&{query}", account.sid);
        api.get(&account.key, &path).await.expect(400);
    }
    api.stop().await;
}

#[actix_web::test]
async fn accounts_that_want_no_records_have_none() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let path = format!("/Accounts/{}", account.sid);
    api.put(&account.key, &path, json!({"disable_cdrs": 1})).await.expect(204);
    api.state.store.calls().record_ended(record(&account, 1, true));
    api.state.store.flush().await;
    let list = api.get(&account.key, &format!("{path}/RecentCalls?page=1&count=5")).await.json();
    assert_eq!(list["total"], json!(0));
    api.stop().await;
}

#[actix_web::test]
async fn alerts_are_listed_newest_first() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let account_sid = AccountSid::parse(&account.sid).unwrap();
    let write = |alert_type, detail: Option<&str>| {
        api.state.store.alerts().write(Alert {
            account_sid,
            alert_type,
            message: "it failed".to_owned(),
            detail: detail.map(str::to_owned),
            target_sid: None,
        });
    };
    write(AlertType::WebhookFailure, None);
    api.state.store.flush().await;
    write(AlertType::NoCarrier, Some("why"));
    api.state.store.flush().await;
    let list = async |query: &str| -> Value {
        let path = format!("/Accounts/{}/Alerts?page=1&count=5{query}", account.sid);
        api.get(&account.key, &path).await.expect(200).json()
    };
    let all = list("").await;
    assert_eq!(all["total"], json!(2));
    let webhook = list("&alert_type=webhook-failure").await;
    assert_eq!(webhook["total"], json!(1));
    let row = &webhook["data"][0];
    assert!(row["time"].is_string());
    assert_eq!(row["service_provider_sid"], json!(provider.sid));
    assert_eq!(row.as_object().unwrap().len(), 5, "{row}");
    assert_eq!(list("&alert_type=no-carrier").await["data"][0]["detail"], "why");
    assert_eq!(list("&days=1").await["total"], json!(2));
    api.stop().await;
}
