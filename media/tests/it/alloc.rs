//! Nothing allocates per packet or tick once a room is set up.
//!
//! The counter is per thread, so that tests running beside this one do not count.

#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use media::codec::{Decoder, Encoder, OpusParams, SendFormat, activity};
use media::dsp::{Agc, Resampler, TalkDetector, mean_square};
use media::dtmf::inband::InbandDetector;
use media::mixer::{Event, Play};
use media::rtp::{
    AudioLevel, AudioPacket, Content, MAX_DATAGRAM_BYTES, PayloadType, Sender, SeqNo, Ssrc,
};
use media::sdp::Negotiated;
use media::source::tone;
use media::srtp::{Keys, LocalKeys, MasterKey, Suite};
use media::{
    CodecKind, Mixer, MixerConfig, NtpTime, Ptime, Received, RtpTime, SampleRate, SeatConfig,
};

use crate::call::{address, leg, negotiated};
use crate::stream::{Stream, Talker};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system allocator unchanged; the counter is a plain thread
// local with a const initialiser and no destructor, so touching it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get().wrapping_add(layout.size())));
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.with(|bytes| bytes.set(bytes.get().wrapping_sub(layout.size())));
        // SAFETY: as above; the pointer came from `alloc` here.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get().wrapping_sub(layout.size()).wrapping_add(size)));
        // SAFETY: as above; the pointer came from `alloc` here.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn a_tick_of_a_busy_room_allocates_nothing() {
    const SEATS: u32 = 40;
    let mut now = media::sim::epoch();
    let mut mixer = Mixer::new(MixerConfig::default());
    let voice = tone::sine(SampleRate::NARROW, 440.0, -20.0, 160);
    let mut seats: Vec<_> = (0..SEATS)
        .map(|n| {
            let codec = [CodecKind::Pcmu, CodecKind::Pcma][n as usize % 2];
            let mut leg = leg(n, now);
            leg.negotiate(&negotiated(address(n), codec));
            let mut payload = [0; 160];
            codec.encode(if n < 10 { &voice } else { &[0; 160] }, &mut payload);
            let phone = Sender::new(Ssrc(n), SeqNo(0), RtpTime(0));
            let seat = mixer.add_seat(SeatConfig::new(codec)).unwrap();
            (seat, leg, codec, payload, phone)
        })
        .collect();
    let prompt = Arc::new(tone::entry_beep(SampleRate::NARROW));
    let mut buffer = [0; MAX_DATAGRAM_BYTES];
    let mut counted = 0;
    let (mut packets, mut digits, mut reports, mut plays) = (0, 0, 0, 0);
    for tick in 0..2_000u32 {
        if tick == 50 {
            seats[3].1.send_digits("123", Duration::from_millis(100), TICK).unwrap();
            mixer.play_to_room(Play::once(prompt.clone())).unwrap();
            mixer.play_to_seat(seats[20].0, Play::once(prompt.clone())).unwrap();
        }
        if tick == 100 {
            counted = allocations();
        }
        if tick % 100 == 0 {
            mixer.mute(seats[1].0, tick % 200 == 0);
        }
        if tick == 500 {
            seats[4].1.send_digits("5*", Duration::from_millis(100), TICK).unwrap();
            mixer.play_to_room(Play::once(prompt.clone())).unwrap();
        }
        now += TICK;
        for (n, (seat, leg, codec, payload, phone)) in seats.iter_mut().enumerate() {
            let n = n as u32;
            let lost = (tick + n).is_multiple_of(37); // concealment runs too
            let digit = n == 5 && tick % 50 < 10;
            let written = if digit {
                let event = [7, if tick % 50 > 6 { 0x8a } else { 10 }, 0, 160];
                let began = RtpTime((tick / 50) * 8_000 + 1);
                phone.write_event(now, PayloadType(101), false, began, &event, &mut buffer)
            } else {
                let payload_type = codec.static_payload_type().unwrap();
                phone.write_audio(now, payload_type, payload, &mut buffer)
            };
            let len = written.unwrap();
            phone.advance(160);
            if !lost {
                if let Received::Audio(packet) = leg.handle_rtp(now, address(n), &mut buffer[..len])
                {
                    mixer.push(*seat, now, &packet);
                    packets += 1;
                }
                // A late double, and garbage from a stranger.
                leg.handle_rtp(now, address(n), &mut buffer[..len]);
                leg.handle_rtp(now, address(n + 1), &mut buffer[..7]);
            }
            while leg.poll_digit(now).is_some() {
                digits += 1;
            }
        }
        mixer.tick(now);
        while let Some(event) = mixer.poll_event() {
            plays += u32::from(matches!(event, Event::PlayDone(_)));
        }
        for (n, (seat, leg, ..)) in seats.iter_mut().enumerate() {
            for packet in mixer.outgoing(*seat) {
                let sent = leg.write_rtp(now, packet.payload, packet.units, &mut buffer);
                assert!(sent.is_some());
            }
            if let Some(report) = leg.poll_rtcp(now, NtpTime(u64::from(tick) << 28), &mut buffer) {
                let from = std::net::SocketAddr::new(address(n as u32).ip(), report.to.port());
                leg.handle_rtcp(now, from, &mut buffer[..report.len]);
                reports += 1;
            }
        }
    }
    assert_eq!(allocations() - counted, 0);
    // The measured part really did all that.
    assert!(packets > 75_000 && digits >= 36 && reports > 200 && plays == 3, "{digits} {plays}");
}

/// Opus, G.722, G.711 and L16 in one room at 48 kHz; turns to talk go round, so that streams are shared
/// and parted all the time.
#[test]
fn a_room_of_every_codec_allocates_nothing_once_everybody_has_talked() {
    const SEATS: usize = 18;
    let mut now = media::sim::epoch();
    let mut mixer = Mixer::new(MixerConfig::default());
    let packets = |codec: CodecKind, level_dbfs: f32| -> Vec<Vec<u8>> {
        let rate = codec.sample_rate();
        let mut encoder = Encoder::new(&SendFormat::new(codec), rate).unwrap();
        let samples = rate.samples(Ptime::TICK);
        let pcm = tone::sine(rate, 440.0, level_dbfs, 50 * samples);
        let encode = |frame: &[i16]| {
            let mut payload = vec![0; 1_500];
            let len = encoder.encode(frame, &mut payload);
            payload.truncate(len);
            payload
        };
        pcm.chunks_exact(samples).map(encode).collect()
    };
    let voices = CodecKind::ALL.map(|codec| (packets(codec, -20.0), packets(codec, -200.0)));
    let seats: Vec<_> = (0..SEATS)
        .map(|n| {
            let codec = CodecKind::ALL[n % CodecKind::ALL.len()];
            let ptime = Ptime::ALL[n % Ptime::ALL.len()];
            let format = SendFormat { ptime, ..SendFormat::new(codec) };
            mixer.add_seat(SeatConfig::new(format)).unwrap()
        })
        .collect();
    assert_eq!(mixer.rate(), SampleRate::FULL);
    let (mut counted, mut sent, mut turns) = (0, 0, 0);
    for tick in 0..3_000u32 {
        // Everybody once, then in turn.
        let talker = tick as usize / 60 % SEATS;
        if tick == 60 * SEATS as u32 {
            counted = allocations();
        }
        for (n, &seat) in seats.iter().enumerate() {
            let codec = CodecKind::ALL[n % CodecKind::ALL.len()];
            let (voice, silence) = &voices[n % CodecKind::ALL.len()];
            let says = if n == talker || n == (talker + 1) % SEATS { voice } else { silence };
            if (tick + n as u32).is_multiple_of(41) {
                continue; // concealment runs too
            }
            let units = codec.clock_units(Ptime::TICK);
            let packet = AudioPacket {
                ssrc: Ssrc(n as u32),
                seq: SeqNo(tick as u16),
                timestamp: RtpTime(tick.wrapping_mul(units)),
                marker: tick == 0,
                codec,
                content: Content::Speech,
                level: None,
                payload: &says[tick as usize % 50],
            };
            mixer.push(seat, now, &packet);
        }
        mixer.tick(now);
        while let Some(event) = mixer.poll_event() {
            turns += u32::from(matches!(event, Event::TalkStarted(_)));
        }
        sent += seats.iter().map(|&seat| mixer.outgoing(seat).count()).sum::<usize>();
        now += TICK;
    }
    assert_eq!(allocations() - counted, 0);
    assert!(sent > 40_000 && turns >= 45, "{sent} {turns}");
}

const TICK: Duration = Duration::from_millis(20);

#[test]
fn an_encrypted_leg_allocates_nothing_per_packet() {
    for suite in Suite::ALL {
        let mut now = media::sim::epoch();
        let keys = [1, 2].map(|side| LocalKeys::from_random([side; LocalKeys::BYTES]).of(suite));
        let side = |n: u32, [local, remote]: [MasterKey; 2]| {
            let mut leg = leg(n, now);
            let srtp = Some(Keys { local, remote, remote_mki: None });
            let agreed = negotiated(address(1), CodecKind::Pcmu);
            leg.negotiate(&Negotiated { srtp, rtcp_mux: true, ..agreed });
            leg
        };
        let (mut from, mut to) = (side(1, keys), side(2, [keys[1], keys[0]]));
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        let (mut counted, mut packets, mut reports) = (allocations(), 0, 0);
        for tick in 0..2_000u64 {
            now += TICK;
            let sent = from.write_rtp(now, &[7; 160], 160, &mut buffer).unwrap();
            if tick % 50 == 7 {
                // Refused, and at no price either.
                let mut forged = buffer;
                forged[20] ^= 1;
                to.handle_rtp(now, address(1), &mut forged[..sent.len]);
            }
            let received = to.handle_rtp(now, address(1), &mut buffer[..sent.len]);
            packets += u64::from(matches!(received, Received::Audio(_)));
            if let Some(report) = from.poll_rtcp(now, NtpTime(tick << 28), &mut buffer) {
                let received = to.handle_rtp(now, address(1), &mut buffer[..report.len]);
                reports += u64::from(received == Received::Rtcp);
            }
            if tick == 0 {
                counted = allocations();
            }
        }
        assert_eq!(allocations() - counted, 0, "{suite:?}");
        assert!(packets == 2_000 && reports > 5, "{suite:?} {packets} {reports}");
        assert_eq!(to.stats().rejected.unauthentic, 40);
    }
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    let boxed = std::hint::black_box(Box::new(5));
    assert_eq!(allocations() - before, 1);
    drop(boxed);
}

#[test]
fn encoders_and_decoders_allocate_nothing_once_made() {
    let mix = SampleRate::FULL;
    for codec in CodecKind::ALL {
        for ptime in Ptime::ALL {
            let opus = OpusParams { fec: true, ..OpusParams::DEFAULT };
            let format = SendFormat { codec, ptime, opus };
            let mut encoder = Encoder::new(&format, mix).unwrap();
            let mut other = Encoder::new(&format, mix).unwrap();
            let mut decoder = Decoder::new(codec, mix).unwrap();
            let rate = codec.pcm_rate(mix);
            let pcm = tone::sine(rate, 440.0, -20.0, rate.samples(ptime));
            let mut out = vec![0; pcm.len()];
            let mut payload = vec![0; codec.max_payload_bytes(ptime)];
            let before = allocations();
            for _ in 0..20 {
                let bytes = encoder.encode(&pcm, &mut payload);
                other.copy_from(&encoder);
                activity(codec, &payload[..bytes]);
                decoder.decode_fec(&payload[..bytes], &mut out);
                decoder.conceal(&mut out);
                decoder.decode(&payload[..bytes], &mut out);
            }
            encoder.reset();
            decoder.reset();
            assert_eq!(allocations(), before, "{codec:?} {ptime:?}");
        }
    }
}

#[test]
fn what_is_done_to_a_frame_allocates_nothing() {
    let mut pcm = tone::sine(SampleRate::FULL, 440.0, -20.0, 960);
    let mut resampler = Resampler::new(SampleRate::FULL, SampleRate::NARROW).unwrap();
    let mut other = resampler.clone();
    let mut keys = InbandDetector::new(SampleRate::FULL).unwrap();
    let (mut detector, mut agc) = (TalkDetector::new(), Agc::new());
    let mut out = [0; 160];
    let before = allocations();
    for _ in 0..50 {
        let talking = detector.update(mean_square(&pcm)).audible;
        agc.apply(&mut pcm, talking);
        resampler.process(&pcm, &mut out);
        other.copy_from(&resampler);
        keys.feed(&pcm, |_| ());
    }
    other.reset();
    assert_eq!(allocations() - before, 0);
}

#[test]
fn the_receive_side_of_a_seat_is_small() {
    // Opus beside what libopus takes, which malloc gives and nobody here counts.
    for (codec, mix, kilobytes) in [
        (CodecKind::Pcmu, SampleRate::NARROW, 8),
        (CodecKind::Pcmu, SampleRate::FULL, 12),
        (CodecKind::G722, SampleRate::WIDE, 16),
        (CodecKind::Opus, SampleRate::FULL, 40),
    ] {
        let rate = codec.sample_rate();
        let says = tone::sine(rate, 300.0, -20.0, rate.hz() as usize);
        let jitter = Duration::from_millis(100);
        let link =
            media::sim::LinkConfig { jitter, loss: 0.02, ..media::sim::LinkConfig::perfect(3) };
        let mut stream = Stream::new(Talker::new(codec, says), link, mix);
        let mut taken = size_of::<media::playout::Playout>();
        for _ in 0..500 {
            stream.send();
            let before = BYTES.with(Cell::get);
            stream.receive();
            taken = taken.wrapping_add(BYTES.with(Cell::get).wrapping_sub(before));
        }
        println!("{codec:?} at {mix:?}: {taken} bytes");
        assert!(taken <= kilobytes * 1_024, "{codec:?} at {mix:?}: {taken}");
    }
}

/// Every codec, through loss, jitter and disorder, at a rate that is not its own, with levels that
/// come and go: after ten seconds nothing allocates any more.
#[test]
fn the_receive_side_allocates_nothing_per_packet_or_frame() {
    for codec in CodecKind::ALL {
        let rate = codec.sample_rate();
        let mix = if rate == SampleRate::WIDE { SampleRate::FULL } else { SampleRate::WIDE };
        let link = media::sim::LinkConfig {
            loss: 0.05,
            jitter: Duration::from_millis(60),
            keep_order: false,
            duplicate: 0.05,
            burst: 0.002,
            burst_len: 10,
            ..media::sim::LinkConfig::perfect(3)
        };
        let says = tone::sine(rate, 300.0, -20.0, rate.hz() as usize);
        let talker = Talker { drift_ppm: 300.0, ..Talker::new(codec, says) };
        let mut stream = Stream::new(talker, link, mix);
        let (mut counted, mut voiced) = (0, 0);
        for tick in 0..3_000 {
            if tick % 100 == 0 {
                let below_dbov = if tick % 300 == 0 { 127 } else { 20 };
                stream.talker.level = Some(AudioLevel { below_dbov, voice: false });
            }
            stream.send();
            let before = allocations();
            voiced += u32::from(stream.receive());
            if tick > 500 {
                counted += allocations() - before;
            }
        }
        assert_eq!(counted, 0, "{codec:?}");
        let stats = stream.stats();
        assert!(voiced > 1_700 && stats.packets_skipped > 700, "{codec:?}: {voiced} {stats:?}");
        assert!(stats.concealed > Duration::from_millis(500), "{codec:?}: {stats:?}");
    }
}
