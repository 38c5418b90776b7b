//! Where the calls go: a server started here, one provisioned here, or one that is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use support::digest::Credentials;
use support::{Rest, Server, Tenant};

use crate::args::Args;

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) sip: SocketAddr,
    pub(crate) domain: String,
    pub(crate) user: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) pid: Option<u32>,
    /// Ends with the run.
    _server: Option<Server>,
}

impl Target {
    /// # Errors
    /// When the server cannot be started or provisioned.
    pub(crate) fn of(args: &Args) -> Result<Self> {
        if let Some(binary) = &args.spawn {
            let binary = if binary.as_os_str().is_empty() { beside_us()? } else { binary.clone() };
            let ports =
                u16::try_from(args.calls * 2 + 200).context("too many calls to spawn for")?;
            let server = Server::start(absolute(&binary)?, &[("TRUNKLINE_LOG", "warn")], ports)?;
            let mut target = Self::provisioned(server.sip(), &server.admin())?;
            target.pid = Some(server.pid());
            target._server = Some(server);
            return Ok(target);
        }
        if let Some(rest) = &args.rest {
            let key = args.admin_key.as_deref().unwrap_or_default();
            let target = Self::provisioned(args.server, &Rest::new(rest, key))?;
            return Ok(Self { pid: args.pid, ..target });
        }
        let credentials = args.user.as_ref().zip(args.password.as_ref());
        Ok(Self {
            sip: args.server,
            domain: args.realm.clone().unwrap_or_else(|| args.server.to_string()),
            user: args.user.clone().unwrap_or_else(|| "load".to_owned()),
            credentials: credentials.map(|(user, password)| Credentials {
                user: user.clone(),
                password: password.clone(),
            }),
            pid: args.pid,
            _server: None,
        })
    }

    /// A tenant of its own, so that a run leaves others alone; its name carries our process id.
    fn provisioned(sip: SocketAddr, admin: &Rest) -> Result<Self> {
        let name = format!("load-{}", std::process::id());
        let tenant = Tenant::provision(admin, &name).context("provision a tenant")?;
        let credentials = Credentials { user: "caller".into(), password: format!("secret-{name}") };
        tenant.client(&credentials.user, &credentials.password).context("make a SIP client")?;
        Ok(Self {
            sip,
            domain: tenant.realm,
            user: credentials.user.clone(),
            credentials: Some(credentials),
            pid: None,
            _server: None,
        })
    }
}

fn beside_us() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("trunkline"))
}

fn absolute(binary: &Path) -> Result<PathBuf> {
    binary.canonicalize().with_context(|| format!("no server binary at {}", binary.display()))
}
