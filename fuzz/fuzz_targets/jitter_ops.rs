//! Operations on the receive side of one seat: packets of any codec, number, timestamp and content,
//! frames taken early and late, rates changed in between.
//!
//! The input is a list of operations, each one byte and what belongs to it. Bits 0-1 say what:
//! a packet in sequence, a packet of any number and timestamp, frames, a change of rate or time. The
//! first byte of all chooses the configuration.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use media::jitter::JitterConfig;
use media::playout::Playout;
use media::rtp::{AudioLevel, AudioPacket, Content, SeqNo, Ssrc};
use media::{CodecKind, RtpTime, SampleRate};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
const TICK: Duration = Duration::from_millis(20);
const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

fn config(byte: u8) -> JitterConfig {
    let max = Duration::from_millis(u64::from(byte >> 2) * 10);
    let start = Duration::from_millis(40).min(max);
    JitterConfig { min: start / 2, start, max, comfort_noise: byte & 1 != 0 }
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, mut rest)) = input.split_first() else { return };
    let config = config(first);
    let mut rate = RATES[usize::from(first & 3) % 3];
    let mut playout = Playout::new(rate, config);
    let mut now = *NOW + Duration::from_secs(1);
    let (mut seq, mut timestamp, mut codec) = (65_530u16, u32::MAX - 3_000, CodecKind::Pcmu);
    let mut frame = [0; 960];
    while let [op, after @ ..] = rest {
        rest = after;
        match op & 3 {
            0 | 1 => {
                let [head, len, after @ ..] = rest else { return };
                rest = after;
                if op & 3 == 1 {
                    let [a, b, c, d, after @ ..] = rest else { return };
                    rest = after;
                    seq = seq.wrapping_add(u16::from(*a)).wrapping_sub(128);
                    let step = i32::from(i16::from_be_bytes([*b, *c])) << (d & 15);
                    timestamp = timestamp.wrapping_add_signed(step);
                    codec = CodecKind::ALL[usize::from(d >> 4) % 6];
                }
                // Long payloads repeat their bytes, so that small inputs reach them.
                let bytes = &rest[..usize::from(len & 31).min(rest.len())];
                rest = &rest[bytes.len()..];
                let times = 1 + usize::from(len >> 5) * 20;
                let payload: Vec<u8> =
                    bytes.iter().copied().cycle().take(bytes.len() * times).collect();
                let is_noise = head & 0x80 != 0;
                let packet = AudioPacket {
                    ssrc: Ssrc(u32::from(op >> 7)),
                    seq: SeqNo(seq),
                    timestamp: RtpTime(timestamp),
                    marker: op & 4 != 0,
                    codec,
                    content: if is_noise { Content::ComfortNoise } else { Content::Speech },
                    level: (op & 8 != 0)
                        .then_some(AudioLevel { below_dbov: head & 0x7f, voice: false }),
                    payload: &payload,
                };
                let late = Duration::from_millis(u64::from(op >> 4 & 7) * 15);
                playout.push(now - late, &packet);
                seq = seq.wrapping_add(1);
                timestamp = timestamp.wrapping_add(packet.units());
            }
            2 => {
                for _ in 0..=op >> 5 {
                    now += TICK;
                    let samples = rate.hz() as usize / 50;
                    playout.fill(now, &mut frame[..samples]);
                    // Before they play, timestamps may be two jumps of 2 s apart.
                    assert!(playout.delay() <= config.max + Duration::from_millis(4_300));
                }
            }
            _ if op & 4 != 0 => {
                rate = RATES[usize::from(op >> 3) % 3];
                playout.set_rate(rate);
            }
            _ => now += Duration::from_millis(u64::from(op >> 3) * 37),
        }
    }
    let stats = playout.stats();
    assert!((0.0..=1.0).contains(&stats.loss) && stats.burst_ratio >= 1.0);
    assert!(stats.drift_ppm.is_finite());
});
