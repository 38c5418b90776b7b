//! Calls on media threads of their own, with real sockets and no SIP: what rooms and bridges are tested
//! with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
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
use trunkline::conference::message::ConferenceEvent;
use trunkline::directory::{DirectoryActor, Live};
use trunkline::hook::{CallFacts, HookClient, HookConfig};
use trunkline::media_io::hub::{MediaPlane, Place};
use trunkline::media_io::line::{Agreed, Line};
use trunkline::media_io::port_pool::PortPool;
use trunkline::media_io::quality::QualityCell;
use trunkline::media_io::settings::MediaSettings;
use trunkline::model::call::Direction;
use trunkline::model::{AccountSid, CallSid, ServiceProviderSid};
use trunkline::participant::actor::ParticipantActor;
use trunkline::participant::message::{Negotiate, ParticipantEvent, Play};
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
        let directory = {
            let (plane, live) = (plane.clone(), live.clone());
            let hooks = HookClient::new(&HookConfig::default()).unwrap();
            let beep = Arc::new(tone::entry_beep(SampleRate::NARROW));
            DirectoryActor::start_in_arbiter(&control.handle(), move |_| {
                DirectoryActor::new(live, plane, settings(), SOON, beep, hooks, store)
            })
        };
        let first = ports::free_block(40);
        let ports = PortPool::new(IpAddr::V4(Ipv4Addr::LOCALHOST), first, first + 39);
        let account = AccountSid::random();
        Self { plane, live, directory, ports, control, account, _home: home }
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
