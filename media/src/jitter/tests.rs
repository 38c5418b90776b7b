//! The buffer alone, packet by packet. Longer walks through a bad network are in `tests/it/`.

use super::*;
use crate::rtp::Content;
use proptest::prelude::*;

/// A buffer with a clock: packets of 20 ms go in, frames of 20 ms come out.
struct Bench {
    buffer: JitterBuffer,
    start: Instant,
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
        let buffer = JitterBuffer::new(JitterConfig::default());
        let start = crate::sim::epoch();
        Self { buffer, start, now: start }
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
        // Not before it was sent, so that there is a path it can have taken.
        let sent = self.start + Duration::from_millis(u64::from(seq) * 20);
        self.buffer.insert(self.now.max(sent), &packet)
    }

    fn tick(&mut self) -> Out {
        self.now += Duration::from_millis(20);
        match self.buffer.pull(self.now, 160) {
            // Digital silence is not kept.
            Pull::Packet { payload, .. } => Out::Byte(payload.first().copied().unwrap_or(0xff)),
            Pull::Lost { units: 160, .. } => Out::Lost,
            Pull::Silence { units: 160 } => Out::Silence,
            Pull::Wait => Out::Wait,
            Pull::Skipped { .. } => {
                self.now -= Duration::from_millis(20);
                self.tick()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The first byte and the length of the packet that is due next, if one is.
    fn tick_any(&mut self) -> Option<(u8, usize)> {
        self.now += Duration::from_millis(20);
        match self.buffer.pull(self.now, 160) {
            Pull::Packet { payload, .. } => Some((payload[0], payload.len())),
            Pull::Skipped { .. } => self.tick_any(),
            _ => None,
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
    for _ in 0..50 {
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
    bench.now = bench.start + Duration::from_millis(580);
    for n in 2..=28 {
        bench.put(n);
    }
    let next = bench.tick_any().unwrap().0;
    assert!(next > 18, "{next}");
    assert_eq!(bench.buffer.stats().discarded, u64::from(next) - 2);
    assert!(bench.buffer.delay() <= Duration::from_millis(180));
}

#[test]
fn the_oldest_gives_way_when_all_slots_are_taken() {
    let mut bench = Bench::new();
    for n in 0..=MAX_PACKETS as u16 {
        bench.put_from(1, n, u32::from(n) * 10, false, &[1; 10]);
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
    let (fits, long) = ([1; 120 * 8], [1; 120 * 8 + 1]);
    assert_eq!(bench.put_from(1, 0, 0, false, &long), Inserted::Unfit);
    assert_eq!(bench.put_from(1, 0, 0, false, &fits), Inserted::Restarted);
}

#[test]
fn a_buffer_that_is_too_deep_leaves_a_hole_out() {
    let mut bench = Bench::new();
    for n in (0..6).filter(|&n| n != 3) {
        bench.put(n);
    }
    bench.now += Duration::from_millis(60);
    for n in 0..3 {
        assert_eq!(bench.tick(), Out::Byte(n));
    }
    // 20 ms is what a calm path needs.
    let excess = bench.buffer.excess_us(bench.now + Duration::from_millis(20), Duration::ZERO);
    assert_eq!(excess, Some(60_000));
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.buffer.pull(bench.now, 160), Pull::Skipped { units: 160 });
    assert!(matches!(bench.buffer.pull(bench.now, 160), Pull::Packet { payload: [4, ..], .. }));
    assert_eq!((bench.buffer.stats().lost_units, bench.buffer.stats().missing), (0, 1));
}

#[test]
fn what_follows_an_announced_pause_is_silence_however_long() {
    for pause in [(CodecKind::Pcmu, Content::ComfortNoise), (CodecKind::Opus, Content::Speech)] {
        let mut bench = Bench::new();
        let packet = |n: u32, (codec, content), payload| AudioPacket {
            ssrc: Ssrc(1),
            seq: SeqNo(n as u16),
            timestamp: RtpTime(n * codec_frame(codec)),
            marker: false,
            codec,
            content,
            level: None,
            payload,
        };
        // Wide-band SILK, 20 ms, as is a packet of one byte: nothing follows.
        bench.buffer.insert(bench.now, &packet(0, (pause.0, Content::Speech), &[0x48; 40]));
        bench.buffer.insert(bench.now, &packet(1, pause, &[0x48]));
        let want = codec_frame(pause.0);
        let (mut packets, mut silent) = (0, 0);
        for _ in 0..400 {
            bench.now += Duration::from_millis(20);
            match bench.buffer.pull(bench.now, want) {
                Pull::Packet { .. } | Pull::Noise { .. } => packets += 1,
                Pull::Silence { .. } => silent += 1,
                Pull::Wait => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(packets == 2 && silent >= 395, "{pause:?}: {packets} {silent}");
        assert_eq!(bench.buffer.stats().lost_units, 0);
    }
}

fn codec_frame(codec: CodecKind) -> u32 {
    codec.clock_hz() / 50
}

#[test]
fn the_packet_after_a_loss_comes_with_it_if_it_may_repeat_what_was_lost() {
    let mut bench = Bench::new();
    for n in [0u32, 1, 4, 5] {
        let packet = AudioPacket {
            ssrc: Ssrc(1),
            seq: SeqNo(n as u16),
            timestamp: RtpTime(n * 960),
            marker: false,
            codec: CodecKind::Opus,
            content: Content::Speech,
            level: None,
            payload: &[0x48, n as u8, 1, 2],
        };
        let sent = bench.start + Duration::from_millis(u64::from(n) * 20);
        bench.buffer.insert(sent, &packet);
    }
    let mut next = || {
        bench.now += Duration::from_millis(20);
        match bench.buffer.pull(bench.now, 960) {
            Pull::Packet { payload, units: 960, .. } => (payload[1], None),
            Pull::Lost { units: 960, next } => (0, next.map(|next| next[1])),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((next(), next()), ((0, None), (1, None)));
    assert_eq!((next(), next()), ((0, None), (0, Some(4))));
    assert_eq!(next(), (4, None));
}

#[test]
fn digital_silence_takes_no_room_and_long_payloads_push_the_oldest_out() {
    let mut bench = Bench::new();
    for n in 0..20 {
        bench.put_from(1, n, u32::from(n) * 160, false, &[0xff; 160]);
    }
    assert_eq!(bench.buffer.stats().discarded, 0);
    let mut bench = Bench::new();
    for n in 0..10 {
        // 120 ms each: there is room for 320 ms.
        bench.put_from(1, n, u32::from(n) * 960, false, &[n as u8; 960]);
    }
    assert_eq!(bench.buffer.stats().discarded, 8);
    assert_eq!(bench.tick_any(), Some((9, 960))); // 240 ms would be more than allowed
}

#[test]
fn of_packets_seconds_apart_the_last_one_is_played_at_once() {
    let mut bench = Bench::playing();
    for n in [50u16, 97, 98] {
        bench.put_at(n, u32::from(n) * 160, false);
    }
    assert_eq!(bench.tick(), Out::Byte(98));
    assert!(bench.buffer.delay() <= Duration::from_millis(20), "{:?}", bench.buffer.delay());
    let mut bench = Bench::playing();
    bench.put_at(98, 98 * 160, false);
    assert_eq!(bench.tick(), Out::Byte(98));
}

#[test]
fn another_clock_starts_anew() {
    let mut bench = Bench::playing();
    let wide = AudioPacket {
        ssrc: Ssrc(1),
        seq: SeqNo(2),
        timestamp: RtpTime(320),
        marker: false,
        codec: CodecKind::L16Wide,
        content: Content::Speech,
        level: None,
        payload: &[7; 640],
    };
    assert_eq!(bench.buffer.insert(bench.now, &wide), Inserted::Restarted);
    assert_eq!(bench.buffer.clock(), SampleRate::WIDE);
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.tick_any(), Some((7, 640)));
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
                    Pull::Packet { payload, units, .. } => prop_assert_eq!(payload.len(), units as usize),
                    Pull::Lost { units, .. } | Pull::Silence { units } => {
                        prop_assert!((1..=want).contains(&units));
                    }
                    Pull::Skipped { .. } | Pull::Noise { .. } | Pull::Wait => {}
                },
                Step::Wait { ms } => bench.now += Duration::from_millis(ms),
            }
            let buffer = &bench.buffer;
            prop_assert!(buffer.len <= MAX_PACKETS);
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
