//! Clients that are gone before their answer: a change that was begun is made whole, in the database, in
//! what is kept in memory, and to those who are told of it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use actix_web::App;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service};
use serde_json::json;
use tokio::time::{Duration, Instant};
use trunkline::api::{Change, configure};

use crate::support::TestApi;

/// Longest wait for what should happen, generous for a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What comes of `work`, unless it has to wait more than `turns` times: then it is dropped.
async fn within<F: Future>(turns: usize, work: F) -> Option<F::Output> {
    let (mut work, mut left) = (pin!(work), turns);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[actix_web::test]
async fn an_account_is_deleted_with_its_tokens_whenever_the_client_goes() {
    let api = TestApi::start().await;
    let provider = api.new_provider("one").await;
    let state = api.state.clone();
    let service = init_service(App::new().configure(|config| configure(config, state))).await;
    for turns in 0..1000 {
        let account = api.new_account(&provider, "acme").await;
        let (_, user) =
            api.new_user(&format!("u{turns}"), json!({"account_sid": account.sid})).await;
        let own = format!("/Accounts/{}", account.sid);
        for token in [&account.key, &user] {
            api.get(token, &own).await.expect(200);
        }
        api.take_changes();
        let request = TestRequest::delete()
            .uri(&format!("/v1{own}"))
            .insert_header((AUTHORIZATION, format!("Bearer {}", api.admin)))
            .to_request();
        let answer = within(turns, call_service(&service, request)).await;
        let deadline = Instant::now() + SOON;
        while !matches!(&api.take_changes()[..], [Change::Account { after: None, .. }]) {
            assert!(Instant::now() < deadline, "gone after {turns} turns, and nobody was told");
            tokio::task::yield_now().await;
        }
        for token in [&account.key, &user] {
            assert_eq!(api.get(token, &own).await.status, 401, "gone after {turns} turns");
        }
        if let Some(answer) = answer {
            assert_eq!(answer.status(), 204);
            return api.stop().await;
        }
    }
    panic!("the answer never came");
}
