//! Rooms on media threads of their own, with real sockets and no SIP: what a move does to the sound.

use std::time::{Duration, SystemTime};

use ::support::Heard;
use ::support::heard::Frame;
use ::support::wait;
use actix::prelude::*;
use time::OffsetDateTime;
use trunkline::conference::actor::ConferenceActor;
use trunkline::conference::message::{Happened, Leave, Mute, Relocate};
use trunkline::conference::policy::{Entry, Exit, Refusal};
use trunkline::directory::LeaveNamed;
use trunkline::participant::message::Close;
use trunkline::verb::RunId;

use crate::media_house::{House, LEVEL_DB, SOON, wait_until_all_hear_all};

impl House {
    /// Moves the room to the other thread and waits until the directory knows.
    fn relocate(&self, room: &Addr<ConferenceActor>, arbiter: usize) {
        let before = self.address();
        room.do_send(Relocate(self.plane.place_on(arbiter).unwrap()));
        wait::expect("the room has moved", SOON, || self.address() != before);
    }

    /// The room's newest address.
    fn address(&self) -> Addr<ConferenceActor> {
        self.live.conference_named(self.account, "room").expect("the room is known").actor
    }
}

/// One unbroken stream: no packet missing or sent twice, and no step of the timestamps above 40 ms.
fn assert_unbroken(heard: &Heard, who: f64) {
    for pair in heard.frames.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.ssrc, before.ssrc, "{who} Hz");
        assert_eq!(after.seq, before.seq.wrapping_add(1), "{who} Hz lost or repeated a packet");
        let step = after.timestamp.wrapping_sub(before.timestamp);
        assert!(step == 160 || step == 320, "{who} Hz: a step of {step} in the timestamps");
    }
    // Timestamps went with time: neither was a period sent twice nor one kept back.
    let calm = 15;
    let lag = |frames: &[Frame]| {
        let first = &heard.frames[0];
        let mut lags: Vec<f64> = frames
            .iter()
            .map(|frame| {
                let passed = frame.at.duration_since(first.at).unwrap_or_default().as_secs_f64();
                passed - f64::from(frame.timestamp.wrapping_sub(first.timestamp)) / 8_000.0
            })
            .collect();
        lags.sort_by(f64::total_cmp);
        lags[lags.len() / 2]
    };
    let early = lag(&heard.frames[..calm]);
    let late = lag(&heard.frames[heard.frames.len() - calm..]);
    assert!((late - early).abs() < 0.004, "{who} Hz: timestamps went {:?} s astray", late - early);
}

#[actix_web::test]
async fn a_room_moves_between_threads_and_nobody_hears_it() {
    let house = House::new().await;
    let members = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let mut room = None;
    for member in &members {
        room = Some(house.enter(member, 1).await);
    }
    let room = room.expect("the room is open");
    let [a, b, c] = &members;
    wait_until_all_hear_all(&[a, b, c]);

    house.relocate(&room, 0);
    // Calls that move nowhere show what the machine does to every stream. And on their thread they
    // leave a newcomer another phase of the clock than the one the room has.
    let others = [0, 1, 2].map(|_| house.member_at(house.plane.place_on(1).unwrap(), 2_000.0));
    let [witness, ..] = &others;
    let _ = witness.rtp.listen(Duration::from_millis(100));
    let begun = SystemTime::now();
    let _ = a.rtp.listen(Duration::from_millis(350));
    for n in 0..7 {
        // By the first address: it passes the order on through all the moves before.
        house.relocate(&room, (n + 1) % 2);
        let _ = a.rtp.listen(Duration::from_millis(150));
    }
    let _ = a.rtp.listen(Duration::from_millis(250));
    let usual = witness.rtp.heard().since(begun).longest_gap();
    let longest = Duration::from_millis(40).max(usual + Duration::from_millis(20));
    for listener in &members {
        let heard = listener.rtp.heard().since(begun);
        assert!(heard.length() > Duration::from_millis(1_200), "{:?}", heard.length());
        assert_unbroken(&heard, listener.hz);
        let gap = heard.longest_gap();
        assert!(gap <= longest, "{} Hz: a gap of {gap:?}, {usual:?} elsewhere", listener.hz);
        for other in members.iter().filter(|other| other.call != listener.call) {
            let level = heard.level_db(other.hz);
            assert!((level - LEVEL_DB).abs() < 0.5, "{} Hz at {level} dB", other.hz);
        }
        assert!(heard.level_db(listener.hz) < -50.0, "{} Hz hears itself", listener.hz);
    }
}

#[actix_web::test]
async fn after_a_move_members_come_go_and_are_muted_as_before() {
    let house = House::new().await;
    let [a, b, late] = [450.0, 800.0, 1_250.0].map(|hz| house.member(hz));
    let first = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    wait_until_all_hear_all(&[&a, &b]);
    house.relocate(&first, 1);
    assert_ne!(house.enter(&late, 1).await, first, "a newcomer is sent straight to the new place");
    wait_until_all_hear_all(&[&a, &b, &late]);

    // Calls keep the address they know.
    first.do_send(Mute { call: a.call, muted: true });
    wait::expect("a is muted for b", SOON, || b.is_rid_of(&a));
    assert!(a.hears(&b), "a muted member hears on");
    first.do_send(Mute { call: a.call, muted: false });
    wait_until_all_hear_all(&[&a, &b, &late]);

    house.relocate(&house.address(), 0);
    first.do_send(Leave { call: b.call, exit: Exit::Left, run: Some(RunId(1)), base: None });
    wait::expect("b has left", SOON, || b.has(&Happened::Left(Exit::Left)) && a.is_rid_of(&b));
    wait_until_all_hear_all(&[&a, &late]);
    wait::expect("b is alone and served by its participant", SOON, || {
        b.is_rid_of(&a) && b.is_rid_of(&late)
    });
    for member in [&a, &late] {
        let leave = Leave { call: member.call, exit: Exit::Left, run: None, base: None };
        first.do_send(leave);
    }
    wait::expect("the empty room is forgotten", SOON, || {
        house.live.conference_named(house.account, "room").is_none()
    });
    let nobody_else = first.downgrade();
    drop(first);
    wait::expect("the first place is gone with its last user", SOON, || {
        nobody_else.upgrade().is_none()
    });
}

#[actix_web::test]
async fn a_room_whose_only_member_comes_again_is_not_closed_in_between() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    wait::expect("a has joined", SOON, || a.has(&Happened::Joined));
    assert_eq!(house.enter(&a, 2).await, room);
    wait::expect("a has joined twice", SOON, || {
        a.told().stays.iter().filter(|event| event.happened == Happened::Joined).count() == 2
    });
    // By now the directory has heard whatever the room said of it: it is asked after that.
    assert_eq!(house.enter(&b, 1).await, room, "it is the same room");
    wait_until_all_hear_all(&[&a, &b]);
    assert!(!a.has(&Happened::Left(Exit::Ended)));
}

#[actix_web::test]
async fn a_call_that_comes_again_before_its_leave_arrived_is_let_in() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let room = house.enter(&a, 1).await;
    house.enter(&b, 1).await;
    wait_until_all_hear_all(&[&a, &b]);
    // What a move can do: the second visit overtakes the end of the first.
    house.enter(&b, 2).await;
    room.do_send(Leave { call: b.call, exit: Exit::Left, run: Some(RunId(1)), base: None });
    wait::expect("b has joined twice", SOON, || {
        b.told().stays.iter().filter(|event| event.happened == Happened::Joined).count() == 2
    });
    wait_until_all_hear_all(&[&a, &b]);
    assert!(!b.has(&Happened::Refused(Refusal::AlreadyIn)));
    house.enter(&b, 2).await;
    wait::expect("one visit is not had twice", SOON, || {
        b.has(&Happened::Refused(Refusal::AlreadyIn))
    });
}

#[actix_web::test]
async fn a_call_whose_room_is_gone_when_it_comes_hears_that_it_has_ended() {
    let house = House::new().await;
    let a = house.member(450.0);
    drop(house.join(a.entry(), &a, 1, None));
    wait::expect("a has heard", SOON, || a.has(&Happened::Left(Exit::Ended)));
}

#[actix_web::test]
async fn a_call_that_never_heard_of_its_room_leaves_by_the_name() {
    let house = House::new().await;
    let a = house.member(450.0);
    house.enter(&a, 1).await;
    let leave = |run| {
        let leave = Leave { call: a.call, exit: Exit::Left, run: Some(RunId(run)), base: None };
        LeaveNamed { account: house.account, name: "room".to_owned(), leave }
    };
    house.directory.do_send(leave(7));
    house.directory.do_send(leave(1));
    wait::expect("a has left", SOON, || a.has(&Happened::Left(Exit::Left)));
    assert_eq!(
        a.told().stays.iter().filter(|e| e.happened == Happened::Left(Exit::Left)).count(),
        1
    );
}

#[actix_web::test]
async fn who_waited_for_the_start_joined_when_it_came() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    house.enter_as("room", Entry { moderator: false, ..a.entry() }, &a, 1).await;
    wait::expect("a waits", SOON, || a.has(&Happened::Waiting { wait_hook: None }));
    let began = OffsetDateTime::now_utc();
    house.enter(&b, 1).await;
    wait::expect("it joined then", SOON, || {
        let shown = house.live.conference_named(house.account, "room").unwrap();
        shown.snapshot.participant(a.call).is_some_and(|a| a.joined_at > began)
    });
}

#[actix_web::test]
async fn a_participant_that_is_lost_says_so_and_one_that_is_closed_does_not() {
    let house = House::new().await;
    let [lost, closed] = [450.0, 800.0].map(|hz| house.member(hz));
    closed.participant.do_send(Close);
    wait::expect("that one is gone", SOON, || !closed.participant.connected());
    house.plane.stop();
    wait::expect("the call has heard", SOON, || lost.told().failed == 1);
    assert_eq!(closed.told().failed, 0);
}
