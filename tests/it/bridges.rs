//! Bridges with real sockets and no SIP: who hears whom, and where the lines go.

use std::time::Duration;

use ::support::wait;
use actix::prelude::*;
use trunkline::bridge::actor::{self as bridge, BridgeActor};
use trunkline::bridge::message::{Enter, Exit, Happened, Hold, Mute, Whisper};
use trunkline::participant::message::{Close, Play, SendDigits, StopPlay};
use trunkline::verb::{Loops, RunId};

use crate::media_house::{House, Member, SOON, prompt, settings, wait_until_all_hear_all};

/// Something inside that nobody has thought of.
#[derive(Message)]
#[rtype(result = "()")]
struct Fault;

impl Handler<Fault> for BridgeActor {
    type Result = ();

    fn handle(&mut self, _: Fault, _: &mut Context<Self>) {
        panic!("a fault that a test wants");
    }
}

impl House {
    fn bridge(&self) -> Addr<BridgeActor> {
        bridge::open(&self.plane, settings()).unwrap()
    }

    /// Two calls that talk.
    fn talk(&self) -> (Addr<BridgeActor>, Member, Member) {
        let (bridge, a, b) = (self.bridge(), self.member(450.0), self.member(800.0));
        a.enters(&bridge, 1);
        b.enters(&bridge, 1);
        wait_until_all_hear_all(&[&a, &b]);
        (bridge, a, b)
    }
}

impl Member {
    fn enters(&self, bridge: &Addr<BridgeActor>, run: u32) {
        bridge.do_send(Enter {
            call: self.call,
            participant: self.participant.clone(),
            media: self.guest.clone().recipient(),
            told: self.guest.clone().recipient(),
            run: RunId(run),
        });
    }

    fn bridged(&self) -> Vec<(u32, Happened)> {
        self.told().bridges.iter().map(|event| (event.run.0, event.happened)).collect()
    }

    /// Its participant serves it alone: a prompt for the time the line is back is heard.
    fn expect_back(&self, id: u32) {
        self.participant.do_send(Play { there: false, ..prompt(id, 1_500.0, 1) });
        wait::expect("the line is back", SOON, || self.hears_tone(1_500.0));
        self.participant.do_send(StopPlay(RunId(id)));
        wait::expect("that is stopped", SOON, || self.played(id));
    }
}

#[actix_web::test]
async fn two_calls_hear_each_other_and_the_one_that_stays_gets_its_line_back() {
    let house = House::new().await;
    let (bridge, a, b) = house.talk();
    for member in [&a, &b] {
        wait::expect("both are told", SOON, || member.bridged() == [(1, Happened::Connected)]);
    }
    bridge.do_send(Exit { call: a.call });
    wait::expect("b is told", SOON, || {
        b.bridged() == [(1, Happened::Connected), (1, Happened::PeerLeft)]
    });
    a.expect_back(7);
    b.expect_back(7);
    assert!(a.is_rid_of(&b) && b.is_rid_of(&a));
    assert_eq!(a.bridged(), [(1, Happened::Connected)], "who leaves hears no more of it");
    wait::expect("the bridge is over", SOON, || !bridge.connected());
    // From one bridge into the next, with the same line.
    let next = house.bridge();
    a.enters(&next, 2);
    b.enters(&next, 2);
    wait_until_all_hear_all(&[&a, &b]);
}

#[actix_web::test]
async fn who_is_muted_is_not_heard_and_who_is_held_neither_hears_nor_is_heard() {
    let house = House::new().await;
    let (bridge, a, b) = house.talk();
    bridge.do_send(Mute { call: a.call, muted: true });
    wait::expect("a is muted", SOON, || b.is_rid_of(&a));
    assert!(a.hears(&b));
    bridge.do_send(Hold { call: a.call, held: true });
    wait::expect("a is held", SOON, || a.is_rid_of(&b));
    // What is played to it there, it hears.
    a.participant.do_send(prompt(5, 1_250.0, 1));
    wait::expect("music on hold", SOON, || a.hears_tone(1_250.0));
    assert!(b.is_rid_of_tone(1_250.0));
    bridge.do_send(Hold { call: a.call, held: false });
    wait::expect("a hears again", SOON, || a.hears(&b));
    assert!(b.is_rid_of(&a), "still muted");
    a.participant.do_send(StopPlay(RunId(5)));
    wait::expect("the music stops", SOON, || a.played(5) && a.is_rid_of_tone(1_250.0));
    bridge.do_send(Mute { call: a.call, muted: false });
    wait_until_all_hear_all(&[&a, &b]);
}

#[actix_web::test]
async fn a_whisper_is_heard_by_one_and_parts_the_two_until_it_is_over() {
    let house = House::new().await;
    let (bridge, a, b) = house.talk();
    bridge.do_send(Whisper { call: a.call, play: prompt(3, 1_250.0, 1) });
    wait::expect("a hears it", SOON, || a.hears_tone(1_250.0));
    assert!(b.is_rid_of_tone(1_250.0));
    wait::expect("they are apart", SOON, || a.is_rid_of(&b) && b.is_rid_of(&a));
    a.participant.do_send(StopPlay(RunId(3)));
    wait_until_all_hear_all(&[&a, &b]);
    assert!(a.played(3));
    // By its own end.
    let once = Play { loops: Loops::Times(1.try_into().unwrap()), ..prompt(4, 1_250.0, 1) };
    bridge.do_send(Whisper { call: b.call, play: once });
    wait::expect("b hears it", SOON, || b.hears_tone(1_250.0));
    wait_until_all_hear_all(&[&a, &b]);
    assert!(b.played(4) && !a.played(4));
    assert!(b.is_rid_of_tone(1_250.0));
}

#[actix_web::test]
async fn what_is_played_there_interrupted_or_stopped_is_heard_there_and_reported_once() {
    let house = House::new().await;
    let (bridge, a, b) = house.talk();
    a.participant.do_send(prompt(1, 1_250.0, 1));
    wait::expect("a hears it beside b", SOON, || a.hears_tone(1_250.0) && a.hears(&b));
    let announcement = Play {
        announce: true,
        loops: Loops::Times(1.try_into().unwrap()),
        ..prompt(2, 2_000.0, 1)
    };
    a.participant.do_send(announcement);
    wait::expect("it is interrupted", SOON, || a.hears_tone(2_000.0) && a.is_rid_of_tone(1_250.0));
    wait::expect("it goes on", SOON, || a.played(2) && a.hears_tone(1_250.0));
    // One for the time after the bridge waits for it; the other one ends with the bridge.
    a.participant.do_send(Play { there: false, ..prompt(3, 600.0, 1) });
    assert!(a.is_rid_of_tone(600.0));
    bridge.do_send(Exit { call: b.call });
    wait::expect("the line is back", SOON, || a.hears_tone(600.0) && a.played(1));
    assert_eq!(a.told().played.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2, 1]);
}

#[actix_web::test]
async fn keys_are_passed_on_and_sent() {
    let house = House::new().await;
    let (_bridge, a, b) = house.talk();
    a.rtp.press(101, 8_000, 5);
    wait::expect("the call hears its key", SOON, || a.told().digits == "5");
    let keys = |member: &Member| {
        let events = member.rtp.others().into_iter().filter(|packet| packet.payload_type == 101);
        let mut keys: Vec<(u32, u8)> = events.map(|p| (p.timestamp, p.payload[0])).collect();
        keys.dedup();
        keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    wait::expect("so does the other's phone", SOON, || keys(&b) == [5]);
    assert!(keys(&a).is_empty() && b.told().digits.is_empty());
    let duration = Duration::from_millis(100);
    b.participant.do_send(SendDigits { digits: "12#".to_owned(), duration });
    wait::expect("ours are sent where the line is", SOON, || keys(&b) == [5, 1, 2, 11]);
}

#[actix_web::test]
async fn who_waits_alone_may_leave_and_a_third_finds_no_place() {
    let house = House::new().await;
    let (bridge, a) = (house.bridge(), house.member(450.0));
    a.enters(&bridge, 1);
    bridge.do_send(Exit { call: a.call });
    a.expect_back(1);
    assert!(a.bridged().is_empty());

    let (bridge, b, c) = house.talk();
    a.enters(&bridge, 2);
    wait::expect("there is no place", SOON, || a.bridged() == [(2, Happened::Failed)]);
    assert!(a.is_rid_of(&b) && b.hears(&c));
    // A call that ends says so to the bridge; its line is closed when it is back.
    bridge.do_send(Exit { call: b.call });
    b.participant.do_send(Close);
    wait::expect("c is told", SOON, || c.bridged().contains(&(1, Happened::PeerLeft)));
    wait::expect("nothing is left of b", SOON, || !b.participant.connected());
    c.expect_back(1);
}

#[actix_web::test]
async fn a_bridge_that_fails_tells_both_and_gives_their_lines_back() {
    let house = House::new().await;
    let (bridge, a, b) = house.talk();
    bridge.do_send(Fault);
    for member in [&a, &b] {
        wait::expect("both are told", SOON, || {
            member.bridged() == [(1, Happened::Connected), (1, Happened::Failed)]
        });
        member.expect_back(9);
        assert_eq!(member.told().failed, 0);
    }
}
