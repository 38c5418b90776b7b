//! The audibility matrix: four members, each with a tone of its own, and who hears whom in each state.

use serde_json::json;

use super::ears::{Row, expect_heard, expect_tone};
use super::{A_HZ, C_HZ, H_HZ, HOLD_HZ, NEWS_HZ, Rooms, S_HZ, WAIT_HZ, call, seat};
use crate::stage::Caller;

const TONES: [f64; 7] = [A_HZ, C_HZ, S_HZ, H_HZ, HOLD_HZ, NEWS_HZ, WAIT_HZ];

/// Agent A, who moderates; caller C; supervisor S, who coaches the agent; H, who listens and talks.
struct Four {
    rooms: Rooms,
    a: Caller,
    c: Caller,
    s: Caller,
    h: Caller,
}

impl Four {
    fn new() -> Self {
        let rooms = Rooms::new();
        let plain = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
        let a = rooms.enter("agent", A_HZ, &json!({ "memberTag": "agent" }));
        let c = rooms.enter("caller", C_HZ, &plain);
        let coach = json!({ "startConferenceOnEnter": false, "speakOnlyTo": "agent" });
        let s = rooms.enter("supervisor", S_HZ, &coach);
        let h = rooms.enter("helper", H_HZ, &plain);
        Self { rooms, a, c, s, h }
    }

    /// What A, C, S and H hear.
    fn expect(&self, state: &str, heard: [&[f64]; 4]) {
        let listeners = [("A", &self.a), ("C", &self.c), ("S", &self.s), ("H", &self.h)];
        let rows: Vec<Row<'_>> = listeners
            .into_iter()
            .zip(heard)
            .map(|((name, who), tones)| (name, who, tones))
            .collect();
        expect_heard(state, &TONES, &rows);
    }
}

/// S speaks to A alone and hears everybody; the rest hear each other.
const COACHED: [&[f64]; 4] =
    [&[C_HZ, S_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ, C_HZ, H_HZ], &[A_HZ, C_HZ]];
/// Everybody hears everybody else.
const PLAIN: [&[f64]; 4] =
    [&[C_HZ, S_HZ, H_HZ], &[A_HZ, S_HZ, H_HZ], &[A_HZ, C_HZ, H_HZ], &[A_HZ, C_HZ, S_HZ]];

#[test]
fn who_hears_whom_while_one_coaches_and_while_none_does() {
    let four = Four::new();
    let rooms = &four.rooms;
    four.expect("S coaches A from the start", COACHED);

    rooms.put(&seat(&four.s), &json!({ "speak_only_to": null }), 204);
    four.expect("S speaks to all", PLAIN);
    let coach = json!({ "conferenceParticipantAction": { "action": "coach", "tag": "agent" } });
    rooms.put(&call(&four.s), &coach, 202);
    four.expect("S coaches A by live control", COACHED);

    // The tag goes, and with it who S speaks to.
    rooms.put(&seat(&four.a), &json!({ "member_tag": null }), 204);
    let nobody: [&[f64]; 4] = [&[C_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ, C_HZ, H_HZ], &[A_HZ, C_HZ]];
    four.expect("S coaches a tag that nobody has", nobody);
    rooms.put(&seat(&four.h), &json!({ "member_tag": "agent" }), 204);
    let helper: [&[f64]; 4] =
        [&[C_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ, C_HZ, H_HZ], &[A_HZ, C_HZ, S_HZ]];
    four.expect("S coaches H, who has the tag now", helper);
    let untag = json!({ "conferenceParticipantAction": { "action": "untag" } });
    rooms.put(&call(&four.h), &untag, 202);
    let tag = json!({ "conferenceParticipantAction": { "action": "tag", "tag": "agent" } });
    rooms.put(&call(&four.a), &tag, 202);
    four.expect("A has the tag again", COACHED);
    let uncoach = json!({ "conferenceParticipantAction": { "action": "uncoach" } });
    rooms.put(&call(&four.s), &uncoach, 202);
    four.expect("S speaks to all again", PLAIN);
    rooms.app.assert_all_signed();
}

#[test]
fn who_hears_whom_while_one_is_muted_and_while_one_is_held() {
    let four = Four::new();
    let rooms = &four.rooms;
    rooms.put(&seat(&four.s), &json!({ "speak_only_to": null }), 204);
    four.expect("plain", PLAIN);

    let muted: [&[f64]; 4] = [&[S_HZ, H_HZ], &[A_HZ, S_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ, S_HZ]];
    let participant = |action: &str| json!({ "conferenceParticipantAction": { "action": action } });
    let by_rest = |status: &str| json!({ "mute_status": status });
    for (name, path, on, off, accepted) in [
        ("participant", seat(&four.c), by_rest("mute"), by_rest("unmute"), 204),
        ("call", call(&four.c), by_rest("mute"), by_rest("unmute"), 202),
        ("action", call(&four.c), participant("mute"), participant("unmute"), 202),
    ] {
        rooms.put(&path, &on, accepted);
        four.expect(&format!("C muted by {name}"), muted);
        rooms.put(&path, &off, accepted);
        four.expect(&format!("C unmuted by {name}"), PLAIN);
    }

    // Held: neither hears nor is heard, but for music.
    let held: [&[f64]; 4] = [&[S_HZ, H_HZ], &[], &[A_HZ, H_HZ], &[A_HZ, S_HZ]];
    let held_with = |who: &str| {
        expect_tone(&format!("{who}: C hears its music"), &four.c, HOLD_HZ);
        let others = [("A", &four.a), ("S", &four.s), ("H", &four.h)];
        let heard = [held[0], held[2], held[3]];
        let rows: Vec<Row<'_>> =
            others.into_iter().zip(heard).map(|((name, who), tones)| (name, who, tones)).collect();
        expect_heard(who, &TONES, &rows);
        // Its music pauses between two rounds.
        let tones: Vec<f64> = TONES.into_iter().filter(|hz| *hz != HOLD_HZ).collect();
        expect_heard(who, &tones, &[("C", &four.c, &[])]);
    };
    let hook = format!("{}/hold", rooms.app.url);
    rooms.put(&seat(&four.c), &json!({ "hold_status": "hold", "wait_hook": hook }), 204);
    held_with("C held by participant");
    rooms.put(&seat(&four.c), &json!({ "hold_status": "unhold" }), 204);
    four.expect("C taken back by participant", PLAIN);
    rooms.put(&call(&four.c), &json!({ "conf_hold_status": "hold", "wait_hook": "/hold" }), 202);
    held_with("C held by call");
    rooms.put(&call(&four.c), &json!({ "conf_hold_status": "unhold" }), 202);
    four.expect("C taken back by call", PLAIN);
    let hold = json!({ "conferenceParticipantAction": { "action": "hold" } });
    rooms.put(&call(&four.c), &hold, 202);
    four.expect("C held without music", held);
    rooms.put(&call(&four.c), &participant("unhold"), 202);
    four.expect("C taken back by action", PLAIN);

    // The whole room: all but moderators, of which A is the only one.
    let alone: [&[f64]; 4] = [&[], &[A_HZ], &[A_HZ], &[A_HZ]];
    rooms.put(&call(&four.h), &json!({ "conf_mute_status": "mute" }), 202);
    four.expect("all but A muted", alone);
    rooms.put(&call(&four.h), &json!({ "conf_mute_status": "unmute" }), 202);
    four.expect("nobody muted", PLAIN);
    rooms.put("/Conferences/desk", &json!({ "hold_status": "hold" }), 204);
    four.expect("all but A held", [&[], &[], &[], &[]]);
    rooms.put("/Conferences/desk", &json!({ "hold_status": "unhold" }), 204);
    four.expect("nobody held", PLAIN);
}

#[test]
fn who_hears_what_is_announced_and_what_is_whispered() {
    let four = Four::new();
    let rooms = &four.rooms;
    rooms.put(&seat(&four.s), &json!({ "speak_only_to": null }), 204);
    four.expect("plain", PLAIN);
    let news = json!({ "verb": "play", "url": rooms.tone(NEWS_HZ, 4_000) });

    rooms.put("/Conferences/desk", &json!({ "announce": news }), 204);
    four.expect(
        "announced to all",
        [
            &[C_HZ, S_HZ, H_HZ, NEWS_HZ],
            &[A_HZ, S_HZ, H_HZ, NEWS_HZ],
            &[A_HZ, C_HZ, H_HZ, NEWS_HZ],
            &[A_HZ, C_HZ, S_HZ, NEWS_HZ],
        ],
    );
    four.expect("after the announcement", PLAIN);

    let to_c: [&[f64]; 4] = [PLAIN[0], &[A_HZ, S_HZ, H_HZ, NEWS_HZ], PLAIN[2], PLAIN[3]];
    rooms.put(&seat(&four.c), &json!({ "announce": [news] }), 204);
    four.expect("announced to C", to_c);
    four.expect("after C's announcement", PLAIN);
    rooms.put(&call(&four.c), &json!({ "whisper": news }), 202);
    four.expect("whispered to C", to_c);
    four.expect("after the whisper", PLAIN);

    let other = json!([{ "verb": "conference", "name": "x" }]);
    rooms.put("/Conferences/desk", &json!({ "announce": other }), 400);
    rooms.put(&seat(&four.c), &json!({ "announce": other }), 400);
}
