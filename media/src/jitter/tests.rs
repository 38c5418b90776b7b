//! The buffer alone, packet by packet. Longer walks through a bad network are in `tests/it/`.

use super::*;
use crate::rtp::Content;
use proptest::prelude::*;

/// A buffer with a clock: packets of 20 ms go in, frames of 20 ms come out.
struct Bench {
    buffer: JitterBuffer,
    now: Instant,
}

/// What one pull gave: a payload's first byte, or what was said instead.
#[derive(Debug, PartialEq, Eq)]
enum Out {
    Byte(u8),
    Lost,
    Silence,
    Wait,
}

impl Bench {
    fn new() -> Self {
        let buffer = JitterBuffer::new(SampleRate::NARROW, JitterConfig::default());
        Self { buffer, now: crate::sim::epoch() }
    }

    /// Packet number `n` of a stream that began at sequence number and timestamp 0.
    fn put(&mut self, n: u32) -> Inserted {
        self.put_at(n as u16, n.wrapping_mul(160), false)
    }

    fn put_at(&mut self, seq: u16, timestamp: u32, marker: bool) -> Inserted {
        self.put_from(1, seq, timestamp, marker, &[seq as u8; 160])
    }

    fn put_from(&mut self, ssrc: u32, seq: u16, ts: u32, marker: bool, payload: &[u8]) -> Inserted {
        let packet = AudioPacket {
            ssrc: Ssrc(ssrc),
            seq: SeqNo(seq),
            timestamp: RtpTime(ts),
            marker,
            codec: CodecKind::Pcmu,
            content: Content::Speech,
            level: None,
            payload,
        };
        self.buffer.insert(self.now, &packet)
    }

    fn tick(&mut self) -> Out {
        self.now += Duration::from_millis(20);
        match self.buffer.pull(self.now, 160) {
            Pull::Packet { payload, .. } => Out::Byte(payload[0]),
            Pull::Lost { units: 160 } => Out::Lost,
            Pull::Silence { units: 160 } => Out::Silence,
            Pull::Wait => Out::Wait,
            other => panic!("{other:?}"),
        }
    }

    /// Puts packets 0 and 1 and plays 0: the state of a calm stream, one packet waiting.
    fn playing() -> Self {
        let mut bench = Self::new();
        bench.put(0);
        bench.put(1);
        assert_eq!(bench.tick(), Out::Byte(0));
        bench
    }
}

#[test]
fn playing_starts_when_two_frames_are_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.tick(), Out::Wait);
    assert_eq!(bench.put(0), Inserted::Restarted);
    assert_eq!(bench.tick(), Out::Wait);
    assert_eq!(bench.put(1), Inserted::Queued);
    assert_eq!(bench.tick(), Out::Byte(0));
    assert_eq!(bench.tick(), Out::Byte(1));
}

#[test]
fn a_single_packet_is_played_after_the_delay() {
    let mut bench = Bench::new();
    bench.put(0);
    assert_eq!(bench.tick(), Out::Wait);
    assert_eq!(bench.tick(), Out::Byte(0));
}

#[test]
fn order_is_restored() {
    let mut bench = Bench::playing();
    for n in [4, 3, 2] {
        assert_eq!(bench.put(n), Inserted::Queued);
    }
    for n in 1..=4 {
        assert_eq!(bench.tick(), Out::Byte(n));
    }
}

#[test]
fn order_is_restored_across_the_wrap_of_both_counters() {
    let mut bench = Bench::new();
    let start = u32::MAX - 159;
    assert_eq!(bench.put_at(65_535, start, false), Inserted::Restarted);
    bench.put_at(1, start.wrapping_add(320), false);
    bench.put_at(0, start.wrapping_add(160), false);
    for byte in [255, 0, 1] {
        assert_eq!(bench.tick(), Out::Byte(byte));
    }
}

#[test]
fn a_duplicate_is_dropped_before_and_after_it_was_played() {
    let mut bench = Bench::playing();
    assert_eq!(bench.put(1), Inserted::Duplicate);
    assert_eq!(bench.tick(), Out::Byte(1));
    assert_eq!(bench.put(1), Inserted::Duplicate);
    assert_eq!(bench.buffer.stats().duplicate, 2);
    assert_eq!(bench.tick(), Out::Lost);
}

#[test]
fn a_missing_packet_is_reported_lost_once_its_time_has_come() {
    let mut bench = Bench::playing();
    bench.put(3);
    assert_eq!(bench.tick(), Out::Byte(1));
    assert_eq!(bench.tick(), Out::Lost);
    assert_eq!(bench.put(2), Inserted::Late);
    assert_eq!(bench.tick(), Out::Byte(3));
    assert_eq!((bench.buffer.stats().late, bench.buffer.stats().lost_units), (1, 160));
}

#[test]
fn a_late_packet_into_an_empty_buffer_is_played_and_the_delay_grows() {
    let mut bench = Bench::playing();
    assert_eq!(bench.tick(), Out::Byte(1));
    assert_eq!(bench.tick(), Out::Lost); // 2 is late
    assert_eq!(bench.put(2), Inserted::Stretched);
    bench.put(3);
    assert_eq!(bench.buffer.delay(), Duration::from_millis(40));
    assert_eq!(bench.tick(), Out::Byte(2));
    assert_eq!(bench.tick(), Out::Byte(3));
}

#[test]
fn a_pause_of_the_sender_is_silence_and_keeps_the_timing() {
    let mut bench = Bench::playing();
    bench.put_at(2, 5 * 160, true); // numbers go on, time has passed
    assert_eq!(bench.tick(), Out::Byte(1));
    for _ in 2..5 {
        assert_eq!(bench.tick(), Out::Silence);
    }
    assert_eq!(bench.tick(), Out::Byte(2));
    assert_eq!(bench.buffer.stats().lost_units, 0);
}

#[test]
fn a_talk_spurt_after_a_long_pause_gets_the_starting_delay() {
    let mut bench = Bench::playing();
    bench.tick();
    for _ in 0..10 {
        assert_eq!(bench.tick(), Out::Lost);
    }
    assert_eq!(bench.tick(), Out::Wait); // it gave up
    bench.put_at(2, 99 * 160, true);
    assert_eq!(bench.tick(), Out::Wait);
    bench.put_at(3, 100 * 160, false);
    assert_eq!(bench.tick(), Out::Byte(2));
}

#[test]
fn a_stalled_network_never_leaves_more_than_the_maximum() {
    let mut bench = Bench::playing();
    bench.tick();
    for _ in 0..5 {
        bench.tick();
    }
    for n in 2..=28 {
        bench.put(n);
    }
    // 540 ms waited; all went but the newest 60 ms, the target after a late packet.
    assert_eq!(bench.tick(), Out::Byte(26));
    assert_eq!(bench.buffer.stats().discarded, 24);
    assert!(bench.buffer.delay() <= Duration::from_millis(40));
}

#[test]
fn the_oldest_gives_way_when_all_slots_are_taken() {
    let mut bench = Bench::new();
    for n in 0..=MAX_PACKETS as u32 {
        bench.put(n);
    }
    assert_eq!(bench.buffer.stats().discarded, 1);
    assert_eq!(bench.buffer.len, MAX_PACKETS);
}

#[test]
fn a_new_ssrc_starts_anew_whatever_its_numbers() {
    let mut bench = Bench::playing();
    assert_eq!(bench.put_from(2, 40_000, 0x8000_0000, true, &[7; 160]), Inserted::Restarted);
    bench.put_from(2, 40_001, 0x8000_0000 + 160, false, &[8; 160]);
    assert_eq!(bench.tick(), Out::Byte(7));
    assert_eq!(bench.tick(), Out::Byte(8));
}

#[test]
fn one_far_off_timestamp_disturbs_nothing_and_two_in_sequence_are_a_jump() {
    for jump in [1_000_000u32, 0u32.wrapping_sub(1_000_000)] {
        let mut bench = Bench::playing();
        assert_eq!(bench.put_at(2, jump, false), Inserted::Suspect);
        assert_eq!(bench.put(2), Inserted::Queued);
        assert_eq!(bench.tick(), Out::Byte(1));
        assert_eq!(bench.put_at(3, jump + 480, false), Inserted::Suspect);
        assert_eq!(bench.put_at(4, jump + 640, false), Inserted::Restarted);
        bench.put_at(5, jump + 800, false);
        assert_eq!(bench.tick(), Out::Byte(4));
        assert_eq!(bench.tick(), Out::Byte(5));
    }
}

#[test]
fn a_clock_set_back_a_little_is_followed_after_one_packet() {
    let mut bench = Bench::playing();
    for n in 2..5 {
        bench.put(n);
    }
    bench.tick();
    assert_eq!(bench.put_at(5, 0, false), Inserted::Suspect);
    assert_eq!(bench.put_at(6, 160, false), Inserted::Restarted);
    bench.put_at(7, 320, false);
    assert_eq!(bench.tick(), Out::Byte(6));
}

#[test]
fn empty_and_oversized_payloads_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.put_from(1, 0, 0, false, &[]), Inserted::Unfit);
    let (fits, long) = ([1; MAX_PAYLOAD_BYTES], [1; MAX_PAYLOAD_BYTES + 1]);
    assert_eq!(bench.put_from(1, 0, 0, false, &long), Inserted::Unfit);
    assert_eq!(bench.put_from(1, 0, 0, false, &fits), Inserted::Restarted);
}

#[test]
fn a_buffer_deeper_than_needed_says_so_until_it_was_shrunk() {
    let mut bench = Bench::new();
    for n in 0..6 {
        bench.put(n);
    }
    for n in 6..200 {
        bench.put(n);
        bench.tick();
        if bench.buffer.is_too_deep() {
            bench.buffer.note_shrunk();
            bench.tick(); // the frame that is dropped
        }
    }
    assert_eq!(bench.buffer.stats().shrunk, 1); // 194 frames: one window of 2 s
    for n in 200..1_000 {
        bench.put(n);
        bench.tick();
        if bench.buffer.is_too_deep() {
            bench.buffer.note_shrunk();
            bench.tick();
        }
    }
    assert!(bench.buffer.delay() <= Duration::from_millis(40), "{:?}", bench.buffer.delay());
    assert_eq!(bench.buffer.stats().lost_units, 0);
}

#[test]
fn the_target_grows_with_late_packets_and_comes_back() {
    let mut bench = Bench::playing();
    let start = bench.buffer.target();
    for n in (2..=41).step_by(2) {
        bench.put(n + 1);
        bench.tick();
        bench.tick();
        bench.put(n); // always overtaken too late
    }
    assert!(bench.buffer.target() > start);
    assert!(bench.buffer.target() <= JitterConfig::default().max);
    for n in 42..6_000 {
        bench.put(n);
        bench.tick();
    }
    assert_eq!(bench.buffer.target(), start);
}

#[derive(Debug, Clone)]
enum Step {
    Put { ssrc: u8, seq: i16, timestamp: i32, marker: bool, len: usize },
    Pull { want: u32 },
    Wait { ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let near = prop_oneof![4 => -6_000i32..6_000, 1 => any::<i32>()];
    let step = prop_oneof![
        4 => (0u8..2, -40i16..40, near, any::<bool>(), 0usize..500).prop_map(
            |(ssrc, seq, timestamp, marker, len)| Step::Put { ssrc, seq, timestamp, marker, len }),
        4 => (1u32..481).prop_map(|want| Step::Pull { want }),
        1 => (0u64..500).prop_map(|ms| Step::Wait { ms }),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn any_packets_keep_the_bounds(steps in steps()) {
        let mut bench = Bench::new();
        for step in steps {
            match step {
                Step::Put { ssrc, seq, timestamp, marker, len } => {
                    let (seq, timestamp) = (seq as u16, timestamp as u32);
                    bench.put_from(u32::from(ssrc), seq, timestamp, marker, &vec![1; len]);
                }
                Step::Pull { want } => match bench.buffer.pull(bench.now, want) {
                    Pull::Packet { payload, .. } => prop_assert!(!payload.is_empty()),
                    Pull::Lost { units } | Pull::Silence { units } => {
                        prop_assert!((1..=want).contains(&units));
                    }
                    Pull::Wait => {}
                },
                Step::Wait { ms } => bench.now += Duration::from_millis(ms),
            }
            let buffer = &bench.buffer;
            prop_assert!(buffer.len <= MAX_PACKETS);
            prop_assert_eq!(buffer.free.count_ones() as usize, MAX_PACKETS - buffer.len);
            let order = buffer.waiting().windows(2).all(|p| p[1].timestamp.since(p[0].timestamp) > 0);
            prop_assert!(order);
        }
    }

    #[test]
    fn whatever_the_order_within_the_delay_every_packet_is_played(
        shuffles in proptest::collection::vec(any::<bool>(), 50),
    ) {
        let mut bench = Bench::new();
        let mut order: Vec<u32> = (0..100).collect();
        for (pair, swap) in order.chunks_mut(2).zip(shuffles) {
            if swap {
                pair.reverse();
            }
        }
        let mut heard = Vec::new();
        for pair in order.chunks(2) {
            for &n in pair {
                bench.put(n);
            }
            for _ in 0..2 {
                if let Out::Byte(byte) = bench.tick() {
                    heard.push(byte);
                }
            }
        }
        heard.dedup();
        prop_assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", heard);
        prop_assert!(heard.len() >= 98);
    }
}
