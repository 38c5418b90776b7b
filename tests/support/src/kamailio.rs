//! A foreign SIP proxy: the `kamailio` program (Debian `kamailio`, 5.6) with a configuration of the
//! test's, in which `@NAME@` stands for what the test fills in. `@PORT@` is its own port (UDP and TCP).
//!
//! What it does is seen in its log: the configurations write a line `relay METHOD` for each request
//! they pass on.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::ports::free_block;
use crate::sip_peer::SipPeer;
use crate::temp_dir::TempDir;
use crate::wait;

/// Longest wait for it to answer OPTIONS, and for its end.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running proxy. Dropping it ends it and its children.
#[derive(Debug)]
pub struct Kamailio {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
}

impl Kamailio {
    /// Starts it with `config`, `values` filled in, and waits until it answers OPTIONS.
    ///
    /// # Errors
    /// When the program is missing, refuses its configuration or does not come up.
    pub fn start(config: &Path, values: &[(&str, &str)]) -> Result<Self> {
        let dir = TempDir::new("kamailio")?;
        let port = free_block(1);
        let mut text =
            fs::read_to_string(config).with_context(|| format!("{}", config.display()))?;
        for (name, value) in values.iter().copied().chain([("PORT", port.to_string().as_str())]) {
            text = text.replace(&format!("@{name}@"), value);
        }
        fs::write(dir.path().join("kamailio.cfg"), text)?;
        let log = fs::File::create(dir.path().join("log"))?;
        let child = Command::new("kamailio")
            .current_dir(dir.path())
            // In the foreground, its log on stderr; 64 MB for all, 8 MB for each process.
            .args(["-f", "kamailio.cfg", "-DD", "-E", "-m", "64", "-M", "8"])
            .args(["-w", ".", "-Y", ".", "-n", "1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start kamailio (Debian package kamailio)")?;
        let mut proxy = Self { child, dir, address: (Ipv4Addr::LOCALHOST, port).into() };
        let up = wait::until(PATIENCE, || {
            let ended = matches!(proxy.child.try_wait(), Ok(Some(_)));
            (ended || proxy.answers()).then_some(!ended)
        });
        match up {
            Some(true) => Ok(proxy),
            Some(false) => bail!("kamailio has ended\n{}", proxy.log()),
            None => bail!("kamailio does not answer\n{}", proxy.log()),
        }
    }

    /// Where it listens, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it has passed on a request of that method.
    #[must_use]
    pub fn relayed(&self, method: &str) -> usize {
        let wanted = format!("relay {method}");
        self.log().lines().filter(|line| line.trim_end().ends_with(&wanted)).count()
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn answers(&self) -> bool {
        let mut peer = SipPeer::udp(self.address);
        let options = peer.request("OPTIONS", &format!("sip:{}", self.address));
        peer.send(&options);
        let wanted = options.call_id().to_owned();
        peer.find(Duration::from_millis(100), |message| {
            message.code() == Some(200) && message.call_id() == wanted
        })
        .is_some()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its children end with it when it is asked, not when it is killed.
        let asked = crate::stamp::signal(self.child.id(), libc::SIGTERM);
        if asked.is_ok() && wait::until(PATIENCE, || self.child.try_wait().ok().flatten()).is_some()
        {
            return;
        }
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
