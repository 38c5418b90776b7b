//! What is true of a store on PostgreSQL only: it may not be there, and it may not be ours alone. Nothing
//! of it when the tests run on SQLite.

use std::time::Duration;

use support::{Postgres, postgres};
use trunkline::config;
use trunkline::model::{AccountSid, Scope, Secret, Timestamp};
use trunkline::store::{Bootstrap, Error, Store};

use crate::store::{record, recorded};
use crate::support::Home;

/// Longest wait for what should happen at once, and for a key to be too old.
const SOON: Duration = Duration::from_secs(20);

async fn until(what: &str, mut is_met: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !is_met().await {
        assert!(tokio::time::Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_database_that_goes_away_and_comes_back_is_used_again() {
    if postgres::wanted().is_none() {
        return;
    }
    let server = Postgres::start().unwrap();
    let database = server.database();
    let home = Home::new();
    let settings = config::Store { url: Some(Secret(database.url())), ..home.store() };
    server.stop().unwrap();
    let mut opening = tokio::spawn(async move { Store::open(&settings).await });
    let early = tokio::time::timeout(Duration::from_millis(500), &mut opening).await;
    assert!(early.is_err(), "it finds nobody there, and waits: {early:?}");
    server.resume().unwrap();
    let store = opening.await.unwrap().unwrap();
    assert!(store.is_alive().await);

    let account = AccountSid::random();
    store.calls().record_ended(record(account));
    store.flush().await;
    server.stop().unwrap();
    let (accounts, keys) = (store.accounts(), store.api_keys());
    let (is_alive, asked, written) = futures_util::join!(
        store.is_alive(),
        accounts.list(Scope::Admin, None),
        keys.bootstrap(None)
    );
    assert!(!is_alive);
    assert!(matches!(asked, Err(Error::Database(_))), "{asked:?}");
    assert!(matches!(written, Err(Error::Database(_))), "{written:?}");
    store.calls().record_ended(record(account));
    server.resume().unwrap();
    store.flush().await;
    assert_eq!(recorded(&store, account).await, 2);
    assert_eq!(store.accounts().list(Scope::Admin, None).await.unwrap(), []);
    assert!(matches!(store.api_keys().bootstrap(None).await, Ok(Bootstrap::Generated(_))));
    store.close().await;
}

#[actix_web::test]
async fn a_refusal_is_told_at_once_and_without_the_password() {
    let home = Home::new();
    let Some(url) = home.url() else { return };
    let (user, place) = url.0.split_once('@').unwrap();
    for wrong in
        [format!("{user}-wrong@{place}"), format!("{user}@{place}-wrong"), format!("me:pw@{place}")]
    {
        let settings = config::Store { url: Some(Secret(wrong)), ..home.store() };
        let error = Store::open(&settings).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        let (_, password) = user.rsplit_once(':').unwrap();
        let told = format!("{error} {error:?} {settings:?}");
        assert!(told.contains("127.0.0.1") && !told.contains(password), "{told}");
    }
}

#[actix_web::test]
async fn a_key_deleted_by_another_server_is_refused_within_seconds() {
    let home = Home::new();
    let [one, other] = &home.servers(2)[..] else { return };
    let one = Store::open(one).await.unwrap();
    let other = Store::open(other).await.unwrap();
    let (key, token) = one.api_keys().create(Scope::Admin, None).await.unwrap();
    let is_known = async |store: &Store| {
        store.api_keys().authenticate(&token.0, Timestamp::now()).await.unwrap().is_some()
    };
    assert!(is_known(&one).await && is_known(&other).await);
    one.api_keys().delete(key.sid).await.unwrap();
    assert!(!is_known(&one).await);
    until("it is refused by the other one", async || !is_known(&other).await).await;
    one.close().await;
    other.close().await;
}

#[actix_web::test]
async fn servers_that_start_together_agree_on_the_tables_and_the_key() {
    let home = Home::new();
    let [one, other, third] = &home.servers(3)[..] else { return };
    let (one, other, third) =
        futures_util::join!(Store::open(one), Store::open(other), Store::open(third));
    for store in [one, other, third] {
        store.unwrap().close().await;
    }
}
