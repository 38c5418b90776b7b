//! What is told about a received stream.

use std::time::Duration;

/// Figures of one seat's receive side since it was made, except where another time is named.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StreamStats {
    /// Packets that came, whatever became of them.
    pub packets_received: u64,
    /// Packets that never came. Telephone-events sent in place of audio look like that too.
    pub packets_lost: u64,
    /// Packets dropped because they came after their time.
    pub packets_late: u64,
    /// Packets dropped because they were here already.
    pub packets_duplicate: u64,
    /// Packets dropped to keep the delay below its maximum.
    pub packets_discarded: u64,
    /// Packets dropped for their length, content or timestamp.
    pub packets_refused: u64,
    /// Packets decoded.
    pub packets_decoded: u64,
    /// Packets played as silence without decoding: silent, too quiet to be heard, or a sender's pause.
    pub packets_skipped: u64,
    /// Interarrival jitter (RFC 3550 A.8).
    pub jitter: Duration,
    /// Audio made up for packets that were not there. What had faded to silence does not count.
    pub concealed: Duration,
    /// Audio recovered from the redundancy in later packets.
    pub recovered: Duration,
    /// Audio put in to raise the delay, silence included.
    pub stretched: Duration,
    /// Audio left out to lower the delay, silence included.
    pub compressed: Duration,
    /// Millionths by which the sender's clock runs faster than ours; 0 until that is known.
    pub drift_ppm: f32,
    /// Audio that is buffered now.
    pub delay: Duration,
    /// How long a packet should wait to be played.
    pub target_delay: Duration,
    /// Packets not there in their time and not recovered, as a part of those expected: 0 to 1.
    pub loss: f32,
    /// Mean length of the runs of such packets over that of random loss (ITU-T G.107 BurstR): 1 for
    /// random loss, more for bursts.
    pub burst_ratio: f32,
}

/// What is counted beside the jitter buffer's own counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) decoded: u64,
    pub(super) skipped: u64,
    pub(super) undecodable: u64,
    pub(super) concealed: Duration,
    pub(super) recovered: Duration,
    pub(super) recovered_packets: u64,
    pub(super) stretched: Duration,
    pub(super) compressed: Duration,
}

/// See [`StreamStats::burst_ratio`].
pub(super) fn burst_ratio(missing: u64, runs: u64, loss: f32) -> f32 {
    if runs == 0 {
        return 1.0;
    }
    // Random loss of probability p comes in runs of 1 / (1 - p).
    let mean = missing as f32 / runs as f32;
    (mean * (1.0 - loss)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_loss_has_a_ratio_of_one_and_bursts_have_more() {
        assert_eq!(burst_ratio(0, 0, 0.0), 1.0);
        assert_eq!(burst_ratio(100, 100, 0.01), 1.0);
        assert!((burst_ratio(125, 100, 0.2) - 1.0).abs() < 1e-6);
        assert!((burst_ratio(100, 10, 0.05) - 9.5).abs() < 1e-5);
    }
}
