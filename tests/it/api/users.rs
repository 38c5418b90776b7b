//! `/Users` and `/PasswordSettings` (contract rest.md §1.3, §1.6, §2.15).

use serde_json::{Value, json};

use crate::support::{NOBODY, PASSWORD, TestApi};

fn body(change: &Value) -> Value {
    let mut body = json!({"name": "ada", "email": "ada@example.com", "initial_password": PASSWORD});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[actix_web::test]
async fn a_user_is_made_shown_changed_and_deleted() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let (provider, account) = (&tenancy.providers[0].sid, &tenancy.accounts[0][0].sid);
    let answer = api
        .post(&api.admin, "/Users", body(&json!({"account_sid": account, "force_change": 1})))
        .await
        .expect(201);
    let answer = answer.json();
    let sid = answer["user_sid"].as_str().unwrap();
    assert_eq!(answer, json!({"user_sid": sid}));
    let path = format!("/Users/{sid}");
    let in_list = json!({
        "user_sid": sid, "name": "ada", "email": "ada@example.com", "scope": "account",
        "force_change": 1, "is_active": 1, "account_sid": account, "account_name": "1a",
        "service_provider_sid": provider, "service_provider_name": "one",
    });
    assert_eq!(api.get(&api.admin, "/Users").await.json(), json!([in_list]));
    let shown = api.get(&api.admin, &path).await.expect(200).json();
    let expected = json!({
        "user_sid": sid, "name": "ada", "email": "ada@example.com", "pending_email": null,
        "phone": null, "provider": "local", "account_sid": account, "account_name": "1a",
        "service_provider_sid": provider, "service_provider_name": "one", "scope": "account",
        "permissions": ["PROVISION_SERVICES", "PROVISION_USERS"], "is_view_only": false,
        "is_active": 1, "force_change": 1, "email_validated": 0, "phone_validated": 0,
        "email_content_opt_out": 0, "created_at": shown["created_at"],
    });
    assert_eq!(shown, expected);
    // What was read may be sent back, the key apart.
    let mut back = shown.clone();
    back.as_object_mut().unwrap().shift_remove("user_sid");
    back["name"] = json!("Ada Lovelace");
    back["is_view_only"] = json!("1");
    api.put(&api.admin, &path, back).await.expect(204);
    let shown = api.get(&api.admin, &path).await.json();
    assert_eq!(shown["name"], "Ada Lovelace");
    assert_eq!(
        (&shown["is_view_only"], &shown["permissions"]),
        (&json!(true), &json!(["VIEW_ONLY"]))
    );
    api.log_in("ada", PASSWORD).await.expect(403);
    api.log_in("ada lovelace", PASSWORD).await.expect(200);
    api.delete(&api.admin, &path).await.expect(204);
    for answer in [
        api.get(&api.admin, &path).await,
        api.put(&api.admin, &path, json!({"name": "x"})).await,
        api.delete(&api.admin, &path).await,
    ] {
        answer.expect(404);
    }
    assert_eq!(api.get(&api.admin, "/Users").await.json(), json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn every_property_is_checked_on_create() {
    let api = TestApi::start().await;
    let long = "x".repeat(256);
    let address = format!("{}@example.com", "x".repeat(250));
    let no_provider = format!("service_provider not found for sid {NOBODY}");
    let no_account = format!("account not found for sid {NOBODY}");
    for (change, msg) in [
        (json!({"name": null}), "name must be a string that is not empty"),
        (json!({"name": ""}), "name must be a string that is not empty"),
        (json!({"name": 5}), "name must be a string"),
        (json!({"name": long}), "name is longer than 255 characters"),
        (json!({"email": 5}), "email must be a string"),
        (json!({"email": "ada"}), "email must be an email address"),
        (json!({"email": address}), "email is longer than 255 characters"),
        (json!({"initial_password": null}), "missing field initial_password"),
        (json!({"initial_password": 12_345_678}), "initial_password must be a string"),
        (json!({"initial_password": long}), "initial_password is longer than 255 characters"),
        (json!({"initial_password": "short"}), "password: must have 8 to 20 characters"),
        (json!({"initial_password": "x".repeat(21)}), "password: must have 8 to 20 characters"),
        (json!({"is_active": "yes"}), "is_active must be a boolean"),
        (json!({"force_change": 2}), "force_change must be a boolean"),
        (json!({"is_view_only": []}), "is_view_only must be a boolean"),
        (json!({"account_sid": "me"}), "account_sid must be a sid (UUID)"),
        (json!({"account_sid": NOBODY}), &no_account),
        (json!({"service_provider_sid": 1}), "service_provider_sid must be a sid (UUID)"),
        (json!({"service_provider_sid": NOBODY}), &no_provider),
        (json!({"hashed_password": "x"}), "unknown property hashed_password"),
        (json!({"old_password": "x"}), "unknown property old_password"),
    ] {
        let answer = api.post(&api.admin, "/Users", body(&change)).await.expect(400);
        assert_eq!(answer.json(), json!({"msg": msg}), "{change}");
    }
    for name in ["name", "email", "initial_password"] {
        let mut body = body(&json!({}));
        body.as_object_mut().unwrap().shift_remove(name);
        let answer = api.post(&api.admin, "/Users", body).await.expect(400);
        assert_eq!(answer.msg(), format!("missing field {name}"));
    }
    let good = json!({"name": "x".repeat(255), "is_active": "1", "force_change": "false",
        "is_view_only": true, "account_sid": null, "service_provider_sid": null});
    api.post(&api.admin, "/Users", body(&good)).await.expect(201);
    api.stop().await;
}

#[actix_web::test]
async fn every_property_is_checked_on_update() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let (one, two) = (&tenancy.providers[0].sid, &tenancy.providers[1].sid);
    let [account, sister] = &tenancy.accounts[0];
    let (sid, _) = api.new_user("ada", json!({"account_sid": account.sid})).await;
    let (of_provider, _) = api.new_user("bob", json!({"service_provider_sid": one})).await;
    let (ada, bob) = (format!("/Users/{sid}"), format!("/Users/{of_provider}"));
    let promotion = "a user cannot be promoted to a wider scope";
    let together = "old_password and new_password go together";
    let other = "account_sid does not belong to the service_provider_sid";
    for (path, body, msg) in [
        (&ada, json!({}), "no updates requested"),
        (&ada, json!({"scope": "admin"}), "no updates requested"),
        (&ada, json!({"user_sid": NOBODY}), "primary key user_sid is immutable"),
        (&ada, json!({"name": ""}), "name must be a string that is not empty"),
        (&ada, json!({"email": "x"}), "email must be an email address"),
        (&ada, json!({"is_active": "x"}), "is_active must be a boolean"),
        (&ada, json!({"initial_password": "short"}), "password: must have 8 to 20 characters"),
        (&ada, json!({"old_password": PASSWORD}), together),
        (&ada, json!({"new_password": PASSWORD}), together),
        (
            &ada,
            json!({"old_password": PASSWORD, "new_password": "short"}),
            "password: must have 8 to 20 characters",
        ),
        (&ada, json!({"hashed_password": "x"}), "unknown property hashed_password"),
        (&ada, json!({"account_sid": null}), promotion),
        (&ada, json!({"account_sid": null, "service_provider_sid": one}), promotion),
        (&ada, json!({"account_sid": null, "service_provider_sid": null}), promotion),
        (&ada, json!({"service_provider_sid": two}), other),
        (&ada, json!({"account_sid": account.sid, "service_provider_sid": two}), other),
        (&bob, json!({"service_provider_sid": null}), promotion),
        (&bob, json!({"account_sid": null, "service_provider_sid": null}), promotion),
    ] {
        let answer = api.put(&api.admin, path, body.clone()).await.expect(400);
        assert_eq!(answer.json(), json!({"msg": msg}), "{body}");
    }
    for (path, body, scope) in [
        (&ada, json!({"account_sid": account.sid, "service_provider_sid": one}), "account"),
        (&ada, json!({"account_sid": sister.sid}), "account"),
        (&ada, json!({"service_provider_sid": null}), "account"),
        (&bob, json!({"service_provider_sid": two}), "service_provider"),
        (&bob, json!({"account_sid": account.sid}), "account"),
    ] {
        api.put(&api.admin, path, body.clone()).await.expect(204);
        let shown = api.get(&api.admin, path).await.json();
        assert_eq!(shown["scope"], scope, "{body}");
        if let Some(sid) = body["account_sid"].as_str() {
            assert_eq!(shown["account_sid"], sid);
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn names_and_emails_are_taken_once_across_both_and_all_tenants() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    api.post(&api.admin, "/Users", body(&json!({}))).await.expect(201);
    let key = &tenancy.accounts[1][1].key;
    for change in [
        json!({"name": "ada", "email": "b@example.com"}),
        json!({"name": "ADA", "email": "b@example.com"}),
        json!({"name": " ada ", "email": "b@example.com"}),
        json!({"name": "b", "email": "ada@example.com"}),
        json!({"name": "b", "email": "Ada@Example.com"}),
        json!({"name": "ada@example.com", "email": "b@example.com"}),
    ] {
        let answer = api.post(key, "/Users", body(&change)).await.expect(422);
        assert_eq!(answer.json(), json!({"msg": "invalid username or email"}), "{change}");
    }
    let other = body(&json!({"name": "bob", "email": "bob@example.com"}));
    let answer = api.post(key, "/Users", other).await.expect(201).json();
    let path = format!("/Users/{}", answer["user_sid"].as_str().unwrap());
    for change in [json!({"name": "ada"}), json!({"email": "ada@example.com"})] {
        let answer = api.put(key, &path, change).await.expect(422);
        assert_eq!(answer.msg(), "invalid username or email");
    }
    api.put(key, &path, json!({"name": "Bob", "email": "BOB@example.com"})).await.expect(204);
    // Half of a refused change must not have been made.
    let shown = api.get(key, &path).await.json();
    assert_eq!((&shown["name"], &shown["email"]), (&json!("Bob"), &json!("BOB@example.com")));
    api.stop().await;
}

#[actix_web::test]
async fn a_creator_does_not_exceed_its_own_scope() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let [one, two] = &tenancy.providers;
    let [[own, sister], [foreign, _]] = &tenancy.accounts;
    let mut count = 0;
    for (key, sids, expected) in [
        (&one.key, json!({}), Ok("service_provider")),
        (&one.key, json!({"service_provider_sid": one.sid}), Ok("service_provider")),
        (&one.key, json!({"account_sid": own.sid}), Ok("account")),
        (&one.key, json!({"account_sid": own.sid, "service_provider_sid": one.sid}), Ok("account")),
        (&one.key, json!({"service_provider_sid": two.sid}), Err("insufficient privileges")),
        (&one.key, json!({"account_sid": foreign.sid}), Err("insufficient privileges")),
        (&one.key, json!({"account_sid": NOBODY}), Err("insufficient privileges")),
        (&one.key, json!({"service_provider_sid": NOBODY}), Err("insufficient privileges")),
        (&own.key, json!({}), Ok("account")),
        (&own.key, json!({"account_sid": own.sid}), Ok("account")),
        (&own.key, json!({"account_sid": own.sid, "service_provider_sid": one.sid}), Ok("account")),
        (&own.key, json!({"account_sid": null, "service_provider_sid": null}), Ok("account")),
        (&own.key, json!({"account_sid": sister.sid}), Err("insufficient privileges")),
        (&own.key, json!({"service_provider_sid": one.sid}), Err("insufficient privileges")),
        (&api.admin, json!({}), Ok("admin")),
        (&api.admin, json!({"account_sid": foreign.sid}), Ok("account")),
    ] {
        count += 1;
        let mut body = body(&sids);
        body["name"] = json!(format!("user{count}"));
        body["email"] = json!(format!("user{count}@example.com"));
        let answer = api.post(key, "/Users", body).await;
        match expected {
            Ok(scope) => {
                let answer = answer.expect(201).json();
                let path = format!("/Users/{}", answer["user_sid"].as_str().unwrap());
                assert_eq!(api.get(&api.admin, &path).await.json()["scope"], scope, "{sids}");
            }
            Err(msg) => assert_eq!(answer.expect(403).msg(), msg, "{sids}"),
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn users_are_seen_and_changed_within_the_scope_alone() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let [one, two] = &tenancy.providers;
    let [[own, sister], [foreign, _]] = &tenancy.accounts;
    let mut users = Vec::new();
    for (name, sids) in [
        ("admin1", json!({})),
        ("admin2", json!({})),
        ("one", json!({"service_provider_sid": one.sid})),
        ("two", json!({"service_provider_sid": two.sid})),
        ("own", json!({"account_sid": own.sid})),
        ("sister", json!({"account_sid": sister.sid})),
        ("foreign", json!({"account_sid": foreign.sid})),
    ] {
        users.push((name, api.new_user(name, sids).await));
    }
    let token = |name: &str| {
        let (_, (_, token)) = users.iter().find(|(user, _)| *user == name).unwrap();
        token.clone()
    };
    for (keys, reached) in [
        (
            [api.admin.clone(), token("admin1")],
            vec!["admin1", "admin2", "foreign", "one", "own", "sister", "two"],
        ),
        ([one.key.clone(), token("one")], vec!["one", "own", "sister"]),
        ([own.key.clone(), token("own")], vec!["own"]),
    ] {
        for key in keys {
            let list = api.get(&key, "/Users").await.expect(200).json();
            let names: Vec<_> = list
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, reached);
            for (name, (sid, _)) in &users {
                let path = format!("/Users/{sid}");
                let is_reached = reached.contains(name);
                let status = if is_reached { 200 } else { 404 };
                api.get(&key, &path).await.expect(status);
                let answer = api.put(&key, &path, json!({"force_change": 0})).await;
                if is_reached {
                    answer.expect(204);
                } else {
                    assert_eq!(answer.expect(403).msg(), "insufficient privileges");
                    let answer = api.delete(&key, &path).await.expect(403);
                    assert_eq!(answer.msg(), "insufficient privileges");
                    // Neither may the password be tried from there.
                    let body = json!({"old_password": PASSWORD, "new_password": "open-sesame"});
                    api.put(&key, &path, body).await.expect(403);
                }
            }
        }
    }
    // Nobody is moved out of the mover's reach.
    let (_, (sister_sid, _)) = users.iter().find(|(name, _)| *name == "sister").unwrap();
    let path = format!("/Users/{sister_sid}");
    for target in [json!({"account_sid": foreign.sid}), json!({"account_sid": NOBODY})] {
        let answer = api.put(&one.key, &path, target).await.expect(403);
        assert_eq!(answer.msg(), "insufficient privileges");
    }
    api.put(&one.key, &path, json!({"account_sid": own.sid})).await.expect(204);
    for (_, (sid, _)) in &users {
        assert_eq!(api.log_in(sid, PASSWORD).await.status, 403);
    }
    api.stop().await;
}

#[actix_web::test]
async fn malformed_sids_are_400_and_tokens_come_first() {
    let api = TestApi::start().await;
    for path in ["/Users/undefined", "/Users/1"] {
        for answer in [
            api.get(&api.admin, path).await,
            api.put(&api.admin, path, json!({"name": "x"})).await,
            api.delete(&api.admin, path).await,
        ] {
            assert_eq!(answer.expect(400).json(), json!({"msg": "Bad request"}));
        }
    }
    for path in ["/Users", "/Users/me", "/PasswordSettings", &format!("/Users/{NOBODY}")] {
        api.get("nonsense", path).await.expect(401);
    }
    api.stop().await;
}

#[actix_web::test]
async fn the_last_active_administrator_stays() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let (ada, token) = api.new_user("ada", json!({})).await;
    let (off, _) = api.new_user("off", json!({})).await;
    let (looker, _) = api.new_user("looker", json!({})).await;
    let path = |sid: &str| format!("/Users/{sid}");
    api.put(&api.admin, &path(&off), json!({"is_active": 0})).await.expect(204);
    api.put(&api.admin, &path(&looker), json!({"is_view_only": 1})).await.expect(204);
    let refused = json!({"msg": "Bad request"});
    assert_eq!(api.delete(&api.admin, &path(&ada)).await.expect(400).json(), refused);
    for change in [
        json!({"is_active": false}),
        json!({"is_view_only": true}),
        json!({"account_sid": account.sid}),
        json!({"service_provider_sid": provider.sid}),
    ] {
        let answer = api.put(&token, &path(&ada), change.clone()).await.expect(400);
        assert_eq!(answer.json(), refused, "{change}");
    }
    api.put(&token, &path(&ada), json!({"name": "augusta"})).await.expect(204);
    // Those that do not count may go, and with a second one the first may.
    api.delete(&token, &path(&off)).await.expect(204);
    api.delete(&token, &path(&looker)).await.expect(204);
    let (bob, _) = api.new_user("bob", json!({})).await;
    api.delete(&token, &path(&ada)).await.expect(204);
    assert_eq!(api.delete(&api.admin, &path(&bob)).await.expect(400).json(), refused);
    api.stop().await;
}

#[actix_web::test]
async fn two_administrators_cannot_delete_each_other() {
    let api = TestApi::start().await;
    for round in 0..5 {
        let (one, _) = api.new_user(&format!("one{round}"), json!({})).await;
        let (two, _) = api.new_user(&format!("two{round}"), json!({})).await;
        // Whoever was left by the round before.
        for user in api.get(&api.admin, "/Users").await.json().as_array().unwrap() {
            let sid = user["user_sid"].as_str().unwrap();
            if sid != one && sid != two {
                api.delete(&api.admin, &format!("/Users/{sid}")).await.expect(204);
            }
        }
        let paths = [format!("/Users/{one}"), format!("/Users/{two}")];
        let (a, b) = futures_util::future::join(
            api.delete(&api.admin, &paths[0]),
            api.delete(&api.admin, &paths[1]),
        )
        .await;
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 400]);
    }
    api.stop().await;
}

#[actix_web::test]
async fn me_is_the_user_with_its_account_and_provider() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let (provider, account) = (&tenancy.providers[0].sid, &tenancy.accounts[0][0].sid);
    let answer = api.get(&api.admin, "/Users/me").await.expect(403);
    assert_eq!(answer.msg(), "insufficient permissions");
    for (name, sids, has) in [
        ("ada", json!({"force_change": true}), [false, false]),
        ("bob", json!({"service_provider_sid": provider}), [false, true]),
        ("eve", json!({"account_sid": account}), [true, true]),
    ] {
        let (sid, token) = api.new_user(name, sids).await;
        let me = api.get(&token, "/Users/me").await.expect(200).json();
        let keys: Vec<_> = me.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["user", "account", "sp"]);
        assert_eq!((&me["user"]["user_sid"], &me["user"]["name"]), (&json!(sid), &json!(name)));
        assert_eq!(me["user"]["force_change"], name == "ada");
        for flag in ["email_validated", "phone_validated", "is_view_only"] {
            assert_eq!(me["user"][flag], false, "{flag}");
        }
        let shown = [
            api.get(&api.admin, &format!("/Accounts/{account}")).await.json(),
            api.get(&api.admin, &format!("/ServiceProviders/{provider}")).await.json(),
        ];
        for ((part, has), shown) in ["account", "sp"].into_iter().zip(has).zip(shown) {
            if has {
                assert_eq!(me[part], shown);
            } else {
                let [found, expected] = [&me[part], &shown].map(|v| v.as_object().unwrap());
                assert!(found.keys().eq(expected.keys()));
                assert!(found.values().all(Value::is_null));
            }
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn the_old_password_must_be_right() {
    let api = TestApi::start().await;
    let (sid, token) = api.new_user("ada", json!({"force_change": 1})).await;
    let path = format!("/Users/{sid}");
    let change = |old: &str| json!({"old_password": old, "new_password": "open-sesame"});
    api.put(&token, &path, change("wrong")).await.expect(403);
    api.post(&token, "/change-password", change("wrong")).await.expect(403);
    api.put(&token, &path, change(PASSWORD)).await.expect(204);
    assert_eq!(api.get(&token, &path).await.json()["force_change"], 0);
    api.log_in("ada", PASSWORD).await.expect(403);
    api.log_in("ada", "open-sesame").await.expect(200);
    for (body, msg) in [
        (json!({}), "missing field old_password"),
        (json!({"old_password": "x"}), "missing field new_password"),
        (json!({"old_password": 5, "new_password": "x"}), "old_password must be a string"),
        (
            json!({"old_password": "open-sesame", "new_password": "x"}),
            "password: must have 8 to 20 characters",
        ),
        (json!({"old_password": "x", "new_password": "x", "name": "x"}), "unknown property name"),
    ] {
        let answer = api.post(&token, "/change-password", body.clone()).await.expect(400);
        assert_eq!(answer.msg(), msg, "{body}");
    }
    api.post(&api.admin, "/change-password", change("x")).await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn the_administrator_says_what_new_passwords_must_be() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let default =
        json!({"min_password_length": 8, "require_digit": 0, "require_special_character": 0});
    for key in [&api.admin, &tenancy.providers[0].key, &tenancy.accounts[0][0].key] {
        assert_eq!(api.get(key, "/PasswordSettings").await.expect(200).json(), default);
    }
    for key in [&tenancy.providers[0].key, &tenancy.accounts[0][0].key] {
        let answer = api.post(key, "/PasswordSettings", json!({})).await.expect(403);
        assert_eq!(answer.msg(), "insufficient permissions");
    }
    for (body, msg) in [
        (json!({"min_password_length": 7}), "min_password_length must be an integer in range"),
        (json!({"min_password_length": 21}), "min_password_length must be an integer in range"),
        (json!({"min_password_length": "many"}), "min_password_length must be an integer"),
        (json!({"require_digit": 3}), "require_digit must be a boolean"),
        (json!({"require_special_character": "x"}), "require_special_character must be a boolean"),
        (json!({"max_password_length": 9}), "unknown property max_password_length"),
    ] {
        let answer = api.post(&api.admin, "/PasswordSettings", body.clone()).await.expect(400);
        assert_eq!(answer.msg(), msg, "{body}");
    }
    let body = json!({"min_password_length": "10", "require_digit": true});
    let answer = api.post(&api.admin, "/PasswordSettings", body).await.expect(201);
    assert_eq!(answer.json(), json!({}));
    let body = json!({"require_special_character": 1});
    api.post(&api.admin, "/PasswordSettings", body).await.expect(201);
    let set =
        json!({"min_password_length": 10, "require_digit": 1, "require_special_character": 1});
    assert_eq!(api.get(&api.admin, "/PasswordSettings").await.json(), set);
    let (sid, token) = api.new_user("ada", json!({})).await;
    let path = format!("/Users/{sid}");
    for (password, msg) in [
        ("short-1", "password: must have at least 10 characters"),
        ("no-digit-here", "password: must contain a digit"),
        ("n0specialcharacter", "password: must contain a special character"),
    ] {
        let new = json!({"name": "bob", "email": "bob@example.com", "initial_password": password});
        let change = json!({"old_password": PASSWORD, "new_password": password});
        for answer in [
            api.post(&api.admin, "/Users", new).await,
            api.put(&api.admin, &path, json!({"initial_password": password})).await,
            api.put(&token, &path, change.clone()).await,
            api.post(&token, "/change-password", change).await,
        ] {
            assert_eq!(answer.expect(400).msg(), msg);
        }
    }
    let long = "a long passphrase, with 1 digit";
    api.put(&api.admin, &path, json!({"initial_password": long})).await.expect(204);
    api.log_in("ada", long).await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn a_provider_with_users_stays_and_an_account_takes_its_users_with_it() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let (bob, _) = api.new_user("bob", json!({"service_provider_sid": provider.sid})).await;
    let (eve, token) = api.new_user("eve", json!({"account_sid": account.sid})).await;
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(204);
    api.get(&api.admin, &format!("/Users/{eve}")).await.expect(404);
    api.get(&token, "/Users/me").await.expect(401);
    let path = format!("/ServiceProviders/{}", provider.sid);
    let answer = api.delete(&api.admin, &path).await.expect(422);
    assert_eq!(answer.msg(), "cannot delete service provider with users");
    api.delete(&api.admin, &format!("/Users/{bob}")).await.expect(204);
    api.delete(&api.admin, &path).await.expect(204);
    // Its name and email are free again.
    api.new_user("eve", json!({})).await;
    api.stop().await;
}
