//! Calls through bad networks: loss, jitter, reordering, bursts, drifting clocks. What is heard is
//! judged by meaning: how much of the tone is left, how long gaps are, how far the delay grows.

use std::time::Duration;

use media::CodecKind;
use media::SampleRate;
use media::sim::LinkConfig;
use media::source::tone;

use crate::call::Room;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What member 1 hears of member 0, which sends a tone through `link` for `seconds`.
struct Heard {
    /// Share of 5 ms pieces that are silent.
    silent: f64,
    /// Longest run of silence.
    longest_gap_ms: usize,
    /// Packets the link lost, as a share.
    lost: f64,
    stats: media::jitter::JitterStats,
    delay: Duration,
    max_delay: Duration,
}

fn listen(link: LinkConfig, drift_ppm: f64, seconds: u64) -> Heard {
    let mut room = Room::new();
    let says = tone::sine(SampleRate::NARROW, 400.0, -12.0, 8_000);
    room.join_saying(CodecKind::Pcmu, says, link, drift_ppm);
    room.join(CodecKind::Pcmu, 0.0, 0.0, LinkConfig::perfect(1));
    let talker = room.members[0].seat;
    room.run(Duration::from_secs(3)); // until the delay has settled
    room.keep(true);
    let mut max_delay = Duration::ZERO;
    for _ in 0..seconds * 50 {
        room.tick();
        max_delay = max_delay.max(room.mixer.seat_delay(talker).unwrap());
    }
    let heard = &room.members[1].heard;
    let is_silent = |piece: &[i16]| piece.iter().all(|sample| sample.unsigned_abs() < 300);
    let pieces: Vec<bool> = heard.chunks(40).map(is_silent).collect();
    let longest = pieces.split(|silent| !silent).map(<[bool]>::len).max().unwrap_or(0);
    let link = room.members[0].link_stats();
    Heard {
        silent: pieces.iter().filter(|silent| **silent).count() as f64 / pieces.len() as f64,
        longest_gap_ms: longest * 5,
        lost: link.lost as f64 / link.sent as f64,
        stats: room.mixer.seat_stats(talker).unwrap(),
        delay: room.mixer.seat_delay(talker).unwrap(),
        max_delay,
    }
}

#[test]
fn a_clean_network_is_heard_without_a_gap_at_the_starting_delay() {
    let heard = listen(LinkConfig::perfect(1), 0.0, 60);
    assert_eq!((heard.silent, heard.stats.lost_units, heard.stats.late), (0.0, 0, 0));
    assert!(heard.max_delay <= ms(40), "{:?}", heard.max_delay);
}

#[test]
fn loss_and_jitter_leave_few_and_short_gaps() {
    println!("loss jitter reorder | lost late silent longest max_delay");
    for loss in [0.0, 0.01, 0.05, 0.10] {
        for jitter in [5, 20, 50, 100] {
            for reorder in [0.0, 0.05] {
                let link = LinkConfig {
                    loss,
                    jitter: ms(jitter),
                    reorder,
                    reorder_by: ms(30),
                    ..LinkConfig::perfect(jitter + (loss * 1_000.0) as u64)
                };
                let heard = listen(link, 0.0, 30);
                let case = format!("{loss:4.2} {jitter:3} {reorder:4.2}");
                let Heard { silent, longest_gap_ms, lost, stats, max_delay, .. } = &heard;
                println!(
                    "{case} | {lost:5.3} {:4} {silent:6.4} {longest_gap_ms:3} {max_delay:?}",
                    stats.late
                );
                // One lost packet is bridged; silence is left only by several in a row.
                assert!(*silent <= 0.002 + lost * lost, "{case}: {silent}");
                assert!(*longest_gap_ms <= 60, "{case}: {longest_gap_ms} ms");
                assert!(*max_delay <= ms(200), "{case}: {max_delay:?}");
                let concealed = stats.lost_units as f64 / (33.0 * 8_000.0);
                assert!(concealed <= lost + 0.03, "{case}: concealed {concealed}");
            }
        }
    }
}

#[test]
fn bursts_of_200_ms_are_gaps_of_no_more_than_that() {
    let link = LinkConfig { burst: 0.005, burst_len: 10, ..LinkConfig::perfect(4) };
    let heard = listen(link, 0.0, 120);
    assert!(heard.lost > 0.02, "{}", heard.lost);
    assert!(heard.longest_gap_ms <= 2 * 200, "{}", heard.longest_gap_ms); // two bursts may touch
    assert!(heard.silent <= heard.lost, "{} of {}", heard.silent, heard.lost);
    assert!(heard.max_delay <= ms(200), "{:?}, {:?}", heard.max_delay, heard.stats);
}

#[test]
fn duplicates_and_overtaking_are_not_heard() {
    let link =
        LinkConfig { duplicate: 0.2, reorder: 0.1, reorder_by: ms(19), ..LinkConfig::perfect(5) };
    let heard = listen(link, 0.0, 60);
    assert!(heard.stats.duplicate > 400, "{:?}", heard.stats);
    assert!(heard.silent < 0.001, "{}", heard.silent);
    assert!(heard.max_delay <= ms(100), "{:?}", heard.max_delay);
}

#[test]
fn packets_that_overtake_each_other_by_much_are_put_in_order() {
    let link = LinkConfig { jitter: ms(60), keep_order: false, ..LinkConfig::perfect(11) };
    let heard = listen(link, 0.0, 60);
    assert!(heard.stats.late < 30, "{:?}", heard.stats); // of 3,000
    assert!(heard.silent < 0.001, "{}", heard.silent);
    assert!(heard.max_delay <= ms(160), "{:?}", heard.max_delay);
}

#[test]
fn a_drifting_clock_makes_the_delay_neither_grow_nor_starve_in_an_hour() {
    for drift_ppm in [-300.0, 300.0] {
        let heard = listen(LinkConfig::perfect(6), drift_ppm, 3_600);
        assert!(heard.max_delay <= ms(100), "{drift_ppm}: {:?}", heard.max_delay);
        assert!(heard.delay <= ms(100), "{drift_ppm}: {:?}", heard.delay);
        // 300 ppm of an hour is 1.08 s, all of which must be made up or let go.
        assert!(heard.silent < 0.001, "{drift_ppm}: {}", heard.silent);
        assert!(heard.longest_gap_ms <= 20, "{drift_ppm}: {}", heard.longest_gap_ms);
    }
}

#[test]
fn after_a_stall_the_delay_comes_back() {
    let mut room = Room::new();
    room.join(CodecKind::Pcmu, 400.0, -12.0, LinkConfig::perfect(7));
    let talker = room.members[0].seat;
    room.run(Duration::from_secs(5));
    // 150 ms of delay for half a minute, as when a path is rerouted; then as before.
    let calm = room.mixer.seat_delay(talker).unwrap();
    let slow = LinkConfig { delay: ms(160), ..LinkConfig::perfect(8) };
    room.members[0].set_link(slow);
    room.run(Duration::from_secs(30));
    room.members[0].set_link(LinkConfig::perfect(9));
    room.run(Duration::from_secs(1));
    let after = room.mixer.seat_delay(talker).unwrap();
    room.run(Duration::from_secs(90));
    let settled = room.mixer.seat_delay(talker).unwrap();
    assert!(after <= ms(200), "{after:?}");
    assert!(settled <= calm + ms(20), "{calm:?}, then {after:?}, then {settled:?}");
}
