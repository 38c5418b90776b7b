//! What REST and verbs may order of a room, measured by tones: hold, coach, announcements, keys, the
//! grace of an end, and the way from one room into another.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ::support::{HookServer, wait};
use media::dtmf::{Digit, DtmfEvent};
use media::source::{Pcm, tone};
use media::time::SampleRate;
use trunkline::call::ConferenceTarget;
use trunkline::conference::message::{
    Announce, Announced, End, Happened, Hold, HoldAll, Leave, Mute, SpeakOnlyTo, Tag, Told,
};
use trunkline::conference::policy::{Entry, Exit};
use trunkline::floor::message::PlayToMember;
use trunkline::hook::Base;
use trunkline::model::{Hook, Secret};
use trunkline::participant::message::{Play, Pressed};
use trunkline::verb::{Loops, RunId, StatusEventName};

use crate::media_house::{House, LEVEL_DB, Member, SOON, prompt, wait_until_all_hear_all};

fn clip(hz: f32, ms: usize) -> Arc<Pcm> {
    let samples = tone::sine(SampleRate::NARROW, hz, LEVEL_DB as f32, 8 * ms);
    Arc::new(Pcm::new(samples, SampleRate::NARROW))
}

fn announce(member: &Member, id: u32, hz: f32, ms: usize) -> Announce {
    let told = Some(Told { id: RunId(id), to: member.guest.clone().recipient() });
    Announce { clips: vec![clip(hz, ms)], kind: Announced::Play, told }
}

#[actix_web::test]
async fn who_is_held_neither_hears_nor_is_heard_whether_muted_or_not() {
    let house = House::new().await;
    let [a, b, c] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    house.enter_as("room", Entry { moderator: false, ..c.entry() }, &c, 1).await;
    wait_until_all_hear_all(&[&a, &b, &c]);

    let music = Some(Hook::post("http://music/"));
    room.do_send(Hold { call: b.call, held: true, wait_hook: music.clone() });
    wait::expect("b is held", SOON, || {
        b.has(&Happened::Held { held: true, wait_hook: music.clone() })
            && b.is_rid_of(&a)
            && b.is_rid_of(&c)
            && a.is_rid_of(&b)
    });
    b.participant.do_send(prompt(2, 2_000.0, 1));
    wait::expect("its music", SOON, || b.hears_tone(2_000.0));
    assert!(a.is_rid_of_tone(2_000.0) && a.hears(&c));
    // An announcement is for all; then the music goes on.
    room.do_send(announce(&a, 7, 600.0, 400));
    wait::expect("all hear it", SOON, || {
        [&a, &b, &c].into_iter().all(|member| {
            let heard = member.rtp.heard();
            heard.first_with(600.0, LEVEL_DB - 3.0).is_some()
        })
    });
    wait::expect("the music again", SOON, || a.played(7) && b.hears_tone(2_000.0));

    room.do_send(Mute { call: b.call, muted: true });
    room.do_send(Hold { call: b.call, held: false, wait_hook: None });
    wait::expect("b hears again", SOON, || b.hears(&a) && b.hears(&c));
    assert!(a.is_rid_of(&b), "and is muted");
    room.do_send(Mute { call: b.call, muted: false });
    wait::expect("b is heard", SOON, || a.hears(&b));

    room.do_send(HoldAll { held: true, wait_hook: None });
    wait::expect("c is held", SOON, || c.is_rid_of(&a) && a.is_rid_of(&c));
    assert!(a.hears(&b) && b.hears(&a), "moderators are not");
    let live = house.live.conference_named(house.account, "room").unwrap();
    assert!(live.snapshot.participant(c.call).unwrap().held);
    assert!(!live.snapshot.participant(b.call).unwrap().held);
    room.do_send(HoldAll { held: false, wait_hook: None });
    wait::expect("all are back", SOON, || a.hears(&c) && c.hears(&a));
}

#[actix_web::test]
async fn a_coach_is_heard_by_those_with_the_tag_and_hears_all() {
    let house = House::new().await;
    let [agent, caller, coach] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let tag = |tag: &str| Some(tag.to_owned());
    let room = house.enter(&caller, 1).await;
    let speaks = Entry { speak_only_to: tag("agent"), ..coach.entry() };
    house.enter_as("room", speaks, &coach, 1).await;
    wait::expect("nobody has the tag", SOON, || coach.hears(&caller) && caller.is_rid_of(&coach));
    house.enter_as("room", Entry { tag: tag("agent"), ..agent.entry() }, &agent, 1).await;
    let coached = || {
        let hears_both = agent.hears(&caller) && agent.hears(&coach);
        let hears_agent = caller.hears(&agent) && caller.is_rid_of(&coach);
        hears_both && hears_agent && coach.hears(&agent) && coach.hears(&caller)
    };
    wait::expect("only the agent hears the coach", SOON, coached);

    room.do_send(Tag { call: agent.call, tag: tag("boss") });
    wait::expect("the tag is gone", SOON, || agent.is_rid_of(&coach) && caller.is_rid_of(&coach));
    room.do_send(SpeakOnlyTo { call: coach.call, tag: tag("boss") });
    wait::expect("the coach follows", SOON, coached);
    let live = house.live.conference_named(house.account, "room").unwrap();
    let shown = live.snapshot.participant(coach.call).unwrap();
    assert_eq!(shown.speak_only_to, tag("boss"));
    room.do_send(SpeakOnlyTo { call: coach.call, tag: None });
    wait_until_all_hear_all(&[&agent, &caller, &coach]);
}

#[actix_web::test]
async fn announcements_follow_each_other_and_those_to_one_member_are_its_own() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    wait_until_all_hear_all(&[&a, &b]);
    // More than may wait: the last is over unheard, before all others.
    for id in 0..11 {
        room.do_send(announce(&a, id, 2_000.0, 100));
    }
    wait::expect("all are reported", SOON, || a.told().played.len() == 11);
    let ids: Vec<u32> = a.told().played.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(a.told().played[0].1.played, Duration::ZERO);
    assert_eq!(a.told().played[1].1.played, Duration::from_millis(100));
    assert!(a.hears(&b));

    let once = Loops::Times(1.try_into().unwrap());
    let play = Play { announce: true, loops: once, ..prompt(20, 1_250.0, 1) };
    room.do_send(PlayToMember::new(b.call, play, Some(a.guest.clone().recipient())));
    wait::expect("b hears it", SOON, || b.hears_tone(1_250.0));
    assert!(a.is_rid_of_tone(1_250.0));
    wait::expect("a hears of its end", SOON, || a.played(20));
    // Nobody of that name is here.
    let stranger = house.member(1_250.0);
    let to = Some(a.guest.clone().recipient());
    room.do_send(PlayToMember::new(stranger.call, prompt(21, 1_250.0, 1), to));
    wait::expect("it is over", SOON, || a.played(21));
}

#[actix_web::test]
async fn status_events_tell_of_announcements_between_join_and_leave() {
    let application = HookServer::start();
    let mut house = House::new().await;
    let names = ["start", "end", "join", "leave", "say-start", "say-done", "play-start"];
    house.status = Some(Arc::new(ConferenceTarget {
        hook: Base::default().resolve(&Hook::post(application.url("/status"))).unwrap(),
        secret: Secret("s".to_owned()),
        events: names.iter().filter_map(|name| StatusEventName::parse(name)).collect(),
        socket: None,
    }));
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    wait_until_all_hear_all(&[&a, &b]);
    room.do_send(Announce { kind: Announced::Say, ..announce(&a, 1, 600.0, 100) });
    room.do_send(announce(&a, 2, 600.0, 100));
    wait::expect("they are over", SOON, || a.played(1) && a.played(2));
    room.do_send(End);
    let events = || {
        let requests = application.requests("/status");
        requests.iter().map(|request| request.text("event").to_owned()).collect::<Vec<_>>()
    };
    let said = ["start", "join", "join", "say-start", "say-done", "play-start"];
    let expected: Vec<_> = said.into_iter().chain(["leave", "leave", "end"]).collect();
    wait::expect("all events came, in order", SOON, || events() == expected);
}

#[actix_web::test]
async fn keys_of_a_member_that_distributes_them_go_to_the_others() {
    let house = House::new().await;
    let [a, b, c] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    house.enter_as("room", Entry { distribute_dtmf: true, ..a.entry() }, &a, 1).await;
    house.enter(&b, 1).await;
    house.enter(&c, 1).await;
    wait_until_all_hear_all(&[&a, &b, &c]);
    b.rtp.press(101, 8_000, 9);
    wait::expect("b's call hears it", SOON, || b.told().digits == "9");
    a.rtp.press(101, 8_000, 5);
    wait::expect("the others' phones are sent a's", SOON, || b.keys() == [5] && c.keys() == [5]);
    let key =
        DtmfEvent { digit: Digit::from_char('#').unwrap(), duration: Duration::from_millis(100) };
    a.participant.do_send(Pressed(key));
    b.participant.do_send(Pressed(key));
    wait::expect("one by INFO too", SOON, || b.keys() == [5, 11] && c.keys() == [5, 11]);
    assert!(a.keys().is_empty());
}

#[actix_web::test]
async fn those_who_stay_have_their_grace_and_go_on_with_their_lines() {
    let house = House::new().await;
    let [ender, guest] = [450.0, 800.0].map(|hz| house.member(hz));
    let grace = Duration::from_secs(1);
    let entry = Entry { end_on_exit: true, grace, ..ender.entry() };
    let room = house.enter_as("room", entry, &ender, 1).await;
    house.enter(&guest, 1).await;
    wait_until_all_hear_all(&[&ender, &guest]);
    let left = Instant::now();
    room.do_send(Leave { call: ender.call, exit: Exit::Left, run: None, base: None });
    wait::expect("the room ends", SOON, || guest.has(&Happened::Left(Exit::Ended)));
    assert!(left.elapsed() >= grace, "{:?}", left.elapsed());
    guest.expect_back(1);
    ender.expect_back(1);
}

#[actix_web::test]
async fn who_is_kicked_or_sees_the_end_gets_its_line_back() {
    let house = House::new().await;
    let [a, b, waiter] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    let other = Entry { moderator: false, ..waiter.entry() };
    let lobby = house.enter_as("lobby", other, &waiter, 1).await;
    wait_until_all_hear_all(&[&a, &b]);
    room.do_send(Leave { call: b.call, exit: Exit::Kicked, run: None, base: None });
    wait::expect("b is told", SOON, || b.has(&Happened::Left(Exit::Kicked)));
    b.expect_back(1);
    room.do_send(End);
    lobby.do_send(End);
    for member in [&a, &waiter] {
        wait::expect("it is told", SOON, || member.has(&Happened::Left(Exit::Ended)));
        member.expect_back(1);
    }
}

#[actix_web::test]
async fn a_call_goes_from_room_to_room_with_its_line_and_without_a_gap() {
    let house = House::new().await;
    let [mover, here, there] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let first = house.enter(&mover, 1).await;
    house.enter(&here, 1).await;
    house.enter_as("other", there.entry(), &there, 1).await;
    wait_until_all_hear_all(&[&mover, &here]);
    let _ = mover.rtp.listen(Duration::from_millis(300));
    let begun = SystemTime::now();
    let _ = mover.rtp.listen(Duration::from_millis(350));
    // As a call does it: out by its own address of the room, in by the directory.
    first.do_send(Leave { call: mover.call, exit: Exit::Left, run: Some(RunId(1)), base: None });
    house.enter_as("other", mover.entry(), &mover, 2).await;
    wait_until_all_hear_all(&[&mover, &there]);
    assert!(mover.is_rid_of(&here) && here.is_rid_of(&mover));
    let _ = mover.rtp.listen(Duration::from_millis(350));
    let heard = mover.rtp.heard().since(begun);
    // What this machine does to a stream that goes nowhere.
    let usual = here.rtp.heard().since(begun).longest_gap();
    let longest = Duration::from_millis(60).max(usual + Duration::from_millis(40));
    assert!(heard.longest_gap() <= longest, "{:?}, {usual:?} elsewhere", heard.longest_gap());
    for pair in heard.frames.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1), "no packet is lost or sent twice");
    }
}
