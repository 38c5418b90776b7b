//! The server on PostgreSQL, which goes away while people talk.

use std::time::Duration;

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Postgres, RtpPeer, wait};

use crate::stage::{LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;

#[test]
fn calls_go_on_without_the_database_and_are_on_record_when_it_is_back() {
    let postgres = Postgres::start().expect("PostgreSQL");
    let database = postgres.database();
    let stage = Stage::with_env(&[("TRUNKLINE_STORE_URL", &database.url())]);
    stage.answer_with_conference("island");
    let on_record = || -> Vec<String> {
        let recent = stage.get("/RecentCalls?page=1&count=50");
        let rows = recent["data"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["call_sid"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut early = stage.caller("early", ALICE_HZ);
    early.hang_up();
    wait::expect("the first call is on record", SOON, || on_record() == [early.call_sid.clone()]);

    let mut alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    let mut carol = stage.caller("carol", 1_200.0);
    let mut unlucky = stage.phone("unlucky");
    postgres.stop().expect("PostgreSQL ends");
    let rest = &stage.tenant.rest;
    let lists = || rest.get("/v1/Applications").expect("an answer");
    // The key may be remembered for some seconds, what it reads is not.
    let refused = lists();
    assert_eq!((refused.status, &refused.json), (500, &json!({"msg": "internal server error"})));
    assert_eq!(rest.get("/health").expect("an answer").status, 503);
    wait::expect("bob hears alice", SOON, || {
        bob.rtp.listen(Duration::from_millis(60)).first_with(ALICE_HZ, LEVEL_DB - 3.0).is_some()
    });
    // Whose call it is cannot be asked.
    let rtp = RtpPeer::start(Voice::Silence);
    let refused = unlucky.call(&stage.uri("1000"), &rtp).expect_err("no call");
    assert!(refused.code() >= Some(500), "{refused}");
    alice.hang_up();
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);

    postgres.resume().expect("PostgreSQL is back");
    wait::expect("REST answers again", SOON, || lists().status == 200);
    assert_eq!(rest.get("/health").expect("an answer").status, 200);
    wait::expect("the call that ended meanwhile is on record", SOON, || {
        on_record().contains(&alice.call_sid)
    });
    carol.hang_up();
    wait::expect("one that goes on is as well", SOON, || on_record().contains(&carol.call_sid));
    let mut late = stage.caller("late", ALICE_HZ);
    late.hang_up();
    wait::expect("and a new one", SOON, || on_record().contains(&late.call_sid));
    let log = stage.server.log();
    let password = database.url().split([':', '@']).nth(2).map(str::to_owned).expect("a password");
    assert!(!log.contains(&password), "{log}");
}
