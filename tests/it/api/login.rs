//! Logging in and out, and what a token of a user is worth (contract rest.md §1.2, §1.9, §2.15).

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use sha2::Sha256;
use trunkline::api::configure;
use trunkline::model::{Secret, Timestamp};

use crate::support::{Answer, NOBODY, PASSWORD, TestApi};

const SECRET: &str = "a secret that tools and servers share";

async fn start() -> TestApi {
    TestApi::start_with(|config| config.api.jwt_secret = Some(Secret(SECRET.to_owned()))).await
}

/// A token as a tool that shares the secret makes it.
fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{header}.{claims}").as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{header}.{claims}.{mac}")
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn seconds(now: Timestamp) -> i64 {
    now.as_millis() / 1000
}

fn token(answer: &Answer) -> String {
    answer.json()["token"].as_str().unwrap().to_owned()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn the_first_administrator_is_made_once_and_must_choose_a_password() {
    let api = TestApi::start().await;
    let users = api.state.store.users();
    let first = Secret("admin".to_owned());
    assert!(users.bootstrap(&first).await.unwrap());
    assert!(!users.bootstrap(&Secret("other".to_owned())).await.unwrap());
    let answer = api.log_in("admin", "admin").await.expect(200).json();
    assert_eq!(names(&answer), ["token", "user_sid", "scope", "force_change", "permissions"]);
    assert_eq!(answer["scope"], "admin");
    assert_eq!(answer["force_change"], true);
    assert_eq!(answer["permissions"], json!(["PROVISION_SERVICES", "PROVISION_USERS"]));
    let token = answer["token"].as_str().unwrap();
    api.get(token, "/Accounts").await.expect(200);
    let body = json!({"old_password": "admin", "new_password": PASSWORD});
    api.post(token, "/change-password", body).await.expect(204);
    let answer = api.log_in("admin", PASSWORD).await.expect(200).json();
    assert_eq!(answer["force_change"], false);
    api.log_in("admin", "admin").await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn answers_and_claims_are_those_of_the_contract() {
    let api = start().await;
    let tenancy = api.tenancy().await;
    let (provider, account) = (&tenancy.providers[0].sid, &tenancy.accounts[0][1].sid);
    let of_provider = json!({"service_provider_sid": provider, "service_provider_name": "one"});
    let mut of_account = of_provider.clone();
    of_account["account_sid"] = json!(account);
    of_account["account_name"] = json!("1b");
    for (name, sids, scope, owner) in [
        ("ada", json!({}), "admin", json!({})),
        ("bob", json!({"service_provider_sid": provider}), "service_provider", of_provider),
        ("eve", json!({"account_sid": account, "is_view_only": true}), "account", of_account),
    ] {
        let (sid, _) = api.new_user(name, sids).await;
        let before = seconds(Timestamp::now());
        // By name or email, in any case.
        let answer = api.log_in(&format!("{name}@EXAMPLE.com"), PASSWORD).await.expect(200).json();
        let permissions = match name {
            "eve" => json!(["VIEW_ONLY"]),
            _ => json!(["PROVISION_SERVICES", "PROVISION_USERS"]),
        };
        let mut expected = json!({
            "token": answer["token"], "user_sid": sid, "scope": scope, "force_change": false,
            "permissions": permissions,
        });
        let found = claims(answer["token"].as_str().unwrap());
        let mut claimed = json!({
            "scope": scope, "user_sid": sid, "name": name, "permissions": permissions,
            "is_view_only": name == "eve",
            "iat": found["iat"], "exp": found["exp"], "jti": found["jti"],
        });
        for (name, value) in owner.as_object().unwrap() {
            expected[name] = value.clone();
            claimed[name] = value.clone();
        }
        assert_eq!(answer, expected);
        assert_eq!(found, claimed);
        let (iat, exp) = (found["iat"].as_i64().unwrap(), found["exp"].as_i64().unwrap());
        assert!(iat >= before && exp - iat == 3600, "{found}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_is_missing_is_400_and_what_is_wrong_is_403() {
    let api = TestApi::start().await;
    api.new_user("ada", json!({})).await;
    let (off, _) = api.new_user("off", json!({})).await;
    api.put(&api.admin, &format!("/Users/{off}"), json!({"is_active": false})).await.expect(204);
    let long = "x".repeat(256);
    let wrong = "invalid username or password";
    for (body, status, msg) in [
        (json!({}), 400, "missing field username"),
        (json!({"username": "ada"}), 400, "missing field password"),
        (json!({"password": PASSWORD}), 400, "missing field username"),
        (json!({"username": "", "password": PASSWORD}), 400, "missing field username"),
        (json!({"username": "ada", "password": ""}), 400, "missing field password"),
        (json!({"username": null, "password": "x"}), 400, "missing field username"),
        (json!({"username": ["ada"], "password": "x"}), 400, "username must be a string"),
        (json!({"username": "ada", "password": 5}), 400, "password must be a string"),
        (json!({"username": long, "password": "x"}), 400, "username is longer than 255 characters"),
        (
            json!({"username": "ada", "password": long}),
            400,
            "password is longer than 255 characters",
        ),
        (json!([]), 400, "the body must be an object"),
        (json!({"username": "ada", "password": "wrong"}), 403, wrong),
        (json!({"username": "nobody", "password": PASSWORD}), 403, wrong),
        (json!({"username": "off", "password": PASSWORD}), 403, wrong),
        (json!({"username": "ada' OR '1'='1", "password": PASSWORD}), 403, wrong),
    ] {
        let request = api.request(Method::POST, "/v1/login");
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let answer = api.send(request).await.expect(status);
        assert_eq!(answer.json(), json!({"msg": msg}), "{body}");
    }
    let form = api
        .request(Method::POST, "/v1/login")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("username=ada&password={PASSWORD}"));
    api.send(form).await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn six_failures_close_the_door_for_a_name_whether_it_exists_or_not() {
    let api = TestApi::start().await;
    api.new_user("ada", json!({})).await;
    api.new_user("bob", json!({})).await;
    let text = "Maximum login attempts reached. Please try again later or reset your password.";
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            let answer = api.log_in(name, "wrong").await.expect(403).json();
            assert_eq!(answer, json!({"msg": "invalid username or password"}));
        }
        for password in ["wrong", "wrong", PASSWORD] {
            let answer = api.log_in(name, password).await.expect(403).json();
            assert_eq!(answer, json!({"error": text, "msg": text}), "{name}");
        }
        // By another spelling of the same name neither.
        api.log_in(&format!(" {} ", name.to_uppercase()), PASSWORD).await.expect(403);
    }
    api.log_in("bob", PASSWORD).await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn many_at_once_get_no_more_tries_than_one_after_the_other() {
    let api = TestApi::start().await;
    api.new_user("ada", json!({})).await;
    let tries = (0..20)
        .map(|_| async { api.log_in("ada", "wrong").await.expect(403).json()["error"].is_null() });
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.into_iter().filter(|is_plain| *is_plain).count(), 5);
    api.log_in("ada", PASSWORD).await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn a_flood_of_logins_is_turned_away_and_others_are_served() {
    let api = TestApi::start().await;
    let (_, token) = api.new_user("ada", json!({})).await;
    let flood = (0..200).map(|n| {
        let api = &api;
        async move { api.log_in(&format!("nobody{n}"), "wrong").await.status }
    });
    let flood = futures_util::future::join_all(flood);
    let others = async {
        for _ in 0..20 {
            api.get(&token, "/Accounts").await.expect(200);
        }
    };
    let (statuses, ()) = futures_util::future::join(flood, others).await;
    assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&429) && statuses.contains(&403), "{statuses:?}");
    api.stop().await;
}

#[actix_web::test]
async fn logging_out_ends_that_session_alone() {
    let api = TestApi::start().await;
    let (_, first) = api.new_user("ada", json!({})).await;
    let second = token(&api.log_in("ada", PASSWORD).await);
    assert_ne!(first, second);
    for token in [&first, &second] {
        api.get(token, "/Accounts").await.expect(200);
    }
    api.post(&first, "/logout", json!({})).await.expect(204);
    let answer = api.get(&first, "/Accounts").await.expect(401);
    let challenge = r#"Bearer realm="Users", error="invalid_token""#;
    assert_eq!(answer.headers["www-authenticate"], challenge);
    assert_eq!(answer.json(), json!({"msg": "Unauthorized"}));
    api.post(&first, "/logout", json!({})).await.expect(401);
    api.get(&second, "/Accounts").await.expect(200);
    // A new login brings no old token back.
    api.log_in("ada", PASSWORD).await.expect(200);
    api.get(&first, "/Accounts").await.expect(401);
    api.post(&api.admin, "/logout", json!({})).await.expect(204);
    api.get(&api.admin, "/Accounts").await.expect(200);
    api.send(api.request(Method::POST, "/v1/logout")).await.expect(401);
    api.stop().await;
}

#[actix_web::test]
async fn forged_expired_and_foreign_tokens_are_401() {
    let api = start().await;
    let (sid, token) = api.new_user("ada", json!({})).await;
    let now = seconds(Timestamp::now());
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let good = json!({"scope": "admin", "exp": now + 60});
    let mut parts: Vec<&str> = token.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let bare = format!("{none}.{}.", parts[1]);
    let mut wider = claims(&token);
    wider["exp"] = json!(now + 100_000);
    let wider = URL_SAFE_NO_PAD.encode(wider.to_string());
    parts[1] = &wider;
    for (what, token) in [
        ("alg none", bare),
        ("alg none, signed", signed(&json!({"alg": "none"}), &good, SECRET)),
        ("another algorithm", signed(&json!({"alg": "HS384"}), &good, SECRET)),
        ("another secret", signed(&hs256, &good, "another secret of thirty-two octets")),
        ("no secret", signed(&hs256, &good, "")),
        ("changed claims", parts.join(".")),
        ("expired", signed(&hs256, &json!({"scope": "admin", "exp": now - 1}), SECRET)),
        ("no end", signed(&hs256, &json!({"scope": "admin"}), SECRET)),
        ("no scope", signed(&hs256, &json!({"exp": now + 60}), SECRET)),
        (
            "a scope without its sid",
            signed(&hs256, &json!({"scope": "account", "exp": now + 60}), SECRET),
        ),
        // Signed well, but of a user who never logged in with it.
        (
            "a user without session",
            signed(&hs256, &json!({"scope": "admin", "exp": now + 60, "user_sid": sid}), SECRET),
        ),
        (
            "an unknown user",
            signed(&hs256, &json!({"scope": "admin", "exp": now + 60, "user_sid": NOBODY}), SECRET),
        ),
        ("two parts", token.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{token}.")),
    ] {
        assert_eq!(api.get(&token, "/Accounts").await.status, 401, "{what}");
    }
    api.get(&signed(&hs256, &good, SECRET), "/Accounts").await.expect(200);
    api.get(&token, "/Accounts").await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn tools_that_share_the_secret_need_no_session() {
    let api = start().await;
    let tenancy = api.tenancy().await;
    let [own, other] = [&tenancy.accounts[0][0].sid, &tenancy.accounts[1][0].sid];
    let now = seconds(Timestamp::now());
    let hs256 = json!({"alg": "HS256"});
    let minted = |claims: Value| {
        let mut all = json!({"exp": now + 60});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        signed(&hs256, &all, SECRET)
    };
    let account = minted(json!({"scope": "account", "account_sid": own}));
    let looker =
        minted(json!({"scope": "account", "account_sid": own, "permissions": ["VIEW_ONLY"]}));
    api.get(&account, &format!("/Accounts/{own}")).await.expect(200);
    api.get(&account, &format!("/Accounts/{other}")).await.expect(403);
    api.put(&account, &format!("/Accounts/{own}"), json!({"name": "new"})).await.expect(204);
    let answer =
        api.put(&looker, &format!("/Accounts/{own}"), json!({"name": "x"})).await.expect(403);
    assert_eq!(answer.msg(), "User has view-only access");
    for token in [&account, &looker] {
        api.get(token, "/Users/me").await.expect(403);
        let body = json!({"old_password": "a", "new_password": "b"});
        api.post(token, "/change-password", body).await.expect(403);
        api.post(token, "/logout", json!({})).await.expect(204);
        api.get(token, &format!("/Accounts/{own}")).await.expect(200);
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_user_who_may_only_look_is_refused_whatever_else_it_does() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let account = &tenancy.accounts[0][0].sid;
    let sids = json!({"account_sid": account, "is_view_only": true});
    let (sid, token) = api.new_user("eve", sids).await;
    let document = api.get(&api.admin, "/openapi.json").await.json();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "delete"].into_iter().filter(|m| item[m].is_object()) {
            let path = path.strip_prefix("/v1").unwrap_or(path);
            if ["/login", "/logout", "/change-password"].contains(&path) {
                continue;
            }
            let path = path.replace("{a}", account);
            let filled: Vec<_> = path
                .split('/')
                .map(|part| if part.starts_with('{') { NOBODY } else { part })
                .collect();
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = api.request(method.clone(), &format!("/v1{}", filled.join("/")));
            let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            let request = request.header(CONTENT_TYPE, "application/json").body("{}");
            let answer = api.send(request).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert_eq!(answer.msg(), "User has view-only access", "{method} {path}");
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused}");
    let secret = format!("/Accounts/{account}/WebhookSecret");
    let before = api.get(&token, &secret).await.expect(200).text;
    let answer = api.get(&token, &format!("{secret}?regenerate=true")).await.expect(403);
    assert_eq!(answer.msg(), "User has view-only access");
    assert_eq!(api.get(&token, &secret).await.text, before);
    // Its own password it may change; nothing else comes with that.
    let own = format!("/Users/{sid}");
    let (other, _) = api.new_user("bob", json!({"account_sid": account})).await;
    let other = format!("/Users/{other}");
    let both = |more: Value| {
        let mut body = json!({"old_password": PASSWORD, "new_password": "open-sesame"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (path, body) in [
        (&own, json!({"is_view_only": false})),
        (&own, both(json!({"is_view_only": false}))),
        (&own, both(json!({"name": "eva"}))),
        (&own, json!({"initial_password": "open-sesame"})),
        (&other, both(json!({}))),
    ] {
        let answer = api.put(&token, path, body.clone()).await.expect(403);
        assert_eq!(answer.msg(), "User has view-only access", "{path} {body}");
    }
    api.put(&token, &own, both(json!({}))).await.expect(204);
    let back = json!({"old_password": "open-sesame", "new_password": PASSWORD});
    api.post(&token, "/change-password", back).await.expect(204);
    api.get(&token, "/Applications").await.expect(200);
    api.post(&token, "/logout", json!({})).await.expect(204);
    api.get(&token, "/Applications").await.expect(401);
    api.stop().await;
}

#[actix_web::test]
async fn whatever_takes_rights_away_ends_the_session_at_once() {
    let api = TestApi::start().await;
    let tenancy = api.tenancy().await;
    let [one, two] = &tenancy.accounts[0];
    let sids = json!({"account_sid": one.sid});
    let cases = [
        ("deleted", None),
        ("inactive", Some(json!({"is_active": 0}))),
        ("moved", Some(json!({"account_sid": two.sid}))),
        ("password", Some(json!({"initial_password": "open-sesame"}))),
    ];
    for (name, change) in cases {
        let (sid, token) = api.new_user(name, sids.clone()).await;
        api.get(&token, "/Applications").await.expect(200);
        let path = format!("/Users/{sid}");
        match change {
            Some(body) => api.put(&api.admin, &path, body).await.expect(204),
            None => api.delete(&api.admin, &path).await.expect(204),
        };
        assert_eq!(api.get(&token, "/Applications").await.status, 401, "{name}");
    }
    // Switched on again, it has to log in again.
    let (sid, token) = api.new_user("twice", sids).await;
    for flag in [0, 1] {
        let body = json!({"is_active": flag});
        api.put(&api.admin, &format!("/Users/{sid}"), body).await.expect(204);
    }
    api.get(&token, "/Applications").await.expect(401);
    // What somebody else makes of it does not end it, and counts at once.
    let token = self::token(&api.log_in("twice", PASSWORD).await.expect(200));
    let body = json!({"name": "thrice", "is_view_only": true});
    api.put(&api.admin, &format!("/Users/{sid}"), body).await.expect(204);
    api.get(&token, "/Applications").await.expect(200);
    api.post(&token, "/Applications", json!({})).await.expect(403);
    api.delete(&api.admin, &format!("/Accounts/{}", one.sid)).await.expect(204);
    api.get(&token, "/Applications").await.expect(401);
    api.log_in("thrice", PASSWORD).await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn who_changes_its_password_stays_and_all_others_go() {
    let api = TestApi::start().await;
    let (sid, mine) = api.new_user("ada", json!({})).await;
    let (_, bob) = api.new_user("bob", json!({})).await;
    let theirs = token(&api.log_in("ada", PASSWORD).await);
    let body = json!({"old_password": PASSWORD, "new_password": "open-sesame"});
    api.put(&mine, &format!("/Users/{sid}"), body).await.expect(204);
    api.get(&mine, "/Accounts").await.expect(200);
    api.get(&theirs, "/Accounts").await.expect(401);
    // Changed by somebody else who knows it: nobody stays.
    let body = json!({"old_password": "open-sesame", "new_password": PASSWORD});
    api.put(&bob, &format!("/Users/{sid}"), body).await.expect(204);
    api.get(&mine, "/Accounts").await.expect(401);
    api.get(&bob, "/Accounts").await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn the_old_password_cannot_be_guessed_by_who_found_a_session() {
    let api = TestApi::start().await;
    let (sid, token) = api.new_user("ada", json!({})).await;
    let path = format!("/Users/{sid}");
    let change = |old: &str| json!({"old_password": old, "new_password": "open-sesame"});
    for n in 0..5 {
        let answer = match n % 2 {
            0 => api.put(&token, &path, change("wrong")).await,
            _ => api.post(&token, "/change-password", change("wrong")).await,
        };
        assert_eq!(answer.expect(403).json(), json!({"msg": "wrong password"}));
    }
    for old in ["wrong", PASSWORD] {
        let answer = api.put(&token, &path, change(old)).await.expect(403).json();
        assert!(answer["error"].is_string(), "{answer}");
    }
    // The door stays open: it was not the name that failed.
    api.log_in("ada", PASSWORD).await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn the_old_password_gets_no_more_tries_together_than_one_after_the_other() {
    let api = TestApi::start().await;
    let (_, token) = api.new_user("ada", json!({})).await;
    api.get(&token, "/Accounts").await.expect(200);
    let state = api.state.clone();
    let service = init_service(App::new().configure(|config| configure(config, state))).await;
    // In this process they are begun in this order, before the first is answered.
    let tries = [["wrong"; 12].as_slice(), &[PASSWORD]].concat().into_iter().map(|old| {
        let request = TestRequest::post()
            .uri("/v1/change-password")
            .insert_header((AUTHORIZATION.as_str(), format!("Bearer {token}")))
            .set_json(json!({"old_password": old, "new_password": "open-sesame"}))
            .to_request();
        call_service(&service, request)
    });
    for answer in futures_util::future::join_all(tries).await {
        assert_eq!(answer.status().as_u16(), 403);
    }
    api.log_in("ada", PASSWORD).await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn a_session_is_over_when_its_time_is() {
    let api = TestApi::start().await;
    let (_, token) = api.new_user("ada", json!({})).await;
    let id = trunkline::store::SessionId::of(&token);
    let sessions = api.state.store.sessions();
    let now = Timestamp::now();
    let minutes = |n: u64| now.plus(std::time::Duration::from_secs(n * 60));
    for (moment, is_live) in [(now, true), (minutes(59), true), (minutes(61), false)] {
        assert_eq!(sessions.find(id, moment).await.unwrap().is_some(), is_live);
    }
    api.stop().await;
}

#[actix_web::test]
async fn nothing_of_a_password_or_a_token_comes_back_or_prints() {
    let api = start().await;
    let (sid, token) = api.new_user("ada", json!({})).await;
    for path in ["/Users".to_owned(), format!("/Users/{sid}"), "/Users/me".to_owned()] {
        let text = api.get(&token, &path).await.expect(200).text;
        for secret in ["argon2", PASSWORD, "password", &token] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    let opened = api.state.store.users().check_login("ada", &Secret(PASSWORD.to_owned())).await;
    let printed = format!("{:?} {:?} {:?}", opened.unwrap(), api.state, api.state.config);
    for secret in ["argon2", PASSWORD, SECRET, &token] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(!api.state.config.to_masked_toml().contains(SECRET));
    let answer = api.log_in("ada", "wrong").await.text;
    assert!(!answer.contains("ada") && !answer.contains("argon2"));
    api.stop().await;
}

#[actix_web::test]
async fn nothing_secret_is_in_the_database() {
    let api = TestApi::start().await;
    let (_, token) = api.new_user("ada", json!({})).await;
    let copy = api.home.copy();
    assert!(copy.windows(8).any(|part| part == b"argon2id"));
    for secret in [PASSWORD, &token] {
        assert!(!copy.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_minted_token_of_an_account_that_is_not_there_makes_nothing() {
    let api = start().await;
    let now = seconds(Timestamp::now());
    let nobody = "00000000-0000-4000-8000-000000000000";
    for claims in [
        json!({"scope": "account", "account_sid": nobody, "exp": now + 60}),
        json!({"scope": "service_provider", "service_provider_sid": nobody, "exp": now + 60}),
    ] {
        let token = signed(&json!({"alg": "HS256"}), &claims, SECRET);
        let user = json!({"name": "ada", "email": "a@b.c", "initial_password": PASSWORD});
        let hook = json!({"url": "http://127.0.0.1:9/hook"});
        for (path, body) in [
            ("/Users".to_owned(), user),
            ("/Accounts".to_owned(), json!({"name": "a"})),
            ("/Applications".to_owned(), json!({"name": "a", "call_hook": hook})),
            ("/VoipCarriers".to_owned(), json!({"name": "a"})),
            ("/PhoneNumbers".to_owned(), json!({"number": "15551234567"})),
            ("/Clients".to_owned(), json!({"username": "a", "password": "sesame123"})),
            ("/ApiKeys".to_owned(), json!({"account_sid": nobody})),
            ("/ApiKeys".to_owned(), json!({"service_provider_sid": nobody})),
            (format!("/Accounts/{nobody}/Limits"), json!({"category": "device", "quantity": 1})),
            (format!("/Accounts/{nobody}/Conferences"), json!({"name": "a"})),
            (format!("/Accounts/{nobody}/Queues"), json!({"name": "a"})),
        ] {
            let answer = api.post(&token, &path, body).await;
            assert!((400..500).contains(&answer.status), "{claims} {path}: {answer:?}");
        }
    }
    api.stop().await;
}
