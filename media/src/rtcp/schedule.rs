//! When to send the next report (RFC 3550 §6.2, §6.3, A.7): about every five seconds, less often in
//! large sessions, never in step with others.
//!
//! [`Leg`](crate::leg::Leg) polls it; it reads no clock and draws its randomness from a seed.

use std::time::{Duration, Instant};

/// The shortest average interval between two reports (§6.2); the first one is half of it.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// Share of the session bandwidth that RTCP may take (§6.2).
const RTCP_SHARE: f64 = 0.05;
/// Share of that for senders, while they are at most this part of the members.
const SENDER_SHARE: f64 = 0.25;
/// e - 3/2: timer reconsideration makes intervals shorter than drawn; this makes up for it (§6.3.1).
const COMPENSATION: f64 = 1.218_28;
/// What lies below RTCP: IPv4 and UDP.
const LOWER_HEADER_BYTES: usize = 28;
/// Guess of the first compound packet: SR with one block, and a CNAME (§6.3.2).
const PROBABLE_PACKET_BYTES: usize = 100;

/// Who is in the session. A call has two members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// All, ourselves included.
    pub members: u32,
    /// Those who sent RTP lately, ourselves included.
    pub senders: u32,
    /// Whether we are one of them.
    pub we_sent: bool,
}

impl Membership {
    /// A call between us and one peer.
    pub const fn pair(we_sent: bool, peer_sent: bool) -> Self {
        Self { members: 2, senders: we_sent as u32 + peer_sent as u32, we_sent }
    }
}

/// The timer of one member.
#[derive(Debug, Clone)]
pub struct Schedule {
    rtcp_octets_per_s: f64,
    /// avg_rtcp_size, with the headers below.
    average_octets: f64,
    is_initial: bool,
    /// tp: when the last report went out, or the session began.
    previous: Instant,
    /// tn: when the next is due.
    next: Instant,
    random: SplitMix,
}

impl Schedule {
    /// Starts with the session. `session_octets_per_s` counts RTP with IP and UDP headers in one
    /// direction (10,000 for G.711 at 20 ms); `seed` must differ between members.
    pub fn new(now: Instant, session_octets_per_s: u32, seed: u64) -> Self {
        let mut schedule = Self {
            rtcp_octets_per_s: f64::from(session_octets_per_s.max(1)) * RTCP_SHARE,
            average_octets: (PROBABLE_PACKET_BYTES + LOWER_HEADER_BYTES) as f64,
            is_initial: true,
            previous: now,
            next: now,
            random: SplitMix(seed),
        };
        schedule.next = now + schedule.draw(Membership::pair(false, false));
        schedule
    }

    /// When to poll again.
    pub const fn deadline(&self) -> Instant {
        self.next
    }

    /// Whether a report is to be sent now; if so, the next interval begins.
    ///
    /// Before the deadline: no. At the deadline the interval is drawn anew with today's membership
    /// (§6.3.6), and the report waits if that has grown.
    pub fn poll(&mut self, now: Instant, membership: Membership) -> bool {
        if now < self.next {
            return false;
        }
        let reconsidered = self.previous + self.draw(membership);
        if reconsidered > now {
            self.next = reconsidered;
            return false;
        }
        self.is_initial = false;
        self.previous = now;
        self.next = now + self.draw(membership);
        true
    }

    /// Takes a compound packet, sent or received, into the average size (§6.3.3, §6.3.6).
    pub fn account(&mut self, octets: usize) {
        let whole = (octets + LOWER_HEADER_BYTES) as f64;
        self.average_octets += (whole - self.average_octets) / 16.0;
    }

    /// The interval as §6.3.1 computes it, randomised.
    fn draw(&mut self, membership: Membership) -> Duration {
        let average = self.deterministic(membership);
        average.mul_f64((0.5 + self.random.unit()) / COMPENSATION)
    }

    /// Td of §6.3.1: the average interval before chance.
    fn deterministic(&self, membership: Membership) -> Duration {
        let members = f64::from(membership.members.max(1));
        let senders = f64::from(membership.senders);
        let (sharing, share) = if senders > members * SENDER_SHARE {
            (members, 1.0)
        } else if membership.we_sent {
            (senders, SENDER_SHARE)
        } else {
            (members - senders, 1.0 - SENDER_SHARE)
        };
        let minimum = if self.is_initial { MIN_INTERVAL / 2 } else { MIN_INTERVAL };
        let seconds = self.average_octets * sharing / (self.rtcp_octets_per_s * share);
        minimum.max(Duration::try_from_secs_f64(seconds).unwrap_or(minimum))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough chance to keep members out of step.
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    /// Uniform in 0.0..1.0.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALKING: Membership = Membership::pair(true, true);

    fn seconds(duration: Duration) -> f64 {
        duration.as_secs_f64()
    }

    /// Polls at each deadline and gives the gaps between reports.
    fn gaps(seed: u64, count: usize, membership: Membership) -> Vec<Duration> {
        let start = crate::sim::epoch();
        let mut schedule = Schedule::new(start, 10_000, seed);
        let (mut last, mut gaps) = (start, Vec::new());
        while gaps.len() < count {
            let now = schedule.deadline();
            if schedule.poll(now, membership) {
                schedule.account(100);
                gaps.push(now - last);
                last = now;
            }
        }
        gaps
    }

    #[test]
    fn the_first_report_comes_at_half_the_interval() {
        for seed in 0..200 {
            let first = gaps(seed, 1, TALKING)[0];
            assert!((1.02..=3.08).contains(&seconds(first)), "{first:?}");
        }
    }

    #[test]
    fn reports_of_a_call_are_half_to_one_and_a_half_of_five_seconds_apart() {
        let all: Vec<_> = (0..50).flat_map(|seed| gaps(seed, 40, TALKING).split_off(1)).collect();
        let (low, high) = (2.5 / COMPENSATION, 7.5 / COMPENSATION);
        for &gap in &all {
            assert!((low - 1e-6..=high + 1e-6).contains(&seconds(gap)), "{gap:?}");
        }
        let mean = all.iter().map(|&gap| seconds(gap)).sum::<f64>() / all.len() as f64;
        assert!((4.7..5.3).contains(&mean), "mean {mean}"); // reconsideration and compensation cancel
    }

    #[test]
    fn two_seeds_do_not_stay_in_step_and_one_seed_repeats() {
        assert_ne!(gaps(1, 5, TALKING), gaps(2, 5, TALKING));
        assert_eq!(gaps(1, 5, TALKING), gaps(1, 5, TALKING));
    }

    #[test]
    fn large_sessions_report_less_often() {
        let mut schedule = Schedule::new(crate::sim::epoch(), 10_000, 7);
        schedule.is_initial = false;
        let crowd = Membership { members: 1_000, senders: 3, we_sent: false };
        // 128 bytes x 997 listeners / (75 % of 500 bytes/s)
        assert!((seconds(schedule.deterministic(crowd)) - 340.3).abs() < 0.1);
        let speaker = Membership { we_sent: true, ..crowd };
        assert_eq!(schedule.deterministic(speaker), MIN_INTERVAL);
        let everyone = Membership { members: 1_000, senders: 900, we_sent: true };
        assert!((seconds(schedule.deterministic(everyone)) - 256.0).abs() < 0.1);
    }

    #[test]
    fn a_report_waits_when_the_session_has_grown_at_the_deadline() {
        let mut schedule = Schedule::new(crate::sim::epoch(), 10_000, 7);
        let due = schedule.deadline();
        assert!(!schedule.poll(due - Duration::from_nanos(1), TALKING));
        let crowd = Membership { members: 1_000, senders: 3, we_sent: false };
        assert!(!schedule.poll(due, crowd));
        assert!(schedule.deadline() > due + Duration::from_secs(60));
    }

    #[test]
    fn the_average_size_follows_what_is_seen() {
        let mut schedule = Schedule::new(crate::sim::epoch(), 10_000, 7);
        (0..200).for_each(|_| schedule.account(72));
        assert!((schedule.average_octets - 100.0).abs() < 0.1);
    }
}
