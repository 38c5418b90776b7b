//! The composition root: builds everything in order, and takes it down in reverse. Nobody else builds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use media::source::tone;
use sip::auth::Nonces;
use sip::registrar::Limits;
use tokio::net::{TcpListener, UdpSocket};

use crate::api::{self, AppState};
use crate::call::desk::{Desk, DeskParts};
use crate::config::Config;
use crate::directory::{DirectoryActor, Live};
use crate::hook::{HookClient, HookConfig};
use crate::media_io::hub::MediaPlane;
use crate::media_io::port_pool::PortPool;
use crate::media_io::sys;
use crate::sip_io::gate::Gate;
use crate::sip_io::limiter::Limiter;
use crate::sip_io::registrations::Registrations;
use crate::sip_io::stack::{StackActor, StackParts};
use crate::sip_io::tcp::Connections;
use crate::store::Store;

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
    let prometheus = crate::metrics::install()?;
    let store = Store::open(&config).await.context("cannot open the store")?;
    let welcome = crate::welcome::prepare(&store, &mut config, demo).await?;
    let config = Arc::new(config);

    let media_ip = config.media_ip();
    let plane = Arc::new(
        MediaPlane::start(config.media_arbiters(), config.media.realtime_priority)
            .context("cannot start the media clock")?,
    );
    let ports = PortPool::new(bind_ip(media_ip), config.rtp.ports.first, config.rtp.ports.last);
    let live = Arc::new(Live::default());
    let registrations = Arc::new(Registrations::default());
    let hooks = HookClient::new(HookConfig::from(&config.hook)).context("cannot build the HTTP client")?;

    let control = Arbiter::new();
    let directory = {
        let (live, plane, config) = (live.clone(), plane.clone(), config.clone());
        DirectoryActor::start_in_arbiter(&control.handle(), move |_| {
            let tone = Arc::new(tone::entry_beep(crate::call::prompt::RATE));
            DirectoryActor::new(
                live,
                plane,
                config.rtp.inactivity_timeout,
                config.call.ended_retention,
                tone,
            )
        })
    };

    let signalling = Arbiter::new();
    let udp = std::net::UdpSocket::bind(config.sip.listen)
        .with_context(|| format!("cannot bind SIP to {} (UDP)", config.sip.listen))?;
    udp.set_nonblocking(true)?;
    let sip_listen = udp.local_addr()?;
    let tcp = std::net::TcpListener::bind(sip_listen)
        .with_context(|| format!("cannot bind SIP to {sip_listen} (TCP)"))?;
    tcp.set_nonblocking(true)?;
    let public = SocketAddr::new(media_ip, sip_listen.port());

    let desk = Desk::new(DeskParts {
        config: config.clone(),
        store: store.clone(),
        hooks,
        plane: plane.clone(),
        ports,
        directory: directory.clone(),
        registrations: registrations.clone(),
        control: control.handle(),
        media_ip,
        sip_address: public,
    });
    let stack = start_stack(&signalling, &config, &store, desk.clone(), registrations.clone(), udp, tcp, public);
    let state = AppState::new(store.clone(), config.clone(), live.clone(), registrations, desk, stack.clone(), prometheus);
    let http = serve_http(&config, state)?;
    for address in http.1 {
        tracing::info!(%address, "REST API listens");
    }
    tracing::info!(address = %sip_listen, media = %media_ip, "SIP listens on UDP and TCP");
    welcome.print(&config, public);

    let served = http.0;
    let handle = served.handle();
    let serving = actix::spawn(served);
    wait_for_signal().await;

    tracing::info!("stopping: hanging up calls");
    handle.stop(true).await;
    let _ = serving.await;
    hang_up_all(&live, &directory).await;
    store.close().await;
    signalling.stop();
    control.stop();
    plane.stop();
    Ok(())
}
