//! Files that applications ask us to play.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::SampleRate;
use media::source::wav::{MAX_DURATION, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pcm) = parse(bytes, SampleRate::NARROW) {
        assert_eq!(pcm.rate(), SampleRate::NARROW);
        assert!(!pcm.samples().is_empty());
        assert!(pcm.duration() <= MAX_DURATION + std::time::Duration::from_millis(1));
    }
});
