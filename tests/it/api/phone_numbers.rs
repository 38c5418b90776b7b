//! `/PhoneNumbers` (contract rest.md §2.4, §1.8).

use serde_json::{Value, json};
use trunkline::config::WireStyle;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_number_is_made_read_repointed_and_deleted() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let app = api.new_application(&account, "app").await;
    let body = json!({"number": "+15551230000", "voip_carrier_sid": null, "application_sid": app});
    let sid = api.post(&account.key, "/PhoneNumbers", body).await.sid();
    let path = format!("/PhoneNumbers/{sid}");
    let read = api.get(&account.key, &path).await.expect(200).json();
    assert_eq!(
        read,
        json!({
            "phone_number_sid": sid, "number": "+15551230000", "voip_carrier_sid": null,
            "account_sid": account.sid, "application_sid": app, "service_provider_sid": null
        })
    );
    assert_eq!(api.get(&account.key, "/PhoneNumbers").await.json(), json!([read]));
    api.put(&account.key, &path, json!({"application_sid": null})).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json()["application_sid"], json!(null));
    api.put(&account.key, &path, json!({"application_sid": app})).await.expect(204);
    api.put(&account.key, &path, json!({})).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json()["application_sid"], json!(app));
    api.delete(&account.key, &path).await.expect(204);
    api.get(&account.key, &path).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn the_plus_makes_no_difference_and_is_shown_by_wire_style() {
    for (wire, shown) in
        [(WireStyle::Trunkline, "+15551230000"), (WireStyle::Jambonz, "15551230000")]
    {
        let api = TestApi::start_with(|config| config.api.wire = wire).await;
        let provider = api.new_provider("p").await;
        let account = api.new_account(&provider, "a").await;
        let post = async |number: &str| {
            api.post(&account.key, "/PhoneNumbers", json!({"number": number})).await
        };
        let sid = post("15551230000").await.sid();
        let read = api.get(&account.key, &format!("/PhoneNumbers/{sid}")).await.json();
        assert_eq!(read["number"], shown);
        post("+15551230000").await.expect(422);
        post("15551230000").await.expect(422);
        let created = api.get(&account.key, &format!("/Accounts/{}", account.sid)).await.json();
        let created = created["created_at"].as_str().unwrap().to_owned();
        assert_eq!(created.ends_with('Z'), wire == WireStyle::Jambonz, "{created}");
        for extension in ["100", "sales"] {
            let sid = post(extension).await.sid();
            let read = api.get(&account.key, &format!("/PhoneNumbers/{sid}")).await.json();
            assert_eq!(read["number"], extension);
        }
        api.stop().await;
    }
}

#[actix_web::test]
async fn refusals_have_their_wording() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let foreign = api.new_application(&t.accounts[0][1], "app").await;
    for (body, text) in [
        (json!({}), "number is required"),
        (json!({"number": null}), "number is required"),
        (json!({"number": ""}), "number is required"),
        (json!({"number": "+"}), "number is required"),
        (json!({"number": "1 555"}), "number cannot contain whitespace"),
        (json!({"number": "1555\t"}), "number cannot contain whitespace"),
        (json!({"number": 1555}), "number must be a string"),
        (json!({"number": "1".repeat(133)}), "number is longer than 132 characters"),
        (
            json!({"number": "1", "voip_carrier_sid": NOBODY}),
            &format!("voip_carrier not found for sid {NOBODY}"),
        ),
        (json!({"number": "1", "voip_carrier_sid": "x"}), "voip_carrier not found for sid x"),
        (
            json!({"number": "1", "application_sid": NOBODY}),
            &format!("application not found for sid {NOBODY}"),
        ),
        (
            json!({"number": "1", "application_sid": foreign}),
            &format!("application not found for sid {foreign}"),
        ),
        (json!({"number": "1", "application_sid": "x"}), "application_sid must be a sid (UUID)"),
        (
            json!({"number": "1", "service_provider_sid": t.providers[1].sid}),
            &format!("service_provider not found for sid {}", t.providers[1].sid),
        ),
        (json!({"number": "1", "colour": "red"}), "unknown property colour"),
    ] {
        let refused = api.post(&account.key, "/PhoneNumbers", body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    let sid = api.post(&account.key, "/PhoneNumbers", json!({"number": "1"})).await.sid();
    let path = format!("/PhoneNumbers/{sid}");
    for (body, text) in [
        (json!({"number": "2"}), "number may not be modified"),
        (json!({"voip_carrier_sid": null}), "voip_carrier_sid may not be modified"),
        (json!({"phone_number_sid": sid}), "primary key phone_number_sid is immutable"),
        (json!({"application_sid": foreign}), &format!("application not found for sid {foreign}")),
    ] {
        let refused = api.put(&account.key, &path, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn numbers_belong_to_accounts_providers_or_nobody() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let make = async |key: &str, body: Value| api.post(key, "/PhoneNumbers", body).await;
    let number = |n: &str| json!({"number": n});

    let nobodys = make(&api.admin, number("1")).await.sid();
    let providers = make(&provider.key, number("2")).await.sid();
    let accounts =
        make(&provider.key, json!({"number": "3", "account_sid": account.sid})).await.sid();
    for sid in [t.accounts[1][0].sid.as_str(), NOBODY] {
        let refused = make(&provider.key, json!({"number": "4", "account_sid": sid})).await;
        assert_eq!(refused.expect(403).msg(), "insufficient privileges");
    }
    let seen =
        async |key: &str, sid: &str| api.get(key, &format!("/PhoneNumbers/{sid}")).await.status;
    assert_eq!(seen(&provider.key, &nobodys).await, 404);
    assert_eq!(seen(&provider.key, &providers).await, 200);
    assert_eq!(seen(&account.key, &providers).await, 404);
    assert_eq!(seen(&account.key, &accounts).await, 200);
    assert_eq!(seen(&api.admin, &nobodys).await, 200);

    // Assigned to an account, taken back, and still the provider's.
    let path = format!("/PhoneNumbers/{providers}");
    api.put(&provider.key, &path, json!({"account_sid": account.sid})).await.expect(204);
    assert_eq!(seen(&account.key, &providers).await, 200);
    api.put(&account.key, &path, json!({"account_sid": null})).await.expect(403);
    let sibling = json!({"account_sid": t.accounts[0][1].sid});
    api.put(&account.key, &path, sibling).await.expect(403);
    api.put(&provider.key, &path, json!({"account_sid": null, "service_provider_sid": null}))
        .await
        .expect(204);
    assert_eq!(seen(&provider.key, &providers).await, 200);

    // An application of the old account does not move along.
    let app = api.new_application(account, "app").await;
    let path = format!("/PhoneNumbers/{accounts}");
    api.put(&provider.key, &path, json!({"application_sid": app})).await.expect(204);
    let sibling = json!({"account_sid": t.accounts[0][1].sid});
    api.put(&provider.key, &path, sibling).await.expect(400);
    let both = json!({"account_sid": t.accounts[0][1].sid, "application_sid": null});
    api.put(&provider.key, &path, both).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn lists_are_sorted_paged_and_narrowed() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    for (tenant, number) in [
        (&t.accounts[0][0], "15550003"),
        (&t.accounts[0][0], "15550001"),
        (&t.accounts[0][1], "15550002"),
        (&t.accounts[1][0], "49300001"),
    ] {
        api.post(&tenant.key, "/PhoneNumbers", json!({"number": number})).await.expect(201);
    }
    let numbers = async |key: &str, path: &str| -> Vec<String> {
        let list = api.get(key, path).await.expect(200).json();
        let rows = list.get("data").unwrap_or(&list).as_array().unwrap().clone();
        rows.iter().map(|row| row["number"].as_str().unwrap().to_owned()).collect()
    };
    let one = &t.providers[0].key;
    let (first, second, third) = ("+15550001", "+15550002", "+15550003");
    assert_eq!(numbers(one, "/PhoneNumbers").await, [first, second, third]);
    assert_eq!(numbers(one, "/PhoneNumbers?page=2&page_size=2").await, [third]);
    assert_eq!(numbers(one, "/PhoneNumbers?filter=0002").await, [second]);
    assert_eq!(numbers(one, "/PhoneNumbers?filter=%2B1555").await.len(), 3);
    let by_account = format!("/PhoneNumbers?account_sid={}", t.accounts[0][0].sid);
    assert_eq!(numbers(one, &by_account).await, [first, third]);
    let foreign = format!("/PhoneNumbers?account_sid={}", t.accounts[1][0].sid);
    assert_eq!(numbers(one, &foreign).await, [""; 0]);
    let of_provider = format!("/PhoneNumbers?service_provider_sid={}", t.providers[1].sid);
    assert_eq!(numbers(&api.admin, &of_provider).await, ["+49300001"]);
    assert_eq!(numbers(one, &of_provider).await, [""; 0]);
    let under = format!("/ServiceProviders/{}/PhoneNumbers", t.providers[0].sid);
    assert_eq!(numbers(&api.admin, &under).await.len(), 3);
    assert_eq!(numbers(&t.accounts[0][1].key, &under).await, [second]);
    api.get(&t.providers[1].key, &under).await.expect(403);
    api.get(one, "/PhoneNumbers?account_sid=x").await.expect(400);
    api.stop().await;
}

#[actix_web::test]
async fn a_number_is_on_a_carrier_of_its_account_or_a_shared_one() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let carrier =
        async |key: &str| api.post(key, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let own = carrier(&account.key).await;
    let siblings = carrier(&t.accounts[0][1].key).await;
    let shared = carrier(&provider.key).await;
    let foreign = carrier(&t.providers[1].key).await;
    let number = |carrier: &str| json!({"number": "1555", "voip_carrier_sid": carrier});
    let assigned = |carrier: &str| json!({"number": "1555", "voip_carrier_sid": carrier, "account_sid": account.sid});
    let other = "voip_carrier_sid does not belong to the account";
    for (key, body, text) in [
        (&account.key, number(&siblings), format!("voip_carrier not found for sid {siblings}")),
        (&account.key, number(&foreign), format!("voip_carrier not found for sid {foreign}")),
        (&provider.key, assigned(&siblings), other.to_owned()),
        (&provider.key, assigned(&foreign), format!("voip_carrier not found for sid {foreign}")),
        (&api.admin, assigned(&foreign), other.to_owned()),
        // Nobody's number yet, on the carrier of somebody.
        (&provider.key, number(&own), other.to_owned()),
    ] {
        let refused = api.post(key, "/PhoneNumbers", body.clone()).await;
        assert_eq!((refused.status, refused.msg()), (400, text), "{body}");
    }
    // The same number on two carriers is two numbers.
    let one = api.post(&account.key, "/PhoneNumbers", number(&own)).await.sid();
    let two = api.post(&account.key, "/PhoneNumbers", number(&shared)).await.sid();
    api.post(&account.key, "/PhoneNumbers", number(&own)).await.expect(422);
    for (sid, carrier) in [(&one, &own), (&two, &shared)] {
        let read = api.get(&account.key, &format!("/PhoneNumbers/{sid}")).await.json();
        assert_eq!(read["voip_carrier_sid"], json!(carrier));
    }
    // To another account a number goes on a shared carrier alone.
    let sibling = json!({"account_sid": t.accounts[0][1].sid});
    let path = format!("/PhoneNumbers/{one}");
    let refused = api.put(&provider.key, &path, sibling.clone()).await.expect(400);
    assert_eq!(refused.msg(), other);
    let refused = api.put(&provider.key, &path, json!({"account_sid": null})).await.expect(400);
    assert_eq!(refused.msg(), other);
    api.put(&provider.key, &format!("/PhoneNumbers/{two}"), sibling).await.expect(204);
    api.stop().await;
}
