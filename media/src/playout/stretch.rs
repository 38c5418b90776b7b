//! Time stretching: one pitch period left out of, or put into, what is to be played (WSOLA).
//!
//! The cut is where the audio resembles itself best, cross-faded over 5 ms, so that neither pitch nor
//! level change. What has no likeness of that kind is left as it is, unless the caller insists.

use super::pitch;
use super::track::Track;
use crate::time::SampleRate;

/// Length of the cross-fade.
const FADE_MS: usize = 5;

/// Leaves out a piece of what is to be played next, if it is at least `likeness` like what follows it.
/// Gives its samples: 2.5 to 15 ms, or 0. Looks at 20 ms.
pub(super) fn compress(track: &mut Track, rate: SampleRate, likeness: f32) -> usize {
    let fade = FADE_MS * rate.hz() as usize / 1_000;
    let (shortest, longest) = (pitch::shortest(rate), pitch::longest(rate));
    let (_, next) = track.parts();
    let Some(window) = next.get(..longest + fade) else { return 0 };
    let (offset, found) = pitch::best_match(&window[..fade], &window[shortest..], rate);
    if found < likeness {
        return 0;
    }
    let count = shortest + offset;
    for n in 0..fade {
        next[count + n] = mix(next[n], next[count + n], n, fade);
    }
    track.cut(count);
    count
}

/// Plays a piece of the past once more, if it is at least `likeness` like what is to be played next.
/// Gives its samples: 2.5 to 15 ms, or 0. Looks at the past and at the next 5 ms.
pub(super) fn expand(track: &mut Track, rate: SampleRate, likeness: f32) -> usize {
    let fade = FADE_MS * rate.hz() as usize / 1_000;
    let (shortest, longest) = (pitch::shortest(rate).max(fade), pitch::longest(rate));
    let (past, next) = track.parts();
    let Some(template) = next.get(..fade) else { return 0 };
    let Some(first) = past.len().checked_sub(longest) else { return 0 };
    let signal = &past[first..past.len() - shortest + fade];
    let (offset, found) = pitch::best_match(template, signal, rate);
    if found < likeness {
        return 0;
    }
    let count = longest - offset;
    let (past, new) = track.insert(count);
    new.copy_from_slice(&past[past.len() - count..]);
    // It begins as what was to come next does, and ends as the past did.
    let Some((new, next)) = track.parts().1.split_at_mut_checked(count) else { return count };
    for n in 0..fade.min(next.len()) {
        new[n] = mix(next[n], new[n], n, fade);
    }
    count
}

/// Sample `n` of a fade from one to the other.
fn mix(from: i16, to: i16, n: usize, fade: usize) -> i16 {
    let weight = (n + 1) as f32 / (fade + 1) as f32;
    let (from, to) = (f32::from(from), f32::from(to));
    (from + (to - from) * weight).round() as i16
}

#[cfg(test)]
mod tests {
    use super::super::conceal::Conceal;
    use super::*;
    use crate::sim::Dice;
    use crate::source::tone;

    const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

    /// 40 ms played, 25 ms to come.
    fn track(samples: &[i16], rate: SampleRate) -> Track {
        let ms = rate.hz() as usize / 1_000;
        let mut track = Track::new(Conceal::PAST_MS * ms);
        track.room(65 * ms).copy_from_slice(&samples[..65 * ms]);
        track.extend(65 * ms);
        assert!(track.read(&mut vec![0; 40 * ms]));
        track
    }

    /// Power of the signal without what a recurrence of this frequency explains: a click stands out.
    fn largest_surprise(samples: &[i16], hz: f64, rate: SampleRate) -> f64 {
        let turn = 2.0 * (2.0 * std::f64::consts::PI * hz / f64::from(rate.hz())).cos();
        let surprise = |w: &[i16]| f64::from(w[2]) - turn * f64::from(w[1]) + f64::from(w[0]);
        samples.windows(3).map(|w| surprise(w).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_tone_is_made_shorter_and_longer_without_a_click() {
        for rate in RATES {
            for hz in [93.0, 400.0, 1_004.0, 2_333.0] {
                let ms = rate.hz() as usize / 1_000;
                let tone = tone::sine(rate, hz, -6.0, 100 * ms);
                for shorter in [true, false] {
                    let mut track = track(&tone, rate);
                    let before = track.pending();
                    let count = if shorter {
                        let count = compress(&mut track, rate, 0.9);
                        assert_eq!(track.pending(), before - count);
                        count
                    } else {
                        let count = expand(&mut track, rate, 0.9);
                        assert_eq!(track.pending(), before + count);
                        count
                    };
                    assert!(count >= pitch::shortest(rate) && count <= pitch::longest(rate));
                    let (past, next) = track.parts();
                    let played = [&*past, &*next].concat();
                    let surprise = largest_surprise(&played, f64::from(hz), rate);
                    // Full scale is 32,768; a jump in phase of a tenth of a period would be 10,000.
                    assert!(surprise < 500.0, "{rate:?} {hz} Hz {shorter}: {surprise}");
                }
            }
        }
    }

    #[test]
    fn noise_is_left_alone_unless_insisted_on() {
        for rate in RATES {
            let mut dice = Dice::new(5);
            let noise: Vec<i16> = (0..5_000).map(|_| (dice.bits() >> 48) as i16 / 8).collect();
            let mut track = track(&noise, rate);
            assert_eq!(compress(&mut track, rate, 0.9), 0);
            assert_eq!(expand(&mut track, rate, 0.9), 0);
            assert!(compress(&mut track, rate, -1.0) > 0);
            assert!(expand(&mut track, rate, -1.0) > 0);
        }
    }

    #[test]
    fn too_little_is_left_alone() {
        let mut track = Track::new(240);
        assert_eq!(compress(&mut track, SampleRate::NARROW, -1.0), 0);
        assert_eq!(expand(&mut track, SampleRate::NARROW, -1.0), 0);
    }
}
