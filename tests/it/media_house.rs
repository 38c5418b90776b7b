//! Calls on media threads of their own, with real sockets and no SIP: what rooms and bridges are tested
//! with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use ::support::rtp_peer::Voice;
use ::support::{RtpPeer, ports, sdp as peer_sdp, wait};
use actix::prelude::*;
use media::codec::CodecKind;
use media::leg::{Leg, LegConfig};
use media::mixer::MixerConfig;
use media::rtp::{SeqNo, Ssrc};
use media::sdp::{self, LocalMedia, Negotiated};
use media::source::{Pcm, tone};
use media::time::{RtpTime, SampleRate};
use trunkline::bridge::message::BridgeEvent;
use trunkline::call::ConferenceTarget;
use trunkline::conference::actor::ConferenceActor;
use trunkline::conference::message::{ConferenceEvent, Guest, Happened, Join};
use trunkline::conference::policy::Entry;
use trunkline::conference::rules::Starter;
use trunkline::config::Config;
use trunkline::directory::{DirectoryActor, Enter, Live};
use trunkline::hook::{BaseFields, CallFacts, HookClient, HookConfig};
use trunkline::media_io::hub::{MediaPlane, Place};
use trunkline::media_io::line::{Agreed, Line};
use trunkline::media_io::port_pool::PortPool;
use trunkline::media_io::quality::QualityCell;
use trunkline::media_io::settings::MediaSettings;
use trunkline::model::call::Direction;
use trunkline::model::{
    AccountSid, AddressPolicy, CallSid, RecordingPath, Secret, ServiceProviderSid,
};
use trunkline::participant::actor::ParticipantActor;
use trunkline::participant::message::{Negotiate, ParticipantEvent, Play, StopPlay};
use trunkline::recording::{self, Archive, Recorder};
use trunkline::store::Store;
use trunkline::verb::{Loops, PlayReport, RunId};

use crate::support::Home;

pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Level of the peers' tones.
pub(crate) const LEVEL_DB: f64 = -16.0;
const GONE_DB: f64 = LEVEL_DB - 40.0;

/// Two media threads, a directory, ports.
pub(crate) struct House {
    pub(crate) plane: Arc<MediaPlane>,
    pub(crate) live: Arc<Live>,
    pub(crate) directory: Addr<DirectoryActor>,
    ports: PortPool,
    control: Arbiter,
    pub(crate) account: AccountSid,
    pub(crate) store: Store,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) archive: Archive,
    /// Where rooms tell of their events, and of which.
    pub(crate) status: Option<Arc<ConferenceTarget>>,
    _home: Home,
}

/// Stands for a call: keeps what it is told.
pub(crate) struct Call(Arc<Mutex<Told>>);

/// What a call was told, in order.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) stays: Vec<ConferenceEvent>,
    pub(crate) bridges: Vec<BridgeEvent>,
    pub(crate) digits: String,
    pub(crate) played: Vec<(RunId, PlayReport)>,
    pub(crate) failed: u32,
}

pub(crate) struct Member {
    pub(crate) call: CallSid,
    pub(crate) rtp: RtpPeer,
    pub(crate) hz: f64,
    pub(crate) guest: Addr<Call>,
    pub(crate) participant: Addr<ParticipantActor>,
    told: Arc<Mutex<Told>>,
}

impl Actor for Call {
    type Context = Context<Self>;
}

impl Handler<ConferenceEvent> for Call {
    type Result = ();

    fn handle(&mut self, event: ConferenceEvent, _: &mut Context<Self>) {
        self.0.lock().unwrap().stays.push(event);
    }
}

impl Handler<BridgeEvent> for Call {
    type Result = ();

    fn handle(&mut self, event: BridgeEvent, _: &mut Context<Self>) {
        self.0.lock().unwrap().bridges.push(event);
    }
}

impl Handler<ParticipantEvent> for Call {
    type Result = ();

    fn handle(&mut self, event: ParticipantEvent, _: &mut Context<Self>) {
        let mut told = self.0.lock().unwrap();
        match event {
            ParticipantEvent::Played { id, report } => told.played.push((id, report)),
            ParticipantEvent::Digit(event) => told.digits.push(event.digit.as_char()),
            ParticipantEvent::Failed => told.failed += 1,
            ParticipantEvent::Inactive => {}
        }
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let home = Home::new();
        let store = Store::open(&home.store()).await.unwrap();
        // As in service: without it the test would measure its neighbours on the machine.
        let plane = Arc::new(MediaPlane::start(2, true).unwrap());
        let live = Arc::new(Live::default());
        let control = Arbiter::new();
        let config = Config { store: home.store(), ..Config::default() };
        let recording = recording::Settings::new(&config);
        let archive = recording.archive.clone();
        let recorder = Recorder::start(recording, store.clone()).unwrap();
        let recorder = Arc::new(recorder);
        let directory = {
            let (plane, live) = (plane.clone(), live.clone());
            let (store, recorder) = (store.clone(), recorder.clone());
            let addresses = AddressPolicy::loopback();
            let hooks =
                HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap();
            let beep = Arc::new(tone::entry_beep(SampleRate::NARROW));
            DirectoryActor::start_in_arbiter(&control.handle(), move |_| {
                DirectoryActor::new(live, plane, settings(), SOON, beep, hooks, store)
                    .with_recorder(recorder)
            })
        };
        let first = ports::free_block(40);
        let ports = PortPool::new(IpAddr::V4(Ipv4Addr::LOCALHOST), first, first + 39);
        let account = AccountSid::random();
        Self {
            plane,
            live,
            directory,
            ports,
            control,
            account,
            store,
            recorder,
            archive,
            status: None,
            _home: home,
        }
    }

    /// Keeps the directory and the calls from what they are told, until that is dropped.
    pub(crate) fn pause(&self) -> mpsc::Sender<()> {
        let (resume, paused) = mpsc::channel::<()>();
        self.control.spawn_fn(move || _ = paused.recv());
        resume
    }

    /// A call that is up and sends a tone.
    pub(crate) fn member(&self, hz: f64) -> Member {
        self.member_at(self.plane.place().unwrap(), hz)
    }

    pub(crate) fn member_at(&self, place: Place, hz: f64) -> Member {
        let (call, now) = (CallSid::random(), Instant::now());
        let rtp = RtpPeer::start(Voice::tone(hz, LEVEL_DB));
        let ports = self.ports.lease().unwrap();
        let local = Local(ports.port());
        let agreed = local.answer(&peer_sdp::pcmu(rtp.local_addr()));
        rtp.connect((Ipv4Addr::LOCALHOST, local.0).into());
        let leg = Leg::new(LegConfig {
            ssrc: Ssrc(u32::from(local.0)),
            first_seq: SeqNo(65_500),
            first_timestamp: RtpTime(u32::MAX - 20_000),
            seed: 1,
            cname: "test@localhost".to_owned(),
            now,
        });
        let line = Line::new(ports, leg, Arc::<QualityCell>::default(), now);
        let told = Arc::<Mutex<Told>>::default();
        let heard = told.clone();
        let guest = Call::start_in_arbiter(&self.control.handle(), move |_| Call(heard));
        let events = guest.clone().recipient();
        let participant = ParticipantActor::launch(call, place, line, settings(), events);
        participant.do_send(Negotiate(Agreed { terms: agreed, peer: 0 }));
        Member { call, rtp, hz, guest, participant, told }
    }

    /// Brings a call into the room, as its `run`th verb.
    pub(crate) async fn enter(&self, member: &Member, run: u32) -> Addr<ConferenceActor> {
        self.enter_as("room", member.entry(), member, run).await
    }

    /// What a call says at the door, with where the mix is to be recorded.
    pub(crate) fn join(
        &self,
        entry: Entry,
        member: &Member,
        run: u32,
        record: Option<RecordingPath>,
    ) -> Join {
        let guest = Guest {
            base: Arc::new(BaseFields::new(Arc::new(facts(member.call, self.account)))),
            participant: member.participant.clone(),
            stay: member.guest.clone().recipient(),
            media: member.guest.clone().recipient(),
            run: RunId(run),
            socket: None,
        };
        let (status, secret) = (self.status.clone(), Secret(String::new()));
        Join::new(entry, guest, Starter { status, secret, record })
    }

    pub(crate) async fn enter_as(
        &self,
        name: &str,
        entry: Entry,
        member: &Member,
        run: u32,
    ) -> Addr<ConferenceActor> {
        let join = self.join(entry, member, run, None);
        let enter = Enter { account: self.account, name: name.to_owned(), join };
        self.directory.send(enter).await.unwrap().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.control.stop();
        self.plane.stop();
    }
}

/// The port of our side of a call.
struct Local(u16);

impl Local {
    fn answer(&self, offer: &str) -> Negotiated {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let local = LocalMedia::new(ip, self.0, 1);
        sdp::answer(offer.as_bytes(), &local, &sdp::Policy::new(vec![CodecKind::Pcmu])).unwrap().1
    }
}

impl Member {
    /// As a moderator without any wishes.
    pub(crate) fn entry(&self) -> Entry {
        Entry::plain(self.call)
    }

    /// Whether the room has said so.
    pub(crate) fn has(&self, happened: &Happened) -> bool {
        self.told().stays.iter().any(|event| event.happened == *happened)
    }

    /// Keys that its phone was sent.
    pub(crate) fn keys(&self) -> Vec<u8> {
        let events = self.rtp.others().into_iter().filter(|packet| packet.payload_type == 101);
        let mut keys: Vec<(u32, u8)> = events.map(|p| (p.timestamp, p.payload[0])).collect();
        keys.dedup();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// Its participant serves it alone: a prompt for the time the line is back is heard.
    pub(crate) fn expect_back(&self, id: u32) {
        self.participant.do_send(Play { there: false, ..prompt(id, 1_500.0, 1) });
        wait::expect("the line is back", SOON, || self.hears_tone(1_500.0));
        self.participant.do_send(StopPlay(RunId(id)));
        wait::expect("that is stopped", SOON, || self.played(id));
    }

    /// What it was told.
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Whether a play of that name was reported.
    pub(crate) fn played(&self, id: u32) -> bool {
        self.told().played.iter().any(|(played, _)| *played == RunId(id))
    }

    /// Hears a tone that is none of the members'.
    pub(crate) fn hears_tone(&self, hz: f64) -> bool {
        let heard = self.rtp.listen(Duration::from_millis(60));
        heard.first_with(hz, LEVEL_DB - 3.0).is_some()
    }

    pub(crate) fn is_rid_of_tone(&self, hz: f64) -> bool {
        let heard = self.rtp.listen(Duration::from_millis(60));
        heard.last_with(hz, GONE_DB).is_none()
    }

    pub(crate) fn hears(&self, other: &Self) -> bool {
        self.hears_tone(other.hz)
    }

    pub(crate) fn is_rid_of(&self, other: &Self) -> bool {
        self.is_rid_of_tone(other.hz)
    }
}

/// A tone that is played, of so many seconds, as loud as the members'.
pub(crate) fn prompt(id: u32, hz: f32, seconds: usize) -> Play {
    let samples = tone::sine(SampleRate::NARROW, hz, LEVEL_DB as f32, 8_000 * seconds);
    Play {
        id: RunId(id),
        clips: vec![Arc::new(Pcm::new(samples, SampleRate::NARROW))],
        loops: Loops::Forever,
        seek_samples: 0,
        there: true,
        announce: false,
    }
}

pub(crate) fn settings() -> MediaSettings {
    let inactivity = Duration::from_secs(60);
    MediaSettings { inactivity, mixer: MixerConfig::default(), inband_dtmf: false, balance: false }
}

pub(crate) fn facts(call_sid: CallSid, account_sid: AccountSid) -> CallFacts {
    CallFacts {
        call_sid,
        account_sid,
        service_provider_sid: ServiceProviderSid::random(),
        application_sid: None,
        direction: Direction::Inbound,
        from: "test".to_owned(),
        to: "room".to_owned(),
        caller_name: String::new(),
        call_id: "test".to_owned(),
        trace_id: String::new(),
        fs_sip_address: String::new(),
        fs_public_ip: None,
        api_base_url: None,
        originating_sip_ip: None,
        originating_sip_trunk_name: None,
        parent_call_sid: None,
        caller_id: None,
    }
}

pub(crate) fn wait_until_all_hear_all(members: &[&Member]) {
    wait::expect("everybody hears everybody", SOON, || {
        let pairs = members.iter().flat_map(|a| members.iter().map(move |b| (*a, *b)));
        pairs.into_iter().all(|(a, b)| a.call == b.call || a.hears(b))
    });
}
