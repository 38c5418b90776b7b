//! What the data directory (and a database elsewhere) gives away to somebody who copies it whole, the server key included.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::json;

use crate::support::TestApi;

const PASSWORD: &str = "client-clear-text";
const SIGNING: &str = "signing-clear-text";

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Whatever the server key opens, for any owner whose name is on the disk.
fn opened(api: &TestApi, disk: &[u8]) -> Vec<Vec<u8>> {
    let key = std::fs::read(api.state.config.store.data_dir.join("server.key")).unwrap();
    let key = UnboundKey::new(&CHACHA20_POLY1305, &STANDARD.decode(key).unwrap()).unwrap();
    let key = LessSafeKey::new(key);
    let owners: BTreeSet<&str> = disk
        .windows(36)
        .filter_map(|window| std::str::from_utf8(window).ok())
        .filter(|text| uuid::Uuid::try_parse(text).is_ok())
        .chain([""])
        .collect();
    let mut opened = Vec::new();
    for at in 0..disk.len() {
        let Some(text) = disk[at..].strip_prefix(b"s1:") else { continue };
        let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
        let length = text.iter().take_while(|b| is_base64(b)).count();
        // What follows in the page may look like base64, too.
        for end in (4..=length).rev() {
            let Ok(bytes) = STANDARD.decode(&text[..end]) else { continue };
            let Some((nonce, cipher)) = bytes.split_at_checked(NONCE_LEN) else { continue };
            for owner in &owners {
                let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
                let mut cipher = cipher.to_vec();
                if let Ok(clear) = key.open_in_place(nonce, Aad::from(owner), &mut cipher) {
                    opened.push(clear.to_vec());
                }
            }
        }
    }
    opened
}

#[actix_web::test]
async fn no_password_is_on_disk_in_clear() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"username": "alice", "password": PASSWORD});
    api.post(&account.key, "/Clients", body).await.expect(201);
    let body = json!({"name": "app", "env_vars": {"TOKEN": "env-clear-text"},
        "call_hook": {"url": "http://a", "username": "u", "password": "hook-clear-text"}});
    api.post(&account.key, "/Applications", body).await.expect(201);
    let body = json!({"name": "c", "register_password": "register-clear-text",
        "inbound_auth_password": "inbound-clear-text", "smpp_password": "smpp-clear-text",
        "smpp_inbound_password": "smpp-inbound-clear-text"});
    api.post(&account.key, "/VoipCarriers", body).await.expect(201);
    let secret = json!({"webhook_secret": SIGNING});
    api.put(&account.key, &format!("/Accounts/{}", account.sid), secret).await.expect(204);

    let disk = api.home.copy();
    for clear in ["clear-text", &account.key, &api.admin] {
        assert!(!holds(&disk, clear.as_bytes()));
    }
    api.stop().await;
}

#[actix_web::test]
async fn no_client_password_can_be_read_back_even_with_the_server_key() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"username": "alice", "password": "first-clear-text"});
    let sid = api.post(&account.key, "/Clients", body).await.sid();
    let body = json!({"username": "bob", "password": PASSWORD});
    api.put(&account.key, &format!("/Clients/{sid}"), body).await.expect(204);
    let secret = json!({"webhook_secret": SIGNING});
    api.put(&account.key, &format!("/Accounts/{}", account.sid), secret).await.expect(204);

    let disk = api.home.copy();
    for password in ["first-clear-text", PASSWORD] {
        let hex: String = password.bytes().map(|b| format!("{b:02x}")).collect();
        let base64 = STANDARD.encode(password);
        for form in [password, &hex, base64.trim_end_matches('=')] {
            assert!(!holds(&disk, form.as_bytes()), "{form}");
        }
    }
    let opened = opened(&api, &disk);
    // The search finds what may be there, so it would find what may not.
    assert!(opened.iter().any(|clear| clear == SIGNING.as_bytes()));
    assert!(!opened.iter().any(|clear| holds(clear, PASSWORD.as_bytes())));
    assert!(!opened.iter().any(|clear| holds(clear, b"first-clear-text")));
    api.stop().await;
}
