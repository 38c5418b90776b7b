//! Tests of retention, and that the totals of lists follow what comes and goes.

use support::postgres;

use super::super::{AlertQuery, CallQuery, Page, Store, Window};
use super::*;
use crate::model::{Account, CallRecord, Direction, Scope, Secret, ServiceProvider};

const DAY: Duration = Duration::from_secs(86_400);

type Database = Option<postgres::Database<'static>>;

async fn store() -> (Store, std::path::PathBuf, Account, Database) {
    let dir = std::env::temp_dir().join(format!("trunkline-keep-{}", uuid::Uuid::new_v4()));
    // What is swept here is swept by hand.
    let zero = Duration::ZERO;
    let database = postgres::wanted();
    let config = config::Store {
        data_dir: dir.clone(),
        url: database.as_ref().map(|database| Secret(database.url())),
        keep_calls: zero,
        keep_alerts: zero,
        ..config::Store::default()
    };
    let store = Store::open(&config).await.unwrap();
    let provider = ServiceProvider::new("p");
    store.service_providers().create(&provider).await.unwrap();
    let account = Account::new(provider.sid, "a");
    store.accounts().create(&account).await.unwrap();
    (store, dir, account, database)
}

fn call(account: &Account, attempted_at: Timestamp) -> CallRecord {
    CallRecord {
        call_sid: crate::model::CallSid::random(),
        account_sid: account.sid,
        service_provider_sid: None,
        application_sid: None,
        parent_call_sid: None,
        direction: Direction::Inbound,
        from: "+15085551234".to_owned(),
        to: "Alice".to_owned(),
        caller_name: None,
        trunk: None,
        sip_callid: "x".to_owned(),
        sip_parent_callid: None,
        host: None,
        remote_host: None,
        attempted_at,
        answered_at: None,
        terminated_at: attempted_at,
        call_status: "completed".to_owned(),
        sip_status: 200,
        sip_reason: None,
        termination_reason: None,
        call_termination_by: None,
        trace_id: None,
        customer_data: None,
    }
}

/// The total of a list, which must be what counting its rows gives.
async fn total(store: &Store, scope: Scope, narrow: &CallQuery) -> i64 {
    let page = Page { number: 1, size: 5000 };
    let listing = store.calls().list(scope, narrow, page).await.unwrap();
    assert_eq!(listing.total, i64::try_from(listing.rows.len()).unwrap(), "{narrow:?}");
    listing.total
}

#[tokio::test]
async fn totals_are_what_counting_gives_and_what_is_too_old_goes() {
    let (store, dir, account, _database) = store().await;
    let now = Timestamp::now();
    // 1,200 calls of 40 days, none of them exactly at an end of the windows below.
    for number in 0..1200u32 {
        let age = DAY * number / 30 + Duration::from_secs(7);
        let record = call(&account, now.minus(age));
        if number % 100 == 0 {
            // Written twice, counted once.
            store.calls().record_ended(record.clone());
        }
        store.calls().record_ended(record);
    }
    store.flush().await;
    let scopes =
        [Scope::Account(account.sid), Scope::ServiceProvider(account.service_provider_sid)];
    let ago = |days: u32| Some(now.minus(DAY * days));
    let windows = [
        (None, None, 1200),
        (ago(1), None, 30),
        (ago(10), None, 300),
        (ago(10), ago(3), 210),
        (None, ago(39), 30),
        (ago(2), ago(2), 0),
    ];
    for scope in scopes {
        for (from, to, expected) in windows {
            let narrow = CallQuery { window: Window { from, to }, ..CallQuery::default() };
            assert_eq!(total(&store, scope, &narrow).await, expected, "{narrow:?}");
        }
    }
    for (filter, expected) in [("555", 1200), ("+1508", 1200), ("aLI", 1200), ("556", 0), ("%", 0)]
    {
        let narrow = CallQuery { filter: Some(filter.to_owned()), ..CallQuery::default() };
        assert_eq!(total(&store, scopes[0], &narrow).await, expected, "{filter}");
    }

    let retention = Retention { calls: DAY * 10, alerts: Duration::ZERO };
    let swept = retention.sweep(&store.inner.database, now).await.unwrap();
    assert_eq!(swept, Swept { calls: 900, alerts: 0 });
    for scope in scopes {
        assert_eq!(total(&store, scope, &CallQuery::default()).await, 300);
    }
    // A day without records leaves nothing behind.
    let days = "SELECT COUNT(*) FROM call_days";
    let days: i64 = sqlx::query_scalar(days).fetch_one(store.read()).await.unwrap();
    assert!(days <= 2 * 11, "{days} rows");
    let swept = retention.sweep(&store.inner.database, now).await.unwrap();
    assert_eq!(swept, Swept { calls: 0, alerts: 0 });
    store.close().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn alerts_go_by_their_own_age_and_zero_keeps_for_ever() {
    let (store, dir, account, _database) = store().await;
    for _ in 0..700 {
        store.alerts().write(crate::model::Alert {
            account_sid: account.sid,
            alert_type: crate::model::AlertType::NoCarrier,
            message: "m".to_owned(),
            detail: None,
            target_sid: None,
        });
    }
    store.flush().await;
    let later = Timestamp::now().plus(DAY);
    let scope = Scope::Account(account.sid);
    let page = Page { number: 1, size: 1 };
    for (alerts, left) in [(Duration::ZERO, 700), (DAY * 2, 700), (DAY / 2, 0)] {
        let retention = Retention { calls: Duration::ZERO, alerts };
        retention.sweep(&store.inner.database, later).await.unwrap();
        let listing = store.alerts().list(scope, &AlertQuery::default(), page).await.unwrap();
        assert_eq!(listing.total, left, "{alerts:?}");
    }
    store.close().await;
    std::fs::remove_dir_all(dir).unwrap();
}
