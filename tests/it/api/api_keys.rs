//! `/ApiKeys` (contract rest.md §2.2).

use serde_json::{Value, json};

use crate::support::{NOBODY, TestApi};

const NO_ADMIN: &str = "service provider token may not be used to create admin token";
const SAME_PROVIDER: &str =
    "a service provider token can only be used to create tokens for the same service provider";
const SAME_ACCOUNT: &str =
    "an account level token can only be used to create account level tokens for the same account";

#[actix_web::test]
async fn the_token_is_shown_once_and_obscured_ever_after() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"account_sid": account.sid, "token": "ignored"});
    let made = api.post(&account.key, "/ApiKeys", body).await.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 36);

    let list = async || {
        let list = api.get(&api.admin, &format!("/Accounts/{}/ApiKeys", account.sid)).await;
        let rows: Vec<Value> = serde_json::from_str(&list.expect(200).text).unwrap();
        rows.into_iter().find(|row| row["api_key_sid"] == made["sid"]).unwrap()
    };
    let row = list().await;
    let shown = row["token"].as_str().unwrap();
    assert_eq!(&shown[..8], &token[..8]);
    assert!(shown[8..].chars().all(|c| c == 'X') && shown.len() > 8);
    assert_eq!(row["account_sid"], json!(account.sid));
    assert_eq!(row["service_provider_sid"], json!(null));
    assert_eq!((&row["expires_at"], &row["last_used"]), (&json!(null), &json!(null)));
    assert!(row["created_at"].is_string());

    api.get(token, "/Applications").await.expect(200);
    assert!(list().await["last_used"].is_string());
    api.stop().await;
}

#[actix_web::test]
async fn who_may_make_which_key() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (admin, provider, account) = (&api.admin, &t.providers[0], &t.accounts[0][0]);
    let (sp, other_sp) = (&provider.sid, &t.providers[1].sid);
    let (own, sibling, foreign) = (&account.sid, &t.accounts[0][1].sid, &t.accounts[1][0].sid);
    for (key, body, refusal) in [
        (admin, json!({}), None),
        (admin, json!({"service_provider_sid": sp}), None),
        (admin, json!({"account_sid": own, "service_provider_sid": sp}), None),
        (admin, json!({"account_sid": NOBODY}), Some("account not found for sid")),
        (
            admin,
            json!({"service_provider_sid": NOBODY}),
            Some("service_provider not found for sid"),
        ),
        (&provider.key, json!({}), Some(NO_ADMIN)),
        (&provider.key, json!({"service_provider_sid": sp}), None),
        (&provider.key, json!({"account_sid": sibling}), None),
        (&provider.key, json!({"service_provider_sid": other_sp}), Some(SAME_PROVIDER)),
        (&provider.key, json!({"account_sid": foreign}), Some(SAME_PROVIDER)),
        (&provider.key, json!({"account_sid": NOBODY}), Some(SAME_PROVIDER)),
        (
            &provider.key,
            json!({"account_sid": foreign, "service_provider_sid": sp}),
            Some(SAME_PROVIDER),
        ),
        (&account.key, json!({"account_sid": own}), None),
        (&account.key, json!({}), Some(SAME_ACCOUNT)),
        (&account.key, json!({"service_provider_sid": sp}), Some(SAME_ACCOUNT)),
        (&account.key, json!({"account_sid": sibling}), Some(SAME_ACCOUNT)),
    ] {
        let answer = api.post(key, "/ApiKeys", body.clone()).await;
        match refusal {
            None => assert_eq!(answer.status, 201, "{body}: {}", answer.text),
            Some(text) => {
                assert_eq!(answer.status, 400, "{body}");
                assert!(answer.msg().starts_with(text), "{}", answer.msg());
            }
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_key_for_both_is_an_account_key() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let body = json!({"account_sid": account.sid, "service_provider_sid": t.providers[0].sid});
    let key = api.new_key(body).await;
    let visible = api.get(&key, "/Accounts").await.json();
    assert_eq!(visible.as_array().unwrap().len(), 1);
    let rows = api.get(&key, &format!("/Accounts/{}/ApiKeys", account.sid)).await.json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["service_provider_sid"].is_null()));
    api.stop().await;
}

#[actix_web::test]
async fn who_may_delete_which_key() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let make = async |body: Value| {
        let made = api.post(&api.admin, "/ApiKeys", body).await.expect(201).json();
        made["sid"].as_str().unwrap().to_owned()
    };
    let admin_key = make(json!({})).await;
    let provider_key = make(json!({"service_provider_sid": t.providers[0].sid})).await;
    let account_key = make(json!({"account_sid": t.accounts[0][0].sid})).await;
    let delete = async |key: &str, sid: &str| api.delete(key, &format!("/ApiKeys/{sid}")).await;

    for (key, sid) in [
        (&t.providers[0].key, &admin_key),
        (&t.providers[1].key, &provider_key),
        (&t.providers[1].key, &account_key),
        (&t.accounts[0][1].key, &account_key),
        (&t.accounts[0][0].key, &provider_key),
        (&t.accounts[0][0].key, &admin_key),
    ] {
        assert!(!delete(key, sid).await.expect(400).msg().is_empty());
    }
    delete(&api.admin, NOBODY).await.expect(404);
    assert_eq!(delete(&api.admin, "undefined").await.expect(400).msg(), "Bad request");
    delete(&t.accounts[0][0].key, &account_key).await.expect(204);
    delete(&t.providers[0].key, &provider_key).await.expect(204);
    delete(&api.admin, &admin_key).await.expect(204);
    delete(&api.admin, &admin_key).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn keys_are_listed_by_owner() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let of_provider = format!("/ServiceProviders/{}/ApiKeys", t.providers[0].sid);
    let rows = api.get(&t.providers[0].key, &of_provider).await.expect(200).json();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["service_provider_sid"], json!(t.providers[0].sid));
    // An account token sees its own keys there.
    let rows = api.get(&t.accounts[0][0].key, &of_provider).await.expect(200).json();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["account_sid"], json!(t.accounts[0][0].sid));
    api.get(&t.providers[1].key, &of_provider).await.expect(403);
    let of_account = format!("/Accounts/{}/ApiKeys", t.accounts[0][0].sid);
    api.get(&t.accounts[0][1].key, &of_account).await.expect(403);
    api.stop().await;
}
