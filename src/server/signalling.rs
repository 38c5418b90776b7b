//! The SIP sockets, certificates and rules out of the configuration, and the stack started on them.

use std::os::fd::AsFd;
use std::sync::Arc;

use actix::prelude::*;
use anyhow::Context as _;
use sip::auth::Nonces;
use sip::registrar::Limits;
use sip::{Endpoint, Listener, Reliable, Timers, Transport, Uri};

use crate::call::desk::Desk;
use crate::config::{self, Config, Listen};
use crate::media_io::sys;
use crate::model::Sbc;
use crate::model::sbc::{self, PortUse};
use crate::rate::Buckets;
use crate::sip_io::ban::BanRules;
use crate::sip_io::connection::ConnectionRules;
use crate::sip_io::defence::Defence;
use crate::sip_io::gate::Gate;
use crate::sip_io::listeners::{Bound, Open, UDP_BUFFER_BYTES};
use crate::sip_io::peers::Peers;
use crate::sip_io::stack::{StackActor, StackParts};
use crate::sip_io::tls::{Tls, TlsFiles};
use crate::sip_io::trunks::keeper::{KeeperParts, TrunkKeeper};
use crate::store::{Registered, Store};

/// The bound SIP sockets, before anybody listens.
pub(super) struct Shell {
    sockets: Vec<Open>,
    first: Listener,
    tls: Tls,
}

impl Shell {
    /// Binds every listener and reads the certificates.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let tls = Tls::open(tls_files(&config.sip)).context("cannot set up TLS for SIP")?;
        let mut sockets: Vec<Open> = Vec::new();
        for mut listen in config.sip.all_listeners() {
            // UDP and TCP of `sip.listen` have one port, also when the system chose it.
            if let [first] = &sockets[..] {
                listen.address.set_port(first.listener.local.port());
            }
            sockets.push(bind(config, &listen)?);
        }
        let first = sockets.first().map(|open| open.listener).context("nothing to listen on")?;
        Ok(Self { sockets, first, tls })
    }

    /// `sip.listen`.
    pub(super) fn first(&self) -> Listener {
        self.first
    }

    pub(super) fn listeners(&self) -> Vec<Listener> {
        self.sockets.iter().map(|open| open.listener).collect()
    }

    /// The same as the portal shows them. WebSocket without TLS is for a proxy in front, not for peers.
    pub(super) fn own_sbcs(&self) -> Vec<Sbc> {
        let listeners = self.sockets.iter().map(|open| open.listener);
        sbc::own(listeners.filter_map(|listener| {
            let kind = match listener.transport {
                Transport::Udp | Transport::Tcp => PortUse::Plain,
                Transport::Tls => PortUse::Tls,
                Transport::Wss => PortUse::Wss,
                _ => return None,
            };
            Some((kind, listener.public))
        }))
    }

    /// The certificates, to be read again on demand.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Starts the stack on its arbiter.
    pub(super) fn serve(
        self,
        arbiter: &Arbiter,
        config: &Arc<Config>,
        store: &Store,
        desk: &Desk,
        peers: Peers,
        registered: Vec<Registered>,
    ) -> Addr<StackActor> {
        let (config, store, desk) = (config.clone(), store.clone(), desk.clone());
        StackActor::start_in_arbiter(&arbiter.handle(), move |_| {
            let sip = &config.sip;
            let listeners = self.listeners();
            let mut settings = sip::Config::new(listeners);
            settings.user_agent = sip.user_agent.clone();
            settings.session_expires = Some(sip.session_expires).filter(|span| !span.is_zero());
            settings.min_se = sip.min_se;
            settings.reliable = match sip.reliable {
                config::Reliable::Supported => Reliable::WhenSupported,
                config::Reliable::Required => Reliable::WhenRequired,
            };
            settings.udp_max_request = Some(sip.udp_max_request).filter(|most| *most > 0);
            settings.timers = Timers { t1: sip.t1, ..Timers::default() };
            let limits = Limits {
                min_expires: sip.min_expires,
                max_expires: sip.max_expires,
                default_expires: sip.default_expires,
                ..Limits::default()
            };
            StackActor::new(StackParts {
                endpoint: Endpoint::new(settings, rand::random()),
                sockets: self.sockets,
                connections: connection_rules(sip),
                peers,
                tls: self.tls,
                defence: defence(sip),
                gate: Gate::new(store.clone(), desk.trunks.clone(), sip.home_realm.clone()),
                store,
                registered,
                nonces: Nonces::new(rand::random()).with_lifetime(sip.nonce_lifetime),
                registrar: limits,
                registrations: desk.registrations.clone(),
                max_calls: sip.max_calls,
                desk,
            })
        })
    }
}

/// Starts the keeper of trunks beside the stack.
pub(super) fn keep_trunks(
    arbiter: &Arbiter,
    config: &Config,
    desk: &Desk,
    stack: &Addr<StackActor>,
) -> Addr<TrunkKeeper> {
    let parts = KeeperParts {
        trunks: desk.trunks.clone(),
        stack: stack.clone(),
        resolver: desk.resolver.clone(),
        ping_interval: config.sip.ping_interval,
        own: Uri::of_addr(None, desk.sip_address),
    };
    TrunkKeeper::start_in_arbiter(&arbiter.handle(), move |_| TrunkKeeper::new(parts))
}

fn bind(config: &Config, listen: &Listen) -> anyhow::Result<Open> {
    let name = listen.transport.name();
    let transport = Transport::from_name(name).context("a transport of SIP")?;
    let asked = listen.address;
    let socket = Bound::open(transport, asked)
        .with_context(|| format!("cannot bind SIP to {asked} over {}", name.to_uppercase()))?;
    if let Bound::Datagrams(socket) = &socket {
        sys::enlarge_receive_buffer(socket.as_fd(), UDP_BUFFER_BYTES);
    }
    let local = socket.local_addr()?;
    let public = config.public_address(listen, local);
    Ok(Open { listener: Listener { transport, local, public }, socket })
}

fn tls_files(sip: &config::Sip) -> TlsFiles {
    TlsFiles {
        cert: sip.tls_cert.clone(),
        key: sip.tls_key.clone(),
        ca: sip.tls_ca.clone(),
        verify_peer: sip.tls_verify_peer,
        client_ca: sip.tls_client_ca.clone(),
        require_client_cert: sip.tls_require_client_cert,
    }
}

fn connection_rules(sip: &config::Sip) -> ConnectionRules {
    ConnectionRules {
        most: sip.max_connections,
        idle: sip.connection_idle,
        keep_alive: sip.keep_alive,
        message_max_bytes: sip.message_max_bytes,
        ws_origins: sip.ws_origins.clone(),
    }
}

fn defence(sip: &config::Sip) -> Defence {
    let rules = BanRules {
        failures: sip.ban_failures,
        window: sip.ban_window,
        time: sip.ban_time,
        agents: sip.ban_user_agents.clone(),
    };
    Defence::new(Buckets::new(sip.rate_per_second, sip.rate_burst), rules, sip.trusted.clone())
}
