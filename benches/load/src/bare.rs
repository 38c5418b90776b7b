//! The least a conference can cost: a loop that every 20 ms receives one packet from each socket and
//! sends one, and does nothing else. What a server spends is told as a multiple of it.
//!
//! It runs as a child of this program, so that its time is its own. One thread, plain non-blocking
//! `recv` and `send` on connected sockets: what was cheapest of all that was tried on the loopback
//! interface (epoll only adds to it when every socket has a packet every tick).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use support::rtp::HEADER_BYTES;

use crate::args::Args;

const TICK: Duration = Duration::from_millis(20);
/// Ticks between full reads of a socket; otherwise one packet a tick is read, as one is due.
const DRAIN_EVERY: u64 = 50;
/// What a run takes besides its window, at most.
const SPARE_SECONDS: u32 = 180;

/// The loop, as the generator sees it. Dropping it ends it.
pub(crate) struct BareLoop {
    child: Child,
    pub(crate) sockets: Vec<SocketAddr>,
}

impl BareLoop {
    /// Starts this program again as the loop; it says its ports.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(args: &Args) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--bare-loop")
            .args([args.calls, args.seconds + SPARE_SECONDS].map(|n| n.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the bare loop")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("its standard output")?;
        let mut bare = Self { child, sockets: Vec::new() };
        BufReader::new(stdout).read_line(&mut line)?;
        for port in line.split_whitespace() {
            let port: u16 = port.parse().context("a port of the bare loop")?;
            bare.sockets.push((Ipv4Addr::LOCALHOST, port).into());
        }
        anyhow::ensure!(bare.sockets.len() == args.calls as usize, "the bare loop did not come up");
        Ok(bare)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One socket of the loop, and the packet it sends: what came last, under numbers of its own.
struct Seat {
    socket: UdpSocket,
    has_peer: bool,
    packet: [u8; 1_500],
    len: usize,
    seq: u16,
    timestamp: u32,
}

/// Is the loop: prints the ports of its `sockets` on one line and runs for `seconds`.
///
/// # Errors
/// When sockets cannot be had.
pub(crate) fn run(sockets: u32, seconds: u32) -> Result<()> {
    let mut seats = (0..sockets).map(|_| Seat::new()).collect::<Result<Vec<_>>>()?;
    let ports: Result<Vec<String>> =
        seats.iter().map(|seat| Ok(seat.socket.local_addr()?.port().to_string())).collect();
    println!("{}", ports?.join(" "));
    std::io::stdout().flush()?;
    let start = Instant::now();
    for tick in 1.. {
        let due = start + TICK * tick;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for seat in &mut seats {
            seat.receive(u64::from(tick).is_multiple_of(DRAIN_EVERY));
            seat.send();
        }
        if start.elapsed() > Duration::from_secs(seconds.into()) {
            break;
        }
    }
    Ok(())
}

impl Seat {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, has_peer: false, packet: [0; 1_500], len: 0, seq: 0, timestamp: 0 })
    }

    /// A refused send of ours or an empty socket both read as an error: nothing has come.
    fn receive(&mut self, all: bool) {
        if !self.has_peer {
            let Ok((len, peer)) = self.socket.recv_from(&mut self.packet) else { return };
            self.has_peer = self.socket.connect(peer).is_ok();
            self.len = len;
            return;
        }
        while let Ok(len) = self.socket.recv(&mut self.packet) {
            self.len = len;
            if !all {
                break;
            }
        }
    }

    fn send(&mut self) {
        if self.len < HEADER_BYTES {
            return;
        }
        let units = if self.packet[1] & 0x7F >= 96 { 960 } else { 160 };
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(units);
        self.packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.packet[8..12].copy_from_slice(&[0; 4]);
        // Loss shows at the generator.
        let _ = self.socket.send(&self.packet[..self.len]);
    }
}
