//! Bad weather for a run: SIP requests without end from one address, and what the server does meanwhile.
//!
//! Three threads beside the calls of the run: one floods from 127.0.0.2 with REGISTER, INVITE and
//! OPTIONS in turn, every one a transaction of its own from nobody the server knows; one places a
//! legitimate call after the other from 127.0.0.1 and times them; one watches the server's memory.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use support::SipPeer;

use crate::proc;
use crate::spread::{Spread, millis, round};
use crate::target::SipTarget;

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Requests are sent in bursts this far apart.
const TURN: Duration = Duration::from_millis(1);
/// Time between the ends and starts of two legitimate calls.
const PROBE_PAUSE: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_millis(100);
/// How long the server has to give its memory back.
pub(crate) const RECOVERY: Duration = Duration::from_secs(60);
/// Above what it was before, this counts as given back: what an allocator keeps for itself.
const BACK_KIB: u64 = 16 * 1_024;
/// The most it may grow meanwhile.
const GROWTH_KIB: u64 = 128 * 1_024;
/// A legitimate INVITE is to be answered by then (p99).
const ANSWER_MS: f64 = 200.0;
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
                     m=audio 9 RTP/AVP 0\r\na=sendrecv\r\n";

/// A flood that goes on until it is stopped.
pub(crate) struct Flood {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    prober: JoinHandle<Probes>,
    began: Instant,
    before_kib: u64,
    pid: u32,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    peak_kib: AtomicU64,
}

/// Legitimate calls meanwhile.
#[derive(Default)]
struct Probes {
    answered: Vec<f64>,
    failed: u64,
}

/// The flood, the calls through it, and the memory.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FloodReport {
    pub(crate) asked_per_second: u32,
    pub(crate) sent_per_second: f64,
    /// Responses that the flooder got.
    pub(crate) answered_per_second: f64,
    /// From INVITE to its 200, digest challenge included, in ms, of calls from another address.
    pub(crate) legitimate_ms: Spread,
    pub(crate) legitimate_calls: usize,
    pub(crate) legitimate_failed: u64,
    pub(crate) resident_mib_before: f64,
    pub(crate) resident_mib_peak: f64,
    /// Once it was back, else after a minute.
    pub(crate) resident_mib_after: f64,
    pub(crate) seconds_until_back: Option<f64>,
}

impl Flood {
    /// Begins with `rate` requests a second at the server `pid`.
    ///
    /// # Errors
    /// When the address cannot be had, or there is nobody to call as.
    pub(crate) fn start(target: &SipTarget, rate: u32, pid: u32) -> Result<Self> {
        let credentials = target.credentials.clone().context("--flood calls as a SIP client")?;
        let socket = UdpSocket::bind((SOURCE, 0)).context("an address to flood from")?;
        socket.connect(target.address)?;
        socket.set_nonblocking(true)?;
        let before_kib = proc::resident_kib(pid).context("the server's memory")?;
        let shared = Arc::new(Shared::default());
        let (flooding, watching, probing) =
            (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
        let (address, domain) = (target.address, target.domain.clone());
        let threads = vec![
            thread::spawn(move || flood(&socket, address, rate, &flooding)),
            thread::spawn(move || watch(pid, &watching)),
        ];
        let prober = thread::spawn(move || {
            probe(&probing, || {
                SipPeer::udp(address).as_client(&credentials.user, &credentials.password, &domain)
            })
        });
        Ok(Self { shared, threads, prober, began: Instant::now(), before_kib, pid })
    }

    /// Ends it; `go_on` keeps the calls going for a while, until the memory is back.
    ///
    /// # Errors
    /// When the run breaks, or the flood itself did.
    pub(crate) fn stop(
        self,
        rate: u32,
        mut go_on: impl FnMut(Duration) -> Result<()>,
    ) -> Result<FloodReport> {
        let length = self.began.elapsed().as_secs_f64();
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = Instant::now();
        let mut back = None;
        let mut after_kib = proc::resident_kib(self.pid).unwrap_or_default();
        while ended.elapsed() < RECOVERY {
            go_on(Duration::from_millis(500))?;
            after_kib = proc::resident_kib(self.pid).context("the server is gone")?;
            if after_kib <= self.before_kib + BACK_KIB {
                back = Some(round(ended.elapsed().as_secs_f64()));
                break;
            }
        }
        let mut whole = true;
        for thread in self.threads {
            whole &= thread.join().is_ok();
        }
        let probes = self.prober.join();
        ensure!(whole, "a thread of the flood ended before its time");
        let probes = probes.map_err(|_| anyhow::anyhow!("the legitimate caller ended"))?;
        let per_second = |count: &AtomicU64| round(count.load(Ordering::Relaxed) as f64 / length);
        let mib = |kib: u64| round(kib as f64 / 1_024.0);
        Ok(FloodReport {
            asked_per_second: rate,
            sent_per_second: per_second(&self.shared.sent),
            answered_per_second: per_second(&self.shared.answered),
            legitimate_calls: probes.answered.len(),
            legitimate_failed: probes.failed,
            legitimate_ms: Spread::of(probes.answered.into_iter()),
            resident_mib_before: mib(self.before_kib),
            resident_mib_peak: mib(self.shared.peak_kib.load(Ordering::Relaxed)),
            resident_mib_after: mib(after_kib),
            seconds_until_back: back,
        })
    }
}

impl FloodReport {
    /// What was not as it should be; empty when all was.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let grown = self.resident_mib_peak - self.resident_mib_before;
        if grown > GROWTH_KIB as f64 / 1_024.0 {
            faults.push(format!("memory grew by {grown:.0} MiB"));
        }
        if self.seconds_until_back.is_none() {
            faults.push(format!("memory was not back after {} s", RECOVERY.as_secs()));
        }
        if self.legitimate_failed > 0 || self.legitimate_calls == 0 {
            faults.push(format!("{} legitimate calls failed", self.legitimate_failed));
        }
        if self.legitimate_ms.p99 > ANSWER_MS {
            faults.push(format!("legitimate calls: p99 {:.0} ms", self.legitimate_ms.p99));
        }
        faults
    }
}

/// The flooder's thread: what is due is sent at once, so a pause is made up for.
fn flood(socket: &UdpSocket, server: SocketAddr, rate: u32, shared: &Shared) {
    let Ok(local) = socket.local_addr() else { return };
    let (began, mut count) = (Instant::now(), 0u64);
    let mut buffer = [0; 2_048];
    while !shared.stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while count < due {
            // A full buffer loses it, as the network would.
            let sent = socket.send(request(count, local, server).as_bytes()).is_ok();
            shared.sent.fetch_add(u64::from(sent), Ordering::Relaxed);
            count += 1;
        }
        while socket.recv(&mut buffer).is_ok() {
            shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(TURN);
    }
}

/// A well-formed request of nobody's, unlike any other.
fn request(number: u64, local: SocketAddr, server: SocketAddr) -> String {
    let (method, uri, content) = match number % 3 {
        0 => ("REGISTER", format!("sip:{server}"), ""),
        1 => ("INVITE", format!("sip:{}@{server}", 1_000 + number % 9_000), OFFER),
        _ => ("OPTIONS", format!("sip:{server}"), ""),
    };
    let kind = if content.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = content.len();
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-f{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:u{number}@{server}>;tag=f{number}\r\nTo: <{uri}>\r\n\
         Call-ID: flood-{number}@{local}\r\nCSeq: 1 {method}\r\nContact: <sip:u@{local}>\r\n\
         Expires: 3600\r\n{kind}Content-Length: {length}\r\n\r\n{content}"
    )
}

fn watch(pid: u32, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        if let Some(kib) = proc::resident_kib(pid) {
            shared.peak_kib.fetch_max(kib, Ordering::Relaxed);
        }
        thread::sleep(LOOK);
    }
}

/// One call after the other into a room of their own, hung up at once.
fn probe(shared: &Shared, caller: impl Fn() -> SipPeer) -> Probes {
    let mut probes = Probes::default();
    while !shared.stop.load(Ordering::Relaxed) {
        // A peer panics when nothing answers: that is a failed call.
        let call = std::panic::AssertUnwindSafe(|| place(caller()));
        match std::panic::catch_unwind(call) {
            Ok(Some(ms)) => probes.answered.push(ms),
            Ok(None) | Err(_) => probes.failed += 1,
        }
        thread::sleep(PROBE_PAUSE);
    }
    probes
}

/// Milliseconds from the INVITE to its 200; `None` when it was refused.
fn place(mut peer: SipPeer) -> Option<f64> {
    let offer = support::sdp::pcmu(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let uri = format!("sip:conference-legitimate@{}", peer.domain());
    let invite = peer.request("INVITE", &uri).with_body("application/sdp", offer);
    let began = Instant::now();
    let (invite, answer) = peer.transact_authorized(invite);
    let took = millis(began.elapsed());
    if answer.code() != Some(200) {
        return None;
    }
    let mut call = peer.acknowledge(&invite, answer);
    let bye = peer.hang_up(&mut call);
    (bye.code() == Some(200)).then_some(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use support::Message;

    #[test]
    fn requests_are_well_formed_and_unlike_each_other() {
        let local: SocketAddr = "127.0.0.2:4000".parse().unwrap();
        let server: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        let all: Vec<Message> = (0..6)
            .map(|number| {
                let text = request(number, local, server);
                let (_, body) = text.split_once("\r\n\r\n").unwrap();
                assert!(text.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
                Message::parse(text.as_bytes()).unwrap()
            })
            .collect();
        let methods: Vec<_> = all.iter().filter_map(Message::method).collect();
        assert_eq!(methods[..3], ["REGISTER", "INVITE", "OPTIONS"]);
        assert_ne!(all[0].branch(), all[3].branch());
        assert_ne!(all[0].call_id(), all[3].call_id());
    }
}
