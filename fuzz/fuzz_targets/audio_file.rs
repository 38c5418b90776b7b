//! Files that applications ask us to play.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::SampleRate;
use media::source::file::{MAX_DURATION, MAX_SAMPLES, decode};

fuzz_target!(|bytes: &[u8]| {
    for highest in [SampleRate::NARROW, SampleRate::FULL] {
        if let Ok(pcm) = decode(bytes, highest) {
            assert!(pcm.rate() <= highest);
            assert!(!pcm.samples().is_empty() && pcm.samples().len() <= MAX_SAMPLES + 1);
            assert!(pcm.duration() <= MAX_DURATION + std::time::Duration::from_millis(1));
        }
    }
});
