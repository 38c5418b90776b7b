//! Recordings of rooms and calls on media threads of their own, with real sockets and no SIP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::support::heard::median_level_at;
use ::support::wait;
use actix::prelude::*;
use media::mixer::SeatTap;
use trunkline::conference::actor::ConferenceActor;
use trunkline::conference::message::{End, Leave, Relocate, Settle};
use trunkline::conference::policy::{Exit, Settings};
use trunkline::conference::rules::Rules;
use trunkline::directory::{Enter, NotRecorded, RecordRoom, RecordingStanding};
use trunkline::model::{ConferenceSid, RecordOrder, Recording, RecordingPath, RecordingState};
use trunkline::participant::message::Tap;
use trunkline::recording::{Subject, Wanted};
use trunkline::store::{Page, RecordingQuery};
use trunkline::verb::RunId;

use crate::media_house::{House, LEVEL_DB, Member, SOON, wait_until_all_hear_all};

const RATE: u32 = 16_000;

impl House {
    async fn enter_recorded(&self, member: &Member, path: Option<&str>) -> Addr<ConferenceActor> {
        let record = path.map(|path| RecordingPath::parse(path).unwrap());
        let join = self.join(member.entry(), member, 1, record);
        let enter = Enter { account: self.account, name: "room".to_owned(), join };
        self.directory.send(enter).await.unwrap().unwrap()
    }

    fn room(&self) -> ConferenceSid {
        self.live.conference_named(self.account, "room").expect("the room is known").snapshot.sid
    }

    async fn order(&self, room: ConferenceSid, order: RecordOrder) -> Result<(), NotRecorded> {
        self.directory.send(RecordRoom { account: self.account, room, order }).await.unwrap()
    }

    /// How the room's recording stands, and its path.
    fn standing(&self) -> (RecordingStanding, Option<String>) {
        let shown = self.live.conference_named(self.account, "room").expect("the room is known");
        (shown.recording.state, shown.recording.path)
    }

    /// The account's recordings, once so many are over; oldest first.
    async fn over(&self, count: usize) -> Vec<Recording> {
        let page = Page { number: 1, size: 10 };
        let deadline = std::time::Instant::now() + SOON;
        loop {
            self.store.flush().await;
            let narrow = RecordingQuery::default();
            let found = self.store.recordings().list(self.account, &narrow, page).await.unwrap();
            let mut rows = found.rows;
            if rows.len() == count && rows.iter().all(|row| row.state.is_over()) {
                rows.reverse();
                return rows;
            }
            assert!(std::time::Instant::now() < deadline, "{rows:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The samples of each channel.
    fn channels(&self, recording: &Recording) -> Vec<Vec<i16>> {
        let bytes = std::fs::read(self.archive.file(recording).unwrap()).unwrap();
        assert_eq!(bytes.len() as u64, recording.bytes);
        let samples: Vec<i16> =
            bytes[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        let count = usize::from(recording.channels);
        (0..count).map(|n| samples.iter().skip(n).step_by(count).copied().collect()).collect()
    }
}

/// Whether a tone is in most of it.
fn has(samples: &[i16], hz: f64) -> bool {
    median_level_at(samples, RATE, hz) > LEVEL_DB - 3.0
}

#[actix_web::test]
async fn a_room_is_recorded_paused_moved_and_goes_on() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let actor = house.enter_recorded(&a, None).await;
    house.enter_recorded(&b, Some("not/the/starter")).await;
    wait_until_all_hear_all(&[&a, &b]);
    let room = house.room();
    let start = || RecordOrder::Start { path: Some(RecordingPath::parse("day/one.wav").unwrap()) };
    for (order, expected) in [
        (RecordOrder::Stop, Err(NotRecorded::NotRecording)),
        (RecordOrder::Pause, Err(NotRecorded::NotRecording)),
        (RecordOrder::Resume, Err(NotRecorded::NotRecording)),
        (start(), Ok(())),
        (start(), Err(NotRecorded::Recording)),
        (RecordOrder::Resume, Err(NotRecorded::NotPaused)),
    ] {
        assert_eq!(house.order(room, order.clone()).await, expected, "{order:?}");
    }
    let path = Some("day/one.wav".to_owned());
    assert_eq!(house.standing(), (RecordingStanding::On, path.clone()));
    let _ = a.rtp.listen(Duration::from_millis(500));
    actor.do_send(Relocate(house.plane.place_on(1).unwrap()));
    actor.do_send(Relocate(house.plane.place_on(0).unwrap()));
    let _ = a.rtp.listen(Duration::from_millis(500));
    assert_eq!(house.order(room, RecordOrder::Pause).await, Ok(()));
    assert_eq!(house.standing(), (RecordingStanding::Paused, path.clone()));
    assert_eq!(house.order(room, RecordOrder::Pause).await, Err(NotRecorded::Paused));
    let _ = a.rtp.listen(Duration::from_millis(300));
    assert_eq!(house.order(room, RecordOrder::Resume).await, Ok(()));
    let _ = a.rtp.listen(Duration::from_millis(500));
    assert_eq!(house.order(room, RecordOrder::Stop).await, Ok(()));
    assert_eq!(house.standing(), (RecordingStanding::Off, None));
    let [first] = &house.over(1).await[..] else { panic!("one recording") };
    assert_eq!((first.conference_sid, first.call_sid), (Some(room), None));
    assert_eq!((first.path.as_str(), first.state), ("day/one.wav", RecordingState::Completed));
    let [mix] = &house.channels(first)[..] else { panic!("one channel") };
    assert!(has(mix, 450.0) && has(mix, 800.0));
    // A second one ends with its room.
    assert_eq!(house.order(room, RecordOrder::Start { path: None }).await, Ok(()));
    let _ = a.rtp.listen(Duration::from_millis(300));
    for member in [&a, &b] {
        let (call, exit) = (member.call, Exit::Left);
        actor.do_send(Leave { call, exit, run: Some(RunId(1)), base: None });
    }
    let both = house.over(2).await;
    assert_eq!(both[1].state, RecordingState::Completed);
    assert!(both[1].path.contains(&room.to_string()), "{}", both[1].path);
    wait::expect("the room is gone", SOON, || {
        house.live.conference_named(house.account, "room").is_none()
    });
    assert_eq!(house.order(room, RecordOrder::Stop).await, Err(NotRecorded::NoRoom));
}

#[actix_web::test]
async fn the_one_who_starts_a_room_has_it_recorded() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    house.enter_recorded(&a, Some("first")).await;
    house.enter_recorded(&b, Some("second")).await;
    wait_until_all_hear_all(&[&a, &b]);
    let expected = (RecordingStanding::On, Some("first.wav".to_owned()));
    wait::expect("it is recorded", SOON, || house.standing() == expected);
    assert_eq!(house.order(house.room(), RecordOrder::Stop).await, Ok(()));
    assert_eq!(house.over(1).await[0].path, "first.wav");
}

#[actix_web::test]
async fn who_comes_while_a_conference_ends_starts_another_that_has_nothing_of_the_first() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let room = house.enter_recorded(&a, Some("first")).await;
    let recorded = |path: &str| (RecordingStanding::On, Some(format!("{path}.wav")));
    wait::expect("it is recorded", SOON, || house.standing() == recorded("first"));
    let settings = Settings { locked: true, ..Settings::default() };
    room.send(Settle(Rules { settings, ..Rules::default() })).await.unwrap();
    let resume = house.pause();
    let path = RecordingPath::parse("second").unwrap();
    let join = house.join(b.entry(), &b, 1, Some(path));
    house.directory.do_send(Enter { account: house.account, name: "room".to_owned(), join });
    room.send(End).await.unwrap();
    drop(resume);
    wait::expect("so is the second", SOON, || house.standing() == recorded("second"));
    let leave = Leave { call: b.call, exit: Exit::Left, run: None, base: None };
    room.do_send(leave);
    let both = house.over(2).await;
    assert_eq!([&both[0].path, &both[1].path], ["first.wav", "second.wav"]);
}

#[actix_web::test]
async fn the_recording_of_a_call_goes_with_its_line() {
    let house = House::new().await;
    let [a, b] = [450.0, 800.0].map(|hz| house.member(hz));
    let ([said, heard], feed) = house.recorder.stereo();
    a.participant.do_send(Tap::new(SeatTap { said: Some(said), heard: Some(heard) }));
    let wanted =
        Wanted { account_sid: house.account, of: Subject::Call(a.call), path: None, format: None };
    let began = Arc::<Mutex<bool>>::default();
    let told = began.clone();
    let take = house.recorder.record(wanted, feed, move |_| *told.lock().unwrap() = true);
    wait::expect("the file is there", SOON, || *began.lock().unwrap());
    let _ = a.rtp.listen(Duration::from_millis(400));
    let room = house.enter_recorded(&a, None).await;
    house.enter_recorded(&b, None).await;
    wait_until_all_hear_all(&[&a, &b]);
    // A second listener finds the line where it is.
    let ([said, heard], other) = house.recorder.stereo();
    a.participant.do_send(Tap::new(SeatTap { said: Some(said), heard: Some(heard) }));
    let wanted = Wanted {
        account_sid: house.account,
        of: Subject::Call(a.call),
        path: Some(RecordingPath::parse("second").unwrap()),
        format: None,
    };
    let second = house.recorder.record(wanted, other, |_| {});
    let _ = a.rtp.listen(Duration::from_millis(900));
    second.stop();
    room.do_send(Leave { call: a.call, exit: Exit::Left, run: Some(RunId(1)), base: None });
    wait::expect("it is alone again", SOON, || a.is_rid_of(&b));
    let _ = a.rtp.listen(Duration::from_millis(600));
    take.stop();
    let [whole, part] = &house.over(2).await[..] else { panic!("two recordings") };
    assert_eq!((part.path.as_str(), whole.call_sid), ("second.wav", Some(a.call)));
    let [caller, heard] = &house.channels(part)[..] else { panic!("two channels") };
    assert!(has(caller, 450.0) && !has(caller, 800.0));
    assert!(has(heard, 800.0) && !has(heard, 450.0));
    let [caller, heard] = &house.channels(whole)[..] else { panic!("two channels") };
    assert!(has(caller, 450.0) && !has(caller, 800.0), "its own voice, all the time");
    let (begin, end) = (&heard[..RATE as usize / 5], &heard[heard.len() - RATE as usize / 5..]);
    assert!(!has(begin, 800.0) && !has(end, 800.0), "alone it hears nobody");
    assert!(has(&heard[heard.len() / 3..heard.len() / 2], 800.0));
}
