//! The composition root: builds everything in order, and takes it down in reverse. Nobody else builds.

mod follow;
mod policy;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use anyhow::Context as _;
use media::jitter::JitterConfig;
use media::mixer::MixerConfig;
use media::source::tone;
use media::time::SampleRate;
use sip::auth::Nonces;
use sip::registrar::Limits;
use sip::{Endpoint, Listener, Timers, Transport};
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{self, AppState, Doors};
use crate::call::actor::Hangup;
use crate::call::desk::{Desk, DeskParts};
use crate::config::Config;
use crate::directory::{DirectoryActor, Live};
use crate::hook::{HookClient, HookConfig};
use crate::media_io::hub::MediaPlane;
use crate::media_io::port_pool::PortPool;
use crate::media_io::settings::MediaSettings;
use crate::media_io::sys;
use crate::sip_io::dns::Resolver;
use crate::sip_io::gate::Gate;
use crate::sip_io::limiter::Limiter;
use crate::sip_io::message::Drain;
use crate::sip_io::peers::Peers;
use crate::sip_io::registrations::Registrations;
use crate::sip_io::stack::{StackActor, StackParts};
use crate::sip_io::tcp::Connections;
use crate::sip_io::trunks::Trunks;
use crate::store::Store;
use crate::verb;
use crate::welcome::Welcome;

/// How long calls may take to end at shutdown.
const GOODBYE: Duration = Duration::from_secs(3);
/// TCP connections for SIP at once.
const MAX_CONNECTIONS: usize = 4096;

/// Runs the server until it is told to stop (SIGINT or SIGTERM).
///
/// # Errors
/// Whatever keeps it from starting: an address in use, a store that cannot be opened.
pub async fn run(mut config: Config, demo: bool) -> anyhow::Result<()> {
    if let Some(limit) = sys::raise_file_limit() {
        tracing::debug!(limit, "open files");
    }
    let store = Store::open(&config.store).await.context("cannot open the store")?;
    let _lock = lock(&config)?;
    let welcome = Welcome::prepare(&store, &mut config, demo).await?;
    let config = Arc::new(config);
    let state = AppState::new(store.clone(), config.clone(), check_verbs);

    let http = TcpListener::bind(config.http.listen)
        .with_context(|| format!("cannot bind the REST API to {}", config.http.listen))?;
    let http_address = http.local_addr()?;
    let sockets = SipSockets::bind(&config)?;
    let media_ip = config.media_ip();
    let sip_address = SocketAddr::new(media_ip, sockets.local.port());

    let peers = Peers::default();
    let listeners = sockets.listeners(sip_address);
    let resolver = Resolver::new(&config.sip.dns_servers, listeners.clone(), peers.clone())?;

    let plane = MediaPlane::start(config.media_arbiters(), config.media.realtime_priority);
    let plane = Arc::new(plane.context("cannot start the media clock")?);
    let (control, signalling) = (Arbiter::new(), Arbiter::new());
    let hooks = HookClient::new(&hook_config(&config)).context("cannot build the HTTP client")?;
    let live = Arc::new(Live::default());
    let registrations = Arc::new(Registrations::default());
    let trunks = Arc::new(Trunks::new(store.clone()));
    let media_settings = media_settings(&config);
    let directory = {
        let (live, plane, config) = (live.clone(), plane.clone(), config.clone());
        let (hooks, store) = (hooks.clone(), store.clone());
        DirectoryActor::start_in_arbiter(&control.handle(), move |_| {
            let tone = Arc::new(tone::entry_beep(SampleRate::NARROW));
            let keep = config.call.ended_retention;
            DirectoryActor::new(live, plane, media_settings, keep, tone, hooks, store)
        })
    };
    let desk = Desk::new(DeskParts {
        ports: PortPool::new(bind_ip(media_ip), config.rtp.ports.first, config.rtp.ports.last),
        config: config.clone(),
        media_settings,
        sdp_policy: Arc::new(policy::sdp_policy(&config)),
        store: store.clone(),
        hooks,
        prompts: Arc::default(),
        plane: plane.clone(),
        live: live.clone(),
        directory,
        registrations: registrations.clone(),
        resolver,
        trunks: trunks.clone(),
        control: control.handle(),
        media_ip,
        sip_address,
        sip_local: sockets.local,
        cname: format!("trunkline@{media_ip}"),
        api_base_url: Some(format!("http://{http_address}/v1")),
    });
    let stack = sockets.serve(&signalling, &config, &store, &desk, listeners, peers);
    let on_change = follow::listener(stack.clone(), live.clone(), control.handle());
    let doors = Doors { live: live.clone(), registrations, desk, stack: stack.clone() };
    let rest = api::serve(http, state.with_doors(doors).with_on_change(on_change))?;
    let handle = rest.handle();
    let rest = actix::spawn(rest);
    tracing::info!(rest = %http_address, sip = %sip_address, media = %media_ip, "ready");
    welcome.print(http_address, sip_address);

    wait_for_signal().await?;
    tracing::info!("stopping: hanging up calls");
    handle.stop(true).await;
    // Its result says how it stopped, which was asked for.
    let _ = rest.await;
    // Gone only if it failed; then nobody can call anyway.
    let _ = stack.send(Drain).await;
    hang_up(&live).await;
    store.close().await;
    signalling.stop();
    control.stop();
    plane.stop();
    Ok(())
}

/// Keeps a second server off the same data folder, for as long as the file is held.
fn lock(config: &Config) -> anyhow::Result<File> {
    let folder = &config.store.data_dir;
    let file = File::create(folder.join("lock"))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    file.try_lock().with_context(|| {
        format!(
            "another server uses {}; set TRUNKLINE_DATA_DIR to another folder",
            folder.display()
        )
    })?;
    Ok(file)
}

/// The bound SIP sockets, before anybody listens.
struct SipSockets {
    udp: UdpSocket,
    tcp: TcpListener,
    local: SocketAddr,
}

impl SipSockets {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let listen = config.sip.listen;
        let udp = UdpSocket::bind(listen)
            .with_context(|| format!("cannot bind SIP to {listen} over UDP"))?;
        let local = udp.local_addr()?;
        let tcp = TcpListener::bind(local)
            .with_context(|| format!("cannot bind SIP to {local} over TCP"))?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp, local })
    }

    fn listeners(&self, public: SocketAddr) -> Vec<Listener> {
        let listener = |transport| Listener { transport, local: self.local, public };
        vec![listener(Transport::Udp), listener(Transport::Tcp)]
    }

    /// Starts the stack on its arbiter.
    fn serve(
        self,
        arbiter: &Arbiter,
        config: &Arc<Config>,
        store: &Store,
        desk: &Desk,
        listeners: Vec<Listener>,
        peers: Peers,
    ) -> Addr<StackActor> {
        let Self { udp, tcp, local } = self;
        let (config, store, desk) = (config.clone(), store.clone(), desk.clone());
        StackActor::start_in_arbiter(&arbiter.handle(), move |ctx| {
            let recipient = ctx.address().recipient();
            let connections = Connections::new(MAX_CONNECTIONS, local, peers.clone(), recipient);
            let sip = &config.sip;
            let mut settings = sip::Config::new(listeners);
            settings.user_agent = sip.user_agent.clone();
            // MESSAGE has no taker yet.
            settings.allow_in_dialog = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO";
            settings.timers = Timers { t1: sip.t1, ..Timers::default() };
            let limits = Limits {
                min_expires: sip.min_expires,
                max_expires: sip.max_expires,
                default_expires: sip.default_expires,
                ..Limits::default()
            };
            StackActor::new(StackParts {
                endpoint: Endpoint::new(settings, rand::random()),
                udp,
                tcp,
                local,
                connections,
                peers,
                limiter: Limiter::new(sip.rate_per_second, sip.rate_burst),
                gate: Gate::new(store, desk.trunks.clone(), sip.home_realm.clone()),
                nonces: Nonces::new(rand::random()).with_lifetime(sip.nonce_lifetime),
                registrar: limits,
                registrations: desk.registrations.clone(),
                max_calls: sip.max_calls,
                desk,
            })
        })
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
        allow_private_networks: hook.allow_private_networks,
    }
}

fn check_verbs(text: &str) -> Result<(), String> {
    verb::parse_text(text).map(|_| ()).map_err(|error| error.to_string())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
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
