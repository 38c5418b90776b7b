//! What is bounded by configuration alone (contract rest.md §1.9).

use serde_json::{Value, json};

use crate::support::TestApi;

#[actix_web::test]
async fn with_its_own_token_an_account_makes_so_many_and_no_more() {
    let api = TestApi::start_with(|config| config.api.creation_quotas = true).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let carrier = api.post(&account.key, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let body = |resource: &str, n: usize| -> Value {
        match resource {
            "/Applications" => json!({"name": n.to_string(), "account_sid": account.sid,
                "call_hook": {"url": "https://app.example.com"}}),
            "/SipGateways" => json!({"voip_carrier_sid": carrier, "ipv4": format!("192.0.2.{n}")}),
            "/VoipCarriers" => json!({"name": n.to_string(), "account_sid": account.sid}),
            _ => json!({"number": format!("1555{n}"), "account_sid": account.sid}),
        }
    };
    for (resource, made, most) in [
        ("/Applications", 0, 50),
        ("/SipGateways", 0, 150),
        ("/VoipCarriers", 1, 10),
        ("/PhoneNumbers", 0, 200),
    ] {
        for n in made..most {
            api.post(&account.key, resource, body(resource, n)).await.expect(201);
        }
        let refused = api.post(&account.key, resource, body(resource, most)).await.expect(422);
        assert!(refused.msg().contains(&most.to_string()), "{}", refused.msg());
        // Whoever has more to say is not bound by it.
        api.post(&provider.key, resource, body(resource, most)).await.expect(201);
    }
    let nested = format!("/Accounts/{}/Applications", account.sid);
    let application = json!({"name": "x", "call_hook": {"url": "https://app.example.com"}});
    api.post(&account.key, &nested, application).await.expect(422);
    let nested = format!("/Accounts/{}/VoipCarriers", account.sid);
    api.post(&account.key, &nested, json!({"name": "x"})).await.expect(422);
    api.stop().await;
}

#[actix_web::test]
async fn networks_of_gateways_have_so_many_bits_at_least() {
    let api = TestApi::start_with(|config| config.sip.min_netmask = 24).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let carrier = api.post(&account.key, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let gateway = |netmask: u8| json!({"voip_carrier_sid": carrier, "ipv4": "192.0.2.0", "inbound": 1, "netmask": netmask});
    let refused = api.post(&account.key, "/SipGateways", gateway(23)).await.expect(400);
    assert!(refused.msg().contains("netmask"), "{}", refused.msg());
    let sid = api.post(&account.key, "/SipGateways", gateway(24)).await.sid();
    let path = format!("/SipGateways/{sid}");
    api.put(&account.key, &path, json!({"netmask": 8})).await.expect(400);
    api.put(&account.key, &path, json!({"netmask": "32"})).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn the_default_tenant_is_made_once_and_beside_no_other() {
    let api = TestApi::start().await;
    let store = &api.state.store;
    let account = store.seed_default_tenant().await.unwrap().expect("made");
    let list = api.get(&api.admin, "/Accounts").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["account_sid"], account.to_string());
    assert_eq!(list[0]["name"], "default account");
    assert_eq!(store.seed_default_tenant().await.unwrap(), None);
    let provider = list[0]["service_provider_sid"].as_str().unwrap().to_owned();
    api.delete(&api.admin, &format!("/Accounts/{account}")).await.expect(204);
    api.delete(&api.admin, &format!("/ServiceProviders/{provider}")).await.expect(204);
    assert_eq!(store.seed_default_tenant().await.unwrap(), None, "deleted for good");
    api.stop().await;
    let api = TestApi::start().await;
    api.new_provider("p").await;
    assert_eq!(api.state.store.seed_default_tenant().await.unwrap(), None);
    api.stop().await;
}
