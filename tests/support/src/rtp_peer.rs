//! An RTP peer of its own thread: sends one PCMU frame every 20 ms, keeps all that it hears.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::g711::{ULAW_SILENCE, ulaw_decode, ulaw_encode};
use crate::heard::{Frame, Heard};
use crate::rtp::{self, Writer};
use crate::stamp::StampedUdp;
use crate::tone::Tone;
use crate::wait;

const PTIME: Duration = Duration::from_millis(20);
const FRAME: usize = 160;

/// What the peer sends.
#[derive(Debug, Clone)]
pub enum Voice {
    /// No packets at all.
    Nothing,
    Silence,
    Tone(Tone),
}

impl Voice {
    #[must_use]
    pub fn tone(hz: f64, level_db: f64) -> Self {
        Self::Tone(Tone::new(hz, level_db))
    }
}

/// A running peer. Dropping it closes its sockets: it vanishes as a phone without power does.
#[derive(Debug)]
pub struct RtpPeer {
    local: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    remote: Option<SocketAddr>,
    voice: Voice,
    heard: Heard,
    sent: u64,
    stop: bool,
}

impl RtpPeer {
    /// A peer that sends `voice` once it knows where to ([`RtpPeer::connect`]).
    ///
    /// # Panics
    /// When no pair of loopback ports is free.
    #[must_use]
    pub fn start(voice: Voice) -> Self {
        let (socket, rtcp) = StampedUdp::rtp_pair().expect("a pair of loopback ports");
        let local = socket.local_addr().expect("a bound socket has an address");
        let shared = Shared { remote: None, voice, heard: Heard::default(), sent: 0, stop: false };
        let shared = Arc::new(Mutex::new(shared));
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&socket, &rtcp, &shared)
        });
        Self { local, shared, thread: Some(thread) }
    }

    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends to `remote` from the next frame on.
    pub fn connect(&self, remote: SocketAddr) {
        lock(&self.shared).remote = Some(remote);
    }

    /// Where it sends to.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        lock(&self.shared).remote
    }

    /// Says something else from the next frame on.
    pub fn say(&self, voice: Voice) {
        lock(&self.shared).voice = voice;
    }

    /// All it heard so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        lock(&self.shared).heard.clone()
    }

    #[must_use]
    pub fn sent(&self) -> u64 {
        lock(&self.shared).sent
    }

    /// Listens until `length` of sound has arrived after this call, and gives it.
    ///
    /// # Panics
    /// When that takes more than five seconds longer than it should.
    #[must_use]
    pub fn listen(&self, length: Duration) -> Heard {
        let start = SystemTime::now();
        let heard = wait::until(length + Duration::from_secs(5), || {
            let latest = lock(&self.shared).heard.frames.last().map(|frame| frame.at)?;
            (latest >= start + length).then(|| self.heard().since(start))
        });
        heard.unwrap_or_else(|| {
            panic!("{length:?} of sound awaited, heard {:?}", self.heard().since(start).length())
        })
    }
}

impl Drop for RtpPeer {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already; a second one here would hide it.
            let _ = thread.join();
        }
    }
}

fn run(socket: &StampedUdp, _rtcp: &UdpSocket, shared: &Mutex<Shared>) {
    let mut writer = Writer::new(std::ptr::from_ref(shared) as usize as u32 | 1);
    let mut next = Instant::now();
    let (mut packet, mut buffer) = (Vec::new(), [0; 2_048]);
    loop {
        {
            let mut shared = lock(shared);
            if shared.stop {
                return;
            }
            if let (Some(remote), Some(payload)) = (shared.remote, shared.voice.frame()) {
                writer.write(0, &payload, &mut packet);
                // The other side's port may be closed already; a test looks at what was heard.
                let _ = socket.send_to(&packet, remote);
                shared.sent += 1;
            }
            if let Err(error) = drain(socket, &mut buffer, &mut shared.heard) {
                panic!("the RTP peer's socket broke: {error}");
            }
        }
        next += PTIME;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn drain(socket: &StampedUdp, buffer: &mut [u8], heard: &mut Heard) -> io::Result<()> {
    while let Some(received) = socket.receive(buffer)? {
        let datagram = buffer.get(..received.len).unwrap_or_default();
        if let Some(packet) = rtp::parse(datagram).filter(|packet| packet.payload_type == 0) {
            heard.frames.push(Frame {
                at: received.at,
                seq: packet.seq,
                timestamp: packet.timestamp,
                ssrc: packet.ssrc,
                samples: packet.payload.iter().map(|&code| ulaw_decode(code)).collect(),
            });
        }
    }
    Ok(())
}

impl Voice {
    fn frame(&mut self) -> Option<[u8; FRAME]> {
        let mut payload = [ULAW_SILENCE; FRAME];
        match self {
            Self::Nothing => return None,
            Self::Silence => {}
            Self::Tone(tone) => payload.fill_with(|| ulaw_encode(tone.sample())),
        }
        Some(payload)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_peers_hear_each_other_s_tone_without_gaps() {
        let a = RtpPeer::start(Voice::tone(450.0, -16.0));
        let b = RtpPeer::start(Voice::tone(800.0, -16.0));
        a.connect(b.local_addr());
        b.connect(a.local_addr());
        let heard = a.listen(Duration::from_millis(600));
        assert!((heard.level_db(800.0) + 16.0).abs() < 0.5, "{}", heard.level_db(800.0));
        assert!(heard.level_db(450.0) < -60.0);
        b.say(Voice::Silence);
        let quiet = Duration::from_millis(100);
        assert!(
            wait::until(Duration::from_secs(5), || {
                (a.listen(quiet).last_with(800.0, -40.0).is_none()).then_some(())
            })
            .is_some()
        );
    }
}
