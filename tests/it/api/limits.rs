//! `…/Limits` of accounts and service providers (contract rest.md §2.14, §1.3).

use serde_json::{Value, json};

use crate::support::{NOBODY, Tenancy, TestApi};

const CATEGORIES: [&str; 6] = [
    "api_rate",
    "device",
    "voice_call_minutes",
    "voice_call_minutes_license",
    "voice_call_session",
    "voice_call_session_license",
];

fn of_account(sid: &str) -> String {
    format!("/Accounts/{sid}/Limits")
}

fn of_provider(sid: &str) -> String {
    format!("/ServiceProviders/{sid}/Limits")
}

/// Path, name of the sid, the owner's name and sid; of the first account and of its provider.
fn both(t: &Tenancy) -> [(String, &'static str, &'static str, String); 2] {
    let (account, provider) = (&t.accounts[0][0].sid, &t.providers[0].sid);
    [
        (of_account(account), "account_limits_sid", "account_sid", account.clone()),
        (
            of_provider(provider),
            "service_provider_limits_sid",
            "service_provider_sid",
            provider.clone(),
        ),
    ]
}

#[actix_web::test]
async fn limits_are_set_listed_replaced_and_taken_away() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    for (path, sid_name, owner_name, owner) in both(&t) {
        let row = |sid: &str, category: &str, quantity: u64| json!({sid_name: sid, owner_name: owner, "category": category, "quantity": quantity});
        let list = async |query: &str| {
            api.get(&api.admin, &format!("{path}{query}")).await.expect(200).json()
        };
        assert_eq!(list("").await, json!([]));
        let mut expected = Vec::new();
        for (n, category) in CATEGORIES.into_iter().enumerate() {
            let body = json!({"category": category, "quantity": n});
            let sid = api.post(&api.admin, &path, body).await.sid();
            expected.push(row(&sid, category, n as u64));
        }
        assert_eq!(list("").await, json!(expected));
        for (category, row) in CATEGORIES.into_iter().zip(&expected) {
            assert_eq!(list(&format!("?category={category}")).await, json!([row]));
        }

        // The same category again: another quantity, the same limit. Numbers may be text.
        let sid = expected[1][sid_name].as_str().unwrap().to_owned();
        let body = json!({"category": "device", "quantity": "250"});
        assert_eq!(api.post(&api.admin, &path, body).await.sid(), sid);
        expected[1] = row(&sid, "device", 250);
        assert_eq!(list("").await, json!(expected));
        // What was read may be sent back.
        assert_eq!(api.post(&api.admin, &path, expected[1].clone()).await.sid(), sid);

        let one = format!("{path}?category=device");
        for _ in 0..2 {
            assert_eq!(api.delete(&api.admin, &one).await.expect(204).text, "");
        }
        expected.remove(1);
        assert_eq!(list("").await, json!(expected));
        assert_eq!(list("?category=device").await, json!([]));
        for _ in 0..2 {
            api.delete(&api.admin, &path).await.expect(204);
            assert_eq!(list("").await, json!([]));
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn bodies_and_queries_are_refused_by_name() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let words = "api_rate, voice_call_session, device, voice_call_minutes, \
         voice_call_session_license or voice_call_minutes_license";
    for (path, ..) in both(&t) {
        for (body, text) in [
            (json!({}), "missing field category".to_owned()),
            (json!({"quantity": 1}), "missing field category".to_owned()),
            (json!({"category": null, "quantity": 1}), "missing field category".to_owned()),
            (json!({"category": "device"}), "missing field quantity".to_owned()),
            (json!({"category": "device", "quantity": null}), "missing field quantity".to_owned()),
            (json!({"category": "lines", "quantity": 1}), format!("category must be {words}")),
            (json!({"category": 5, "quantity": 1}), format!("category must be {words}")),
            (
                json!({"category": "device", "quantity": "x"}),
                "quantity must be an integer".to_owned(),
            ),
            (
                json!({"category": "device", "quantity": 1.5}),
                "quantity must be an integer".to_owned(),
            ),
            (
                json!({"category": "device", "quantity": true}),
                "quantity must be an integer".to_owned(),
            ),
            (
                json!({"category": "device", "quantity": -1}),
                "quantity must be an integer in range".to_owned(),
            ),
            (
                json!({"category": "device", "quantity": 2_147_483_648_u64}),
                "quantity must be an integer in range".to_owned(),
            ),
            (
                json!({"category": "device", "quantity": 1, "colour": "red"}),
                "unknown property colour".to_owned(),
            ),
            (json!([]), "the body must be an object".to_owned()),
        ] {
            let refused = api.post(&api.admin, &path, body.clone()).await;
            assert_eq!((refused.status, refused.msg()), (400, text.clone()), "{body}");
            assert_eq!(refused.json(), json!({"msg": text, "status": "fail", "message": text}));
        }
        let body = json!({"category": "device", "quantity": 2_147_483_647});
        api.post(&api.admin, &path, body).await.expect(201);
        // Above all, a slip in the category does not take all limits away.
        for query in ["?category=devices", "?category=", "?category=Device"] {
            let text = "missing or invalid \"category\" query arg";
            let path = format!("{path}{query}");
            assert_eq!(api.get(&api.admin, &path).await.expect(400).msg(), text);
            assert_eq!(api.delete(&api.admin, &path).await.expect(400).msg(), text);
        }
        assert_eq!(api.get(&api.admin, &path).await.json().as_array().map(Vec::len), Some(1));
        api.put(&api.admin, &path, json!({})).await.expect(405);
    }
    api.stop().await;
}

#[actix_web::test]
async fn each_scope_reaches_its_own_limits() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (account, provider) = (of_account(&t.accounts[0][0].sid), of_provider(&t.providers[0].sid));
    let admin = api.admin.clone();
    let keys = [
        ("the administrator", &admin, true, true),
        ("its provider", &t.providers[0].key, true, true),
        ("the account", &t.accounts[0][0].key, true, false),
        ("another account", &t.accounts[0][1].key, false, false),
        ("an account elsewhere", &t.accounts[1][0].key, false, false),
        ("another provider", &t.providers[1].key, false, false),
    ];
    let body = || json!({"category": "device", "quantity": 3});
    let text = "insufficient permissions";
    let refusal = json!({"msg": text, "status": "fail", "message": text});
    for (who, key, reaches_account, reaches_provider) in keys {
        for (path, is_let) in [(&account, reaches_account), (&provider, reaches_provider)] {
            if is_let {
                api.post(key, path, body()).await.expect(201);
                let listed = api.get(key, path).await.expect(200).json();
                assert_eq!(listed.as_array().map(Vec::len), Some(1), "{who} {path}");
                api.delete(key, path).await.expect(204);
                continue;
            }
            api.post(&admin, path, body()).await.expect(201);
            let answers = [
                api.get(key, path).await,
                api.post(key, path, json!({})).await,
                api.post(key, path, body()).await,
                api.delete(key, path).await,
            ];
            for answer in answers {
                assert_eq!(answer.expect(403).json(), refusal, "{who} {path}");
            }
            let listed = api.get(&admin, path).await.json();
            assert_eq!(listed[0]["quantity"], 3, "{who} {path}");
        }
    }
    for path in [of_account(NOBODY), of_provider(NOBODY)] {
        for (key, status) in
            [(&admin, 404), (&t.providers[0].key, 403), (&t.accounts[0][0].key, 403)]
        {
            api.get(key, &path).await.expect(status);
            api.post(key, &path, body()).await.expect(status);
            let refused = api.delete(key, &path).await.expect(status).json();
            assert_eq!(refused["status"], "fail");
        }
    }
    for path in [of_account("undefined"), of_provider("undefined")] {
        assert_eq!(api.get(&admin, &path).await.expect(400).msg(), "Bad request");
    }
    api.get("nobody", &account).await.expect(401);
    api.stop().await;
}

#[actix_web::test]
async fn limits_go_with_their_owner() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let other = api.new_account(&provider, "b").await;
    let body = json!({"category": "voice_call_session", "quantity": 3});
    for path in [of_account(&account.sid), of_account(&other.sid), of_provider(&provider.sid)] {
        api.post(&api.admin, &path, body.clone()).await.expect(201);
    }
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(204);
    api.get(&api.admin, &of_account(&account.sid)).await.expect(404);
    let kept: Value = api.get(&api.admin, &of_account(&other.sid)).await.expect(200).json();
    assert_eq!(kept[0]["quantity"], 3);
    api.delete(&api.admin, &format!("/Accounts/{}", other.sid)).await.expect(204);
    api.delete(&api.admin, &format!("/ServiceProviders/{}", provider.sid)).await.expect(204);
    api.get(&api.admin, &of_provider(&provider.sid)).await.expect(404);
    api.stop().await;
}
