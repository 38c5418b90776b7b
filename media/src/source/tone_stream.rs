//! Tones by description, as `tone_stream://` names them (contract verbs.md §3.0):
//! `[L=<loops>;][v=<level>;]%(on_ms,off_ms,hz[,hz…])…`. Enough for beeps, ringback and busy.
//!
//! The text comes from outside; how long and how many tones it makes is bounded.

#![warn(clippy::indexing_slicing)]

use std::time::Duration;

use super::Pcm;
use super::tone::{shape, sine};
use crate::time::SampleRate;

/// The longest audio made; what repeats for ever (`L=-1`) ends there too.
pub const MAX_DURATION: Duration = Duration::from_secs(600);
/// Frequencies of one tone.
const MAX_FREQUENCIES: usize = 4;
/// Level when none is given, in dBm0, and the highest.
const LEVEL_DBM0: f32 = -7.0;
const MAX_LEVEL_DBM0: f32 = 0.0;
/// A sine of full scale in dBm0, with mu-law (ITU-T G.711 §5).
const FULL_SCALE_DBM0: f32 = 3.17;

/// Why a description makes no tones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `L=`, `v=` nor a tone in `%(…)`, or a number that is none.
    #[error("not a tone description from byte {at} on")]
    Syntax {
        /// Where it stops making sense.
        at: usize,
    },
    /// Below 20 Hz, above the voice band, or too many at once.
    #[error("a tone has up to {MAX_FREQUENCIES} frequencies from 20 to 3,900 hz")]
    Frequency,
    /// There is no tone in it.
    #[error("no tone in the description")]
    Nothing,
    /// It lasts longer than we make.
    #[error("tones last longer than {MAX_DURATION:?}")]
    TooLong,
}

/// Renders what `text` describes, its scheme left out.
///
/// # Errors
/// Any [`Error`].
pub fn render(text: &str, rate: SampleRate) -> Result<Pcm, Error> {
    let longest = usize::try_from(rate.samples_in(MAX_DURATION)).unwrap_or(usize::MAX);
    let mut samples = Vec::new();
    let (mut loops, mut level) = (Some(1), LEVEL_DBM0);
    let mut rest = text;
    while !rest.is_empty() {
        let syntax = Error::Syntax { at: text.len() - rest.len() };
        if let Some(behind) = rest.strip_prefix([';', ' ']) {
            rest = behind;
        } else if let Some(tone) = rest.strip_prefix("%(") {
            let (tone, behind) = tone.split_once(')').ok_or(syntax)?;
            append(tone, level, rate, longest, &mut samples)?.ok_or(syntax)?;
            rest = behind;
        } else {
            let (setting, behind) = rest.split_at(rest.find([';', '%']).unwrap_or(rest.len()));
            match setting.split_once('=').ok_or(syntax)? {
                ("L", "-1") => loops = None,
                ("L", count) => loops = Some(count.parse().map_err(|_| syntax)?),
                ("v", db) => {
                    let db: f32 = db.parse().map_err(|_| syntax)?;
                    level = if db.is_finite() { db.clamp(-63.0, MAX_LEVEL_DBM0) } else { level };
                }
                _ => return Err(syntax),
            }
            rest = behind;
        }
    }
    let loops = loops.unwrap_or_else(|| longest / samples.len().max(1));
    let total = samples.len().checked_mul(loops).ok_or(Error::TooLong)?;
    match total {
        0 => Err(Error::Nothing),
        _ if total > longest => Err(Error::TooLong),
        _ => Ok(Pcm::new(samples.repeat(loops), rate)),
    }
}

/// Appends one tone and its pause; `None` if a number is none.
fn append(
    tone: &str,
    level_dbm0: f32,
    rate: SampleRate,
    longest: usize,
    samples: &mut Vec<i16>,
) -> Result<Option<()>, Error> {
    let mut numbers = tone.split(',').map(|number| number.trim().parse::<u32>().ok());
    let (Some(Some(on_ms)), Some(Some(off_ms))) = (numbers.next(), numbers.next()) else {
        return Ok(None);
    };
    let Some(frequencies) = numbers.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let is_heard = frequencies.iter().all(|hz| (20..=3_900).contains(hz));
    if !is_heard || !(1..=MAX_FREQUENCIES).contains(&frequencies.len()) {
        return Err(Error::Frequency);
    }
    let count = |ms: u32| {
        let samples = rate.samples_in(Duration::from_millis(ms.into()));
        usize::try_from(samples).ok().filter(|&count| count <= longest).ok_or(Error::TooLong)
    };
    let (on, off) = (count(on_ms)?, count(off_ms)?);
    if samples.len() + on + off > longest {
        return Err(Error::TooLong);
    }
    let mut sound = vec![0i16; on];
    for hz in frequencies {
        let part = sine(rate, hz as f32, level_dbm0 - FULL_SCALE_DBM0, on);
        sound.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }
    shape(&mut sound, rate);
    samples.append(&mut sound);
    samples.resize(samples.len() + off, 0);
    Ok(Some(()))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::goertzel_dbfs;

    const RATE: SampleRate = SampleRate::NARROW;

    #[test]
    fn a_ringback_is_its_two_tones_and_its_pause_as_often_as_asked() {
        let pcm = render("L=2;v=-10;%(400,200,450,800)", RATE).unwrap();
        assert_eq!(pcm.duration(), Duration::from_millis(1_200));
        let (once, again) = pcm.samples().split_at(4_800);
        assert_eq!(once, again);
        let (sound, pause) = once.split_at(3_200);
        for hz in [450.0, 800.0] {
            let level = goertzel_dbfs(&sound[400..2_800], 8_000, hz);
            assert!((level + 13.17).abs() < 0.1, "{hz}: {level}");
        }
        assert!(pause.iter().all(|&sample| sample == 0));
    }

    #[test]
    fn tones_follow_each_other_at_the_level_set_before_them() {
        let pcm = render("%(100,0,500);v=-27;%(100,0,1000)", RATE).unwrap();
        let (first, second) = pcm.samples().split_at(800);
        assert!((goertzel_dbfs(&first[80..720], 8_000, 500.0) + 10.17).abs() < 0.1);
        assert!((goertzel_dbfs(&second[80..720], 8_000, 1_000.0) + 30.17).abs() < 0.1);
    }

    #[test]
    fn what_makes_no_tones_says_why() {
        for (text, error) in [
            ("", Error::Nothing),
            ("L=0;%(100,0,500)", Error::Nothing),
            ("%(0,0,500)", Error::Nothing),
            ("%(100,0,500", Error::Syntax { at: 0 }),
            ("L=2;%(100,x,500)", Error::Syntax { at: 4 }),
            ("v=-7;d=1;%(100,0,500)", Error::Syntax { at: 5 }),
            ("%(100,0)", Error::Frequency),
            ("%(100,0,10)", Error::Frequency),
            ("%(100,0,4000)", Error::Frequency),
            ("%(100,0,1,2,3,4,5)", Error::Frequency),
            ("%(4000000000,4000000000,500)", Error::TooLong),
            ("L=601;%(500,500,500)", Error::TooLong),
            ("L=18446744073709551615;%(500,500,500)", Error::TooLong),
        ] {
            assert_eq!(render(text, RATE), Err(error), "{text}");
        }
        assert_eq!(render("L=600;%(500,500,500)", RATE).map(|p| p.duration()), Ok(MAX_DURATION));
        let endless = render("L=-1;%(300,100,425)", RATE).unwrap();
        assert_eq!(endless.duration(), MAX_DURATION);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "([LvL=%();,0-9.-]|\\PC){0,60}") {
            let _ = render(&text, RATE);
        }
    }
}
