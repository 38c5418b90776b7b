//! An RTP peer of its own thread: sends one packet every 20 ms (or another time), keeps all it hears.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::heard::{Frame, Heard};
use crate::rtp::{self, Writer};
use crate::rtp_format::RtpFormat;
use crate::stamp::StampedUdp;
use crate::tone::{Tone, peak_of};
use crate::wait;

/// Events of one key: so many with a growing duration, then the last again as its end (RFC 4733 §2.5).
const EVENT_PACKETS: u32 = 6;
const EVENT_ENDS: u32 = 3;

/// What the peer sends.
#[derive(Debug, Clone)]
pub enum Voice {
    /// No packets at all.
    Nothing,
    Silence,
    Tone(Tone),
    /// Both at once: what a key of a phone sounds like.
    Pair(Tone, Tone),
    Noise(Noise),
    /// One after the other, each for so many packets; the last for good.
    Sequence(VecDeque<(u32, Self)>),
}

/// White noise, always the same.
#[derive(Debug, Clone)]
pub struct Noise {
    peak: f64,
    state: u32,
}

impl Voice {
    /// For peers that speak at 8000 samples a second.
    #[must_use]
    pub fn tone(hz: f64, level_db: f64) -> Self {
        Self::Tone(Tone::new(hz, level_db))
    }

    #[must_use]
    pub fn noise(peak_db: f64) -> Self {
        Self::Noise(Noise { peak: peak_of(peak_db), state: 1 })
    }
}

/// A packet with something else than audio in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub at: SystemTime,
    pub payload_type: u8,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// A key that is being sent as events.
#[derive(Debug)]
struct Key {
    payload_type: u8,
    clock_hz: u32,
    code: u8,
    sent: u32,
}

/// A running peer. Dropping it closes its sockets: it vanishes as a phone without power does.
#[derive(Debug)]
pub struct RtpPeer {
    local: SocketAddr,
    format: RtpFormat,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    remote: Option<SocketAddr>,
    voice: Voice,
    heard: Heard,
    others: Vec<Other>,
    keys: VecDeque<Key>,
    /// What the level extension says (RFC 6464 §3: voice flag and -dBov).
    level: u8,
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
        Self::speaking(RtpFormat::PCMU, voice)
    }

    /// As [`RtpPeer::start`] in that format.
    ///
    /// # Panics
    /// When no pair of loopback ports is free.
    #[must_use]
    pub fn speaking(format: RtpFormat, voice: Voice) -> Self {
        let (socket, rtcp) = StampedUdp::rtp_pair().expect("a pair of loopback ports");
        let local = socket.local_addr().expect("a bound socket has an address");
        let shared = Shared {
            remote: None,
            voice,
            heard: Heard::default(),
            others: Vec::new(),
            keys: VecDeque::new(),
            level: 127,
            sent: 0,
            stop: false,
        };
        let shared = Arc::new(Mutex::new(shared));
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&socket, &rtcp, &format, &shared)
        });
        Self { local, format, shared, thread: Some(thread) }
    }

    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    #[must_use]
    pub fn format(&self) -> &RtpFormat {
        &self.format
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

    /// Says so, and that it is as loud as `level` (-dBov; 127 is silence) in the header extension.
    pub fn say_at(&self, voice: Voice, level: u8) {
        let mut shared = lock(&self.shared);
        (shared.voice, shared.level) = (voice, level);
    }

    /// Sends a key as events (RFC 4733) of that payload type and clock, in place of its voice.
    pub fn press(&self, payload_type: u8, clock_hz: u32, code: u8) {
        lock(&self.shared).keys.push_back(Key { payload_type, clock_hz, code, sent: 0 });
    }

    /// What it received beside audio of its format.
    #[must_use]
    pub fn others(&self) -> Vec<Other> {
        lock(&self.shared).others.clone()
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

fn run(socket: &StampedUdp, _rtcp: &UdpSocket, format: &RtpFormat, shared: &Mutex<Shared>) {
    let ptime = Duration::from_millis(format.ptime_ms.into());
    let mut writer = Writer::new(std::ptr::from_ref(shared) as usize as u32 | 1);
    let mut next = Instant::now();
    let (mut packet, mut buffer) = (Vec::new(), [0; 2_048]);
    let mut samples = vec![0; format.packet_samples()];
    loop {
        {
            let mut shared = lock(shared);
            if shared.stop {
                return;
            }
            if let Some(remote) = shared.remote
                && shared.write(format, &mut writer, &mut samples, &mut packet)
            {
                // The other side's port may be closed already; a test looks at what was heard.
                let _ = socket.send_to(&packet, remote);
                shared.sent += 1;
            }
            if let Err(error) = shared.drain(socket, format, &mut buffer) {
                panic!("the RTP peer's socket broke: {error}");
            }
        }
        next += ptime;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

impl Shared {
    /// What is to be sent now, into `packet`; `false` for nothing.
    fn write(
        &mut self,
        format: &RtpFormat,
        writer: &mut Writer,
        samples: &mut [i16],
        packet: &mut Vec<u8>,
    ) -> bool {
        if let Some(key) = self.keys.front_mut() {
            let step = key.clock_hz / 1_000 * format.ptime_ms;
            key.sent += 1;
            let end = if key.sent > EVENT_PACKETS { 0x80 } else { 0 };
            let [high, low] = ((key.sent.min(EVENT_PACKETS) * step) as u16).to_be_bytes();
            let is_last = key.sent == EVENT_PACKETS + EVENT_ENDS;
            let units = if is_last { key.sent * step } else { 0 };
            // -10 dBm0.
            let event = [key.code, end | 10, high, low];
            writer.write_with(key.payload_type, None, &event, units, packet);
            if is_last {
                self.keys.pop_front();
            }
            return true;
        }
        if !self.voice.fill(samples) {
            writer.timestamp = writer.timestamp.wrapping_add(samples.len() as u32);
            return false;
        }
        let extension = format.level_extension.map(|id| (id, self.level));
        let payload = format.coding.encode(samples);
        writer.write_with(format.payload_type, extension, &payload, samples.len() as u32, packet);
        true
    }

    fn drain(
        &mut self,
        socket: &StampedUdp,
        format: &RtpFormat,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        while let Some(received) = socket.receive(buffer)? {
            let datagram = buffer.get(..received.len).unwrap_or_default();
            let Some(packet) = rtp::parse(datagram) else { continue };
            if packet.payload_type == format.payload_type {
                self.heard.frames.push(Frame {
                    at: received.at,
                    seq: packet.seq,
                    timestamp: packet.timestamp,
                    ssrc: packet.ssrc,
                    samples: format.coding.decode(packet.payload),
                });
            } else {
                self.others.push(Other {
                    at: received.at,
                    payload_type: packet.payload_type,
                    timestamp: packet.timestamp,
                    payload: packet.payload.to_vec(),
                });
            }
        }
        Ok(())
    }
}

impl Voice {
    /// The next samples; `false` for nothing.
    fn fill(&mut self, samples: &mut [i16]) -> bool {
        match self {
            Self::Nothing => return false,
            Self::Silence => samples.fill(0),
            Self::Tone(tone) => tone.fill(samples),
            Self::Pair(a, b) => samples.fill_with(|| a.sample().saturating_add(b.sample())),
            Self::Noise(noise) => samples.fill_with(|| noise.sample()),
            Self::Sequence(voices) => {
                if voices.len() > 1 && voices.front().is_some_and(|(left, _)| *left == 0) {
                    voices.pop_front();
                }
                let Some((left, voice)) = voices.front_mut() else { return false };
                *left = left.saturating_sub(1);
                return voice.fill(samples);
            }
        }
        true
    }
}

impl Noise {
    fn sample(&mut self) -> i16 {
        // Numerical Recipes' generator; its upper half is random enough.
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((f64::from(self.state >> 16) / 32_768.0 - 1.0) * self.peak) as i16
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
