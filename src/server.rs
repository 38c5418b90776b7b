//! The composition root: builds everything in order, and takes it down in reverse. Nobody else builds.

mod follow;
mod policy;
mod signalling;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use anyhow::Context as _;
use media::jitter::JitterConfig;
use media::mixer::MixerConfig;
use media::source::tone;
use media::time::SampleRate;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{self, AppState, Doors};
use crate::call::actor::Hangup;
use crate::call::desk::{Desk, DeskParts};
use crate::call::prompt::SPEECH_RATE;
use crate::config::{self, Config};
use crate::directory::{DirectoryActor, Live};
use crate::hook::ws_connect::WsConfig;
use crate::hook::{HookClient, HookConfig};
use crate::listen::Listener;
use crate::media_io::hub::MediaPlane;
use crate::media_io::port_pool::PortPool;
use crate::media_io::settings::MediaSettings;
use crate::media_io::sys;
use crate::recording::{self, Recorder};
use crate::sip_io::dns::Resolver;
use crate::sip_io::message::Drain;
use crate::sip_io::peers::Peers;
use crate::sip_io::registrations::Registrations;
use crate::sip_io::tls::Tls;
use crate::sip_io::trunks::Trunks;
use crate::sip_io::trunks::keeper::Leave;
use crate::speech::{self, Engine};
use crate::store::{self, Store};
use crate::verb;
use crate::welcome::Welcome;
use follow::Followers;
use signalling::Shell;

/// One piece of a text must be spoken in this time (contract verbs.md §5.5).
const SPEECH_LIMIT: Duration = Duration::from_secs(10);

/// How long calls may take to end at shutdown.
const GOODBYE: Duration = Duration::from_secs(3);

/// How often freed memory is returned to the system.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(20);

/// A server that runs.
pub struct Server {
    /// What is going on in it.
    pub live: Arc<Live>,
    tls: Tls,
    stop: Pin<Box<dyn Future<Output = ()>>>,
}

impl Server {
    /// Hangs up and takes everything down, in reverse.
    pub async fn stop(self) {
        self.stop.await;
    }
}

/// Runs the server until it is told to stop (SIGINT or SIGTERM).
///
/// # Errors
/// Whatever keeps it from starting: an address in use, a store that cannot be opened.
pub async fn run(config: Config, demo: bool) -> anyhow::Result<()> {
    let server = start(config, demo).await?;
    wait_for_signal(&server.tls).await?;
    server.stop().await;
    Ok(())
}

/// Starts the server on the actix system of whoever calls.
///
/// # Errors
/// As [`run`].
pub async fn start(mut config: Config, demo: bool) -> anyhow::Result<Server> {
    if let Some(limit) = sys::raise_file_limit() {
        tracing::debug!(limit, "open files");
    }
    let store = Store::open(&config.store).await.context("cannot open the store")?;
    let welcome = Welcome::prepare(&store, &mut config, demo).await?;
    if config.api.jwt_secret.is_none() {
        let file = config.store.data_dir.join("jwt.key");
        let secret = store::kept_key(&file).context("cannot keep the secret of logins")?;
        config.api.jwt_secret = Some(secret);
    }
    let config = Arc::new(config);
    let recording = recording::Settings::new(&config);
    let archive = recording.archive.clone();
    recording::recover(&store, &archive).await.context("cannot read the store")?;
    let recorder = Recorder::start(recording, store.clone());
    let recorder = Arc::new(recorder.context("cannot start the recorder's thread")?);
    let sweeping = recording::sweep(store.clone(), archive, config.recording.retention);
    let sweeping = actix::spawn(sweeping);
    let hooks = HookClient::new(&hook_config(&config)).context("cannot build the HTTP client")?;
    let state = AppState::new(store.clone(), config.clone(), check_verbs, hooks.clone());

    let http = TcpListener::bind(config.http.listen)
        .with_context(|| format!("cannot bind the REST API to {}", config.http.listen))?;
    let http_address = http.local_addr()?;
    let registered = store.registrations().take_live().await.context("cannot read the store")?;
    let shell = Shell::open(&config)?;
    let first = shell.first();
    let own_sbcs = shell.own_sbcs();
    let sip_address = first.public;
    let media_ip = config.media_ip();
    let peers = Peers::default();
    let dns_servers = &config.sip.dns_servers;
    let resolver = Resolver::new(dns_servers, shell.listeners(), peers.clone())?;
    let tls = shell.tls();
    actix::spawn(tls.clone().watch());
    actix::spawn(give_back_memory());

    let plane = MediaPlane::start(config.media_arbiters(), config.media.realtime_priority);
    let plane = Arc::new(plane.context("cannot start the media clock")?);
    let (control, signalling, streams) = (Arbiter::new(), Arbiter::new(), Arbiter::new());
    let live = Arc::new(Live::default());
    let registrations = Arc::new(Registrations::default());
    let trunks = Arc::new(Trunks::new(store.clone()));
    let media_settings = media_settings(&config);
    let directory = {
        let (live, plane, config) = (live.clone(), plane.clone(), config.clone());
        let (hooks, store, recorder) = (hooks.clone(), store.clone(), recorder.clone());
        DirectoryActor::start_in_arbiter(&control.handle(), move |_| {
            let tone = Arc::new(tone::entry_beep(SampleRate::NARROW));
            let keep = config.call.ended_retention;
            DirectoryActor::new(live, plane, media_settings, keep, tone, hooks, store)
                .with_recorder(recorder)
        })
    };
    let desk = Desk::new(DeskParts {
        ports: PortPool::new(bind_ip(media_ip), config.rtp.ports.first, config.rtp.ports.last),
        config: config.clone(),
        media_settings,
        sdp_policy: Arc::new(policy::sdp_policy(&config)),
        store: store.clone(),
        listener: Listener::new(hooks.clone(), streams.handle()),
        hooks,
        fetching: Arc::default(),
        prompts: Arc::default(),
        recorder: recorder.clone(),
        speech: speech_engine(&config),
        plane: plane.clone(),
        live: live.clone(),
        directory: directory.clone(),
        registrations: registrations.clone(),
        resolver,
        trunks: trunks.clone(),
        tally: Arc::default(),
        throttle: Arc::default(),
        control: control.handle(),
        media_ip,
        sip_address,
        cname: format!("trunkline@{media_ip}"),
        api_base_url: Some(format!("http://{http_address}/v1")),
    });
    let stack = shell.serve(&signalling, &config, &store, &desk, peers, registered);
    let keeper = signalling::keep_trunks(&signalling, &config, &desk, &stack);
    let followers = Followers {
        stack: stack.clone(),
        trunks: trunks.clone(),
        keeper: keeper.clone(),
        live: live.clone(),
        directory,
    };
    let on_change = follow::listener(followers, control.handle());
    let doors = Doors { live: live.clone(), registrations, desk, stack: stack.clone(), trunks };
    let state = state.with_doors(doors).with_own_sbcs(own_sbcs).with_on_change(on_change);
    let rest = api::serve(http, state)?;
    let handle = rest.handle();
    let rest = actix::spawn(rest);
    tracing::info!(rest = %http_address, sip = %sip_address, media = %media_ip, "ready");
    welcome.print(http_address, sip_address);

    let running = live.clone();
    let stop = async move {
        tracing::info!("stopping: hanging up calls");
        handle.stop(true).await;
        // Its result says how it stopped, which was asked for.
        let _ = rest.await;
        // Gone only if it failed; then nobody can call anyway.
        let _ = stack.send(Drain).await;
        // Carriers hear that we go while the calls end.
        let left = keeper.send(Leave);
        hang_up(&live).await;
        // A carrier that does not answer by then has a binding that ends by itself.
        let _ = tokio::time::timeout(GOODBYE, left).await;
        sweeping.abort();
        // What is still recorded ends with its calls; the last of it is on its way to the store then.
        let _ = tokio::task::spawn_blocking(move || recorder.close()).await;
        store.close().await;
        streams.stop();
        signalling.stop();
        control.stop();
        plane.stop();
    };
    Ok(Server { live: running, tls, stop: Box::pin(stop) })
}

/// Now and then returns to the system what bursts have left unused.
async fn give_back_memory() {
    let mut every = tokio::time::interval(GIVE_BACK_EVERY);
    loop {
        every.tick().await;
        // Fails only when the runtime ends.
        let _ = tokio::task::spawn_blocking(sys::give_back_memory).await;
    }
}

/// The address RTP sockets are bound to: the one in SDP if it is this host's, else all.
fn bind_ip(media_ip: IpAddr) -> IpAddr {
    match UdpSocket::bind(SocketAddr::new(media_ip, 0)) {
        Ok(_) => media_ip,
        Err(_) if media_ip.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        Err(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The program need not be there until something is to be said; who starts the server is told.
fn speech_engine(config: &Config) -> Engine {
    let config::Speech { program, processes, .. } = config.speech.clone();
    let (limit, rate) = (SPEECH_LIMIT, SPEECH_RATE);
    let engine = Engine::new(speech::Settings { program, processes, limit, rate });
    if let Err(error) = engine.program() {
        tracing::warn!(%error, "texts of say cannot be spoken");
    }
    engine
}

fn media_settings(config: &Config) -> MediaSettings {
    let (rtp, media) = (&config.rtp, &config.media);
    let jitter = JitterConfig {
        min: rtp.jitter_min,
        start: rtp.jitter_start,
        max: rtp.jitter_max,
        // In a room the noise of many would add up, and its gate leaves it out.
        comfort_noise: false,
    };
    let mixer = MixerConfig {
        jitter,
        max_rate: SampleRate::new(media.max_rate).unwrap_or(SampleRate::FULL),
        loudest: media.loudest,
        gate: media.noise_gate,
    };
    MediaSettings {
        inactivity: rtp.inactivity_timeout,
        mixer,
        inband_dtmf: media.inband_dtmf,
        balance: media.balance,
    }
}

fn hook_config(config: &Config) -> HookConfig {
    let hook = &config.hook;
    HookConfig {
        timeout: hook.timeout,
        user_agent: hook.user_agent.clone(),
        max_reply_bytes: hook.max_reply_bytes,
        addresses: hook.address_policy(),
        ws: WsConfig {
            handshake_timeout: hook.ws_handshake_timeout,
            message_max_bytes: hook.ws_message_max_bytes,
            ack_timeout: hook.ws_ack_timeout,
            ca_file: hook.ws_ca_file.clone(),
        },
    }
}

fn check_verbs(text: &str) -> Result<(), String> {
    verb::parse_text(text).map(|_| ()).map_err(|error| error.to_string())
}

/// Waits for SIGINT or SIGTERM; SIGHUP has the certificates read again.
async fn wait_for_signal(tls: &Tls) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => tls.reload(),
        }
    }
}

/// Ends every call and waits until their records are handed over, or [`GOODBYE`] is over.
async fn hang_up(live: &Live) {
    let deadline = Instant::now() + GOODBYE;
    for call in live.active_calls() {
        call.do_send(Hangup);
    }
    while !live.active_calls().is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
