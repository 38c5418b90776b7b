//! How well one call's audio flows, from the media thread to whoever asks over REST.
//!
//! A [`QualityCell`] is shared by the line, which writes it about once a second, and by readers, who
//! ask no actor: a fixed set of relaxed atomics, no lock. A reader may see figures of two samples
//! mixed, which does no harm.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use media::codec::CodecKind;
use media::leg::Leg;
use media::mixer::{Mixer, SeatId};
use media::quality::{self, Conditions};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Declares the figures once: as they are read, and as the atomics that hold them.
macro_rules! figures {
    ($($(#[$about:meta])* $name:ident: $kind:ty,)*) => {
        /// One call's figures since it began, in the names REST shows them with.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
        pub struct Quality {
            /// What we send.
            #[serde(serialize_with = "codec_name")]
            #[schema(value_type = String)]
            pub codec: CodecKind,
            $($(#[$about])* pub $name: $kind,)*
        }

        /// See the module text.
        #[derive(Debug, Default)]
        pub struct QualityCell {
            /// Place in [`CodecKind::ALL`], plus one; zero until something was written.
            codec: AtomicUsize,
            talking: AtomicBool,
            $($name: AtomicU64,)*
        }

        impl QualityCell {
            /// Publishes a sample. For the line's owner alone.
            pub fn write(&self, quality: &Quality) {
                $(self.$name.store(quality.$name.to_word(), Ordering::Relaxed);)*
                let place = CodecKind::ALL.iter().position(|codec| *codec == quality.codec);
                self.codec.store(place.map_or(0, |place| place + 1), Ordering::Release);
            }

            /// The last sample; `None` until media has flowed.
            pub fn read(&self) -> Option<Quality> {
                let place = self.codec.load(Ordering::Acquire).checked_sub(1)?;
                Some(Quality {
                    codec: *CodecKind::ALL.get(place)?,
                    $($name: Word::from_word(self.$name.load(Ordering::Relaxed)),)*
                })
            }
        }
    };
}

figures! {
    /// Audio in one packet that we send.
    ptime_ms: u64,
    packets_received: u64,
    /// Of payload.
    octets_received: u64,
    packets_sent: u64,
    octets_sent: u64,
    /// Never arrived.
    packets_lost: u64,
    /// Arrived after their time and were dropped.
    packets_late: u64,
    /// Arrived again.
    packets_duplicate: u64,
    /// Dropped to keep the delay within its bound.
    packets_discarded: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    jitter_ms: f64,
    /// Audio that was made up for lost packets.
    concealed_ms: u64,
    /// How much faster the sender's clock runs than ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_ppm: Option<f64>,
    /// What the jitter buffer holds back.
    delay_ms: f64,
    /// To the peer and back, by RTCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<f64>,
    /// What the peer lost of ours in its last report's interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_loss_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_jitter_ms: Option<f64>,
    /// Estimate of how the received audio is liked, 1 to 4.5 (ITU-T G.107).
    #[serde(skip_serializing_if = "Option::is_none")]
    mos: Option<f64>,
}

impl QualityCell {
    /// Says whether the caller is talking. For the line's owner alone.
    pub fn set_talking(&self, talking: bool) {
        self.talking.store(talking, Ordering::Relaxed);
    }

    pub fn is_talking(&self) -> bool {
        self.talking.load(Ordering::Relaxed)
    }
}

/// What one seat's receive side has counted. A call passes through several seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeatCounts {
    late: u64,
    duplicate: u64,
    discarded: u64,
    concealed: Duration,
}

impl SeatCounts {
    pub(super) fn of(seat: SeatId, mixer: &Mixer) -> Self {
        let stats = mixer.seat_stats(seat).unwrap_or_default();
        Self {
            late: stats.packets_late,
            duplicate: stats.packets_duplicate,
            discarded: stats.packets_discarded,
            concealed: stats.concealed,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            late: self.late + other.late,
            duplicate: self.duplicate + other.duplicate,
            discarded: self.discarded + other.discarded,
            concealed: self.concealed + other.concealed,
        }
    }
}

/// The figures of now: `None` until something was sent or received. `counts` are those of all seats
/// the call has had. This is where leg, mixer and counts come together, and nowhere else.
pub(super) fn sample(
    leg: &Leg,
    seat: SeatId,
    mixer: &Mixer,
    counts: SeatCounts,
) -> Option<Quality> {
    let (format, stats) = (leg.send_format()?, leg.stats());
    let codec = format.codec;
    if stats.packets_received == 0 && stats.packets_sent == 0 {
        return None;
    }
    let remote = stats.remote_report;
    let heard = stats.hears.unwrap_or(codec);
    let ms = |duration: Duration| rounded(duration.as_secs_f64() * 1e3);
    let stream = mixer.seat_stats(seat).unwrap_or_default();
    let conditions = Conditions::of(heard, &stream, format.ptime, stats.round_trip);
    Some(Quality {
        codec,
        ptime_ms: u64::from(format.ptime.ms()),
        packets_received: stats.packets_received,
        octets_received: stats.octets_received,
        packets_sent: stats.packets_sent,
        octets_sent: stats.octets_sent,
        packets_lost: u64::try_from(stats.packets_lost).unwrap_or_default(),
        packets_late: counts.late,
        packets_duplicate: counts.duplicate,
        packets_discarded: counts.discarded,
        jitter_ms: ms(stats.jitter),
        concealed_ms: u64::try_from(counts.concealed.as_millis()).unwrap_or(u64::MAX),
        drift_ppm: (stream.drift_ppm != 0.0).then(|| rounded(stream.drift_ppm.into())),
        delay_ms: ms(stream.delay),
        round_trip_ms: stats.round_trip.map(ms),
        remote_loss_percent: remote.map(|r| rounded(f64::from(r.fraction_lost) / 2.56)),
        remote_jitter_ms: remote.map(|r| ms(r.jitter)),
        mos: (stats.packets_received > 0).then(|| rounded(quality::mos(&conditions).into())),
    })
}

/// To hundredths: more would be noise in a JSON text.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn codec_name<S: Serializer>(codec: &CodecKind, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(codec.name())
}

/// A figure as one atomic holds it.
trait Word {
    fn to_word(self) -> u64;
    fn from_word(word: u64) -> Self;
}

impl Word for u64 {
    fn to_word(self) -> u64 {
        self
    }

    fn from_word(word: u64) -> Self {
        word
    }
}

impl Word for f64 {
    fn to_word(self) -> u64 {
        self.to_bits()
    }

    fn from_word(word: u64) -> Self {
        Self::from_bits(word)
    }
}

/// What is not known is no number.
impl Word for Option<f64> {
    fn to_word(self) -> u64 {
        self.unwrap_or(f64::NAN).to_word()
    }

    fn from_word(word: u64) -> Self {
        Some(f64::from_word(word)).filter(|value| !value.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn quality() -> Quality {
        Quality {
            codec: CodecKind::Pcma,
            ptime_ms: 20,
            packets_received: 100,
            octets_received: 16_000,
            packets_sent: u64::MAX,
            octets_sent: 4,
            packets_lost: 5,
            packets_late: 6,
            packets_duplicate: 7,
            packets_discarded: 8,
            jitter_ms: 1.25,
            concealed_ms: 60,
            drift_ppm: Some(-12.5),
            delay_ms: 40.0,
            round_trip_ms: None,
            remote_loss_percent: Some(0.39),
            remote_jitter_ms: None,
            mos: None,
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_before() {
        let cell = QualityCell::default();
        assert_eq!(cell.read(), None);
        cell.write(&quality());
        assert_eq!(cell.read(), Some(quality()));
        for codec in CodecKind::ALL {
            cell.write(&Quality { codec, mos: Some(4.2), ..quality() });
            assert_eq!(cell.read().map(|read| (read.codec, read.mos)), Some((codec, Some(4.2))));
        }
    }

    #[test]
    fn json_has_plain_numbers_and_leaves_out_what_is_not_known() {
        let shown = serde_json::to_value(quality()).unwrap();
        assert_eq!(shown["codec"], "PCMA");
        assert_eq!(shown["drift_ppm"], json!(-12.5));
        assert_eq!(shown.get("round_trip_ms"), None);
        // Also by way of a `Value`, as REST takes it: its numbers are doubles.
        let shown = json!(Quality { mos: Some(rounded(4.409_999_847_412_109)), ..quality() });
        let text = shown.to_string();
        assert!(text.contains("\"remote_loss_percent\":0.39,"), "{text}");
        assert!(text.contains("\"mos\":4.41}"), "{text}");
    }
}
