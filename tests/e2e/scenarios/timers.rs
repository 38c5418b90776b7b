//! Session timers (RFC 4028) with `sipp` on either side, on a server of default settings.

use serde_json::json;

use super::{Scene, side_by_side, speaker};
use crate::stage::Stage;

/// Seconds that we take from the called; a caller may not ask for less than 90.
const SHORT: &str = "4";
const SHORTEST: &str = "90";

#[test]
fn sessions_are_refreshed_or_end() {
    let stage = Stage::new();
    side_by_side(
        &stage,
        &[
            ("timer_silent", caller_falls_silent),
            ("timer_silent-called", called_falls_silent),
            ("timer_refreshed", we_refresh),
        ],
    );
}

/// Who had promised to refresh does not: we hang up, before the interval is over.
fn caller_falls_silent(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    let call = scene.calls("u1", &number, &rtp, &["-key", "expires", SHORTEST]);
    let call_sid = scene.call_sid();
    call.ends_well();
    ended_by_us(scene, &call_sid, &["trying", "in-progress", "completed"]);
}

fn called_falls_silent(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits_as("timer_silent", "u1", &rtp, &["-key", "expires", SHORT]);
    let verbs = json!([{ "verb": "pause", "length": 60 }]);
    let call_sid = scene.order(&far.uri(), &verbs, |_| {});
    far.ends_well();
    ended_by_us(scene, &call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

fn ended_by_us(scene: &Scene<'_>, call_sid: &str, statuses: &[&str]) {
    scene.ends(call_sid, statuses);
    let last = scene.last_event(call_sid);
    assert_eq!(last["call_termination_by"], "jambonz", "{last}");
}

/// Twice, and the call goes on until REST ends it.
fn we_refresh(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &["-key", "expires", SHORT]);
    let verbs = json!([{ "verb": "pause", "length": 60 }]);
    let call_sid = scene.order(&far.uri(), &verbs, |_| {});
    far.wait("state", "again");
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}
