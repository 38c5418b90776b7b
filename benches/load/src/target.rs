//! Where the calls go: a server started here, one provisioned here, one that is ready, Janus, or the
//! bare loop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use support::digest::Credentials;
use support::{Rest, Server, Tenant};

use crate::args::Args;
use crate::bare::BareLoop;
use crate::janus::Janus;
use crate::pin::{self, Pins};

pub(crate) struct Target {
    pub(crate) door: Door,
    /// The process whose cost is measured.
    pub(crate) pid: Option<u32>,
    /// Ends with the run.
    pub(crate) server: Option<Server>,
}

/// How callers get in.
pub(crate) enum Door {
    Sip(SipTarget),
    Janus(Janus),
    Bare(BareLoop),
}

#[derive(Debug)]
pub(crate) struct SipTarget {
    pub(crate) address: SocketAddr,
    pub(crate) domain: String,
    pub(crate) user: String,
    pub(crate) credentials: Option<Credentials>,
    /// Whose rooms they are, where it was made here.
    pub(crate) tenant: Option<Tenant>,
}

impl Target {
    /// # Errors
    /// When the server cannot be started, provisioned or pinned.
    pub(crate) fn of(args: &Args, pins: Option<Pins>) -> Result<Self> {
        if let Some(pins) = pins {
            // What is started from here on inherits the server's processor.
            pin::this_thread(pins.server)?;
        }
        let target = Self::reached(args)?;
        if let Some(pins) = pins {
            if let Some(pid) = target.pid {
                pin::process(pid, pins.server)?;
            }
            pin::this_thread(pins.own)?;
            // Refused to an ordinary user: then it may be late on a busy machine, and says so.
            pin::before_others();
        }
        Ok(target)
    }

    fn reached(args: &Args) -> Result<Self> {
        let with = |door, pid, server| Self { door, pid, server };
        if args.bare {
            let bare = BareLoop::start(args)?;
            let pid = bare.pid();
            return Ok(with(Door::Bare(bare), Some(pid), None));
        }
        if let Some(url) = &args.janus {
            return Ok(with(Door::Janus(Janus::open(url, args.janus_room)?), args.pid, None));
        }
        if let Some(binary) = &args.spawn {
            let binary = binary.clone().map_or_else(beside_us, Ok)?;
            let ports = u16::try_from((args.calls + args.listeners) * 2 + 200)
                .context("too many calls to spawn for")?;
            // Who listens only is silent for longer than is borne with otherwise.
            let env = [("TRUNKLINE_LOG", "warn"), ("TRUNKLINE__RTP__INACTIVITY_TIMEOUT", "1h")];
            let env = if args.listeners > 0 { &env[..] } else { &env[..1] };
            let server = Server::start(absolute(&binary)?, env, ports)?;
            let door = Door::Sip(SipTarget::provisioned(server.sip(), &server.admin())?);
            return Ok(with(door, Some(server.pid()), Some(server)));
        }
        if let Some(rest) = &args.rest {
            let key = args.admin_key.as_deref().unwrap_or_default();
            let sip = SipTarget::provisioned(args.server, &Rest::new(rest, key))?;
            return Ok(with(Door::Sip(sip), args.pid, None));
        }
        Ok(with(Door::Sip(SipTarget::ready(args)), args.pid, None))
    }
}

impl SipTarget {
    fn ready(args: &Args) -> Self {
        let credentials = args.user.as_ref().zip(args.password.as_ref());
        Self {
            address: args.server,
            domain: args.realm.clone().unwrap_or_else(|| args.server.to_string()),
            user: args.user.clone().unwrap_or_else(|| "load".to_owned()),
            credentials: credentials.map(|(user, password)| Credentials {
                user: user.clone(),
                password: password.clone(),
            }),
            tenant: None,
        }
    }

    /// A tenant of its own, so that a run leaves others alone; its name carries our process id.
    fn provisioned(address: SocketAddr, admin: &Rest) -> Result<Self> {
        let name = format!("load-{}", std::process::id());
        let tenant = Tenant::provision(admin, &name).context("provision a tenant")?;
        let credentials = Credentials { user: "caller".into(), password: format!("secret-{name}") };
        tenant.client(&credentials.user, &credentials.password).context("make a SIP client")?;
        Ok(Self {
            address,
            domain: tenant.realm.clone(),
            user: credentials.user.clone(),
            credentials: Some(credentials),
            tenant: Some(tenant),
        })
    }
}

fn beside_us() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("trunkline"))
}

fn absolute(binary: &Path) -> Result<PathBuf> {
    binary.canonicalize().with_context(|| format!("no server binary at {}", binary.display()))
}
